"""Make docs/first_screen.png, the picture at the top of the README, with the course's own networks.

    python scripts/readme_picture.py        needs Chromium

The astronaut's face is reduced to 48 x 48 pixels and enlarged 8x in three ways; the figure is the
one that a notebook would show, photographed in a browser.
"""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

import mssnet_edu as me

OUT = Path(__file__).resolve().parent.parent / "docs" / "first_screen.png"
FACE = (128, 24, 192, 192)  # left, top, width, height in the astronaut's photograph
SMALL_PX = 48
ANSWERS = {
    "bicubic": "no network: smooth",
    "rrdn-x8": "careful, and a little soft",
    "realesrgan-x4": "sharp, and somebody else",
}


def figure():
    """Return the figure: the small photo, then each answer."""
    face = me.images.crop(me.samples.load("astronaut"), FACE)
    small = me.degrade.downscale(face, FACE[2] // SMALL_PX)
    answers = [me.upscale(small, 8, model=name) for name in ANSWERS]
    return me.show.photos(
        [small, *answers],
        titles=["in: a small photo", *(f"out: {name}" for name in ANSWERS)],
        captions=["all that was recorded", *ANSWERS.values()],
        columns=4,
        alt="A face of 48 x 48 pixels, and three enlargements of it that show different faces.",
    )


def photograph(html, out):
    """Save an HTML figure as Chromium draws it, at twice the size for sharp text."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 700}, device_scale_factor=2)
        page.set_content(html)
        part = out.with_suffix(".part.png")
        page.locator("figure").first.screenshot(path=part)
        browser.close()
    os.replace(part, out)


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    photograph(figure()._repr_html_(), OUT)
    print(OUT)
