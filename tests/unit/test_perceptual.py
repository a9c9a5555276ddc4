import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mssnet_edu import samples
from mssnet_edu.models import load_model
from mssnet_edu.models.perceptual import BlurPool

DATA = Path(__file__).resolve().parents[1] / "data"
REFERENCE = json.loads((DATA / "stlpips_reference.json").read_text(encoding="utf-8"))


def pairs():
    """The same pairs as in tools/provenance/make_stlpips_reference.py."""
    astronaut = samples.load("astronaut")[None, :, 0:128, 160:288]
    cat = samples.load("cat")[None, :, 60:160, 120:231]
    return {
        "noise": (astronaut, (astronaut + 0.1 * torch.sin(torch.arange(128.0) * 2.3)).clamp(0, 1)),
        "eighth": (astronaut, F.interpolate(F.avg_pool2d(astronaut, 8), scale_factor=8)),
        "shifted": (cat[..., :-1], cat[..., 1:]),
        "equal": (cat, cat),
    }


@pytest.mark.parametrize("name", REFERENCE)
def test_it_gives_the_packages_own_number(name):
    one, other = pairs()[name]
    with torch.inference_mode():
        distance = load_model("st-lpips")(one, other).item()
    assert distance == pytest.approx(REFERENCE[name], abs=3e-5)  # fp16 weights; fp32: no difference


def test_a_batch_is_measured_photo_by_photo():
    one, other = torch.rand(3, 3, 32, 40), torch.rand(3, 3, 32, 40)
    network = load_model("st-lpips")
    with torch.inference_mode():
        together = network(one, other)
        alone = torch.cat([network(one[i : i + 1], other[i : i + 1]) for i in range(3)])
    assert together.shape == (3,)
    assert torch.allclose(together, alone, atol=1e-5)


def test_gradients_are_finite_on_a_black_photo():
    # where every map is zero, the length of the vector has no derivative
    black = torch.zeros(1, 3, 32, 32, requires_grad=True)
    load_model("st-lpips")(black, torch.rand(1, 3, 32, 32)).sum().backward()
    assert torch.isfinite(black.grad).all()


def test_blur_pool_keeps_a_flat_picture_and_blurs_a_dot():
    pool = BlurPool()
    assert torch.allclose(pool(torch.ones(1, 2, 8, 8)), torch.ones(1, 2, 5, 5))
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 3, 3] = 1
    assert pool(dot)[0, 0, 2, 2] == 0.25  # the middle of [1 2 1] x [1 2 1] / 16
