"""Other photographs that would have given the same small picture.

A small photo does not say which large one it came from. `lookalikes` searches the bundled photos
for places whose fine detail could have been there instead, and back-projects each: all that it
returns is equally right as far as the small photo can tell.
"""

import functools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import degrade, images, samples
from mssnet_edu.degrade import arguments
from mssnet_edu.operators import Downscale, back_project

__all__ = ["lookalikes"]

MIN_DISTANCE_PX = 6  # two places of one photo lie further apart than this
KERNEL = "bicubic-aliased"  # K below


def lookalikes(
    small: Tensor, factor: int = 8, count: int = 12, photos: Iterable[str] | None = None
) -> Tensor:
    """Return large pictures, all different, that all give this small one when they are reduced.

    small: (3, h, w), sRGB in [0, 1], at most 8 x 8 px. factor: 2 to 16, by block averaging.
    count: how many. photos: names of bundled photos to search, by default all sharp ones.
    The brightness of every place of those photos, reduced, is compared with that of `small`. The
    nearest places, the nearest first, give their detail: what is left of them without K A place,
    where A reduces by block averaging and K enlarges smoothly. It is added to K small and
    back-projected, x + K (small - A x). So each answer is detail of a real photo in the colours of
    `small`, and gives `small` again to half a grey level. A place that would have to leave [0, 1]
    is passed over.
    Returns (count, 3, factor h, factor w). Raises PhotoError for a photo that is too large,
    ValueError where the photos do not hold that many places.

    >>> answers = lookalikes(torch.full((3, 2, 2), 0.5), factor=8, count=3)
    >>> answers.shape
    torch.Size([3, 3, 16, 16])
    >>> F.avg_pool2d(answers, 8).sub(0.5).abs().max() < 0.5 / 255
    tensor(True)
    """
    y = images.as_batch(small, "small")
    factor, count = arguments.whole(factor, "factor", 2, 16), arguments.whole(count, "count", 1)
    height, width = y.shape[-2:]
    if len(y) != 1 or max(height, width) > 8:
        raise images.PhotoError(
            f"small is {tuple(small.shape)}; expected one photo of at most 8 x 8 px. "
            "Cut a part out: me.images.crop(small, (left, top, 8, 8))."
        )
    a = Downscale(factor)
    size = (height * factor, width * factor)

    def enlarge(low):  # K
        return degrade.resample(low, size, KERNEL)

    grey_small = images.luma(y)[0]
    places = []
    for name in photos or samples.names("sharp"):
        means = _block_means(name, factor)[1]
        nearest = _nearest(means, grey_small, factor, 4 * count)
        places += [(distance, name, top, left) for distance, top, left in nearest]
    answers = []
    for _, name, top, left in sorted(places):
        grey = _block_means(name, factor)[0]
        place = grey[None, None, top : top + size[0], left : left + size[1]]
        x = enlarge(y) + (place - enlarge(a.A(place)))
        x = (x + enlarge(y - a.A(x))).clamp(0, 1)  # corrected once before anything is clamped
        x = back_project(x, y, KERNEL, rounds=29, tol=0)
        if float((a.A(x) - y).abs().max()) < 0.5 / 255:
            answers.append(x[0])
        if len(answers) == count:
            return torch.stack(answers)
    raise ValueError(
        f"count is {count}; the photos hold only {len(answers)} places that fit. Ask for fewer."
    )


@functools.lru_cache(maxsize=12)
def _block_means(name, factor):
    """A photo's grey values (H, W), and the mean of the block that begins at each of its pixels."""
    grey = images.luma(samples.load(name)[None])[0, 0]
    return grey, F.avg_pool2d(grey[None, None], factor, stride=1)[0, 0]


def _nearest(means, wanted, factor, count):
    """The places whose block means are nearest to `wanted`, (1, h, w): [(distance, top, left)]."""
    _, height, width = wanted.shape
    rows = means.shape[0] - (height - 1) * factor
    columns = means.shape[1] - (width - 1) * factor
    if min(rows, columns) < 1:
        return []
    distance = torch.zeros(rows, columns)
    for i in range(height):
        for j in range(width):
            block = means[i * factor : i * factor + rows, j * factor : j * factor + columns]
            distance += (block - wanted[0, i, j]).square()
    # non-maximum suppression: only the nearest place of a neighbourhood counts
    side = 2 * MIN_DISTANCE_PX + 1
    minimum = -F.max_pool2d(-distance[None, None], side, stride=1, padding=MIN_DISTANCE_PX)[0, 0]
    peaks = (distance == minimum).nonzero()
    values = distance[peaks[:, 0], peaks[:, 1]]
    order = values.argsort()[:count]
    return [(float(values[k]), *peaks[k].tolist()) for k in order]
