"""RRDN: residual in residual dense network, which enlarges a photo 8 times in one pass.

All the work happens at the photo's own size: ten groups of three dense blocks add detail to 64
feature maps, and only at the very end do 64 numbers per colour unfold into 8 x 8 pixels.
Trained with a pixel loss, so where it does not know, it answers with the average: soft, faithful.

Names are those of idealo/image-super-resolution, where the network was trained:
C convolutions in a dense block, D dense blocks in a group, G maps added by each convolution,
G0 maps between blocks, T groups. The course's is C4-D3-G32-G064-T10, times 8.

Sources: Wang et al., "ESRGAN" (ECCVW 2018), the generator; Zhang et al., "Residual Dense Network"
(CVPR 2018). Weights: npm @upscalerjs/esrgan-thick 1.0.0 (MIT), by tools/provenance/convert_rrdn.py.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["RRDN", "build"]

BETA = 0.2  # how much of each block's answer is added; small steps keep a deep network stable


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class DenseBlock(nn.Module):
    """C convolutions, each of which sees the maps of all before it; a last one fuses them."""

    def __init__(self, c: int, g: int, g0: int):
        super().__init__()
        self.grow = nn.ModuleList(conv3(g0 + i * g, g) for i in range(c))
        self.fuse = conv3(g0 + c * g, g0)

    def forward(self, x: Tensor) -> Tensor:
        maps = x  # (N, G0, H, W)
        for conv in self.grow:
            maps = torch.cat([maps, F.relu(conv(maps))], 1)  # G more maps each time
        return x + BETA * self.fuse(maps)  # (N, G0, H, W)


class Group(nn.Module):
    """D dense blocks in a row, and a shortcut around them all."""

    def __init__(self, c: int, d: int, g: int, g0: int):
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(c, g, g0) for _ in range(d)))

    def forward(self, x: Tensor) -> Tensor:
        return x + BETA * self.blocks(x)


class RRDN(nn.Module):
    """Photo (N, 3, H, W), sRGB in [0, 1] -> (N, 3, factor*H, factor*W), raw: not clamped.

    Any H, W from 1 px up. Source: see the top of this file.
    """

    def __init__(
        self, c: int = 4, d: int = 3, g: int = 32, g0: int = 64, t: int = 10, factor: int = 8
    ):
        super().__init__()
        self.first = conv3(3, g0)
        self.groups = nn.Sequential(*(Group(c, d, g, g0) for _ in range(t)))
        self.last = conv3(g0, g0)
        self.spread = conv3(g0, 3 * factor**2)
        self.unfold = nn.PixelShuffle(factor)
        self.smooth = conv3(3, 3)

    def forward(self, photo: Tensor) -> Tensor:
        shallow = self.first(photo)  # (N, G0, H, W)
        deep = shallow + self.last(self.groups(shallow))  # (N, G0, H, W)
        return self.smooth(self.unfold(self.spread(deep)))  # (N, 3, factor*H, factor*W)


def build(**config: Any) -> RRDN:
    """Return an untrained RRDN; ``me.load_model("rrdn-x8")`` returns the trained one.

    config: c, d, g, g0, t, factor (see `RRDN`).
    >>> import torch
    >>> build(d=1, t=1, factor=4)(torch.rand(1, 3, 8, 10)).shape
    torch.Size([1, 3, 32, 40])
    """
    return RRDN(**config)
