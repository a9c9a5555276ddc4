"""Exercises of notebook 05, sharper features."""

import torch
import torch.nn.functional as F

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    as_number,
    call,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


def _tensor(value, shape, name="What your function returns"):
    if not isinstance(value, torch.Tensor):
        raise Mistake(f"{name} is {describe(value)}; expected a tensor of shape {tuple(shape)}.")
    if tuple(value.shape) != tuple(shape):
        raise Mistake(f"{name} has the shape {tuple(value.shape)}; expected {tuple(shape)}.")
    return value.detach().float()


def _map(seed, channels=6, height=4, width=5):
    return torch.randn(channels, height, width, generator=torch.Generator().manual_seed(seed))


# --- 05-a -----------------------------------------------------------------------------------------


def _similar(answer):
    features = _map(1)
    returned = _tensor(call(answer, features, 2, 3), (4, 5))
    chosen = features[:, 2, 3][:, None, None]
    dots = (features * chosen).sum(0)
    lengths = features.norm(dim=0)
    right = dots / (lengths * chosen.norm())
    if is_close(returned, right, absolute=1e-4):
        return None
    if is_close(returned, dots, absolute=1e-4):
        return "These are the products alone: a long vector would seem similar to everything."
    if is_close(returned, dots / lengths, absolute=1e-4) or is_close(
        returned, dots / chosen.norm(), absolute=1e-4
    ):
        return "Only one of the two lengths was divided by. The chosen vector has one, too."
    if is_close(returned, (features - chosen).norm(dim=0), absolute=1e-4):
        return "This is a distance. It is 0 for equal vectors; a similarity is 1."
    swapped = features[:, 3, 2] if features.shape[1] > 3 else chosen[:, 0, 0]
    other = (features * swapped[:, None, None]).sum(0) / (lengths * swapped.norm())
    if is_close(returned, other, absolute=1e-4):
        return "Row and column are mixed up: the row comes first, features[:, row, column]."
    return (
        "The numbers are not right. For each cell: the sum over channels of its vector times the "
        "chosen one, divided by both lengths."
    )


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
        "lambda f, r, c: (f - f[:, r, c][:, None, None]).norm(dim=0)": "distance",
        "lambda f, r, c: f[:, r, c]": "expected",
        "lambda f, r, c: 1.0": "expected a tensor",
    },
)


# --- 05-b -----------------------------------------------------------------------------------------


def _borrowed(photo, values, width):
    means = []
    for here in photo:
        weights = torch.exp(-(((photo - here) / width) ** 2))
        means.append((weights * values).sum() / weights.sum())
    return torch.stack(means)


def _borrow(answer):
    generator = torch.Generator().manual_seed(3)
    photo = torch.tensor([0.1, 0.12, 0.1, 0.8, 0.82, 0.8, 0.3])
    for values in (torch.rand(7, generator=generator), torch.ones(7)):
        returned = _tensor(call(answer, photo, values, 0.2), (7,))
        if is_close(returned, _borrowed(photo, values, 0.2), absolute=1e-4):
            continue
        closeness = torch.exp(-(((photo[:, None] - photo) / 0.2) ** 2))
        if is_close(returned, closeness @ values, absolute=1e-4):
            return "The weights do not sum to 1: divide by their sum, or a constant grows."
        if is_close(returned, _borrowed(values, values, 0.2), absolute=1e-4):
            return "This compares the values. The weights must come from the photo."
        if is_close(returned, values.mean().expand(7), absolute=1e-4):
            return (
                "All cells became the same mean. A weight must depend on the photo at both cells."
            )
        if is_close(returned, values, absolute=1e-4):
            return "Nothing has changed: each cell should become a mean of all."
        return (
            "The numbers are not right. For cell i: weights from photo and photo[i], then the "
            "weighted mean of all values."
        )
    return None


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
        "lambda p, v, w: v.mean().expand(len(v))": "same mean",
        "lambda p, v, w: v": "Nothing has changed",
        "lambda p, v, w: (lambda k: k @ v / k.sum(1))(torch.exp(-(((v[:, None] - v) / w) ** 2)))": (
            "must come from the photo"
        ),
        "lambda p, v, w: 0.5": "expected a tensor",
    },
)


# --- 05-c -----------------------------------------------------------------------------------------


def _fixed(answer):
    maps = [_map(seed, 3, 4, 4) + 2 for seed in range(5)]
    returned = _tensor(call(answer, maps), (3, 4, 4))
    mean = torch.stack(maps).mean(0)
    right = mean - mean.mean((1, 2), keepdim=True)
    if is_close(returned, right, absolute=1e-4):
        return None
    if is_close(returned, mean, absolute=1e-4):
        return (
            "This is the mean of the maps. Its own mean, one number a channel, is the same at each "
            "place: take it off."
        )
    if is_close(returned, mean - mean.mean(), absolute=1e-4):
        return "Each channel has a mean of its own: average over the two last dimensions only."
    if is_close(returned, right * len(maps), absolute=1e-4):
        return "This is a sum over the maps. Divide by how many there are."
    if is_close(returned, mean - mean.mean(0), absolute=1e-4):
        return "This takes off a mean over channels. The mean over places was asked for."
    return "The numbers are not right. First the mean over the maps, then take off its own mean."


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
        "lambda maps: sum(m - m.mean((1, 2), keepdim=True) for m in maps)": "a sum",
        "lambda maps: maps[0]": "First the mean",
        "lambda maps: 0.0": "expected a tensor",
    },
)


# --- 05-d -----------------------------------------------------------------------------------------


def _find(answer):
    for seed, size_px in ((5, 64), (6, 80), (7, 224)):
        features = F.normalize(_map(seed, 8, 8, 8), dim=0)
        row, column = (seed * 3) % 8, (seed * 5 + 1) % 8
        wanted = features[:, row, column] * 3
        place = call(answer, features, wanted, size_px)
        if isinstance(place, torch.Tensor) and place.numel() == 2:
            place = place.flatten().tolist()
        if not isinstance(place, list | tuple) or len(place) != 2:
            raise Mistake(
                f"Your function returns {describe(place)}; expected two numbers, x and y in pixels."
            )
        x, y = (as_number(v, "A coordinate") for v in place)
        cell = size_px / 8
        right = (column + 0.5) * cell, (row + 0.5) * cell
        if is_close((x, y), right, absolute=1e-3):
            continue
        if is_close((y, x), right, absolute=1e-3):
            return "x and y are exchanged: x goes with the column, y with the row."
        if is_close((x, y), (column * cell, row * cell), absolute=1e-3):
            return "This is the cell's upper left corner. Its middle is half a cell further."
        if is_close((x, y), (column, row), absolute=1e-3) or is_close(
            (x, y), (column + 0.5, row + 0.5), absolute=1e-3
        ):
            return "This is in cells. Multiply by the pixels that a cell is wide."
        return (
            f"The place was to be ({right[0]:.0f}, {right[1]:.0f}); you found ({x:.4g}, {y:.4g})."
        )
    return None


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
        "lambda f, w, s: divmod(int((f * w[:, None, None]).sum(0).argmax()), f.shape[2])[::-1]": (
            "in cells"
        ),
        "lambda f, w, s: [(v + 0.5) * s / f.shape[2] for v in divmod(int((f * w[:, None, "
        "None]).sum(0).argmax()), f.shape[2])]": "exchanged",
        "lambda f, w, s: [v * s / f.shape[2] for v in divmod(int((f * w[:, None, "
        "None]).sum(0).argmax()), f.shape[2])[::-1]]": "corner",
        "lambda f, w, s: int((f * w[:, None, None]).sum(0).argmax())": "two numbers",
        "lambda f, w, s: (1.0, 2.0)": "The place was to be",
    },
)

EXERCISES = [SIMILAR, BORROW, FIXED, FIND]
