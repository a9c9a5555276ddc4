"""JPEG simulated on whole batches: on a GPU, at another quality for each photo, without files."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["jpeg"]


def jpeg(photo: Tensor, quality: Tensor) -> Tensor:
    """Return what JPEG leaves of a batch of photos: 4:2:0 and the standard quantisation tables.

    photo: (N, 3, H, W) in [0, 1], any size. quality: (N,), 1 to 100. Entropy coding loses nothing
    and is left out.
    """
    height, width = photo.shape[-2:]
    photo = F.pad(photo, (0, -width % 16, 0, -height % 16), mode="replicate")
    n = len(photo)
    quality = quality.to(photo.device).float()
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    to_ycc = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]],
        device=photo.device,
    )
    ycc = torch.einsum("kc,nchw->nkhw", to_ycc, photo * 255)
    planes = [ycc[:, :1] - 128, F.avg_pool2d(ycc[:, 1:], 2)]
    dct = _dct_matrix(photo.device)
    decoded = []
    for plane, table in zip(planes, (_LUMA, _CHROMA), strict=True):
        step = torch.tensor(table, device=photo.device).float()[None] * scale
        step = step.round().clamp(1, 255)[:, None, None, None]
        c, h, w = plane.shape[1:]
        blocks = plane.reshape(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
        quantised = (dct @ blocks @ dct.T / step).round() * step
        blocks = dct.T @ quantised @ dct
        decoded.append(blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w))
    chroma = F.interpolate(decoded[1], scale_factor=2, mode="bilinear", align_corners=False)
    ycc = torch.cat([decoded[0] + 128, chroma], 1)
    rgb = torch.einsum("kc,nchw->nkhw", torch.linalg.inv(to_ycc), ycc)
    return (rgb / 255).clamp(0, 1)[..., :height, :width]


def _dct_matrix(device: torch.device) -> Tensor:
    """The orthonormal 8 x 8 DCT-II."""
    k = torch.arange(8, device=device).float()
    m = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) / 2
    m[0] /= math.sqrt(2)
    return m


# fmt: off
_LUMA = [  # ITU-T T.81, Annex K
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
]
_CHROMA = [
    [17, 18, 24, 47, 99, 99, 99, 99], [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99], [47, 66, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99], [99, 99, 99, 99, 99, 99, 99, 99],
    [99, 99, 99, 99, 99, 99, 99, 99], [99, 99, 99, 99, 99, 99, 99, 99],
]
# fmt: on
