from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mssnet_edu import images, restore
from mssnet_edu.models import load_model
from mssnet_edu.models.maxim import MAXIM, SpatialProjection, gelu, resize

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return MAXIM(width=4, windows=(4, 4, 2, 2), stages=2, bottlenecks=1).eval()


@pytest.fixture(scope="module")
def photo():
    """A really blurred patch."""
    return images.load(DATA / "maxim_input.png")[None]


@pytest.fixture(scope="module")
def answer(photo):
    with torch.inference_mode():
        return load_model("maxim-gopro")(photo).clamp(0, 1)


def agreement_db(one, other):
    return -10 * (one - other).square().mean().log10()


# --- the stored weights --------------------------------------------------------------------------


def test_it_gives_the_packages_own_answer(photo, answer):
    wanted = images.load(DATA / "maxim_output.png")[None]
    gap = (answer - wanted).abs() * 255
    assert gap.mean() < 1
    assert gap.max() < 16  # int8 at a few edges, and the wanted one is rounded; see the card
    assert agreement_db(answer, wanted) > 45
    assert (photo - wanted).abs().mean() * 255 > 3  # it is no small change that they agree on


def test_the_card_holds_what_the_converter_measured():
    measured = load_model("maxim-gopro").info.measured
    [modules] = [v for k, v in measured.items() if k.startswith("modules with")]
    assert list(modules) == ["largest difference on 20 photos, grey levels"]
    assert max(modules.values()) <= 1
    [stored] = [v for k, v in measured.items() if k.startswith("stored int8")]
    assert len(stored) == 20
    assert all(row["agreement, dB"] >= 45 for row in stored.values())
    assert measured["deblurring lost by int8"]["mean, dB"] <= 0.05
    [fast] = [v for k, v in measured.items() if k.startswith("bfloat16")]
    assert all(row["agreement, dB"] >= 48 for row in fast.values())


def test_in_bfloat16_it_answers_nearly_the_same(photo, answer):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        fast = load_model("maxim-gopro")(photo)
    assert agreement_db(answer, fast.float().clamp(0, 1)) > 45


def test_deblur_takes_it_by_name_and_any_size(photo):
    part = photo[0, :, :50, :60]
    sharper = restore.deblur(part, "maxim-gopro")
    assert sharper.shape == part.shape
    assert (sharper - part).abs().mean() > 0.005


# --- its parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 48), (32, 16)])
def test_it_takes_sides_that_are_multiples(small, height, width):
    assert small.multiple_of == 16
    photo = torch.rand(2, 3, height, width)
    with torch.inference_mode():
        answer = small(photo)
        one = small(photo[1:])
    assert answer.shape == photo.shape
    assert torch.allclose(answer[1:], one, atol=1e-5)  # photos of a batch do not mix


def test_other_sides_are_refused_with_advice(small):
    with pytest.raises(ValueError, match="multiples of 16 px"):
        small(torch.rand(1, 3, 16, 24))


def test_the_papers_network_needs_multiples_of_64():
    with torch.device("meta"):
        network = MAXIM()
    assert network.multiple_of == 64
    assert sum(p.numel() for p in network.parameters()) == 22_207_605


def changed(axis, row, column):
    """Which pixels of 8 x 12 hear, through windows of 4 x 4, of a change at one of them."""
    torch.manual_seed(0)
    mix = SpatialProjection(axis, 4)
    x = torch.rand(1, 8, 12, 3)
    y = x.clone()
    y[0, row, column, 1] += 1
    with torch.inference_mode():
        difference = mix(y) - mix(x)
    assert not difference[..., [0, 2]].any()  # channels do not mix
    return difference[0, :, :, 1].abs() > 1e-6


def test_along_the_block_axis_neighbours_talk():
    heard = torch.zeros(8, 12, dtype=torch.bool)
    heard[4:8, 8:12] = True
    assert torch.equal(changed("block", 5, 9), heard)


def test_along_the_grid_axis_pixels_far_apart_talk():
    heard = torch.zeros(8, 12, dtype=torch.bool)
    heard[1::2, 0::3] = True  # 8/4 rows and 12/4 columns apart
    assert torch.equal(changed("grid", 5, 9), heard)


def test_all_windows_are_mixed_alike():
    torch.manual_seed(0)
    mix = SpatialProjection("block", 4)
    x = torch.rand(1, 8, 12, 3)
    moved = x.roll((4, 8), (1, 2))  # by whole windows
    assert torch.allclose(mix(moved), mix(x).roll((4, 8), (1, 2)), atol=1e-6)


def test_gelu_is_torchs_own():
    x = torch.linspace(-12, 12, 2001)
    assert torch.allclose(gelu(x), F.gelu(x, approximate="tanh"), atol=2e-6)


def test_resize_keeps_a_flat_picture_flat():
    flat = torch.full((1, 8, 12, 3), 0.7)
    for factor, size in ((0.5, (4, 6)), (2, (16, 24))):
        assert torch.allclose(resize(flat, factor), torch.full((1, *size, 3), 0.7), atol=1e-6)


def test_gradients_reach_every_weight():
    network = MAXIM(width=4, windows=(2, 2, 2, 1), stages=2, bottlenecks=1)
    network(torch.rand(1, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    dead = [k for k, p in network.named_parameters() if not p.grad.abs().sum() > 0]
    assert all(".attention." in key for key in dead)  # its few ReLUs may all be off
