"""Which cells to trust: a map of the error to expect, learned from photos whose original is known.

Where many answers that explain the photo equally well agree, there is little room for error. Where
they differ, at most one of them is right. So their spread says something about the error, without
knowing the original; how much, was measured once, on photographs whose original is known
(training/calibrate_trust.py), and stands in trust.json beside this file.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu import degrade, images
from mssnet_edu.operators import Downscale

__all__ = [
    "FEATURES",
    "FLOOR",
    "STORED",
    "Calibration",
    "TrustMap",
    "calibration",
    "cell_error",
    "cell_features",
    "gradient_magnitude",
    "trust_map",
]

CELL_PX = 8
FEATURES = (
    "spread",
    "distance",
    "activity",
    "own",
    "recorded",
    "gradient",
    "spread_around",
    "activity_around",
    "gradient_around",
)
FLOOR = 0.5 / 255  # below half a grey level nothing can be told apart
STORED = Path(__file__).with_name("trust.json")


class TrustMap(NamedTuple):
    """One number for each cell of 8 x 8 pixels: (H, W), as large as the small photo.

    expected: the error to expect, root mean square over a cell, in grey levels of 255.
    spread: how much the answers differ there, in grey levels.
    answer: the photo that the map is about, (3, 8H, 8W).
    """

    expected: Tensor
    spread: Tensor
    answer: Tensor


class Calibration(NamedTuple):
    """The error to expect from a cell's features: log error = offset + weights · log features.

    reliability: [(expected, found, cells)], mean errors in grey levels in bins of the expected one.
    scores: {photo: {"trust map": Spearman, "spread": ..., "gradient": ...}}, each photo left out of
    the fit; spread and gradient are single features, for comparison.
    """

    offset: float
    weights: tuple[float, ...]
    reliability: tuple[tuple[float, float, int], ...]
    scores: dict[str, dict[str, float]]

    def log_error(self, features: Tensor) -> Tensor:
        """The logarithm of the error to expect; features: (F, ...) as `cell_features` gives."""
        weights = torch.tensor(self.weights).view(-1, *[1] * (features.dim() - 1))
        return self.offset + (weights * features.log()).sum(0)


def trust_map(
    candidates: Mapping[str, Tensor] | Sequence[Tensor],
    answer: str | Tensor | None = None,
    calibrated: Calibration | None = None,
) -> TrustMap:
    """The error to expect in each 8 x 8 cell of an answer, from how much the candidates disagree.

    candidates: two or more consistent answers, {name: (3, 8H, 8W)} as `candidates` gives, or a
    list. answer: the one that the map is about: a name, or any photo of their size; None takes the
    first. calibrated: a `Calibration`; None takes the course's own, which was measured for answers
    of `candidates`. No original is needed. Returns a `TrustMap`.
    Raises ValueError for a single candidate, PhotoError where sizes differ.

    >>> trust_map([torch.rand(3, 64, 64), torch.rand(3, 64, 64)]).expected.shape
    torch.Size([8, 8])
    """
    stack, answer = _stacked(candidates, answer)
    features = cell_features(stack, answer)
    log_error = (calibrated or calibration()).log_error(features)
    return TrustMap(255 * log_error.exp(), 255 * features[0], answer)


def cell_error(answer: Tensor, truth: Tensor, cell_px: int = CELL_PX) -> Tensor:
    """The error that was made in each cell: root mean square, in grey levels of 255: (H, W).

    answer, truth: (3, cell_px H, cell_px W). Raises PhotoError where the sizes differ.

    >>> cell_error(torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.2))[0, 0].round()
    tensor(51.)
    """
    images.as_batch(answer, "answer")
    if answer.shape != truth.shape:
        raise images.PhotoError(
            f"answer has the shape {tuple(answer.shape)}, truth {tuple(truth.shape)}; expected one."
        )
    return 255 * _cell_means((answer - truth).square().mean(0), cell_px).sqrt()


@functools.cache
def calibration() -> Calibration:
    """The course's own `Calibration`, from trust.json."""
    facts = json.loads(STORED.read_text(encoding="utf-8"))
    return Calibration(
        facts["offset"],
        tuple(facts["weights"][name] for name in FEATURES),
        tuple(tuple(row) for row in facts["reliability"]),
        facts["scores"],
    )


def cell_features(stack: Tensor, answer: Tensor) -> Tensor:
    """What is known about each cell without the original: (len(FEATURES), H, W), FLOOR or more.

    stack: (K, 3, 8H, 8W), the candidates; answer: (3, 8H, 8W), the one that is judged.
    spread: how far the candidates lie from their mean. distance: how far the answer lies from that
    mean. activity, own: the candidates' and the answer's invented energy. recorded: the contrast
    of the small photo. gradient: how steep the answer is. The *_around are means over 3 x 3 cells:
    a cell beside a doubtful one is doubtful.
    """
    mean = stack.mean(0)
    a = Downscale(CELL_PX)
    spread = _cell_means((stack - mean).square().mean((0, 1)))
    distance = _cell_means((answer - mean).square().mean(0))
    activity = _cell_means((stack - a.A_dagger(a.A(stack))).square().mean((0, 1)))
    own = _cell_means((answer - a.A_dagger(a.A(answer))).square().mean(0))
    small = a.A(mean)[None]
    recorded = (_mean_3x3(small.square()) - _mean_3x3(small).square())[0].mean(0)
    gradient = gradient_magnitude(answer).square()
    around = [_mean_3x3(each[None, None])[0, 0] for each in (spread, activity, gradient)]
    powers = torch.stack([spread, distance, activity, own, recorded, gradient, *around])
    return powers.clamp(min=FLOOR**2).sqrt()


def gradient_magnitude(answer: Tensor, cell_px: int = CELL_PX) -> Tensor:
    """The mean steepness of a photo in each cell: what a trust map has to beat, (H, W)."""
    grey = F.pad(images.luma(answer)[None], (0, 1, 0, 1), mode="replicate")[0, 0]
    dy, dx = grey[1:, :-1] - grey[:-1, :-1], grey[:-1, 1:] - grey[:-1, :-1]
    return _cell_means((dy.square() + dx.square()).sqrt(), cell_px)


def _cell_means(x: Tensor, cell_px: int = CELL_PX) -> Tensor:
    return degrade.resample(x[None, None], [side // cell_px for side in x.shape], "area")[0, 0]


def _mean_3x3(x: Tensor) -> Tensor:
    """The mean over 3 x 3 neighbours, of (N, C, H, W)."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _stacked(
    candidates: Mapping[str, Tensor] | Sequence[Tensor], answer: str | Tensor | None
) -> tuple[Tensor, Tensor]:
    """All candidates as (K, 3, 8H, 8W), and the answer that was chosen, checked."""
    keyed = candidates.items() if isinstance(candidates, Mapping) else enumerate(candidates)
    named: dict[str | int, Tensor] = dict(keyed)
    if len(named) < 2:
        raise ValueError(
            f"candidates holds {len(named)}; a trust map needs two or more answers to compare. "
            "me.hallucination.candidates(photo_small) finds some."
        )
    for name, photo in named.items():
        images.as_batch(photo, f"candidates[{name!r}]")
    first = next(iter(named.values()))
    if isinstance(answer, str):
        if answer not in named:
            known = ", ".join(map(repr, named))
            raise ValueError(f"answer is {answer!r}; expected one of {known}, or a photo")
        answer = named[answer]
    answer = first if answer is None else answer
    images.as_batch(answer, "answer")
    for name, photo in [*named.items(), ("answer", answer)]:
        if photo.shape != first.shape or photo.shape[-1] % CELL_PX or photo.shape[-2] % CELL_PX:
            raise images.PhotoError(
                f"{name!r} is {photo.shape[-1]} x {photo.shape[-2]} px; expected all candidates "
                f"and the answer in one size, a multiple of {CELL_PX} px."
            )
    return torch.stack(list(named.values())).detach(), answer.detach()
