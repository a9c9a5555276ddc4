"""Exercises of notebook 03, Inside MSSNet."""

import statistics

import torch
from torch.nn import functional as F

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    as_flag,
    as_number,
    as_tensor,
    call,
    compare,
    describe,
    random,
)

__all__ = ["EXERCISES"]


# --- 03-a -----------------------------------------------------------------------------------------


def _shrink(answer):
    for factor, height, width in ((2, 8, 12), (3, 12, 6), (4, 8, 20)):
        given = random(factor, 3, height, width)
        count, small = factor**2, [height // factor, width // factor]
        returned = call(answer, given, factor)
        if isinstance(returned, list | tuple):
            return (
                f"This is {describe(returned)}. Join the small pictures into one tensor: "
                "`torch.cat(pictures)`."
            )
        shape = list(returned.shape) if isinstance(returned, torch.Tensor) else []
        if shape[1:] == small and shape[0] < 3 * count:
            return (
                f"These are {shape[0]} channels. There are factor × factor small pictures, of 3 "
                f"colours each: {3 * count} channels for a factor of {factor}."
            )
        if shape == [count, 3, *small]:
            return "The small pictures lie in a pile. Join them along their colours: `torch.cat`."
        if shape in ([3, small[0] * count, small[1]], [3, small[0], small[1] * count]):
            return "The small pictures lie side by side. Their colours are dimension 0: join there."
        returned = as_tensor(returned, (3 * count, *small), f"Your answer for factor {factor}")
        places = [(row, column) for row in range(factor) for column in range(factor)]
        values = given.flatten().sort().values
        likely = {
            "All pixels are there, but the pictures are in another order: go through a row of "
            "the square first, then down.": torch.cat(
                [given[:, row::factor, column::factor] for column, row in places]
            ),
            "This is the order of torch: all pictures of red, then of green, then of blue. "
            "Here each small picture keeps its three colours together.": F.pixel_unshuffle(
                given[None], factor
            )[0],
        }
        otherwise = (
            "All numbers are there, but not in their places. `photo[:, row::factor, "
            "column::factor]` takes one pixel of each square."
            if torch.equal(returned.flatten().sort().values, values)
            else "Some numbers are lost or changed. Nothing is computed here: the pixels only "
            "move to other places."
        )
        compare(
            returned,
            torch.cat([given[:, row::factor, column::factor] for row, column in places]),
            likely,
            otherwise,
        )


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
    why="The picture is `factor` times less wide and high, and not one number is lost: they moved "
    "into the channels. torch.nn.functional.pixel_unshuffle does the same, in another order.",
    wrong={
        "lambda p, f: p[:, ::f, ::f]": "factor × factor",
        "lambda p, f: torch.cat([p[:, r::f, c::f] for r in range(2) for c in range(2)])": (
            "factor × factor"
        ),
        "lambda p, f: torch.nn.functional.pixel_unshuffle(p[None], f)[0]": "order of torch",
        "lambda p, f: torch.cat([p[:, r::f, c::f] for r in range(f) for c in range(f)], 1)": (
            "side by side"
        ),
        "lambda p, f: torch.cat([p[:, c::f, r::f] for r in range(f) for c in range(f)])": (
            "another order"
        ),
        "lambda p, f: torch.cat([p[:, ::f, ::f] for r in range(f) for c in range(f)])": "lost",
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
    for layers, shrink in ((8, 5), (10, 4), (10, 1), (3, 2), (1, 1), (6, 3)):
        returned_px = as_number(call(answer, layers, shrink), f"sees_px({layers}, {shrink})")
        grid_px = 2 * layers + 1
        likely = {
            "Right on the small grid. But each of its pixels stands for `shrink` pixels of "
            "the photo, in a row.": grid_px,
            "Nearly. The pixel in the middle is `shrink` pixels wide, too: multiply the whole "
            "sum, `(… + 1) * shrink`.": (2 * layers * shrink + 1),
            "Each layer adds one pixel on each side, not three: the windows of two layers "
            "overlap.": (3 * layers, 3 * layers * shrink, 3**layers, 3**layers * shrink),
            "Count the pixel in the middle too, and one more on each side for each layer.": (
                2 * layers * shrink,
                layers * shrink,
                (layers + 1) * shrink,
                2 * layers,
            ),
            "One layer sees 3 pixels and two see 5: you are one layer short, or one too far.": (
                (grid_px - 2) * shrink,
                (grid_px + 2) * shrink,
            ),
            "These are all the pixels of the window. The question is how many in a row.": (
                (grid_px * shrink) ** 2,
                grid_px * shrink**2,
                grid_px**2,
            ),
            "A pixel of the small grid stands for more pixels of the photo, not for fewer.": (
                grid_px / shrink,
                grid_px // shrink,
            ),
            "Each pixel stands for `shrink` pixels: multiply, do not add.": (grid_px + shrink),
            "This takes every grid for a quarter. Use `shrink`.": (grid_px * 4, 84),
        }
        otherwise = (
            f"sees_px({layers}, {shrink}) gives {returned_px:.4g}, which is not right. "
            "Begin with one layer on the full grid: it sees 3 pixels in a row."
        )
        compare(returned_px, grid_px * shrink, likely, otherwise)


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
        "lambda n, s: 2 * n * s + 1": "multiply the whole sum",
        "lambda n, s: (2 * n - 1) * s": "one layer short",
        "lambda n, s: 2 * n + 1 + s": "do not add",
        "lambda n, s: (2 * n + 1) * 4": "Use `shrink`",
        "lambda n, s: 3**n * s": "overlap",
        "lambda n, s: n + s": "one layer on the full grid",
        "lambda n, s: 3 * s + 2 * (n - 1)": "one layer on the full grid",
        "lambda n, s: (2 * n + 1) * 2**s": "one layer on the full grid",
        "84": "the function itself",
    },
)


# --- 03-c -----------------------------------------------------------------------------------------

CASES = (  # full and without: gains in dB, one for each seed
    ([1.00, 1.10], [0.70, 0.60]),
    ([1.00, 1.10], [0.95, 1.05]),
    ([1.00, 1.10], [1.40, 1.35]),
    ([1.00, 1.02], [1.20, 0.90]),
    ([1.00, 1.10], [0.80, 1.05]),
    ([1.00, 1.30, 1.10], [0.60, 0.80, 0.70]),
    ([1.00, 1.30, 1.10], [0.80, 0.95, 0.90]),
    ([1.00, 1.30, 1.10], [0.69, 0.99, 0.79]),  # just more than luck
    ([1.00, 1.30, 1.10], [1.31, 1.61, 1.41]),
    ([1.00, 1.30, 1.10], [0.71, 1.01, 0.81]),  # just not
    ([1.00, 1.30, 1.10], [1.29, 1.59, 1.39]),
    ([1.00, 1.30, 1.00, 1.30], [1.28, 1.58, 1.28, 1.58]),
    ([1.00, 1.10, 1.30], [0.80, 0.85, 1.05]),  # best and worst are not the first two
    ([1.10, 1.30, 1.00], [0.85, 1.05, 0.75]),
    ([1.00, 1.50], [2.00, 2.00]),  # as much as luck, not more
    ([1.00, 1.05], [0.80, 0.95]),  # `without` is spread more widely
    ([1.00, 1.40, 1.10, 1.20], [1.45, 1.81, 1.60, 1.42]),  # only one difference is too small
    ([1.00, 1.01, 1.02], [0.90, 1.10, 0.90]),  # large, but of both signs
    ([1.30, 1.10], [1.00, 0.85]),
    ([1.00, 1.10], [1.30, 1.15]),  # sorted, other seeds would meet
)


def _more(differences, spread):
    return all(d > spread for d in differences) or all(d < -spread for d in differences)


def _differences(full, without):
    return [w - f for f, w in zip(full, without, strict=True)]


def _spread(values):
    return max(values) - min(values)


def _beyond(full, without, limit):
    d = _differences(full, without)
    return all(x > limit for x in d) or all(x < -limit for x in d)


def _right(full, without):
    return _beyond(full, without, _spread(full))


RULES = {  # what to say to a rule that is nearly right
    "It is the wrong way round: True means that the difference is larger than luck.": (
        lambda f, w: not _right(f, w)
    ),
    "This compares the means. One seed may then speak for the other: look at each difference by "
    "itself.": lambda f, w: abs(sum(_differences(f, w))) / len(f) > _spread(f),
    "A network without an idea may also be better, beyond luck: full = [1.0, 1.1] and without = "
    "[1.4, 1.35] are True.": lambda f, w: all(x < -_spread(f) for x in _differences(f, w)),
    "A network without an idea may also be worse: full = [1.0, 1.1] and without = [0.7, 0.6] are "
    "True.": lambda f, w: all(x > _spread(f) for x in _differences(f, w)),
    "The sign counts: for one seed better and for another worse is no verdict.": lambda f, w: all(
        abs(x) > _spread(f) for x in _differences(f, w)
    ),
    "This asks whether one seed is beyond luck. The rule asks it of every seed: `all`.": (
        lambda f, w: any(abs(x) > _spread(f) for x in _differences(f, w))
    ),
    "Same signs are not enough: each difference must also be larger than the distance in `full`.": (
        lambda f, w: _beyond(f, w, 0)
    ),
    "Luck is measured in `full` alone, from its best to its worst. `without` has no part in it.": (
        lambda f, w: _beyond(f, w, _spread(w))
    ),
    "That the two lists do not overlap is not enough: compare seed by seed.": (
        lambda f, w: max(w) < min(f) or min(w) > max(f)
    ),
}
LESS = (
    *(statistics.stdev, statistics.pstdev, lambda f: 1.4 * statistics.stdev(f)),
    *(lambda f: _spread(f) / 2, lambda f: _spread(f) / 1.2),
)
NARROW = (
    "This takes too little for luck, as a standard deviation does, or half of the distance. By the "
    "rule, luck is all of it: `max(full) - min(full)`."
)


def _luck(answer):
    verdicts = []
    for full, without in CASES:
        verdicts.append(int(as_flag(call(answer, full, without))))
    right = [_right(*case) for case in CASES]
    wrong = [case for case, one, good in zip(CASES, verdicts, right, strict=True) if one != good]
    full, without = wrong[0] if wrong else CASES[0]
    likely = {sentence: [rule(*case) for case in CASES] for sentence, rule in RULES.items()}
    likely |= {NARROW: tuple([_beyond(f, w, limit(f)) for f, w in CASES] for limit in LESS)}
    otherwise = (
        f"For full = {full} and without = {without} the answer should be "
        f"{_right(full, without)}. Write down each difference, and the distance between the best "
        "and the worst of `full`."
    )
    compare(verdicts, right, likely, otherwise)


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
        "lambda f, w: all(abs(b - a) > max(f) - min(f) for a, b in zip(f, w))": "sign counts",
        "lambda f, w: any(abs(b - a) > max(f) - min(f) for a, b in zip(f, w))": "every seed",
        "lambda f, w: all(b > a for a, b in zip(f, w)) or all(b < a for a, b in zip(f, w))": (
            "not enough"
        ),
        "lambda f, w: max(w) < min(f) or min(w) > max(f)": "overlap",
        "lambda f, w: (lambda s, d: all(x > s for x in d) or all(x < -s for x in d))"
        "(1.4 * torch.tensor(f).std(), [b - a for a, b in zip(f, w)])": "standard deviation",
        "lambda f, w: (lambda s, d: all(x > s for x in d) or all(x < -s for x in d))"
        "((max(f) - min(f)) / 1.2, [b - a for a, b in zip(f, w)])": "too little for luck",
        "lambda f, w: all(abs(b - a) > max(w) - min(w) for a, b in zip(f, w))": "no part in it",
        "lambda f, w: (lambda s, d: all(x > s for x in d) or all(x < -s for x in d))"
        "(abs(f[0] - f[1]), [b - a for a, b in zip(f, w)])": "should be",
        "lambda f, w: (lambda s, d: all(x >= s for x in d) or all(x <= -s for x in d))"
        "(max(f) - min(f), [b - a for a, b in zip(f, w)])": "should be False",
        "lambda f, w: solved(sorted(f), sorted(w))": "should be False",
        "lambda f, w: True": "should be False",
        "lambda f, w: 0.3": "True or False",
        "lambda f, w: not (all(b - a > max(f) - min(f) for a, b in zip(f, w)) or "
        "all(b - a < min(f) - max(f) for a, b in zip(f, w)))": "wrong way round",
    },
)

EXERCISES = [SHRINK, SEES, LUCK]
