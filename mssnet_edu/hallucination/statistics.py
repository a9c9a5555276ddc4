"""Why made-up detail looks real: two habits of all photographs, as numbers.

Neighbouring pixels of a photograph are mostly alike, and now and then very unlike: differences pile
up at zero and have long tails. And waves are the weaker the finer they are, by an even rule. A
picture that breaks these habits looks wrong before one can say why; one that keeps them can pass.
"""

import torch

from mssnet_edu import images
from mssnet_edu.degrade import arguments

__all__ = ["gradient_histogram", "pareto_front", "spectrum_slope"]


def pareto_front(points):
    """Which answers no other one beats at both: more faithful and perceptually nearer.

    points: {name: (psnr_db, distance)}, more dB and less distance being better. Returns those
    for which no other is better at one and at least as good at the other, the least faithful first.
    Source: Blau and Michaeli 2018, the perception-distortion plane.

    >>> pareto_front({"soft": (25, 0.6), "sharp": (20, 0.3), "neither": (19, 0.5)})
    {'sharp': (20, 0.3), 'soft': (25, 0.6)}
    """

    def beaten(p):
        return any(q[0] >= p[0] and q[1] <= p[1] and q != p for q in map(tuple, points.values()))

    kept = [name for name, p in points.items() if not beaten(tuple(p))]
    return {name: points[name] for name in sorted(kept, key=lambda name: points[name][0])}


def gradient_histogram(photo, bins=41, most=0.25):
    """How often neighbouring pixels differ by how much.

    photo: (3, H, W) or (N, 3, H, W). Differences of grey values across and down, from -most to
    most. Returns (differences, shares), both (bins,): the middle of each bin, and the share of all
    differences in it. What is missing to a sum of 1 are larger differences.

    >>> gradient_histogram(torch.zeros(3, 8, 8))[1].max()
    tensor(1.)
    """
    grey = images.luma(images.as_batch(photo))
    bins = arguments.whole(bins, "bins", low=3)
    most = arguments.number(most, "most", low=1e-6)
    across, down = grey[..., 1:] - grey[..., :-1], grey[..., 1:, :] - grey[..., :-1, :]
    steps = torch.cat([across.flatten(), down.flatten()])
    counts = torch.histc(steps, bins, -most, most)
    edges = torch.linspace(-most, most, bins + 1)
    return (edges[1:] + edges[:-1]) / 2, counts / steps.numel()


def spectrum_slope(photo, finest=0.45):
    """How fast the waves of a photo grow weaker as they get finer.

    photo: (3, H, W), sides from 32 px. Returns (cycles per pixel, strength in dB, slope): strength
    is the mean power of all waves of one fineness, in grey, with a Hann window; slope is that of a
    straight line through them on logarithmic axes, from 0.02 to `finest`: -2 and thereabouts for
    photographs, steeper for soft ones, 0 for noise. Source: Field 1987.

    >>> spectrum_slope(torch.rand(3, 64, 64))[2] > -0.5
    True
    """
    batch = images.as_batch(photo, min_px=32)
    grey = images.luma(batch)[0, 0]
    height, width = grey.shape
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)[None]
    power = torch.fft.fft2((grey - grey.mean()) * window).abs().square() / (height * width)
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
    fineness = (down.square() + across.square()).sqrt()
    edges = torch.logspace(-1.7, float(torch.tensor(0.5).log10()), 25)  # 0.02 to 0.5
    which = torch.bucketize(fineness, edges)
    cycles, strength = [], []
    for ring in range(1, len(edges)):
        inside = which == ring
        if inside.any():
            cycles.append(float(fineness[inside].mean()))
            strength.append(float(power[inside].mean().clamp(min=1e-12)))
    x, y = torch.tensor(cycles), torch.tensor(strength).log10()
    used = x <= arguments.number(finest, "finest", low=0.1, high=0.5)
    log, height = x[used].log10(), y[used]
    log = log - log.mean()
    lean = (log * height).sum() / log.square().sum()
    return x, 10 * y, float(lean)
