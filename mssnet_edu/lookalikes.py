"""Other photographs that would have given the same small picture.

A small photo does not say which large one it came from. `find` looks through the bundled photos for
places whose fine detail could have been there instead, and fits each to the small photo exactly.
All that it returns is equally right as far as the small photo can tell.
"""

import functools

import torch
import torch.nn.functional as F

from mssnet_edu import images, samples
from mssnet_edu.degrade import arguments

__all__ = ["find"]

_SAME_PLACE_PX = 6  # two finds in one photo lie further apart than this


def find(small, factor=8, count=12, photos=None):
    """Return large pictures, all different, that all give this small one when they are reduced.

    small: (3, h, w), sRGB in [0, 1], at most 8 x 8 px. factor: 2 to 16, by block averaging.
    count: how many. photos: names of bundled photos to search, by default all sharp ones.
    The brightness of every place of those photos, reduced, is compared with that of `small`. The
    nearest places, the nearest first, give their detail: what is left of them without K A place,
    where A reduces by block averaging and K enlarges smoothly. It is added to K small, and what
    then still differs from `small` is corrected smoothly, again and again: x + K (small - A x). So
    each answer is detail of a real photo in the colours of `small`, and gives `small` again to half
    a grey level. A place that would have to leave [0, 1] is passed over.
    Returns (count, 3, factor h, factor w). Raises PhotoError for a photo that is too large,
    ValueError where the photos do not hold that many places.

    >>> answers = find(torch.full((3, 2, 2), 0.5), factor=8, count=3)
    >>> answers.shape
    torch.Size([3, 3, 16, 16])
    >>> F.avg_pool2d(answers, 8).sub(0.5).abs().max() < 0.5 / 255
    tensor(True)
    """
    batch = images.as_batch(small, "small")
    factor, count = arguments.whole(factor, "factor", 2, 16), arguments.whole(count, "count", 1)
    height, width = batch.shape[-2:]
    if len(batch) != 1 or max(height, width) > 8:
        raise images.PhotoError(
            f"small is {tuple(small.shape)}; expected one photo of at most 8 x 8 px. "
            "Cut a part out: me.images.crop(small, (left, top, 8, 8))."
        )
    wanted = images.luma(batch)[0]
    found = []
    for name in photos or samples.names("sharp"):
        grey, means = _reduced_everywhere(name, factor)
        found += [(d, name, y, x) for d, y, x in _nearest(means, wanted, factor, 4 * count)]
    answers = []
    for _, name, y, x in sorted(found):
        grey, _ = _reduced_everywhere(name, factor)
        place = grey[None, None, y : y + height * factor, x : x + width * factor]
        detail = place - _smooth(F.avg_pool2d(place, factor), factor)
        answer = _fitted(_smooth(batch, factor) + detail, batch, factor)
        if float((F.avg_pool2d(answer, factor) - batch).abs().max()) < 0.5 / 255:
            answers.append(answer[0])
        if len(answers) == count:
            return torch.stack(answers)
    raise ValueError(
        f"count is {count}; the photos hold only {len(answers)} places that fit. Ask for fewer."
    )


def _smooth(low, factor):
    return F.interpolate(low, scale_factor=factor, mode="bicubic", align_corners=False)


def _fitted(x, low, factor, rounds=30):
    for _ in range(rounds):
        x = (x + _smooth(low - F.avg_pool2d(x, factor), factor)).clamp(0, 1)
    return x


@functools.lru_cache(maxsize=12)
def _reduced_everywhere(name, factor):
    """A photo's brightness (H, W), and the mean of the block that begins at each of its pixels."""
    grey = images.luma(samples.load(name)[None])[0, 0]
    return grey, F.avg_pool2d(grey[None, None], factor, stride=1)[0, 0]


def _nearest(means, wanted, factor, count):
    """The places whose reduction is nearest to `wanted`, (1, h, w): (distance, y, x), apart."""
    _, height, width = wanted.shape
    rows = means.shape[0] - (height - 1) * factor
    columns = means.shape[1] - (width - 1) * factor
    if min(rows, columns) < 1:
        return []
    distance = torch.zeros(rows, columns)
    for i in range(height):
        for j in range(width):
            here = means[i * factor : i * factor + rows, j * factor : j * factor + columns]
            distance += (here - wanted[0, i, j]).square()
    # a place counts only where it is the nearest of its own surroundings
    side = 2 * _SAME_PLACE_PX + 1
    best = -F.max_pool2d(-distance[None, None], side, stride=1, padding=_SAME_PLACE_PX)[0, 0]
    spots = (distance == best).nonzero()
    values = distance[spots[:, 0], spots[:, 1]]
    order = values.argsort()[:count]
    return [(float(values[k]), int(spots[k, 0]), int(spots[k, 1])) for k in order]
