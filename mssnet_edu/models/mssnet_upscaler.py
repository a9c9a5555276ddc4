"""MSSNet as an upscaler: enlarge smoothly first, then let the network sharpen the result.

MSSNet works at constant size; it removes blur. A small photo enlarged by bicubic interpolation *is*
a blurred photo, so the same network, trained on such pairs, becomes an upscaler. Its first two
scales see half and a quarter of the enlarged size, which is where the small photo's pixels are.

Source of the network: Kim, Lee, Cho 2022 (see `mssnet_edu.mssnet`). This use of it is the course's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mssnet_edu.mssnet import MSSNet, MSSNetConfig, StageResult

__all__ = ["MSSNetUpscaler", "build"]


class MSSNetUpscaler(nn.Module):
    """A small photo -> one `factor` times larger.

    Photos: (N, 3, H, W), sRGB in [0, 1] -> (N, 3, factor H, factor W), raw, not clamped. factor: 2,
    4 or 8. A network with a noise channel draws one of many answers: `seed` picks which, and
    `draw_noise` makes the random numbers for a whole photo at once, so that its tiles share them.
    Raises ValueError for another factor.

    >>> small = torch.rand(1, 3, 16, 16)
    >>> MSSNetUpscaler(MSSNetConfig(8, 8, 8)).eval()(small, factor=4).shape
    torch.Size([1, 3, 64, 64])
    """

    def __init__(self, config: MSSNetConfig, factors: tuple[int, ...] = (2, 4, 8)):
        super().__init__()
        self.factors = tuple(factors)
        self.network = MSSNet(config)

    def forward(
        self, photo: Tensor, factor: int = 8, seed: int = 0, noise: Tensor | None = None
    ) -> Tensor:
        if self.network.config.noise and noise is None:
            noise = self.draw_noise(tuple(photo.shape), factor, seed)
        return self.network(self.enlarge(photo, factor), noise)

    def enlarge(self, photo: Tensor, factor: int = 8) -> Tensor:
        """The smooth start that the network works on: (N, 3, factor H, factor W)."""
        if factor not in self.factors:
            known = ", ".join(map(str, self.factors))
            raise ValueError(f"factor is {factor!r}; this network was trained for {known}.")
        return F.interpolate(photo, scale_factor=factor, mode="bicubic", align_corners=False)

    def draw_noise(self, shape: tuple[int, ...], factor: int, seed: int) -> Tensor | None:
        """Random numbers, (N, 1, factor H, factor W), for a photo of shape (N, 3, H, W).

        One standard normal number for each pixel of the small photo, as if that pixel had been
        recorded a little brighter or darker; enlarged as the photo is. The same seed gives the same
        numbers, whatever the factor. None for a network without a noise channel.
        """
        if not self.network.config.noise:
            return None
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(shape[0], 1, *shape[2:], generator=generator)
        return self.enlarge(numbers, factor)

    def stages(
        self, photo: Tensor, factor: int = 8, seed: int = 0, features: bool = False
    ) -> Iterator[StageResult]:
        """MSSNet's six results, one after another, for a (N, 3, H, W) small photo."""
        noise = self.draw_noise(tuple(photo.shape), factor, seed)
        return self.network.stages(self.enlarge(photo, factor), features=features, noise=noise)


def build(
    factors: Sequence[int] = (2, 4, 8), takes_seed: bool = False, **config: Any
) -> MSSNetUpscaler:
    """The network that a model card's `config` describes, with random weights."""
    if takes_seed != bool(config.get("noise")):
        raise ValueError("takes_seed says that the network draws, so it must go with noise")
    return MSSNetUpscaler(MSSNetConfig(**config), tuple(factors))
