"""Notebook 05 in JupyterLab: the similarity maps, clicked and moved by keys; an exercise."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "05_sharper_features.ipynb"


@pytest.fixture
def viewer(code_cell):
    """`viewer(which)` finds a similarity viewer, and scrolls it into view."""

    def find(which):
        figure = code_cell("me.show.similarity(", which).locator(".mss-similar")
        figure.scroll_into_view_if_needed()
        expect(figure.locator("canvas").first).to_be_visible()
        return figure

    return find


@pytest.mark.parametrize(("which", "maps"), [(0, 1), (1, 3)], ids=["coarse", "three"])
def test_a_click_chooses_another_place_in_every_map(viewer, pixels, shot, which, maps, look):
    figure = viewer(which)
    canvases = figure.locator("canvas")
    expect(canvases).to_have_count(maps)
    said = figure.locator(".mss-said")
    shot(f"notebook_05_similar_{which}", figure)
    before = [pixels(canvases.nth(i)) for i in range(maps)]
    seen = look(figure)
    photo = figure.locator(".mss-similar-stage").first
    box = photo.bounding_box()
    photo.click(position={"x": 0.15 * box["width"], "y": 0.12 * box["height"]})
    expect(said).to_contain_text(re.compile(r"1[456] % from the left, 1[123] % from the top"))
    after = [pixels(canvases.nth(i)) for i in range(maps)]
    assert all(a != b for a, b in zip(before, after, strict=True))
    look(figure, seen)
    shot(f"notebook_05_similar_{which}_clicked", figure)


def test_arrow_keys_move_by_one_cell(page, viewer, pixels):
    figure = viewer(1)
    finest, said = figure.locator("canvas").last, figure.locator(".mss-said")
    photo = figure.locator(".mss-similar-stage").first
    photo.click(position={"x": 100, "y": 100})
    before, words = pixels(finest), said.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    expect(said).not_to_have_text(words)
    assert pixels(finest) != before
    page.keyboard.press("Shift+ArrowLeft")
    expect(said).to_have_text(words)
    assert pixels(finest) == before


def test_an_untouched_exercise_asks_for_an_answer(code_cell):
    stub = code_cell('me.check("05-a"')
    expect(stub.locator(".jp-OutputArea")).to_contain_text("… 05-a")
