"""Exercises of notebook 05, sharper features."""

import torch
import torch.nn.functional as F

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    as_number,
    as_tensor,
    call,
    compare,
    describe,
    random,
)

__all__ = ["EXERCISES"]


# --- 05-a -----------------------------------------------------------------------------------------


def _similar(answer):
    for shape, row, column in (((6, 4, 5), 2, 3), ((5, 7, 3), 6, 1), ((4, 3, 8), 0, 5)):
        features = random(row, *shape) - 0.4
        returned = as_tensor(call(answer, features, row, column), shape[1:])
        chosen = features[:, row, column][:, None, None]
        dots, lengths = (features * chosen).sum(0), features.norm(dim=0)
        right = dots / (lengths * chosen.norm())
        swapped = features[:, column % shape[1], row % shape[2]][:, None, None]
        likely = {
            "These are the products alone: a long vector would seem similar to everything.": dots,
            "Only one of the two lengths was divided by. Each of the two vectors has one.": (
                dots / lengths,
                dots / chosen.norm(),
                dots / lengths**2,
                dots / chosen.norm() ** 2,
            ),
            "`a / b * c` divides by b and multiplies by c. Put brackets around the two lengths: "
            "`a / (b * c)`.": dots / lengths * chosen.norm(),
            "This divides by the length of the whole map. Each cell's vector has its own: "
            "`features.norm(dim=0)`.": (
                dots / features.norm(),
                dots / (features.norm() * chosen.norm()),
            ),
            "This is a distance. It is 0 for equal vectors; a similarity is 1.": (
                (features - chosen).norm(dim=0),
                1 - right,
                torch.acos(right.clamp(-1, 1)),
            ),
            "This is a mean over the channels. The products are summed.": (right / shape[0]),
            "Vectors that point opposite ways have a similarity of -1: keep the sign.": (
                right.abs(),
                right**2,
                right.clamp(min=0),
            ),
            "Row and column are mixed up: the row comes first, features[:, row, column].": (
                F.cosine_similarity(features, swapped, dim=0)
            ),
            "`row` and `column` do not matter here: this compares with a cell that is always "
            "the same.": (
                F.cosine_similarity(features, features[:, :1, :1], dim=0),
                F.cosine_similarity(features, features[:, -1:, -1:], dim=0),
            ),
        }
        otherwise = (
            "The numbers are not right. For each cell: the sum over channels of its "
            "vector times the chosen one, divided by both lengths."
        )
        compare(returned, right, likely, otherwise)


SIMILAR = Exercise(
    id="05-a",
    title="How similar is each place?",
    task="""
`features` has the shape (channels, height, width): one vector for each cell. The cosine similarity
of two vectors is the sum of their products, divided by the length of each. It is 1 if they point
the same way. `x.norm(dim=0)` gives the length of each cell's vector.

**Your turn.** Complete the function. It returns a tensor (height, width): the similarity of the
vector at `row`, `column` to each cell's vector.
""",
    stub="""
def similar_to(features, row, column):
    return ...  # your code here
""",
    answer="similar_to",
    expects="a function of features, a row and a column",
    hints=(
        "`chosen = features[:, row, column]` is one vector. `chosen[:, None, None]` has a shape "
        "that can be multiplied with all of `features`.",
        "`(features * chosen[:, None, None]).sum(0)` is the sum of products. Two lengths to divide "
        "by: `features.norm(dim=0)` and `chosen.norm()`.",
    ),
    solution="""
def similar_to(features, row, column):
    chosen = features[:, row, column]
    products = (features * chosen[:, None, None]).sum(0)
    return products / (features.norm(dim=0) * chosen.norm())
""",
    check=_similar,
    why="This is what the maps that you clicked show. There, each map's mean vector was taken off "
    "first: all vectors of a network share a direction, and it would make everything look alike.",
    wrong={
        "lambda f, r, c: (f * f[:, r, c][:, None, None]).sum(0)": "products alone",
        "lambda f, r, c: (f * f[:, r, c][:, None, None]).sum(0) / f.norm(dim=0)": "Only one",
        "lambda f, r, c: (f * f[:, r, c][:, None, None]).sum(0) / f.norm(dim=0) ** 2": "Only one",
        "lambda f, r, c: (f * f[:, r, c][:, None, None]).sum(0) / f.norm()": "whole map",
        "lambda f, r, c: (f - f[:, r, c][:, None, None]).norm(dim=0)": "distance",
        "lambda f, r, c: 1 - solved(f, r, c)": "distance",
        "lambda f, r, c: solved(f, r, c) / len(f)": "summed",
        "lambda f, r, c: solved(f, r, c) * f[:, r, c].norm() ** 2": "brackets around",
        "lambda f, r, c: solved(f, r, c).abs()": "keep the sign",
        "lambda f, r, c: solved(f, c, r)": "mixed up",
        "lambda f, r, c: solved(f, 0, 0)": "do not matter",
        "lambda f, r, c: solved(f, 2, 3)": "IndexError",
        "lambda f, r, c: f[:, r, c]": "expected",
        "lambda f, r, c: 1.0": "expected a tensor",
    },
)


# --- 05-b -----------------------------------------------------------------------------------------


def _borrowed(photo, values, width):
    weights = torch.exp(-(((photo[:, None] - photo) / width) ** 2))
    return weights @ values / weights.sum(1)


def _borrow(answer):
    for count, width in ((7, 0.2), (5, 0.5), (9, 0.1)):
        photo, values = random(count, count), random(count + 9, count) - 0.2
        returned = as_tensor(call(answer, photo, values, width), (count,))
        apart = photo[:, None] - photo
        weights = torch.exp(-((apart / width) ** 2))
        unlike = torch.exp((apart / width) ** 2)
        exponential = torch.exp(-(apart / width).abs())
        likely = {
            "The weights do not sum to 1: divide by their sum, or a constant grows.": (
                weights @ values,
                weights @ values / count,
            ),
            "Each pixel has weights of its own, and so a sum of its own to divide by.": (
                weights @ values / weights.sum()
            ),
            "This compares the values. The weights must come from the photo.": (
                _borrowed(values, values, width)
            ),
            "This mixes the photo. The mean is taken of the values.": _borrowed(
                photo, photo, width
            ),
            "All cells became the same mean. A weight must depend on the photo at both cells.": (
                values.mean().expand(count)
            ),
            "Nothing has changed: each cell should become a mean of all.": values,
            "The minus is missing: here the pixels that look *unlike* count more.": (
                unlike @ values / unlike.sum(1)
            ),
            "The whole quotient is squared: `((photo - here) / width) ** 2`.": (
                exponential @ values / exponential.sum(1),
                _borrowed(photo, values, width**0.5),
            ),
            "`width` is not used as it is given: divide the difference by it, before the square.": (
                *(_borrowed(photo, values, w) for w in (0.2, 1, 1 / width, 2**0.5 * width)),
            ),
        }
        otherwise = (
            "The numbers are not right. For cell i: weights from photo and photo[i], "
            "then the weighted mean of all values."
        )
        compare(returned, _borrowed(photo, values, width), likely, otherwise)


BORROW = Exercise(
    id="05-b",
    title="Borrow an edge",
    task="""
JBU in one dimension. `photo` is a tensor that holds the brightness of a row of pixels, `values` one
smooth feature for each. Each pixel is to become a mean of all values, in which a pixel counts the
more, the more alike the photo is there: the weight of pixel j for pixel i is
`torch.exp(-(((photo[i] - photo[j]) / width) ** 2))`.

**Your turn.** Complete the function. It returns the new values, a tensor as long as `values`.
""",
    stub="""
def borrow(photo, values, width):
    return ...  # your code here
""",
    answer="borrow",
    expects="a function of a row of the photo, a row of values and a width",
    hints=(
        "A mean with weights is `(weights * values).sum() / weights.sum()`. Do it for each pixel.",
        "For one pixel with brightness `here`: `weights = torch.exp(-(((photo - here) / width) ** "
        "2))`. `torch.stack` makes one tensor of a list of numbers.",
    ),
    solution="""
def borrow(photo, values, width):
    mixed = []
    for here in photo:
        weights = torch.exp(-(((photo - here) / width) ** 2))
        mixed.append((weights * values).sum() / weights.sum())
    return torch.stack(mixed)
""",
    check=_borrow,
    why="Where the photo jumps, the values now jump, too. But each is a mean of what was there: "
    "if the smooth feature knows nothing of a thing, no weight can bring it back.",
    wrong={
        "lambda p, v, w: torch.exp(-(((p[:, None] - p) / w) ** 2)) @ v": "sum to 1",
        "lambda p, v, w: (lambda k: k @ v / k.sum())(torch.exp(-(((p[:, None] - p) / w) ** 2)))": (
            "sum of its own"
        ),
        "lambda p, v, w: (lambda k: k @ v / k.sum(1))(torch.exp(((p[:, None] - p) / w) ** 2))": (
            "minus"
        ),
        "lambda p, v, w: solved(p, v, w**0.5)": "whole quotient",
        "lambda p, v, w: solved(p, v, 0.2)": "`width`",
        "lambda p, v, w: solved(p, v, 1)": "`width`",
        "lambda p, v, w: solved(v, v, w)": "must come from the photo",
        "lambda p, v, w: solved(p, p, w)": "mixes the photo",
        "lambda p, v, w: v.mean().expand(len(v))": "same mean",
        "lambda p, v, w: v": "Nothing has changed",
        "lambda p, v, w: 0.5": "expected a tensor",
    },
)


# --- 05-c -----------------------------------------------------------------------------------------


def _fixed(answer):
    for count, shape in ((4, (3, 5, 7)), (2, (6, 4, 3)), (7, (5, 2, 8))):
        stack = random(count, count, *shape) + random(count + 9, shape[0], 1, 1)
        returned = as_tensor(call(answer, list(stack)), shape)
        mean = stack.mean(0)

        def without(*dims, mean=mean):
            return mean - mean.mean(dims, keepdim=True)

        right = without(1, 2)
        likely = {
            "This is the mean of the maps. Its own mean, one number a channel, is the same at "
            "each place: take it off.": mean,
            "Each channel has a mean of its own: average over the two last dimensions only.": (
                without(0, 1, 2),
                mean - mean.mean(),
            ),
            "Divide by how many maps there are, `len(maps)`: it is not always the same.": tuple(
                right * count / n for n in (1, 5, 8, 10)
            ),
            "This takes off a mean over channels. The mean over places was asked for.": without(0),
            "This takes off the mean of each row, or of each column. The mean over all places "
            "was asked for: over both dimensions.": (
                without(1),
                without(2),
                without(0, 1),
                without(0, 2),
            ),
            "The sign is the wrong way round: the mean of the maps, minus its own mean.": -right,
            "This looks at one map. What all photos share is in the mean of all of them.": (
                *(one - one.mean((1, 2), keepdim=True) for one in stack),
                *stack,
            ),
        }
        otherwise = (
            "The numbers are not right. First the mean over the maps, then take off its own mean."
        )
        compare(returned, right, likely, otherwise)


FIXED = Exercise(
    id="05-c",
    title="What all photos share",
    task="""
`maps` is a list of feature maps of many photos, each (channels, height, width). What the photos
show differs; what the network adds to each place does not.

**Your turn.** Complete the function. It returns the fixed pattern: the mean of all maps, minus its
mean over all places, channel by channel. The shape is that of one map.
""",
    stub="""
def fixed_pattern(maps):
    return ...  # your code here
""",
    answer="fixed_pattern",
    expects="a function of a list of maps",
    hints=(
        "`torch.stack(maps)` is one tensor with the photos in front. Over which dimension is the "
        "mean of all photos?",
        "`mean = torch.stack(maps).mean(0)`; its mean over places is `mean.mean((1, 2), "
        "keepdim=True)`.",
    ),
    solution="""
def fixed_pattern(maps):
    mean = torch.stack(maps).mean(0)
    return mean - mean.mean((1, 2), keepdim=True)
""",
    check=_fixed,
    why="With few photos, much of the mean still comes from them: the sky is above in most. "
    "FeatSharp learns the pattern from zoomed, shifted and mirrored views, where the sky moves.",
    wrong={
        "lambda maps: torch.stack(maps).mean(0)": "take it off",
        "lambda maps: torch.stack(maps).mean(0) - torch.stack(maps).mean()": "a mean of its own",
        "lambda maps: solved(maps) * len(maps)": "`len(maps)`",
        "lambda maps: solved(maps) * len(maps) / 5": "`len(maps)`",
        "lambda maps: solved(maps[:1])": "one map",
        "lambda maps: maps[0]": "one map",
        "lambda maps: -solved(maps)": "wrong way round",
        "lambda maps: sum(m - m.mean(0) for m in maps) / len(maps)": "mean over channels",
        "lambda maps: sum(m - m.mean(1, keepdim=True) for m in maps) / len(maps)": (
            "over both dimensions"
        ),
        "lambda maps: torch.stack(maps).mean((0, 2, 3))": "expected",
        "lambda maps: torch.stack(maps) - torch.stack(maps).mean(0)": "shape",
        "lambda maps: 0.0": "expected a tensor",
    },
)


# --- 05-d -----------------------------------------------------------------------------------------


def _thing(channels, n, row, column):
    """Unit vectors, and one to look for: a cell is like it, and one with more channels opposite."""
    features = random(n, channels, n, n) - 0.5
    wanted = 0.9 * (random(n + 9, channels) - 0.5)
    features[:, row, column] = wanted + 0.1 * (random(n + 1, channels) - 0.5)
    features[:, column, row - 1] = -wanted
    return F.normalize(features, dim=0), wanted


def _find(answer):
    for channels, n, row, column, size_px in (
        (24, 7, 5, 2, 112),
        (9, 8, 6, 1, 80),
        (16, 5, 0, 3, 64),
    ):
        features, wanted = _thing(channels, n, row, column)
        place = call(answer, features, wanted, size_px)
        if isinstance(place, torch.Tensor) and place.numel() == 2:
            place = place.flatten().tolist()
        if not isinstance(place, list | tuple) or len(place) != 2:
            return (
                f"Your function returns {describe(place)}; expected two numbers, x and y in pixels."
            )
        x, y = place = [as_number(v, "A coordinate") for v in place]
        cell_px, scores = size_px / n, (features * wanted[:, None, None]).sum(0)
        right = [(column + 0.5) * cell_px, (row + 0.5) * cell_px]

        def middle(cell, columns=n, cells=n, size_px=size_px):
            row, column = divmod(int(cell), columns)
            return [(column + 0.5) * size_px / cells, (row + 0.5) * size_px / cells]

        best = scores.argmax()
        likely = {
            "x and y are exchanged: x goes with the column, y with the row.": right[::-1],
            "This is a corner of the cell. Its middle is half a cell from the upper left one.": (
                (column * cell_px, row * cell_px),
                ((column + 1) * cell_px, (row + 1) * cell_px),
            ),
            "This is in cells. Multiply by the pixels that a cell is wide.": (
                (column, row),
                (column + 0.5, row + 0.5),
            ),
            "Half a cell is more than half a pixel: `(column + 0.5) * cell`.": [
                column * cell_px + 0.5,
                row * cell_px + 0.5,
            ],
            "14 pixels is a patch of the network's own 224. Here a cell is `size_px / n` wide.": [
                (column + 0.5) * 14,
                (row + 0.5) * 14,
            ],
            "`features` has (channels, n, n): n is the last of its sizes, and not always 8.": (
                *(middle(best, c, c) for c in (channels, 8, 14, 16)),
                *(middle(best, n, c) for c in (channels, 8, 14, 16)),
                *(middle(best, c) for c in (channels, 8, 14, 16)),
            ),
            "This is the most *unlike* cell, or the one that is the most like or unlike: take "
            "the largest product, with its sign.": (
                middle(scores.argmin()),
                middle(scores.abs().argmax()),
            ),
            "`//` leaves whole pixels only. A cell may be 12.8 pixels wide: divide by `/`.": (
                ((column + 0.5) * (size_px // n), (row + 0.5) * (size_px // n)),
                (right[0] // 1, right[1] // 1),
            ),
        }
        otherwise = (
            f"The place was to be ({right[0]:.4g}, {right[1]:.4g}); you found ({x:.4g}, {y:.4g})."
        )
        compare(place, right, likely, otherwise)


FIND = Exercise(
    id="05-d",
    title="Find it",
    task="""
`features` (channels, n, n) describe a square photo that is `size_px` pixels wide; each cell's
vector has length 1. `wanted` is the vector of a thing that you look for.

**Your turn.** Complete the function. It returns `(x, y)`: the middle, in pixels, of the cell whose
vector has the largest product with `wanted`.
""",
    stub="""
def find(features, wanted, size_px):
    return ...  # your code here
""",
    answer="find",
    expects="a function of features, a vector and a size",
    hints=(
        "`(features * wanted[:, None, None]).sum(0)` has one number a cell. `.argmax()` counts "
        "cells row by row: which row and column is number 13 of a map 8 cells wide?",
        "`row, column = divmod(int(scores.argmax()), n)`; a cell is `size_px / n` pixels wide, and "
        "its middle lies half a cell from its corner.",
    ),
    solution="""
def find(features, wanted, size_px):
    scores = (features * wanted[:, None, None]).sum(0)
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    cell_px = size_px / scores.shape[1]
    return (column + 0.5) * cell_px, (row + 0.5) * cell_px
""",
    check=_find,
    why="The answer can be off by up to half a cell each way: 7 pixels of 224 at 16 cells. "
    "With 32 or 64 cells it can be finer, if the features in them are.",
    wrong={
        "lambda f, w, s: solved(f, w, s)[::-1]": "exchanged",
        "lambda f, w, s: solved(f, w, f.shape[1])": "in cells",
        "lambda f, w, s: [v - s / f.shape[1] / 2 for v in solved(f, w, s)]": "corner",
        "lambda f, w, s: [v - s / f.shape[1] / 2 + 0.5 for v in solved(f, w, s)]": "half a pixel",
        "lambda f, w, s: [(v + 0.5) * s / f.shape[0] for v in divmod(int((f * w[:, None, "
        "None]).sum(0).argmax()), f.shape[0])[::-1]]": "n is the last",
        "lambda f, w, s: [(v + 0.5) * s / 8 for v in divmod(int((f * w[:, None, "
        "None]).sum(0).argmax()), 8)[::-1]]": "not always 8",
        "lambda f, w, s: [v * f.shape[1] / 16 for v in solved(f, w, s)]": "not always 8",
        "lambda f, w, s: solved(f, -w, s)": "*unlike*",
        "lambda f, w, s: solved((f * w[:, None, None]).sum(0)[None].abs(), torch.ones(1), s)": (
            "with its sign"
        ),
        "lambda f, w, s: solved(f, w, s // f.shape[1] * f.shape[1])": "`//`",
        "lambda f, w, s: int((f * w[:, None, None]).sum(0).argmax())": "two numbers",
        "lambda f, w, s: (1.0, 2.0)": "The place was to be",
        "lambda f, w, s: [v / s * f.shape[1] * 14 for v in solved(f, w, s)]": "network's own",
    },
)

EXERCISES = [SIMILAR, BORROW, FIXED, FIND]
