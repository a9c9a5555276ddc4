"""The widgets of lesson 06 in JupyterLab: dial, trust map and game, by mouse and by keys."""

import re

from playwright.sync_api import expect

PHOTOS = """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
photo = me.samples.load("astronaut")  # 512 x 512
small = me.degrade.downscale(photo, 8)
dial = me.show.dial(small, photo, alt="An astronaut.")
dial
"""
TRUST = """
smooth = me.degrade.enlarge(small, 8)
doubt = me.hallucination.trust_map({"smooth": smooth, "sharp": photo})
me.show.trust(doubt, truth=photo, alt="An astronaut, doubtful cells covered.")
"""
GAME = """
half = photo[:, :256, :256]
pairs = [(half, half.flip(-1), "mirrored"), (half, smooth[:, :256, :256], "smooth")]
game = me.show.guess_game(pairs, alt="Which is the photograph?")
game
"""
CELLS = [PHOTOS, TRUST, GAME]


def in_view(page, selector):
    found = page.locator(selector)
    found.scroll_into_view_if_needed()
    return found


def milliseconds(widget):
    return float(widget.get_attribute("data-ms"))


def test_dial(page, shot, pixels):
    dial = in_view(page, ".mss-dial")
    said, slider = dial.locator(".mss-said"), dial.get_by_role("slider")
    pictures = dial.locator("canvas")
    expect(pictures).to_have_count(3)
    expect(said).to_contain_text("1.00 × invented")
    seen = {1: [pixels(pictures.nth(i)) for i in range(3)]}
    shot("dial_1", dial)
    slider.focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("nothing is added")
    seen[0] = [pixels(pictures.nth(i)) for i in range(3)]
    assert seen[0][0] != seen[1][0]  # the picture
    assert seen[0][1] == seen[1][1]  # what was recorded stays
    assert seen[0][2] != seen[1][2]  # the invented part is grey now
    assert set(seen[0][2].split(",")) == {"128", "255"}
    agreement = float(re.search(r"again: ([\d.]+) dB", said.inner_text())[1])
    assert agreement > 45
    dial.get_by_role("button", name="mosaic start").click()
    expect(pictures.first).to_have_attribute("aria-label", re.compile("nothing is added"))
    assert pixels(pictures.first) != seen[0][0]
    expect(dial.locator(".mss-mark-recorded")).to_have_text("recorded")
    # the squares are the small photo: all that they lose is their rounding to 8 bits, 58.9 dB
    assert float(re.search(r"again: ([\d.]+) dB", said.inner_text())[1]) > 57
    shot("dial_0_mosaic", dial)
    slider.focus()
    page.keyboard.press("End")
    expect(said).to_contain_text("2.00 × invented")
    shot("dial_2", dial)
    dial.get_by_role("button", name="smooth start").click()
    expect(dial.locator(".mss-mark-recorded")).to_have_count(0)  # a guess between the squares
    for _ in range(3):
        page.keyboard.press("Tab")
    slider.focus()
    times = []
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        times.append(milliseconds(dial))
    # the limit, at 512 x 512; the best of five, for a machine is rarely idle
    assert min(times) < 300, times


def test_trust(page, shot, drag, pixels):
    trust = in_view(page, ".mss-trust")
    said, slider = trust.locator(".mss-said"), trust.get_by_role("slider")
    veil = trust.locator(".mss-trust-stage canvas")
    before = pixels(veil)
    expect(said).to_contain_text(re.compile(r"\d+ % of the cells .* % really are"))
    shot("trust", trust)
    slider.focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("at most 0 grey levels")
    assert pixels(veil) != before
    page.keyboard.press("End")
    expect(said).to_contain_text(re.compile("^(9[5-9]|100) %"))
    assert milliseconds(trust) < 300
    shot("trust_open", trust)


def test_game(page, shot):
    game = in_view(page, ".mss-game")
    said, choices = game.locator(".mss-said"), game.locator(".mss-game-choice")
    forth = game.get_by_role("button", name="Next pair")
    expect(said).to_have_text("Choose one.")
    expect(forth).to_be_disabled()
    choices.last.click()  # with two pairs, the photograph lies once on each side
    expect(said).to_contain_text(re.compile("^(Right|No: the other one).*[01] of 1 found"))
    expect(game.locator(".mss-mark-original")).to_have_text("the photograph")
    first = choices.first.locator("img").get_attribute("src")
    choices.first.click(force=True)  # a second choice changes nothing
    expect(said).to_contain_text("of 1 found")
    forth.click()
    expect(game.locator(".mss-title")).to_contain_text("Pair 2 of 2")
    assert choices.first.locator("img").get_attribute("src") != first
    expect(game.locator(".mss-mark-original")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    expect(said).to_contain_text(re.compile("2 of 2 found; .* happen by chance in"))
    shot("game", game)
    game.get_by_role("button", name="Play again").click()
    expect(said).to_have_text("Choose one.")
