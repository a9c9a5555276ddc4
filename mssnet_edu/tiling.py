"""Overlapping tiles: choose their size, cut a photo into them, blend their answers.

A network that sees a whole large photo needs gigabytes. An answer's pixel depends on its
surroundings only as far as the network's receptive field reaches, so a photo can be cut into
tiles, each with a *halo* of context that is computed and thrown away. Neighbouring answers are
cross-faded over a narrow ramp, because a halo that holds most of the context still leaves a trace.

At the photo's own edges there is no context: most networks see black there, and answer with a
frame. So a photo is mirrored beyond its edges, and this *rim* is computed and thrown away, too.

All lengths are pixels of the network's input; `blend` alone knows that the answer may be larger.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Tile", "Tiling", "blend", "pad", "padded_size", "round_up"]


@dataclass(frozen=True)
class Tile:
    """One tile along one axis: the network sees start to end, keep_from to keep_to is kept.

    fade_in, fade_out: widths of the ramps at its two ends; 0 at the photo's own edges.
    """

    index: int
    start: int
    end: int
    keep_from: int
    keep_to: int
    fade_in: int
    fade_out: int


@dataclass(frozen=True)
class Tiling:
    """The rules that a network's tiles obey.

    halo_px: context on each side. ramp_px: how wide neighbours are cross-faded. multiple_of: tiles
    start and end on this grid. min_px: the smallest side that the network takes.
    """

    halo_px: int
    ramp_px: int
    multiple_of: int = 1
    min_px: int = 1

    @property
    def smallest_px(self) -> int:
        """The smallest useful side: both halos, a ramp at each end, and something in between."""
        kept = self.ramp_px + max(2 * self.ramp_px, self.multiple_of)
        return round_up(max(2 * self.halo_px + kept, self.min_px), self.multiple_of)

    def count(self, length: int, side: int) -> int:
        """How many tiles of this side cover the length.

        >>> Tiling(halo_px=8, ramp_px=16, multiple_of=4).count(100, 80)
        2
        """
        if side >= length:
            return 1
        stride = (side - 2 * self.halo_px - self.ramp_px) // self.multiple_of * self.multiple_of
        return math.ceil((length - side) / stride) + 1 if stride > 0 else length

    def side(self, length: int, count: int) -> int:
        """The smallest side of which `count` cover the length, or `smallest_px` if larger."""
        shared = 2 * self.halo_px + self.ramp_px
        side = round_up(math.ceil((length + (count - 1) * shared) / count), self.multiple_of)
        while side < length and self.count(length, side) > count:
            side += self.multiple_of  # tiles start on the network's own grid
        return min(max(side, self.smallest_px), length)

    def choose(self, size: tuple[int, int], max_area_px: float) -> tuple[int, int] | None:
        """Height and width of the tiles: of those that fit into the area, the quickest.

        size: height and width of the photo. Overlaps are computed twice, so the quickest tiles are
        those whose areas sum to the least. None if even the smallest tiles are too large.
        """
        best = None
        for columns in range(1, size[1] + 1):
            width = self.side(size[1], columns)
            for rows in range(1, size[0] + 1):
                height = self.side(size[0], rows)
                if height * width <= max_area_px:
                    work = rows * height * columns * width
                    best = min(best or (work, height, width), (work, height, width))
                    break
                if height <= self.smallest_px:
                    break
            if width <= self.smallest_px:
                break
        return best and best[1:]

    def cut(self, length: int, side: int) -> list[Tile]:
        """Cut an axis into overlapping tiles whose ramps add up to 1 everywhere.

        >>> tiles = Tiling(halo_px=8, ramp_px=16, multiple_of=4).cut(100, 80)
        >>> [(t.start, t.end, t.keep_from, t.keep_to) for t in tiles]
        [(0, 80, 0, 58), (20, 100, 42, 100)]
        """
        side = min(side, length)
        count = self.count(length, side)
        # spread evenly, on the network's own grid: the last tile ends at the photo's edge
        steps = (length - side) // self.multiple_of
        starts = [round(i * steps / max(count - 1, 1)) * self.multiple_of for i in range(count)]
        # two neighbours meet in the middle of what both see
        seams = [(b + a + side) // 2 for a, b in itertools.pairwise(starts)]
        half = self.ramp_px // 2
        return [
            Tile(
                index=i,
                start=start,
                end=start + side,
                keep_from=seams[i - 1] - half if i else 0,
                keep_to=seams[i] + half if i < count - 1 else length,
                fade_in=self.ramp_px if i else 0,
                fade_out=self.ramp_px if i < count - 1 else 0,
            )
            for i, start in enumerate(starts)
        ]


def round_up(value: float, multiple: int) -> int:
    """The next multiple from a number up.

    >>> round_up(33, 16)
    48
    """
    return math.ceil(value / multiple) * multiple


def padded_size(size: tuple[int, int], multiple_of: int, rim_px: int) -> tuple[int, int]:
    """Height and width of a photo with a rim on each side, on the network's grid.

    >>> padded_size((33, 50), multiple_of=16, rim_px=4)
    (48, 64)
    """
    height, width = (round_up(side + 2 * rim_px, multiple_of) for side in size)
    return height, width


def pad(photo: Tensor, size: tuple[int, int], rim_px: int = 0) -> Tensor:
    """Mirror a photo beyond its edges to fill the size, again and again where it is too short.

    photo: (N, 3, H, W) -> (N, 3, *size), with rim_px above and to the left, the rest below and to
    the right. The outermost pixels are repeated, as in a photo laid beside its mirror image.

    >>> pad(torch.arange(3.0).expand(1, 3, 3, 3), (3, 8), rim_px=0)[0, 0, 0]
    tensor([0., 1., 2., 2., 1., 0., 0., 1.])
    """
    for axis, whole in zip((-2, -1), size, strict=True):
        length = photo.shape[axis]
        if whole != length:
            at = torch.arange(-rim_px, whole - rim_px, device=photo.device) % (2 * length)
            photo = photo.index_select(axis, torch.minimum(at, 2 * length - 1 - at))
    return photo


def blend(
    answer: Tensor, result: Tensor, row: Tile, column: Tile, scale: int = 1, rim_px: int = 0
) -> None:
    """Add what a tile keeps of its result to the answer, in place, weighted along the ramps.

    answer: (N, C, scale H, scale W), zeros at first; result: the tile's (N, C, scale h, scale w).
    The tiles are those of a photo with a rim of rim_px above and to the left. What reaches beyond
    the answer, the photo's padding, is left out.
    """
    for axis, tile in ((-2, row), (-1, column)):
        start, stop = ((keep - rim_px) * scale for keep in (tile.keep_from, tile.keep_to))
        first, last = max(start, 0), min(stop, answer.shape[axis])
        if last <= first:
            return
        answer = answer.narrow(axis, first, last - first)
        result = result.narrow(axis, first + (rim_px - tile.start) * scale, last - first)
        if tile.fade_in or tile.fade_out:
            weight = _window(tile, scale)[first - start : last - start]
            result = result * (weight[:, None] if axis == -2 else weight)
    answer += result


def _window(tile: Tile, scale: int) -> Tensor:
    """1 in the middle, linear ramps at the ends; a neighbour's ramp is exactly the rest to 1."""
    weight = torch.ones((tile.keep_to - tile.keep_from) * scale)
    for ramp_px, ramp_at_end in ((tile.fade_in * scale, False), (tile.fade_out * scale, True)):
        if ramp_px:
            ramp = (torch.arange(ramp_px) + 0.5) / ramp_px
            if ramp_at_end:
                weight[-ramp_px:] *= ramp.flip(0)
            else:
                weight[:ramp_px] *= ramp
    return weight
