"""A photo made small and enlarged again, each way the course knows: what does a classifier say?

The recipe of the experiment in `python -m training.evaluate_zoom`, whose answers for the course's
labelled photographs are stored: `recorded_enlargements`.
"""

import csv
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from mssnet_edu import degrade, images
from mssnet_edu.degrade import arguments
from mssnet_edu.hallucination.candidates import recipes
from mssnet_edu.samples import find_data

__all__ = [
    "ENLARGERS",
    "REDUCTIONS",
    "Answer",
    "Reduced",
    "enlarge",
    "enlargements",
    "recorded_enlargements",
    "reduce_photo",
]

FACTOR = 8
REDUCTIONS = ("1/8", "32 px")
SMALL_PX = 32  # of the smaller side, for "32 px"
MAX_PX = 640  # of the larger side; the course's labelled photos are no larger
MIN_PX = 128  # of the smaller side: an eighth of it must do for every network
ENLARGERS = (
    "bicubic",
    "rrdn-x8",
    "mssnet-x8-fidelity",
    "mssnet-x8-realism, seed 0",
    "mssnet-x8-realism, seed 1",
    "mssnet-x8-realism, seed 2",
    "rrdn-x8, then realesrgan-x4",
)
RECORDED = "labelled/enlargements.csv"


class Reduced(NamedTuple):
    """A photo and its small version. large: (3, 8H, 8W); small: (3, H, W), both in 8 bits."""

    large: Tensor
    small: Tensor


def reduce_photo(photo: Tensor, how: str = "1/8") -> Reduced:
    """Make a photo 8 times smaller by averaging 8 x 8 px, in 8 bits.

    photo: (3, H, W), sRGB in [0, 1], smaller side from 128 px; one larger than 640 px is first
    reduced to that. how: "1/8" reduces the photo from its own size (cut to a multiple of 8 px);
    "32 px" first resizes it until its smaller side has 256 px, so that 32 px are left.
    Raises PhotoError for a smaller photo.

    >>> import torch
    >>> reduce_photo(torch.rand(3, 300, 480), "32 px").small.shape
    torch.Size([3, 32, 51])
    """
    arguments.choice(how, "how", REDUCTIONS)
    large = images.as_batch(photo, min_px=MIN_PX)[0].clamp(0, 1)
    height, width = large.shape[1:]
    if how == "32 px":
        scale = FACTOR * SMALL_PX / min(height, width)
        size = [FACTOR * round(side * scale / FACTOR) for side in (height, width)]
    else:
        scale = min(1, MAX_PX / max(height, width))
        size = [max(round(side * scale), MIN_PX) for side in (height, width)]
    if size != [height, width]:
        method = "area" if scale < 1 else "bicubic"
        large = degrade.resample(large, size, method).clamp(0, 1)
    large = images.quantize(degrade.crop_to_multiple(large, FACTOR))
    return Reduced(large, images.quantize(degrade.downscale(large, FACTOR)))


def enlargements(small: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(name, 8 times larger photo in 8 bits) for each of ENLARGERS, one after the other.

    small: (3, H, W), sRGB in [0, 1].
    """
    ways = _ways()
    for name in ENLARGERS:
        yield name, images.quantize(ways[name](small))


def _ways() -> dict[str, Callable[[Tensor], Tensor]]:
    # made anew for each photo: some begin with the answer of another, which they keep
    return {"bicubic": lambda small: degrade.enlarge(small, FACTOR), **dict(recipes())}


def enlarge(small: Tensor, enlarger: str) -> Tensor:
    """A small photo, 8 times larger, by one of ENLARGERS: (3, H, W) -> (3, 8H, 8W) in 8 bits.

    >>> import torch
    >>> enlarge(torch.rand(3, 16, 20), "bicubic").shape
    torch.Size([3, 128, 160])
    """
    arguments.choice(enlarger, "enlarger", ENLARGERS)
    return images.quantize(_ways()[enlarger](small))


class Answer(NamedTuple):
    """What a classifier said of one picture. enlarger: "original", or "1/8: rrdn-x8" and so on.

    view: which crops it was given. top1: the name of the most likely class, with its probability
    `confidence`; right: whether it is one of the photo's labels.
    """

    photo: str
    enlarger: str
    view: str
    top1: str
    right: bool
    confidence: float


def recorded_enlargements() -> list[Answer]:
    """The stored answers of the experiment on the course's labelled photographs.

    Made by `python -m training.evaluate_zoom`; without the photos that our networks were trained
    on. Networks ran in the precision of the machine that made them, so another machine's answers
    may differ a little.
    """
    with find_data(RECORDED).open(encoding="utf-8", newline="") as stream:
        return [
            Answer(
                row["photo"],
                row["enlarger"],
                row["view"],
                row["top1"],
                row["right"] == "1",
                float(row["confidence"]),
            )
            for row in csv.DictReader(stream)
        ]
