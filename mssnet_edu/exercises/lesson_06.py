"""Exercises of notebook 06, why hallucinated detail looks real."""

import torch

from mssnet_edu import degrade, metrics
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    PER_CENT,
    as_number,
    as_photo,
    call,
    choose_letters,
    compare,
    describe,
    is_close,
    random,
)

__all__ = ["EXERCISES"]

_DOWN = "me.degrade.downscale"  # of the wrong answers


# --- 06-a -----------------------------------------------------------------------------------------


def _make_consistent(answer):
    for seed, sides in ((1, (5, 7)), (2, (8, 4))):
        # a calm large picture, and a small photo that it does not quite agree with
        small, other = (0.3 + 0.3 * random(seed + i, 3, *sides) for i in (0, 10))
        large = degrade.enlarge(other, 8)
        large = large + 0.2 * random(seed + 20, *large.shape) - 0.1
        corrected = as_photo(call(answer, large, small), large.shape, "What your function returns")
        missing = small - degrade.downscale(large, 8)

        def squares(blocks, size=large.shape[-2:]):
            return degrade.resample(blocks, size, "nearest")

        agreement = metrics.consistency_db(corrected, small)
        before = metrics.consistency_db(large, small)
        smooth = degrade.resample(missing, large.shape[-2:], "bicubic")
        if agreement >= 45 and is_close(corrected - large, squares(missing), absolute=0.01):
            continue
        agrees = f"It agrees to {agreement:.1f} dB; before it was {before:.1f} dB, and 45 are asked"
        likely = {
            "This is the answer, unchanged. Where is the small photo used?": large,
            "This is the mosaic alone. It agrees with the small photo, but all of the answer's "
            "detail is gone. Correct the answer instead of replacing it.": squares(small),
            f"Now it agrees to {agreement:.1f} dB, less than before ({before:.1f} dB). Is a "
            "sign the wrong way round?": (large - squares(missing)),
            "Multiplied, a block's detail grows or shrinks with its mean. Add the same number "
            "to all 64 pixels.": (large * squares(small / degrade.downscale(large, 8))),
            f"{agrees} for. A correction must be spread over all 64 pixels of its block, as it "
            "is.": (large + squares(missing) / 64, large + squares(missing) / 8),
            f"{agrees} for. The correction was made smooth: as squares, each block gets what "
            "it misses.": (large + smooth, large + degrade.enlarge(missing, 8)),
            f"{agrees} for. This corrects each colour of the whole picture. Each block has its "
            "own mean.": (large + missing.mean((1, 2), keepdim=True), large + missing.mean()),
            f"{agrees} for. The three colours are missing different amounts: keep them apart.": (
                large + squares(missing.mean(0, keepdim=True).expand_as(missing))
            ),
            "This takes the old means away. Where do the new ones come in?": (
                large - squares(degrade.downscale(large, 8)),
            ),
            "The small photo is added, but the old means are still there: add what is *missing*.": (
                large + squares(small),
            ),
            "This is the correction alone. Add it to the answer.": squares(missing),
        }
        otherwise = (
            f"{agrees} for."
            if agreement < 45
            else "It agrees with the small photo, but the answer's own detail has changed."
        )
        compare(corrected, large + squares(missing), likely, otherwise)


CONSISTENT = Exercise(
    id="06-a",
    title="Make an answer tell the truth about its input",
    task="""
A network's answer, made small again, is not quite the small photo. That can be mended. Where the
mean of a block is too dark, all its 64 pixels get a little brighter; where too bright, darker.
`me.degrade.downscale(answer, 8)` makes small, `me.degrade.resample(small, size, "nearest")` makes
squares of the pixels of any small picture, of differences too; `answer.shape[-2:]` is the size.

**Your turn.** Complete the function. It returns the answer with each block's mean put right (by
whole blocks, not with `back_project`), so that it agrees with the small photo to 45 dB or better,
and with its detail as it was.
""",
    stub="""
def make_consistent(answer, small):
    return ...  # your code here
""",
    answer="make_consistent",
    expects="a function of the answer and the small photo",
    hints=(
        "What is missing? Compare `small` with the answer made small: the difference has one "
        "number for each block.",
        "`missing = small - me.degrade.downscale(answer, 8)`. Make squares of it, and add them.",
    ),
    solution="""
def make_consistent(answer, small):
    missing = small - me.degrade.downscale(answer, 8)
    return answer + me.degrade.resample(missing, answer.shape[-2:], "nearest")
""",
    check=_make_consistent,
    why="This is x + A⁺(y - A x), the smallest change that makes an answer consistent. It shifts "
    "whole blocks, so seams can appear; `me.hallucination.back_project` spreads the correction "
    "evenly, and takes care of pixels that are black or white already.",
    wrong={
        "lambda a, s: a": "unchanged",
        'lambda a, s: me.degrade.enlarge(s, 8, "nearest")': "mosaic",
        "lambda a, s: 2 * a - solved(a, s)": "sign",
        "lambda a, s: a + (solved(a, s) - a) / 64": "64 pixels",
        "lambda a, s: a * me.degrade.resample(s / me.degrade.downscale(a, 8), a.shape[-2:], "
        '"nearest")': "Multiplied",
        "lambda a, s: a + me.degrade.resample(s - me.degrade.downscale(a, 8), a.shape[-2:], "
        '"bicubic")': "made smooth",
        "lambda a, s: a + (s.mean((1, 2)) - a.mean((1, 2)))[:, None, None]": "its own mean",
        "lambda a, s: a + (solved(a, s) - a).mean(0)": "keep them apart",
        "lambda a, s: (a + solved(a, s)) / 2": "45 are asked for",
        "lambda a, s: me.degrade.enlarge(s, 8)": "asked for",
        "lambda a, s: me.hallucination.back_project(me.degrade.enlarge(s, 8), s)": "own detail",
        "lambda a, s: a - me.degrade.resample(me.degrade.downscale(a, 8), a.shape[-2:], "
        '"nearest")': "old means away",
        "lambda a, s: s": "shape",
    },
)


# --- 06-b -----------------------------------------------------------------------------------------


def _invented_energy(answer):
    for sides, factor in (((6, 8), 4), ((4, 7), 8), ((5, 9), 3)):
        light = torch.tensor([0.7, 0.5, 0.6])[:, None, None]  # colours of unlike means
        blocks = light * random(factor, 3, *sides) ** 3  # few bright blocks, many dark ones
        large = degrade.enlarge(blocks, factor) + 0.2
        large = large + 0.3 * (random(factor + 9, *large.shape) ** 4 - 0.2)
        size = large.shape[-2:]
        mosaic, eights = (
            degrade.resample(degrade.resample(large, [side // n for side in size]), size, "nearest")
            for n in (factor, 8)
        )
        invented, flat = large - mosaic, large - large.mean((-2, -1), keepdim=True)
        recorded = flat - invented
        energy, total = float(invented.square().sum()), float(flat.square().sum())
        right = energy / total
        share = as_number(call(answer, large, factor), "The share")
        likely = {
            "This is the recorded share. How much is left?": 1 - right,
            PER_CENT: 100 * right,
            "This is the share of the *numbers*. How much energy do they carry?": (
                1 - 1 / factor**2
            ),
            "Nearly. Take each colour's mean away first, or the picture's brightness counts as "
            "recorded detail: `large.mean((-2, -1), keepdim=True)`.": (
                energy / float(large.square().sum())
            ),
            "Nearly. Each colour has a mean of its own: `large.mean((-2, -1), keepdim=True)`.": (
                energy / float((large - large.mean()).square().sum())
            ),
            "This is the energy of the invented part. Divide by that of the whole picture.": (
                energy,
                energy / large.numel(),
            ),
            "This adds up sizes without their signs. Energy is the sum of *squares*: `** 2`.": (
                float(invented.abs().sum() / flat.abs().sum())
            ),
            "Energy is the sum of squares; you have taken a root.": right**0.5,
            "Each recorded pixel stands for `factor ** 2` pixels of the mosaic.": (
                1 - float(recorded.square().sum()) / factor**2 / total,
            ),
            "This compares invented with recorded. Divide by the whole, which is both.": (
                energy / float(recorded.square().sum())
            ),
            "This is upside down: the whole is divided by its part.": 1 / right,
            "This takes blocks of 8 × 8. How large they are, `factor` tells.": (
                float((large - eights).square().sum()) / total
            ),
        }
        otherwise = f"This gives {share:.4g} where {right:.4g} is right, at a factor of {factor}."
        compare(share, right, likely, otherwise)


ENERGY = Exercise(
    id="06-b",
    title="Many numbers, little energy",
    task="""
At 8x, 63 of 64 numbers are invented. But numbers are not all alike. The *energy* of a picture is
the sum of the squares of its numbers, once each colour's mean has been taken away.

`large` is an enlarged photo. Its mosaic, the mean of each block of `factor` × `factor` pixels, is
what a small photo would record; the rest is invented. You get the mosaic by
`me.degrade.resample(me.degrade.downscale(large, factor), large.shape[-2:], "nearest")`.

**Your turn.** Complete the function. It returns the share of the energy of `large` that lies in its
invented part, a number from 0 to 1.
""",
    stub="""
def invented_energy(large, factor):
    return ...  # your code here
""",
    answer="invented_energy",
    expects="a function of the large picture and the factor",
    hints=(
        "Two pictures, two sums of squares: the invented part, `large - mosaic`, and the whole "
        "without its mean.",
        "`((large - mosaic) ** 2).sum()` divided by "
        "`((large - large.mean((-2, -1), keepdim=True)) ** 2).sum()`.",
    ),
    solution="""
def invented_energy(large, factor):
    small = me.degrade.downscale(large, factor)
    mosaic = me.degrade.resample(small, large.shape[-2:], "nearest")
    flat = large - large.mean((-2, -1), keepdim=True)
    return ((large - mosaic) ** 2).sum() / (flat**2).sum()
""",
    check=_invented_energy,
    why="Mosaic and invented part are orthogonal, so their energies add up to the whole. Broad "
    "shapes carry most of a photograph's energy, and they are recorded: that is why an invented "
    "picture can look so much like the real one.",
    wrong={
        "lambda large, factor: 1 - 1 / factor**2": "numbers",
        "lambda large, factor: solved(large, factor) * (large - large.mean((-2, -1), keepdim=True))"
        ".square().sum() / large.square().sum()": "mean away",
        "lambda large, factor: solved(large, factor) * (large - large.mean((-2, -1), keepdim=True))"
        ".square().sum() / (large - large.mean()).square().sum()": "mean of its own",
        "lambda large, factor: solved(large, factor) * (large - large.mean((-2, -1), keepdim=True))"
        ".square().sum()": "Divide by",
        "lambda large, factor: 1 - solved(large, factor)": "recorded",
        "lambda large, factor: 100 * solved(large, factor)": "per cent",
        "lambda large, factor: solved(large, factor) ** 0.5": "root",
        "lambda large, factor: (large - me.degrade.resample(me.degrade.downscale(large, factor), "
        'large.shape[-2:], "nearest")).abs().sum() / (large - large.mean((-2, -1), keepdim=True))'
        ".abs().sum()": "*squares*",
        "lambda large, factor: 1 / (1 / solved(large, factor) - 1)": "which is both",
        "lambda large, factor: 1 / solved(large, factor)": "upside down",
        "lambda large, factor: solved(large, 8)": "`factor`",
        "lambda large, factor: 1 - (1 - solved(large, factor)) / factor**2": "stands for",
        "lambda large, factor: large": "expected a number",
    },
)


# --- 06-c -----------------------------------------------------------------------------------------


def _doubt(answer):
    for count, sides in ((5, (16, 32)), (2, (24, 8)), (4, (40, 16))):
        cells = tuple(side // 8 for side in sides)
        answers = random(count, count, 3, *sides)
        answers *= torch.tensor([1, 0.6, 0.2])[:, None, None]  # colours differ by unlike amounts
        answers[:, :, :8, :8] = answers[0, :, :8, :8]  # here they all agree
        returned = call(answer, answers)
        if not isinstance(returned, torch.Tensor) or not returned.is_floating_point():
            return f"Your function returns {describe(returned)}; expected a tensor, (H/8, W/8)."
        shape = tuple(returned.shape)
        if shape == (1, *cells):
            returned, shape = returned[0], cells
        if shape == sides:
            return "This is one number for each pixel. Take the mean over each cell of 8 × 8."
        if shape == (3, *cells):
            return "This is one number for each colour. Take the mean over the colours, too."
        if shape != cells:
            return (
                f"The shape is {shape}; for answers of {sides[0]} × {sides[1]} pixels, {cells} is "
                "expected: one number for each cell of 8 × 8."
            )

        def mean(squares, size=cells):  # of each cell and colour: (3, h, w)
            return degrade.resample(squares.expand(3, *squares.shape[-2:]), size)

        def root(origin, answers=answers, mean=mean):
            return mean((answers - origin).square().mean(0)).mean(0).sqrt()

        away = answers - answers.mean(0)
        square, right = away.square(), root(answers.mean(0))
        wider = (count / (count - 1)) ** 0.5  # n - 1 is as good as n
        if is_close(returned, right * wider, absolute=1e-4):
            continue
        likely = {
            "Nearly: take the root last, after the means over the cell and the colours.": (
                mean(square.mean((0, 1)).sqrt()).mean(0),
                mean(square.mean(0).sqrt()).mean(0),
                mean(square.mean(0)).sqrt().mean(0),
                *(mean(answers.std(0, correction=n)).mean(0) for n in (0, 1)),
            ),
            "This is the distance from the median. Measure it from the mean.": (
                root(answers.quantile(0.5, 0)),
                root(answers.median(0).values),
            ),
            "This is the distance from one of the answers. Measure it from their mean.": tuple(
                root(one) for one in (answers[0], answers[-1])
            ),
            "These are squares. Take the root, so that the doubt is in units of brightness.": (
                right**2,
                (right * wider) ** 2,
            ),
            "This is the mean of the answers. How far do they lie from it?": mean(
                answers.mean((0, 1))
            ).mean(0),
            "These are distances without their signs. Square them, and take the root last.": mean(
                away.abs().mean(0)
            ).mean(0),
            "The mean over all answers is one picture, `answers.mean(0)`, not one number.": (
                root(answers.mean()),
            ),
            "This is the distance from one extreme to the other. Measure from the mean.": (
                mean(answers.amax(0) - answers.amin(0)).mean(0),
                mean((answers.amax(0) - answers.amin(0)).square()).mean(0).sqrt(),
            ),
            "The colours are added up. Take the mean over them.": (
                right * 3**0.5,
                right * wider * 3**0.5,
            ),
            "The answers are added up. Take the mean over them.": right * count**0.5,
            "First the distance of each pixel, then the mean of the cell: here, what differs "
            "inside a cell cancels.": (
                degrade.resample(answers, cells).var(0, correction=0).mean(0).sqrt(),
                degrade.resample(answers, cells).std(0).mean(0),
            ),
        }
        otherwise = (
            "Differences above and below the mean cancel each other. Square them first."
            if returned.min() < 0 or is_close(returned, right * 0, absolute=1e-5)
            else "The numbers differ from the root mean square distance from the mean answer."
        )
        compare(returned, right, likely, otherwise)


DOUBT = Exercise(
    id="06-c",
    title="Where do they disagree?",
    task="""
`answers` holds several enlargements of one small photo, all of them consistent: a tensor
(N, 3, H, W). Where they agree, the photo leaves little choice. Where they differ, it does.

**Your turn.** Complete the function. It returns a tensor (H/8, W/8): for each cell of 8 × 8 pixels,
how far the answers lie from their mean, as the root of the mean of the squares (over answers,
colours and the pixels of the cell). For the means of cells, use
`me.degrade.downscale(squares, 8)` on a tensor (1, 3, H, W) of squares from 0 to 1.
""",
    stub="""
def doubt(answers):
    return ...  # your code here
""",
    answer="doubt",
    expects="a function of the answers",
    hints=(
        "First the mean of all answers, `answers.mean(0)`, then the squared distance from it.",
        "`squares = ((answers - answers.mean(0)) ** 2).mean(0, keepdim=True)` is (1, 3, H, W). "
        "Make it small, take the mean over the colours, then the root.",
    ),
    solution="""
def doubt(answers):
    squares = ((answers - answers.mean(0)) ** 2).mean(0, keepdim=True)  # (1, 3, H, W)
    return me.degrade.downscale(squares, 8)[0].mean(0).sqrt()
""",
    check=_doubt,
    why="This *spread* is the heart of a trust map. It needs no original. What it cannot see is a "
    "mistake that all answers share.",
    wrong={
        "lambda a: a.std(0)": "shape",
        "lambda a: ((a - a.mean(0)) ** 2).mean((0, 1))": "each pixel",
        f"lambda a: {_DOWN}(((a - a.mean(0)) ** 2).mean(0), 8).sqrt()": "colour",
        "lambda a: solved(a) ** 2": "root",
        "lambda a: solved(a) * 3**0.5": "colours are added",
        "lambda a: solved(a) * len(a) ** 0.5": "answers are added",
        f"lambda a: {_DOWN}(a, 8).mean((0, 1))": "mean of the answers",
        f"lambda a: {_DOWN}(((a - a.mean(0)) ** 2).mean(0).sqrt(), 8).mean(0)": "root last",
        f"lambda a: {_DOWN}(((a - a.mean(0)) ** 2).mean(0), 8).sqrt().mean(0)": "root last",
        f"lambda a: {_DOWN}((a - a.mean(0)).abs().mean(0), 8).mean(0)": "without their signs",
        f"lambda a: {_DOWN}(a, 8).std(0).mean(0)": "inside a cell cancels",
        "lambda a: me.degrade.resample(a - a.mean(0), [side // 8 for side in a.shape[-2:]])"
        ".mean((0, 1))": "cancel each other",
        f"lambda a: {_DOWN}(((a - a[0]) ** 2).mean(0), 8).mean(0).sqrt()": "one of the answers",
        f"lambda a: {_DOWN}(((a - a.median(0).values) ** 2).mean(0), 8).mean(0).sqrt()": "median",
        f"lambda a: {_DOWN}(((a - a.mean()) ** 2).mean(0), 8).mean(0).sqrt()": "one picture",
        f"lambda a: {_DOWN}(a.amax(0) - a.amin(0), 8).mean(0)": ("one extreme"),
    },
)


# --- 06-d -----------------------------------------------------------------------------------------

WHY_NOT = {
    "b": "The plate's characters are invented: a wrong one puts the blame on the wrong person.",
    "c": "A shadow of a few pixels can be invented, or smoothed away, and a patient pays for it.",
    "e": "An archive keeps what was recorded. Invented medals become history.",
}
WHY_FINE = {
    "a": "Nobody decides anything by the pores of a poster.",
    "d": "The viewers are told, and nothing but their pleasure hangs on it.",
    "f": "A cover only has to be recognised, and its large shapes are recorded.",
}


def _uses(answer):
    return choose_letters(answer, WHY_NOT, WHY_FINE)


USES = Exercise(
    id="06-d",
    title="When is it fine?",
    task="""
Six people enlarge a photo 8x with a network that looks real.

- **a** A poster of last summer's beach, for the living room.
- **b** A number plate, to find out who drove away after an accident.
- **c** An X-ray, to look for a small shadow that the doctor cannot make out.
- **d** An old film for television, with a note that it was enlarged by AI.
- **e** A portrait from 1914, to find out which medals the soldier wore.
- **f** The tiny covers in a music player, to find an album more quickly.

**Your turn.** Write down the letters of those who may use the result, such as "ab".
""",
    stub="""
fine = ...  # your code here
""",
    answer="fine",
    expects='letters, such as "ab"',
    hints=(
        "Who would be harmed if the invented part were different?",
        "Three of the six decide something by details of a few pixels. The others may go ahead.",
    ),
    solution="""
fine = "adf"
""",
    check=_uses,
    why="It is fine where nobody reads a fact in the invented part; where others will see it, say "
    "so. It is dangerous where somebody decides by it.",
    wrong={
        '"abcdef"': "Not b",
        '"ad"': "f is missing",
        '"bce"': "others",
        '"adef"': "Not e",
        '"af"': "d is missing",
        '["a", "c", "d", "f"]': "Not c",
        '"a and f"': "d is missing",
        "3": "expected letters",
        '"yes"': "letters from a to f",
    },
)

EXERCISES = [CONSISTENT, ENERGY, DOUBT, USES]
