from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from mssnet_edu import samples
from mssnet_edu.models import load_model
from mssnet_edu.models.encoders import encoder
from mssnet_edu.models.vit import ViT

REFERENCE = load_file(Path(__file__).resolve().parents[1] / "data" / "vit_reference.safetensors")


@pytest.fixture(scope="module")
def vit():
    return load_model("vit-s14")


@pytest.fixture(scope="module")
def photo():
    whole = samples.load("astronaut")[None, :, :448, :448]
    return F.interpolate(whole, (224, 224), mode="bicubic", antialias=True)[0].clamp(0, 1)


@pytest.mark.parametrize(("block", "least"), [(7, 1e-2), (8, 1.3e-2), (9, 1.3e-2)])
def test_it_says_what_the_original_says(vit, photo, block, least):
    # tools/provenance/make_vit_reference.py: the ONNX file itself, run by onnxruntime
    wanted = REFERENCE[f"block_{block}"].float()
    with torch.inference_mode():
        found = vit.encode(photo, block)
    assert found.shape == (384, 16, 16)
    assert ((found[:, 1::4, 1::4] - wanted).norm() / wanted.norm()) < least


def test_the_chosen_block_is_one_that_is_exact(vit, photo):
    with torch.inference_mode():
        assert torch.equal(vit.encode(photo), vit.encode(photo, 7))
        assert torch.allclose(vit(photo[None])[0], vit.encode(photo), atol=1e-5)


def test_any_multiple_of_the_patch(vit):
    with torch.inference_mode():
        assert vit.encode(torch.rand(3, 28, 70)).shape == (384, 2, 5)
        assert vit.encode(torch.rand(2, 3, 56, 42)).shape == (2, 384, 4, 3)


def test_a_patch_alone_is_where_it_should_be(vit):
    """The map's rows are the photo's rows: what differs most lies where the photo was changed."""
    photo = torch.full((3, 112, 112), 0.5)
    other = photo.clone()
    other[:, 14:28, 70:84] = torch.rand(3, 14, 14, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        change = (vit.encode(photo) - vit.encode(other)).norm(dim=0)
    assert divmod(int(change.argmax()), 8) == (1, 5)


def test_other_sizes_are_refused_with_advice(vit):
    with pytest.raises(ValueError, match="Resize it to 224 x 98 px"):
        vit.encode(torch.rand(3, 100, 225))
    with pytest.raises(ValueError, match="expected 0 to 9"):
        vit.encode(torch.rand(3, 28, 28), block=10)
    with pytest.raises(ValueError, match="expected 0 to 1"):
        ViT(blocks=2, block=2)


def test_what_is_no_encoder_is_refused():
    with pytest.raises(ValueError, match="'rrdn-x8' is no encoder; use 'vit-s14'"):
        encoder("rrdn-x8")
