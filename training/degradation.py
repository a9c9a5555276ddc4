"""Training pairs made by physics, on the fly, from one seed per batch.

A blurred photograph is the mean of the light that fell in while the shutter was open. So a sharp
patch is moved along a camera path (shift, rotation, parallax by depth; sometimes an object in front
moves on its own), 7 to 40 sub-frames are averaged in linear light, bright light is clipped as a
sensor does, noise is added, and only then comes the camera's curve, JPEG and rounding. The target
is the middle sub-frame. Source of the recipe: Nah et al. 2017 (GoPro), extended as above.

`difficulty` orders the blur from a single motion (0) to all of the above (1), for a curriculum. A
network that meets all blurs at once settles for sharpening everything a little: it never learns to
tell one blur from another. One motion it undoes within minutes, and the next are near to it.

For enlargement the patch is reduced by 2, 4 or 8, rounded to 8 bits, and enlarged again by bicubic
interpolation: the network learns what the reduction lost.

All functions work in batches on the corpus's device; the same seed gives the same batch.
Random numbers come from generators on the CPU.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu import degrade
from mssnet_edu.degrade.motion import cosine_series, inertial_walk
from mssnet_edu.degrade.optics import convolve
from mssnet_edu.images import quantize, to_linear, to_srgb
from training.dataset import Corpus
from training.jpeg import jpeg

__all__ = [
    "Blur",
    "PairMaker",
    "average_subframes",
    "motion_paths",
    "source_side_px",
    "uniform_blur",
    "validation_pairs",
]

MARGIN_PX = 32  # light from outside the patch is needed where the camera moves
# of the camera's paths: nearly straight, arcs, swinging hands, trembling hands. An exposure of real
# life is short, so most are nearly straight and even.
CAMERA_SHARES = (0.62, 0.2, 0.1, 0.08)
MAX_CENTROID_OFFSET = 0.09  # distance of a path's mean from its middle frame, by its extent
NON_UNIFORM_SHARE = 0.15  # of the batches with camera motion; these take longest to make
VALIDATION_SEED = 20_240_601


@dataclass(frozen=True)
class Blur:
    """Distribution of the blurred pairs. Shares are of all pairs, lengths in pixels.

    clean: pairs without any blur, noise or JPEG (a sharp photo must come back unharmed). defocus:
    pairs out of focus. angle_range: directions lie within this share of 90 degrees of the
    horizontal. shortest_px, short_px: lengths of a usual motion. long: share of the moving pairs
    that move by `short_px` to `longest_px` instead. camera: share of the moving pairs that follow a
    hand-held camera (bends, few shakes); the others move evenly along a line. non_uniform: share of
    the batches with camera motion in which the blur differs from place to place (rotation,
    parallax, objects). noise, jpeg, objects: shares with sensor noise, JPEG, and an object in
    front that moves on its own.
    """

    clean: float
    defocus: float
    angle_range: float
    shortest_px: float
    short_px: float
    long: float
    longest_px: float
    camera: float
    non_uniform: float
    noise: float
    jpeg: float
    objects: float

    @classmethod
    def of(
        cls, difficulty: float, stretch: float = 1.0, non_uniform: float = NON_UNIFORM_SHARE
    ) -> "Blur":
        """Interpolate from one motion (0) by lines of all directions (0.4) to everything (1).

        stretch: motions are this many times as long. non_uniform: the share at difficulty 1.
        Raises ValueError if the difficulty lies outside [0, 1].
        """
        if not 0 <= difficulty <= 1:
            raise ValueError(f"difficulty must be between 0 and 1, got {difficulty}")
        if difficulty < 0.4:
            weight, ends = difficulty / 0.4, (_ONE_MOTION, _ALL_LINES)
        else:
            weight, ends = (difficulty - 0.4) / 0.6, (_ALL_LINES, _EVERYTHING)
        blur = cls(*(low + weight * (high - low) for low, high in zip(*ends, strict=True)))
        names = ("shortest_px", "short_px", "longest_px")
        lengths = {name: stretch * getattr(blur, name) for name in names}
        return replace(blur, non_uniform=non_uniform * blur.non_uniform, **lengths)


# clean, defocus, angle_range, shortest_px, short_px, long, longest_px, camera, non_uniform, noise,
# jpeg, objects
_ONE_MOTION = (0.08, 0.00, 0.02, 5.0, 6.0, 0.0, 12.0, 0.0, 0.0, 0.0, 0.00, 0.0)
_ALL_LINES = (0.08, 0.02, 1.00, 1.0, 10.0, 0.0, 12.0, 0.0, 0.0, 0.1, 0.00, 0.0)
_EVERYTHING = (0.10, 0.15, 1.00, 2.0, 12.0, 0.6, 36.0, 0.6, 1.0, 0.4, 0.15, 0.4)


class PairMaker:
    """Makes (input, target) batches for "deblur" or "upscale".

    size_px: side of a patch, a multiple of 16. clean: share of enlargement pairs without blur,
    noise or JPEG. Raises ValueError for another task or size.
    """

    def __init__(self, corpus: Corpus, task: str, size_px: int, clean: float = 0.7):
        if task not in ("deblur", "upscale"):
            raise ValueError(f"task must be 'deblur' or 'upscale', got {task!r}")
        if size_px % 16:
            raise ValueError(f"size_px must be a multiple of 16, got {size_px}")
        self.corpus, self.task, self.size_px, self.clean = corpus, task, size_px, clean

    def batch(
        self,
        count: int,
        seed: int,
        difficulty: float = 1.0,
        stretch: float = 1.0,
        non_uniform: float = NON_UNIFORM_SHARE,
    ) -> tuple[Tensor, Tensor]:
        """Two (count, 3, size_px, size_px) in [0, 1], 8-bit values: inputs and targets.

        A deterministic function of the corpus and the arguments. difficulty, stretch, non_uniform:
        of the blur (see `Blur.of`); enlargement ignores them.
        """
        generator = torch.Generator().manual_seed(seed)
        if self.task == "deblur":
            return self._blurred(count, generator, Blur.of(difficulty, stretch, non_uniform))
        return self._reduced(self.factors(count, seed), generator)

    @staticmethod
    def factors(count: int, seed: int) -> Tensor:
        """(count,) by how much each photo of this enlargement batch is reduced, largest first.

        Mostly 8, the course's question; also 4 and 2.
        """
        generator = torch.Generator().manual_seed(seed)
        shares = torch.tensor([0.7, 0.15, 0.15])
        index = torch.multinomial(shares, count, True, generator=generator)
        return torch.tensor([8, 4, 2])[index.sort().values]

    def _blurred(self, count: int, generator: torch.Generator, blur: Blur) -> tuple[Tensor, Tensor]:
        sharp = self.corpus.patches(count, source_side_px("deblur", self.size_px), generator)
        light = _vary_exposure(to_linear(sharp.float() / 255), generator)
        # in this order: clean, defocus, lines, short and long camera motion; shuffled at the end
        drawn = torch.rand(count, generator=generator)
        clean = int((drawn < blur.clean).sum())
        moving_from = int((drawn < blur.clean + blur.defocus).sum())
        moving = torch.rand(count - moving_from, generator=generator)
        long_from = moving_from + int((moving >= blur.long).sum())
        short = torch.rand(long_from - moving_from, generator=generator)
        camera_from = long_from - int((short < blur.camera).sum())
        blurred, target = light.clone(), light.clone()
        blurred[clean:moving_from] = _defocus(light[clean:moving_from], generator)
        usual, long = (blur.shortest_px, blur.short_px), (blur.short_px, blur.longest_px)
        for start, end, fewest, most, lengths, camera in (
            (moving_from, camera_from, 9, 17, usual, False),
            (camera_from, long_from, 7, 15, usual, True),
            (long_from, count, 25, 40, long, blur.camera > 0),
        ):
            if start == end:
                continue
            half = int(torch.randint(fewest // 2, most // 2, (1,), generator=generator))
            path = motion_paths(
                end - start, 2 * half + 1, *lengths, generator, camera, blur.angle_range
            )
            part = slice(start, end)
            if camera and torch.rand((), generator=generator) < blur.non_uniform:
                blurred[part], target[part] = average_subframes(
                    light[part], path, lengths[1], blur.objects, generator
                )
            else:
                blurred[part] = uniform_blur(light[part], path)
        inner = (..., slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX))
        blurred, target = blurred[inner].clamp(0, 1), target[inner].clamp(0, 1)
        photo = to_srgb(_add_sensor_noise(blurred, blur.noise, generator).clamp(0, 1))
        photo = quantize(_jpeg_some(photo, blur.jpeg, generator))
        target = quantize(to_srgb(target))
        photo[:clean] = target[:clean]
        order = torch.randperm(count, generator=generator).to(light.device)
        return photo[order], target[order]

    def _reduced(self, factors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        sharp = self.corpus.patches(len(factors), self.size_px, generator).float() / 255
        device, inputs = sharp.device, []
        for factor in (8, 4, 2):
            photo = sharp[(factors == factor).to(device)]
            if not len(photo):
                continue
            dirty = (torch.rand(len(photo), generator=generator) >= self.clean).to(device)
            method = "bicubic" if torch.rand((), generator=generator) < 0.2 else "area"
            photo[dirty] = _gaussian_blur(photo[dirty], 0.4 * factor, generator)
            small = quantize(degrade.downscale(photo, factor, method))
            sigma = _uniform(len(small), 0, 8 / 255, generator, device)
            noisy = (small + sigma * _randn(small.shape, generator, device)).clamp(0, 1)
            noisy = quantize(_jpeg_some(noisy, 0.6, generator))
            small = torch.where(dirty[:, None, None, None], noisy, small)
            # as MSSNetUpscaler.enlarge does
            inputs.append(F.interpolate(small, scale_factor=factor, mode="bicubic"))
        return torch.cat(inputs), sharp


def source_side_px(task: str, size_px: int) -> int:
    """Side of the piece of photo that a patch of size_px is made of."""
    return size_px + (2 * MARGIN_PX if task == "deblur" else 0)


def validation_pairs(files: list[Path], task: str, size_px: int) -> list[tuple[Tensor, Tensor]]:
    """The same (input, target) pairs in every run, (1, 3, size_px, size_px) each.

    Up to 32 of the pairs that matter: blurred ones, or reduced by 8. files: held-out photographs.
    """
    if not files:
        return []
    corpus = Corpus.load(files, "cpu", (1.0,), source_side_px(task, size_px))
    pairs = PairMaker(corpus, task, size_px, clean=1.0)
    inputs, targets = pairs.batch(32, VALIDATION_SEED, difficulty=0.7)
    if task == "deblur":
        chosen = (inputs - targets).flatten(1).abs().mean(1) > 1e-4
    else:
        chosen = pairs.factors(32, VALIDATION_SEED) == 8
    return [(x[None], y[None]) for x, y in zip(inputs[chosen], targets[chosen], strict=True)]


# -- motion ----------------------------------------------------------------------------------------


def motion_paths(
    count: int,
    frames: int,
    shortest_px: float,
    longest_px: float,
    generator: torch.Generator,
    camera: bool = True,
    angle_range: float = 1.0,
) -> Tensor:
    """(count, frames, 2) paths of the picture on the sensor (dy, dx) in px, zero at the middle.

    camera: lines with a small bend, arcs, and the swinging and trembling hands of
    `degrade.motion_path`, in the CAMERA_SHARES; False: straight and even. angle_range: lines lie
    within this share of 90 degrees of the horizontal. The path's extent (diagonal of its bounding
    box) lies between the two lengths.
    Of eight camera paths drawn for each, one is taken whose mean lies near the middle frame: where
    it lies elsewhere the photo hardly says, and a network asked to guess such a shift learns to
    smear.
    """
    tries = 8 if camera else 1
    path = _lines(tries * count, frames, generator, angle_range)
    if camera:
        path = _camera_paths(path, tries, generator)
    path = path - path[:, frames // 2, None]
    extent = (path.amax(1) - path.amin(1)).norm(dim=-1).clamp(min=1e-6)
    offset = (path.mean(1).norm(dim=-1) / extent).view(count, tries)
    # the first that lies near enough, or else the nearest
    rank = torch.where(offset < MAX_CENTROID_OFFSET, torch.arange(-tries, 0.0), offset)
    best = rank.argmin(1) + tries * torch.arange(count)
    length = torch.rand(count, 1, 1, generator=generator)
    length = shortest_px + (longest_px - shortest_px) * length
    return path[best] * (length / extent[best, None, None])


def _lines(count: int, frames: int, generator: torch.Generator, angle_range: float) -> Tensor:
    angle = (torch.rand(count, 1, generator=generator) - 0.5) * math.pi * angle_range
    return torch.stack([angle.sin(), angle.cos()], -1) * torch.linspace(-1, 1, frames)[:, None]


def _camera_paths(lines: Tensor, tries: int, generator: torch.Generator) -> Tensor:
    """Bend the lines (N, frames, 2) a little; replace some by arcs, swinging and trembling hands.

    `tries` in a row are of one kind: the choice among them leaves the shares as they are.
    """
    count, frames, _ = lines.shape
    time = torch.linspace(-1, 1, frames)[:, None]
    bends = torch.randn(count, 1, 2, generator=generator) * time**2
    lines, arcs = lines + 0.08 * bends, lines + 0.8 * bends
    amplitudes = torch.randn(count, 4, 2, generator=generator)
    smooth = cosine_series(torch.linspace(0, 1, frames), amplitudes)
    pushes = torch.randn(32, count, 2, generator=generator)
    jerks = torch.rand(32, count, 1, generator=generator) < 0.1
    walk = inertial_walk(pushes, jerks).permute(1, 2, 0)  # (count, 2, 33)
    shake = F.interpolate(walk, frames, mode="linear", align_corners=True).mT
    kinds = torch.multinomial(
        torch.tensor(CAMERA_SHARES), count // tries, True, generator=generator
    )
    index = kinds.repeat_interleave(tries)
    return torch.stack([lines, arcs, smooth, shake])[index, torch.arange(count)]


def uniform_blur(light: Tensor, path: Tensor) -> Tensor:
    """Blur patches (N, 3, S, S) that move as a whole along paths (N, frames, 2): a convolution.

    light: linear. path: filled in between frames, so that it leaves no gaps.
    """
    dense = F.interpolate(path.mT, 97, mode="linear", align_corners=True).mT
    kernels = [degrade.kernel_from_path(one) for one in dense]
    return _convolve_each(light, kernels)


def _convolve_each(light: Tensor, kernels: list[Tensor]) -> Tensor:
    blurred = torch.empty_like(light)
    for i, kernel in enumerate(kernels):
        blurred[i] = convolve(light[i : i + 1], kernel)[0]
    return blurred


def average_subframes(
    light: Tensor, path: Tensor, object_px: float, objects: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blur that differs from place to place, and the sharp middle sub-frame.

    light: (N, 3, S, S), linear. path: (N, frames, 2), of the camera, which may also roll, and far
    and near things move by different amounts. objects: share of the patches in front of which an
    object moves by up to object_px on its own.
    """
    count, _, side, _ = light.shape
    frames, device = path.shape[1], light.device
    path = path.to(device)
    object_path = motion_paths(count, frames, 0.0, object_px, generator).to(device)
    parallax = _some(count, 0.4, generator, device) * 0.3
    depth = 1 + parallax * _smooth_field(count, side, generator, device)
    roll = _roll_angles(count, frames, generator).to(device)
    centre = _uniform(2 * count, -0.7, 0.7, generator, device).view(count, 1, 1, 2) * side / 2
    # the object looks like the next patch of the batch
    mask = torch.sigmoid(12 * (_smooth_field(count, side, generator, device) - 0.6))
    mask = mask * _some(count, objects, generator, device)
    front = torch.cat([light.roll(1, 0), mask], 1)
    has_objects = bool(mask.amax() > 0.01)
    line = torch.arange(side, device=device) - (side - 1) / 2
    pixels = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)[None, None]  # from centre

    def sample(picture: Tensor, where: Tensor) -> Tensor:
        grid = where.flatten(0, 1).flip(-1) / ((side - 1) / 2)  # (x, y) in [-1, 1]
        picture = picture.repeat_interleave(where.shape[1], 0)
        seen = F.grid_sample(picture, grid, padding_mode="reflection", align_corners=True)
        return seen.unflatten(0, where.shape[:2])

    total, middle = torch.zeros_like(light), light
    at_once = max(1, 16_000_000 // (count * side * side))  # frames that fit into memory together
    for first in range(0, frames, at_once):
        part = slice(first, min(first + at_once, frames))
        angle = roll[:, part, None, None]
        y, x = (pixels - centre[:, None]).unbind(-1)
        rolled = torch.stack([y + angle * x, x - angle * y], -1) + centre[:, None]
        shift = path[:, part, None, None] * depth[:, 0, None, :, :, None]
        subframes = sample(light, rolled - shift)  # (N, frames, 3, S, S)
        if has_objects:
            moved = sample(front, pixels - object_path[:, part, None, None])
            subframes = subframes + moved[:, :, 3:] * (moved[:, :, :3] - subframes)
        total += subframes.sum(1)
        if part.start <= frames // 2 < part.stop:
            middle = subframes[:, frames // 2 - part.start]
    return total / frames, middle


def _roll_angles(count: int, frames: int, generator: torch.Generator) -> Tensor:
    """(count, frames) small camera rotations in radians, zero at the middle frame."""
    speed = torch.randn(count, 1, generator=generator) * 0.015
    speed = speed * (torch.rand(count, 1, generator=generator) < 0.4)
    return torch.linspace(-1, 1, frames) * speed


# -- camera ----------------------------------------------------------------------------------------


def _defocus(light: Tensor, generator: torch.Generator) -> Tensor:
    """Blur each patch by a disc of its own radius, 0.7 to 8 px."""
    radii = 0.7 + 7.3 * torch.rand(len(light), generator=generator)
    return _convolve_each(light, [degrade.defocus_kernel(radius) for radius in radii.tolist()])


def _gaussian_blur(photo: Tensor, largest_sigma_px: float, generator: torch.Generator) -> Tensor:
    """Blur each photo by a Gaussian of its own sigma, 0.05 px to the largest."""
    sigmas = 0.05 + (largest_sigma_px - 0.05) * torch.rand(len(photo), generator=generator)
    return _convolve_each(photo, [degrade.gaussian_kernel(sigma) for sigma in sigmas.tolist()])


def _vary_exposure(light: Tensor, generator: torch.Generator) -> Tensor:
    """Another exposure, and lamps that are brighter than white: they will clip after the blur."""
    n, device = len(light), light.device
    exposure = torch.exp(_uniform(n, -0.4, 0.3, generator, device))
    lamp = _uniform(n, 0.0, 5.0, generator, device) * _some(n, 0.3, generator, device)
    near_white = ((light.mean(1, keepdim=True) - 0.75) / 0.25).clamp(0, 1) ** 2
    gain = 1 + (exposure - 1) * _some(n, 0.5, generator, device)
    return light * gain * (1 + lamp * near_white)


def _add_sensor_noise(light: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Shot and read noise for a share of the batch."""
    n, device = len(light), light.device
    # at most about two grey levels in the mid-tones; the sRGB curve makes it more in the shadows
    shot = _uniform(n, 0.0, 0.0002, generator, device)
    read = _uniform(n, 0.0, 0.001, generator, device)
    sigma = (shot * light + read**2).sqrt() * _some(n, share, generator, device)
    return light + sigma * _randn(light.shape, generator, device)


def _jpeg_some(photo: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """JPEG of quality 65 to 98 for a share of the batch."""
    chosen = torch.rand(len(photo), generator=generator) < share
    quality = 65 + 33 * torch.rand(len(photo), generator=generator)
    if not chosen.any():
        return photo
    photo, at = photo.clone(), chosen.to(photo.device)
    photo[at] = jpeg(photo[at], quality[chosen])
    return photo


# -- random numbers for a batch of n ---------------------------------------------------------------


def _uniform(
    n: int, low: float, high: float, generator: torch.Generator, device: torch.device
) -> Tensor:
    """(n, 1, 1, 1) uniform in [low, high)."""
    return (low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)).to(device)


def _some(n: int, share: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """(n, 1, 1, 1) of 1 with this probability, else 0."""
    return (torch.rand(n, 1, 1, 1, generator=generator) < share).float().to(device)


def _randn(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Normal noise made on the device itself (a GPU is far faster), seeded by the generator."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    on_device = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(shape, generator=on_device, device=device)


def _smooth_field(n: int, side: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """(n, 1, side, side) slowly varying random values, about -1.5 to 1.5."""
    coarse = torch.randn(n, 1, 5, 5, generator=generator).to(device)
    return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)
