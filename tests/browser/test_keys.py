"""Keys move the handles in Jupyter Notebook 7 too, and are not taken for its shortcuts."""

import pytest
from playwright.sync_api import expect

CELLS = [
    """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
photo = me.images.crop(me.samples.load("astronaut"), (120, 0, 192, 192))
small = me.degrade.downscale(photo, 8)
me.show.sliders(lambda length_px=5: f"<p>now {length_px}</p>", length_px=(1, 9))
""",
    'me.show.dial(small, photo, alt="An astronaut.")',
    'me.show.compare(me.degrade.enlarge(small, 8), photo, alt="An astronaut.")',
]


@pytest.fixture(scope="module")
def notebook(browser, lab):
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    lab.open_run(page, lab.write("keys.ipynb", CELLS), view="notebooks")
    yield page
    page.context.close()
    lab.stop_kernels()


@pytest.mark.parametrize(
    ("widget", "handle"),
    [(".widget-vbox", ".noUi-handle"), (".mss-dial", "input"), (".mss-compare", "[role=slider]")],
)
def test_keys_move_the_handle(notebook, look, widget, handle):
    cells = notebook.locator(".jp-Cell").count()
    widget = notebook.locator(widget)
    widget.scroll_into_view_if_needed()
    knob = widget.locator(handle)
    knob.focus()
    before = look(widget)
    notebook.keyboard.press("ArrowRight")
    expect(knob).to_be_focused()
    look(widget, before)
    # the shortcuts that would insert, delete and turn cells
    for key in ("a", "b", "d", "d", "x", "m", "ArrowDown"):
        notebook.keyboard.press(key)
    assert notebook.locator(".jp-Cell").count() == cells
    expect(knob).to_be_focused()


def test_handles_have_names(notebook, axe):
    assert axe(notebook, ".widget-vbox") == []
    assert axe(notebook, "figure.mss") == []
