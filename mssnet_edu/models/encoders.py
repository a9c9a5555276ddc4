"""Encoders: networks that turn a photo into a map of features, behind one small interface."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from mssnet_edu.models.catalogue import load_model

__all__ = ["Encoder", "encode_tiles", "encoder"]


@runtime_checkable
class Encoder(Protocol):
    """What an encoder has.

    native_px: the side of the photos it learned from. patch_px: the side of a map's cell in pixels.
    channels: C. encode: (3, H, W) or (N, 3, H, W), sRGB in [0, 1] -> (C, h, w) or (N, C, h, w).
    """

    native_px: int
    patch_px: int
    channels: int

    def encode(self, photo: Tensor) -> Tensor: ...


def encoder(name: str = "vit-s14") -> Encoder:
    """Return an encoder by name. Raises ValueError for a network that is no encoder.

    >>> vit = encoder("vit-s14")
    >>> vit.channels, vit.patch_px
    (384, 14)
    """
    network = load_model(name)
    if not isinstance(network, Encoder):
        raise ValueError(f"{name!r} is no encoder; use 'vit-s14'.")
    return network


def encode_tiles(encoder: Encoder, photo: Tensor, factor: int) -> Tensor:
    """Cut a photo into factor x factor tiles, encode each by itself, and put the maps together.

    photo: (N, 3, factor H, factor W), already enlarged. Returns (N, C, factor h, factor w).
    """
    rows = []
    for row in photo.tensor_split(factor, dim=2):
        tiles = [encoder.encode(t.contiguous()) for t in row.tensor_split(factor, dim=3)]
        rows.append(torch.cat(tiles, 3))
    return torch.cat(rows, 2)
