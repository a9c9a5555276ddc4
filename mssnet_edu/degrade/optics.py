"""Optics: blur kernels (point spread functions, PSF), and the convolution that applies them.

A kernel is a tensor (k, k) with odd k and sum 1: the picture of one point of light, which without
blur would have been the single pixel in the middle.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.motion import kernel_from_path, motion_path

__all__ = ["blur", "convolve", "defocus_kernel", "fast_size", "gaussian_kernel", "line_kernel"]

BORDERS = {"reflect": "reflect", "replicate": "replicate", "wrap": "circular", "black": "constant"}


def line_kernel(length_px: float, angle_deg: float = 0.0) -> Tensor:
    """The kernel of uniform linear motion.

    length_px: distance from end to end; 0 gives no blur. angle_deg: counter-clockwise from "to
    the right". Returns (k, k), sum 1, symmetric about its middle.

    >>> line_kernel(2)[1].round(decimals=3)
    tensor([0.2500, 0.5000, 0.2500])
    """
    length_px = arguments.number(length_px, "length_px", low=0)
    angle_deg = arguments.number(angle_deg, "angle_deg")
    frames = 32 * math.ceil(length_px) + 1
    length_px *= 1 - 1 / frames  # samples lie in the middle of their intervals
    return kernel_from_path(motion_path("line", length_px, angle_deg, frames))


def defocus_kernel(radius_px: float) -> Tensor:
    """The kernel of a lens out of focus: an evenly lit disc.

    radius_px: radius of the disc; 0 gives no blur. Each pixel holds the part of its area that
    the disc covers, so the rim is smooth. Returns (k, k), sum 1.

    >>> defocus_kernel(1.5).shape
    torch.Size([3, 3])
    """
    radius = arguments.number(radius_px, "radius_px", low=0)
    half = max(math.ceil(radius - 0.5), 0)
    if half == 0:
        return torch.ones(1, 1)
    edges = torch.arange(-half, half + 2, dtype=torch.float64) - 0.5
    # exact along x: how much of the disc's chord lies in each pixel; 64 chords per pixel along y
    y = (torch.arange((2 * half + 1) * 64, dtype=torch.float64) + 0.5) / 64 - half - 0.5
    chord = (radius**2 - y**2).clamp(min=0).sqrt()[:, None]
    inside = edges.clamp(-chord, chord)
    area = (inside[:, 1:] - inside[:, :-1]).reshape(2 * half + 1, 64, -1).mean(1)
    area = (area + area.T) / 2  # exact along x only: make it symmetric
    return (area / area.sum()).float()


def gaussian_kernel(sigma_px: float) -> Tensor:
    """A Gaussian kernel: the usual stand-in for many small blurs, one after another.

    sigma_px: standard deviation; 0 gives no blur. Reaches 4 sigma. Returns (k, k), sum 1.

    >>> gaussian_kernel(1.0).shape
    torch.Size([9, 9])
    """
    sigma = arguments.number(sigma_px, "sigma_px", low=0)
    half = math.ceil(4 * sigma)
    x = torch.arange(-half, half + 1, dtype=torch.float64)
    row = torch.exp(-0.5 * (x / max(sigma, 1e-6)) ** 2)
    row = row / row.sum()
    return (row[:, None] * row[None]).float()


def blur(
    photo: Tensor, kernel: Tensor, linear_light: bool = True, border: str = "reflect"
) -> Tensor:
    """Convolve a photo with a blur kernel: every point of light becomes the kernel's shape.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; kernel: (k, l), odd sides, sum 1.
    linear_light=False blurs the sRGB values instead: not what a lens does, but common.
    border: what lies beyond the photo: "reflect" (mirrored), "replicate" (the last pixel again),
    "wrap" (the opposite side) or "black". Returns the same shape in [0, 1].
    Raises ValueError if the kernel is larger than the photo or does not sum to 1.

    >>> blur(torch.rand(3, 32, 40), gaussian_kernel(1.5)).shape
    torch.Size([3, 32, 40])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    kernel = arguments.kernel(kernel)
    arguments.choice(border, "border", tuple(BORDERS))
    height, width = batch.shape[-2:]
    if kernel.shape[0] // 2 >= height or kernel.shape[1] // 2 >= width:
        raise ValueError(
            f"kernel is {kernel.shape[1]} x {kernel.shape[0]} px, too large for a "
            f"photo of {width} x {height} px. Take a smaller blur or a larger photo."
        )
    light = images.to_linear(batch) if linear_light else batch
    blurred = convolve(light, kernel, border).clamp(0, 1)
    return images.like(images.to_srgb(blurred) if linear_light else blurred, photo)


def convolve(x: Tensor, kernel: Tensor, border: str = "reflect") -> Tensor:
    """Convolve any numbers with a kernel: the linear operator behind `blur`, nothing clamped.

    x: (N, C, H, W); kernel: (k, l) with odd sides. Returns the same shape as x.

    >>> convolve(torch.ones(1, 1, 5, 5), torch.tensor([[0.5, 0.0, 0.5]])).mean()
    tensor(1.)
    """
    half_y, half_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    padded = F.pad(x, (half_x, half_x, half_y, half_y), mode=BORDERS[border])
    kernel = kernel.to(x)
    if kernel.numel() <= 49:
        weight = kernel.flip(0, 1).expand(x.shape[1], 1, *kernel.shape)  # conv2d does not flip
        return F.conv2d(padded, weight, groups=x.shape[1])
    size = [fast_size(side) for side in padded.shape[-2:]]  # FFT: k^2 products a pixel are slow
    product = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel, s=size)
    full = torch.fft.irfft2(product, s=size)
    height, width = x.shape[-2:]
    return full[..., 2 * half_y : 2 * half_y + height, 2 * half_x : 2 * half_x + width]


def fast_size(n: int) -> int:
    """The smallest number from n on with no prime factor above 5: a fast length for an FFT.

    >>> fast_size(509)
    512
    """
    while True:
        cofactor = n
        for prime in (2, 3, 5):
            while cofactor % prime == 0:
                cofactor //= prime
        if cofactor == 1:
            return n
        n += 1
