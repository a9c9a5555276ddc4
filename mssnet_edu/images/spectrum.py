"""The power spectrum of a picture: how strong each spatial frequency is."""

import torch
from torch import Tensor

__all__ = ["hann_window", "power_spectrum"]


def hann_window(height: int, width: int) -> Tensor:
    """The separable Hann window, (H, W): without it a picture's borders show as a cross.

    >>> hann_window(4, 2)[:, 1]
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return torch.hann_window(height)[:, None] * torch.hann_window(width)[None]


def power_spectrum(x: Tensor, onesided: bool = False) -> Tensor:
    """The periodogram |FFT(window x)|^2 / (H W), with a Hann window.

    x: (..., H, W), grey; take its mean away first, or the mean outshines everything by 40 dB.
    Returns (..., H, W) in the order of `torch.fft.fftfreq`, zero frequency first; onesided: only
    the frequencies across from 0 up, (..., H, W/2 + 1), as the other half repeats them.

    >>> across = torch.arange(16)
    >>> wave = torch.cos(2 * torch.pi * across / 4).expand(16, 16)  # 4 periods over the width
    >>> int(power_spectrum(wave, onesided=True)[0].argmax())
    4
    """
    height, width = x.shape[-2:]
    transform = torch.fft.rfft2 if onesided else torch.fft.fft2
    return transform(x * hann_window(height, width)).abs().square() / (height * width)
