"""Deblurring without learning: sharpening, and deconvolution with a known kernel.

A blurred photo is light convolved with a kernel, plus noise. `wiener` divides by the kernel's
transfer function, frequency by frequency, and holds back where noise would win; `richardson_lucy`
iterates towards the most likely light; `unsharp_mask` knows nothing of the blur and only stresses
edges. `estimate_line_kernel` is blind: it finds the kernel of a uniform linear motion from the
photo alone. All work in linear light, where a blur is a plain average.

>>> from mssnet_edu import classical, degrade, metrics, samples
>>> photo = samples.load("cat")
>>> kernel = degrade.line_kernel(9, angle_deg=30)
>>> blurred = degrade.blur(photo, kernel)
>>> metrics.psnr(classical.wiener(blurred, kernel), photo) > metrics.psnr(blurred, photo) + 3
True
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments, gaussian_kernel, line_kernel
from mssnet_edu.degrade.optics import convolve, fast_size
from mssnet_edu.images.spectrum import hann_window, power_spectrum

__all__ = [
    "estimate_line_kernel",
    "motion_extent_px",
    "noise_to_signal",
    "richardson_lucy",
    "unsharp_mask",
    "wiener",
]

MAX_EXTENT_PX = 64.0


def unsharp_mask(
    photo: Tensor, radius_px: float = 2.0, amount: float = 1.0, linear_light: bool = True
) -> Tensor:
    """Stress what is finer than a radius: photo + amount * (photo - blurred photo).

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; radius_px: sigma of the Gaussian blur;
    amount: 0 leaves the photo as it is, 1 is strong. linear_light=False works on sRGB values, as
    most editors do. Returns the same shape in [0, 1]. Nothing is recovered: edges get a brighter
    and a darker rim, and noise grows. Raises ValueError if the radius is too large for the photo.

    >>> unsharp_mask(torch.rand(3, 32, 32), radius_px=1.5).shape
    torch.Size([3, 32, 32])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    amount = arguments.number(amount, "amount", low=0)
    kernel = gaussian_kernel(radius_px)
    _fits(kernel, batch, "radius_px makes a kernel that")
    light = images.to_linear(batch) if linear_light else batch
    sharp = (light + amount * (light - convolve(light, kernel))).clamp(0, 1)
    return images.like(images.to_srgb(sharp) if linear_light else sharp, photo)


def wiener(
    photo: Tensor,
    kernel: Tensor,
    noise: float | Callable[[Tensor], Tensor] = 0.01,
    steps: int = 10,
) -> Tensor:
    """Wiener deconvolution: X = conj(K) Y / (|K|^2 + noise), for every frequency.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; kernel: (k, l), odd sides, sum 1.
    noise: power of the noise as a fraction of the photo's power. A number counts for all
    frequencies alike: 0.001 for a clean photo, 0.1 for a noisy one. A function of the frequency (a
    tensor, in cycles per pixel, 0 to 0.71) says it for each: see noise_to_signal.
    Where the kernel has erased a frequency, |K| = 0, the answer has none either: it is gone.

    The formula takes the photo as periodic, which makes the borders ring. So the photo is extended,
    smoothly, and `steps` times what lies beyond the border is replaced by what the answer, blurred
    again, predicts there.
    Returns the same shape in [0, 1]. Raises ValueError for a kernel that does not fit.
    Source: Wiener 1949; the border after an idea of Reeves, "Fast image restoration without
    boundary artifacts", 2005: what lies beyond it is one more unknown.

    >>> photo = torch.rand(3, 40, 50)
    >>> wiener(photo, line_kernel(7)).shape
    torch.Size([3, 40, 50])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    kernel = arguments.kernel(kernel)
    _fits(kernel, batch, "kernel")
    steps = arguments.whole(steps, "steps", low=0, high=1000)
    light, frame = _periodic(images.to_linear(batch), kernel.shape)
    size = light.shape[-2:]
    otf = _otf(kernel.to(light), size)  # K, (h, w/2 + 1)
    inverse = otf.conj() / (otf.abs() ** 2 + _noise_at(noise, size).to(light))

    outside = torch.ones(size).to(light)
    outside[frame] = 0
    answer = _filtered(light, inverse)
    for _ in range(steps):
        light = light + outside * (_filtered(answer, otf) - light)
        answer = _filtered(light, inverse)
    return images.like(images.to_srgb(answer[(..., *frame)].clamp(0, 1)), photo)


def noise_to_signal(level: float = 0.01) -> Callable[[Tensor], Tensor]:
    """The noise-to-signal ratio of a typical photograph, for `wiener`: high frequencies are weak.

    The power spectrum of photographs falls with the square of the frequency f, that of white noise
    is flat: level * (0.3 + 20 f^2). With a noisy photo this gains about 1 dB over the same number
    for all frequencies; with a clean one it loses a little.
    Returns a function of the frequency. Source: Field 1987 (the 1/f^2 law); 0.3 and 20 by trial.

    >>> noise_to_signal(0.01)(torch.tensor([0.0, 0.5]))
    tensor([0.0030, 0.0530])
    """
    level = arguments.number(level, "level", low=0)
    return lambda frequency: level * (0.3 + 20 * frequency**2)


def richardson_lucy(photo: Tensor, kernel: Tensor, steps: int = 30) -> Tensor:
    """Richardson-Lucy deconvolution: iterate towards the light that makes the photo most likely.

    x <- x * correlate(photo / blur(x), kernel). The light never becomes negative, and each step
    raises the likelihood under Poisson noise. More steps: sharper, and more noise; early stopping
    is the regularisation.
    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; kernel: (k, l), odd sides, not negative, sum 1.
    Borders do not ring: light from beyond them is estimated, too (Bertero and Boccacci 2005).
    Returns the same shape in [0, 1]. Raises ValueError for a kernel that does not fit.
    Source: Richardson 1972, Lucy 1974.

    >>> photo = torch.rand(3, 40, 50)
    >>> richardson_lucy(photo, line_kernel(7), steps=2).shape
    torch.Size([3, 40, 50])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    kernel = arguments.kernel(kernel)
    if (kernel < 0).any():
        raise ValueError("kernel has negative numbers; Richardson-Lucy counts light, so it needs "
                         "none below 0. Use wiener instead.")  # fmt: skip
    _fits(kernel, batch, "kernel")
    steps = arguments.whole(steps, "steps", low=0, high=10_000)
    observed = images.to_linear(batch)
    height, width = observed.shape[-2:]
    half_y, half_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    estimate = F.pad(observed, (half_x, half_x, half_y, half_y), mode="replicate").clamp(min=1e-4)
    full = estimate.shape[-2:]
    size = [fast_size(side) for side in full]
    frame = (slice(half_y, half_y + height), slice(half_x, half_x + width))
    otf = _otf(kernel.to(observed), size)

    def blur(x):  # only the frame is read, where nothing wraps around
        return _filtered(_zero_padded(x, size), otf)[(..., *frame)]

    def blur_adjoint(y):
        return _filtered(_zero_padded(y, size, frame), otf.conj())[..., : full[0], : full[1]]

    # near the border only a part of the kernel's weight falls into the photo
    weight = blur_adjoint(torch.ones(1, 1, height, width).to(observed)).clamp(min=1e-2)
    for _ in range(steps):
        ratio = observed / blur(estimate).clamp(min=1e-4)
        estimate = estimate * (blur_adjoint(ratio) / weight).clamp(min=0)
    return images.like(images.to_srgb(estimate[(..., *frame)].clamp(0, 1)), photo)


class LineBlur(NamedTuple):
    """An estimate of uniform linear motion: its kernel, and how well it explains the photo.

    score: correlation between the expected and the measured log power spectrum, up to 1.
    """

    length_px: float
    angle_deg: float
    kernel: Tensor
    score: float


def estimate_line_kernel(photo: Tensor, max_length_px: float = 60.0) -> LineBlur:
    """Find the kernel of a uniform linear motion from the blurred photo alone.

    Motion over L pixels multiplies the spectrum by sinc(L f), f along the motion, with zeros where
    a whole number of periods fits into L: dark stripes across the motion. Every length from 4 px
    and every angle is tried; the one that correlates best wins.
    photo: (3, H, W) with sides of 64 px and more, in [0, 1]; max_length_px: at most a third of the
    shorter side. The direction of travel cannot be told: the angle lies between 0 and 180.

    Returns LineBlur(length_px, angle_deg, kernel, score). A sharp photo, or one blurred in another
    way, gives an answer too: trust a score above 0.65 with a length of 6 px or more.
    Raises ValueError for a photo without any structure. Source: the idea of Cannon 1976.

    >>> from mssnet_edu import degrade, samples
    >>> blurred = degrade.blur(samples.load("cat"), line_kernel(20, angle_deg=40))
    >>> motion = estimate_line_kernel(blurred, max_length_px=30)
    >>> round(motion.length_px), round(motion.angle_deg)
    (20, 40)
    """
    batch = images.as_batch(photo, min_px=64).clamp(0, 1)
    if len(batch) != 1:
        raise ValueError(f"photo is a batch of {len(batch)}; expected one photo. Take photo[0].")
    max_length_px = arguments.number(max_length_px, "max_length_px", low=6)
    max_length_px = min(max_length_px, min(batch.shape[-2:]) / 3)
    log_power, fy, fx = _mean_log_power(images.luma(images.to_linear(batch))[0, 0])

    def correlations(lengths, angles, every=1):
        """Of log power with each motion's log transfer function, (lengths, angles)."""
        x, y, measured = fx[::every], fy[::every], log_power[::every]
        rings = _radial_basis(y, x)
        measured = measured - rings @ (rings.T @ measured)
        measured = measured / measured.norm()
        radians = torch.deg2rad(angles)[:, None]
        along = x * radians.cos() - y * radians.sin()  # (angles, frequencies), cycles per pixel
        rows = []
        for length in lengths:
            # noise and JPEG fill the zeros; a larger floor would let half the length fit as well
            expected = torch.log(torch.sinc(length * along) ** 2 + 0.005)
            power = expected.square().sum(1) - (expected @ rings).square().sum(1)
            rows.append(expected @ measured / power.clamp(min=1e-6).sqrt())
        return torch.stack(rows)

    lengths = [4.0]
    while lengths[-1] * 1.02 < max_length_px:
        lengths.append(min(lengths[-1] * 1.08, lengths[-1] + 1))  # finer than half a stripe
    lengths = torch.tensor(lengths)
    angles = torch.arange(0, 180, 3.0)
    best = int(correlations(lengths, angles, every=3).argmax())  # coarse: a third is enough
    length, angle = lengths[best // len(angles)], angles[best % len(angles)]

    lengths = length * torch.linspace(0.92, 1.08, 17)
    angles = angle + torch.arange(-3, 3.1, 0.5)
    fine = correlations(lengths, angles)
    best = int(fine.argmax())
    length = lengths[best // len(angles)].item()
    angle = angles[best % len(angles)].item() % 180
    return LineBlur(length, angle, line_kernel(length, angle), fine.max().item())


def motion_extent_px(photo: Tensor) -> float:
    """How far things moved while a photo was taken, in px; 0.0 where no even motion is seen.

    photo: (3, H, W) in [0, 1]. The length of `estimate_line_kernel`, if it is to be trusted: a
    score of 0.65 and a length of 6 px or more. So of a sharp photo, of one out of focus, of a flat
    one and of one with sides below 64 px it says 0. A trembling hand is mostly not seen.
    Up to 64 px, or a third of the shorter side.

    >>> from mssnet_edu import degrade, samples
    >>> motion_extent_px(samples.load("cat"))
    0.0
    """
    if min(images.as_batch(photo).shape[-2:]) < 64:
        return 0.0
    try:
        motion = estimate_line_kernel(photo, MAX_EXTENT_PX)
    except ValueError:  # a flat photo
        return 0.0
    return motion.length_px if motion.score >= 0.65 and motion.length_px >= 6 else 0.0


def _mean_log_power(grey, tile_px=256):
    """Welch's method: the log of the mean power over half-overlapping tiles, and (fy, fx)."""
    height, width = grey.shape
    side = min(tile_px, height, width)
    window = hann_window(side, side)
    total = 0
    for top in _tile_starts(height, side):
        for left in _tile_starts(width, side):
            tile = grey[top : top + side, left : left + side]
            tile = tile - (tile * window).sum() / window.sum()
            power = power_spectrum(tile, onesided=True)
            if power.mean() > 1e-8 / side**2:
                total = total + power / power.mean()  # dark and bright tiles count alike
    if isinstance(total, int):
        raise ValueError("photo is flat: without edges there is no blur to be seen.")
    power = torch.log(total + 1e-7 * total.mean())
    fy = torch.fft.fftfreq(side)[:, None].expand_as(power)
    fx = torch.fft.rfftfreq(side)[None].expand_as(power)
    radius = (fy**2 + fx**2).sqrt()
    # the axes hold the leakage of borders, the highest frequencies hold noise
    keep = (fx > 1.5 / side) & (fy.abs() > 1.5 / side) & (radius > 3 / side) & (radius < 0.35)
    return power[keep], fy[keep], fx[keep]


def _tile_starts(length, side):
    count = math.ceil(2 * (length - side) / side) + 1
    return sorted({round(start) for start in torch.linspace(0, length - side, count).tolist()})


def _radial_basis(fy, fx):
    """An orthonormal basis of the functions of |f| alone, (frequencies, rings).

    Spectra of photos and of noise are nearly isotropic; without that part, motion remains.
    """
    ring = ((fy**2 + fx**2).sqrt() * 128).long()
    member = F.one_hot(ring - ring.min()).float()
    return member / member.sum(0).clamp(min=1).sqrt()


def _fits(kernel, batch, name):
    height, width = batch.shape[-2:]
    if kernel.shape[0] >= height or kernel.shape[1] >= width:
        raise ValueError(
            f"{name} is {kernel.shape[1]} x {kernel.shape[0]} px, too large for a photo of "
            f"{width} x {height} px. Take a smaller one, or a larger photo."
        )


def _noise_at(noise, size):
    """The noise-to-signal ratio of every frequency, or one number for all."""
    if not callable(noise):
        return torch.tensor(arguments.number(noise, "noise", low=1e-8))
    frequency = torch.fft.fftfreq(size[0])[:, None] ** 2 + torch.fft.rfftfreq(size[1]) ** 2
    ratio = torch.as_tensor(noise(frequency.sqrt()), dtype=torch.float32)
    if not (torch.isfinite(ratio) & (ratio >= 0)).all():
        raise ValueError("noise gives negative or infinite numbers; expected a ratio from 0 up.")
    return ratio.clamp(min=1e-8)


def _periodic(light, kernel_size):
    """Extend a photo so that it is periodic: (extended, frame), frame being where the photo lies.

    In the margin each side fades into the opposite one.
    """
    frame = []
    for axis, side in zip((-2, -1), kernel_size, strict=True):
        length = light.shape[axis]
        gap = fast_size(length + 2 * side) - length
        fade = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(gap) + 0.5) / gap)
        fade = fade.to(light).view(-1, 1) if axis == -2 else fade.to(light)
        last, first = light.narrow(axis, length - 1, 1), light.narrow(axis, 0, 1)
        margin = last * (1 - fade) + first * fade
        before = margin.narrow(axis, gap - gap // 2, gap // 2)
        after = margin.narrow(axis, 0, gap - gap // 2)
        light = torch.cat([before, light, after], axis)
        frame.append(slice(gap // 2, gap // 2 + length))
    return light, tuple(frame)


def _otf(kernel, size):
    """The optical transfer function of a PSF, (h, w/2 + 1); its middle goes to the origin."""
    canvas = _zero_padded(kernel, size)
    return torch.fft.rfft2(canvas.roll([-(side // 2) for side in kernel.shape], (0, 1)))


def _zero_padded(x, size, frame=None):
    """Pad with zeros to a size, x being in the upper left corner or in a frame."""
    canvas = x.new_zeros(*x.shape[:-2], *size)
    canvas[(..., *(frame or (slice(x.shape[-2]), slice(x.shape[-1]))))] = x
    return canvas


def _filtered(x, spectrum):
    return torch.fft.irfft2(torch.fft.rfft2(x) * spectrum, s=x.shape[-2:])
