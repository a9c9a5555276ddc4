"""What the checks of exercises share: look at an answer, and say kindly what is odd about it.

A check takes the learner's answer apart with these functions. Each returns something safe to
compute with, or raises Mistake with one sentence for the learner, or NotAnswered for an untouched
stub.
"""

import copy
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mssnet_edu import images

__all__ = [
    "PER_CENT",
    "Mistake",
    "NotAnswered",
    "as_flag",
    "as_number",
    "as_photo",
    "as_tensor",
    "call",
    "choose_letters",
    "compare",
    "describe",
    "is_close",
    "random",
    "uses",
]

PER_CENT = "This is in per cent. A share is a part of 1: leave out the 100."

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


def as_flag(value: Any, name: str = "Your function returned") -> bool:
    """True or False from whatever a learner may call so; name: what the sentence begins with.

    >>> as_flag(torch.tensor(1) > 0)
    True
    """
    if getattr(value, "size", None) == 1 or getattr(value, "numel", int)() == 1:
        value = value.item()  # numpy's, or torch's
    if not isinstance(value, bool | int) or value not in (0, 1):
        raise Mistake(f"{name} {describe(value)}; expected True or False.")
    return bool(value)


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


def as_tensor(
    value: object, shape: Sequence[int], name: str = "What your function returns"
) -> torch.Tensor:
    """A tensor of this shape, float32: features, of any number of channels.

    >>> as_tensor(torch.zeros(5, 2), (5, 2)).sum()
    tensor(0.)
    """
    shape = tuple(shape)
    if not isinstance(value, torch.Tensor):
        raise Mistake(f"{name} is {describe(value)}; expected a tensor of shape {shape}.")
    if tuple(value.shape) != shape:
        raise Mistake(f"{name} has the shape {tuple(value.shape)}; expected {shape}.")
    return value.detach().float()


def random(seed: int, *shape: int) -> torch.Tensor:
    """Numbers from 0 to 1 that no learner has seen, the same in each check.

    >>> random(1, 3, 4, 6).shape
    torch.Size([3, 4, 6])
    """
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def uses(function: object, name: str) -> bool:
    """Does a learner's function name this one, as `name` or as `module.name`, or is it this one?

    >>> uses(lambda a, b: max(a, b), "max"), uses(lambda a, b: a, "max"), uses(max, "max")
    (True, False, True)
    """
    code = getattr(function, "__code__", None)
    return name == getattr(function, "__name__", "") or name in getattr(code, "co_names", ())


def choose_letters(
    answer: object, why_not: Mapping[str, str], why_so: Mapping[str, str]
) -> str | None:
    """Check which of several statements a learner chose: "ace", "a and c", ["a", "c"].

    why_not, why_so: {letter: why it does not belong to the answer, or does}. Returns None for the
    letters of `why_so`, else a sentence on the first that is wrong, or missing.

    >>> choose_letters("A, b", {"b": "It bites."}, {"a": "It is tame."})
    'Not b. It bites.'
    """
    if not isinstance(answer, str | list | tuple | set | frozenset):
        return f'The answer is {describe(answer)}; expected letters, such as "ab".'
    text = answer if isinstance(answer, str) else " ".join(map(str, answer))
    letters = set("".join(re.findall(r"\w+", re.sub(r"\b(and|or)\b", "", text.lower()))))
    if not letters or not letters <= {*why_not, *why_so}:
        last = max(*why_not, *why_so)
        return f'The answer must hold letters from a to {last} and nothing else, such as "ab".'
    if letters == set(why_not):
        return "These are the ones that do *not* belong to it. Write down the others."
    for letter in sorted(letters & set(why_not)):
        return f"Not {letter}. {why_not[letter]}"
    for letter in sorted(set(why_so) - letters):
        return f"{letter} is missing. {why_so[letter]}"
    return None


def call(function: object, *inputs: object, name: str = "Your function") -> object:
    """Call the learner's function. What it raises becomes a Mistake, and so does None.

    A function that returns ... is the stub: NotAnswered.

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
    if answer is ...:
        raise NotAnswered
    if answer is None:
        raise Mistake(f"{name} returns nothing, at least once. Does each way through it `return`?")
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


def compare(
    actual: Any,
    right: Any,
    likely: Mapping[str, Any],
    otherwise: str,
    case: str = "",
    within: float = 1e-4,
) -> None:
    """Raise Mistake unless an answer is right, with the sentence that fits it best.

    actual, right: two numbers, lists of numbers, tensors or names. likely: what to say to a likely
    mistake, and the value that it gives, or a tuple of such values. otherwise: what to say to any
    other. case: what each sentence begins with. within: equal numbers differ by no more, or by a
    ten thousandth of themselves.

    >>> compare(1 / 8, 1 / 64, {"This is one direction.": 1 / 8}, "Divide the two counts.")
    Traceback (most recent call last):
    mssnet_edu.exercises.check_helpers.Mistake: This is one direction.
    """

    def same(value):
        if isinstance(value, str):
            return actual == value
        return is_close(actual, value, relative=1e-4, absolute=within)

    if same(right):
        return
    for sentence, values in likely.items():
        if any(map(same, values if isinstance(values, tuple) else (values,))):
            raise Mistake(case + sentence)
    if isinstance(right, float) and actual % 1 and actual in (round(right, 2), round(right, 3)):
        raise Mistake(f"{case}That is right, but rounded. Leave the number as it is.")
    raise Mistake(case + otherwise)
