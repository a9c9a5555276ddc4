"""How far a photo must be mirrored beyond its edges, so that a network's answer has no frame.

The answer to a photo with a rim is compared with the answer to the same photo in the midst of its
mirror images, where no edge is near. Two errors count, in grey levels: "pixel", of the worst pixel
of the outermost ring, over a photo and flat colours; and "side", of a flat colour's side as a whole
(the mean of its outermost line, over the mean of all). Neither may exceed one level. A network that
invents detail invents another one in other surroundings. That is no frame; so of such a network,
only sides count.
"""

import dataclasses
from typing import Any, cast

import torch
from torch import Tensor, nn

from mssnet_edu import degrade, images, samples
from mssnet_edu.models import ModelInfo, catalogue
from mssnet_edu.tiling import pad, padded_size, round_up

__all__ = ["TITLE", "choose", "errors", "record_rim"]

TITLE = "error at the photo's edges, in grey levels, by its rim"
RIMS_PX = (0, 1, 2, 3, 4, 6, 8, 12)
LEVELS = 1.0  # what may be left
FAR_PX = 32  # an edge farther away than this, or than a tile's halo, is far enough
FLAT = ((115, 166, 242), (200, 60, 60))  # a sky, a red
PHOTO = "astronaut"  # reduced by 8, where it is to be enlarged
SIDE_PX = {"upscale": 16, "deblur": 64}


def errors(network: nn.Module) -> dict[int, dict[str, float]]:
    """Rim in pixels of the photo -> its errors "pixel" and "side", until a pixel's is small enough.

    network: one that restores, with its `info`. At the smallest factor that it offers: there, a
    frame of some pixels of the answer is as many of the photo as it can be.
    """
    info = cast(ModelInfo, network.info)
    photos = _photos(info)
    reference_px = round_up(min(info.halo_px, FAR_PX), info.multiple_of)
    factor = min(info.config.get("factors") or (info.factor,))
    wanted = _answer(network, photos, factor, reference_px)
    found: dict[int, dict[str, float]] = {}
    for rim_px in (px for px in RIMS_PX if px < reference_px):
        gap = 255 * (_answer(network, photos, factor, rim_px) - wanted)
        sides = _sides(gap[: len(FLAT)])
        pixel, side = (float(part.abs().max()) for part in (_ring(gap, factor), sides))
        found[rim_px] = {"pixel": round(pixel, 2), "side": round(side, 2)}
        if pixel <= LEVELS:
            break
    return found


def choose(found: dict[int, dict[str, float]], invents: bool = False) -> int:
    """The smallest rim from which on no frame is seen, of what `errors` returns.

    invents: judge by the sides alone. 0 if none was enough, for the answer's every pixel depends on
    all that the network sees (MAXIM's): a rim would take its time and mend little.

    >>> choose({0: {"pixel": 9, "side": 4}, 2: {"pixel": 5, "side": 1}, 4: {"pixel": 1, "side": 0}})
    4
    """
    error = "side" if invents else "pixel"
    framed = [px for px, row in found.items() if row[error] > LEVELS]
    enough = [px for px in found if px > max(framed, default=-1)]
    return min(enough, default=0)


def record_rim(name: str) -> ModelInfo:
    """Measure the rim of a network that restores; write it into its json and card."""
    network = catalogue.load_model(name)
    found = errors(network)
    info = catalogue.info(name)
    rows = {error: {f"{px} px": row[error] for px, row in found.items()} for error in found[0]}
    measured = {**info.measured, TITLE: rows}
    invents = info.source_type == "compositeWithTrainedAlgorithmicMedia"
    info = dataclasses.replace(info, rim_px=choose(found, invents), measured=measured)
    catalogue.write_info(info)
    return info


def _photos(info: ModelInfo) -> Tensor:
    """Flat colours and the middle of a photo, as the network is given them: (N, 3, side, side)."""
    side = round_up(max(SIDE_PX[info.task], info.min_px), info.multiple_of)
    flat = [torch.tensor(levels).view(3, 1, 1).expand(3, side, side) / 255 for levels in FLAT]
    photo = samples.load(PHOTO)
    if info.task == "upscale":
        photo = images.quantize(degrade.downscale(photo, 8))
    left, top = ((length - side) // 2 for length in (photo.shape[-1], photo.shape[-2]))
    return torch.stack([*flat, images.crop(photo, (left, top, side, side))])


def _answer(network: nn.Module, photos: Tensor, factor: int, rim_px: int) -> Tensor:
    info = cast(ModelInfo, network.info)
    side = photos.shape[-1]
    size = padded_size((side, side), info.multiple_of, rim_px)
    extra: dict[str, Any] = {"factor": factor} if info.config.get("factors") else {}
    if info.config.get("takes_seed"):  # the same numbers everywhere: only the edges may differ
        extra["noise"] = torch.zeros(len(photos), 1, size[0] * factor, size[1] * factor)
    with torch.inference_mode():
        answer = network(pad(photos, size, rim_px), **extra).clamp(0, 1)
    inner = slice(rim_px * factor, (rim_px + side) * factor)
    return answer[..., inner, inner]


def _ring(gap: Tensor, width_px: int) -> Tensor:
    """The outermost pixels on all four sides, as one row of numbers."""
    mask = torch.ones(gap.shape[-2:], dtype=torch.bool)
    mask[width_px:-width_px, width_px:-width_px] = False
    return gap[..., mask]


def _sides(gap: Tensor) -> Tensor:
    """The mean of each side's outermost line, by photo and colour: (4, N, 3).

    What is common to the whole picture is no frame, and is taken off.
    """
    gap = gap - gap.mean((-2, -1), keepdim=True)
    rows, columns = gap.mean(-1), gap.mean(-2)
    return torch.stack([rows[..., 0], rows[..., -1], columns[..., 0], columns[..., -1]])
