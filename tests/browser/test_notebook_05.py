"""Notebook 05 in JupyterLab: the similarity maps, clicked and moved by keys; an exercise."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "notebooks/05_sharper_features.ipynb"
PIXELS = """canvas => Array.from(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data).join()"""


@pytest.fixture(scope="module")
def page(lab, shared_page):
    """The notebook, run once."""
    lab.open_run(shared_page, NOTEBOOK, timeout_s=1200)
    return shared_page


def viewer(page, which):
    cells = page.locator(".jp-CodeCell", has_text="me.show.similarity(")
    cells.nth(which).scroll_into_view_if_needed()
    found = cells.nth(which).locator(".mss-similar")
    found.scroll_into_view_if_needed()
    expect(found.locator("canvas").first).to_be_visible()
    return found


@pytest.mark.parametrize(("which", "maps"), [(0, 1), (1, 3)], ids=["coarse", "three"])
def test_a_click_chooses_another_place_in_every_map(page, shot, which, maps):
    figure = viewer(page, which)
    canvases = figure.locator("canvas")
    expect(canvases).to_have_count(maps)
    said = figure.locator(".mss-said")
    shot(f"notebook_05_similar_{which}", figure)
    before = [canvases.nth(i).evaluate(PIXELS) for i in range(maps)]
    seen = figure.screenshot(animations="disabled")
    photo = figure.locator(".mss-similar-stage").first
    box = photo.bounding_box()
    photo.click(position={"x": 0.15 * box["width"], "y": 0.12 * box["height"]})
    expect(said).to_contain_text(re.compile(r"1[456] % from the left, 1[123] % from the top"))
    after = [canvases.nth(i).evaluate(PIXELS) for i in range(maps)]
    assert all(a != b for a, b in zip(before, after, strict=True))
    assert figure.screenshot(animations="disabled") != seen
    shot(f"notebook_05_similar_{which}_clicked", figure)


def test_arrow_keys_move_by_one_cell(page):
    figure = viewer(page, 1)
    finest, said = figure.locator("canvas").last, figure.locator(".mss-said")
    photo = figure.locator(".mss-similar-stage").first
    photo.click(position={"x": 100, "y": 100})
    before, words = finest.evaluate(PIXELS), said.inner_text()
    page.keyboard.press("Shift+ArrowRight")
    expect(said).not_to_have_text(words)
    assert finest.evaluate(PIXELS) != before
    page.keyboard.press("Shift+ArrowLeft")
    expect(said).to_have_text(words)
    assert finest.evaluate(PIXELS) == before


def test_an_untouched_exercise_asks_for_an_answer(page):
    stub = page.locator(".jp-CodeCell", has_text='me.check("05-a"').first
    stub.scroll_into_view_if_needed()
    expect(stub.locator(".jp-OutputArea")).to_contain_text("… 05-a")
