"""Notebook 00 in JupyterLab: both comparisons handled, and an exercise answered."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "00_the_question.ipynb"


@pytest.mark.parametrize(("which", "first", "second"), [(0, "2", "3"), (1, "2", "3")])
def test_comparisons(page, shot, drag, which, first, second, look):
    widget = page.locator(".mss-compare").nth(which)
    widget.scroll_into_view_if_needed()
    stage, grip = widget.locator(".mss-stage"), widget.get_by_role("slider")
    right = widget.get_by_label("Picture on the right")
    grip.focus()
    page.keyboard.press(first)
    expect(right).to_have_value(str(int(first) - 1))
    before = look(stage)
    shot(f"notebook_00_{which}", widget)
    page.keyboard.press(second)
    expect(right).to_have_value(str(int(second) - 1))
    look(stage, before)
    before = look(stage)
    drag(page, stage, 0.5, 0.2)
    expect(grip).to_have_attribute("aria-valuenow", re.compile("^(19|20|21)"))
    look(stage, before)


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
