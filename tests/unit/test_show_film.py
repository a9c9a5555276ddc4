"""Scrubber, reference game, timeline and hatch: what they carry, and what they refuse."""

import math

import pytest
import torch

from mssnet_edu import images, show
from mssnet_edu.exposure import clipped
from mssnet_edu.reference_selection import Qualities


@pytest.fixture(scope="module")
def film():
    return torch.rand(5, 3, 24, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def table():
    """Frame t with frame s: 20 + s dB; without a reference 10; nothing to judge in frame 2."""
    none = torch.tensor([10.0, 10, math.nan, 10, 10])
    pairs = (20.0 + torch.arange(5.0)).expand(5, 5).clone()
    pairs[torch.ones(5, 5).triu().bool()] = math.nan
    pairs[2] = math.nan
    return Qualities(pairs, none, none + 20, none - 5)


def test_scrubber_carries_every_frame(film):
    numbers = torch.tensor([1.0, math.nan, 3, 4, 5])
    widget = show.scrubber(
        {"one": film, "other": 1 - film}, {"quality": numbers}, {"other": "invented"}, frame=3
    )
    assert [panel["name"] for panel in widget.panels] == ["one", "other"]
    assert [len(set(panel["urls"])) for panel in widget.panels] == [5, 5]
    assert widget.panels[1]["mark"] == "invented"
    assert widget.curves == [{"name": "quality", "values": [1, None, 3, 4, 5]}]  # JSON has no NaN
    assert widget.frame == 3
    assert widget.panels[0]["urls"][0].startswith("data:image/webp;base64,")
    still = widget.still()
    assert still.html.count("<img") == 8
    assert "quality: 5.0" in still.html


def test_scrubber_refuses(film):
    with pytest.raises(images.PhotoError, match="one size and length"):
        show.scrubber({"long": film, "short": film[:3]})
    with pytest.raises(ValueError, match="3 numbers for 5 frames"):
        show.scrubber({"film": film}, {"ev": [1.0, 2, 3]})
    with pytest.raises(ValueError, match="one to four films"):
        show.scrubber({})
    with pytest.raises(ValueError, match="the frames 0 to 4"):
        show.scrubber({"film": film}, frame=5)
    with pytest.raises(ValueError, match="mark is 'real'"):
        show.scrubber({"film": film}, marks={"film": "real"})


def test_the_game_knows_who_was_in_memory(film, table):
    game = show.reference_game(film, table, {"never": [None] * 5})
    assert game.references == [None]
    game.choices = [False, True, False, True]
    assert game.references == [None, None, 1, 1, 3]
    assert game.none == [10, 10, None, 10, 10]
    assert game.pairs[4] == [20, 21, 22, 23, None]  # the present is no reference
    assert game.still().html.count("<img") == 5
    assert len(set(game.urls)) == 5


def test_the_game_refuses(film, table):
    with pytest.raises(ValueError, match=r"rivals\['short'\] is of 2 frames, the clip has 5"):
        show.reference_game(film, table, {"short": [None, 0]})
    with pytest.raises(ValueError, match="cannot have frame 3"):
        show.reference_game(film, table, {"seer": [None, 3, 0, 0, 0]})
    with pytest.raises(ValueError, match="qualities is of 5 frames, the clip has 3"):
        show.reference_game(film[:3], table, {})
    with pytest.raises(ValueError, match="notes is of 1 frames"):
        show.reference_game(film, table, {}, notes=["dark"])


def test_the_hatch_lies_on_clipped_pixels_only():
    frame = torch.full((3, 30, 30), 0.5)
    frame[0, 10:20, 10:20] = 1.0  # one channel is enough
    marked = show.mark_clipped(frame)
    changed = (marked != frame).any(0, keepdim=True)
    assert changed.any()
    assert not (changed & ~clipped(frame)).any()
    assert 0.2 < float(changed[:, 10:20, 10:20].float().mean()) < 0.5
    assert torch.equal(show.mark_clipped(frame[None])[0], marked)


def test_the_timeline_says_who_was_adopted(film):
    runs = {"first": [None, 0, 0, 0, 0], "previous": [None, 0, 1, 2, 3], "none": [None] * 5}
    figure = show.decisions(film, runs, {"brightness": film.mean((1, 2, 3))})
    assert "first 1 time, previous 4 times, none 0 times" in figure.alt
    assert "brightness" in figure.alt
    with pytest.raises(ValueError, match="'first' has 2 entries for 5 frames"):
        show.decisions(film, {"first": [None, 0]})
