"""tiling: tiles that fit the memory, waste little, and meet without seams."""

import numpy as np
import pytest
import torch

from mssnet_edu.tiling import Tiling, blend, pad, round_up


@pytest.mark.parametrize("multiple", [1, 4, 16])
@pytest.mark.parametrize("ramp", [4, 16])
def test_blended_ones_are_ones(multiple, ramp):
    """The ramps of neighbouring tiles add up to one, at every pixel of the answer."""
    for halo in (0, 4, 20):
        tiling = Tiling(halo, ramp, multiple)
        for side in (tiling.smallest_px, tiling.smallest_px + 3 * multiple):
            for length in range(multiple, 400, max(multiple, 3)):
                length -= length % multiple
                tiles = tiling.cut(length, side)
                [row] = tiling.cut(multiple, multiple)
                answer = torch.zeros(1, 1, 2 * multiple, 2 * length)
                for tile in tiles:
                    assert tile.start % multiple == 0
                    assert tile.end <= length
                    if tile.fade_in:
                        assert tile.keep_from >= tile.start + halo
                    if tile.fade_out:
                        assert tile.keep_to <= tile.end - halo
                    ones = torch.ones(1, 1, 2 * multiple, 2 * (tile.end - tile.start))
                    blend(answer, ones, row, tile, scale=2)
                assert torch.allclose(answer, torch.ones_like(answer), atol=1e-6)


@pytest.mark.parametrize("halo", [4, 40])
@pytest.mark.parametrize("multiple", [1, 16])
def test_chosen_tiles_fit_and_waste_less_than_squares(halo, multiple):
    tiling = Tiling(halo, 16, multiple, min_px=32)

    def area(size, sides):
        rows, columns = (tiling.cut(*axis) for axis in zip(size, sides, strict=True))
        assert rows[-1].keep_to == size[0]
        assert columns[-1].keep_to == size[1]
        areas = [(r.end - r.start) * (c.end - c.start) for r in rows for c in columns]
        return sum(areas), max(areas)

    for size in ((320, 448), (96, 1600), (1600, 96), (800, 800), (48, 48)):
        for room_px in (30_000, 60_000):
            work, largest = area(size, tiling.choose(size, room_px))
            assert largest <= room_px
            square = int(largest**0.5) // multiple * multiple
            if square >= tiling.smallest_px:
                assert work <= area(size, (square, square))[0]


def test_no_tile_fits():
    assert Tiling(halo_px=60, ramp_px=16).choose((300, 300), 1000) is None


def test_padding_is_left_out_of_the_answer():
    tiling = Tiling(halo_px=2, ramp_px=4, multiple_of=8)
    [row], [column] = tiling.cut(16, 16), tiling.cut(24, 24)
    answer = torch.zeros(1, 1, 13, 20)
    blend(answer, torch.ones(1, 1, 16, 24), row, column)
    assert torch.equal(answer, torch.ones_like(answer))


@pytest.mark.parametrize("side", [1, 2, 5, 14])
@pytest.mark.parametrize("rim", [0, 1, 3, 20])
def test_padding_mirrors_on_all_sides(side, rim):
    photo, (below, beside) = torch.rand(1, 3, side, 6), (2, 7)
    size = rim + side + below, rim + 6 + beside
    wanted = np.pad(photo, ((0, 0), (0, 0), (rim, below), (rim, beside)), mode="symmetric")
    assert np.array_equal(pad(photo, size, rim), wanted)


def test_nothing_is_copied_where_nothing_is_to_be_added():
    photo = torch.rand(1, 3, 14, 16)
    assert pad(photo, (14, 16)) is photo
    assert round_up(33, 16) == 48


@pytest.mark.parametrize("side", [24, 32, 64])
def test_tiles_of_a_photo_with_a_rim_put_it_together_again(side):
    photo, rim_px, scale = torch.rand(1, 3, 37, 50), 5, 2
    padded = pad(photo, (48, 64), rim_px)
    tiling = Tiling(halo_px=2, ramp_px=4, multiple_of=8)
    answer = torch.zeros(1, 3, 37 * scale, 50 * scale)
    for row in tiling.cut(48, side):
        for column in tiling.cut(64, side):
            part = padded[..., row.start : row.end, column.start : column.end]
            large = part.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
            blend(answer, large, row, column, scale, rim_px)
    wanted = photo.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    torch.testing.assert_close(answer, wanted)
