"""Notebook 06 in JupyterLab: its dial, trust map and game answer where the learner meets them.

What each of them does in detail is tested in test_invented.py.
"""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "notebooks/06_why_it_looks_real.ipynb"
PIXELS = """canvas => Array.from(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.slice(0, 400000)).join()"""


@pytest.fixture(scope="module")
def page(lab, shared_page):
    """The notebook, run once."""
    lab.open_run(shared_page, NOTEBOOK, timeout_s=1200)
    return shared_page


def widget(page, call, selector):
    """The widget that the cell with this call shows, in view."""
    cell = page.locator(".jp-CodeCell", has_text=call).first
    cell.scroll_into_view_if_needed()
    found = cell.locator(selector).first
    found.scroll_into_view_if_needed()
    expect(found).to_be_visible()
    return found


@pytest.mark.parametrize(
    ("call", "selector"), [("me.show.dial(", ".mss-dial"), ("me.show.trust(", ".mss-trust")]
)
def test_the_slider_changes_the_picture_and_the_sentence(page, shot, call, selector):
    figure = widget(page, call, selector)
    slider, said = figure.get_by_role("slider"), figure.locator(".mss-said")
    canvas = figure.locator("canvas").first
    shot(f"notebook_06{selector.replace('.mss-', '_')}", figure)
    words, pixels = said.inner_text(), canvas.evaluate(PIXELS)
    slider.focus()
    page.keyboard.press("Home")
    expect(said).not_to_have_text(words)
    assert canvas.evaluate(PIXELS) != pixels
    assert float(figure.get_attribute("data-ms")) < 300
    shot(f"notebook_06{selector.replace('.mss-', '_')}_home", figure)


def test_every_pair_of_the_game_can_be_played(page, shot):
    game = widget(page, "me.show.guess_game(", ".mss-game")
    said, choices = game.locator(".mss-said"), game.locator(".mss-game-choice")
    pairs = int(re.search(r"of (\d+)", game.locator(".mss-title").inner_text())[1])
    for number in range(1, pairs + 1):
        choices.first.click()
        expect(said).to_contain_text(re.compile(rf"of {number} found"))
        if number < pairs:
            game.get_by_role("button", name="Next pair").click()
    shot("notebook_06_game", game)
    expect(said).to_contain_text("tossing a coin finds")


def test_the_report_is_shown(page, shot):
    report = widget(page, "me.show.report(", '[role="group"]')
    expect(report).to_contain_text("were not recorded but invented")
    shot("notebook_06_report", report)
