"""Transparency: a photo has none (it is laid on white), so its file's is kept apart."""

from __future__ import annotations

import os

import numpy as np
import torch
from PIL import ImageOps

from mssnet_edu.images.files import MAX_PIXELS, opened

__all__ = ["lift_off_white", "load_alpha"]


def load_alpha(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> torch.Tensor | None:
    """Read how opaque each pixel of a picture file is: (1, H, W) in [0, 1], upright as by `load`.

    None for a picture that is opaque everywhere, or whose transparency cannot be read.
    Raises PhotoError if it is no picture.

    >>> import mssnet_edu.samples as samples
    >>> load_alpha(samples.find_data("photos/cat.png")) is None
    True
    """
    with opened(path, max_pixels) as image:
        if not image.has_transparency_data:
            return None
        try:
            alpha = ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
        except Exception:  # Pillow's readers raise many types; the photo is laid on white instead
            return None
    if alpha.getextrema() == (255, 255):
        return None
    return torch.from_numpy(np.array(alpha, np.float32) / 255)[None]


def lift_off_white(photo: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The colours that give `photo` when they are laid on white with this alpha.

    photo: (3, H, W) in [0, 1]; alpha: (1, H, W) in [0, 1]. Returns (3, H, W) in [0, 1]. A photo is
    what was laid on white: alpha colour + (1 - alpha) 1. On any other ground, edges that were left
    so would have a white fringe.

    >>> lift_off_white(torch.full((3, 1, 1), 0.75), torch.full((1, 1, 1), 0.5)).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """
    return (1 - (1 - photo) / alpha.clamp(min=1 / 255)).clamp(0, 1)
