"""ST-LPIPS: how different do two photos look? A number near 0 (the same) to about 1 (not at all).

Both photos run through an AlexNet. At five depths its maps are compared pixel by pixel, after
scaling each pixel's vector to length 1, and the differences are weighed by what people answered
when asked which of two pictures is closer to a third. *Shift-tolerant*: every halving of the size
blurs first, so that moving a photo by one pixel hardly changes the answer.

Sources: Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric" (ECCV 2022); Zhang et al.,
"LPIPS" (CVPR 2018). Weights: PyPI stlpips-pytorch 0.0.2 (BSD-2-Clause), by
tools/provenance/convert_perceptual.py.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["STLPIPS", "build"]

WIDTHS = (64, 192, 384, 256, 256)


class BlurPool(nn.Module):
    """Blur with [1 2 1] both ways, then keep every second pixel."""

    kernel: Tensor

    def __init__(self):
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", row[:, None] * row, persistent=False)  # (3, 3)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 3, 3)
        x = F.pad(x, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(x, kernel, stride=2, groups=channels)


class STLPIPS(nn.Module):
    """Two photos (N, 3, H, W), sRGB in [0, 1], H and W from 21 px up -> distances (N,).

    0 for equal photos; the larger, the more different they look. Source: see the top of this file.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("spread", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )
        # how much each channel's difference counts, as people judged
        self.judges = nn.ModuleList(nn.Conv2d(w, 1, 1, bias=False) for w in WIDTHS)
        self.halve = BlurPool()

    def features(self, photo: Tensor) -> list[Tensor]:
        """Return the five maps that are compared: (N, 64, ~H/2, ~W/2) ... (N, 256, ~H/8, ~W/8)."""
        x = (2 * photo - 1 - self.mean) / self.spread  # the network learned on [-1, 1]
        first, second, third, fourth, fifth = self.convs
        x1 = F.relu(self.halve(first(x)))  # (N, 64, H/2, W/2)
        x2 = F.relu(second(self.halve(F.max_pool2d(x1, 3, stride=1))))  # (N, 192, H/4, W/4)
        x3 = F.relu(third(self.halve(F.max_pool2d(x2, 3, stride=1))))  # (N, 384, H/8, W/8)
        x4 = F.relu(fourth(x3))  # (N, 256, H/8, W/8)
        x5 = F.relu(fifth(x4))  # (N, 256, H/8, W/8)
        return [x1, x2, x3, x4, x5]

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        total = a.new_zeros(())
        pairs = zip(self.features(a), self.features(b), self.judges, strict=True)
        for features_a, features_b, judge in pairs:
            difference = (_unit(features_a) - _unit(features_b)) ** 2
            total = total + judge(difference).mean(dim=(1, 2, 3))  # (N,)
        return total


def build() -> STLPIPS:
    """Return an untrained network; ``me.load_model("st-lpips")`` returns the trained one.

    >>> import torch
    >>> build()(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).shape
    torch.Size([2])
    """
    return STLPIPS()


def _unit(x: Tensor) -> Tensor:
    # clamp: a pixel where every map is zero has no direction, and would have a NaN gradient
    length = (x**2).sum(dim=1, keepdim=True).clamp(min=1e-20).sqrt()
    return x / (length + 1e-10)
