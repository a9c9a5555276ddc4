"""Noise, JPEG compression, and the ageing of a print."""

import io
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.optics import blur, convolve, defocus_kernel, gaussian_kernel
from mssnet_edu.degrade.sizes import resample

__all__ = ["Degraded", "add_noise", "add_shot_noise", "jpeg", "old_photo"]


class Degraded(NamedTuple):
    """A degraded photo and what was done to it.

    photo: the result. kernel: the blur kernel, in pixels of the original. steps: name of each
    step -> the photo after it, in order; the last is `photo` itself.
    """

    photo: Tensor
    kernel: Tensor
    steps: dict[str, Tensor]


def add_noise(photo: Tensor, sigma: float, seed: int | torch.Generator = 0) -> Tensor:
    """Add Gaussian noise to the sRGB values, as denoising benchmarks do.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; sigma: standard deviation, 0.1 is 25 grey levels.
    Every pixel and colour gets its own. Values beyond black and white are clipped, as in a file.

    >>> add_noise(torch.full((3, 8, 8), 0.5), sigma=0.1).shape
    torch.Size([3, 8, 8])
    """
    batch = images.as_batch(photo)
    sigma = arguments.number(sigma, "sigma", low=0)
    noise = torch.randn(batch.shape, generator=arguments.generator(seed)).to(batch.device)
    return images.like((batch + sigma * noise).clamp(0, 1), photo)


def add_shot_noise(photo: Tensor, photons: float, seed: int | torch.Generator = 0) -> Tensor:
    """Add shot noise: photons are counted, and few of them are counted badly.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; photons: how many a white pixel counts, per
    colour. A pixel with n photons has a spread of sqrt(n) (Poisson), in linear light. A good
    camera counts some 10,000; a phone at night a few hundred.
    Counts beyond white are clipped. Returns the same shape in [0, 1].

    >>> add_shot_noise(torch.full((3, 8, 8), 0.5), photons=100).shape
    torch.Size([3, 8, 8])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    photons = arguments.number(photons, "photons", low=1, high=1e7)
    expected = images.to_linear(batch).cpu() * photons
    counted = torch.poisson(expected, generator=arguments.generator(seed)).to(batch.device)
    return images.like(images.to_srgb((counted / photons).clamp(0, 1)), photo)


def jpeg(photo: Tensor, quality: int = 50) -> Tensor:
    """Save as JPEG and load again: fine detail is dropped, of colour more than of brightness.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; quality: 1 (blocks) to 95 (hardly visible).
    Colour is kept at half size (4:2:0), as cameras and the web do. Returns the same shape.

    >>> jpeg(torch.rand(3, 32, 40), quality=30).shape
    torch.Size([3, 32, 40])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    quality = arguments.whole(quality, "quality", low=1, high=95)
    back = []
    for one in batch:
        file = io.BytesIO()
        images.to_pillow(one).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        file.seek(0)
        back.append(images.from_pillow(Image.open(file)))
    return images.like(torch.stack(back).to(batch), photo)


def old_photo(
    photo: Tensor,
    seed: int | torch.Generator = 0,
    *,
    tone: str = "grey",
    blur_px: float = 1.2,
    fade: float = 0.5,
    grain: float = 0.04,
    scratches: int = 6,
    factor: float = 2,
    quality: int = 60,
) -> Degraded:
    """What became of a photograph: a soft lens, fading, grain, scratches, a small scan, JPEG.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]. tone: "grey", "sepia" or "colour".
    blur_px: radius of the defocus. fade: 0 (fresh) to 1 (nearly gone). grain: standard deviation
    at mid-grey. scratches: how many; there are three specks of dust to each. factor: how many
    times smaller the scan is (any number from 1). quality: of the JPEG. All px are pixels of the
    photo given in, before it is made small.

    Returns Degraded(photo, kernel, steps): the result at about H/factor x W/factor, the blur
    kernel, and the photo after every step. The blur is done in linear light; fading, grain and
    scratches belong to the print and work on sRGB values.

    >>> old = old_photo(torch.rand(3, 96, 64), seed=7)
    >>> old.photo.shape, list(old.steps)
    (torch.Size([3, 48, 32]), ['tone', 'blur', 'fade', 'grain', 'scratches', 'small', 'jpeg'])
    """
    images.as_batch(photo, min_px=8)
    arguments.choice(tone, "tone", ("grey", "sepia", "colour"))
    fade = arguments.number(fade, "fade", low=0, high=1)
    grain = arguments.number(grain, "grain", low=0, high=1)
    scratches = arguments.whole(scratches, "scratches", low=0, high=200)
    height, width = photo.shape[-2:]
    factor = arguments.number(factor, "factor", low=1, high=min(height, width) / 4)
    generator = arguments.generator(seed)
    kernel = defocus_kernel(blur_px)

    steps = {}
    batch = images.as_batch(photo).clamp(0, 1)
    steps["tone"] = batch = _toned(batch, tone)
    steps["blur"] = batch = blur(batch, kernel)
    steps["fade"] = batch = _faded(batch, fade, generator)
    steps["grain"] = batch = _grained(batch, grain, 0.4 * factor, generator)
    steps["scratches"] = batch = _scratched(batch, scratches, factor, generator)
    size = (round(height / factor), round(width / factor))
    steps["small"] = batch = resample(batch, size, "area").clamp(0, 1)
    steps["jpeg"] = batch = jpeg(batch, quality)
    if photo.dim() == 3:
        steps = {name: one[0] for name, one in steps.items()}
    return Degraded(steps["jpeg"], kernel, steps)


def _toned(batch, tone):
    if tone == "colour":
        return batch
    grey = images.luma(batch).expand_as(batch)
    if tone == "grey":
        return grey.clone()
    # a gamma for each colour: black and white stay, greys turn brown
    gamma = torch.tensor([0.80, 1.0, 1.32]).view(1, 3, 1, 1).to(batch)
    return grey**gamma


def _faded(batch, fade, generator):
    """Less contrast, by an amount that varies smoothly over the print."""
    field = torch.rand(len(batch), 1, 4, 4, generator=generator).to(batch)
    field = F.interpolate(field, size=batch.shape[-2:], mode="bicubic", align_corners=True)
    field = field.clamp(0, 1)
    black = fade * (0.35 + 0.25 * field)
    white = 1 - fade * (0.05 + 0.10 * field)
    return (black + (white - black) * batch).clamp(0, 1)


def _grained(batch, grain, sigma_px, generator):
    """Film grain: correlated noise, strongest at mid-grey; sigma_px: of its correlation."""
    noise = torch.randn(len(batch), 1, *batch.shape[-2:], generator=generator).to(batch)
    kernel = gaussian_kernel(min(sigma_px, 4.0, (min(batch.shape[-2:]) - 1) / 4))
    noise = convolve(noise, kernel) / kernel.square().sum().sqrt()
    strength = grain * (4 * batch * (1 - batch)).clamp(min=0).sqrt()
    return (batch + strength * noise).clamp(0, 1)


def _scratched(batch, count, scale, generator):
    """Long thin scratches, mostly upright, and specks of dust, `scale` times as thick."""
    height, width = batch.shape[-2:]
    y = torch.arange(height, dtype=torch.float32)[:, None]
    x = torch.arange(width, dtype=torch.float32)[None]

    def uniform(low=0.0, high=1.0):
        return low + (high - low) * torch.rand((), generator=generator).item()

    out = []
    for one in batch:
        one = one.clone()
        for _ in range(count):
            along, across, length = (y, x, height) if uniform() < 0.75 else (x, y, width)
            start, stop = sorted((uniform(-0.2, 1.2) * length, uniform(-0.2, 1.2) * length))
            t = (along - start) / max(stop - start, 1.0)  # 0 to 1 along the scratch
            centre = uniform(0, across.numel()) + uniform(-1, 1) * 0.05 * length * (t - 0.5)
            centre = centre + uniform(-1, 1) * 0.02 * length * (t - 0.5) ** 2 * 4
            thick = scale * uniform(0.15, 0.5)
            mask = (thick + 0.5 - (across - centre).abs()).clamp(0, 1) * min(2 * thick, 1)
            mask = mask * ((t > 0) & (t < 1)) * uniform(0.4, 0.9)
            one = one + mask.to(one) * (uniform(0.85, 1.0) - one)  # the bright paper shows through
        for _ in range(3 * count):
            centre_y, centre_x = uniform(0, height), uniform(0, width)
            radius = scale * uniform(0.3, 0.9)
            distance = ((y - centre_y) ** 2 + ((x - centre_x) * uniform(0.6, 1.4)) ** 2).sqrt()
            mask = (radius + 0.5 - distance).clamp(0, 1) * uniform(0.4, 0.9)
            one = one + mask.to(one) * (round(uniform()) * uniform(0.8, 1.0) - one)
        out.append(one)
    return torch.stack(out)
