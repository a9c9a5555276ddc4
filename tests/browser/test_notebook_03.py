"""Notebook 03 in JupyterLab: toy, viewer, ablation and comparison, moved by mouse and keys."""

import re

import pytest
from playwright.sync_api import expect

NOTEBOOK = "03_inside_mssnet.ipynb"


@pytest.fixture
def area(code_cell):
    """`area(words)` finds the cell that holds these words, its figure in view."""

    def find(words):
        cell = code_cell(words)
        figure = cell.locator("figure.mss").first
        expect(figure).to_be_visible()
        figure.scroll_into_view_if_needed()
        return cell

    return find


def handle(area, name):
    label = area.page.locator(".widget-label", has_text=re.compile(rf"^{re.escape(name)}$"))
    return area.locator(".widget-inline-hbox", has=label)


@pytest.fixture
def moved(look):
    """`moved(area, before)` waits until another figure stands there, and no error."""

    def wait(area, *before):
        pixels = look(area.locator("figure.mss").first, *before)
        expect(area.get_by_role("alert")).to_have_count(0)
        return pixels

    return wait


def test_the_toy_takes_the_eye_apart_and_together(area, moved, page, shot):
    toy = area("me.show.unshuffle_toy(")
    figure = toy.locator("figure.mss").first
    expect(figure).to_contain_text("unshuffled: 4 pictures")
    expect(figure).to_contain_text("0 of 768 numbers differ")
    first = moved(toy)
    handle(toy, "follow").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    second = moved(toy, first)
    shot("03_toy_follow", toy)
    handle(toy, "factor").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    moved(toy, first, second)
    expect(figure).to_contain_text("unshuffled: 16 pictures")
    expect(figure).to_contain_text("0 of 768 numbers differ")
    shot("03_toy", toy)


def test_the_viewer_shows_other_maps(area, moved, page, shot):
    viewer = area("me.show.feature_viewer(")
    figure = viewer.locator(".mss-beside")
    seen = [moved(viewer)]
    handle(viewer, "stage").get_by_role("combobox").select_option(label="S3-U1")
    seen.append(moved(viewer, *seen))
    expect(figure).to_contain_text("S3-U1, decoder, level 1")
    shot("03_viewer_fine", viewer)
    handle(viewer, "side").get_by_role("combobox").select_option(label="encoder")
    seen.append(moved(viewer, *seen))
    handle(viewer, "level").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    seen.append(moved(viewer, *seen))
    expect(figure).to_contain_text("S3-U1, encoder, level 2")
    handle(viewer, "channel").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    moved(viewer, *seen)
    expect(figure).to_contain_text("channel 12")
    shot("03_viewer", viewer)


def test_the_ablation_is_computed_for_another_photo(area, moved, page, shot):
    cell = area("me.show.sliders(try_without")
    first = moved(cell)
    handle(cell, "photo").get_by_role("combobox").select_option(label="raccoon")
    second = moved(cell, first)
    handle(cell, "length (px)").get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    moved(cell, first, second)
    shot("03_ablation", cell)


def test_without_the_authors_file_the_cell_says_where_it_is(code_cell):
    cell = code_cell('checkpoint = "MSSNet.pt"')
    expect(cell.locator(".jp-OutputArea")).to_contain_text("https://github.com/kky7/MSSNet")


def test_an_untouched_exercise_asks_for_an_answer(code_cell):
    stub = code_cell('me.check("03-a"')
    expect(stub.locator(".jp-OutputArea")).to_contain_text("… 03-a")
