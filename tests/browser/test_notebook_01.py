"""Notebook 01 in JupyterLab: each of its handles is moved as a learner would, and pixels change."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "01_blur_vs_downscaling.ipynb"
# Each slider that a figure hangs on, in the order of the notebook: its name, and a key to press.
SLIDERS = [
    ("frames", "ArrowRight"),
    ("length (px)", "ArrowRight"),
    ("cycles per pixel", "ArrowRight"),
    ("blur length (px)", "ArrowLeft"),
    ("grey levels of noise", "End"),
]
# Each list to choose from: its name, and two entries.
CHOICES = [
    ("scale", "8", "2"),
    ("picture", "a tiled roof", "the sign"),
    ("method", "area", "bicubic"),
    ("holds back", "0.1", "0.01"),
]
COMPARISONS = ["A dark helmet", "A street sign", "The back of a car"]


def pictures(area):
    """All pictures of a figure, as one text: it changes with any pixel."""
    return area.locator("figure.mss img").evaluate_all("all => all.map(i => i.src).join()")


def changed(area, before):
    """Wait until another figure stands there, and no error."""
    one = area.locator("figure.mss img").last
    expect(area.get_by_role("alert")).to_have_count(0)
    old = before.rsplit(",data:", 1)[-1]
    expect(one).not_to_have_attribute("src", "data:" + old.removeprefix("data:"), timeout=30_000)
    expect(area.get_by_role("alert")).to_have_count(0)
    return pictures(area)


@pytest.mark.parametrize(("name", "key"), SLIDERS)
def test_slider(handles, page, shot, name, key):
    area, handle = handles(name)
    before = pictures(area)
    handle.get_by_role("slider").focus()
    page.keyboard.press(key)
    changed(area, before)
    shot(f"01_{name.split(' (')[0].replace(' ', '_')}", area)


@pytest.mark.parametrize(("name", "first", "second"), CHOICES)
def test_choice(handles, shot, name, first, second):
    area, handle = handles(name)
    seen = pictures(area)
    for entry in (first, second):
        handle.get_by_role("combobox").select_option(label=entry)
        seen = changed(area, seen)
    shot(f"01_{name.replace(' ', '_')}", area)


@pytest.mark.parametrize("begin", COMPARISONS)
def test_compare(page, shot, drag, begin, look):
    widget = page.locator(f".mss-compare[aria-label^='{begin}']")
    widget.scroll_into_view_if_needed()
    stage, grip = widget.locator(".mss-stage"), widget.get_by_role("slider")
    drag(page, stage, 0.5, 0.8)
    expect(grip).to_have_attribute("aria-valuenow", re.compile("79|80"))
    mostly_left = look(stage)
    shot(f"01_compare_{begin.split()[-1]}", widget)
    grip.focus()
    page.keyboard.press("Home")
    expect(grip).to_have_attribute("aria-valuenow", "0")
    look(stage, mostly_left)


def test_the_plate_is_found_in_a_real_photo(page):
    """The estimate is computed as the page is read: its name says how far and which way."""
    widget = page.locator(".mss-compare[aria-label^='The back of a car']")
    expect(widget).to_contain_text(re.compile(r"undone: 2[123] px at 4[567]°"))
