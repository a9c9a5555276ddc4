"""The benchmark that evaluation runs on: which photographs, and how each is degraded.

Every random choice is seeded by the photo's name, so the same photo meets the same degradations on
every machine and in any set. Photos are 8-bit before and after, as files are.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu import degrade, images
from mssnet_edu.samples import find_data
from training.dataset import photo_files

__all__ = [
    "FACTORS",
    "Degraded",
    "blurred",
    "gopro_path",
    "load_photos",
    "reduced",
    "textured_crops",
]

SIDE_PX = 512  # of the crop that is measured
MAX_SIDE_PX = 2048  # larger photos are reduced first: most of them are soft at 100 %
BORDER_PX = 32  # cropped after blurring, so that no mirrored pixels are left in the photo
GOPRO_PX = (6, 10, 16, 24, 32)  # how far an exposure of the group "gopro" reaches
GOPRO_TURN_DEG, GOPRO_ZOOM_PERCENT = 0.3, 0.5  # at most, over the whole exposure, either way
MOTION_PX = (15.0, 30.0)
DEFOCUS_RADIUS_PX = (2.0, 6.0)
MAX_SHIFT_PX = 2.0  # of a kernel's centre of mass from the middle of the exposure
NOISE_SIGMA = 1 / 255
FACTORS = (8, 4, 2)


@dataclass(frozen=True)
class Degraded:
    """A degraded photo and its ground truth.

    name: of the photograph. group: rows of the table, "motion" or "clean 8x". case: which
    degradation, "line 19.7 px" or "8x". photo: (3, H, W), sharp: (3, factor H, factor W), 8-bit.
    kernel: (k, k), its middle is the middle of the exposure; None where nothing was blurred, or
    where the photo was reduced. In the group "gopro" it is that of the photo's middle.
    """

    name: str
    group: str
    case: str
    photo: Tensor
    sharp: Tensor
    kernel: Tensor | None = None
    factor: int = 1


# --- the photographs ------------------------------------------------------------------------------


def load_photos(
    folder: Path | None = None, limit: int | None = None, side_px: int = SIDE_PX
) -> dict[str, Tensor]:
    """Name -> (3, H, W), crops of at most side_px x side_px: of the validation set, or of a folder.

    Photos are reduced to at most 2048 px, and of each the crop with the most structure is taken.
    Both its sides are multiples of 64 px. Raises ValueError for an empty folder and PhotoError for
    a file that is broken or smaller than 128 x 128 px.
    """
    files = photo_files(folder or find_data("validation"))
    stems = [f.stem for f in files]
    return {
        file.stem if stems.count(file.stem) == 1 else file.name: _read_photo(file, side_px)
        for file in files[:limit]
    }


def _read_photo(file: Path, side_px: int) -> Tensor:
    photo = images.load(file)
    longest = max(photo.shape[1:])
    if longest > MAX_SIDE_PX:
        height, width = (round(side * MAX_SIDE_PX / longest) for side in photo.shape[1:])
        photo = degrade.resample(photo, (height, width), "area").clamp(0, 1)
    height, width = (min(side, side_px) // 64 * 64 for side in photo.shape[1:])
    if min(height, width) < 128:
        raise images.PhotoError(
            f"{file} is {photo.shape[2]} x {photo.shape[1]} px; evaluation needs 128 x 128 or more."
        )
    [(left, top)] = textured_crops(photo, (height, width))
    return images.quantize(images.crop(photo, (left, top, width, height)))


def textured_crops(
    photo: Tensor, size: tuple[int, int], count: int = 1, stride: int = 32
) -> list[tuple[int, int]]:
    """Corners (left, top) of the crops with the most structure, none overlapping.

    photo: (3, H, W); size: (h, w). Structure is the mean root of the gradient: a crop full of fine
    structure beats one with a single hard edge. Corners lie on a grid of `stride` px.

    >>> photo = torch.zeros(3, 64, 128)
    >>> photo[:, 10:60:4, 70:120:4] = 1
    >>> textured_crops(photo, (64, 64))
    [(64, 0)]
    """
    height, width = size
    grey = photo.double().mean(0)
    dy, dx = grey.diff(dim=0)[:, :-1], grey.diff(dim=1)[:-1]
    gradient = F.pad(torch.hypot(dy, dx).sqrt(), (0, 1, 0, 1))  # (H, W)
    structure = F.avg_pool2d(gradient[None], size, stride)[0] * height * width
    # rounded, so that crops that are alike rank in the same order on every machine
    ranked = structure.round(decimals=3).flatten().argsort(descending=True, stable=True)
    corners = []
    for index in ranked.tolist():
        top, left = (stride * place for place in divmod(index, structure.shape[1]))
        if all(abs(left - x) >= width or abs(top - y) >= height for x, y in corners):
            corners.append((left, top))
        if len(corners) == count:
            break
    return corners


# --- degradations ---------------------------------------------------------------------------------


def blurred(photos: dict[str, Tensor]) -> Iterator[Degraded]:
    """Every photo in five exposures like GoPro's, under three camera motions, one defocus, and
    without blur.

    Blur in linear light, 8 bits; but for GoPro's, whose frames average it away, noise of one grey
    level. The truth is the middle of the exposure.
    Motions whose centre of mass lies more than 2 px from it are sampled again: nobody can know such
    a shift from the blurred photo, so no method is punished for it.
    """
    inner = (..., slice(BORDER_PX, -BORDER_PX), slice(BORDER_PX, -BORDER_PX))
    for name, photo in photos.items():
        sharp = photo[inner]
        for extent_px in GOPRO_PX:
            path = gopro_path(extent_px, _generator(name, f"gopro {extent_px}"))
            mean = images.quantize(degrade.motion_blur(photo, path)[inner])
            kernel = degrade.kernel_from_path(path[:, :2])
            yield Degraded(name, "gopro", f"{extent_px} px", mean, sharp, kernel)
        for group, case, kernel, seed in _kernels(name):
            noisy = degrade.add_noise(degrade.blur(photo, kernel)[inner], NOISE_SIGMA, seed=seed)
            yield Degraded(name, group, case, images.quantize(noisy), sharp, kernel)
        yield Degraded(name, "sharp", "none", sharp, sharp)


def gopro_path(extent_px: float, generator: torch.Generator) -> Tensor:
    """The path of a camera in one exposure of 1/35 to 1/20 s, such as GoPro's blurred frames are.

    Nearly straight, nearly even, and the middle frame lies in the middle; a little turn and zoom.
    extent_px: how far the photo's middle moves. Returns (T, 4), rows (dy, dx, degrees, percent).

    >>> path = gopro_path(10, torch.Generator().manual_seed(0))
    >>> path.shape, round((path[-1, :2] - path[0, :2]).norm().item(), 1)
    (torch.Size([21, 4]), 10.0)
    """
    time = torch.linspace(-1, 1, 2 * round(extent_px) + 1, dtype=torch.float64)
    # speed: within 0.7 and 1.3 times its mean; bend: up to a twentieth of the extent
    along = time + _uniform(-0.15, 0.15, generator) * (time**3 - time)
    across = _uniform(-0.1, 0.1, generator) * time**2
    angle = torch.tensor(_uniform(0, 2 * math.pi, generator))
    dy = across * angle.cos() + along * angle.sin()
    dx = along * angle.cos() - across * angle.sin()
    turn = _uniform(-GOPRO_TURN_DEG, GOPRO_TURN_DEG, generator) * time / 2
    zoom = _uniform(-GOPRO_ZOOM_PERCENT, GOPRO_ZOOM_PERCENT, generator) * time / 2
    return torch.stack([extent_px / 2 * dy, extent_px / 2 * dx, turn, zoom], 1)


def _kernels(name: str) -> Iterator[tuple[str, str, Tensor, int]]:
    """(group, case, kernel, seed of the noise) of each blur that a photo of this name meets."""
    for motion in ("line", "camera", "shake"):
        generator = _generator(name, motion)
        length_px = _uniform(*MOTION_PX, generator)
        while True:
            seed = int(torch.randint(1_000_000, (), generator=generator))
            angle_deg = _uniform(0, 180, generator)
            path = degrade.motion_path(motion, length_px, angle_deg, seed=seed)
            if path.mean(0).norm() <= MAX_SHIFT_PX:
                break
        yield "motion", f"{motion} {length_px:.1f} px", degrade.kernel_from_path(path), seed
    radius_px = _uniform(*DEFOCUS_RADIUS_PX, _generator(name, "defocus"))
    yield "defocus", f"disc, radius {radius_px:.1f} px", degrade.defocus_kernel(radius_px), 0


def reduced(photos: dict[str, Tensor], factors: tuple[int, ...] = FACTORS) -> Iterator[Degraded]:
    """Every photo at 1/8, 1/4 and 1/2 by area averaging in 8 bits, and a dirty one at 1/8.

    The dirty one is blurred before it is reduced, and gets noise and JPEG artefacts after.
    """
    for name, photo in photos.items():
        for factor in factors:
            small = images.quantize(degrade.downscale(photo, factor))
            yield Degraded(name, f"clean {factor}x", f"{factor}x", small, photo, factor=factor)
        generator = _generator(name, "dirty")
        kernel = degrade.gaussian_kernel(_uniform(1.0, 3.0, generator))
        small = degrade.downscale(degrade.blur(photo, kernel, False), 8)
        small = degrade.add_noise(small, _uniform(2, 6, generator) / 255, seed=generator)
        small = degrade.jpeg(small, round(_uniform(60, 90, generator)))
        yield Degraded(name, "dirty 8x", "8x", small, photo, factor=8)


def _generator(*words: str) -> torch.Generator:
    """A generator whose seed depends on these words alone."""
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()
