"""Exercises of notebook 06, why hallucinated detail looks real."""

import torch

from mssnet_edu import degrade, metrics
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    as_number,
    as_photo,
    call,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


def _pictures(seed, factor=8):
    """A calm large picture, and a small photo that it does not quite agree with."""
    generator = torch.Generator().manual_seed(seed)
    small = 0.4 + 0.2 * torch.rand(3, 5, 7, generator=generator)
    large = degrade.enlarge(0.4 + 0.2 * torch.rand(3, 5, 7, generator=generator), factor)
    return small, large + 0.05 * torch.randn(large.shape, generator=generator)


def _detail(picture):
    """What is left of a picture without its blocks' means."""
    blocks = degrade.resample(picture, (5, 7))
    return picture - degrade.resample(blocks, (40, 56), "nearest")


# --- 06-a -----------------------------------------------------------------------------------------


def _make_consistent(answer):
    for seed in (1, 2):
        small, large = _pictures(seed)
        corrected = as_photo(call(answer, large, small), large.shape, "What your function returns")
        squares = degrade.enlarge(small, 8, "nearest")
        if is_close(corrected, large):
            return "This is the answer, unchanged. Where is the small photo used?"
        if is_close(corrected, squares):
            return (
                "This is the mosaic alone. It agrees with the small photo, but all of the answer's "
                "detail is gone. Correct the answer instead of replacing it."
            )
        agreement = metrics.consistency_db(corrected, small)
        before = metrics.consistency_db(large, small)
        if agreement < 45:
            if agreement < before - 3:
                return (
                    f"Now it agrees to {agreement:.1f} dB, less than before ({before:.1f} dB). Is "
                    "a sign the wrong way round?"
                )
            return (
                f"It agrees to {agreement:.1f} dB; before it was {before:.1f} dB, and 45 are asked "
                "for. A correction must be spread over all 64 pixels of its block, as it is."
            )
        if metrics.psnr(0.5 + _detail(corrected), 0.5 + _detail(large)) < 30:
            return "It agrees with the small photo, but the answer's own detail has changed."
    return None


CONSISTENT = Exercise(
    id="06-a",
    title="Make an answer tell the truth about its input",
    task="""
A network's answer, made small again, is not quite the small photo. That can be mended. Where the
mean of a block is too dark, all its 64 pixels get a little brighter; where too bright, darker.
`me.degrade.downscale(answer, 8)` makes small, `me.degrade.resample(small, size, "nearest")` makes
squares of the pixels of any small picture, of differences too; `answer.shape[-2:]` is the size.

**Your turn.** Complete the function. It returns the answer with each block's mean put right, so
that it agrees with the small photo to 45 dB or better, and with its detail as it was.
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
        "lambda a, s: a + me.degrade.resample(me.degrade.downscale(a, 8) - s, a.shape[-2:], "
        '"nearest")': "sign",
        "lambda a, s: a + me.degrade.resample(s - me.degrade.downscale(a, 8), a.shape[-2:], "
        '"nearest") / 64': "64 pixels",
        "lambda a, s: s": "shape",
    },
)


# --- 06-b -----------------------------------------------------------------------------------------


def _invented_energy(answer):
    for seed, factor in ((3, 8), (4, 4)):
        _, large = _pictures(seed, factor)
        height, width = large.shape[-2:]
        small = degrade.resample(large, (height // factor, width // factor))
        squares = degrade.resample(small, (height, width), "nearest")
        invented = (large - squares).square().sum()
        total = (large - large.mean((-2, -1), keepdim=True)).square().sum()
        right = float(invented / total)
        share = as_number(call(answer, large, factor), "The share")
        if is_close(share, right, relative=5e-3):
            continue
        if is_close(share, 1 - right, relative=5e-3):
            return "This is the recorded share. How much is left?"
        if is_close(share, 100 * right, relative=5e-3):
            return "This is in per cent. A share lies between 0 and 1: leave out the 100."
        if is_close(share, 1 - 1 / factor**2):
            return "This is the share of the *numbers*. How much energy do they carry?"
        if is_close(share, invented / large.square().sum(), relative=5e-3):
            return (
                "Nearly. Take each colour's mean away first, or the picture's brightness counts as "
                "recorded detail: `large.mean((-2, -1), keepdim=True)`."
            )
        if any(is_close(share, e, relative=5e-3) for e in (invented, invented / large.numel())):
            return "This is the energy of the invented part. Divide by that of the whole picture."
        if is_close(share, (invented / total).sqrt(), relative=5e-3):
            return "Energy is the sum of squares; you have taken a root."
        return f"This gives {share:.4g} where {right:.4g} is right, at a factor of {factor}."
    return None


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
        "lambda large, factor: ((large - me.degrade.resample(me.degrade.downscale(large, factor), "
        'large.shape[-2:], "nearest")) ** 2).sum() / (large ** 2).sum()': "mean away",
        "lambda large, factor: ((large - me.degrade.resample(me.degrade.downscale(large, factor), "
        'large.shape[-2:], "nearest")) ** 2).sum()': "Divide by",
        "lambda large, factor: 1 - ((large - me.degrade.resample(me.degrade.downscale(large, "
        'factor), large.shape[-2:], "nearest")) ** 2).sum() / '
        "((large - large.mean((-2, -1), keepdim=True)) ** 2).sum()": "recorded",
        "lambda large, factor: large": "expected a number",
    },
)


# --- 06-c -----------------------------------------------------------------------------------------


def _doubt(answer):
    generator = torch.Generator().manual_seed(6)
    for count in (3, 5):
        answers = torch.rand(count, 3, 16, 24, generator=generator)
        answers *= torch.tensor([1, 0.6, 0.2])[:, None, None]  # colours differ by unlike amounts
        answers[:, :, :8, :8] = answers[0, :, :8, :8]  # here they all agree
        returned = call(answer, answers)
        if not isinstance(returned, torch.Tensor) or not returned.is_floating_point():
            return f"Your function returns {describe(returned)}; expected a tensor, (H/8, W/8)."
        if tuple(returned.shape) == (1, 2, 3):
            returned = returned[0]
        square = (answers - answers.mean(0)).square()
        per_cell = degrade.resample(square.mean((0, 1))[None, None], (2, 3))[0, 0]
        if tuple(returned.shape) == (16, 24):
            return "This is one number for each pixel. Take the mean over each cell of 8 × 8."
        if tuple(returned.shape) == (3, 2, 3):
            return "This is one number for each colour. Take the mean over the colours, too."
        if tuple(returned.shape) != (2, 3):
            raise Mistake(
                f"The shape is {tuple(returned.shape)}; for answers of 16 × 24 pixels, (2, 3) is "
                "expected: one number for each cell of 8 × 8."
            )
        both = per_cell.sqrt(), (per_cell * count / (count - 1)).sqrt()  # n, or n - 1
        if any(is_close(returned, one, absolute=1e-4) for one in both):
            continue
        early = degrade.resample(square.mean((0, 1)).sqrt()[None, None], (2, 3))[0, 0]
        colour = degrade.resample(square.mean(0).sqrt()[None], (2, 3))[0].mean(0)
        late = degrade.resample(square.mean(0)[None], (2, 3))[0].sqrt().mean(0)
        if any(is_close(returned, one, relative=1e-3) for one in (early, colour, late)):
            return "Nearly: take the root last, after the means over the cell and the colours."
        middle = (answers - answers.quantile(0.5, 0)).square().mean((0, 1))
        middle = degrade.resample(middle[None, None], (2, 3))[0, 0].sqrt()
        if is_close(returned, middle, relative=1e-3):
            return "This is the distance from the median. Measure it from the mean."
        if is_close(returned, per_cell, relative=1e-3):
            return "These are squares. Take the root, so that the doubt is in units of brightness."
        spread = degrade.resample(answers.mean((0, 1))[None, None], (2, 3))[0, 0]
        if is_close(returned, spread, relative=1e-3):
            return "This is the mean of the answers. How far do they lie from it?"
        if returned.min() < -1e-6:
            return "Differences above and below the mean cancel each other. Square them first."
        return "The numbers differ from the root mean square distance from the mean answer."
    return None


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
        "lambda answers: answers.std(0)": "shape",
        "lambda answers: ((answers - answers.mean(0)) ** 2).mean((0, 1))": "each pixel",
        "lambda answers: me.degrade.downscale(((answers - answers.mean(0)) ** 2).mean(0, "
        "keepdim=True), 8)[0].mean(0)": "root",
        "lambda answers: me.degrade.downscale(((answers - answers.mean(0)) ** 2).mean(0, "
        "keepdim=True), 8)[0].sqrt()": "colour",
        "lambda answers: me.degrade.downscale(answers, 8).mean((0, 1))": "mean of the answers",
        "lambda answers: me.degrade.downscale(((answers - answers.mean(0)) ** 2).mean(0, "
        "keepdim=True).sqrt(), 8)[0].mean(0)": "root last",
        "lambda answers: me.degrade.downscale(((answers - answers.mean(0)) ** 2).mean(0, "
        "keepdim=True), 8)[0].sqrt().mean(0)": "root last",
        "lambda answers: me.degrade.downscale(((answers - answers.median(0).values) ** 2).mean(0, "
        "keepdim=True), 8)[0].mean(0).sqrt()": "from the median",
    },
)


# --- 06-d -----------------------------------------------------------------------------------------

FINE = {"a", "d", "f"}
WHY_NOT = {
    "b": "The plate's characters are invented: a wrong one puts the blame on the wrong person.",
    "c": "A shadow of a few pixels can be invented, or smoothed away, and a patient pays for it.",
    "e": "An archive keeps what was recorded. Invented medals become history.",
}
WHY_FINE = {
    "a": "Nobody decides anything by the pores of a poster.",
    "d": "The viewers are told, and nothing but their pleasure hangs on it.",
    "f": "A small preview only has to be recognised, and the large shapes are recorded.",
}


def _uses(answer):
    if isinstance(answer, str):
        letters = {c for c in answer.lower() if c.isalpha()}
    elif isinstance(answer, list | tuple | set | frozenset):
        letters = {str(c).strip().lower() for c in answer}
    else:
        return f'The answer is {describe(answer)}; expected letters, such as "ab".'
    if not letters or not letters <= set("abcdef"):
        return 'The answer must hold letters from a to f and nothing else, such as "ab".'
    for letter in sorted(letters - FINE):
        return f"Not {letter}. {WHY_NOT[letter]}"
    for letter in sorted(FINE - letters):
        return f"{letter} is missing: it is fine. {WHY_FINE[letter]}"
    return None


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
- **f** Small pictures of paintings, so that visitors of a web shop recognise them.

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
        '"ad"': "is missing",
        '"adef"': "Not e",
        "3": "expected letters",
        '"yes"': "letters from a to f",
    },
)

EXERCISES = [CONSISTENT, ENERGY, DOUBT, USES]
