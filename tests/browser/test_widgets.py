"""The widgets of me.show, each handled in JupyterLab as a learner would: mouse, keys, buttons."""

import re

import pytest
from playwright.sync_api import expect

PHOTOS = """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
cat = me.images.crop(me.samples.load("cat"), (96, 40, 240, 160))
small = me.degrade.downscale(cat, 4)
smooth = me.degrade.enlarge(small, 4)
"""
COMPARE = 'me.show.compare(smooth, cat, labels=("smooth", "sharp"), truth=cat, alt="A cat.")'
MANY = """me.show.compare_many(
    {"small": small, "smooth": smooth, "original": cat}, truth="original", alt="A cat.",
    marks={"smooth": "invented", "original": "recorded"})"""
PLAYER = """
from mssnet_edu.mssnet import MSSNet, MSSNetConfig

torch.manual_seed(0)
network = MSSNet(MSSNetConfig(4, 4, 4)).eval()
for weight in network.parameters():
    weight.data *= 0.6
me.show.stage_player(network, smooth, truth=cat, alt="A blurred cat.")
"""
SLIDERS = """
def blur(length_px=5, ink="grey"):
    kernel = me.degrade.line_kernel(length_px, 0)
    if length_px == 31:
        raise ValueError("too long for this cat")
    title = f"{length_px} px, {ink}"
    return me.show.photos(me.degrade.blur(cat, kernel), titles=[title], alt="A cat.")

me.show.sliders(blur, length_px=(1, 31, 2), ink=["grey", "blue"])
"""
STILL = """
me.show.photos([small, smooth, cat], titles=["small", "smooth", "sharp"],
    captions=["kept by the camera", "made from it", "the original"],
    marks=["recorded", "invented", "recorded"], alt="Three cats.")
"""
TABLE = """
rows = [["smooth", me.metrics.psnr(smooth, cat), 3], ["sharp", 99.0, 4], ["other", 9.0, 5]]
me.show.table(rows, ["method", "PSNR (dB)", "networks"], caption="Three methods")
"""
CELLS = [PHOTOS, COMPARE, MANY, PLAYER, SLIDERS, STILL, TABLE]


def in_view(page, selector, which=0):
    found = page.locator(selector).nth(which)
    found.scroll_into_view_if_needed()
    return found


@pytest.fixture
def compare(page):
    found = in_view(page, ".mss-compare")
    expect(found.locator("canvas")).to_have_count(3)
    return found


def test_compare_by_mouse(compare, page, shot, drag, look):
    stage, grip = compare.locator(".mss-stage"), compare.get_by_role("slider")
    expect(grip).to_have_attribute("aria-valuenow", "50")
    before = look(stage)
    drag(page, stage, 0.5, 0.25, height=0.6)
    expect(grip).to_have_attribute("aria-valuenow", re.compile("2[45]"))
    look(stage, before)
    shot("compare", compare)


def test_compare_by_touch(compare, page):
    grip, box = compare.get_by_role("slider"), compare.locator(".mss-stage").bounding_box()
    fingers = page.context.new_cdp_session(page)

    def touch(kind, across=None):
        there = {"x": box["x"] + (across or 0) * box["width"], "y": box["y"] + 40}
        points = [] if across is None else [there]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.5)
    for across in (0.55, 0.65, 0.75):
        touch("touchMove", across)
    touch("touchEnd")
    expect(grip).to_have_attribute("aria-valuenow", re.compile("7[456]"))


def test_compare_by_keyboard(compare, page, look):
    stage, grip = compare.locator(".mss-stage"), compare.get_by_role("slider")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    grip.focus()
    page.keyboard.press("Home")
    expect(grip).to_have_attribute("aria-valuenow", "0")
    only_sharp = look(stage)
    page.keyboard.press("End")
    expect(grip).to_have_attribute("aria-valuenow", "100")
    look(stage, only_sharp)
    page.keyboard.press("ArrowLeft")
    expect(grip).to_have_attribute("aria-valuenow", "98")
    # JupyterLab would insert, delete or turn cells at these keys, were they not kept from it
    for key in ("a", "b", "x", "d", "d", "m", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    expect(grip).to_be_focused()


def test_loupe_shows_the_same_spot_in_all(compare, page, pixels):
    panes = compare.locator("canvas")
    before = [pixels(panes.nth(i)) for i in range(3)]
    assert before[0] != before[1]  # smooth and sharp differ
    assert before[1] == before[2]  # "sharp" is the original: one spot, one picture
    compare.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(panes.first).not_to_have_attribute("aria-label", re.compile("around 75 %"))
    moved = [pixels(panes.nth(i)) for i in range(3)]
    assert all(a != b for a, b in zip(before, moved, strict=True))
    assert moved[1] == moved[2]
    compare.get_by_role("button", name="Loupe: magnify more").click()
    expect(panes.first).to_have_attribute("aria-label", re.compile("magnified 8 times"))
    assert pixels(panes.first) != moved[0]


def test_compare_many_by_list_and_keys(page, shot, look):
    widget = in_view(page, ".mss-compare", 1)
    stage, left = widget.locator(".mss-stage"), widget.get_by_label("Picture on the left")
    before = look(stage)
    widget.get_by_role("slider").focus()
    page.keyboard.press("3")
    expect(widget.get_by_label("Picture on the right")).to_have_value("2")
    look(stage, before)
    page.keyboard.press("Shift+Digit2")
    expect(left).to_have_value("1")
    left.select_option(label="1 · small")
    expect(widget.locator(".mss-label-left .mss-size")).to_have_text("60 × 40 px")
    expect(widget.locator(".mss-label-right .mss-mark")).to_have_text("recorded")
    shot("compare_many", widget)


@pytest.fixture
def player(page):
    found = in_view(page, ".mss-player")
    expect(found.locator(".mss-view img")).to_have_count(2)
    return found


def test_stage_player_by_buttons(player, shot, look):
    said, views = player.locator(".mss-said"), player.locator(".mss-view img")
    gains = player.locator(".mss-value:visible", has_text=re.compile(r"\d"))
    expect(said).to_contain_text("The blurred photo: PSNR")  # nothing is given away
    expect(gains).to_have_count(0)
    player.get_by_role("button", name=re.compile("^S3-U3")).click()
    expect(said).to_contain_text("S3-U3: PSNR")
    expect(gains).to_have_count(6)
    last = [views.nth(i).get_attribute("src") for i in range(2)]
    player.get_by_role("button", name="previous stage").click()
    expect(said).to_contain_text("S3-U2")
    assert [views.nth(i).get_attribute("src") for i in range(2)] != last
    player.get_by_role("button", name=re.compile("^S1-U1")).click()
    expect(said).to_contain_text("at half size")
    expect(views.first).to_have_attribute("alt", re.compile("120 × 80 px"))
    player.get_by_role("slider").fill("3")
    expect(said).to_contain_text("S2-U2")
    shot("stage_player", player)
    so_far = look(player.locator(".mss-view").last)
    player.get_by_role("button", name="by this stage").click()
    look(player.locator(".mss-view").last, so_far)
    expect(player).to_contain_text("brighter than before this stage")
    before = look(player.locator(".mss-view").first)
    player.locator(".mss-view").first.click(position={"x": 60, "y": 60})
    look(player.locator(".mss-view").first, before)


def test_stage_player_by_keyboard(player, page):
    said, title = player.locator(".mss-said"), player.locator(".mss-panels .mss-title").first
    player.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("The blurred photo: PSNR")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("S1-U1")
    page.keyboard.press("6")
    expect(said).to_contain_text("S3-U3")
    page.keyboard.down("b")
    expect(title).to_have_text("The blurred photo")
    page.keyboard.up("b")
    expect(title).to_have_text("The picture after S3-U3")
    player.get_by_role("button", name="play all stages").click()
    expect(said).to_contain_text("S1-U1", timeout=5_000)  # it began anew, from the blurred photo
    player.get_by_role("button", name="play all stages").click()


def test_sliders_call_the_function_and_show_its_errors(page, shot):
    area = page.locator(".jp-OutputArea-output", has=page.locator(".widget-slider")).first
    area.scroll_into_view_if_needed()
    picture = area.locator("figure.mss img").first
    before = picture.get_attribute("src")
    area.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(area.locator(".mss-title")).to_have_text("7 px, grey")
    assert picture.get_attribute("src") != before
    area.get_by_role("combobox").select_option("blue")
    expect(area.locator(".mss-title")).to_have_text("7 px, blue")
    shot("sliders", area)
    track = area.locator(".noUi-base").bounding_box()
    knob = area.locator(".noUi-handle").bounding_box()
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"], track["y"] + track["height"] / 2, steps=10)
    page.mouse.up()
    expect(area.get_by_role("alert")).to_contain_text("ValueError: too long for this cat")


def test_still_figures_in_both_themes(lab, page, shot, look, axe):
    figure = page.locator("figure.mss:not(.mss-compare, .mss-player)", has_text="made from it")
    table = page.locator("figure.mss table")
    seen = {}
    for theme in ("Dark", "Light"):
        lab.theme(page, theme)
        table.scroll_into_view_if_needed()
        shot(f"still_{theme.lower()}", page)
        assert [axe(page, part) for part in ("figure.mss", ".widget-vbox")] == [[], []]
        row = table.locator("tbody tr:nth-child(2)").evaluate(
            "row => [getComputedStyle(row).color, getComputedStyle(row).backgroundColor]"
        )
        seen[theme] = (row, look(figure.locator(".mss-grid > figure").first))
    assert seen["Light"] == seen["Dark"]  # opaque: a theme changes nothing in a figure
    assert seen["Dark"][0] == ["rgb(23, 33, 43)", "rgba(0, 0, 0, 0)"]
    assert figure.evaluate("f => getComputedStyle(f).backgroundColor") == "rgb(246, 247, 248)"
    small = figure.get_by_role("img", name=re.compile("^small"))
    assert small.evaluate("i => [i.naturalWidth, i.width % i.naturalWidth]") == [60, 0]
