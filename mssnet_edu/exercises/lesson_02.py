"""Exercises of notebook 02, MSSNet stage by stage."""

import itertools

import torch

from mssnet_edu import metrics
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    as_number,
    call,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


# --- 02-a -----------------------------------------------------------------------------------------

UNETS = {"S1": 1, "S2": 2, "S3": 3}
SIDE = {"S1": 1 / 4, "S2": 1 / 2, "S3": 1}


def _share(amount, scale):
    return amount[scale] / sum(amount.values())


def _work_share(answer):
    right = {scale: UNETS[scale] * SIDE[scale] ** 2 for scale in UNETS}
    lines = {scale: UNETS[scale] * SIDE[scale] for scale in UNETS}
    pixels = {scale: SIDE[scale] ** 2 for scale in UNETS}
    for scale in ("S3", "S1", "S2"):
        share = as_number(call(answer, scale), f'work_share("{scale}")')
        if is_close(share, _share(right, scale), absolute=2e-3):
            continue
        if is_close(share, _share(lines, scale), absolute=2e-3):
            return (
                "This takes a photo of half the side for half the pixels. It is half as wide and "
                "half as high."
            )
        if is_close(share, _share(pixels, scale), absolute=2e-3):
            return "Right for one U-Net per scale. But S2 has two of them, and S3 three."
        if is_close(share, _share(UNETS, scale), absolute=2e-3):
            return "This counts U-Nets, as if each worked on a picture of the same size."
        if is_close(share, right[scale], absolute=2e-3):
            return "This is the work itself. Divide by the work of all three scales together."
        if is_close(share, 100 * _share(right, scale), absolute=0.2):
            return "This is in per cent. A share lies between 0 and 1: leave out the 100."
        return (
            f'work_share("{scale}") gives {share:.4g}, which is not right. The work of a scale is '
            "its number of U-Nets times the pixels that each of them sees."
        )
    return None


WORK = Exercise(
    id="02-a",
    title="Where is the work?",
    task="""
MSSNet's six U-Nets work at three scales: one at S1, on a grid of a quarter of the photo's width and
height, two at S2, on a grid of half of them, three at S3, at full size. Say that a U-Net has to
do the same for every pixel that it sees.

**Your turn.** Complete the function. It returns the share of all the work, from 0 to 1, that is
done at one `scale`, which is "S1", "S2" or "S3".
""",
    stub="""
unets = {"S1": 1, "S2": 2, "S3": 3}
side = {"S1": 1 / 4, "S2": 1 / 2, "S3": 1}


def work_share(scale):
    return ...  # your code here
""",
    answer="work_share",
    expects="a function of the scale's name",
    hints=(
        "A picture of half the width and half the height: how many of the photo's pixels does it "
        "have?",
        "The work of a scale is `unets[s] * side[s] ** 2`. What do all three come to together?",
    ),
    solution="""
unets = {"S1": 1, "S2": 2, "S3": 3}
side = {"S1": 1 / 4, "S2": 1 / 2, "S3": 1}


def work_share(scale):
    work = {s: unets[s] * side[s] ** 2 for s in unets}
    return work[scale] / sum(work.values())
""",
    check=_work_share,
    why="S1 does less than 2 % of the work, S3 more than 80 %. Compare with the seconds that "
    "`model.stages` measured, and with where the picture gets better.",
    wrong={
        "lambda s: unets[s] * side[s] / sum(unets[t] * side[t] for t in unets)": "half as high",
        "lambda s: side[s] ** 2 / sum(v**2 for v in side.values())": "S2 has two",
        "lambda s: unets[s] / 6": "counts U-Nets",
        "lambda s: unets[s] * side[s] ** 2": "all three",
        "lambda s: 84.21": "per cent",
        "0.84": "the function itself",
    },
)


# --- 02-b -----------------------------------------------------------------------------------------


def _pictures(errors):
    """A truth, and pictures of it that are wrong by these amounts (standard deviations)."""
    generator = torch.Generator().manual_seed(7)
    truth = 0.3 + 0.4 * torch.rand(3, 16, 20, generator=generator)
    wrong = torch.randn(len(errors), *truth.shape, generator=generator)
    return [truth + e * w for e, w in zip(errors, wrong, strict=True)], truth


def _numbers(value, name):
    if isinstance(value, torch.Tensor) and value.dim() == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise Mistake(f"{name} is {describe(value)}; expected a list of numbers.")
    return [as_number(one, f"An entry of {name.lower()}") for one in value]


def _gains_db(answer):
    pictures, truth = _pictures([0.08, 0.06, 0.05, 0.03, 0.031, 0.025, 0.02])
    gains = _numbers(call(answer, pictures, truth), "Your list")
    scores = [float(metrics.psnr(one, truth)) for one in pictures]
    right = [scores[i + 1] - scores[i] for i in range(len(scores) - 1)]
    if len(gains) == len(scores):
        if is_close(gains, scores, absolute=0.02):
            return "These are the scores themselves. A gain is a score minus the one before it."
        return "The list has seven numbers. Six stages make six gains: the blurred photo has none."
    if len(gains) != len(right):
        return f"The list has {len(gains)} numbers; six are expected, one for each stage."
    if is_close(gains, right, absolute=0.02):
        return None
    if is_close(gains, [-gain for gain in right], absolute=0.02):
        return "All signs are the wrong way round: a gain is above 0 where the picture got better."
    if is_close(gains, [score - scores[0] for score in scores[1:]], absolute=0.02):
        return (
            "These are the gains over the blurred photo. What did each stage add to the one before "
            "it?"
        )
    return (
        "The numbers are not right. Begin with a list of all seven scores: "
        "`me.metrics.psnr(picture, truth)` for each picture."
    )


GAINS = Exercise(
    id="02-b",
    title="What did each stage add?",
    task="""
`pictures` is a list of seven pictures of one size: the blurred photo, then one for each of six
stages. `truth` is the sharp photo. `me.metrics.psnr(picture, truth)` says in dB how close a picture
is to it. (The real S1-U1 is half as wide. To try your function on `results`, enlarge that one
first: `me.degrade.enlarge(photo, 2)`.)

**Your turn.** Complete the function. It returns a list of six numbers: how many dB each stage
gained over the picture before it.
""",
    stub="""
def gains_db(pictures, truth):
    return ...  # your code here
""",
    answer="gains_db",
    expects="a function of the pictures and the truth",
    hints=(
        "First make a list of the seven scores. How do you get six gains out of seven scores?",
        "Stage `i` takes the score from `scores[i]` to `scores[i + 1]`, for `i` in `range(6)`.",
    ),
    solution="""
def gains_db(pictures, truth):
    scores = [me.metrics.psnr(picture, truth) for picture in pictures]
    return [scores[i + 1] - scores[i] for i in range(6)]
""",
    check=_gains_db,
    why="All gains together are the gain of the whole network. A stage may also have a gain below "
    "0: it hands its features on, and a later stage can still make use of them.",
    wrong={
        "lambda p, t: [me.metrics.psnr(one, t) for one in p]": "scores themselves",
        "lambda p, t: [me.metrics.psnr(a, t) - me.metrics.psnr(p[0], t) for a in p[1:]]": (
            "over the blurred photo"
        ),
        "lambda p, t: [me.metrics.psnr(a, t) - me.metrics.psnr(b, t) for a, b in zip(p, p[1:])]": (
            "signs"
        ),
        "lambda p, t: [me.metrics.psnr(a, b) for a, b in zip(p, p[1:])]": "all seven scores",
        "lambda p, t: me.metrics.psnr(p[-1], t)": "expected a list",
        "lambda p, t: []": "six are expected",
    },
)


# --- 02-c -----------------------------------------------------------------------------------------


def _error_removed(answer):
    for errors in ([0.10, 0.05], [0.10, 0.09], [0.05, 0.06]):
        (blurred, restored), truth = _pictures(errors)
        share = as_number(call(answer, blurred, restored, truth), "What your function returns")
        before, after = (blurred - truth).square().mean(), (restored - truth).square().mean()
        right = 1 - (after / before).item()
        if is_close(share, right, absolute=2e-3):
            continue
        if is_close(share, 1 - right, absolute=2e-3):
            return "This is the share that is left. The question is which share is gone."
        plain = 1 - ((restored - truth).abs().mean() / (blurred - truth).abs().mean()).item()
        root = 1 - (after / before).sqrt().item()
        if is_close(share, plain, absolute=2e-3) or is_close(share, root, absolute=2e-3):
            return "This compares the errors themselves. The dB of this course count their squares."
        gain = metrics.psnr(restored, truth) - metrics.psnr(blurred, truth)
        if is_close(share, gain, absolute=2e-3):
            return "This is the gain in dB. A share compares two mean squared errors."
        if is_close(share, 100 * right, absolute=0.2):
            return "This is in per cent. A share lies between 0 and 1: leave out the 100."
        moved = ((restored - blurred).square().mean() / before).item()
        if is_close(share, moved, absolute=2e-3) or is_close(share, 1 - moved, absolute=2e-3):
            return (
                "This measures how much the network changed. A change can also be wrong: compare "
                "both pictures with the truth."
            )
        if right < 0 and share >= 0:
            return "Where the answer is worse than the blurred photo, the share must be below 0."
        return f"This gives {share:.4g} where {right:.4g} is right."
    return None


ERROR_REMOVED = Exercise(
    id="02-c",
    title="How much of the blur is gone?",
    task="""
A gain in dB says little to most people. Here is a plainer number. The mean squared error of a
picture is the mean of `(picture - truth) ** 2`. It is larger for the blurred photo, and smaller,
let us hope, for the network's answer.

**Your turn.** Complete the function. It returns the share of the blurred photo's mean squared error
that is gone in `restored`: 1 if nothing is left of it, 0 if all is, below 0 if it has grown.
""",
    stub="""
def error_removed(blurred, restored, truth):
    return ...  # your code here
""",
    answer="error_removed",
    expects="a function of three photos",
    hints=(
        "Compute two mean squared errors, before and after. Which share of the first is left?",
        "`before = ((blurred - truth) ** 2).mean()`, `after` likewise. What is gone is 1 minus "
        "what is left.",
    ),
    solution="""
def error_removed(blurred, restored, truth):
    before = ((blurred - truth) ** 2).mean()
    after = ((restored - truth) ** 2).mean()
    return 1 - after / before
""",
    check=_error_removed,
    why="A gain of 1 dB removes 21 % of the squared error, 3 dB half of it, 10 dB nine tenths. Try "
    "your function on the blurred photo and the last stage: what is left was not recovered.",
    wrong={
        "lambda b, r, t: ((r - t) ** 2).mean() / ((b - t) ** 2).mean()": "that is left",
        "lambda b, r, t: 1 - (r - t).abs().mean() / (b - t).abs().mean()": "squares",
        "lambda b, r, t: me.metrics.psnr(r, t) - me.metrics.psnr(b, t)": "in dB",
        "lambda b, r, t: ((r - b) ** 2).mean() / ((b - t) ** 2).mean()": "changed",
        "lambda b, r, t: max(0, 1 - ((r - t) ** 2).mean() / ((b - t) ** 2).mean())": "below 0",
        "lambda b, r, t: r - b": "expected a number",
    },
)


# --- 02-d -----------------------------------------------------------------------------------------

STAGES = ["S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2", "S3-U3"]


def _stop_after(answer):
    cases = [
        ([26.0, 27.5, 28.0, 28.2, 28.3, 28.35], 0.2, "S3-U1"),
        ([26.0, 26.05, 28.0, 28.6, 29.0, 29.3], 0.1, "S3-U3"),  # a small step early on
        ([27.0, 28.9, 28.4, 28.6, 28.9, 29.0], 0.15, "S2-U1"),  # better, then worse
        ([25.0, 26.0, 27.0, 27.2, 28.1, 28.0], 0.3, "S3-U2"),
        ([25.0, 27.0, 28.6, 28.2, 28.1, 28.0], 0.3, "S2-U2"),  # better than the last one, far
    ]
    for scores, tolerance, right in cases:
        stage = call(answer, STAGES, scores, tolerance)
        if stage == right:
            continue
        case = f"With the scores {scores} and {tolerance} dB, {right} is right, "
        if not isinstance(stage, str):
            return f"Your function returns {describe(stage)}; expected a name, such as {right!r}."
        place = STAGES.index(right)
        if scores[place] > scores[-1] + tolerance and stage in STAGES[place + 1 :]:
            return case + f"and not {stage}. A stage that is better than the last is good enough."
        gains = [b - a for a, b in itertools.pairwise(scores)]
        small = [i for i, gain in enumerate(gains) if gain <= tolerance]
        if small and stage in (STAGES[small[0]], STAGES[small[0] + 1]):
            return case + (
                f"and not {stage}. A small step may be followed by a large one: compare with the "
                "last stage, not with the next."
            )
        if stage == STAGES[-1]:
            return case + "and not the last stage. Which is the *first* that is close enough?"
        if stage == STAGES[scores.index(max(scores))]:
            return case + f"and not the best, {stage}. Close enough to the last is enough."
        return case + f"and not {stage}."
    return None


STOP = Exercise(
    id="02-d",
    title="May it stop early?",
    task="""
The stages come one after another, so you may stop before the last one and save time. `names` are
the names of the stages, in order, and `scores_db` their scores against the truth, one each.

**Your turn.** Complete the function. It returns the name of the first stage whose score is at most
`tolerance_db` below the score of the last stage.
""",
    stub="""
def stop_after(names, scores_db, tolerance_db):
    return ...  # your code here
""",
    answer="stop_after",
    expects="a function of names, scores and a tolerance",
    hints=(
        "`scores_db[-1]` is the score of the last stage. Go through the stages in order and stop "
        "at the first that is good enough.",
        "`for name, score in zip(names, scores_db):` goes through both lists at once. `return` "
        "inside the loop stops it.",
    ),
    solution="""
def stop_after(names, scores_db, tolerance_db):
    for name, score in zip(names, scores_db):
        if score >= scores_db[-1] - tolerance_db:
            return name
""",
    check=_stop_after,
    why="The last stage always passes, so there is always an answer. With a photo of your own, "
    "nobody knows the truth, so nobody knows these scores: you have to look.",
    wrong={
        "lambda n, s, t: n[-1]": "first",
        "lambda n, s, t: next((b for b, x, y in zip(n, s, s[1:]) if y - x <= t), n[-1])": (
            "not with the next"
        ),
        "lambda n, s, t: n[s.index(max(s))]": "first",
        "lambda n, s, t: next(a for a, x in zip(n, s) if abs(x - s[-1]) <= t)": "better than",
        "lambda n, s, t: 3": "expected a name",
    },
)

EXERCISES = [WORK, GAINS, ERROR_REMOVED, STOP]
