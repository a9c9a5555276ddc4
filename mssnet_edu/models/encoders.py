"""Encoders: networks that turn a photo into a map of features, all behind one small interface.

`me.load_model("vit-s14")` is one as it is; `encoder` makes one of a classifier's stage, too.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from mssnet_edu.models.catalogue import load_model

__all__ = ["Encoder", "StageEncoder", "encode_tiles", "encoder"]


class Encoder(Protocol):
    """What an encoder has.

    native_px: the side of the photos it learned from. patch_px: the side of a map's cell in pixels.
    channels: C. encode: (3, H, W) or (N, 3, H, W), sRGB in [0, 1] -> (C, h, w) or (N, C, h, w).
    """

    native_px: int
    patch_px: int
    channels: int

    def encode(self, photo: Tensor) -> Tensor: ...


class StageEncoder:
    """One stage of EfficientNet-Lite0 as an encoder: a convolutional network, for comparison.

    network: what `me.load_model("efficientnet-lite0")` gives; stage: 1 to 7, the first to the last.
    """

    def __init__(self, network: nn.Module, stage: int):
        sides, widths = (2, 4, 8, 16, 16, 32, 32), (16, 24, 40, 80, 112, 192, 320)
        if not (isinstance(stage, int) and 1 <= stage <= len(sides)):
            raise ValueError(f"stage is {stage!r}; expected 1 to {len(sides)}")
        self.network, self.stage, self.native_px = network, stage, 224
        self.patch_px, self.channels = sides[stage - 1], widths[stage - 1]

    def encode(self, photo: Tensor) -> Tensor:
        """Return the stage's map: (3, H, W) or (N, 3, H, W) in [0, 1] -> (C, H/patch, W/patch).

        H and W must be multiples of ``patch_px`` and at least 32 px. Raises ValueError if not.
        """
        height, width = photo.shape[-2:]
        if height % self.patch_px or width % self.patch_px or min(height, width) < 32:
            raise ValueError(
                f"photo is {width} x {height} px; this encoder needs at least 32 px a side, a "
                f"multiple of {self.patch_px}. Crop it: me.images.crop(photo, box)"
            )
        batch = photo if photo.ndim == 4 else photo[None]
        features = self.network.features(batch)[self.stage - 1]
        return features if photo.ndim == 4 else features[0]


def encoder(name: str = "vit-s14", stage: int = 5) -> Encoder:
    """Return an encoder by name: "vit-s14", or "efficientnet-lite0" with one of its seven stages.

    stage: of EfficientNet-Lite0 only, 1 to 7. Raises ValueError for a network that is no encoder.
    >>> stage3 = encoder("efficientnet-lite0", stage=3)
    >>> stage3.channels, stage3.patch_px
    (40, 8)
    """
    network = load_model(name)
    if hasattr(network, "encode"):
        return network
    if hasattr(network, "stages") and hasattr(network, "classify"):
        return StageEncoder(network, stage)
    raise ValueError(f"{name!r} is no encoder; use 'vit-s14' or 'efficientnet-lite0'.")


def encode_tiles(encoder: Encoder, photo: Tensor, factor: int) -> Tensor:
    """Cut a photo into factor x factor tiles, encode each by itself, and put the maps together.

    photo: (N, 3, factor H, factor W), already enlarged. Returns (N, C, factor h, factor w).
    """
    rows = []
    for row in photo.tensor_split(factor, dim=2):
        tiles = [encoder.encode(t.contiguous()) for t in row.tensor_split(factor, dim=3)]
        rows.append(torch.cat(tiles, 3))
    return torch.cat(rows, 2)
