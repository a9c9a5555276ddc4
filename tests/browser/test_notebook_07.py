"""Notebook 07 in JupyterLab: its exposure slider, films and game answer where the learner is.

What scrubber and game do in detail is tested in test_film.py.
"""

import re

from playwright.sync_api import expect

NOTEBOOK = "07_overexposed_video.ipynb"


def test_more_exposure_clips_more(page, handles, shot, look):
    area, row = handles("exposure (EV)")
    picture = area.locator("figure.mss img").first
    expect(picture).to_be_visible()
    before = look(picture)
    shot("notebook_07_exposure", area)
    row.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(area.locator(".mss-title").first).to_have_text("+1.0 EV")
    look(picture, before)
    shot("notebook_07_exposure_end", area)


def test_the_films_play_by_keys(page, code_cell, shot):
    for number, cell in enumerate(("clipped (% of the frame)", '"remembered (dB)"')):
        film = code_cell(cell).locator(".mss-scrubber").first
        film.scroll_into_view_if_needed()
        said, image = film.locator(".mss-said"), film.locator("img").first
        film.get_by_role("slider").focus()
        page.keyboard.press("Home")
        expect(said).to_contain_text("Frame 1 of 24")
        first = image.get_attribute("src")
        page.keyboard.press("End")
        expect(said).to_contain_text("Frame 24 of 24")
        assert image.get_attribute("src") != first
        shot(f"notebook_07_film_{number}", film)


def test_the_game_ends_with_all_scores(page, code_cell, shot):
    game = code_cell("me.show.reference_game(").locator(".mss-reference")
    game.scroll_into_view_if_needed()
    game.get_by_role("button", name="Adopt this frame").click()
    for _ in range(22):
        page.keyboard.press("k")
    said = game.locator(".mss-said")
    db = r"[\d.]+ dB"
    scores = rf"Your film: {db}. learned policy: {db}; oracle: {db}; never adopt: {db}"
    expect(said).to_contain_text(re.compile(scores))
    yours, _, best, _ = map(float, re.findall(r"([\d.]+) dB", said.inner_text()))
    assert yours <= best  # nobody beats the oracle
    shot("notebook_07_game", game)


def test_the_timeline_and_the_scores_are_shown(code_cell, shot):
    timeline = code_cell("me.show.decisions(").locator("figure.mss img")
    timeline.scroll_into_view_if_needed()
    expect(timeline).to_be_visible()
    shot("notebook_07_timeline", timeline)
    table = code_cell("selection.compare(").locator("table")
    expect(table.locator("tbody tr")).to_have_count(12)
    shot("notebook_07_scores", table)
