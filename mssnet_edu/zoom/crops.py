"""The zoom transforms of ImageNet-Hard: 36 sizes and 9 anchors, a crop of 224 x 224 px for each.

A zoom resizes the photo until its smaller side has `size_px`, divides it into 3 x 3 patches, and
cuts 224 x 224 px around the middle of one of them. What lies outside the photo is black. Small
sizes show the whole photo, small and far away; large ones a part of it, close by.

Source: Taesiri et al., "ImageNet-Hard: the hardest images remaining from a study of the power of
zoom and spatial biases in image classification", NeurIPS 2023.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.models.classifier import SIZE_PX as CROP_PX

__all__ = [
    "ANCHORS",
    "CENTRE",
    "CROP_PX",
    "SIZES_PX",
    "Zoom",
    "anchor_crops",
    "crop",
    "crop_box",
    "crops_by_size",
    "random_resized_crops",
    "ten_crops",
]

_CHOSEN_PX = (
    10, 16, 32, 48, 64, 96, 128, 192, 224, 240, 256, 288, 320, 384, 448, 512, 576, 640, 664, 672,
    680, 690, 700, 720, 768, 832, 896,
)  # fmt: skip
_EVENLY_SPACED_PX = (10, 122, 235, 348, 460, 573, 686, 798, 911, 1024)
SIZES_PX = tuple(sorted({*_CHOSEN_PX, *_EVENLY_SPACED_PX}))
ANCHORS = (
    "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom",
    "bottom right",
)  # fmt: skip
CENTRE = ANCHORS.index("centre")
TEN_CROP_PX = 256  # of the smaller side, as is usual
_MAX_RESIZED_PX = 16_000_000  # a photo that is a thin strip is not resized as a whole
_TRIES = 10


class Zoom(NamedTuple):
    """One of the 324 zooms. size_px: of the smaller side; anchor: an index of ANCHORS."""

    size_px: int
    anchor: int

    def __str__(self) -> str:
        return f"{self.size_px} px, {ANCHORS[self.anchor]}"


def anchor_crops(photo: Tensor, size_px: int) -> Tensor:
    """The nine crops of a photo at one size, in the order of ANCHORS.

    photo: (3, H, W) or (1, 3, H, W), sRGB in [0, 1]; rounded to 8 bits, as files are.
    size_px: what its smaller side is resized to (bicubic, as Pillow does), 3 to 4096.
    Returns (9, 3, 224, 224) in [0, 1], black where a crop leaves the photo. Raises PhotoError.

    >>> anchor_crops(torch.rand(3, 48, 64), 256).shape
    torch.Size([9, 3, 224, 224])
    """
    return next(crops_by_size(photo, [size_px]))[1]


def crops_by_size(
    photo: Tensor, sizes_px: Sequence[int] = SIZES_PX
) -> Iterator[tuple[int, Tensor]]:
    """(size, its nine crops) for each size, as `anchor_crops` cuts them, one after the other."""
    image = images.to_pillow(photo)
    for size_px in sizes_px:
        yield size_px, torch.stack(_crops(image, _checked(size_px), range(len(ANCHORS))))


def crop(photo: Tensor, size_px: int, anchor: int | str = "centre") -> Tensor:
    """The crop of one zoom: (3, 224, 224). anchor: a name in ANCHORS, or its index.

    At 224 px, the centre is the crop that classifiers are usually given.

    >>> crop(torch.rand(3, 48, 64), 256, "top left").shape
    torch.Size([3, 224, 224])
    """
    return _crops(images.to_pillow(photo), _checked(size_px), [_index(anchor)])[0]


def crop_box(
    photo: Tensor, size_px: int, anchor: int | str = "centre"
) -> tuple[float, float, float, float]:
    """Where a zoom's crop lies in the photo: (left, top, width, height) in the photo's own pixels.

    It may leave the photo: what lies outside is black in the crop.

    >>> crop_box(torch.rand(3, 448, 448), 224)
    (-2.0, -2.0, 448.0, 448.0)
    """
    height, width = images.as_batch(photo).shape[-2:]
    size = _resized((width, height), _checked(size_px))
    left, top = _corner(size, _index(anchor))
    x, y = width / size[0], height / size[1]
    return left * x, top * y, CROP_PX * x, CROP_PX * y


def _checked(size_px: int) -> int:
    return arguments.whole(size_px, "size_px", low=3, high=4096)


def _index(anchor: int | str) -> int:
    if isinstance(anchor, str):
        return ANCHORS.index(arguments.choice(anchor, "anchor", ANCHORS))
    return arguments.whole(anchor, "anchor", low=0, high=len(ANCHORS) - 1)


def _resized(size: tuple[int, int], size_px: int) -> tuple[int, int]:
    """(width, height) after the smaller side was resized to size_px; the other rounds down."""
    short, long = min(size), max(size)
    scaled = size_px * long // short
    return (size_px, scaled) if size[0] <= size[1] else (scaled, size_px)


def _corner(size: tuple[int, int], anchor: int) -> tuple[int, int]:
    """(left, top) of a crop in the resized photo of this (width, height)."""
    row, column = divmod(anchor, 3)
    patch_width, patch_height = size[0] // 3, size[1] // 3
    x = column * patch_width + patch_width // 2
    y = row * patch_height + patch_height // 2
    return x - CROP_PX // 2, y - CROP_PX // 2


def _crops(image: Image.Image, size_px: int, anchors: Sequence[int]) -> list[Tensor]:
    size = _resized(image.size, size_px)
    corners = [_corner(size, anchor) for anchor in anchors]
    if math.prod(size) > _MAX_RESIZED_PX:
        return [images.from_pillow(_part(image, size, *corner)) for corner in corners]
    resized = images.from_pillow(image.resize(size, Image.Resampling.BICUBIC))
    margin = CROP_PX // 2  # the middle of a patch lies in the photo
    padded = F.pad(resized, [margin] * 4)
    rows = slice(None)
    return [
        padded[rows, y + margin : y + margin + CROP_PX, x + margin : x + margin + CROP_PX]
        for x, y in corners
    ]


def _part(image: Image.Image, size: tuple[int, int], left: int, top: int) -> Image.Image:
    """One crop of the photo resized to `size`, without resizing the rest of it."""
    canvas = Image.new("RGB", (CROP_PX, CROP_PX))
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + CROP_PX, size[0]), min(top + CROP_PX, size[1])
    columns, across = _span(image.width, size[0], x0, x1)
    rows, down = _span(image.height, size[1], y0, y1)
    # the window first: of a tall strip as a whole, Pillow would resize the columns before the rows
    window = image.crop((columns[0], rows[0], columns[1], rows[1]))
    box = (across[0], down[0], across[1], down[1])
    part = window.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC, box=box)
    canvas.paste(part, (x0 - left, y0 - top))
    return canvas


def _span(old: int, new: int, start: int, end: int) -> tuple[tuple[int, int], tuple[float, float]]:
    """Along one axis, resized from `old` to `new` px: what start to end is made from.

    Returns the window of whole pixels that bicubic weights reach, and the span within it.
    """
    scale = old / new
    reach = math.ceil(2 * max(scale, 1)) + 1
    first = max(math.floor(start * scale) - reach, 0)
    last = min(math.ceil(end * scale) + reach, old)
    return (first, last), (start * scale - first, min(end * scale, old) - first)


def random_resized_crops(
    photo: Tensor,
    count: int = 16,
    seed: int | torch.Generator = 0,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """Random rectangles of a photo, each resized to 224 x 224 px (bicubic): zooms by chance.

    photo: (3, H, W), sRGB in [0, 1]. scale: smallest and largest share of the photo's area;
    ratio: of width to height. A photo too long for both gives its middle. The same seed gives
    the same places in photos of one size. Returns (count, 3, 224, 224) in [0, 1].
    Source: Szegedy et al., "Going deeper with convolutions", 2015; as in torchvision.

    >>> random_resized_crops(torch.rand(3, 48, 64), count=4).shape
    torch.Size([4, 3, 224, 224])
    """
    count = arguments.whole(count, "count", low=1)
    low, high = scale
    if not 0 < low <= high <= 1:
        raise ValueError(
            f"scale is {scale}; expected two shares of the area, 0 < low <= high <= 1."
        )
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio}; expected two numbers above 0, the smaller one first.")
    generator = arguments.generator(seed)
    image = images.to_pillow(photo)
    boxes = [_random_box(image.size, scale, ratio, generator) for _ in range(count)]
    side = (CROP_PX, CROP_PX)
    # cropped first: what lies beside the rectangle must not be seen
    parts = [image.crop(box).resize(side, Image.Resampling.BICUBIC) for box in boxes]
    return torch.stack([images.from_pillow(part) for part in parts])


def _random_box(
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a random rectangle in a photo of this (width, height)."""
    full_width, full_height = size
    for _ in range(_TRIES):
        share, shape, x, y = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        area = full_width * full_height * (scale[0] + share * (scale[1] - scale[0]))
        aspect = ratio[0] * (ratio[1] / ratio[0]) ** shape  # uniform in its logarithm
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= full_width and 0 < height <= full_height:
            left = int(x * (full_width - width + 1))
            top = int(y * (full_height - height + 1))
            return left, top, left + width, top + height
    aspect = min(max(full_width / full_height, ratio[0]), ratio[1])
    width = min(full_width, max(1, round(full_height * aspect)))
    height = min(full_height, max(1, round(full_width / aspect)))
    left, top = (full_width - width) // 2, (full_height - height) // 2
    return left, top, left + width, top + height


def ten_crops(photo: Tensor) -> Tensor:
    """The middle and the four corners of a photo, and all five mirrored.

    photo: (3, H, W), sRGB in [0, 1]; its smaller side is resized to 256 px.
    Returns (10, 3, 224, 224): the middle, top left, top right, bottom left, bottom right, then the
    same mirrored. Source: Krizhevsky et al. 2012.

    >>> ten_crops(torch.rand(3, 48, 64)).shape
    torch.Size([10, 3, 224, 224])
    """
    image = images.to_pillow(photo)
    width, height = _resized(image.size, TEN_CROP_PX)
    right, bottom = width - CROP_PX, height - CROP_PX
    corners = [(right // 2, bottom // 2), (0, 0), (right, 0), (0, bottom), (right, bottom)]
    parts = [images.from_pillow(_part(image, (width, height), x, y)) for x, y in corners]
    five = torch.stack(parts)
    return torch.cat([five, five.flip(-1)])
