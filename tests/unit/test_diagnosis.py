"""me.diagnose: what was done to a photo is found again, in the right amount."""

import functools
import json

import pandas as pd
import pytest
import torch

import mssnet_edu
from mssnet_edu import degrade, diagnosis, images, samples
from mssnet_edu.diagnosis import estimators
from training import evaluate_diagnosis, report_diagnosis


@functools.cache
def photo():
    """Sharp, with little noise of its own: (3, 256, 256)."""
    return images.quantize(degrade.downscale(samples.load("raccoon"), 2)[:, 100:356, 200:456])


def moved(px):
    return degrade.blur(photo(), degrade.line_kernel(px, 30))


def enlarged(share):
    factor = round(100 / share)
    return degrade.enlarge(degrade.downscale(photo(), factor), factor)


def enlarged_jpeg(share):
    return degrade.jpeg(enlarged(share), 75)


def noisy(sigma):
    return degrade.add_noise(degrade.blur(photo(), degrade.gaussian_kernel(1)), sigma / 255)


def whitened(per_cent):
    white = photo().clamp(0.1, 0.9)
    white[:, : round(256 * per_cent / 100)] = 1
    return white


def faded(levels):
    low, high = photo().amin(), photo().amax()
    return 0.3 + (photo() - low) / (high - low) * levels / 255


def cut_jpeg(quality):
    return degrade.jpeg(photo(), quality)[:, 3:, 5:]


def tinted(levels):
    return photo().clamp(0, 0.8) + torch.tensor([levels / 255, 0, 0]).view(3, 1, 1)


@pytest.mark.parametrize(
    ("name", "degraded", "amounts", "within"),
    [
        ("motion", moved, (12, 20, 30), 1.5),
        ("detail", enlarged, (12.5, 25, 50), 6),
        ("detail", enlarged_jpeg, (12.5, 25), 6),
        ("noise", noisy, (3, 6, 12), 0.7),
        ("jpeg", functools.partial(degrade.jpeg, photo()), (30, 50, 75, 90), 1),
        ("jpeg", cut_jpeg, (30, 50, 75), 1),
        ("clipping", whitened, (2, 10, 50), 0.4),
        ("contrast", faded, (40, 80, 120), 20),
        ("cast", tinted, (30, 45), 14),
    ],
)
def test_the_amount_is_found_again(name, degraded, amounts, within):
    found = [diagnosis.diagnose(images.quantize(degraded(amount)))[name] for amount in amounts]
    values = [finding.value or 0 for finding in found]
    assert values == pytest.approx(amounts, abs=within)
    assert values == sorted(values)
    for finding, value in zip(found, values, strict=True):
        if finding.interval:
            assert finding.interval[0] <= value <= finding.interval[1]
    assert found[-1].evidence().alt


def test_a_good_photo_has_no_faults_of_these():
    found = diagnosis.diagnose(photo())
    assert {f.name for f in found.faults} <= {"noise", "contrast", "cast"}
    assert found["jpeg"].value is None
    assert found["motion"].value == 0


@pytest.mark.parametrize(
    ("extent_px", "advice"),
    [(12, 'me.deblur(photo, "maxim-gopro").'), (40, "size=1/2"), (55, "size=1/4")],
)
def test_advice_names_the_network_and_the_size(extent_px, advice):
    large = samples.load("raccoon")[:, :512, :512]
    blurred = images.quantize(degrade.blur(large, degrade.line_kernel(extent_px, 30)))
    assert advice in diagnosis.diagnose(blurred)["motion"].advice


def test_a_jpeg_that_was_resized_has_a_pattern():
    blocks = degrade.jpeg(photo(), 20)
    resized = degrade.resample(blocks, (384, 384), "bicubic").clamp(0, 1)
    assert diagnosis.diagnose(images.quantize(resized))["grid"].value == 12
    with pytest.raises(KeyError, match="there are"):
        diagnosis.diagnose(photo())["grid"]


def test_a_file_tells_its_own_quality(tmp_path):
    file = tmp_path / "photo.jpg"
    images.to_pillow(photo()).save(file, quality=40)
    found = diagnosis.diagnose(images.load(file), file)["jpeg"]
    assert (found.value, found.interval) == (40, None)
    with pytest.raises(images.PhotoError, match=r"photo\.jpg is 256 x 256 px"):
        diagnosis.diagnose(photo()[:, :200], file)


@pytest.mark.parametrize("value", [0, 0.5, 1])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (33, 40), (70, 70)])
def test_flat_and_tiny_photos_give_no_error(size, value):
    found = diagnosis.diagnose(torch.full((3, *size), float(value)))
    assert found["motion"].value in (None, 0)
    assert found["detail"].value is None
    assert found["jpeg"].value is None
    for finding in found:
        if finding.draw and value == 0.5:
            assert finding.evidence().alt


def test_it_is_in_the_top_level():
    assert mssnet_edu.diagnose is diagnosis.diagnose


def test_batches_are_refused():
    with pytest.raises(images.PhotoError, match="batch of 2; expected one photo"):
        diagnosis.diagnose(torch.rand(2, 3, 64, 64))


def test_it_is_the_same_every_time_and_leaves_the_photo_alone():
    before = photo().clone()
    assert str(diagnosis.diagnose(photo())) == str(diagnosis.diagnose(photo()[None]))
    assert torch.equal(before, photo())


def test_it_shows_itself():
    found = diagnosis.diagnose(noisy(10))
    page, text = found._repr_html_(), str(found)
    assert text.splitlines()[0] == "256 x 256 px: worth a look: detail, noise."
    assert found.summary in page
    for finding in found:
        assert f"- {finding.name}: " in text
        assert f"{finding.name}</th>" in page


def test_the_table_the_intervals_and_the_page():
    rows = [{"photo": "a"} | row for row in evaluate_diagnosis.measure("a", photo())]
    table = pd.DataFrame(rows)
    about = evaluate_diagnosis.intervals(table)
    assert about.keys() == diagnosis.accuracy().keys()
    assert about["jpeg"]["difference"] == pytest.approx([0, 0], abs=1)
    json.dumps(about)
    page = report_diagnosis.render(table)
    for case in table.case.unique():
        assert case in page


def test_the_stored_intervals_are_those_of_the_stored_table():
    table = pd.read_csv(evaluate_diagnosis.TABLE)
    assert evaluate_diagnosis.intervals(table) == diagnosis.accuracy()


def test_an_ijg_table_is_its_own_quality():
    for quality in (1, 50, 100):
        assert len(estimators.quantisation(quality)) == 64


def test_of_a_large_photo_the_middle_is_measured():
    photo = degrade.jpeg(samples.load("coffee"), 40)
    large = torch.zeros(3, 2400, 2300)
    top, left = 8 * 110, 8 * 100
    large[:, top : top + photo.shape[1], left : left + photo.shape[2]] = photo
    found = diagnosis.diagnose(large)
    assert (found.width, found.height) == (2300, 2400)
    assert found["jpeg"].value == diagnosis.diagnose(photo)["jpeg"].value
    assert found["clipping"].value > 90  # the black around it counts
