"""How far a photo must be mirrored beyond its edges, so that a network's answer has no frame.

The answer to a photo with a rim is compared with the answer to the same photo in the midst of its
mirror images, where no edge is near. Two errors count, in grey levels, over some photos and flat
colours: of the worst pixel of the outermost ring, and of a side as a whole (the mean of its
outermost line, by colour). A pixel may differ by one level. A network that invents detail from all
that it sees invents another detail for every rim; that is no frame, so there the sides count.
"""

import dataclasses
from typing import cast

import torch
from torch import Tensor, nn

from mssnet_edu import degrade, images, samples
from mssnet_edu.models import ModelInfo, catalogue
from mssnet_edu.tiling import pad, round_up

__all__ = ["TITLE", "choose", "errors", "record_rim"]

TITLE = "error at the photo's edges, in grey levels, by its rim"
RIMS_PX = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32)
LEVELS = 1.0  # what may be left
FAR_PX = 48  # an edge farther away than this, or than a tile's halo, is far enough
FLAT = ((115, 166, 242), (200, 60, 60))  # a sky, a red
SMALL = ("astronaut", "coffee")  # reduced by 8, to be enlarged
LARGE = ("astronaut", "real_motion_text")  # to be deblurred
SIDE_PX = {"upscale": 16, "deblur": 64}


def errors(network: nn.Module) -> dict[int, dict[str, float]]:
    """Rim in pixels of the photo -> its errors "pixel" and "side", until a pixel's is small enough.

    network: one that restores, with its `info`; of the smallest and the largest factor that it
    offers, the worse counts.
    """
    info = cast(ModelInfo, network.info)
    photos = _photos(info)
    reference_px = round_up(min(info.halo_px, FAR_PX), info.multiple_of)
    offered = info.config.get("factors") or (info.factor,)
    factors = sorted({min(offered), max(offered)})
    wanted = {factor: _answer(network, photos, factor, reference_px) for factor in factors}
    found: dict[int, dict[str, float]] = {}
    for rim_px in (px for px in RIMS_PX if px < reference_px):
        gaps = [255 * (_answer(network, photos, f, rim_px) - wanted[f]) for f in factors]
        pixel = max(float(_ring(gap, f).abs().max()) for gap, f in zip(gaps, factors, strict=True))
        side = max(float(_sides(gap).abs().max()) for gap in gaps)
        found[rim_px] = {"pixel": round(pixel, 2), "side": round(side, 2)}
        if pixel <= LEVELS:
            break
    return found


def choose(found: dict[int, dict[str, float]]) -> int:
    """The smallest rim without an error that is seen: of pixels, else of sides.

    >>> choose({0: {"pixel": 9, "side": 4}, 2: {"pixel": 5, "side": 1}, 4: {"pixel": 5, "side": 0}})
    2
    """
    for error in ("pixel", "side"):
        if enough := [px for px, row in found.items() if row[error] <= LEVELS]:
            return min(enough)
    raise ValueError(f"no rim up to {max(found)} px is enough; measure wider ones.")


def record_rim(name: str) -> ModelInfo:
    """Measure the rim of a network that restores; write it into its json and card."""
    network = catalogue.load_model(name)
    found = errors(network)
    info = catalogue.info(name)
    rows = {error: {f"{px} px": row[error] for px, row in found.items()} for error in found[0]}
    measured = {**info.measured, TITLE: rows}
    info = dataclasses.replace(info, rim_px=choose(found), measured=measured)
    catalogue.write_info(info)
    return info


def _photos(info: ModelInfo) -> Tensor:
    """Flat colours and the middles of photos, as the network is given them: (N, 3, side, side)."""
    side = round_up(max(SIDE_PX[info.task], info.min_px), info.multiple_of)
    flat = [torch.tensor(levels).view(3, 1, 1).expand(3, side, side) / 255 for levels in FLAT]
    if info.task == "deblur":
        photos = [samples.load(name) for name in LARGE]
    else:
        whole = (degrade.crop_to_multiple(samples.load(name), 8) for name in SMALL)
        photos = [images.quantize(degrade.downscale(photo, 8)) for photo in whole]
    boxes = [((p.shape[-1] - side) // 2, (p.shape[-2] - side) // 2, side, side) for p in photos]
    return torch.stack([*flat, *map(images.crop, photos, boxes)])


def _answer(network: nn.Module, photos: Tensor, factor: int, rim_px: int) -> Tensor:
    info = cast(ModelInfo, network.info)
    side = photos.shape[-1]
    padded = round_up(side + 2 * rim_px, info.multiple_of)
    extra = {"factor": factor} if info.config.get("factors") else {}
    if info.config.get("takes_seed"):  # the same numbers everywhere: only the edges may differ
        extra["noise"] = torch.zeros(len(photos), 1, padded * factor, padded * factor)
    with torch.inference_mode():
        answer = network(pad(photos, (padded, padded), rim_px), **extra).clamp(0, 1)
    inner = slice(rim_px * factor, (rim_px + side) * factor)
    return answer[..., inner, inner]


def _ring(gap: Tensor, width_px: int) -> Tensor:
    """The outermost pixels on all four sides, as one row of numbers."""
    mask = torch.ones(gap.shape[-2:], dtype=torch.bool)
    mask[width_px:-width_px, width_px:-width_px] = False
    return gap[..., mask]


def _sides(gap: Tensor) -> Tensor:
    """The mean of each side's outermost line, by photo and colour: (4, N, 3)."""
    rows, columns = gap.mean(-1), gap.mean(-2)
    return torch.stack([rows[..., 0], rows[..., -1], columns[..., 0], columns[..., -1]])
