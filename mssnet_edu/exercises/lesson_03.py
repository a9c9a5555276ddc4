"""Exercises of notebook 03, Inside MSSNet."""

import torch
from torch.nn import functional as F

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    as_number,
    as_photo,
    call,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


# --- 03-a -----------------------------------------------------------------------------------------


def _shrink(answer):
    generator = torch.Generator().manual_seed(3)
    for factor, height, width in ((2, 8, 12), (4, 8, 8)):
        given = torch.rand(3, height, width, generator=generator)
        name = f"Your answer for factor {factor}"
        shape = (3 * factor**2, height // factor, width // factor)
        returned = call(answer, given, factor)
        if isinstance(returned, list | tuple):
            return (
                f"This is {describe(returned)}. Join the small pictures into one tensor: "
                "`torch.cat(pictures)`."
            )
        if isinstance(returned, torch.Tensor) and returned.shape == (3, *shape[1:]):
            return (
                "This is one small picture. There are factor × factor of them, and none may be "
                "left out."
            )
        if isinstance(returned, torch.Tensor) and returned.shape == (factor**2, 3, *shape[1:]):
            return "The small pictures lie in a pile. Join them along their colours: `torch.cat`."
        returned = _stack(returned, shape, name)
        pieces = [
            given[:, row::factor, column::factor]
            for row in range(factor)
            for column in range(factor)
        ]
        if is_close(returned, torch.cat(pieces)):
            continue
        if is_close(returned, F.pixel_unshuffle(given[None], factor)[0]):
            continue  # torch's own order is as good
        columns_first = [
            given[:, row::factor, column::factor]
            for column in range(factor)
            for row in range(factor)
        ]
        if is_close(returned, torch.cat(columns_first)):
            return (
                "All pixels are there, but the pictures are in another order: go through a row of "
                "the square first, then down."
            )
        if is_close(returned.flatten().sort().values, given.flatten().sort().values):
            return (
                "All numbers are there, but not in their places. `photo[:, row::factor, "
                "column::factor]` takes one pixel of each square."
            )
        return (
            "Some numbers are lost or changed. Nothing is computed here: the pixels only move to "
            "other places."
        )
    return None


def _stack(value, shape, name):
    """A tensor of this shape, of many channels."""
    if isinstance(value, torch.Tensor) and tuple(value.shape) == shape:
        return value.float()
    return as_photo(value, shape, name)  # says what is odd about it


SHRINK = Exercise(
    id="03-a",
    title="Shrink without loss",
    task="""
`photo[:, row::factor, column::factor]` takes every `factor`-th pixel of a photo, beginning at
`row` and `column`. With `factor = 2`, there are four such small pictures: (row, column) is (0, 0),
(0, 1), (1, 0) or (1, 1). `torch.cat(pictures)` joins a list of pictures: their colours become the
channels of one tensor.

**Your turn.** Complete the function. For a photo of shape (3, H, W), it returns all factor × factor
small pictures in one tensor of shape (3 × factor × factor, H / factor, W / factor), in the order
above: through the columns of row 0 first, then of row 1, and so on.
""",
    stub="""
def shrink(photo, factor):
    return ...  # your code here
""",
    answer="shrink",
    expects="a function of a photo and a factor",
    hints=(
        "Make a list of the small pictures first. `row` and `column` each go through "
        "`range(factor)`.",
        "`[photo[:, row::factor, column::factor] for row in range(factor) for column in "
        "range(factor)]`, and `torch.cat` around it.",
    ),
    solution="""
def shrink(photo, factor):
    places = [(row, column) for row in range(factor) for column in range(factor)]
    return torch.cat([photo[:, row::factor, column::factor] for row, column in places])
""",
    check=_shrink,
    why="The picture is half as wide and half as high, and not one number is lost: they moved into "
    "the channels. torch.nn.functional.pixel_unshuffle does the same, in another order.",
    wrong={
        "lambda p, f: p[:, ::f, ::f]": "one small picture",
        "lambda p, f: torch.nn.functional.avg_pool2d(p[None], f)[0].repeat(f * f, 1, 1)": "lost",
        "lambda p, f: [p[:, r::f, c::f] for r in range(f) for c in range(f)]": "torch.cat",
        "lambda p, f: torch.cat([p[:, r::f, c::f] for c in range(f) for r in range(f)])": (
            "another order"
        ),
        "lambda p, f: p.reshape(3 * f * f, p.shape[1] // f, p.shape[2] // f)": "places",
        "lambda p, f: torch.stack([p[:, r::f, c::f] for r in range(f) for c in range(f)])": "pile",
        "lambda p, f: p": "shape",
    },
)


# --- 03-b -----------------------------------------------------------------------------------------


def _sees(answer):
    for layers, shrink in ((10, 1), (10, 4), (3, 2), (1, 1)):
        returned_px = as_number(call(answer, layers, shrink), f"sees_px({layers}, {shrink})")
        right = (2 * layers + 1) * shrink
        if is_close(returned_px, right, absolute=1e-6):
            continue
        if is_close(returned_px, 2 * layers + 1, absolute=1e-6):
            return (
                "Right on the small grid. But each of its pixels stands for `shrink` pixels of "
                "the photo, in a row."
            )
        if returned_px in (3 * layers, 3 * layers * shrink):
            return (
                "Each layer adds one pixel on each side, not three: the windows of two layers "
                "overlap."
            )
        if returned_px in (2 * layers * shrink, layers * shrink, (layers + 1) * shrink):
            return "Count the pixel in the middle too, and one more on each side for each layer."
        if is_close(returned_px, right**2, absolute=1e-6):
            return "These are all the pixels of the window. The question is how many in a row."
        if is_close(returned_px, (2 * layers + 1) / shrink, absolute=1e-2):
            return "A pixel of the small grid stands for more pixels of the photo, not for fewer."
        return (
            f"sees_px({layers}, {shrink}) gives {returned_px:.4g}, which is not right. Begin with "
            "one layer on the full grid: it sees 3 pixels in a row."
        )
    return None


SEES = Exercise(
    id="03-b",
    title="How far can it see?",
    task="""
A 3 × 3 convolution looks at a pixel and at its neighbours: 3 pixels in a row. A second one, on top,
looks at three of these windows, one pixel apart: 5 pixels in a row. And so on. On a grid of a
quarter of the photo's width, each pixel stands for 4 pixels of the photo in a row.

**Your turn.** Complete the function. It returns how many pixels of the photo, in a row, a stack of
`layers` such convolutions sees on a grid that is `shrink` times smaller.
""",
    stub="""
def sees_px(layers, shrink):
    return ...  # your code here
""",
    answer="sees_px",
    expects="a function of the number of layers and of how much smaller the grid is",
    hints=(
        "First without `shrink`: 1 layer sees 3, 2 layers see 5, 3 layers see 7. And `layers`?",
        "`2 * layers + 1` pixels of the grid. How many pixels of the photo are these?",
    ),
    solution="""
def sees_px(layers, shrink):
    return (2 * layers + 1) * shrink
""",
    check=_sees,
    why="The same ten layers see 21 pixels at full size and 84 at a quarter of it, for a sixteenth "
    "of the work. That is why a network begins small. A U-Net shrinks twice more, so it sees "
    "further still; but what lies far away counts little, as the violet spots showed.",
    wrong={
        "lambda n, s: 2 * n + 1": "stands for",
        "lambda n, s: 3 * n * s": "overlap",
        "lambda n, s: 2 * n * s": "in the middle",
        "lambda n, s: (2 * n + 1) / s": "not for fewer",
        "lambda n, s: ((2 * n + 1) * s) ** 2": "in a row",
        "84": "the function itself",
    },
)


# --- 03-c -----------------------------------------------------------------------------------------

CASES = (  # full, without, is the difference beyond luck?
    ([1.00, 1.10], [0.70, 0.60], True),
    ([1.00, 1.10], [0.95, 1.05], False),
    ([1.00, 1.10], [1.40, 1.35], True),
    ([1.00, 1.02], [1.20, 0.90], False),
    ([1.00, 1.10], [0.80, 1.05], False),
    ([1.00, 1.30, 1.10], [0.60, 0.80, 0.70], True),
    ([1.00, 1.30, 1.10], [0.80, 0.95, 0.90], False),
)


def _mean(values):
    return sum(values) / len(values)


def _luck(answer):
    verdicts = []
    for full, without, _right in CASES:
        verdict = call(answer, full, without)
        if isinstance(verdict, torch.Tensor) and verdict.numel() == 1:
            verdict = verdict.item()
        if not isinstance(verdict, bool | int) or verdict not in (0, 1):
            return f"Your function returned {describe(verdict)}; expected True or False."
        verdicts.append(bool(verdict))
    expected = [right for _, _, right in CASES]
    if verdicts == expected:
        return None
    if verdicts == [not right for right in expected]:
        return "It is the wrong way round: True means that the difference is larger than luck."
    spreads = [max(full) - min(full) for full, _, _ in CASES]
    means = [abs(_mean(w) - _mean(f)) > s for (f, w, _), s in zip(CASES, spreads, strict=True)]
    if verdicts == means and means != expected:
        return (
            "This compares the means. One seed may then speak for the other: look at each "
            "difference by itself."
        )
    if verdicts[2] is False and verdicts[0] is True:
        return (
            "A network without an idea may also be better, beyond luck: case full = [1.0, 1.1], "
            "without = [1.4, 1.35] gives False."
        )
    full, without, right = next(
        case for case, one in zip(CASES, verdicts, strict=True) if one != case[2]
    )
    return (
        f"For full = {full} and without = {without} the answer should be {right}. Write down each "
        "difference, and the distance between the best and the worst of `full`."
    )


LUCK = Exercise(
    id="03-c",
    title="Is it more than luck?",
    task="""
`full` and `without` are two lists of gains in dB, one for each seed, in the same order. The
networks in `full` are built alike, so what differs between them is luck. By the rule of this
notebook, the difference `without[i] - full[i]` counts as more than luck if, for every seed, it has
the same sign and is larger than the distance between the best and the worst of `full`.

**Your turn.** Complete the function. It returns True if the difference is more than luck, else
False.
""",
    stub="""
def more_than_luck(full, without):
    return ...  # your code here
""",
    answer="more_than_luck",
    expects="a function of two lists",
    hints=(
        "`spread = max(full) - min(full)` is what luck can do. Then make a list of the "
        "differences, one for each seed.",
        "True if all differences are above `spread`, or all below `-spread`: `all(...) or "
        "all(...)`.",
    ),
    solution="""
def more_than_luck(full, without):
    spread = max(full) - min(full)
    differences = [w - f for f, w in zip(full, without)]
    return all(d > spread for d in differences) or all(d < -spread for d in differences)
""",
    check=_luck,
    why="A rule of thumb, and a weak one, as the dice showed: two seeds show luck, they do not "
    "measure it. Papers that report one run of each network do not even show it.",
    wrong={
        "lambda f, w: abs(sum(w) - sum(f)) / len(f) > max(f) - min(f)": "means",
        "lambda f, w: all(b < a - (max(f) - min(f)) for a, b in zip(f, w))": "may also be better",
        "lambda f, w: True": "should be False",
        "lambda f, w: 0.3": "True or False",
        "lambda f, w: not (all(b - a > max(f) - min(f) for a, b in zip(f, w)) or "
        "all(b - a < min(f) - max(f) for a, b in zip(f, w)))": "wrong way round",
    },
)

EXERCISES = [SHRINK, SEES, LUCK]
