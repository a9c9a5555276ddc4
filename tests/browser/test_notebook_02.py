"""Notebook 02 in JupyterLab, handled as a learner would: its three stage players, and a check."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "02_mssnet_stage_by_stage.ipynb"
CAT, CAR, STREET = range(3)


@pytest.fixture
def player(code_cell):
    """`player(which)` finds a stage player, and scrolls it into view."""

    def find(which):
        figure = code_cell("me.show.stage_player(", which).locator(".mss-player")
        figure.scroll_into_view_if_needed()
        expect(figure.locator(".mss-view img")).to_have_count(2)
        return figure

    return find


def test_cat_by_buttons_tells_psnr(player, shot, look):
    cat = player(CAT)
    said, view = cat.locator(".mss-said"), cat.locator(".mss-view").first
    expect(said).to_contain_text("The blurred photo")
    cat.get_by_role("button", name=re.compile("^S3-U3")).click()
    expect(said).to_contain_text(re.compile(r"S3-U3: PSNR \d\d\.\d\d dB"))
    shot("notebook_02_cat", cat)
    sharp = look(view)
    cat.get_by_role("button", name=re.compile("^S1-U1")).click()
    expect(said).to_contain_text("at half size")
    coarse = look(view, sharp)
    cat.get_by_role("button", name="next stage").click()
    expect(said).to_contain_text("S2-U1")
    look(view, coarse, sharp)
    cat.get_by_role("button", name="the blurred photo", exact=True).click()
    expect(cat.get_by_role("button", name="previous stage")).to_be_disabled()
    shot("notebook_02_cat_blurred", cat)


def test_cat_closer_by_a_click(player, shot, look):
    cat = player(CAT)
    views = cat.locator(".mss-view")
    cat.get_by_role("button", name=re.compile("^S3-U3")).click()
    before = [look(views.nth(i)) for i in range(2)]
    views.first.click(position={"x": 75, "y": 97})  # an eye
    expect(views.first).to_have_class(re.compile("mss-close"))
    for i in range(2):
        look(views.nth(i), before[i])
    shot("notebook_02_cat_close", cat)
    views.first.click(position={"x": 75, "y": 97})
    expect(views.first).not_to_have_class(re.compile("mss-close"))


@pytest.mark.parametrize("which", [CAR, STREET], ids=["car", "street"])
def test_real_photos_by_keyboard_tell_no_psnr(player, page, shot, which, look):
    photo = player(which)
    said, view = photo.locator(".mss-said"), photo.locator(".mss-view").first
    expect(said).to_contain_text("S3-U3" if which == STREET else "as it was given")
    photo.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(said).to_contain_text("grey levels")
    expect(photo).not_to_contain_text("PSNR")  # there is no truth to compare with
    shot(f"notebook_02_{['cat', 'car', 'street'][which]}", photo)
    last = look(view)
    page.keyboard.press("Home")
    expect(said).to_contain_text("as it was given")
    first = look(view, last)
    for name in ("S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2", "S3-U3"):
        page.keyboard.press("ArrowRight")
        expect(said).to_contain_text(name)
    assert look(view) == last
    page.keyboard.down("b")
    expect(photo.locator(".mss-panels .mss-title").first).to_have_text("The blurred photo")
    assert look(view) == first
    page.keyboard.up("b")
    expect(said).to_contain_text("S3-U3")


def test_an_untouched_exercise_asks_for_an_answer(code_cell):
    stub = code_cell('me.check("02-a"')
    expect(stub.locator(".jp-OutputArea")).to_contain_text("… 02-a")
