"""The figures of lesson 06: dial, trust map, game and report."""

import re

import pytest
import torch

from mssnet_edu import degrade, diagnosis, hallucination, images, metrics, samples, show
from mssnet_edu.operators import blend_invented


@pytest.fixture(scope="module")
def cat():
    return images.crop(samples.load("cat"), (150, 40, 128, 96))


@pytest.fixture(scope="module")
def small(cat):
    return degrade.downscale(cat, 8)


def numbers(data, shape):
    return torch.frombuffer(bytearray(data), dtype=torch.int16).reshape(shape) / 16384


def test_the_dial_sends_what_the_page_needs(cat, small):
    widget = show.dial(small, cat.flip(-1), alt="A cat.")
    full = numbers(widget.full, cat.shape)
    assert metrics.consistency_db(full, small) > 50
    torch.testing.assert_close(
        numbers(widget.smooth, cat.shape),
        blend_invented(small, cat, 0),
        atol=1e-4,
        rtol=0,
    )
    torch.testing.assert_close(numbers(widget.small, small.shape), small, atol=1e-4, rtol=0)
    assert widget.shape == [16, 12]
    assert widget.factor == 8
    still = widget.still()
    assert still.html.count("<img") == 4
    assert "A cat." in widget._repr_mimebundle_()[0]["text/html"]


def test_the_dial_explains_bad_input(cat, small):
    with pytest.raises(images.PhotoError, match="whole number of times larger"):
        show.dial(torch.rand(3, 10, 10), cat)
    with pytest.raises(images.PhotoError, match=r"the dial takes up to.*Cut the same part"):
        show.dial(torch.rand(3, 150, 150), torch.rand(3, 1200, 1200))


@pytest.fixture(scope="module")
def doubt(cat, small):
    return hallucination.trust_map([cat, degrade.enlarge(small, 8)])


def test_trust_covers_what_is_doubtful(doubt, cat):
    widget = show.trust(doubt, truth=cat, threshold=5)
    assert (widget.rows, widget.columns) == doubt.expected.shape
    assert widget.expected == pytest.approx(doubt.expected.flatten().tolist())
    assert max(widget.errors) == 0  # the answer is the original here
    assert show.trust(doubt).threshold == round(float(doubt.expected.median()))
    everything = show.mask_doubtful(doubt, 0.0)
    cell = (slice(None), slice(0, 8), slice(0, 8))
    assert (everything[cell] - cat[cell]).abs().mean() > 0.1
    nothing = show.mask_doubtful(doubt, 300)
    torch.testing.assert_close(nothing, cat)
    half = show.mask_doubtful(doubt, float(doubt.expected.median()))
    changed = degrade.downscale((half - cat).abs().clamp(0, 1), 8).mean(0) > 0.01
    assert torch.equal(changed, doubt.expected > doubt.expected.median())
    assert "doubtful cells" in widget.still().html
    with pytest.raises(TypeError, match=r"me\.hallucination\.trust_map\(candidates\)"):
        show.trust(doubt.expected)


def test_the_game_hides_and_counts(cat):
    pairs = [(cat, cat.flip(-1), "mirrored")] * 12
    game = show.guess_game(pairs, seed=3)
    sides = [r["truth"] for r in game.rounds]
    assert 2 <= sum(sides) <= 10  # the photograph is not always on one side
    assert [r["truth"] for r in show.guess_game(pairs, seed=3).rounds] == sides
    assert all(r["left"] != r["right"] for r in game.rounds)
    for seed in range(5):  # who always clicks on one side finds half of them
        truths = [r["truth"] for r in show.guess_game(pairs[:5], seed=seed).rounds]
        assert abs(2 * sum(truths) - 5) == 1
    game.choices = sides[:5]
    assert game.hits == 5
    game.choices = [1 - side for side in sides]
    assert game.hits == 0
    assert game.still().html.count("<img") == 24
    with pytest.raises(images.PhotoError, match="expected one size"):
        show.guess_game([(cat, cat[..., :50])])
    with pytest.raises(ValueError, match="must be a list of"):
        show.guess_game([])


@pytest.fixture(scope="module")
def small_cat():
    return degrade.downscale(images.crop(samples.load("cat"), (150, 40, 128, 128)), 8)


@pytest.fixture(scope="module")
def made(small_cat, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "cat.html"
    return show.report(small_cat, path, n=3, title="A cat & its whiskers"), path


def test_the_report_is_whole_and_needs_nothing(made, small_cat):
    report, path = made
    page = path.read_text(encoding="utf-8")
    assert page == report.page
    assert "{{" not in page  # a style sheet that a browser would drop
    assert page.startswith("<!doctype html>")
    assert "<title>A cat &amp; its whiskers</title>" in page
    sources = re.findall(r"(?:src|href)=[\"']([^\"']+)", page)
    assert sources
    assert all(source.startswith("data:image/png") for source in sources)
    assert "<script" not in page
    # pictures: in, out, recorded, invented, the rivals, the answer twice
    assert page.count("<img") == 8
    assert "98.4 %" in page
    assert "128 × 128" in page
    for name in ("realesrgan-x4", "rrdn-x8"):
        assert f"<b>{name}</b>" in page
    assert metrics.consistency_db(report.answer, small_cat) > 60
    assert "agrees with the photo exactly" in page
    assert page.count("<div") == page.count("</div>")


def test_the_report_takes_another_answer(small_cat):
    other = show.report(small_cat, n=2, model="rrdn-x8, then realesrgan-x4")
    names = list(other.candidates)
    assert torch.equal(other.answer, other.candidates[names[1]])
    with pytest.raises(ValueError, match="the answers compared here are"):
        show.report(small_cat, n=2, model="mona-lisa")


def test_the_report_takes_an_answer_of_ones_own(small_cat):
    mine = degrade.enlarge(small_cat, 8)
    found = diagnosis.diagnose(small_cat)
    own = show.report(small_cat, n=2, answer=mine, model="by hand", diagnosis=found)
    assert next(iter(own.candidates)) == "by hand"
    assert len(own.candidates) == 3
    assert metrics.consistency_db(own.answer, small_cat) > 50
    assert metrics.psnr(own.answer, mine) > 25
    assert "enlarged 8x: by hand" in own.page
    assert found["noise"].sentence in own.page
    assert [kind for kind, _, _ in own.verdict] == ["recorded", "invented", "least doubtful"]
    named = own.page.count("a classifier says") + own.page.count("a classifier is sure of")
    assert named == 2 * 4  # below each picture, and in its text
    with pytest.raises(images.PhotoError, match="8 times the photo are"):
        show.report(small_cat, answer=mine[..., :-8])


def test_the_report_refuses_early(small_cat, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.html"):
        show.report(small_cat, tmp_path / "cat.pdf")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        show.report(small_cat, tmp_path / "nowhere" / "cat.html")
    with pytest.raises(images.PhotoError, match="from 16 to 256 px"):
        show.report(torch.rand(3, 8, 300))
