"""Notebook 09 in JupyterLab: a photo from the disk goes through the cells, and leaves its files."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

NOTEBOOK = "09_your_photo.ipynb"


def test_it_runs_with_the_old_portrait_and_leaves_its_files(page, lab, code_cell, shot):
    made = lab.folder / "notebooks"
    assert (made / "my_photo.html").stat().st_size < 15e6
    assert (made / "my_photo_8x.png").exists()
    shot("notebook_09_trust", code_cell("me.show.trust("))


def test_a_photo_of_twenty_megabytes_is_taken_and_diagnosed(page, code_cell, shot):
    values = np.random.default_rng(3).integers(0, 255, (2500, 2700, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", compress_level=0)
    assert len(file.getvalue()) > 20_000_000
    upload = code_cell("me.show.upload(")
    upload.locator("input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(upload.locator(".mss-said")).to_contain_text("mine.png, 2700 × 2500 px")
    shot("notebook_09_upload", upload)
    for words in ("photo = me.images.load(path)", "found = me.diagnose("):
        code_cell(words).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
    expect(code_cell("found = me.diagnose(")).to_contain_text("2700 x 2500 px")


def test_the_handle_says_how_much_is_invented(handles, page):
    output, row = handles("invented")
    expect(output.locator(".mss").first).to_contain_text("invented=0.5")
    row.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(output.locator(".mss").first).to_contain_text("invented=0.75: made small, it agrees")
