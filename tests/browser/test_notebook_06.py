"""Notebook 06 in JupyterLab: its dial, trust map and game answer where the learner meets them.

What each of them does in detail is tested in test_invented.py.
"""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "06_why_it_looks_real.ipynb"


@pytest.fixture
def widget(code_cell):
    """`widget(call, selector)` finds what the cell with this call shows, in view."""

    def find(call, selector):
        figure = code_cell(call).locator(selector).first
        figure.scroll_into_view_if_needed()
        expect(figure).to_be_visible()
        return figure

    return find


@pytest.mark.parametrize(
    ("call", "selector"), [("me.show.dial(", ".mss-dial"), ("me.show.trust(", ".mss-trust")]
)
def test_the_slider_changes_the_picture_and_the_sentence(
    page, shot, call, selector, pixels, widget
):
    figure = widget(call, selector)
    slider, said = figure.get_by_role("slider"), figure.locator(".mss-said")
    canvas = figure.locator("canvas").first
    shot(f"notebook_06{selector.replace('.mss-', '_')}", figure)
    words, before = said.inner_text(), pixels(canvas)
    slider.focus()
    page.keyboard.press("Home")
    expect(said).not_to_have_text(words)
    assert pixels(canvas) != before
    assert float(figure.get_attribute("data-ms")) < 300
    shot(f"notebook_06{selector.replace('.mss-', '_')}_home", figure)


def test_every_pair_of_the_game_can_be_played(shot, widget):
    game = widget("me.show.guess_game(", ".mss-game")
    said, choices = game.locator(".mss-said"), game.locator(".mss-game-choice")
    pairs = int(re.search(r"of (\d+)", game.locator(".mss-title").inner_text())[1])
    for number in range(1, pairs + 1):
        choices.first.click()
        expect(said).to_contain_text(re.compile(rf"of {number} found"))
        if number < pairs:
            game.get_by_role("button", name="Next pair").click()
    shot("notebook_06_game", game)
    expect(said).to_contain_text("tossing a coin finds")


def test_the_report_is_shown(shot, widget):
    report = widget("me.show.report(", '[role="group"]')
    expect(report).to_contain_text("were not recorded but invented")
    shot("notebook_06_report", report)
