"""MSSNet used as an upscaler: factors, draws, and the noise that tiles share."""

import pytest
import torch

import mssnet_edu as me
from mssnet_edu.models import mssnet_upscaler
from mssnet_edu.mssnet import MSSNetConfig

SMALL = {"wf": 4, "scale": 4, "vscale": 4}


@pytest.fixture(scope="module")
def fidelity():
    return mssnet_upscaler.build(**SMALL).eval()


@pytest.fixture(scope="module")
def realism():
    return mssnet_upscaler.build(**SMALL, noise=True, takes_seed=True).eval()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_factors(fidelity, factor):
    with torch.no_grad():
        assert fidelity(torch.rand(1, 3, 16, 24), factor).shape == (1, 3, 16 * factor, 24 * factor)


def test_another_factor_is_refused(fidelity):
    with pytest.raises(ValueError, match="trained for 2, 4, 8"):
        fidelity(torch.rand(1, 3, 16, 16), 3)


def test_a_seed_is_a_draw(realism):
    photo = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        one, again, other = (realism(photo, 4, seed) for seed in (1, 1, 2))
        noise = realism.draw_noise(tuple(photo.shape), 4, 1)
        assert torch.equal(one, realism(photo, 4, noise=noise))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("factor", [2, 8])
def test_one_number_is_drawn_for_each_recorded_pixel(realism, factor):
    noise = realism.draw_noise((2, 3, 50, 40), factor, 1)
    assert noise.shape == (2, 1, 50 * factor, 40 * factor)
    numbers = torch.randn(2, 1, 50, 40, generator=torch.Generator().manual_seed(1))
    assert torch.equal(noise, realism.enlarge(numbers, factor))


def test_fidelity_has_no_draws(fidelity):
    assert fidelity.draw_noise((1, 3, 8, 8), 8, 0) is None


def test_stages_end_with_the_answer(realism):
    photo = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        *_, last = realism.stages(photo, 4, seed=5)
        torch.testing.assert_close(last.photo, realism(photo, 4, seed=5))


def test_a_card_must_not_promise_draws_the_network_has_not():
    with pytest.raises(ValueError, match="takes_seed"):
        mssnet_upscaler.build(**SMALL, takes_seed=True)
    assert MSSNetConfig(**SMALL).noise is False


@pytest.fixture(scope="module")
def strip():
    """A small photo, long enough for two tiles."""
    whole = me.images.crop(me.samples.load("raccoon"), (192, 256, 640, 128))
    return me.degrade.downscale(whole, 8)


def test_upscale_draws_by_seed(strip):
    draws = [me.upscale(strip, 4, "mssnet-x8-realism", seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert float((draws[0] - draws[2]).abs().mean()) > 1 / 255
    assert all(me.metrics.consistency_db(draw, strip) > 30 for draw in draws)


def test_tiles_of_a_draw_have_no_seams(strip):
    whole, tiled = (
        me.upscale(strip, 4, "mssnet-x8-realism", seed=3, tile_px=tile) for tile in (None, 48)
    )
    assert float((whole - tiled).abs().mean()) < 0.5 / 255
    assert float((whole - tiled).abs().max()) < 16 / 255


def test_a_seed_does_no_harm_where_nothing_is_drawn(strip):
    one, other = (me.upscale(strip, 2, "mssnet-x8-fidelity", seed=seed) for seed in (0, 1))
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["mssnet-x8-fidelity", "mssnet-x8-realism"])
def test_128_px_are_enlarged_in_one_piece(name):
    """Two overlapping tiles would compute more than a third of the picture twice."""
    shapes = []

    class Stand(torch.nn.Module):
        """Has the network's card, and none of its work."""

        info = me.models.info(name)

        def forward(self, photo, factor, seed=0):
            shapes.append(tuple(photo.shape))
            return torch.zeros(1, 3, factor * photo.shape[-2], factor * photo.shape[-1])

    me.upscale(torch.rand(3, 128, 128), 8, Stand())
    assert shapes == [(1, 3, 136, 136)]  # with its mirrored edges
