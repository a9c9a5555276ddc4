"""working_size: a long motion is seen, and told; a sharp photo is left in peace."""

import re
import warnings

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mssnet_edu as me
from mssnet_edu import classical, images, inference, models, samples, working_size
from mssnet_edu.working_size import SizeHint
from tools.docs import render_evaluation
from training import benchmark, report

NETWORKS = ("mssnet-deblur", "maxim-gopro")  # mssnet-ablation is lesson 03's own


class Same(nn.Module):
    """Gives each photo back, and keeps the shapes that it was given."""

    def __init__(self, mends_px=(6, 10, 24), min_px=1):
        super().__init__()
        self.info = models.ModelInfo(
            name="small-net",
            task="deblur",
            architecture="none",
            summary="",
            licence="",
            author="",
            source="",
            made_by="",
            trained_on="",
            parameters=0,
            min_px=min_px,
            mends_px=mends_px,
        )
        self.shapes = []

    def forward(self, photo):
        self.shapes.append(tuple(photo.shape[-2:]))
        return photo


# --- how far did it move? -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*samples.names("sharp"), *samples.names("old")])
def test_no_motion_is_seen_in_a_sharp_photo(name):
    assert classical.motion_extent_px(samples.load(name)) == 0


@pytest.mark.parametrize(
    ("name", "extent_px"),
    [("real_motion_text", 31), ("real_motion_clock", 36), ("real_motion_car", 22)],
)
def test_motion_is_seen_in_moved_photos(name, extent_px):
    assert classical.motion_extent_px(samples.load(name)) == pytest.approx(extent_px, abs=1)


def test_the_extent_of_gopro_like_motion_is_right_to_a_pixel():
    crops = benchmark.load_photos(limit=3)
    for case in benchmark.blurred(crops):
        if case.group == "gopro" and case.case in ("10 px", "24 px"):
            true_px = int(case.case.removesuffix(" px"))
            found_px = classical.motion_extent_px(case.photo)
            assert found_px == pytest.approx(true_px, abs=1.2), (case.name, case.case)


@pytest.mark.parametrize("photo", [torch.full((3, 80, 80), 0.5), torch.rand(3, 40, 90)])
def test_flat_and_tiny_photos_show_no_motion(photo):
    assert classical.motion_extent_px(photo) == 0


# --- which size -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extent_px", "size"), [(0, 1), (24, 1), (24.1, 1 / 2), (48, 1 / 2), (60, 1 / 4), (97, 1)]
)
def test_the_largest_size_that_mends(monkeypatch, extent_px, size):
    monkeypatch.setattr(classical, "motion_extent_px", lambda photo: extent_px)
    assert working_size.advise(torch.rand(3, 100, 100), (6, 24)) == (size, extent_px)


def test_no_size_below_what_the_network_takes(monkeypatch):
    monkeypatch.setattr(classical, "motion_extent_px", lambda photo: 60)
    assert working_size.advise(torch.rand(3, 100, 100), (24,), min_px=26).size == 1
    assert working_size.advise(torch.rand(3, 100, 100), (24,), min_px=25).size == 1 / 4


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_is_the_evaluations(name):
    """Nobody typed it: it follows from the page's own numbers."""
    table = pd.read_csv(render_evaluation.DOCS / "evaluation-deblur_extents.csv")
    gains = table[table.method == name].set_index("extent").gain_db
    assert list(gains.index) == [f"{px} px" for px in benchmark.GOPRO_PX]
    mended = [px for px in benchmark.GOPRO_PX if gains[f"{px} px"] >= report.MENDS_DB]
    assert list(models.info(name).mends_px) == mended
    assert mended
    assert f"motion of {', '.join(map(str, mended))} px" in models.card(name)


# --- me.deblur ------------------------------------------------------------------------------------


def test_a_hint_on_the_moved_text_and_none_where_the_learner_chose():
    text, network = samples.load("real_motion_text"), Same()
    with pytest.warns(SizeHint) as caught:
        answer = me.deblur(text, network)
    hint = "the motion is about 31 px; at half size (294 x 182) it can be mended: size=1/2"
    assert [str(warning.message) for warning in caught] == [hint]
    assert caught[0].filename == __file__  # it points to the learner's own line
    assert answer.shape == text.shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(me.deblur(text, network, size=1), answer)
        half = me.deblur(text, network, size=1 / 2)
        assert torch.equal(me.deblur(text, network, size="auto"), half)
    assert half.shape == (3, 182, 294)
    sharp = F.avg_pool2d(text[None, :, :364], 2)[0]
    assert (half - sharp).abs().mean() < 0.01  # reduced by averaging, and not moved


@pytest.mark.parametrize("name", samples.names("sharp"))
def test_no_hint_on_sharp_photos(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = samples.load(name)
        assert me.deblur(photo, Same(), size="auto").shape == photo.shape
        me.deblur(photo, Same())


def test_a_network_without_a_table_gives_no_hint():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        me.deblur(samples.load("real_motion_text"), Same(mends_px=()))
        me.deblur(samples.load("real_motion_text"), nn.Identity())
    with pytest.raises(ValueError, match=r'small-net mends, so size cannot be "auto"'):
        me.deblur(samples.load("real_motion_text"), Same(mends_px=()), size="auto")


@pytest.mark.parametrize("size", [0, 2, 0.3, True, "1/2", "half", torch.tensor(0.5)])
def test_other_sizes_are_refused_before_any_work(monkeypatch, size):
    monkeypatch.setattr(inference, "load_model", lambda name: pytest.fail("too late"))
    with pytest.raises(ValueError, match=r"expected 1, 1/2, 1/4 or .auto."):
        me.deblur(torch.rand(3, 64, 64), size=size)


def test_too_small_at_that_size_says_so():
    network = Same(min_px=32)
    says = "photo is 60 x 100 px, and at size 1/2 it is 30 x 50 px; the network needs 32 x 32"
    with pytest.raises(images.PhotoError, match=re.escape(says)):
        me.deblur(torch.rand(3, 100, 60), network, size=1 / 2)
    assert network.shapes == []
    batch = me.deblur(torch.rand(2, 3, 130, 140), network, size=1 / 4)
    assert batch.shape == (2, 3, 32, 35)
