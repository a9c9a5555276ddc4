"""What the checks of exercises share: look at an answer, and say kindly what is odd about it.

A check takes the learner's answer apart with these functions. Each returns something safe to
compute with, or raises Mistake with one sentence for the learner, or NotYet for an untouched stub.
"""

import copy
import math
import numbers

import torch

from mssnet_edu import images

__all__ = ["Mistake", "NotYet", "ask", "close", "describe", "number", "photo"]


class Mistake(Exception):
    """The answer is wrong; the text says what is likely to be the matter."""


class NotYet(Exception):
    """The learner has not written anything yet."""


def describe(value) -> str:
    """What a value is, in a few plain words.

    >>> describe(torch.zeros(3, 8, 8)), describe("half"), describe([1, 2])
    ('a tensor of shape (3, 8, 8)', "the text 'half'", 'a list of 2')
    """
    if isinstance(value, torch.Tensor):
        if value.numel() == 1:
            return f"the number {value.item():.4g}"
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, numbers.Real):
        return f"the number {float(value):.4g}"
    if isinstance(value, str):
        return f"the text {value[:30]!r}"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    if callable(value):
        return "a function"
    return f"something of type {type(value).__name__}"


def number(value, name="The answer") -> float:
    """A finite float from whatever a learner may call a number.

    >>> number(torch.tensor(0.5))
    0.5
    """
    if value is None or value is ...:
        raise NotYet
    is_tensor = isinstance(value, torch.Tensor) and value.numel() == 1
    if is_tensor or getattr(value, "size", None) == 1:  # numpy's numbers have a size
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Mistake(f"{name} is {describe(value)}; expected a number.")
    if not math.isfinite(value):
        raise Mistake(f"{name} is {value}; expected a finite number. Is something divided by zero?")
    return float(value)


def photo(value, shape, name="The answer") -> torch.Tensor:
    """A photo of this shape, float32, (3, H, W).

    >>> photo(torch.zeros(3, 4, 4), (3, 4, 4)).sum()
    tensor(0.)
    """
    if value is None or value is ...:
        raise NotYet
    shape = tuple(shape)
    if not isinstance(value, torch.Tensor):
        raise Mistake(f"{name} is {describe(value)}; expected a photo, a tensor of shape {shape}.")
    if tuple(value.shape) != shape:
        raise Mistake(f"{name} has the shape {tuple(value.shape)}; expected {shape}.")
    if not value.is_floating_point():
        raise Mistake(
            f"{name} holds {value.dtype}; expected torch.float32, with numbers from 0 to 1."
        )
    try:
        return images.as_batch(value.float(), name)[0].detach()
    except (TypeError, ValueError) as error:
        raise Mistake(str(error)) from None


def ask(function, *inputs, name="Your function"):
    """Call the learner's function. What it raises becomes a Mistake, what it does not say, NotYet.

    >>> ask(lambda factor: factor**2, 8)
    64
    """
    if not callable(function):
        raise Mistake(
            f"The answer is {describe(function)}; expected the function itself, "
            "without brackets behind its name: it is called here, with several inputs."
        )
    inputs = copy.deepcopy(inputs)  # a learner's function may change what it is given
    try:
        with torch.no_grad():
            answer = function(*inputs)
    except Exception as error:
        shown = ", ".join(describe(value).removeprefix("the number ") for value in inputs)
        what = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        raise Mistake(
            f"{name} stopped with {type(error).__name__}: {what}. (It was called with {shown}.)"
        ) from None
    if answer is None or answer is ...:
        raise NotYet
    return answer


def close(found, wanted, relative=1e-3, absolute=1e-6) -> bool:
    """Are two numbers, or two tensors of one shape, equal but for rounding?

    >>> close(0.98437, 63 / 64), close(0.9, 63 / 64)
    (True, False)
    """
    found, wanted = torch.as_tensor(found).double(), torch.as_tensor(wanted).double()
    return found.shape == wanted.shape and torch.allclose(found, wanted, relative, absolute)
