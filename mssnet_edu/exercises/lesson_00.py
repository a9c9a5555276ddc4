"""Exercises of notebook 00, The question."""

import functools
import math

from mssnet_edu import degrade, metrics, samples
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    PER_CENT,
    as_number,
    as_photo,
    call,
    compare,
    is_close,
    random,
    uses,
)

__all__ = ["EXERCISES"]


# --- 00-a -----------------------------------------------------------------------------------------


def _invented_share(answer):
    for factor in (8, 3, 2, 5):
        share = as_number(call(answer, factor), f"invented_share({factor})")
        right = 1 - 1 / factor**2
        likely = {
            "This is the share that was recorded. The question is about all the others.": (
                1 / factor**2
            ),
            f"This counts one direction only. The picture grows {factor} times in width and "
            f"{factor} times in height: each recorded pixel becomes a square.": (
                1 - 1 / factor,
                1 / factor,
            ),
            f"The square has {factor} × {factor} pixels, not {factor} + {factor}: multiply.": (
                1 - 1 / (2 * factor),
                1 - 2 / factor,
            ),
            PER_CENT: 100 * right,
            "`//` leaves whole numbers only. A share needs `/`.": (0, 1),
            "This counts pixels. Divide by how many of them the square holds.": (
                factor**2 - 1,
                factor**2,
            ),
            "A share is not below 0. Which of the two is larger?": -right,
            "This is upside down: divide the invented pixels by all pixels of the square.": (
                1 / right,
                factor**2 / (factor**2 - 1),
            ),
            f"This is right for 8 times. With {factor} times, another share is new.": (1 - 1 / 64),
        }
        otherwise = (
            f"invented_share({factor}) gives {share:.4g}, which is not right. Draw one "
            f"recorded pixel, and the square of {factor} × {factor} pixels that it becomes."
        )
        compare(share, right, likely, otherwise)


HOW_MUCH = Exercise(
    id="00-a",
    title="How much is new?",
    task="""
You enlarge a photo `factor` times: every pixel of the small photo becomes a square of
`factor` × `factor` pixels. Say that one pixel of each square was recorded. Somebody has to make up
all the others.

**Your turn.** Complete the function. It returns the share of the large picture's pixels that were
*not* recorded, a number from 0 to 1.
""",
    stub="""
def invented_share(factor):
    return ...  # your code here
""",
    answer="invented_share",
    expects="a function of the factor",
    hints=(
        "With a factor of 2, how many pixels does the square have? Eight times as wide: is that "
        "also eight times as many pixels?",
        "Of `factor**2` pixels, one was recorded. What share is that, and what share is left?",
    ),
    solution="""
def invented_share(factor):
    return 1 - 1 / factor**2
""",
    check=_invented_share,
    why="At 8x, 63 of 64 pixels, 98.4 %, were not in the small photo. Whatever you see in them, "
    "somebody put it there.",
    wrong={
        "lambda factor: 1 - 1 / factor": "one direction",
        "lambda factor: 1 / factor**2": "recorded",
        "lambda factor: factor**2 - 1": "counts pixels",
        "lambda factor: 100 * (1 - 1 / factor**2)": "per cent",
        "lambda factor: 63 / 64": "right for 8 times",
        "lambda factor: 1 - 1 / (factor + factor)": "multiply",
        "lambda factor: 1 / factor**2 - 1": "below 0",
        "lambda factor: 1 - 1 // factor**2": "whole numbers",
        "lambda factor: factor**2 / (factor**2 - 1)": "upside down",
        "lambda factor: 1 - 1 / factor**3": "Draw one",
        "lambda factor: round(1 - 1 / factor**2, 3)": "rounded",
        "63 / 64": "the function itself",
    },
)


# --- 00-b -----------------------------------------------------------------------------------------


def _agreement_db(answer):
    if uses(answer, "consistency_db"):
        return "`consistency_db` does all of it. Write it yourself, with `downscale` and `psnr`."
    for factor, sides in ((4, (6, 8)), (8, (4, 7)), (3, (9, 5))):
        small = 0.2 + 0.6 * random(factor, 3, *sides)
        large = degrade.enlarge(small, factor)
        large = (large + 0.2 * random(factor + 9, *large.shape) - 0.1).clamp(0, 1)
        returned = call(answer, large, small)
        if isinstance(returned, float) and math.isinf(returned):
            return "Without end: the two pictures that you compare are one and the same."
        returned_db = as_number(returned, "The agreement")
        right = metrics.consistency_db(large, small)
        ways = ("nearest", "bicubic", "bicubic-aliased")
        plain = [degrade.enlarge(small, factor, how) for how in ("nearest", "bilinear", "bicubic")]
        error = degrade.downscale(large, factor) - small
        mse = float(error.square().mean())
        enlarged_db = tuple(metrics.psnr(one, large) for one in plain)
        likely = {
            "This compares two large pictures: it asks how far the answer is from a plain "
            "enlargement. Make the answer small, and compare with what was recorded.": enlarged_db,
            "Nearly. The small photos of this notebook were made by the mean of each block. "
            "Make the answer small in the same way.": tuple(
                metrics.psnr(degrade.downscale(large, factor, way), small) for way in ways
            ),
            "This tests a plain enlargement. The answer itself is not looked at.": tuple(
                metrics.psnr(degrade.downscale(one, factor), small) for one in plain[1:]
            ),
            "This is an error, which is small when the two agree. Say it in dB.": (
                mse,
                mse**0.5,
                error.abs().mean(),
            ),
            "This takes the root of the error first, which halves the dB. `psnr` takes the "
            "squared error.": (right / 2),
            "The sign is the wrong way round: more dB for pictures that agree better.": -right,
        }
        otherwise = (
            f"This gives {returned_db:.4g} where {right:.4g} dB is right, at a factor of {factor}."
        )
        compare(returned_db, right, likely, otherwise, within=0.02)


AGREEMENT = Exercise(
    id="00-b",
    title="Does the answer agree with the photo?",
    task="""
An enlargement can be tested without knowing the truth. Make the answer small again. You should get
back the photo that you put in.

The table above asked `me.metrics.consistency_db`. Here you write it yourself.
`me.metrics.psnr(a, b)` compares two pictures of one size, in **dB**;
`me.degrade.downscale(photo, factor)` makes a photo small, by the mean of each block. How many times
wider the answer is, its shape tells: `answer.shape[-1] // small.shape[-1]`.

**Your turn.** Complete the function, without `consistency_db`. It returns, in dB, how well the
answer agrees with the small photo that it was made from.
""",
    stub="""
def agreement_db(answer, small):
    return ...  # your code here
""",
    answer="agreement_db",
    expects="a function of the answer and the small photo",
    hints=(
        "Two pictures can only be compared at one size. Which of the two do you change, so that "
        "what was recorded stays as it is?",
        "`again = me.degrade.downscale(answer, factor)` is as large as `small`. Compare these two.",
    ),
    solution="""
def agreement_db(answer, small):
    factor = answer.shape[-1] // small.shape[-1]
    again = me.degrade.downscale(answer, factor)
    return me.metrics.psnr(again, small)
""",
    check=_agreement_db,
    why="This number is called *consistency*. It tests every recorded number, and not one of the "
    "invented ones. The course has it as `me.metrics.consistency_db`.",
    wrong={
        "lambda a, s: me.metrics.psnr(me.degrade.enlarge(s, a.shape[-1] // s.shape[-1]), a)": (
            "two large pictures"
        ),
        "lambda a, s: me.metrics.psnr(me.degrade.downscale(a, 8), s)": "same shape",
        "lambda a, s: me.metrics.psnr(me.degrade.downscale(a, a.shape[-1] // s.shape[-2]), s)": (
            "does not divide"
        ),
        "lambda a, s: me.metrics.psnr("
        'me.degrade.downscale(a, a.shape[-1] // s.shape[-1], "bicubic"), s)': "mean of each block",
        "lambda a, s: me.metrics.consistency_db(a, s)": "Write it yourself",
        "me.metrics.consistency_db": "Write it yourself",
        "lambda a, s: (lambda f: me.metrics.psnr(me.degrade.downscale(me.degrade.enlarge(s, f), f),"
        " s))(a.shape[-1] // s.shape[-1])": "not looked at",
        "lambda a, s: me.metrics.psnr(s, s)": "one and the same",
        "lambda a, s: -me.metrics.psnr(me.degrade.downscale(a, a.shape[-1] // s.shape[-1]), s)": (
            "sign"
        ),
        "lambda a, s: (me.degrade.downscale(a, a.shape[-1] // s.shape[-1]) - s).square().mean()": (
            "in dB"
        ),
        "lambda a, s: me.metrics.psnr(a, s)": "PhotoError",
        "lambda a, s: me.degrade.downscale(a, a.shape[-1] // s.shape[-1])": "expected a number",
    },
)


# --- 00-c -----------------------------------------------------------------------------------------

LEAST_AGREEMENT_DB = 45


@functools.cache
def _cat():
    original = degrade.crop_to_multiple(samples.load("cat"), 8)
    small = degrade.downscale(original, 8)
    return original, small, degrade.enlarge(small, 8, "nearest")


def _another(answer):
    original, small, squares = _cat()
    other = as_photo(answer, squares.shape, "Your picture")
    agreement = metrics.consistency_db(other, small)
    difference = (other - squares).abs().mean().item()
    if difference < 1e-4:
        return "This is `answer` itself. Change its pixels."
    if (other - original).abs().mean() < 0.01:
        return (
            "That is the photo itself, and of course it agrees. Make one that nobody photographed, "
            "out of `answer`."
        )
    if agreement < LEAST_AGREEMENT_DB:
        low, high = other.min().item(), other.max().item()
        shifts = (degrade.resample(other, small.shape[-2:]) - small).mean((1, 2))
        shift = shifts.mean().item()
        if is_close(degrade.resample(other, small.shape[-2:]), small, absolute=1e-3):
            return (
                f"The means are right, but the numbers go from {low:.2f} to {high:.2f}. A photo "
                "ends at 0 and 1, and what lies beyond is cut off: add less."
            )
        clipped = (other == 0) | (other == 1)
        if (clipped & (squares != other)).float().mean() > 0.01:
            return (
                "Your picture is cut off at 0 and 1, and that changes the mean of those blocks. "
                "Add less, so that nothing has to be cut off."
            )
        if abs(shift) > 0.003:
            how = "brighter" if shift > 0 else "darker"
            return (
                f"Made small again, your picture is {how} than the small photo. What you add "
                "to some pixels of a block, you must take from others of the same block."
            )
        if shifts.abs().max() > 0.003:
            return (
                "The brightness is kept, but not the colours. What you add to the red of some "
                "pixels, you must take from the red of others."
            )
        return (
            f"Made small again, your picture agrees with the small photo to {agreement:.1f} dB; "
            f"{LEAST_AGREEMENT_DB} are asked for. Keep the mean of every block of 8 × 8 pixels."
        )
    if difference < 0.01:
        return (
            f"It agrees, but a pixel differs from `answer` by {difference:.4f} on average, too "
            "little to see. Be bolder: 0.01 at least."
        )
    return None


ANOTHER = Exercise(
    id="00-c",
    title="Another picture, just as right",
    task=f"""
`answer` agrees perfectly with `small_cat`: each recorded pixel has become a square. Is it the only
picture that does?

**Your turn.** Make `other`, a picture that you can tell from `answer` (its pixels differ by 0.01 or
more on average), and that gives the same small photo again, to {LEAST_AGREEMENT_DB} dB or better.
""",
    stub="""
original = me.degrade.crop_to_multiple(me.samples.load("cat"), 8)
small_cat = me.degrade.downscale(original, 8)
answer = me.degrade.enlarge(small_cat, 8, "nearest")
other = ...  # your code here
""",
    answer="other",
    expects="a photo as large as `answer`",
    hints=(
        "`me.degrade.downscale` takes the mean of each block of 8 × 8 pixels. What can you do to "
        "the pixels of a block that leaves their mean as it is?",
        "Add a little to half of the pixels of each block, and take as much from the other half.",
        "Begin with `other = answer.clone()`. The even columns are `other[..., 0::2]`, the odd "
        "ones `other[..., 1::2]`.",
    ),
    solution="""
original = me.degrade.crop_to_multiple(me.samples.load("cat"), 8)
small_cat = me.degrade.downscale(original, 8)
answer = me.degrade.enlarge(small_cat, 8, "nearest")
other = answer.clone()
other[..., 0::2] += 0.05  # even columns
other[..., 1::2] -= 0.05  # odd columns
""",
    check=_another,
    why="Stripes leave no trace in the small photo, and neither does any other pattern whose mean "
    "is zero in every block. So the small photo cannot tell you which answer is the real one.",
    wrong={
        "answer": "itself",
        "original": "nobody photographed",
        "0.999 * original + 0.001 * answer": "nobody photographed",
        "original + 0.0003": "nobody photographed",
        "answer + 0.05": "brighter",
        "answer - 0.1 * (torch.arange(answer.shape[-1]) % 2)": "darker",
        "answer + torch.tensor([0.05, -0.05, 0])[:, None, None]": "colours",
        "answer + (torch.arange(answer.shape[-1]) % 2 * 2 - 1)": "beyond is cut off",
        "(answer + 0.3 * (torch.arange(answer.shape[-1]) % 2 * 2 - 1)).clamp(0, 1)": "cut off at",
        "answer + 0.2 * ((torch.arange(answer.shape[-1]) % 3) - 1)": "mean of every block",
        "answer.roll(1, -1)": "mean of every block",
        "me.degrade.enlarge(small_cat, 8)": "mean of every block",
        "answer.flip(-1)": "mean of every block",
        "answer + 0.001 * (torch.arange(answer.shape[-1]) % 2 * 2 - 1)": "bolder",
        "small_cat": "shape",
        "me.metrics.consistency_db(answer, small_cat)": "expected a photo",
    },
)

EXERCISES = [HOW_MUCH, AGREEMENT, ANOTHER]
