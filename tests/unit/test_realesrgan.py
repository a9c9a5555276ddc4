from pathlib import Path

import torch

from mssnet_edu import images
from mssnet_edu.models import load_model
from mssnet_edu.models.realesrgan import RealESRGAN

DATA = Path(__file__).resolve().parents[1] / "data"


def test_it_gives_ncnns_own_output():
    """The stored int8 numbers, against ncnn running the original fp16 ones."""
    network = load_model("realesrgan-x4")
    photo = images.load(DATA / "realesrgan_input.png")[None]
    wanted = images.load(DATA / "realesrgan_output.png")
    with torch.inference_mode():
        answer = network(photo)[0].clamp(0, 1)
    gap = (answer - wanted).abs() * 255
    assert gap.mean() < 1
    assert gap.max() < 16  # at a few edges; see the card
    assert -10 * ((answer - wanted) ** 2).mean().log10() > 48


def test_flat_colours_shift_as_they_do_in_ncnn():
    """Blue by 20 of 255: it is the network, not the conversion."""
    network = load_model("realesrgan-x4")
    for line in (DATA / "realesrgan_flat.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        given, ncnn = ([float(v) for v in cell.split()] for cell in line.split("\t")[1:])
        flat = torch.tensor(given).view(1, 3, 1, 1).expand(1, 3, 24, 24) / 255
        with torch.inference_mode():
            middle = network(flat)[0, :, 46:50, 46:50].mean((-1, -2)) * 255
        torch.testing.assert_close(middle, torch.tensor(ncnn), rtol=0, atol=1)


def test_the_card_holds_what_the_converter_measured_against_ncnn():
    """Before int8 the network equals ncnn; only the converter has those numbers to compare."""
    measured = load_model("realesrgan-x4").info.measured
    before = measured["fp16 numbers against ncnn's own output"]
    assert before["largest difference, grey levels"] <= 1
    after = next(v for k, v in measured.items() if k.startswith("stored int8"))
    assert set(after) == {"astronaut", "cat", "coffee"}
    assert all(row["PSNR, dB"] > 48 for row in after.values())


def test_it_takes_one_pixel_and_any_shape():
    network = RealESRGAN(groups=1, width=8, grow=4)
    assert network(torch.rand(1, 3, 1, 1)).shape == (1, 3, 4, 4)
    assert network(torch.rand(2, 3, 5, 7)).shape == (2, 3, 20, 28)


def test_gradients_reach_every_weight():
    network = RealESRGAN(groups=1, width=8, grow=4)
    network(torch.rand(1, 3, 6, 6)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
