"""Sliders call their function again after each move, and never hide an error."""

import ipywidgets
import pytest
import torch

import mssnet_edu as me
from mssnet_edu.show.widgets import sliders


def test_sliders_call_again_after_a_move():
    def show(length_px=5, kind="line", loud=False):
        return f"<b>{length_px} {kind} {loud}</b>"

    box = me.show.sliders(show, length_px=(1, 9, 2), kind=["line", ("a shake", "shake")], loud=True)
    assert box.view.value == "<b>5 line False</b>"
    assert box.controls["length_px"].description == "length (px)"
    assert box.controls["length_px"].continuous_update is False
    box.controls["length_px"].value = 9
    box.controls["kind"].value = "shake"
    assert box.view.value == "<b>9 shake False</b>"
    still = box._repr_mimebundle_()[0]["text/html"]
    assert "<b>9 shake False</b>" in still
    assert "length 9, kind a shake" in still


def test_slider_kinds():
    box = me.show.sliders(lambda a, b, c=0.25: "", a=(0, 3), b=(0.0, 1.0), c=(0, 1, 0.25))
    assert [type(h).__name__ for h in box.controls.values()] == [
        "IntSlider", "FloatSlider", "FloatSlider",
    ]  # fmt: skip
    assert [h.value for h in box.controls.values()] == [0, 0.0, 0.25]


def fails_at_nine(length):
    if length == 9:
        raise ValueError("too <long>")
    return "fine"


def test_a_failing_function_is_seen_by_people_and_tests():
    box = me.show.sliders(fails_at_nine, length=(1, 9))
    box.controls["length"].value = 9
    assert sliders.ERROR_MARK in box.view.value
    assert "ValueError: too &lt;long&gt;" in box.view.value
    assert 'role="alert"' in box.view.value
    box.controls["length"].value = 3
    assert box.view.value == "fine"


def test_what_fails_at_the_start_fails_the_cell():
    with pytest.raises(ValueError, match="too <long>"):
        me.show.sliders(fails_at_nine, length=(9, 12))


def test_own_widgets_with_plain_options_are_tried_too(monkeypatch):
    monkeypatch.setenv(sliders.TRY_ALL, "1")
    tried = []
    choice = ipywidgets.SelectionSlider(options=(1, 2, 4), value=2)
    me.show.sliders(lambda factor: tried.append(factor) or "<p></p>", factor=choice)
    assert {1, 4} <= set(tried)


def test_a_test_run_tries_the_ends(monkeypatch):
    monkeypatch.setenv(sliders.TRY_ALL, "1")
    with pytest.raises(ValueError, match="too <long>"):
        me.show.sliders(fails_at_nine, length=(1, 9))
    assert me.show.sliders(fails_at_nine, length=(1, 8)).view.value == "fine"


def test_the_mark_is_the_one_that_the_course_run_looks_for():
    from tools.notebooks import run as run_course

    assert sliders.ERROR_MARK == run_course.ERROR_MARK
    assert run_course.ERROR_MARK not in me.show.photos(torch.zeros(3, 8, 8)).html


def test_a_function_must_return_a_figure():
    with pytest.raises(TypeError, match=r"me\.show\.figure"):
        me.show.sliders(lambda x: me.show.axes()[0], x=(1, 2))
    with pytest.raises(TypeError, match="Tensor"):
        me.show.sliders(lambda x: torch.zeros(3), x=(1, 2))


def test_a_page_gets_figures_for_the_ends_and_between(monkeypatch):
    def show(length_px=5, kind="line"):
        return f"<b>{length_px} {kind}</b>"

    box = me.show.sliders(show, length_px=(0, 100), kind=["line", ("a shake", "shake")])
    assert sliders.STEPS_MIME not in box._repr_mimebundle_()[0]
    monkeypatch.setenv(sliders.STEPS, "1")
    steps = box._repr_mimebundle_()[0][sliders.STEPS_MIME]
    length, kind = steps["controls"]
    assert (length["description"], kind["labels"]) == ("length (px)", ["line", "a shake"])
    assert [length["labels"][i] for i in (0, length["start"], -1)] == ["0", "5", "100"]
    assert len(steps["figures"]) == 2 * len(length["labels"]) <= sliders.MOST_FIGURES
    for i, label in enumerate(length["labels"]):
        assert steps["figures"][steps["at"][f"{i},1"]] == f"<b>{label} shake</b>"


@pytest.mark.parametrize(
    ("figure_bytes", "ranges", "alone", "count"),
    [
        (10, {"a": (0.0, 1.0)}, False, 8),
        (10, {"a": (-3, 3), "b": ["x", "y", "z"]}, False, 15),
        (10, {"a": (0, 9), "b": (0, 9), "c": True}, True, 16),
        (10, {"a": (0, 1), "b": True}, False, 4),
        (sliders.MOST_BYTES, {"a": (0, 9), "b": (0, 9)}, True, 5),  # heavy figures: fewer
    ],
)
def test_a_page_gets_as_many_figures_as_it_can_hold(figure_bytes, ranges, alone, count):
    def show(**values):
        return f"{values}" + figure_bytes * " "

    steps = me.show.sliders(show, **ranges).steps()
    assert (steps["alone"], len(steps["at"])) == (alone, count)
    assert max(steps["at"].values()) + 1 == len(steps["figures"])
