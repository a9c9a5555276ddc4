"""Exercises of notebook 02, MSSNet stage by stage."""

import itertools

import torch

from mssnet_edu import metrics
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    PER_CENT,
    Mistake,
    as_number,
    call,
    compare,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]

# of the wrong answers
_DB, _BEFORE, _AFTER = "me.metrics.psnr", "((b - t) ** 2).mean()", "((r - t) ** 2).mean()"


# --- 02-a -----------------------------------------------------------------------------------------

UNETS = {"S1": 1, "S2": 2, "S3": 3}
SIDE = {"S1": 1 / 4, "S2": 1 / 2, "S3": 1}


def _share(amount, scale):
    return amount[scale] / sum(amount.values())


def _work_share(answer):
    right = {scale: UNETS[scale] * SIDE[scale] ** 2 for scale in UNETS}
    lines = {scale: UNETS[scale] * SIDE[scale] for scale in UNETS}
    pixels = {scale: SIDE[scale] ** 2 for scale in UNETS}
    fewer = {scale: UNETS[scale] / SIDE[scale] ** 2 for scale in UNETS}
    for scale in ("S2", "S3", "S1"):
        share = as_number(call(answer, scale), f'work_share("{scale}")')
        likely = {
            "This takes a photo of half the side for half the pixels. It is half as wide and "
            "half as high.": _share(lines, scale),
            "Right for one U-Net per scale. But S2 has two of them, and S3 three.": (
                _share(pixels, scale),
                pixels[scale],
            ),
            "This counts U-Nets, as if each worked on a picture of the same size.": (
                _share(UNETS, scale),
                UNETS[scale],
            ),
            "This is the work itself. Divide by the work of all three scales.": right[scale],
            PER_CENT: 100 * _share(right, scale),
            "Divided by the number of U-Nets, this is work per U-Net. Divide by all the work.": (
                right[scale] / 6,
                right[scale] / UNETS[scale] / 6,
            ),
            "This compares with S3 alone, or with six, and takes half the side for half the "
            "pixels. Divide by the work of all three.": (right[scale] / 3, lines[scale] / 6),
            "Of a smaller grid, a U-Net sees fewer pixels, not more: `side` is multiplied.": (
                _share(fewer, scale),
                fewer[scale],
            ),
            "This is the share of the *other* two scales.": (1 - _share(right, scale)),
        }
        otherwise = (
            f'work_share("{scale}") gives {share:.4g}, which is not right. The work of a '
            "scale is its number of U-Nets times the pixels that each of them sees."
        )
        compare(share, _share(right, scale), likely, otherwise, within=5e-4)


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
        "lambda s: unets[s] * side[s] / 6": "half the side",
        "lambda s: round(solved(s), 2)": "rounded",
        "lambda s: unets[s] * side[s] ** 2": "work itself",
        "lambda s: 100 * unets[s] * side[s] ** 2 / 3.5625": "per cent",
        "lambda s: unets[s] * side[s] ** 2 / sum(unets.values())": "per U-Net",
        "lambda s: unets[s] / side[s] ** 2 / sum(unets[t] / side[t] ** 2 for t in unets)": "fewer",
        "lambda s: unets[s] * side[s] ** 2 / max(unets[t] * side[t] ** 2 for t in unets)": "S3 al",
        "lambda s: 1 - unets[s] * side[s] ** 2 / 3.5625": "*other* two",
        "0.84": "the function itself",
    },
)


# --- 02-b -----------------------------------------------------------------------------------------


def _pictures(errors, height=16, width=20):
    """A truth, and pictures of it that are wrong by these amounts (standard deviations)."""
    generator = torch.Generator().manual_seed(height)
    truth = 0.3 + 0.4 * torch.rand(3, height, width, generator=generator)
    wrong = torch.randn(len(errors), *truth.shape, generator=generator)
    return [truth + e * w for e, w in zip(errors, wrong, strict=True)], truth


def _numbers(value, name):
    if getattr(value, "ndim", None) == 1:  # a tensor, or numpy's
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise Mistake(f"{name} is {describe(value)}; expected a list of numbers.")
    return [as_number(one, f"An entry of {name.lower()}") for one in value]


def _gains_db(answer):
    for errors, sides in (
        ([0.08, 0.06, 0.05, 0.03, 0.031, 0.025, 0.02], (16, 20)),
        ([0.09, 0.10, 0.06, 0.05, 0.04, 0.041, 0.03], (24, 9)),
    ):
        pictures, truth = _pictures(errors, *sides)
        gains = _numbers(call(answer, pictures, truth), "Your list")
        scores = [float(metrics.psnr(one, truth)) for one in pictures]
        pairs = list(itertools.pairwise(scores))
        right = [after - before for before, after in pairs]
        mse = [float((one - truth).square().mean()) for one in pictures]
        if len(gains) == len(scores) and not is_close(gains, scores, absolute=0.02):
            return "The list has seven numbers. Six stages make six gains: the photo has none."
        if len(gains) not in (len(right), len(scores)):
            return f"The list has {len(gains)} numbers; six are expected, one for each stage."
        likely = {
            "These are the scores themselves. A gain is a score minus the one before it.": (
                scores,
                scores[1:],
            ),
            "All signs are the wrong way round: a gain is above 0 where a picture got better.": [
                -gain for gain in right
            ],
            "These are the gains over the blurred photo. What did each stage add to the one "
            "before it?": [score - scores[0] for score in scores[1:]],
            "This compares each picture with the last. What did each stage add to the one "
            "before it?": (
                [scores[-1] - a for a in scores[:-1]],
                [a - scores[-1] for a in scores[:-1]],
            ),
            "A stage may also lose, and then its gain is below 0: leave the sign as it is.": (
                [abs(gain) for gain in right],
                [max(0, gain) for gain in right],
            ),
            "This divides the scores. dB are subtracted: they are logarithms already.": (
                [b / a for a, b in pairs],
                [b / a - 1 for a, b in pairs],
            ),
            "These are differences of squared errors. Take the difference of the dB.": (
                [a - b for a, b in itertools.pairwise(mse)],
                [b - a for a, b in itertools.pairwise(mse)],
            ),
            "This compares each picture with the one before it. Compare both with the truth.": [
                float(metrics.psnr(a, b)) for a, b in itertools.pairwise(pictures)
            ],
        }
        otherwise = (
            "The numbers are not right. Begin with a list of all seven scores: "
            "`me.metrics.psnr(picture, truth)` for each picture."
        )
        compare(gains, right, likely, otherwise, within=0.02)


GAINS = Exercise(
    id="02-b",
    title="What did each stage add?",
    task="""
`pictures` is a list of seven pictures of one size: the blurred photo, then one for each of six
stages. `truth` is the sharp photo. `me.metrics.psnr(picture, truth)` says in dB how close a picture
is to it. (The real S1-U1 is half as wide. To try your function on `results`, enlarge that one
first: `me.degrade.enlarge(results["S1-U1"].photo, 2)`; the others are `results[name].photo`.)

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
        f"lambda p, t: [{_DB}(one, t) for one in p]": "scores themselves",
        f"lambda p, t: [{_DB}(a, t) - {_DB}(p[0], t) for a in p[1:]]": ("over the blurred photo"),
        "lambda p, t: [-gain for gain in solved(p, t)]": "signs",
        f"lambda p, t: [{_DB}(a, b) for a, b in zip(p, p[1:])]": "both with the truth",
        f"lambda p, t: [{_DB}(a, t) for a in p[1:]]": "scores themselves",
        f"lambda p, t: [{_DB}(p[-1], t) - {_DB}(a, t) for a in p[:-1]]": ("with the last"),
        "lambda p, t: [abs(gain) for gain in solved(p, t)]": "may also lose",
        f"lambda p, t: [{_DB}(b, t) / {_DB}(a, t) for a, b in zip(p, p[1:])]": ("divides"),
        "lambda p, t: [((a - t) ** 2).mean() - ((b - t) ** 2).mean() for a, b in zip(p, p[1:])]": (
            "squared errors"
        ),
        "lambda p, t: solved(p, t)[:5]": "six are expected",
        "lambda p, t: [1.0] * 6": "all seven scores",
        f"lambda p, t: {_DB}(p[-1], t)": "expected a list",
        "lambda p, t: []": "six are expected",
    },
)


# --- 02-c -----------------------------------------------------------------------------------------


def _error_removed(answer):
    for errors, sides in (
        ([0.10, 0.05], (16, 20)),
        ([0.1, 0.09], (8, 23)),
        ([0.05, 0.06], (9, 12)),
    ):
        (blurred, restored), truth = _pictures(errors, *sides)
        share = as_number(call(answer, blurred, restored, truth), "What your function returns")
        before, after = (((one - truth) ** 2).mean().item() for one in (blurred, restored))
        plain = ((restored - truth).abs().mean() / (blurred - truth).abs().mean()).item()
        signed = ((restored - truth).mean() / (blurred - truth).mean()).item()
        moved = ((restored - blurred).square().mean() / before).item()
        right = 1 - after / before
        db = [metrics.psnr(one, truth) for one in (blurred, restored)]
        likely = {
            "This is the share that is left. The question is which share is gone.": (1 - right),
            "This compares the errors themselves. The dB of this course count their squares.": (
                1 - plain,
                1 - (after / before) ** 0.5,
            ),
            "Errors above and below cancel each other here: square first, then take the mean.": (
                1 - signed,
                1 - signed**2,
            ),
            "This is the gain in dB. A share compares two mean squared errors.": (db[1] - db[0]),
            PER_CENT: 100 * right,
            "dB are logarithms: a share of the dB is no share of the error. Compare the two mean "
            "squared errors.": (db[1] / db[0] - 1, 1 - db[0] / db[1]),
            "A share of what? Compare what is left with the blurred photo's error: divide.": (
                1 - after
            ),
            "Mind the brackets: `(before - after) / before`.": before - after / before,
            "This measures how much the network changed. A change can also be wrong: compare "
            "both pictures with the truth.": (moved, 1 - moved),
            "This is the error that is gone. Divide it by the blurred photo's.": (before - after),
            "A share of what? Divide by the error *before*, that of the blurred photo.": (
                1 - before / after,
                before / after - 1,
                before / after,
            ),
            "The sign is the wrong way round: above 0 where error is gone, below 0 where it "
            "has grown.": -right,
        }
        otherwise = (
            "Where the answer is worse than the blurred photo, the share must be below 0."
            if right < 0 <= share
            else f"This gives {share:.4g} where {right:.4g} is right."
        )
        compare(share, right, likely, otherwise)


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
        f"lambda b, r, t: {_AFTER} / {_BEFORE}": "that is left",
        "lambda b, r, t: 1 - (r - t).abs().mean() / (b - t).abs().mean()": "squares",
        "lambda b, r, t: me.metrics.psnr(r, t) - me.metrics.psnr(b, t)": "in dB",
        f"lambda b, r, t: ((r - b) ** 2).mean() / {_BEFORE}": "changed",
        f"lambda b, r, t: max(0, 1 - {_AFTER} / {_BEFORE})": "below 0",
        f"lambda b, r, t: {_BEFORE} - {_AFTER}": "Divide it",
        f"lambda b, r, t: 1 - {_BEFORE} / {_AFTER}": "error *before*",
        "lambda b, r, t: 1 - (r - t).mean() ** 2 / (b - t).mean() ** 2": "square first",
        f"lambda b, r, t: 1 - ({_AFTER} / {_BEFORE}) ** 0.5": "squares",
        "lambda b, r, t: -solved(b, r, t)": "wrong way round",
        "lambda b, r, t: abs(solved(b, r, t))": "wrong way round",
        "lambda b, r, t: me.metrics.psnr(r, t) / me.metrics.psnr(b, t) - 1": "share of the dB",
        f"lambda b, r, t: 1 - {_AFTER}": "what is left",
        f"lambda b, r, t: {_BEFORE} - {_AFTER} / {_BEFORE}": ("brackets"),
        "lambda b, r, t: r - b": "expected a number",
    },
)


# --- 02-d -----------------------------------------------------------------------------------------

STAGES = ["S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2", "S3-U3"]
SCORES = (  # names, their scores in dB, the tolerance, and where to stop
    (STAGES, [26.0, 27.5, 28.0, 28.2, 28.3, 28.35], 0.2, "S3-U1"),
    (STAGES, [26.0, 26.05, 28.0, 28.6, 29.0, 29.3], 0.1, "S3-U3"),  # a small step early on
    (STAGES, [27.0, 28.9, 28.4, 28.6, 28.9, 29.0], 0.15, "S2-U1"),  # better, then worse
    (STAGES, [25.0, 26.0, 27.0, 27.2, 28.1, 28.0], 0.3, "S3-U2"),
    (STAGES, [25.0, 27.9, 28.6, 28.2, 28.1, 28.0], 0.3, "S2-U1"),  # the last is not the best
    (STAGES, [25.0, 27.0, 28.6, 28.2, 28.1, 28.0], 0.3, "S2-U2"),  # better than the last one, far
    (["small", "middle", "large"], [20.0, 30.5, 31.0], 0.5, "middle"),  # just near enough
    (["A", "B", "C", "D"], [30.0, 29.0, 31.0, 30.25], 0.25, "A"),
)


def _first(names, passes):
    return next((name for name, one in zip(names, passes, strict=True) if one), None)


def _stop_after(answer):
    for names, scores, tolerance, right in SCORES:
        stage = call(answer, names, scores, tolerance)
        if not isinstance(stage, str):
            return f"Your function returns {describe(stage)}; expected a name, such as {right!r}."
        last, big = scores[-1], max(scores)
        small = [b - a <= tolerance for a, b in itertools.pairwise(scores)] + [True]
        likely = {
            "A stage that is better than the last is good enough.": (
                _first(names, [abs(score - last) <= tolerance for score in scores])
            ),
            f"Compare with the last stage, {last:g} dB, not with the best, {big:g} dB.": (
                _first(names, [score >= big - tolerance for score in scores])
            ),
            "This stage is just near enough: *at most* includes the tolerance itself.": (
                _first(names, [score > last - tolerance for score in scores])
            ),
            "A small step may be followed by a large one: compare with the last stage, not "
            "with the next.": (_first(names, small), _first(names, [False, *small[:-1]])),
            "Which is the *first* that is close enough?": names[-1],
            "Close enough to the last is enough.": names[scores.index(big)],
        }
        otherwise = "Compare each score with the last one, in order."
        case = f"With the scores {scores} and {tolerance} dB, {right} is right, not {stage}. "
        compare(stage, right, likely, otherwise, case=case)


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
        "lambda n, s, t: next(a for a, x in zip(n, s) if x >= max(s) - t)": "not with the best",
        "lambda n, s, t: next(a for a, x in zip(n, s) if x > s[-1] - t or a == n[-1])": "*at most*",
        "lambda n, s, t: [a for a, x in zip(n, s) if x >= s[-1] - t][-1]": "first",
        "lambda n, s, t: n[0]": "in order",
        "lambda n, s, t: next((a for a, x in zip(n, s) if x >= s[-1] + t), None)": "return",
        "lambda n, s, t: next(i for i, x in enumerate(s) if x >= s[-1] - t)": "expected a name",
    },
)

EXERCISES = [WORK, GAINS, ERROR_REMOVED, STOP]
