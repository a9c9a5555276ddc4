"""Numbers that say how alike two photos are, each with a different idea of "alike".

psnr counts errors pixel by pixel, ssim compares small neighbourhoods, perceptual_distance asks a
network that was taught by people's answers, and consistency_db asks whether an enlarged photo
still agrees with the small one it was made from; align finds the shift between two photos. All
compare what a screen would show: values outside [0, 1] are clipped first.

psnr_pu compares light that goes beyond white, where a mask says so; there nothing is clipped.

One photo, (3, H, W), gives a float; a batch, (N, 3, H, W), gives a tensor (N,).

>>> import torch
>>> from mssnet_edu import metrics
>>> a = torch.full((3, 16, 16), 0.5)
>>> print(f"{metrics.psnr(a, a + 0.1):.3f}")  # a mean squared error of 0.01 is 20 dB
20.000
"""

import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments, resample
from mssnet_edu.degrade.sizes import DOWN

__all__ = ["align", "consistency_db", "perceptual_distance", "psnr", "psnr_pu", "pu21", "ssim"]

PERCEPTUAL_MAX_PIXELS = 1_100_000  # 1.1 GB of maps at 1 megapixel
WHITE_CD_M2 = 100.0  # luminance of a frame's white on the screen that PU21 imagines
PU21_PEAK = 256.0  # what PU21 gives for that white
# parameters p1 ... p7 of PU21, version "banding and glare" (Mantiuk and Azimi 2021)
PU21 = (
    *(0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627),
    *(0.09150303166, 0.9099517204, 596.3148142),
)


def psnr(a: Tensor, b: Tensor, border_px: int = 0) -> float | Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(1 / mean squared error). Higher is closer.

    a, b: photos of one shape in [0, 1]. border_px: leave out this many pixels on every side.
    All three colours count alike. Equal photos give infinity; 20 dB is poor, 30 dB good, and 8-bit
    rounding alone costs 59 dB. Raises PhotoError if the shapes differ.

    >>> black, white = torch.zeros(3, 8, 8), torch.ones(3, 8, 8)
    >>> psnr(black, white), psnr(black, black)
    (0.0, inf)
    """
    first, second = _pair(a, b, border_px)
    # double: summed in float32, the errors of a large photo would be off by some 0.01 dB
    error = (first.double() - second.double()).square().mean((1, 2, 3))
    return _per_photo(10 * torch.log10(1 / error), a)


def ssim(a: Tensor, b: Tensor, border_px: int = 0) -> float | Tensor:
    """Structural similarity: do brightness, contrast and pattern agree around each pixel? 1: equal.

    a, b: photos of one shape in [0, 1], from 11 x 11 px up; border_px as in psnr. The window is
    the usual one, a Gaussian of 11 px with sigma 1.5; the mean is over pixels and colours, as in
    scikit-image with gaussian_weights=True. Between -1 and 1.
    Source: Wang et al. 2004; computed by pytorch-msssim. Raises PhotoError for unequal shapes.

    >>> photo = torch.rand(3, 32, 32)
    >>> ssim(photo, photo)
    1.0
    """
    from pytorch_msssim import ssim as pytorch_ssim

    first, second = _pair(a, b, border_px, min_px=11)
    value = pytorch_ssim(first.double(), second.double(), data_range=1.0, size_average=False)
    return _per_photo(value, a)


def perceptual_distance(a: Tensor, b: Tensor, border_px: int = 0) -> float | Tensor:
    """How different two photos look to people, by the network ST-LPIPS. 0: the same.

    a, b: photos of one shape in [0, 1], from 21 x 21 px up to 1.1 megapixels; border_px as in psnr.
    Lower is closer; compare only values taken at one size. The network was taught by people who
    said which of two pictures is closer to a third; moving a photo by a pixel hardly counts.
    Source: Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022.
    Raises PhotoError if the shapes differ or the photos are too small or too large.

    >>> photo = torch.rand(3, 32, 32)
    >>> perceptual_distance(photo, photo)
    0.0
    """
    # imported here: models stands above metrics, and psnr must not wait for a network
    from mssnet_edu.models import info, load_model

    network = load_model("st-lpips")
    first, second = _pair(a, b, border_px, min_px=info("st-lpips").min_px)
    height, width = first.shape[-2:]
    if height * width > PERCEPTUAL_MAX_PIXELS:
        raise images.PhotoError(
            f"a is {width} x {height} px; perceptual_distance takes up to "
            f"{PERCEPTUAL_MAX_PIXELS:,} pixels, because of the memory it needs. "
            "Compare a part: me.images.crop(photo, (left, top, width, height))."
        )
    with torch.inference_mode():  # one pair at a time: the feature maps are 64 photos large
        distances = [network(first[i : i + 1], second[i : i + 1]) for i in range(len(first))]
    return _per_photo(torch.cat(distances).clone(), a)


def consistency_db(
    answer: Tensor, photo_small: Tensor, method: str = "area", linear_light: bool = False
) -> float | Tensor:
    """Does an enlarged photo, made small again, give the photo it came from? PSNR in dB.

    answer: (3, fH, fW) or a batch of them; photo_small: (3, H, W) or a batch. The factor f
    follows from the sizes. method, linear_light: how the small photo was made, as in
    degrade.downscale. High (45 dB and more): every recorded number is respected, whatever was
    invented between them. Low: the answer contradicts its own input.
    Raises PhotoError if the sizes do not fit.

    >>> small = torch.rand(3, 8, 8)
    >>> consistency_db(small.repeat_interleave(4, -1).repeat_interleave(4, -2), small) > 100
    True
    """
    large = images.as_batch(answer, "answer")
    small = images.as_batch(photo_small, "photo_small")
    arguments.choice(method, "method", DOWN)
    height, width = small.shape[-2:]
    factor = large.shape[-1] // width
    if tuple(large.shape[-2:]) != (height * factor, width * factor) or len(large) != len(small):
        raise images.PhotoError(
            f"answer is {_size(answer)} and photo_small {_size(photo_small)}; expected an answer "
            "that is a whole number of times larger, the same number both ways."
        )
    large = large.detach().clamp(0, 1)
    light = images.to_linear(large) if linear_light else large
    again = resample(light, (height, width), method).clamp(0, 1)
    again = images.to_srgb(again) if linear_light else again
    return psnr(images.like(again, photo_small), images.like(small, photo_small))


def pu21(light: Tensor) -> Tensor:
    """Encode light so that equal steps look equally large, from darkness to the sun (PU21).

    V = p7 (((p1 + p2 Y^p4) / (1 + p3 Y^p4))^p5 - p6), Y the luminance in cd/m^2.
    light: any shape, linear, 1 is the frame's white, shown at 100 cd/m^2; Y is cut to PU21's range,
    0.005 to 10,000 cd/m^2 (white is 100: 6.6 stops above). Every channel is encoded on its own.
    Returns the same shape: about 256 for white.
    Source: Mantiuk and Azimi, "PU21: A novel perceptually uniform encoding for adapting existing
    quality metrics for HDR", 2021, version "banding and glare".

    >>> print(f"{float(pu21(torch.tensor(1.0))):.0f}")
    256
    """
    p1, p2, p3, p4, p5, p6, p7 = PU21
    power = (light * WHITE_CD_M2).clamp(0.005, 10_000) ** p4
    return p7 * (((p1 + p2 * power) / (1 + p3 * power)) ** p5 - p6)


def psnr_pu(a: Tensor, b: Tensor, mask: Tensor | None = None) -> float | Tensor:
    """PSNR in dB of two lights in the uniform encoding PU21, where the mask says so.

    10 log10(256^2 / mean squared error of `pu21`). a, b: exposed light, (3, H, W) or (N, 3, H, W),
    1 is white. mask: bool, (1, H, W), (3, H, W) or a batch of them: the pixels, or values, that
    count, such as those that were clipped; None counts all. NaN where the mask is empty; equal
    lights give infinity. Raises PhotoError if the shapes differ.

    >>> bright = torch.full((3, 8, 8), 4.0)
    >>> print(f"{psnr_pu(torch.ones(3, 8, 8), bright):.1f}")  # two stops too dark
    8.6
    """
    if a.shape != b.shape or a.ndim not in {3, 4} or a.shape[-3] != 3:
        raise images.PhotoError(
            f"a is {tuple(a.shape)} and b {tuple(b.shape)}; expected two lights of one shape, "
            "(3, H, W) or (N, 3, H, W)."
        )
    error = (pu21(a.detach().double()) - pu21(b.detach().double())).square()
    counts = torch.ones_like(error, dtype=torch.bool)
    if mask is not None:
        if mask.dtype != torch.bool or mask.ndim != a.ndim or mask.shape[-2:] != a.shape[-2:]:
            raise images.PhotoError(
                f"mask is {mask.dtype} {tuple(mask.shape)}; expected bool, one or three channels "
                f"of {a.shape[-1]} x {a.shape[-2]} px, as exposure.clipped(frame) gives."
            )
        counts = counts & mask
    error, counts = (x.reshape(-1, *a.shape[-3:]).flatten(1) for x in (error * counts, counts))
    mean = error.sum(1) / counts.sum(1)  # 0 / 0 is NaN
    return _per_photo(10 * torch.log10(PU21_PEAK**2 / mean), a)


def align(a: Tensor, b: Tensor, within_px: int = 8) -> tuple[Tensor, Tensor]:
    """Crop two photos of one scene to where they fit best: one of them may lie some pixels off.

    a, b: (3, H, W) of one shape in [0, 1]. within_px: the largest shift, in whole pixels along each
    axis, that is tried; as much is cut off at every side. Of all shifts, the one with the smallest
    squared error is taken. Returns (a, b), each (3, H - 2 within_px, W - 2 within_px): a from the
    place that was found, b from the middle. A blurred photo does not say when in the exposure it
    was sharp, so an answer may be right and yet a little moved.
    Raises PhotoError for unequal shapes, for a batch and for photos that are too small.

    >>> photo = torch.rand(3, 40, 40)
    >>> psnr(*align(photo.roll((3, -2), (1, 2)), photo, within_px=4))
    inf
    """
    first, second = _pair(a, b, 0, min_px=2 * arguments.whole(within_px, "within_px", low=0) + 1)
    if len(first) > 1:
        raise images.PhotoError(f"a is {_size(a)}; expected one photo. Take photo[0].")
    height, width = first.shape[-2:]
    steps = 2 * within_px + 1
    inner = (..., slice(within_px, height - within_px), slice(within_px, width - within_px))
    moving, still = first[0].double(), second[0].double()[inner]
    # |a - b|^2 = a^2 - 2 a b + b^2, for all shifts at once
    spectrum = torch.fft.rfft2(moving) * torch.fft.rfft2(still, s=(height, width)).conj()
    product = torch.fft.irfft2(spectrum, s=(height, width))[:, :steps, :steps].sum(0)
    sums = torch.nn.functional.pad(moving.square().sum(0).cumsum(0).cumsum(1), (1, 0, 1, 0))
    h, w = still.shape[-2:]
    square = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
    top, left = divmod(int((square - 2 * product).argmin()), steps)
    return first[0, :, top : top + h, left : left + w], second[0][inner]


def _pair(a, b, border_px, min_px=1):
    first, second = images.as_batch(a, "a"), images.as_batch(b, "b")
    if a.shape != b.shape:
        raise images.PhotoError(
            f"a is {_size(a)} and b is {_size(b)}; only photos of the same shape can be compared. "
            "Crop or resize one of them first."
        )
    border = arguments.whole(border_px, "border_px", low=0)
    height, width = (side - 2 * border for side in first.shape[-2:])
    if min(height, width) < min_px:
        without = f" without a border of {border} px" if border else ""
        raise images.PhotoError(
            f"a is {_size(a)}; this number needs at least {min_px} x {min_px} px{without}. "
            "Take a larger part of the photo."
        )
    inner = (..., slice(border, border + height), slice(border, border + width))
    return first.detach()[inner].clamp(0, 1), second.detach()[inner].clamp(0, 1)


def _size(photo):
    size = f"{photo.shape[-1]} x {photo.shape[-2]} px"
    return size if photo.dim() == 3 else f"{len(photo)} photos of {size}"


def _per_photo(values, photo):
    """A float for one photo, a tensor (N,) for a batch."""
    return values.item() if photo.dim() == 3 else values.float()
