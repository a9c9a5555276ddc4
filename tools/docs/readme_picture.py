"""Make the pictures of README and docs/answer.md with the course's own networks.

    python -m tools.docs.readme_picture        needs Chromium

docs/first_screen.png: the astronaut's face, reduced to 48 x 48 pixels and enlarged 8x three times.
docs/workflow.png: a cat on its way through MSSNet. Both are figures that a notebook would show,
photographed in a browser.
"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from mssnet_edu import degrade, files, images, restore, samples
from mssnet_edu.show import diagram, figures
from mssnet_edu.show.look import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
FACE = (128, 24, 192, 192)  # left, top, width, height in the astronaut's photograph
SMALL_PX = 48
ANSWERS = {
    "bicubic": "no network: smooth",
    "RRDN": "careful, and a little soft",
    "RRDN + Real-ESRGAN": "whose eyes are these?",
}


def first_screen() -> Figure:
    """The small photo, then each answer."""
    face = images.crop(samples.load("astronaut"), FACE)
    small = degrade.downscale(face, FACE[2] // SMALL_PX)
    careful = restore.upscale(small, 8, model="rrdn-x8")
    bold = restore.upscale(degrade.downscale(careful, 4), 4, model="realesrgan-x4")  # as in 00
    answers = [restore.upscale(small, 8, model="bicubic"), careful, bold]
    return figures.photos(
        [small, *answers],
        titles=["a small photo", *ANSWERS],
        captions=["all that was recorded", *ANSWERS.values()],
        columns=4,
        alt="A face of 48 x 48 pixels, and three enlargements: smooth, soft, brand-new.",
    )


def workflow() -> Figure:
    """The figure of notebooks 00, 02 and 04: input, model, output, and the tensors between them."""
    cat = images.crop(samples.load("cat"), (112, 68, 192, 192))
    return diagram.workflow("mssnet-x8-fidelity", degrade.downscale(cat, 8))


def screenshot(html: str, path: Path) -> None:
    """Save an HTML figure as Chromium draws it, at twice the size for sharp text."""
    names = ("chromium", "chromium-browser", "google-chrome")
    installed = next(filter(None, map(shutil.which, names)), None)  # None: playwright's own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 700}, device_scale_factor=2)
        page.set_content(html)
        with files.replacing(path) as part:
            page.locator("figure").first.screenshot(path=part)
        browser.close()


if __name__ == "__main__":
    for figure in (first_screen, workflow):
        path = DOCS / f"{figure.__name__}.png"
        screenshot(figure().html, path)
        print(path)
