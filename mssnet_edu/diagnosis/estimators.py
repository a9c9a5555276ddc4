"""What a photo's pixels say of its history: detail, noise, JPEG, clipping, contrast. In numbers.

Each estimator looks for one thing and returns a NamedTuple, or None where a photo is too small or
too flat to tell. How far off they are is measured by `python -m training.evaluate_diagnosis`.
Motion is estimated by `classical.estimate_line_kernel`. Grey levels count from 0 to 255.
"""

import functools
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mssnet_edu import exposure, images
from mssnet_edu.images.files import opened
from mssnet_edu.images.spectrum import power_spectrum

__all__ = [
    "Clipping",
    "Compression",
    "Contrast",
    "Detail",
    "Grid",
    "block_corner",
    "block_grid",
    "clipping",
    "compression",
    "contrast",
    "detail",
    "file_quality",
    "noise_sigma",
    "quantisation",
    "seams",
    "single",
]

LEVELS = 255
PERIODS_PX = tuple(p / 4 for p in range(16, 161))  # 4 px to 40 px
_TILE_PX = 256
_MOST_TILES = 8  # in a row; more change nothing, and cost seconds in a photo of 50 megapixels
_ROLL_OFF = 0.97
_GRID_SCORE = 8.0
_ROLL_OFF_OVER_EDGE = 1.2  # interpolation is no brick wall: measured on photos enlarged 2x to 8x
_LOW = [
    8 * v + u for v in range(6) for u in range(6) if 0 < u + v < 6
]  # of the DCT, without its mean


class Detail(NamedTuple):
    """Where a photo's detail ends: share of the Nyquist frequency, along the axes, up to 1.

    power: (rings,) mean power in squared grey levels; floor: (rings,), what noise, rounding and
    JPEG explain of it.
    """

    share: float
    power: Tensor
    floor: Tensor


class Grid(NamedTuple):
    """The seams between JPEG's blocks: their distance and where the first lies, in px.

    profile: (W,) how much the step between columns x and x + 1 exceeds its neighbours. score: how
    far the seams stand out, in standard errors. period_px other than 8: resized after compression.
    """

    period_px: float
    phase_px: int
    score: float
    profile: Tensor


class Compression(NamedTuple):
    """JPEG's quality by the scale of the IJG (1 to 100), as the multiples in the DCT betray it.

    evidence: mean of cos(2 pi c / step) over the coefficients c, 1 if all are multiples.
    """

    quality: int
    evidence: float


class Clipping(NamedTuple):
    """The shares of the pixels with a channel at 255, and with all channels at 0."""

    white: float
    black: float


class Contrast(NamedTuple):
    """The 1st and 99th percentile of luma, and the colour cast, all in grey levels.

    cast: the largest difference between the channels' own 1st (or 99th) percentiles.
    """

    black: float
    white: float
    cast: float


def single(photo: Tensor) -> Tensor:
    """(3, H, W), in [0, 1], else the error that all estimators share."""
    batch = images.as_batch(photo)
    if len(batch) != 1:
        raise images.PhotoError(
            f"photo is a batch of {len(batch)}; expected one photo. Take photo[0]."
        )
    return batch[0].detach().float().clamp(0, 1)


def _tiles(grey: Tensor, side: int) -> Tensor:
    """Half-overlapping tiles, or as many as fit evenly: (tiles, side, side)."""
    steps = [max(side // 2, math.ceil((n - side) / (_MOST_TILES - 1))) for n in grey.shape]
    tiles = grey.unfold(0, side, max(steps[0], 1)).unfold(1, side, max(steps[1], 1))
    return tiles.reshape(-1, side, side)


# ------------------------------------------------------------------------------ true resolution


def detail(photo: Tensor, quality: int | None = None) -> Detail | None:
    """Where the detail of a photo ends, as a share of what its pixels could hold.

    Welch's method: the mean power of Hann-windowed tiles of 256 px, in rings of max(|fx|, |fy|).
    What noise and rounding explain (the floor of the top quarter) and what JPEG of this quality
    explains is taken off. The roll-off is where 97 % of the sum of f^3 power lies below.
    photo: (3, H, W) in [0, 1]; quality: of its JPEG, 1 to 100, None for none.
    Returns None for a photo below 32 px or without any detail. Blur lowers the share as enlarging
    does: a photo out of focus holds no more than a smaller one. Sharpened edges raise it.
    Source: Welch 1967; the spectral roll-off of audio analysis; f^3 flattens the 1/f^2 of photos.

    >>> from mssnet_edu import degrade, samples
    >>> photo = degrade.downscale(samples.load("astronaut"), 4)
    >>> 0.2 < detail(degrade.enlarge(photo, 4)).share < 0.3
    True
    """
    grey = images.luma(single(photo))[0] * LEVELS
    side = min(_TILE_PX, *grey.shape)
    if side < 32:
        return None
    tiles = _tiles(grey, side)
    spectrum = power_spectrum(tiles - tiles.mean((1, 2), keepdim=True)).mean(0)
    f = torch.fft.fftfreq(side).abs() * 2  # shares of the Nyquist frequency
    rings = min(64, side // 2)
    ring = (torch.maximum(f[:, None], f[None]) * rings).long().clamp(max=rings - 1)
    if quality is not None:  # the seams between blocks lie at k/8
        seam = ((f[:, None] * 4 - torch.arange(1, 5)).abs() < 10 / side).any(1)
        ring[seam[:, None] | seam[None]] = rings
    count = torch.bincount(ring.flatten(), minlength=rings + 1)[:rings]
    power = torch.bincount(ring.flatten(), spectrum.flatten(), minlength=rings + 1)[:rings]
    power = power / count.clamp(min=1)
    at = (torch.arange(rings) + 0.5) / rings
    floor = power[(at > 0.75) & (count > 0)].min() * 1.2 + _jpeg_floor(at, quality)
    weight = (power - floor).clamp(min=0) * at**3 * (count > 0)
    if power[1:].max() < 1e-3 or weight.sum() <= 0:
        return None
    total = (weight.cumsum(0) / weight.sum()).tolist()
    above = next(i for i, value in enumerate(total) if value >= _ROLL_OFF)
    below = total[above - 1] if above else 0.0
    roll_off = (above + (_ROLL_OFF - below) / (total[above] - below)) / rings
    return Detail(min(1.0, roll_off / _ROLL_OFF_OVER_EDGE), power, floor)


def _jpeg_floor(at: Tensor, quality: int | None) -> Tensor:
    """The power of JPEG's rounding errors: it falls with f, and grows with the square of a step.

    Fitted to photos without detail of their own there (enlarged 8x, quality 75).
    """
    if quality is None:
        return torch.zeros_like(at)
    return (quantisation(quality)[0] / 8) ** 2 * 10 ** (-(1 + 7.5 * at) / 10)


# --------------------------------------------------------------------------------------- noise


def noise_sigma(photo: Tensor) -> float | None:
    """The standard deviation of noise in grey levels, pixel by pixel and channel by channel.

    The finest diagonal Haar coefficients, (a - b - c + d) / 2, hold the noise and little of the
    photo; the median over the flattest 5 % of the tiles (16 x 16 px) holds next to none. What
    rounding to 8 bits adds (1/12) is taken off. Film grain wider than a pixel, and noise that JPEG
    has smoothed, is underestimated.
    photo: (3, H, W) in [0, 1]. Returns None below 32 px, or where all is black or white.
    Source: Donoho and Johnstone 1994 (the finest diagonal coefficients), Olsen 1993 (flat tiles).

    >>> from mssnet_edu import degrade
    >>> round(noise_sigma(degrade.add_noise(torch.full((3, 128, 128), 0.5), 5 / 255)))
    5
    """
    levels = single(photo) * LEVELS
    if min(levels.shape[-2:]) < 32:
        return None
    height, width = (side // 2 * 2 for side in levels.shape[-2:])
    a, b, c, d = (levels[:, y:height:2, x:width:2] for y in (0, 1) for x in (0, 1))

    def tiled(x):
        return x.unfold(-2, 8, 8).unfold(-2, 8, 8).flatten(-2).flatten(1, 2)  # (3, tiles, 64)

    mean, diagonal = tiled((a + b + c + d) / 4), tiled((a - b - c + d) / 2)
    inside = ((mean.amin((0, 2)) > 8) & (mean.amax((0, 2)) < 247)).nonzero()[:, 0]
    if not len(inside):
        return None
    variance = diagonal[:, inside].square().mean((0, 2))
    flatness = mean[:, inside].std(-1).amax(0)
    flattest = flatness.argsort()[: max(8, len(inside) // 20)]
    return math.sqrt(max(0.0, variance[flattest].median().item() - 1 / 12))


# ---------------------------------------------------------------------------------------- JPEG


@functools.cache
def quantisation(quality: int) -> tuple[int, ...]:
    """The 64 steps for luma of the IJG's JPEG at a quality from 1 to 100, row by row.

    >>> quantisation(50)[:4]
    (16, 11, 10, 16)
    """
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
    return _tables(Image.open(stream))[0]


def _tables(image: Image.Image) -> dict[int, tuple[int, ...]]:
    return {key: tuple(table) for key, table in getattr(image, "quantization", {}).items()}


def file_quality(file: str | Path) -> int | None:
    """The quality of a JPEG file by the scale of the IJG, 1 to 100; None for other files.

    The quality whose table for luma is nearest to the file's: other programs than the IJG's have
    tables, and scales, of their own. Raises PhotoError for what is no picture.

    >>> from mssnet_edu import samples
    >>> file_quality(samples.find_data("photos/cat.png")) is None
    True
    """
    table = _tables(opened(file)).get(0)
    if table is None:
        return None
    return min(range(100, 0, -1), key=lambda q: math.dist(quantisation(q), table))


def compression(photo: Tensor, least: float = 0.38) -> Compression | None:
    """The quality of a photo that came out of a JPEG file and was not resized, from its pixels.

    JPEG stores the DCT of blocks of 8 x 8 px as multiples of steps. Of every quality it is asked
    how well the 20 lowest frequencies of all blocks are multiples of its steps; the best answer
    counts. photo: (3, H, W) in [0, 1], its upper left corner where the file's was (else cut it to
    its `block_grid` first). Returns None where no quality from 15 to 95 has evidence of `least` or
    more; above 95 the steps vanish in the rounding to 8 bits.
    Source: Fan and de Queiroz 2003.

    >>> from mssnet_edu import degrade, samples
    >>> compression(degrade.jpeg(samples.load("astronaut"), 75)).quality
    75
    """
    grey = images.luma(single(photo))[0] * LEVELS - 128
    if min(grey.shape) < 32:
        return None
    blocks = grey.unfold(0, 8, 8).unfold(1, 8, 8).reshape(-1, 8, 8)
    blocks = blocks[:: math.ceil(len(blocks) / 4096)]
    inside = blocks.abs().amax((1, 2)) < 125  # clipped values are no longer multiples
    k = torch.arange(8.0)
    dct = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) / 2
    dct[0] /= math.sqrt(2)
    coefficients = (dct @ blocks[inside] @ dct.T).flatten(1)[:, _LOW]
    tried = []
    for quality in range(15, 96):
        step = torch.tensor(quantisation(quality)).float()[_LOW]
        told = (coefficients.abs() > 0.75 * step) & (step >= 2)  # zero is a multiple of all
        if told.sum() >= 50:
            evidence = torch.cos(2 * math.pi * coefficients / step)[told].mean().item()
            tried.append(Compression(quality, evidence))
    best = max(tried, key=lambda found: found.evidence, default=None)
    return best if best and best.evidence >= least else None


def block_grid(photo: Tensor, periods_px: Sequence[float] = PERIODS_PX) -> Grid | None:
    """The seams that JPEG leaves between its blocks: their period and phase, across.

    Of each column, how much the step to the next exceeds the steps beside it, in the median over
    rows; then the period p whose comb exceeds the rest most. A period other than 8 tells of a photo
    that was resized after it was compressed. photo: (3, H, W) in [0, 1]; periods_px: those that
    are tried. Interpolation has periods of its own, and is found as well.
    Returns None below 64 px; trust scores above 8 (see `seams`).
    Source: Fan and de Queiroz 2003 (seams), Gallagher 2005 (resizing shows as a period).

    >>> from mssnet_edu import degrade, samples
    >>> block_grid(degrade.jpeg(samples.load("astronaut"), 30)).period_px
    8.0
    """
    rows = single(photo)[:, :: math.ceil(photo.shape[-2] / 1024)]  # more rows change nothing
    grey = images.luma(rows)[0] * LEVELS
    if min(grey.shape) < 64:
        return None
    step = grey.diff(dim=1).abs().clamp(max=20)  # edges of things count no more than 20 levels
    excess = (step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2).mean(0)
    excess = excess - excess.median()
    spread = excess.std().item()
    if spread < 1e-6:
        return None
    profile = excess.clamp(-3 * spread, 3 * spread)
    x = torch.arange(len(profile)) + 1  # the step from column x to x + 1
    found = {}
    for period in periods_px:
        if period > len(profile) / 8 and found:
            break
        phases = ((x[:, None] + 1 - torch.arange(round(period))) % period < 1).float()
        count = phases.sum(0)
        inside, outside = (
            phases.T @ profile / count,
            (1 - phases).T @ profile / (len(profile) - count),
        )
        score = (inside - outside) * count.sqrt() / profile.std()
        phase = int(score.argmax())
        found[period] = Grid(period, phase, score[phase].item(), profile)
    best = max(found.values(), key=lambda grid: grid.score)
    # every other seam of period p is a seam of p / 2 as well, and fits nearly as well
    multiples = (found[m * best.period_px] for m in (4, 3, 2) if m * best.period_px in found)
    return next((grid for grid in multiples if grid.score > 0.8 * best.score), best)


def block_corner(photo: Tensor) -> tuple[int, int]:
    """Top and left of the first whole block, if the photo was cut after compression; else (0, 0).

    >>> from mssnet_edu import degrade, samples
    >>> block_corner(degrade.jpeg(samples.load("astronaut"), 30)[:, 3:, 5:])
    (5, 3)
    """
    down, across = (block_grid(x, (8.0,)) for x in (single(photo).mT, photo))
    return (down.phase_px, across.phase_px) if down and across else (0, 0)


def seams(photo: Tensor) -> tuple[Grid, Grid] | None:
    """The grids across and down, where both stand out; else None.

    >>> seams(torch.rand(3, 99, 99)) is None
    True
    """
    across, down = block_grid(photo), block_grid(single(photo).mT)
    if across is None or down is None or min(across.score, down.score) < _GRID_SCORE:
        return None
    return across, down


# --------------------------------------------------------------------------------------- tones


def clipping(photo: Tensor) -> Clipping:
    """Which share of the pixels is at the end of the scale, where light or shadow is lost.

    photo: (3, H, W) in [0, 1].

    >>> clipping(torch.ones(3, 4, 4))
    Clipping(white=1.0, black=0.0)
    """
    photo = single(photo)
    black = (photo < 0.5 / LEVELS).all(0)
    return Clipping(exposure.clipped(photo).float().mean().item(), black.float().mean().item())


def contrast(photo: Tensor) -> Contrast:
    """How much of the scale a photo uses, and whether its black and white are coloured.

    photo: (3, H, W) in [0, 1]. Scans of faded prints have no black, no white, or both tinted.

    >>> contrast(torch.linspace(0.2, 0.6, 101).expand(3, 1, 101)).white
    151.98...
    """
    photo = single(photo)
    photo = LEVELS * photo.flatten(1)[:, None, :: math.ceil(photo[0].numel() / 2**20)]
    planes = torch.cat([images.luma(photo), photo]).flatten(1).numpy()
    low, high = np.percentile(planes, (1, 99), axis=1)
    return Contrast(float(low[0]), float(high[0]), float(max(np.ptp(low[1:]), np.ptp(high[1:]))))
