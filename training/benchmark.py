"""The tasks that evaluation sets: which photographs, and what is done to them.

Everything is drawn from a photo's name, so the same photo meets the same blurs on every machine and
in any company. Photos are 8-bit before and after, as files are.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mssnet_edu import degrade, images
from training.dataset import photo_files

__all__ = [
    "EDGE_PX",
    "Blurred",
    "Reduced",
    "blurred",
    "busiest",
    "fingerprint",
    "load_photos",
    "read_photo",
    "reduced",
]

SIDE_PX = 512  # of the part of a photo that is measured
LONGEST_PX = 2048  # larger photos are reduced first: most of them are soft at 100 %
EDGE_PX = 32  # blurred with the rest, then cut off: beyond it lies no mirror but the real picture
LENGTHS_PX = (15.0, 30.0)
RADII_PX = (2.0, 6.0)
FARTHEST_PX = 2.0  # of a blur's centre of mass from the middle of the exposure
NOISE = 1 / 255


@dataclass(frozen=True)
class Blurred:
    """One photo to deblur, and the truth.

    group: "motion", "defocus" or "sharp". kernel: (k, k), its middle is the middle of the exposure;
    None where there is no blur. photo, sharp: (3, H, W), 8-bit.
    """

    name: str
    group: str
    blur: str
    photo: Tensor
    sharp: Tensor
    kernel: Tensor | None


@dataclass(frozen=True)
class Reduced:
    """One small photo to enlarge by `factor`, and the truth. group: "clean 8x", "dirty 8x", ..."""

    name: str
    group: str
    factor: int
    small: Tensor
    sharp: Tensor


# ------------------------------------------------------------------------------- the photographs


def load_photos(folder: Path | None = None, limit: int | None = None) -> dict[str, Tensor]:
    """Name -> (3, H, W) of at most 512 x 512 px: the validation crops, or a folder's photographs.

    A folder's photos are reduced to at most 2048 px, and of each the 512 x 512 px with the most
    structure are taken. Raises ValueError for an empty folder and PhotoError for a broken file.
    """
    if folder is None:
        from mssnet_edu.samples import find_data

        folder = find_data("validation")
    files = photo_files(folder)
    stems = [f.stem for f in files]
    photos = {}
    for file in files[:limit]:
        name = file.stem if stems.count(file.stem) == 1 else file.name
        photos[name] = read_photo(file)
    return photos


def read_photo(file: Path) -> Tensor:
    """The part of one photo file that is measured, (3, H, W), both sides multiples of 64 px."""
    photo = images.load(file)
    longest = max(photo.shape[1:])
    if longest > LONGEST_PX:
        size = [round(side * LONGEST_PX / longest) for side in photo.shape[1:]]
        photo = degrade.resample(photo, size, "area").clamp(0, 1)
    height, width = (min(side, SIDE_PX) // 64 * 64 for side in photo.shape[1:])
    if min(height, width) < 128:
        raise images.PhotoError(
            f"{file} is {photo.shape[2]} x {photo.shape[1]} px; evaluation needs 128 x 128 or more."
        )
    [(left, top)] = busiest(photo, (height, width), 1)
    return images.quantize(photo[:, top : top + height, left : left + width])


def busiest(photo: Tensor, size: tuple[int, int], count: int, grid: int = 32):
    """Corners (left, top) of the crops with the most structure, none overlapping.

    photo: (3, H, W); size: (h, w). Structure is the mean root of the gradient: a crop full of fine
    structure beats one with a single hard edge. Corners lie on a grid, so they are stable.

    >>> photo = torch.zeros(3, 64, 128)
    >>> photo[:, 10:60:4, 70:120:4] = 1
    >>> busiest(photo, (64, 64), 1)
    [(64, 0)]
    """
    grey = photo.double().mean(0)
    dy, dx = grey.diff(dim=0)[:, :-1], grey.diff(dim=1)[:-1]
    rows = torch.hypot(dy, dx).sqrt().cumsum(0).cumsum(1)
    total = torch.nn.functional.pad(rows, (1, 1, 1, 1))  # one more than the gradient has, each side
    total[-1], total[:, -1] = total[-2], total[:, -2]
    height, width = size
    places = []
    for top in range(0, photo.shape[1] - height + 1, grid):
        for left in range(0, photo.shape[2] - width + 1, grid):
            low, right = top + height, left + width
            found = total[low, right] - total[top, right] - total[low, left] + total[top, left]
            places.append((round(found.item(), 3), -top, -left))
    corners = []
    for _, top, left in sorted(places, reverse=True):
        if all(abs(left + x) >= width or abs(top + y) >= height for x, y in corners):
            corners.append((-left, -top))
        if len(corners) == count:
            break
    return corners


def fingerprint(photo: Tensor) -> str:
    """A short text that differs when an 8-bit photo differs: the start of its SHA-256."""
    levels = (photo * 255).round().to(torch.uint8).contiguous()
    return hashlib.sha256(levels.numpy().tobytes()).hexdigest()[:16]


# ------------------------------------------------------------------------------------------ blur


def blurred(photos: dict[str, Tensor]) -> Iterator[Blurred]:
    """Every photo under three camera motions of 15 to 30 px, one defocus, and unharmed.

    Blur in linear light, noise of one grey level, 8 bits. The truth is the middle of the exposure.
    Motions whose centre of mass lies more than 2 px from it are drawn again: nobody can know such
    a shift from the blurred photo, so no method is punished for it.
    """
    inner = (..., slice(EDGE_PX, -EDGE_PX), slice(EDGE_PX, -EDGE_PX))
    for name, photo in photos.items():
        sharp = photo[inner]
        for group, blur, kernel, seed in _blurs(name):
            dim = degrade.blur(photo, kernel)[inner]
            noisy = degrade.add_noise(dim, NOISE, seed=seed)
            yield Blurred(name, group, blur, images.quantize(noisy), sharp, kernel)
        yield Blurred(name, "sharp", "none", sharp.clone(), sharp, None)


def _blurs(name: str):
    for kind in ("line", "camera", "shake"):
        draw = _draw(name, kind)
        length = _between(*LENGTHS_PX, draw)
        while True:
            seed = int(torch.randint(1_000_000, (), generator=draw))
            angle = _between(0, 180, draw)
            path = degrade.motion_path(kind, length, angle, seed=seed)
            if path.mean(0).norm() <= FARTHEST_PX:
                break
        yield "motion", f"{kind} {length:.1f} px", degrade.kernel_from_path(path), seed
    draw = _draw(name, "defocus")
    radius = _between(*RADII_PX, draw)
    yield "defocus", f"disc, radius {radius:.1f} px", degrade.defocus_kernel(radius), 0


# ----------------------------------------------------------------------------------------- sizes


def reduced(photos: dict[str, Tensor], factors=(8, 4, 2)) -> Iterator[Reduced]:
    """Every photo at 1/8, 1/4 and 1/2 by area averaging in 8 bits, and once more spoilt at 1/8.

    The spoilt one is blurred before, and noise and JPEG are added to the small photo.
    """
    for name, photo in photos.items():
        for factor in factors:
            small = images.quantize(degrade.downscale(photo, factor))
            yield Reduced(name, f"clean {factor}x", factor, small, photo)
        draw = _draw(name, "dirty")
        soft = degrade.blur(photo, degrade.gaussian_kernel(_between(1.0, 3.0, draw)), False)
        small = degrade.downscale(soft, 8)
        small = degrade.add_noise(small, _between(2, 6, draw) / 255, seed=draw)
        quality = round(_between(60, 90, draw))
        yield Reduced(name, "dirty 8x", 8, degrade.jpeg(small, quality), photo)


def _draw(*what: str) -> torch.Generator:
    """A generator that depends on these words alone."""
    digest = hashlib.sha256(" ".join(what).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def _between(low: float, high: float, draw: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=draw, dtype=torch.float64).item()
