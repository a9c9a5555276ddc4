"""The pages of the course, written without a run: what they hold, and the map that opens them."""

import base64
import io
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tools.notebooks import course_map, pages

ROOT = Path(__file__).resolve().parents[2]


def png_url(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def image_of(url):
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))


def page_of(tmp_path, *outputs, state=None):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell("1", outputs=list(outputs))]
    notebook.metadata["widgets"] = {pages.STATE: {"state": state or {}}}
    return pages.page(notebook, tmp_path / "x.ipynb")


def shown(data):
    return nbformat.v4.new_output("display_data", data)


@pytest.fixture
def photo():
    """Smooth, so that a WebP of it is shorter."""
    row = np.arange(64, dtype=np.uint8)
    return np.stack([row + row[:, None], row * 2 + 0 * row[:, None], row[:, None] + 0 * row], -1)


def test_a_photo_keeps_every_pixel(tmp_path, photo):
    url = png_url(photo)
    page = page_of(tmp_path, shown({"text/html": f'<img alt="it" src="{url}">'}))
    (stored,) = pages.PICTURE.findall(page)
    assert len(stored) < len(url)
    assert np.array_equal(np.asarray(image_of(stored).convert("RGB")), photo)


@pytest.mark.parametrize(("width", "same"), [(64, True), (128, True), (32, False)])
def test_only_what_is_shown_smaller_may_lose_a_pixel(tmp_path, width, same):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    html = f'<img alt="it" src="{png_url(noise)}" width="{width}">'
    (stored,) = pages.PICTURE.findall(page_of(tmp_path, shown({"text/html": html})))
    pixels = np.asarray(image_of(stored).convert("RGB"))
    assert np.array_equal(pixels, noise) == same
    model = {"model_name": "AnyModel", "buffers": []}
    model["state"] = {"_esm": "", "_css": "", "url": png_url(noise)}
    views = [shown({pages.VIEW: {"model_id": "m"}, "text/html": html}), shown({"text/html": html})]
    page = page_of(tmp_path, *views, state={"m": model})
    for stored in pages.PICTURE.findall(page):  # a loupe may go closer
        assert np.array_equal(np.asarray(image_of(stored).convert("RGB")), noise)


def test_a_widget_is_stored_once_and_cannot_end_its_script(tmp_path, photo):
    url, other = png_url(photo), png_url(photo[::-1].copy())
    model = {
        "model_name": "AnyModel",
        "state": {"_esm": "export default {}", "_css": ".a{}", "url": url, "again": [url, other]},
        "buffers": [{"path": ["data"], "data": base64.b64encode(bytes(1000)).decode()}],
    }
    model["state"]["alt"] = "</script><b>"
    html = f'<img alt="" src="{url}">'
    views = [shown({pages.VIEW: {"model_id": "m"}, "text/html": html}) for _ in range(2)]
    page = page_of(tmp_path, *views, state={"m": model})
    assert page.count('data-widget="m"') == 2
    assert page.count("export default {}") == 1
    # twice as a still, and in no place more: the widget knows the number of that <img>
    assert len(pages.PICTURE.findall(page)) == 3
    stored = re.search(r'id="widgets">(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in stored
    kept = json.loads(stored)["models"]["m"]
    assert kept["state"]["alt"] == "</script><b>"
    assert kept["state"]["again"] == [kept["state"]["url"], "picture:1;"]
    pictures = json.loads(re.search(r'id="pictures">(.*?)</script>', page, re.DOTALL)[1])
    tags = re.findall(r"<img\b[^>]*>", page)  # the browser's document.images
    assert pages.PICTURE.findall(tags[pictures[0]])
    assert np.array_equal(np.asarray(image_of(pictures[1]).convert("RGB")), photo[::-1])
    assert len(kept["buffers"]["data"]) < 100


def test_neighbours_are_linked_and_the_map_follows_the_needs():
    course = course_map.lessons(ROOT / "notebooks")
    assert [lesson.number for lesson in course] == [f"{i:02}" for i in range(len(course))]
    third = course_map.neighbours(ROOT / "notebooks" / f"{course[2].stem}.ipynb")
    assert (third["previous"], third["next"]) == (course[1], course[3])
    assert course_map.neighbours(ROOT / "other.ipynb") == {"previous": None, "next": None}
    for lesson in course:
        assert all(need < lesson.number for need in lesson.needs)


def lesson(number, *needs):
    return course_map.Lesson(
        f"{number}_x", number, f"T{number}", "Why?", ["see"], 5, 6, list(needs)
    )


def test_the_map_has_no_arrow_that_another_one_says_already():
    course = [lesson("00"), lesson("01", "00"), lesson("02", "00", "01"), lesson("03", "01")]
    arrows = course_map.nearest_needs(course)
    assert arrows == {"00": [], "01": ["00"], "02": ["01"], "03": ["01"]}
    heights = {box["lesson"].number: box["y"] for box in course_map.drawing(course, [])["boxes"]}
    assert heights["00"] < heights["01"] < heights["02"] == heights["03"]


def test_the_index_links_only_pages_that_are_there():
    index = course_map.index_page([lesson("00"), lesson("01", "00")], ["00_x"], {})
    assert index.count('href="00_x.html"') == 2  # in the map, in the list
    assert 'href="01_x.html"' not in index
    assert "no page yet" in index
    assert "after 00" in index
