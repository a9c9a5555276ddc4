"""The widgets of lesson 08 in JupyterLab: zooms and vote, by mouse, touch and keys."""

import re

import pytest
from playwright.sync_api import expect

ZOOMS = """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
photo = me.samples.load("astronaut")  # 512 x 512
tall = photo[:, :, 100:300]
answers = torch.full((36, 9, 1000), 1e-4)
answers[..., 989] = 0.7  # a hip
answers[:, 3, [989, 309]] = torch.tensor([0.1, 0.8])  # a bee, at the left
flat = torch.full((36, 9, 1000), 1e-3)
both = {"a bee": answers, "a tall one": flat}
zooms = me.show.zooms({"a bee": photo, "a tall one": tall}, both,
    right={"a bee": [309], "a tall one": [7]}, alt="An astronaut.")
zooms
"""
VOTE = """
small = photo[:, :256, :256]
soft = me.degrade.enlarge(me.degrade.downscale(small, 8), 8)
vote = me.show.vote([(soft, ("rock python", 0.56), small, ["grey whale"]),
    (soft, ("grey whale", 0.9), small, ["grey whale"])], alt="A vote.")
vote
"""
CELLS = [ZOOMS, VOTE]


def in_view(page, selector):
    found = page.locator(selector)
    found.scroll_into_view_if_needed()
    return found


@pytest.fixture
def zooms(page):
    found = in_view(page, ".mss-zooms")
    expect(found.locator("canvas")).to_have_count(1)
    return found


def test_a_click_chooses_the_place(zooms, page, pixels, shot):
    said, stage = zooms.locator(".mss-said"), zooms.locator(".mss-zooms-stage")
    first = zooms.locator(".mss-zooms-row").first
    expect(said).to_have_text("224 px, centre: hip, 70 %. That is wrong.")
    expect(first).to_contain_text("hip")
    expect(zooms).to_contain_text("✓ right: bee")
    before = pixels(zooms.locator("canvas"))
    assert set(before.split(",")) > {"0", "255"}  # a picture is in it
    shot("zooms", zooms)
    box = stage.bounding_box()
    stage.click(position={"x": 0.1 * box["width"], "y": 0.5 * box["height"]})
    expect(said).to_have_text("224 px, left: bee, 80 %. That is right.")
    expect(first).to_contain_text("✓ bee")
    assert pixels(zooms.locator("canvas")) != before
    assert float(zooms.get_attribute("data-ms")) < 1000  # the limit
    shot("zooms_left", zooms)


def test_the_place_can_be_dragged(zooms, page, drag):
    drag(page, zooms.locator(".mss-zooms-stage"), 0.5, 0.9, height=0.8)
    expect(zooms.locator(".mss-said")).to_contain_text("224 px, bottom right")


def test_a_large_crop_has_black_around_it(zooms, page):
    said, slider = zooms.locator(".mss-said"), zooms.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("10 px")
    corner = "canvas => Array.from(canvas.getContext('2d').getImageData(2, 2, 1, 1).data).join()"
    assert zooms.locator("canvas").evaluate(corner) == "0,0,0,255"
    page.keyboard.press("End")
    expect(said).to_contain_text("1024 px")
    assert slider.get_attribute("aria-valuetext") == "1024 px"


def test_keys_move_the_place_and_change_the_size(zooms, page):
    said, stage = zooms.locator(".mss-said"), zooms.locator(".mss-zooms-stage")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    stage.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    expect(said).to_contain_text("1024 px, top left")  # and no farther
    page.keyboard.press("ArrowDown")
    page.keyboard.press("-")
    expect(said).to_contain_text("911 px, left: bee")
    page.keyboard.press("+")
    expect(said).to_contain_text("1024 px, left")
    for key in ("a", "b", "x", "d", "d", "m"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    expect(stage).to_be_focused()


def test_another_photo(zooms, page, pixels, shot):
    before = pixels(zooms.locator("canvas"))
    zooms.get_by_role("button", name="a tall one").click()
    expect(zooms).to_contain_text("200 × 512 px")
    expect(zooms.get_by_role("button", name="a tall one")).to_have_attribute("aria-pressed", "true")
    expect(zooms.locator(".mss-said")).to_contain_text("That is wrong")
    page.wait_for_timeout(500)
    assert pixels(zooms.locator("canvas")) != before
    shot("zooms_tall", zooms)


def test_all_stands_side_by_side_on_a_laptop(zooms, page, shot):
    page.set_viewport_size({"width": 1366, "height": 768})
    zooms.get_by_role("button", name="a bee").click()
    tops = {round(panel.bounding_box()["y"]) for panel in zooms.locator(".mss-panels > div").all()}
    shot("zooms_laptop", page)
    page.set_viewport_size({"width": 1440, "height": 1000})
    assert len(tops) == 1


def test_zooms_on_a_narrow_page(zooms, page, shot):
    zooms.get_by_role("button", name="a bee").click()  # the wider one
    toggle = "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
    page.evaluate(toggle)
    page.set_viewport_size({"width": 420, "height": 800})
    zooms.scroll_into_view_if_needed()
    edges = zooms.evaluate("e => [e.scrollWidth, e.clientWidth]")
    shot("zooms_narrow", zooms)
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.evaluate(toggle)
    assert edges[0] <= edges[1] + 1  # nothing sticks out


def test_vote(page, shot):
    vote = in_view(page, ".mss-vote")
    said, pictures = vote.locator(".mss-said"), vote.locator("img")
    forth = vote.get_by_role("button", name="Next picture")
    expect(vote).to_contain_text("The classifier says: rock python, 56 %.")
    expect(said).to_have_text("Choose one.")
    expect(forth).to_be_disabled()
    expect(pictures.last).to_be_hidden()  # the original
    assert "grey whale" not in vote.inner_text()
    shot("vote", vote)
    vote.get_by_role("button", name="Yes, I accept it").click()
    expect(said).to_have_text("It was: grey whale. The classifier was wrong.")
    expect(pictures.last).to_be_visible()
    vote.get_by_role("button", name="No", exact=True).click(force=True)  # changes nothing
    expect(said).to_contain_text("was wrong")
    shot("vote_done", vote)
    forth.click()
    expect(vote).to_contain_text("Picture 2 of 2")
    expect(pictures.last).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text(re.compile("You accepted 1 of 2; in 1 of these .* was wrong"))
    expect(said).to_contain_text("You refused 1; in 1 of these it was right.")
    vote.get_by_role("button", name="Vote again").click()
    expect(said).to_have_text("Choose one.")
