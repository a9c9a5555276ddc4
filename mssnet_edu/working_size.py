"""At which size a deblurring network should work: a long smear is short in a small photo.

A network mends motions of the lengths that it was trained on; which, was measured, and its card
knows (`ModelInfo.mends_px`). Where the motion in a photo is longer, the photo can be reduced first:
the answer is smaller, and sharp. `classical.motion_extent_px` tells how long the motion is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from mssnet_edu import classical, degrade, images

__all__ = ["SIZES", "Advice", "SizeHint", "advise", "check_size", "hint", "reduce"]

SIZES = (1, 1 / 2, 1 / 4)
_WORDS = {1 / 2: ("half size", "1/2"), 1 / 4: ("a quarter of the size", "1/4")}


class SizeHint(UserWarning):
    """The photo's motion is too long for the network, and not in a smaller photo.

    A warning, not an error: the answer at full size is still given.
    """


class Advice(NamedTuple):
    """The size to work at, one of SIZES, and how far the motion reaches in px; 0: not known."""

    size: float
    extent_px: float


def check_size(size: float | str | None) -> float | str | None:
    """The size itself if `me.deblur` takes it, else ValueError. None: full size, with a hint.

    >>> check_size(0.5)
    0.5
    """
    number = isinstance(size, int | float) and not isinstance(size, bool) and size in SIZES
    if size is None or size == "auto" or number:
        return size
    raise ValueError(f'size is {size!r}; expected 1, 1/2, 1/4 or "auto".')


def advise(photo: Tensor, mends_px: Sequence[float], min_px: int = 1) -> Advice:
    """The largest size at which the photo's motion is short enough for the network.

    photo: (3, H, W) or (N, 3, H, W), of which the longest motion counts. mends_px: extents that the
    network mends. min_px: the smallest side that it takes. The size is 1 where no motion is found,
    and where no size is small enough.

    >>> from mssnet_edu import samples
    >>> advise(samples.load("astronaut"), mends_px=(6, 10, 16)).size
    1
    """
    batch = images.as_batch(photo)
    extent_px = max(map(classical.motion_extent_px, batch))
    for size in SIZES:
        if min(_sides(batch, size)) >= min_px and extent_px * size <= max(mends_px):
            return Advice(size, extent_px)
    return Advice(1, extent_px)


def hint(photo: Tensor, advice: Advice) -> str:
    """What to tell a learner about advice that is not 1, in one line."""
    words, fraction = _WORDS[advice.size]
    height, width = _sides(photo, advice.size)
    return (
        f"the motion is about {advice.extent_px:.0f} px; at {words} ({width} x {height}) it can be "
        f"mended: size={fraction}"
    )


def reduce(photo: Tensor, size: float, min_px: int = 1) -> Tensor:
    """The photo at a size of SIZES, by area averaging: (N, 3, H, W) -> (N, 3, size H, size W).

    Raises PhotoError if a side falls below min_px.

    >>> import torch
    >>> reduce(torch.rand(1, 3, 41, 60), 1 / 2).shape
    torch.Size([1, 3, 20, 30])
    """
    if size == 1:
        return photo
    height, width = _sides(photo, size)
    if min(height, width) < min_px:
        fraction = _WORDS[size][1]
        raise images.PhotoError(
            f"photo is {photo.shape[-1]} x {photo.shape[-2]} px, and at size {fraction} it is "
            f"{width} x {height} px; the network needs {min_px} x {min_px}. Take a larger size."
        )
    return degrade.resample(photo, (height, width)).clamp(0, 1)


def _sides(photo: Tensor, size: float) -> tuple[int, int]:
    height, width = photo.shape[-2:]
    return int(height * size), int(width * size)
