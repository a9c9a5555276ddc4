"""Exercises of notebook 08, zoom and recognition."""

import math

import torch

from mssnet_edu import zoom
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    as_number,
    as_tensor,
    call,
    choose_letters,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


# --- 08-a -----------------------------------------------------------------------------------------

PLACES = ((640, 480, 0, 2), (448, 300, 2, 1), (301, 500, 1, 0), (231, 1000, 2, 2))


def _corner(width, height, row, column):
    x = column * (width // 3) + width // 3 // 2
    y = row * (height // 3) + height // 3 // 2
    return x - 112, y - 112


def _check_corner(answer):
    for place in PLACES:
        width, height, row, column = place
        returned = call(answer, *place)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            return f"Your function returns {describe(returned)}; expected two numbers: left, top."
        found = tuple(as_number(each, "left or top") for each in returned)
        right = _corner(*place)
        if is_close(found, right):
            continue
        if is_close(found, right[::-1]):
            return "These are top and left. Return left first, then top."
        if is_close(found, _corner(width, height, column, row)):
            return "Rows count downwards, columns to the right; here they are the wrong way round."
        if is_close(found, [each + 112 for each in right]):
            return "This is the middle of the patch. The crop begins half its width before: 112 px."
        if is_close(found, [column * (width // 3), row * (height // 3)]):
            return "This is the corner of the patch. The crop lies around the *middle* of it."
        if is_close(found, [right[0] + 112 - 224, right[1] + 112 - 224]):
            return "Only half of the crop's 224 px lies to the left of its middle."
        if is_close(found, right, absolute=2, relative=0):
            return (
                "Nearly: it is off by a pixel or two. Pixels are counted in whole numbers: divide "
                "with `//`, first by 3, then by 2."
            )
        return (
            f"For a photo of {width} × {height} px, row {row}, column {column}, this gives "
            f"{found[0]:g}, {found[1]:g}; {right[0]}, {right[1]} is right."
        )
    return None


CORNER = Exercise(
    id="08-a",
    title="Where does the crop lie?",
    task="""
A photo was resized to `width` × `height` pixels. It is divided into 3 × 3 patches, all of one size,
rounded down to whole pixels. The crop of 224 × 224 px lies around the middle of one of them: `row`
counts from the top, `column` from the left, both from 0.

**Your turn.** Complete the function. It returns the crop's left and top edge, two whole numbers;
below 0 means that it begins outside the photo.
""",
    stub="""
def corner(width, height, row, column):
    return ...  # your code here
""",
    answer="corner",
    expects="a function of width, height, row and column",
    hints=(
        "How wide is a patch? Where does the patch in this column begin, and where is its middle?",
        "`patch = width // 3`, the middle is at `column * patch + patch // 2`, and the crop begins "
        "112 px before it. The same with the height.",
    ),
    solution="""
def corner(width, height, row, column):
    across, down = width // 3, height // 3
    left = column * across + across // 2 - 112
    top = row * down + down // 2 - 112
    return left, top
""",
    check=_check_corner,
    why="A small photo makes these numbers negative: the crop then has black around it. With "
    "36 sizes, nine of these corners each give the 324 zooms.",
    wrong={
        "lambda w, h, r, c: (r * (h // 3) + h // 6 - 112, c * (w // 3) + w // 3 // 2 - 112)": "top "
        "and left",
        "lambda w, h, r, c: (c * (w // 3) + w // 3 // 2, r * (h // 3) + h // 3 // 2)": "middle of",
        "lambda w, h, r, c: (c * (w // 3), r * (h // 3))": "corner of the patch",
        "lambda w, h, r, c: (r * (w // 3) + w // 3 // 2 - 112, c * (h // 3) + h // 3 // 2 - 112)": (
            "the wrong way round"
        ),
        "lambda w, h, r, c: (c * w / 3 + w / 6 - 112, r * h / 3 + h / 6 - 112)": "whole numbers",
        "lambda w, h, r, c: c * (w // 3)": "expected two numbers",
    },
)


# --- 08-b -----------------------------------------------------------------------------------------


def _views(seed, sizes, classes):
    """Answers to zooms in which class 2 is the most likely on average, and seldom in one zoom."""
    generator = torch.Generator().manual_seed(seed)
    answers = torch.rand(sizes, 9, classes, generator=generator).softmax(-1)
    answers[..., 2] += 0.5 / classes
    return answers / answers.sum(-1, keepdim=True)


def _check_rule(answer):
    for seed, sizes, classes in ((1, 36, 50), (2, 36, 7)):
        answers = _views(seed, sizes, classes)
        returned = call(answer, answers)
        if not isinstance(returned, torch.Tensor) or not returned.is_floating_point():
            return f"Your function returns {describe(returned)}; expected a tensor, (classes,)."
        if tuple(returned.shape) != (classes,):
            return (
                f"The shape is {tuple(returned.shape)}; for {classes} classes, ({classes},) is "
                "expected: one probability a class. Take the mean over sizes *and* anchors."
            )
        if not torch.isfinite(returned).all():
            return (
                "There are no numbers to take the mean of. `answers` has 36 rows, not pixels: "
                "`me.zoom.SIZES_PX.index(224)` is the row of 224 px."
            )
        if not is_close(returned.sum(), 1, relative=1e-2):
            return (
                f"The probabilities sum to {float(returned.sum()):.3g}, not to 1. Take the mean "
                "over the zooms that you chose, not the sum or the largest."
            )
        same = torch.eye(classes)[3].expand(sizes, 9, classes)
        agreed = call(answer, same)
        if not torch.is_tensor(agreed) or not is_close(agreed, same[0, 0], absolute=1e-3):
            return "Where all zooms agree, your rule does not. Does it look at the answers at all?"
        others = _views(seed + 9, sizes, classes)
        one, other, mixed = (
            as_tensor(call(answer, each), (classes,))
            for each in (answers, others, (answers + others) / 2)
        )
        if not is_close(mixed, (one + other) / 2, absolute=1e-4):
            return (
                "This is more than a mean of always the same zooms: does it choose by the answers, "
                "vote, or take the largest? `answers[rows].mean((0, 1))` does none of these."
            )
        if max(_weight(answer, sizes, classes, i) for i in range(sizes * 9)) > 0.9:
            return "Only one zoom decides. Choose several and take the mean of their answers."
    return _on_the_set(answer)


def _weight(rule, sizes, classes, number):
    """How much this zoom counts in a rule that takes a mean: all others name another class."""
    answers = torch.eye(classes)[1].repeat(sizes, 9, 1)
    answers.view(-1, classes)[number] = torch.eye(classes)[0]
    return float(rule(answers)[0])


def _on_the_set(rule):
    stored = zoom.recorded_zooms()
    single, found = 0, 0
    for photo in zoom.labelled_photos():
        answers = stored.answers(photo.name)
        single += bool(zoom.is_right(answers[zoom.SIZES_PX.index(224), 4], photo.labels))
        found += bool(zoom.is_right(rule(answers), photo.labels))
    if found <= single:
        return (
            f"It is a rule, but on the course's photos it is right {found} times, and the single "
            f"crop {single} times. Which sizes and which anchors are often right? Choose those."
        )
    return None


RULE = Exercise(
    id="08-b",
    title="A rule of your own",
    task="""
`answers` holds what the classifier says of every zoom of one photo: probabilities, a tensor
(36, 9, classes). Sizes are in the order of `me.zoom.SIZES_PX`, anchors in that of
`me.zoom.ANCHORS`; `me.zoom.SIZES_PX.index(224)` is the row of 224 px, and anchor 4 is the centre.

**Your turn.** Complete the function. It chooses some zooms, always the same ones, and returns the
mean of their probabilities, (classes,). It must beat the single crop (224 px, centre) on the
course's photos.
""",
    stub="""
def my_rule(answers):
    return ...  # your code here
""",
    answer="my_rule",
    expects="a function of the answers to all zooms",
    hints=(
        "`answers[rows]` takes some sizes, `answers[:, anchors]` some anchors; `.mean((0, 1))` "
        "averages over both.",
        "Try `answers[11:20].mean((0, 1))`, then other rows, or fewer anchors: "
        "`answers[11:20][:, [1, 3, 4, 5, 7]]`.",
    ),
    solution="""
def my_rule(answers):
    rows = [me.zoom.SIZES_PX.index(size) for size in (192, 224, 256, 288, 320)]
    return answers[rows].mean((0, 1))  # all nine anchors
""",
    check=_check_rule,
    why="The mean forgives a view that misses the object, and needs no label. Whether it also "
    "beats the single crop on photos that you did not choose it by is another question: see below.",
    wrong={
        "lambda a: a[me.zoom.SIZES_PX.index(224), 4]": "Only one zoom",
        "lambda a: a.mean(0)": "sizes *and* anchors",
        "lambda a: a.mean((0, 1)).argmax()": "expected a tensor",
        "lambda a: a[10:20].amax((0, 1))": "sum to",
        "lambda a: a[:3].mean((0, 1))": "the single crop",
        "lambda a: a.flatten(0, 1)[a.flatten(0, 1).amax(1).argmax()]": "choose by the answers",
        "lambda a: a[8:20, 4][a[8:20, 4].amax(1).argmax()]": "choose by the answers",
        "lambda a: 0.999 * a[me.zoom.SIZES_PX.index(320), 4] + 0.001 * a[0, 0]": "Only one zoom",
        "lambda a: torch.ones(a.shape[-1]) / a.shape[-1]": "all zooms agree",
        "lambda a: a[224:320].mean((0, 1))": "36 rows, not pixels",
    },
)


# --- 08-c -----------------------------------------------------------------------------------------

RIGHTS = (
    ([1, 1, 1, 1, 0, 0, 0, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 0]),
    ([0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 1, 0, 1]),
    ([1, 1, 0, 0, 1], [0, 0, 1, 1, 1]),
)


def _luck(fixed, broken):
    flips = fixed + broken
    tail = sum(math.comb(flips, k) for k in range(min(fixed, broken) + 1)) / 2**flips
    return min(1.0, 2 * tail)


def _check_luck(answer):
    for before, after in RIGHTS:
        fixed = sum(b < a for b, a in zip(before, after, strict=True))
        broken = sum(b > a for b, a in zip(before, after, strict=True))
        flips, fewer = fixed + broken, min(fixed, broken)
        right = _luck(fixed, broken)
        found = as_number(call(answer, [bool(b) for b in before], [bool(a) for a in after]))
        if is_close(found, right):
            continue
        told = f"Of {flips} flips, {fixed} were for the better and {broken} for the worse: "
        if is_close(found, right / 2):
            return told + "chance may split them unevenly in two directions. Double it."
        if is_close(found, math.comb(flips, fewer) / 2**flips) or is_close(
            found, 2 * math.comb(flips, fewer) / 2**flips
        ):
            return told + "count the splits that are *more* uneven, too, not only this one."
        if is_close(found, _luck(len(before) - fewer, fewer)) or is_close(
            found, _luck(fixed, len(before) - fixed)
        ):
            return told + "photos that did not flip say nothing. Toss the coin for the flips only."
        if is_close(found, right - 2 * math.comb(flips, fewer) / 2**flips):
            return told + "count up to and including the rarer side: `range(fewer + 1)`."
        sides = [sum(math.comb(flips, k) for k in range(n + 1)) for n in (fixed, broken)]
        if any(is_close(found, min(1, 2 * n / 2**flips)) for n in sides):
            return told + "count the rarer side of the two: `min(fixed, broken)`."
        if found > 1:
            return told + "this gives more than 1. No chance is larger: use `min(1, ...)`."
        if is_close(found, (sum(after) - sum(before)) / len(before)):
            return "This is the difference of the accuracies. How often would a coin give as much?"
        return told + f"a coin does that, or worse, with a chance of {right:.3g}, not {found:.3g}."
    return None


# of the wrong answers: they are expressions, and cannot import
_COMB = "__import__('math').comb"
_FLIPS = "sum(x != y for x, y in zip(b, a))"
_FEWER = "min(sum(x < y for x, y in zip(b, a)), sum(x > y for x, y in zip(b, a)))"

LUCK = Exercise(
    id="08-c",
    title="Better, or lucky?",
    task="""
`before` and `after` are lists of True and False, one for each photo: was the classifier right?
Where both say the same, nothing flipped. Say that the change made no difference at all. Then each
flip was a coin toss: for the better, or for the worse.

**Your turn.** Complete the function. It returns the chance that such a coin splits the flips as
unevenly as here, or more so, in either direction: twice the chance of *this few or fewer* on the
rarer side, but 1 at most. `import math`: then `math.comb(n, k)` counts the ways to choose k of n.
""",
    stub="""
def luck(before, after):
    return ...  # your code here
""",
    answer="luck",
    expects="a function of two lists of True and False",
    hints=(
        "Count `fixed` (wrong before, right after) and `broken` (the other way round). Of "
        "`n = fixed + broken` tosses, exactly k fall on one side with `math.comb(n, k) / 2**n`.",
        "Sum that for k from 0 to `min(fixed, broken)`, double it, and take `min(1, ...)`.",
    ),
    solution="""
import math


def luck(before, after):
    pairs = list(zip(before, after))
    fixed, broken = pairs.count((False, True)), pairs.count((True, False))
    n, fewer = fixed + broken, min(fixed, broken)
    return min(1, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)
""",
    check=_check_luck,
    why="This is McNemar's exact test. It looks at the flips alone: photos that both name rightly, "
    "or both wrongly, cannot tell which is better. `me.zoom.paired` computes it, too.",
    wrong={
        f"lambda b, a: sum({_COMB}({_FLIPS}, k) for k in range({_FEWER} + 1)) / 2 ** {_FLIPS}": (
            "Double it"
        ),
        "lambda b, a: (sum(a) - sum(b)) / len(b)": "difference of the accuracies",
        f"lambda b, a: 2 * {_COMB}({_FLIPS}, {_FEWER}) / 2 ** {_FLIPS}": "more* uneven",
        f"lambda b, a: min(1, 2 * sum({_COMB}(len(b), k) for k in range({_FEWER} + 1)) / 2 ** "
        "len(b))": "flips only",
        f"lambda b, a: 2 * sum({_COMB}({_FLIPS}, k) for k in range({_FEWER})) / 2 ** {_FLIPS}": (
            "up to and including"
        ),
        f"lambda b, a: min(1, 2 * sum({_COMB}({_FLIPS}, k) for k in range(1 + "
        f"sum(x < y for x, y in zip(b, a)))) / 2 ** {_FLIPS})": "rarer side",
        "lambda b, a: 0.05": "a coin does that, or worse",
        "lambda b, a: 'yes'": "expected a number",
    },
)


# --- 08-d -----------------------------------------------------------------------------------------

WHY_NOT = {
    "b": "The classifier read what another network had drawn: stripes that nobody photographed.",
    "d": "Both networks learned from photographs of the same kind. They can share a wrong guess.",
    "f": "A good agreement rules nothing out: pictures with other labels agree as well.",
}
WHY_SO = {
    "a": "The crop holds recorded pixels, only seen from nearer.",
    "c": "All these views are made of recorded pixels, and no label was used to choose them.",
    "e": "The larger scan recorded more. Nothing in it was invented.",
}


def _check_evidence(answer):
    return choose_letters(answer, WHY_NOT, WHY_SO)


JUDGE = Exercise(
    id="08-d",
    title="What counts?",
    task="""
Was there a tiger in the photo? Six people report.

- **a** "In the whole photo the classifier sees grass. In a crop of it, enlarged by a fixed formula,
  it says *tiger*, and so do I."
- **b** "The photo is 40 px wide. Enlarged 8x by a network it has fine stripes, and the classifier
  says *tiger* with 95 %."
- **c** "The mean over sixteen random crops of the photo says *tiger*."
- **d** "Two different networks enlarged the 40 px, and the classifier says *tiger* both times."
- **e** "I had the negative scanned again, at eight times the size. The classifier says *tiger*."
- **f** "The enlarged picture, made small, gives the 40 px back to 60 dB. So its stripes are right."

**Your turn.** Write down the letters of those whose report is evidence, if not proof, such as "ab".
""",
    stub="""
evidence = ...  # your code here
""",
    answer="evidence",
    expects='letters, such as "ab"',
    hints=(
        "For each report: what was the classifier looking at, recorded pixels or drawn ones?",
        "Three of the six looked at drawn pixels, or argue from them.",
    ),
    solution="""
evidence = "ace"
""",
    check=_check_evidence,
    why="A closer look at recorded pixels, and more recorded pixels, can show what is there. "
    "Invented ones show what the network expects. Even then, a classifier may be wrong.",
    wrong={
        '"abcdef"': "Not b",
        '"ac"': "is missing",
        '"bdf"': "others",
        '"acde"': "Not d",
        '"acef"': "Not f",
        "3": "expected letters",
        '"yes"': "letters from a to f",
    },
)

EXERCISES = [CORNER, RULE, LUCK, JUDGE]
