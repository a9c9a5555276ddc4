"""Losses: for the least error on average, and for looking real.

`outputs` are those of all stages, (N, 3, H, W) each, S1's at half size; `sharp` and `blurry` are
(N, 3, H, W), sRGB in [0, 1]. All losses are scalars.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu.models.classifier import EfficientNetLite0

__all__ = [
    "LOSSES",
    "bands",
    "checkerboard",
    "colour",
    "fourier_l1",
    "paper_loss",
    "perceptual",
    "psnr_loss",
    "relative_mse_loss",
    "targets",
    "texture",
]


def targets(outputs: list[Tensor], sharp: Tensor) -> list[Tensor]:
    """The target at each output's own size: S1 is compared at half size, as in the paper's code."""
    half = F.interpolate(sharp, scale_factor=0.5, mode="bilinear", align_corners=True)
    return [sharp if output.shape == sharp.shape else half for output in outputs]


def fourier_l1(output: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of the 2-D spectra (two-sided, unnormalised, real and imaginary)."""
    difference = torch.fft.fft2((output - sharp).float())
    return torch.view_as_real(difference).abs().mean()


def paper_loss(outputs: list[Tensor], sharp: Tensor) -> Tensor:
    """MSSNet's loss: over all six outputs, L1 + 0.1 x L1 of the spectrum (Kim et al. 2022)."""
    pairs = zip(outputs, targets(outputs, sharp), strict=True)
    each = (F.l1_loss(x, y) + 0.1 * fourier_l1(x, y) for x, y in pairs)
    return sum(each, sharp.new_zeros(()))


def psnr_loss(outputs: list[Tensor], sharp: Tensor) -> Tensor:
    """Minus the PSNR in dB, averaged over photos; all outputs but the last count a quarter.

    The floor keeps pairs that are already right (no blur at all) from dominating the batch.
    """
    total = sharp.new_zeros(())
    for x, y in zip(outputs, targets(outputs, sharp), strict=True):
        mse = (x - y).float().square().mean((1, 2, 3))
        weight = 1.0 if x is outputs[-1] else 0.25
        total = total + weight * 10 * torch.log10(mse + 5e-4).mean()
    return total


def relative_mse_loss(outputs: list[Tensor], sharp: Tensor, blurry: Tensor) -> Tensor:
    """Squared error relative to the input's own, averaged over photos, summed over outputs.

    1 for each output that gains nothing. The floor keeps inputs that are already sharp from
    dominating. Unlike an absolute error it does not reward a cautious median, which for blur is:
    do nothing.
    """
    total = sharp.new_zeros(())
    sharp_at_size, blurry_at_size = targets(outputs, sharp), targets(outputs, blurry)
    for x, y, b in zip(outputs, sharp_at_size, blurry_at_size, strict=True):
        output_mse, input_mse = ((z - y).float().square().mean((1, 2, 3)) for z in (x, b))
        total = total + (output_mse / (input_mse + 0.002)).mean()
    return total


LOSSES: dict[str, Callable[[list[Tensor], Tensor, Tensor], Tensor]] = {
    "paper": lambda outputs, sharp, blurry: paper_loss(outputs, sharp),
    "psnr": lambda outputs, sharp, blurry: psnr_loss(outputs, sharp),
    "relative_mse": relative_mse_loss,
}


# -- losses for answers that look real: between two photos (N, 3, H, W) ----------------------------


def perceptual(network: EfficientNetLite0, output: Tensor, sharp: Tensor) -> Tensor:
    """Distance between a classifier's features of two photos, each of its maps counting the same.

    network: of its `features(photo)`, the first five maps are compared.
    Source: Johnson et al. 2016.
    """
    with torch.no_grad():
        targets = network.features(sharp)
    features = network.features(output)
    # the last two stages see the whole patch at once; texture lives in the first five
    pairs = zip(features[:5], targets[:5], strict=True)
    each = ((x - y).abs().mean() / y.abs().mean().clamp(min=1e-3) for x, y in pairs)
    return sum(each, output.new_zeros(()))


def bands(photo: Tensor) -> list[Tensor]:
    """Laplacian pyramid of the brightness, three octaves, the finest first.

    Returns [(N, 1, H, W), (N, 1, H / 2, W / 2), (N, 1, H / 4, W / 4)] (Burt and Adelson 1983).
    """
    x, pyramid = photo.mean(1, keepdim=True), []
    for _ in range(3):
        low = F.avg_pool2d(x, 2)
        pyramid.append(x - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False))
        x = low
    return pyramid


def texture(output: Tensor, sharp: Tensor) -> Tensor:
    """Relative difference of the local RMS contrast, band by band; 0: it is the same everywhere.

    It asks for as much texture as the target has in each place and band, not for the same one. The
    second differences stand beside the bands, or a ripple of two pixels would pass as texture.
    """
    kernel = torch.tensor([[[[-0.25, 0.5, -0.25]]]], device=output.device)
    total = output.new_zeros(())
    pairs = list(zip(bands(output), bands(sharp), strict=True))
    grey, target = output.mean(1, keepdim=True), sharp.mean(1, keepdim=True)
    pairs += [(F.conv2d(grey, k), F.conv2d(target, k)) for k in (kernel, kernel.mT)]
    for x, y in pairs:
        window = max(4, 16 * x.shape[-1] // output.shape[-1])
        x, y = (F.avg_pool2d(z.square(), window, window // 2).add(1e-6).sqrt() for z in (x, y))
        total = total + (x - y).abs().mean() / (y.mean() + 1e-3)
    return total / len(pairs)


def checkerboard(output: Tensor, sharp: Tensor, period: int) -> Tensor:
    """Mean absolute difference of what repeats every `period` pixels, over 4 x 4 periods.

    A network without random numbers at full size can make texture of the right strength only by a
    pattern of its own upsampling. Photographs have none of it (Odena et al. 2016).
    """
    phases = F.pixel_unshuffle(output - sharp, period)
    return F.avg_pool2d(phases, 4, ceil_mode=True).abs().mean()


def colour(output: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of colour without brightness: noise must not make colour flecks."""
    difference = output - sharp
    return (difference - difference.mean(1, keepdim=True)).abs().mean()
