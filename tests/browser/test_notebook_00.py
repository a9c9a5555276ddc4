"""Notebook 00 in JupyterLab: comparisons handled, a choice kept, and an exercise answered."""

import re

from playwright.sync_api import expect

NOTEBOOK = "00_the_question.ipynb"


def test_the_old_photo_is_compared(page, shot, drag, look):
    widget = page.locator(".mss-compare").first
    widget.scroll_into_view_if_needed()
    stage, grip = widget.locator(".mss-stage"), widget.get_by_role("slider")
    before = look(stage)
    shot("notebook_00_old", widget)
    drag(page, stage, 0.5, 0.2)
    expect(grip).to_have_attribute("aria-valuenow", re.compile("^(19|20|21)"))
    look(stage, before)


def test_the_faces_are_compared(page, shot, drag, look):
    widget = page.locator(".mss-compare").nth(1)
    widget.scroll_into_view_if_needed()
    stage, grip = widget.locator(".mss-stage"), widget.get_by_role("slider")
    right = widget.get_by_label("Picture on the right")
    grip.focus()
    page.keyboard.press("2")
    expect(right).to_have_value("1")
    before = look(stage)
    shot("notebook_00_faces", widget)
    page.keyboard.press("3")
    expect(right).to_have_value("2")
    look(stage, before)
    before = look(stage)
    drag(page, stage, 0.5, 0.2)
    expect(grip).to_have_attribute("aria-valuenow", re.compile("^(19|20|21)"))
    look(stage, before)


def test_a_choice_is_kept(page, code_cell):
    cell = code_cell('me.keep("00-face"')
    expect(cell).to_contain_text("Nothing chosen yet")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text('me.keep("00-face", "B", "ABC"); me.kept("00-face")')
    page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text("Kept for later: B.", timeout=60_000)


def test_an_exercise_answers(page, shot, code_cell):
    cell = code_cell('me.check("00-a"')
    expect(cell).to_contain_text("Not answered yet")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text('me.check("00-a", lambda factor: 1 - 1 / factor**2)')
    page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text("63 of 64 pixels", timeout=60_000)
    shot("notebook_00_exercise", cell)


def test_solutions_are_folded(page):
    solution = page.locator("details", has_text="Solution of 00-a").first
    solution.scroll_into_view_if_needed()
    expect(solution.locator("pre").first).to_be_hidden()
    solution.locator("summary").click()
    expect(solution.locator("pre").first).to_be_visible()
