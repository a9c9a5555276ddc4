"""Resampling: how a photo is downscaled, and how its numbers are interpolated again.

These functions work on sRGB values unless told otherwise: networks and benchmarks of the field do
so, and a network must be shown the kind of small photo it was trained on.
"""

import numbers
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments

__all__ = ["crop_to_multiple", "downscale", "enlarge", "resample"]

DOWN = ("area", "bicubic", "nearest", "bicubic-aliased")
UP = ("bicubic", "bilinear", "nearest")


def downscale(
    photo: Tensor, factor: int, method: str = "area", linear_light: bool = False
) -> Tensor:
    """Make a photo `factor` times smaller in both directions.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; factor: a whole number that divides H and W.
    method: "area" (each new pixel is the mean of a factor x factor block, as a sensor with larger
    pixels would record it), "bicubic" (smooth weights over four new pixels, as in Pillow and
    MATLAB: the benchmarks' way), "nearest" (one pixel of each block, the others thrown away) or
    "bicubic-aliased" (bicubic between the four nearest old pixels only, as torch and OpenCV do
    unless told otherwise: Parmar et al. 2022).
    linear_light=True averages light, as optics would. The default works on sRGB values.
    Returns (3, H/factor, W/factor) in [0, 1]. Raises ValueError if factor does not divide H and W.

    >>> downscale(torch.rand(3, 64, 96), 8).shape
    torch.Size([3, 8, 12])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    factor = arguments.whole(factor, "factor", low=1)
    arguments.choice(method, "method", DOWN)
    height, width = batch.shape[-2:]
    if height % factor or width % factor:
        hint = (
            f"Crop it first: crop_to_multiple(photo, {factor})"
            if min(height, width) >= factor
            else "Take a smaller factor."
        )
        raise ValueError(
            f"photo is {width} x {height} px, and {factor} does not divide both sides. {hint}"
        )
    light = images.to_linear(batch) if linear_light else batch
    small = resample(light, (height // factor, width // factor), method).clamp(0, 1)
    small = images.to_srgb(small) if linear_light else small
    return images.like(small, photo)


def enlarge(photo: Tensor, factor: int, method: str = "bicubic") -> Tensor:
    """Make a photo `factor` times larger by interpolation: nothing is invented.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; factor: a whole number.
    method: "bicubic" (smooth, as in Pillow and MATLAB), "bilinear", or "nearest" (squares).
    Works on sRGB values. Returns (3, factor H, factor W) in [0, 1].

    >>> enlarge(torch.rand(3, 8, 12), 8).shape
    torch.Size([3, 64, 96])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    factor = arguments.whole(factor, "factor", low=1, high=64)
    arguments.choice(method, "method", UP)
    height, width = batch.shape[-2:]
    large = resample(batch, (height * factor, width * factor), method).clamp(0, 1)
    return images.like(large, photo)


def resample(x: Tensor, size: Sequence[int], method: str = "area") -> Tensor:
    """Resize to any size: the linear operator behind `downscale` and `enlarge`.

    x: (3, H, W) or (N, C, H, W), any numbers: differences of photos are welcome. size: (h, w).
    method: as in downscale, and "bilinear". Linear in x and not clamped, so bicubic answers can
    leave [0, 1]. Pixels are little squares: the corners of the old and the new picture coincide.

    >>> resample(torch.eye(4).expand(3, 4, 4), (2, 2))[0]
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    if not isinstance(x, torch.Tensor) or x.dim() not in (3, 4) or not x.is_floating_point():
        raise TypeError("x must be a float tensor (3, H, W) or (N, C, H, W).")
    arguments.choice(method, "method", (*DOWN, "bilinear"))
    if isinstance(size, numbers.Number) or len(size) != 2:
        raise ValueError(f"size is {size!r}; expected (height, width).")
    height, width = (arguments.whole(side, "size", low=1) for side in size)
    batch = x if x.dim() == 4 else x[None]
    if method == "area":
        out = _area(_area(batch, height).mT, width).mT
    elif method == "nearest":
        # "nearest-exact" takes the block's middle; "nearest" its corner, which moves the picture
        out = F.interpolate(batch, size=(height, width), mode="nearest-exact")
    else:
        # antialias=True is also what makes torch use Pillow's and MATLAB's cubic when enlarging
        out = F.interpolate(
            batch,
            size=(height, width),
            mode="bilinear" if method == "bilinear" else "bicubic",
            antialias=method != "bicubic-aliased",
        )
    return images.like(out, x)


def _area(x, new):
    """Area averaging along the rows: old rows are weighted by how much of them a new one covers."""
    old = x.shape[-2]
    if old % new == 0:
        return x.unflatten(-2, (new, old // new)).mean(-2)
    edges = torch.arange(new + 1, dtype=torch.float64) * (old / new)
    row = torch.arange(old, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], row + 1) - torch.maximum(edges[:-1, None], row)
    weight = covered.clamp(min=0) * (new / old)
    return weight.to(x) @ x


def crop_to_multiple(photo: Tensor, factor: int) -> Tensor:
    """Cut rows and columns off the right and the bottom until `factor` divides both sides.

    photo: (3, H, W) or (N, 3, H, W). Returns a view of it. Benchmarks do the same.
    Raises ValueError if the photo is smaller than factor.

    >>> crop_to_multiple(torch.rand(3, 452, 322), 8).shape
    torch.Size([3, 448, 320])
    """
    images.as_batch(photo)
    factor = arguments.whole(factor, "factor", low=1)
    height, width = photo.shape[-2:]
    if min(height, width) < factor:
        raise ValueError(f"photo is {width} x {height} px, smaller than the factor {factor}.")
    return photo[..., : height - height % factor, : width - width % factor]
