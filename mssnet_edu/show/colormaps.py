"""Colour maps: numbers as colours, for similarity and for signed change."""

import torch

from mssnet_edu.show import look

__all__ = ["MAGMA", "diverging", "heatmap", "rgb"]

# Eight colours of matplotlib's magma, from dark to bright; between them it is interpolated.
MAGMA = [[0, 0, 4], [40, 17, 89], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21]]
MAGMA += [[250, 193, 39], [252, 255, 164]]
ZERO = "#e2e2e2"  # a signed map's grey


def rgb(colour: str) -> torch.Tensor:
    """A colour such as "#51606e" as a photo of one pixel, (3, 1, 1) in [0, 1].

    >>> rgb("#ff0000").flatten()
    tensor([1., 0., 0.])
    """
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return torch.tensor(channels)[:, None, None]


def heatmap(values: torch.Tensor) -> torch.Tensor:
    """Numbers (h, w) as colours (3, h, w): dark for 0 or less, bright for 1.

    >>> heatmap(torch.ones(1, 1)).flatten() * 255
    tensor([252., 255., 164.])
    """
    scale = torch.tensor(MAGMA) / 255
    position = values.clamp(0, 1) * (len(scale) - 1)
    lower = position.long().clamp(max=len(scale) - 2)
    weight = (position - lower)[..., None]
    return (scale[lower] * (1 - weight) + scale[lower + 1] * weight).permute(2, 0, 1)


def diverging(values: torch.Tensor, limit: float) -> torch.Tensor:
    """Signed numbers (1, h, w) as colours (3, h, w): grey for 0, violet below, green above.

    limit: the size from which the colour is full.

    >>> diverging(torch.zeros(1, 1, 1), 0.1).flatten() * 255
    tensor([226., 226., 226.])
    """
    t = (values / max(limit, 1e-6)).clamp(-1, 1)
    zero, below, above = rgb(ZERO), rgb(look.DARKER), rgb(look.BRIGHTER)
    return zero + (above - zero) * t.clamp(min=0) + (below - zero) * (-t).clamp(min=0)
