"""The search for the camera's turn, against turns that are known."""

import pytest
import torch
import torch.nn.functional as F

from mssnet_edu import exposure
from mssnet_edu.models.alignment import camera_motion, grid, warp


@pytest.fixture(scope="module")
def panorama():
    generator = torch.Generator().manual_seed(0)
    layers = [torch.rand(1, 3, n, 2 * n, generator=generator) for n in (8, 24, 96)]
    layers = [F.interpolate(x, (128, 256), mode="bicubic", align_corners=False) for x in layers]
    return (0.1 + sum(w * x for w, x in zip((1.0, 0.7, 0.3), layers, strict=True)))[0].clamp(0.02)


def turned(panorama, yaw, pitch, size=(96, 128), fov=60.0):
    """Stops of a view straight ahead and of one that is turned, and the true displacement."""
    poses = torch.tensor([[0.0, 0.0, 0.0], [yaw, pitch, 0.0]])
    views = [exposure.view(panorama, pose, size, fov) for pose in poses]
    stops = [view.mean(0).log2()[None, None] for view in views]
    return stops, exposure.displacement(*poses, size, fov)[None]


def median_error(found, truth):
    return float((found - truth).norm(dim=1).nanmedian())


@pytest.mark.parametrize("turn", [(0, 0), (2, 0.5), (-8, 1), (15, -3), (-22, 2)])
def test_it_finds_how_far_the_camera_turned(panorama, turn):
    (a, b), truth = turned(panorama, *turn)
    known = torch.ones_like(a, dtype=torch.bool)
    found = camera_motion(a, known, b, known)
    assert found.shape == truth.shape
    assert median_error(found, seen(truth)) < 2


def seen(truth):
    """NaN where the other view does not show the place at all."""
    place = truth + grid(*truth.shape[-2:], truth)
    edge = torch.tensor([truth.shape[-1], truth.shape[-2]]).view(2, 1, 1)
    inside = ((place >= 0) & (place < edge)).all(1, keepdim=True)
    return torch.where(inside, truth, torch.nan)


def test_it_reaches_into_the_white(panorama):
    """A quarter of the frame is lost, and the motion is right there as well."""
    (a, b), truth = turned(panorama, 12, 0)
    known, everywhere = torch.ones_like(a, dtype=torch.bool), torch.ones_like(b, dtype=torch.bool)
    known[..., 24:72, 40:104] = False
    a = torch.where(known, a, 3.0)
    found = camera_motion(a, known, b, everywhere)
    assert median_error(found[..., 24:72, 40:104], truth[..., 24:72, 40:104]) < 2.5


def test_something_that_moves_does_not_mislead_it(panorama):
    (a, b), truth = turned(panorama, 10, 0)
    a, b = 3 * a, 3 * b  # a scene of some contrast
    known = torch.ones_like(a, dtype=torch.bool)
    a[..., 30:66, 30:44], b[..., 30:66, 60:74] = -2.0, -2.0  # the other way
    assert median_error(camera_motion(a, known, b, known), truth) < 3


def test_each_pair_of_a_batch_is_searched_on_its_own(panorama):
    pairs = [turned(panorama, yaw, 0) for yaw in (-6, 14)]
    a, b = (torch.cat([stops[i] for stops, _ in pairs]) for i in (0, 1))
    known = torch.ones_like(a, dtype=torch.bool)
    together = camera_motion(a, known, b, known)
    for i in range(2):
        alone = camera_motion(a[i : i + 1], known[:1], b[i : i + 1], known[:1])
        assert torch.allclose(together[i], alone[0], atol=1e-2)


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_where_nothing_can_be_compared_nothing_moves(size):
    white = torch.zeros(1, 1, *size)
    unknown = torch.zeros_like(white, dtype=torch.bool)
    known = ~unknown
    for one, other in ((unknown, known), (known, unknown), (unknown, unknown), (known, known)):
        assert camera_motion(white, one, white, other).abs().max() < 1e-3


def test_grid_says_where_each_cell_is():
    assert torch.equal(grid(2, 3, torch.zeros(()))[:, 1, 2], torch.tensor([2.0, 1.0]))


def test_warp_fetches_from_where_the_displacement_points():
    maps = torch.rand(1, 2, 6, 8)
    moved = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    fetched = warp(maps, moved)
    assert torch.allclose(fetched[..., 1:, :-2], maps[..., :-1, 2:], atol=1e-5)
    assert fetched[..., 0, :].abs().max() < 1e-6  # beyond the edge
