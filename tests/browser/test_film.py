"""The widgets of lesson 07 in JupyterLab: scrubber and reference game, by mouse and by keys.

Both must work without a kernel: it is ended before the first test.
"""

import re

import pytest
from playwright.sync_api import expect

SCRUBBER = """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
film = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 3, 32, 56).contiguous()
gaps = torch.tensor([1.0, 2, float("nan"), 4, 5, 6])
me.show.scrubber({"as filmed": film, "clipped": me.show.mark_clipped(film)},
    {"brightness (%)": 100 * film.mean((1, 2, 3)), "quality (dB)": gaps},
    marks={"clipped": "invented"}, fps=20, alt="It grows bright.")
"""
GAME = """
selection = me.reference_selection
none = torch.full((6,), 10.0)
earlier = torch.ones(6, 6).tril(-1).bool()
pairs = (20.0 + torch.arange(6).expand(6, 6)).where(earlier, torch.nan)
none[3], pairs[3] = torch.nan, torch.nan
table = selection.Qualities(pairs, none, none + 20, none - 5)
rivals = {"never": [None] * 6, "oracle": selection.oracle(table)}
me.show.reference_game(film, table, rivals, [f"note {t + 1}" for t in range(6)], alt="A game.")
"""
CELLS = [SCRUBBER, GAME]


@pytest.fixture(scope="module")
def no_kernel(page, lab):
    """The widgets have all that they need: they go on when the kernel is gone."""
    expect(page.locator(".mss-reference")).to_be_visible()
    lab.stop_kernels()


def in_view(page, selector):
    found = page.locator(selector)
    found.scroll_into_view_if_needed()
    return found


def test_scrubber_by_keys(page, no_kernel, shot):
    film = in_view(page, ".mss-scrubber")
    said, image = film.locator(".mss-said"), film.locator("img").first
    expect(said).to_have_text("Frame 1 of 6 · brightness (%) 0.0 · quality (dB) 1.0")
    first = image.get_attribute("src")
    film.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("Frame 2 of 6 · brightness (%) 20.0")
    assert image.get_attribute("src") != first
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("quality (dB) –")
    page.keyboard.press("End")
    expect(said).to_contain_text("Frame 6 of 6")
    expect(film.locator("img").last).to_have_attribute("alt", "It grows bright. clipped, frame 6.")
    expect(film.get_by_role("button", name="next frame")).to_be_disabled()
    shot("scrubber", film)
    page.keyboard.press("Home")
    expect(said).to_contain_text("Frame 1 of 6")
    page.keyboard.press(" ")  # plays to the end, and stops there
    expect(said).to_contain_text("Frame 6 of 6")
    expect(film.get_by_role("button", name="play the film")).to_have_text("Play")


def test_scrubber_by_mouse(page, no_kernel):
    film = in_view(page, ".mss-scrubber")
    said = film.locator(".mss-said")
    film.get_by_role("button", name="previous frame").click()
    expect(said).not_to_contain_text("Frame 6 of 6")
    curve = film.locator(".mss-curve svg").first
    box = curve.bounding_box()
    curve.click(position={"x": 0.6 * box["width"], "y": 20})
    expect(said).to_contain_text("Frame 4 of 6")
    film.get_by_role("slider").fill("2")
    expect(said).to_contain_text("Frame 3 of 6")


def test_game_by_keys_and_again_by_mouse(page, no_kernel, shot):
    game = in_view(page, ".mss-reference")
    said, titles = game.locator(".mss-said"), game.locator(".mss-title")
    expect(titles.first).to_have_text("Now: frame 1 of 6")
    expect(titles.last).to_have_text("In memory: nothing")
    expect(said).to_contain_text("Filled without a reference: 10.0 dB")
    oracle = game.locator(".mss-reference-track", has_text="oracle")
    expect(oracle).to_be_hidden()  # no peeking
    game.get_by_role("button", name="Adopt this frame").focus()
    page.keyboard.press("a")
    expect(titles.last).to_have_text("In memory: frame 1")
    expect(said).to_contain_text("Filled with frame 1: 20.0 dB")
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("Here is nothing to fill")
    page.keyboard.press("a")
    expect(said).to_contain_text("Filled with frame 4: 23.0 dB")
    page.keyboard.press("k")
    # frames 1 to 3, 5 and 6: 10, 20, 20, 23, 23
    expect(said).to_contain_text("Your film: 19.2 dB. never: 10.0 dB; oracle: 19.6 dB.")
    expect(oracle).to_be_visible()
    expect(game.get_by_role("button", name="Adopt this frame")).to_be_disabled()
    expect(game.locator(".mss-reference-cells").first).to_have_attribute(
        "aria-label", re.compile("remembered frame 1, 4")
    )
    shot("reference_game", game)
    game.get_by_role("button", name="Play again").click()
    expect(titles.first).to_have_text("Now: frame 1 of 6")
    game.get_by_role("button", name="Keep the memory").click()
    expect(titles.last).to_have_text("In memory: nothing")
