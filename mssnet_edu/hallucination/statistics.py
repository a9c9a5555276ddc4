"""Natural image statistics, and the perception-distortion plane.

Two regularities of photographs: differences of neighbouring pixels pile up at zero and have heavy
tails; and the power spectrum falls about with the square of the frequency. A picture that breaks
them looks wrong before one can say why; one that keeps them can pass.
"""

import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.images.spectrum import power_spectrum

__all__ = ["gradient_histogram", "pareto_front", "spectrum_slope"]


def pareto_front(points: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The answers that no other one beats at both: more faithful and perceptually nearer.

    points: {name: (psnr_db, distance)}, more dB and less distance being better. Returns those
    for which no other is better at one and at least as good at the other, the least faithful first.
    Source: Blau and Michaeli 2018, the perception-distortion plane.

    >>> pareto_front({"soft": (25, 0.6), "sharp": (20, 0.3), "neither": (19, 0.5)})
    {'sharp': (20, 0.3), 'soft': (25, 0.6)}
    """

    def dominated(p):
        return any(q[0] >= p[0] and q[1] <= p[1] and q != p for q in map(tuple, points.values()))

    front = [name for name, p in points.items() if not dominated(tuple(p))]
    return {name: points[name] for name in sorted(front, key=lambda name: points[name][0])}


def gradient_histogram(photo: Tensor, bins: int = 41, limit: float = 0.25) -> tuple[Tensor, Tensor]:
    """The histogram of the differences of neighbouring grey values, across and down.

    photo: (3, H, W) or (N, 3, H, W). Differences are counted from -limit to limit. Returns
    (differences, shares), both (bins,): the middle of each bin, and the share of all differences
    in it. What is missing to a sum of 1 are larger differences.

    >>> gradient_histogram(torch.zeros(3, 8, 8))[1].max()
    tensor(1.)
    """
    grey = images.luma(images.as_batch(photo))
    bins = arguments.whole(bins, "bins", low=3)
    limit = arguments.number(limit, "limit", low=1e-6)
    across, down = grey[..., 1:] - grey[..., :-1], grey[..., 1:, :] - grey[..., :-1, :]
    differences = torch.cat([across.flatten(), down.flatten()])
    counts = torch.histc(differences, bins, -limit, limit)
    edges = torch.linspace(-limit, limit, bins + 1)
    return (edges[1:] + edges[:-1]) / 2, counts / differences.numel()


def spectrum_slope(photo: Tensor, max_frequency: float = 0.45) -> tuple[Tensor, Tensor, float]:
    """The radially averaged power spectrum of a photo's grey values, and its slope.

    photo: (3, H, W), sides from 32 px. Returns (cycles per pixel, power in dB, slope): slope is
    that of the least-squares line on logarithmic axes, from 0.02 to max_frequency: -2 and
    thereabouts for photographs, steeper for soft ones, 0 for white noise. Source: Field 1987.

    >>> spectrum_slope(torch.rand(3, 64, 64))[2] > -0.5
    True
    """
    grey = images.luma(images.as_batch(photo, min_px=32))[0, 0]
    power = power_spectrum(grey - grey.mean())
    fy, fx = (torch.fft.fftfreq(side) for side in grey.shape)
    frequency = (fy[:, None].square() + fx[None].square()).sqrt()
    edges = torch.logspace(-1.7, float(torch.tensor(0.5).log10()), 25)  # 0.02 to 0.5
    ring_of = torch.bucketize(frequency, edges)
    cycles, strength = [], []
    for ring in range(1, len(edges)):
        inside = ring_of == ring
        if inside.any():
            cycles.append(float(frequency[inside].mean()))
            strength.append(float(power[inside].mean().clamp(min=1e-12)))
    x, y = torch.tensor(cycles), torch.tensor(strength).log10()
    used = x <= arguments.number(max_frequency, "max_frequency", low=0.1, high=0.5)
    log_x, log_y = x[used].log10(), y[used]
    log_x = log_x - log_x.mean()
    slope = (log_x * log_y).sum() / log_x.square().sum()
    return x, 10 * y, float(slope)
