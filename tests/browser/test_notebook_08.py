"""Notebook 08 in JupyterLab: one drag makes a wrong answer right, and a vote is counted.

What the widgets do in detail is tested in test_zooms.py.
"""

import re

from playwright.sync_api import expect

NOTEBOOK = "08_zoom_and_recognition.ipynb"


def test_one_drag_makes_it_right(code_cell, page, shot):
    zooms = code_cell("me.show.zooms(").locator(".mss-zooms").first
    zooms.scroll_into_view_if_needed()
    said, slider = zooms.locator(".mss-said"), zooms.get_by_role("slider")
    expect(said).to_contain_text("224 px, centre")
    expect(said).to_contain_text("That is wrong.")
    shot("notebook_08_zooms", zooms)
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=10)
    page.mouse.up()
    expect(said).to_contain_text("centre: tusker")
    expect(said).to_contain_text("That is right.")
    assert float(zooms.get_attribute("data-ms")) < 1000
    shot("notebook_08_zooms_right", zooms)


def test_the_bee_takes_one_click(code_cell):
    zooms = code_cell("me.show.zooms(").locator(".mss-zooms").first
    zooms.scroll_into_view_if_needed()
    said, stage = zooms.locator(".mss-said"), zooms.locator(".mss-zooms-stage")
    zooms.get_by_role("button", name="the bee").click()
    box = stage.bounding_box()
    stage.click(position={"x": 0.1 * box["width"], "y": 0.5 * box["height"]})
    expect(said).to_contain_text("left: bee")


def test_all_pictures_can_be_voted_on(code_cell, shot):
    vote = code_cell("me.show.vote(").locator(".mss-vote").first
    vote.scroll_into_view_if_needed()
    said = vote.locator(".mss-said")
    count = int(re.search(r"of (\d+)", vote.locator(".mss-title").inner_text())[1])
    wrong = 0
    for number in range(1, count + 1):
        if number == 1:
            shot("notebook_08_vote", vote)
        vote.get_by_role("button", name="Yes, I accept it").click()
        expect(said).to_contain_text("It was:")
        wrong += "The classifier was wrong" in said.inner_text()
        if number < count:
            vote.get_by_role("button", name="Next picture").click()
    assert 0 < wrong < count  # neither "always yes" nor "always no" is right
    expect(said).to_contain_text(
        f"You accepted {count} of {count}; in {wrong} of these the classifier was wrong."
    )
    shot("notebook_08_vote_end", vote)


def test_an_exercise_answers(code_cell, page):
    cell = code_cell('me.check("08-b"')
    expect(cell).to_contain_text("Not answered yet")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text('me.check("08-b", lambda answers: answers[12:18].mean((0, 1)))')
    page.keyboard.press("Control+Enter")
    expect(cell).to_contain_text(re.compile("The mean forgives a view|Which sizes and which"))
