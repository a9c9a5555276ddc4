"""The widgets of lesson 08: every zoom of a photo, and the vote."""

import re

import pytest
import torch

from mssnet_edu import images, samples, show, zoom
from mssnet_edu.models.classifier import class_names
from mssnet_edu.show.widgets import vote as vote_widget
from mssnet_edu.show.widgets import zooms as zooms_widget

BEE, HIP = 309, 989


@pytest.fixture(scope="module")
def cat():
    return images.crop(samples.load("cat"), (150, 40, 128, 96))


@pytest.fixture(scope="module")
def answers():
    """A hip everywhere, but a bee in one zoom."""
    probabilities = torch.full((36, 9, 1000), 1e-4)
    probabilities[..., HIP] = 0.7
    probabilities[20, 3, [HIP, BEE]] = torch.tensor([0.1, 0.8])
    return probabilities


def test_nothing_comes_from_elsewhere():
    for widget in (zooms_widget.Zooms, vote_widget.Vote):
        for text in (str(widget._esm), widget._css):
            assert not re.search(r"https?:|//cdn|\bimport\b|@import|url\(|fetch\(", text)


def test_all_zooms_travel_with_the_widget(cat, answers):
    widget = show.zooms({"cat": cat}, {"cat": answers}, {"cat": [BEE]}, alt="A cat.")
    [photo] = widget.photos
    assert (photo["width"], photo["height"]) == (128, 96)
    assert len(photo["classes"]) == len(photo["shares"]) == 324 * 5
    here = 5 * (20 * 9 + 3)
    assert photo["classes"][here : here + 2] == [BEE, HIP]
    assert photo["shares"][here : here + 2] == [0.8, 0.1]
    assert photo["classes"][0] == HIP
    box = 4 * (20 * 9 + 3)
    size_px = zoom.SIZES_PX[20]
    assert photo["boxes"][box : box + 4] == pytest.approx(
        zoom.crop_box(cat, size_px, "left"), abs=0.1
    )
    assert widget.names[str(BEE)] == class_names()[BEE] == "bee"
    assert widget.said(0, size_px, 3) == "bee, 80 %"
    assert widget.said(0, 224, 4) == "hip, 70 %"
    still = widget.still().html
    assert still.count("<img") == 2  # the usual crop, and the best one
    assert f"cat: {size_px} px, left" in still
    assert "A cat." in still


def test_zooms_take_a_place_and_a_size(cat, answers):
    widget = show.zooms({"cat": cat}, {"cat": answers}, {"cat": [BEE]})
    widget.size_px, widget.anchor = 640, 8
    with pytest.raises(Exception, match="size_px"):
        widget.size_px = 641
    with pytest.raises(Exception, match="anchor"):
        widget.anchor = 9


def test_zooms_explain_bad_input(cat, answers):
    with pytest.raises(ValueError, match="the same names"):
        show.zooms({"cat": cat}, {"dog": answers}, {"cat": [BEE]})
    with pytest.raises(ValueError, match="one at least"):
        show.zooms({}, {}, {})
    with pytest.raises(ValueError, match=r"as me\.zoom\.all_zooms returns them"):
        show.zooms({"cat": cat}, {"cat": answers[:3]}, {"cat": [BEE]})
    with pytest.raises(ValueError, match="at least one class"):
        show.zooms({"cat": cat}, {"cat": answers}, {"cat": []})


def test_the_vote_hides_what_it_was_and_counts(cat):
    python, whale = (cat, ("python", 0.56), cat, ["whale"]), (cat, ("orca", 0.9), cat, ["orca"])
    vote = show.vote([python, whale, python], alt="A vote.")
    assert [case["claim"] for case in vote.cases] == ["python, 56 %", "orca, 90 %", "python, 56 %"]
    assert [case["right"] for case in vote.cases] == [False, True, False]
    assert vote.misled == 0
    vote.votes = [True, True]
    assert vote.misled == 1
    vote.votes = [False, False, True]
    assert vote.misled == 1
    still = vote.still().html
    assert still.count("<img") == 3
    assert "They were, 1: whale; 2: orca; 3: whale." in still
    with pytest.raises(ValueError, match="must be a list of"):
        show.vote([])
    with pytest.raises(ValueError, match="must be a list of"):
        show.vote([(cat, "python", cat)])
    with pytest.raises(images.PhotoError, match=r"cases\[0\]"):
        show.vote([(torch.zeros(3), ("python", 0.5), cat, ["whale"])])
