"""Which cells to trust: a map of the error to expect, learned from photos whose original is known.

Where many answers that explain the photo equally well agree, there is little room for error. Where
they differ, at most one of them is right. So their spread says something about the error, without
knowing the original; how much, was measured once, on photographs whose original is known
(training/calibrate_trust.py), and stands in trust.json beside this file.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional as F

from mssnet_edu import degrade, images
from mssnet_edu.degrade import arguments
from mssnet_edu.hallucination.operators import Downscale

__all__ = [
    "Calibration",
    "TrustMap",
    "calibrate",
    "calibration",
    "cell_error",
    "gradient_magnitude",
    "spearman",
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

    expected: torch.Tensor
    spread: torch.Tensor
    answer: torch.Tensor


class Calibration(NamedTuple):
    """The error to expect from a cell's features: log error = offset + weights · log features.

    reliability: [(expected, found, cells)], mean errors in grey levels in bins of the expected one.
    scores: {photo: {"trust map": Spearman, "spread": ..., "gradient": ...}}, each photo left out of
    the fit; spread and gradient are single features, for comparison.
    """

    offset: float
    weights: tuple
    reliability: tuple
    scores: dict


def trust_map(candidates, answer=None, calibrated=None):
    """The error to expect in each 8 x 8 cell of an answer, from how much the candidates disagree.

    candidates: two or more consistent answers, {name: (3, 8H, 8W)} as `candidates` gives, or a
    list. answer: the one that the map is about: a name, or any photo of their size; None takes the
    first. calibrated: a `Calibration`; None takes the course's own, which was measured for answers
    of `candidates`. No original is needed. Returns a `TrustMap`.
    Raises ValueError for a single candidate, PhotoError where sizes differ.

    >>> found = trust_map([torch.rand(3, 64, 64), torch.rand(3, 64, 64)])
    >>> found.expected.shape
    torch.Size([8, 8])
    """
    stack, answer = _stacked(candidates, answer)
    calibrated = calibrated or calibration()
    features = _features(stack, answer)  # (features, H, W)
    weights = torch.tensor(calibrated.weights)
    log = calibrated.offset + (weights[:, None, None] * features.log()).sum(0)
    return TrustMap(255 * log.exp(), 255 * features[0], answer)


def cell_error(answer, truth, cell_px=CELL_PX):
    """The error that was made in each cell: root mean square, in grey levels of 255: (H, W).

    >>> cell_error(torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.2))[0, 0].round()
    tensor(51.)
    """
    images.as_batch(answer, "answer")
    if answer.shape != truth.shape:
        raise images.PhotoError(
            f"answer has the shape {tuple(answer.shape)}, truth {tuple(truth.shape)}; expected one."
        )
    return 255 * _cells((answer - truth).square().mean(0), cell_px).sqrt()


def spearman(a, b):
    """Spearman's rank correlation of two tensors: 1 if one grows whenever the other does.

    Equal values share their mean rank. Returns a float from -1 to 1; 0 where one is constant.

    >>> spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 9.0]))
    1.0
    """
    ranks = [_ranks(x.detach().flatten().double()) for x in (a, b)]
    if len(ranks[0]) != len(ranks[1]) or len(ranks[0]) < 2:
        raise ValueError(f"a has {a.numel()} values and b {b.numel()}; expected as many")
    first, second = (r - r.mean() for r in ranks)
    size = (first.square().sum() * second.square().sum()).sqrt()
    return float(((first * second).sum() / size).clamp(-1, 1)) if size > 0 else 0.0


def calibrate(photos, bins=8):
    """Learn how the error depends on the features, from photos with a known original.

    photos: {name: (candidates, truth)}, eight or more; candidates as in `trust_map`. Each candidate
    in turn is the answer. Every photo is scored by a fit that has not seen it. Least squares on
    logarithms; the reliability is that of the left-out photos. Returns a `Calibration`.
    """
    if len(photos) < 8:
        raise ValueError(f"photos holds {len(photos)}; calibrate needs eight or more")
    cells = {name: _examples(*pair) for name, pair in photos.items()}
    scores, expected, found = {}, [], []
    for name in cells:
        offset, weights = _fit([cells[other] for other in cells if other != name])
        features, errors, slopes = cells[name]
        guess = offset + (weights[:, None] * features.log()).sum(0)  # (answers, cells)
        scores[name] = {
            "trust map": _mean(spearman(g, e) for g, e in zip(guess, errors, strict=True)),
            "spread": _mean(spearman(s, e) for s, e in zip(features[0], errors, strict=True)),
            "gradient": _mean(spearman(s, e) for s, e in zip(slopes, errors, strict=True)),
        }
        expected.append(guess.exp().flatten())
        found.append(errors.flatten())
    offset, weights = _fit(list(cells.values()))
    table = _reliability(torch.cat(expected), torch.cat(found), bins)
    return Calibration(offset, tuple(weights.flatten().tolist()), table, scores)


@functools.cache
def calibration():
    """The course's own `Calibration`, from trust.json."""
    facts = json.loads(STORED.read_text(encoding="utf-8"))
    return Calibration(
        facts["offset"],
        tuple(facts["weights"][name] for name in FEATURES),
        tuple(tuple(row) for row in facts["reliability"]),
        facts["scores"],
    )


def _stacked(candidates, answer):
    named = dict(candidates) if isinstance(candidates, dict) else dict(enumerate(candidates))
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


def _features(stack, answer):
    """What is known about a cell without the original, each (H, W), in [FLOOR, ...].

    spread: how far the candidates lie from their mean. distance: how far this answer lies from that
    mean. activity, own: the candidates' and this answer's invented energy. recorded: the contrast
    of the small photo. gradient: how steep this answer is. The *_around are means over 3 x 3 cells:
    a cell beside a doubtful one is doubtful.
    """
    mean = stack.mean(0)
    a = Downscale(CELL_PX)
    spread = _cells((stack - mean).square().mean((0, 1)))
    distance = _cells((answer - mean).square().mean(0))
    activity = _cells((stack - a.A_dagger(a(stack))).square().mean((0, 1)))
    own = _cells((answer - a.A_dagger(a(answer))).square().mean(0))
    small = a(mean)[None]
    recorded = (_around(small.square()) - _around(small).square())[0].mean(0)
    slope = gradient_magnitude(answer).square()
    around = [_around(each[None, None])[0, 0] for each in (spread, activity, slope)]
    powers = torch.stack([spread, distance, activity, own, recorded, slope, *around])
    return powers.clamp(min=FLOOR**2).sqrt()


def _around(x):
    """The mean over 3 x 3 neighbours, of (N, C, H, W)."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def gradient_magnitude(answer, cell_px=CELL_PX):
    """The mean steepness of a photo in each cell: what a trust map has to beat, (H, W)."""
    grey = F.pad(images.luma(answer)[None], (0, 1, 0, 1), mode="replicate")[0, 0]
    down, across = grey[1:, :-1] - grey[:-1, :-1], grey[:-1, 1:] - grey[:-1, :-1]
    return _cells((down.square() + across.square()).sqrt(), cell_px)


def _cells(x, cell_px=CELL_PX):
    return degrade.resample(x[None, None], [side // cell_px for side in x.shape], "area")[0, 0]


def _examples(candidates, truth):
    """Of one photo: features (features, answers, cells), errors and slopes (answers, cells)."""
    stack, _ = _stacked(candidates, None)
    features = torch.stack([_features(stack, answer).flatten(1) for answer in stack], 1)
    errors = torch.stack([cell_error(answer, truth).flatten() / 255 for answer in stack])
    slopes = torch.stack([gradient_magnitude(answer).flatten() for answer in stack])
    return features, errors.clamp(min=FLOOR), slopes


def _fit(cells):
    """Least squares on logarithms, each photo counting alike: offset, weights (features, 1)."""
    rows, goals = [], []
    for features, errors, _ in cells:
        log = features.log().flatten(1).T.double()  # (answers * cells, features)
        share = len(log) ** -0.5
        rows.append(share * torch.cat([log, torch.ones(len(log), 1).double()], 1))
        goals.append(share * errors.log().flatten().double())
    found = torch.linalg.lstsq(torch.cat(rows), torch.cat(goals)[:, None]).solution[:, 0].float()
    weights, offset = found[:-1, None], float(found[-1])
    # a mean of logarithms lies below the logarithm of the mean: lift it
    lift = []
    for features, errors, _ in cells:
        guess = (offset + (weights[:, None] * features.log()).sum(0)).exp()
        lift.append(float(errors.mean() / guess.mean()))
    return offset + float(torch.tensor(lift).log().mean()), weights


def _reliability(expected, found, bins):
    order = expected.argsort()
    return tuple(
        (255 * float(expected[part].mean()), 255 * float(found[part].mean()), len(part))
        for part in order.tensor_split(arguments.whole(bins, "bins", low=2))
    )


def _ranks(values):
    """Ranks from 0, equal values sharing their mean rank."""
    _, which, count = values.unique(return_inverse=True, return_counts=True)
    end = count.cumsum(0).double()
    return (end - (count + 1) / 2)[which]


def _mean(values):
    values = list(values)
    return sum(values) / len(values)
