"""Right or wrong: for every zoom of a photo, over a set of photos, and how sure one can be of it.

A photo may have several right classes; an answer is right when its most likely class is any of
them (the rule of ImageNet-Hard).
"""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mssnet_edu.degrade import arguments
from mssnet_edu.zoom.crops import ANCHORS, SIZES_PX, Zoom

__all__ = [
    "Paired",
    "Reliability",
    "best_fixed_zoom",
    "best_zoom",
    "center_bias",
    "entropy_bits",
    "is_right",
    "oracle",
    "paired",
    "reliability",
    "wilson_interval",
]

Z_95 = 1.959964  # of the normal distribution: 95 % lie within
RESAMPLES = 2000


def is_right(probabilities: Tensor, labels: Collection[int]) -> Tensor:
    """Whether the most likely class is one of the right ones: (..., classes) -> (...), bool.

    labels: the right classes, one or several. Raises ValueError where there are none.

    >>> is_right(torch.eye(4), [1, 3])
    tensor([False,  True, False,  True])
    """
    return torch.isin(probabilities.argmax(-1), _labels(labels, probabilities.shape[-1]))


def _labels(labels: Collection[int], classes: int) -> Tensor:
    wanted = torch.tensor(sorted(labels))
    if not len(wanted) or int(wanted.min()) < 0 or int(wanted.max()) >= classes:
        raise ValueError(
            f"labels are {sorted(labels)}; expected at least one class from 0 to {classes - 1}."
        )
    return wanted


def oracle(probabilities: Tensor, labels: Collection[int]) -> bool:
    """Whether any zoom names the photo rightly: the answer of one who is told which zoom to take.

    probabilities: (sizes, 9, classes), from `all_zooms`. It is an upper limit, and no method:
    choosing the zoom takes the label.
    """
    return bool(is_right(probabilities, labels).any())


def best_zoom(
    probabilities: Tensor, labels: Collection[int], sizes_px: tuple[int, ...] = SIZES_PX
) -> Zoom:
    """The zoom that gives the right classes the highest probability.

    probabilities: (sizes, 9, classes), of these sizes.

    >>> best_zoom(torch.eye(18).view(2, 9, 18), [13], (224, 448))
    Zoom(size_px=448, anchor=4)
    """
    share = probabilities[..., _labels(labels, probabilities.shape[-1])].sum(-1)  # (sizes, 9)
    row, anchor = divmod(int(share.argmax()), share.shape[1])
    return Zoom(sizes_px[row], anchor)


def center_bias(right_zooms: Tensor) -> Tensor:
    """The share of photos that at least one size gets right, for each anchor: (3, 3).

    right_zooms: (photos, sizes, 9), bool. Source: Taesiri et al. 2023.

    >>> center_bias(torch.ones(2, 36, 9, dtype=torch.bool))[1, 1]
    tensor(1.)
    """
    return right_zooms.any(1).float().mean(0).view(3, 3)


def best_fixed_zoom(
    right_zooms: Tensor, confidence: Tensor, sizes_px: tuple[int, ...] = SIZES_PX
) -> Zoom:
    """The one zoom that is right for most photos of a set.

    right_zooms: (photos, sizes, 9), bool; confidence: the same, the probability of the right
    classes, which decides between equals. Choose on other photos than those you judge on: the
    best of 324 is partly the luckiest.

    >>> best_fixed_zoom(torch.eye(18).bool().view(1, 2, 9, 18)[..., 4], torch.rand(1, 2, 9),
    ...                 (224, 448))
    Zoom(size_px=224, anchor=4)
    """
    score = right_zooms.sum(0) + confidence.double().mean(0) / 2  # below one photo more
    row, anchor = divmod(int(score.argmax()), len(ANCHORS))
    return Zoom(sizes_px[row], anchor)


def entropy_bits(probabilities: Tensor) -> Tensor:
    """How undecided an answer is, in bits: (..., classes) -> (...). 0: sure; 10: any of 1024.

    >>> entropy_bits(torch.tensor([0.5, 0.5, 0.0]))
    tensor(1.)
    """
    return -torch.special.xlogy(probabilities, probabilities).sum(-1) / math.log(2)


# --- how sure can one be ---------------------------------------------------------------------


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, such as an accuracy: (low, high).

    Source: Wilson 1927. Raises ValueError for less than one trial.

    >>> low, high = wilson_interval(9, 10)
    >>> f"{low:.3f} {high:.3f}"
    '0.596 0.982'
    """
    total = arguments.whole(total, "total", low=1)
    share = arguments.whole(successes, "successes", low=0, high=total) / total
    spread = Z_95**2 / total
    middle = share + spread / 2
    half = Z_95 * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


class Paired(NamedTuple):
    """Two answers to the same photos, compared photo by photo.

    fixed: wrong before and right after; broken: right before and wrong after. p_value: how often
    chance alone would split them this unevenly or more (McNemar's exact test). difference: of the
    accuracies, after - before; low, high: its 95 % interval by paired bootstrap.
    """

    fixed: int
    broken: int
    p_value: float
    difference: float
    low: float
    high: float


def paired(before: Tensor, after: Tensor, seed: int = 0) -> Paired:
    """Compare two answers to the same photos: what was fixed, what was broken, and is it luck?

    before, after: (photos,), bool, whether each was right. seed: of the bootstrap, which draws the
    photos 2000 times anew. Sources: McNemar 1947, in its exact form; Efron 1979.

    >>> paired(torch.tensor([True] * 5 + [False]), torch.tensor([False] * 5 + [True]))[:2]
    (1, 5)
    """
    before, after = (_rights(each, "before and after") for each in (before, after))
    if before.shape != after.shape:
        raise ValueError(
            f"before holds {len(before)} photos and after {len(after)}; expected the same photos."
        )
    change = after.double() - before.double()
    fixed, broken = int((change > 0).sum()), int((change < 0).sum())
    flips, fewer = fixed + broken, min(fixed, broken)
    tail = sum(math.comb(flips, k) for k in range(fewer + 1)) / 2**flips
    low, high = _interval([change[drawn].mean() for drawn in _resamples(len(change), seed)])
    return Paired(fixed, broken, min(1.0, 2 * tail), float(change.mean()), low, high)


def _rights(values: Tensor, name: str) -> Tensor:
    values = torch.as_tensor(values)
    if values.dim() != 1 or not len(values):
        raise ValueError(f"{name} have shape {tuple(values.shape)}; expected one entry a photo.")
    return values.bool()


def _resamples(count: int, seed: int) -> Iterator[Tensor]:
    """Which photos each bootstrap sample holds; one by one, or 50,000 photos would need 1 GB."""
    generator = arguments.generator(seed)
    for _ in range(RESAMPLES):
        yield torch.randint(count, (count,), generator=generator)


def _interval(values: list[Tensor]) -> tuple[float, float]:
    low, high = torch.quantile(torch.stack(values), torch.tensor([0.025, 0.975]).double()).tolist()
    return low, high


class Reliability(NamedTuple):
    """How well confidence tells how often a classifier is right; one entry for each bin.

    count: photos in the bin; confidence: their mean; accuracy: the share that is right; low, high:
    its 95 % interval. Empty bins hold NaN. ece: expected calibration error, the mean distance of
    accuracy and confidence, weighted by count; ece_low, ece_high: its interval by bootstrap. With
    few photos ECE is too high even for a perfect classifier; so compare, and do not read it alone.
    """

    count: Tensor
    confidence: Tensor
    accuracy: Tensor
    low: Tensor
    high: Tensor
    ece: float
    ece_low: float
    ece_high: float


def reliability(confidence: Tensor, correct: Tensor, bins: int = 5, seed: int = 0) -> Reliability:
    """The reliability curve and the expected calibration error of a classifier.

    confidence: (photos,), the probability of its most likely class; correct: (photos,), bool.
    bins: of equal width, from 0 to 1. Source: Guo et al. 2017; intervals: Wilson, bootstrap.

    >>> reliability(torch.tensor([0.9, 0.9, 0.1]), torch.tensor([True, True, False])).ece
    0.1...
    """
    correct = _rights(correct, "correct")
    confidence = torch.as_tensor(confidence).double()
    if confidence.shape != correct.shape or not 0 <= confidence.min() <= confidence.max() <= 1:
        raise ValueError("confidence must hold one number from 0 to 1 for each photo.")
    bins = arguments.whole(bins, "bins", low=1)
    bin_of = (confidence * bins).long().clamp(max=bins - 1)
    count = torch.bincount(bin_of, minlength=bins)
    hits = torch.bincount(bin_of, correct.double(), bins)
    limits = [
        wilson_interval(int(k), int(n)) if n else (math.nan, math.nan)
        for k, n in zip(hits, count, strict=True)
    ]
    low, high = torch.tensor(limits).T
    gap = correct.double() - confidence
    drawn = _resamples(len(gap), seed)
    ece_low, ece_high = _interval([_ece(gap[each], bin_of[each], bins) for each in drawn])
    return Reliability(
        count,
        torch.bincount(bin_of, confidence, bins) / count,
        hits / count,
        low,
        high,
        float(_ece(gap, bin_of, bins)),
        ece_low,
        ece_high,
    )


def _ece(gap: Tensor, bin_of: Tensor, bins: int) -> Tensor:
    """ECE from right - confidence of each photo: counts cancel, so sums over each bin do."""
    return torch.bincount(bin_of, gap, bins).abs().sum() / len(gap)
