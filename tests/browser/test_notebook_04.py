"""Notebook 04 in JupyterLab: three figures with handles, a comparison of seven, and an exercise."""

import re
import time

from playwright.sync_api import expect

NOTEBOOK = "04_from_deblurring_to_8x.ipynb"


def pictures(area):
    return area.locator("figure.mss img").evaluate_all("all => all.map(i => i.src)")


def changed(area, before, seconds=60):
    """Wait until another figure stands there; which of its pictures are new, and no error."""
    until = time.monotonic() + seconds
    while (now := pictures(area)) == before and time.monotonic() < until:
        area.page.wait_for_timeout(200)
    expect(area.get_by_role("alert")).to_have_count(0)
    return [a != b for a, b in zip(before, now, strict=True)]


def test_blur_by_hand(handles, page, shot):
    area, handle = handles("blur (px)")
    before = pictures(area)
    handle.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    assert changed(area, before) == [True, False]  # the enlarged photo stays what it is
    expect(area).to_contain_text(re.compile(r"alike to \d\d\.\d dB"))
    shot("04_blur", area)


def test_average_by_hand(handles, page, shot):
    area, handle = handles("how many")
    before = pictures(area)
    handle.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert changed(area, before) == [True, True, False]  # the network's answer stays
    expect(area).to_contain_text("16 of 16")
    shot("04_average", area)
    before = pictures(area)
    _, rule = handles("rule")
    rule.get_by_role("combobox").select_option("median")
    assert changed(area, before) == [False, True, False]  # another rule, the same pictures
    shot("04_median", area)


def test_factors(handles, page, shot):
    area, handle = handles("doublings")
    handle.get_by_role("slider").focus()
    for key, factor in (("Home", "2x"), ("End", "16x")):
        before = pictures(area)
        page.keyboard.press(key)
        assert changed(area, before) == [True, True, False]
        expect(area).to_contain_text(f"1/{factor[:-1]}")
        shot(f"04_sign_{factor}", area)
    before = pictures(area)
    _, network = handles("model")
    network.get_by_role("combobox").select_option("mssnet-x8-realism")
    assert changed(area, before) == [False, True, False]


def test_the_same_eye_seven_times(page, shot, look):
    widget = page.locator(".mss-compare").first
    widget.scroll_into_view_if_needed()
    stage, grip = widget.locator(".mss-stage"), widget.get_by_role("slider")
    grip.focus()
    seen = set()
    for key in "234567":
        page.keyboard.press(key)
        expect(widget.get_by_label("Picture on the right")).to_have_value(str(int(key) - 1))
        seen.add(look(stage, *seen))
        if key in "34":
            shot(f"04_eye_{key}", widget)
    assert len(seen) == 6


def test_an_exercise_answers(page, code_cell):
    cell = code_cell('me.check("04-b"')
    expect(cell).to_contain_text("Not answered yet")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    answer = "lambda photos, chances: sum(a * b for a, b in zip(chances, photos))"
    page.keyboard.insert_text(f'me.check("04-b", {answer})')
    page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text("the most faithful picture is blurry", timeout=60_000)
