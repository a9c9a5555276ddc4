"""What the checks of exercises share: look at an answer, and say kindly what is odd about it.

A check takes the learner's answer apart with these functions. Each returns something safe to
compute with, or raises Mistake with one sentence for the learner, or NotAnswered for an untouched
stub.
"""

import copy
import math
import numbers
from collections.abc import Sequence
from typing import Any

import torch

from mssnet_edu import images

__all__ = ["Mistake", "NotAnswered", "as_number", "as_photo", "call", "describe", "is_close"]

Numbers = torch.Tensor | float | Sequence[float]


class Mistake(Exception):
    """The answer is wrong; the text says what is likely to be the matter."""


class NotAnswered(Exception):
    """The learner has not written anything yet."""


def describe(value: object) -> str:
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


def as_number(value: Any, name: str = "The answer") -> float:
    """A finite float from whatever a learner may call a number.

    >>> as_number(torch.tensor(0.5))
    0.5
    """
    if value is None or value is ...:
        raise NotAnswered
    is_tensor = isinstance(value, torch.Tensor) and value.numel() == 1
    if is_tensor or getattr(value, "size", None) == 1:  # numpy's numbers have a size
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Mistake(f"{name} is {describe(value)}; expected a number.")
    if not math.isfinite(value):
        raise Mistake(f"{name} is {value}; expected a finite number. Is something divided by zero?")
    return float(value)


def as_photo(value: object, shape: Sequence[int], name: str = "The answer") -> torch.Tensor:
    """A photo of this shape, float32, (3, H, W).

    >>> as_photo(torch.zeros(3, 4, 4), (3, 4, 4)).sum()
    tensor(0.)
    """
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


def call(function: object, *inputs: object, name: str = "Your function") -> object:
    """Call the learner's function. What it raises becomes a Mistake; None or ... is NotAnswered.

    >>> call(lambda factor: factor**2, 8)
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
        raise NotAnswered
    return answer


def is_close(
    actual: Numbers, expected: Numbers, relative: float = 1e-3, absolute: float = 1e-6
) -> bool:
    """Are two numbers, or two tensors of one shape, equal but for rounding?

    >>> is_close(0.98437, 63 / 64), is_close(0.9, 63 / 64)
    (True, False)
    """
    actual, expected = torch.as_tensor(actual).double(), torch.as_tensor(expected).double()
    return actual.shape == expected.shape and torch.allclose(actual, expected, relative, absolute)
