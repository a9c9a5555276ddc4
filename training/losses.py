"""What the networks are trained for: to be right on average, or to look real."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

__all__ = [
    "Discriminator",
    "adversarial",
    "bands",
    "colour",
    "diversity",
    "fourier_l1",
    "paper_loss",
    "perceptual",
    "psnr_loss",
    "share_loss",
    "targets",
    "texture",
]


def targets(pictures: list[Tensor], sharp: Tensor) -> list[Tensor]:
    """The truth at each output's own size: S1 is compared at half size, as in the paper's code."""
    half = F.interpolate(sharp, scale_factor=0.5, mode="bilinear", align_corners=True)
    return [sharp if p.shape == sharp.shape else half for p in pictures]


def fourier_l1(picture: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of the 2-D spectra (two-sided, unnormalised, real and imaginary)."""
    difference = torch.fft.fft2((picture - sharp).float())
    return torch.view_as_real(difference).abs().mean()


def paper_loss(pictures: list[Tensor], sharp: Tensor) -> Tensor:
    """MSSNet's loss: over all six outputs, L1 + 0.1 x L1 of the spectrum."""
    pairs = zip(pictures, targets(pictures, sharp), strict=True)
    return sum(F.l1_loss(p, t) + 0.1 * fourier_l1(p, t) for p, t in pairs)


def psnr_loss(pictures: list[Tensor], sharp: Tensor) -> Tensor:
    """Minus the PSNR in dB, averaged over photos, the earlier outputs counting a quarter.

    The floor keeps pairs that are already right (no blur at all) from ruling the batch.
    """
    total = sharp.new_zeros(())
    for p, t in zip(pictures, targets(pictures, sharp), strict=True):
        error = (p - t).float().square().mean((1, 2, 3))
        weight = 1.0 if p is pictures[-1] else 0.25
        total = total + weight * 10 * torch.log10(error + 5e-4).mean()
    return total


def share_loss(pictures: list[Tensor], sharp: Tensor, given: Tensor) -> Tensor:
    """Which share of the given photo's squared error is left, over photos and outputs.

    1: nothing was gained. The floor lets photos that were sharp already count, but not rule.
    Unlike an absolute error it does not reward a cautious median, which for blur is: do nothing.
    """
    total = sharp.new_zeros(())
    wanted, before = targets(pictures, sharp), targets(pictures, given)
    for p, t, b in zip(pictures, wanted, before, strict=True):
        left, had = ((x - t).float().square().mean((1, 2, 3)) for x in (p, b))
        total = total + (left / (had + 0.002)).mean()
    return total


def perceptual(network: nn.Module, picture: Tensor, sharp: Tensor) -> Tensor:
    """Distance between two photos in a classifier's eyes, each of its maps counting the same."""
    with torch.no_grad():
        wanted = network.features(sharp)
    found = network.features(picture)
    # the last two stages see the whole patch at once; texture lives in the first five
    return sum(
        (a - b).abs().mean() / b.abs().mean().clamp(min=1e-3)
        for a, b in zip(found[:5], wanted[:5], strict=True)
    )


def bands(photo: Tensor) -> list[Tensor]:
    """Brightness in three bands of about an octave, the finest first: (N, 1, H / 2^k, W / 2^k)."""
    x, found = photo.mean(1, keepdim=True), []
    for _ in range(3):
        low = F.avg_pool2d(x, 2)
        found.append(x - F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False))
        x = low
    return found


def texture(picture: Tensor, sharp: Tensor) -> Tensor:
    """How far the local strength of fine structure differs from the truth's; 0: it is the same.

    It asks for as much texture as the truth has in each place and band, not for the same one. The
    second differences stand beside the bands, or a ripple of two pixels would pass as texture.
    """
    kernel = torch.tensor([[[[-0.25, 0.5, -0.25]]]], device=picture.device)
    total = picture.new_zeros(())
    pairs = list(zip(bands(picture), bands(sharp), strict=True))
    grey, wanted = picture.mean(1, keepdim=True), sharp.mean(1, keepdim=True)
    pairs += [(F.conv2d(grey, k), F.conv2d(wanted, k)) for k in (kernel, kernel.mT)]
    for a, b in pairs:
        side = max(4, 16 * a.shape[-1] // picture.shape[-1])
        a, b = (F.avg_pool2d(t.square(), side, side // 2).add(1e-6).sqrt() for t in (a, b))
        total = total + (a - b).abs().mean() / (b.mean() + 1e-3)
    return total / len(pairs)


def colour(picture: Tensor, sharp: Tensor) -> Tensor:
    """Mean absolute difference of colour, brightness apart: noise must not make coloured flecks."""
    difference = picture - sharp
    return (difference - difference.mean(1, keepdim=True)).abs().mean()


def diversity(one: Tensor, other: Tensor, sharp: Tensor, blurry: Tensor) -> Tensor:
    """Penalty when two draws for one photo differ too little from each other, in each band alone.

    Enough is 0.7 of what had to be invented there. Asked in one band only, the draws would differ
    by a ripple that nobody sees. 0 when they differ enough, 1 when they are the same.
    """
    total = sharp.new_zeros(())
    parts = [bands(one), bands(other), bands(sharp - blurry)]
    for a, b, missing in zip(*parts, strict=True):
        needed, found = missing.abs().mean((1, 2, 3)), (a - b).abs().mean((1, 2, 3))
        total = total + F.relu(1 - found / (0.7 * needed + 1e-4)).mean()
    return total / len(parts[0])


class Discriminator(nn.Module):
    """A small U-Net that says for every pixel how much it looks like a photograph.

    It sees the photo and the small photo's enlargement, so it also notices what does not fit.
    (N, 6, H, W) -> (N, 1, H, W). Source of the idea: Schoenfeld et al. 2020; Wang et al. 2021.
    """

    def __init__(self, width: int = 32):
        super().__init__()
        w = width

        def conv(a, b, stride=1):
            return spectral_norm(
                nn.Conv2d(a, b, 4 if stride == 2 else 3, stride, padding=1, bias=False)
            )

        self.first = nn.Conv2d(6, w, 3, padding=1)
        self.down = nn.ModuleList([conv(w, 2 * w, 2), conv(2 * w, 4 * w, 2), conv(4 * w, 8 * w, 2)])
        self.up = nn.ModuleList([conv(8 * w, 4 * w), conv(4 * w, 2 * w), conv(2 * w, w)])
        self.last = nn.Sequential(conv(w, w), nn.LeakyReLU(0.2), nn.Conv2d(w, 1, 3, padding=1))

    def forward(self, photo: Tensor, blurry: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(torch.cat([photo, blurry], 1)), 0.2)
        seen = []
        for down in self.down:
            seen.append(x)
            x = F.leaky_relu(down(x), 0.2)
        for up in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(up(x), 0.2) + seen.pop()
        return self.last(x)


def adversarial(scores: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of the discriminator's scores against "all real" or "all made up"."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))
