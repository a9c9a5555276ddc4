from pathlib import Path

import torch

from mssnet_edu import images
from mssnet_edu.models import load_model
from mssnet_edu.models.rrdn import RRDN

DATA = Path(__file__).resolve().parents[1] / "data"
PATCH_PX, TOP, LEFT = 16, 56, 56  # as in tools/provenance/convert_rrdn.py


def test_it_gives_the_packages_own_sample_output():
    """Within one grey level, on the part of the sample whose input the patch depends on."""
    network = load_model("rrdn-x8")
    halo = network.info.halo_px
    photo = images.load(DATA / "rrdn_input.png")[None]
    wanted = images.load(DATA / "rrdn_output_patch.png")
    box = photo[
        ..., TOP - halo : TOP + PATCH_PX + halo, LEFT - halo : LEFT + PATCH_PX + halo
    ]  # a quarter of the photo: quicker, and no different
    with torch.inference_mode():
        answer = network(box)[0]
    inner = answer[:, 8 * halo : 8 * (halo + PATCH_PX), 8 * halo : 8 * (halo + PATCH_PX)]
    difference = (inner.clamp(0, 1) - wanted).abs().max() * 255
    assert difference <= 1  # the sample is rounded to 8 bits, the weights to 16


def test_a_tile_with_its_halo_is_as_good_as_the_whole():
    network = load_model("rrdn-x8")
    halo = network.info.halo_px
    photo = images.load(DATA / "rrdn_input.png")[None, :, 30:78, 30:78]
    with torch.inference_mode():
        whole = network(photo)[..., 20 * 8 : 28 * 8, 20 * 8 : 28 * 8]
        part = photo[..., 20 - halo : 28 + halo, 20 - halo : 28 + halo]
        tile = network(part)[..., halo * 8 : -halo * 8, halo * 8 : -halo * 8]
    assert (whole - tile).abs().max() < 1e-3


def test_it_takes_one_pixel_and_any_shape():
    network = RRDN(c=2, d=1, g=4, g0=8, t=1, factor=8)
    assert network(torch.rand(1, 3, 1, 1)).shape == (1, 3, 8, 8)
    assert network(torch.rand(2, 3, 5, 7)).shape == (2, 3, 40, 56)


def test_gradients_reach_every_weight():
    network = RRDN(c=2, d=2, g=4, g0=8, t=2, factor=2)
    network(torch.rand(1, 3, 6, 6)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
