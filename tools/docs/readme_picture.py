"""Make the pictures of README and docs/answer.md with the course's own networks.

    python -m tools.docs.readme_picture [NAME ...]        needs Chromium

docs/first_screen.png: the astronaut's face, reduced to 48 x 48 pixels and enlarged 8x three times.
docs/workflow.png: a cat on its way through MSSNet. docs/split.png: an old photo, enlarged 8x, and
the two parts of that. docs/chain.png: the systems of the course on one small photo. All are figures
that a notebook would show, photographed in a browser; those of the page as a phone shows them, so
that their letters can be read on one.
"""

import shutil
import sys
from pathlib import Path

from torch import Tensor

from mssnet_edu import (
    degrade,
    featsharp,
    files,
    hallucination,
    images,
    restore,
    samples,
    zoom,
)
from mssnet_edu.show import diagram, figures
from mssnet_edu.show.look import Figure
from mssnet_edu.show.widgets.trust import mask_doubtful

DOCS = Path(__file__).resolve().parents[2] / "docs"
FACE = (128, 24, 192, 192)  # left, top, width, height in the astronaut's photograph
SMALL_PX = 48
PHONE_PX = 540
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


def old_windows() -> dict[str, Tensor]:
    """Three windows of the old photo of notebook 00, and of large pictures that agree with it."""
    old = images.crop(samples.load("wardenclyffe_tower"), (60, 165, 120, 80))
    answers = hallucination.candidates(old, 5)
    chosen = {
        "averaging: soft": answers["rrdn-x8"],
        "choosing: sharp": answers[restore.realistic(8)],
        "another choice": answers["realesrgan-x4, noise 1"],
    }
    small = {"the old photo": images.crop(old, (27, 33, 60, 38))}
    return small | {name: images.crop(each, (216, 264, 480, 304)) for name, each in chosen.items()}


def split() -> Figure:
    """The old windows, three times eight times larger, and the two parts of a sharp one."""
    windows = old_windows()
    old, sharp = windows["the old photo"], windows["choosing: sharp"]
    recorded, invented = hallucination.range_null_split(old, sharp)
    share = 100 * hallucination.energy_shares(old, sharp).energy_invented_share
    return figures.photos(
        [*windows.values(), recorded.clamp(0, 1), (invented + 0.5).clamp(0, 1)],
        titles=[*windows, "one part of “sharp”", "the other part"],
        captions=[
            "",
            "",
            "",
            "",
            f"{100 - share:.1f} % of the energy",
            f"{share:.1f} %; grey is zero",
        ],
        marks=[None, *["partly invented"] * 3, "recorded", "invented"],
        columns=2,
        zoom=1,
        alt="Three old windows; enlarged 8x, once softly, twice sharply; squares; fine lines.",
    )


def chain() -> Figure:
    """One small photo on its way through the course: enlarged, described, named, and doubted."""
    small = degrade.downscale(images.crop(samples.load("cat"), (112, 68, 192, 192)), 8)
    answers = hallucination.candidates(small, 6)
    answer = hallucination.back_project(restore.upscale(small, 8, "mssnet-x8-fidelity"), small)
    encoder = featsharp.encoder("vit-s14")
    sharp = featsharp.upsample(encoder, answer, 4, "featsharp")
    [(name, chance)] = zoom.named(zoom.zoom_tta(answer))
    cells = {
        "the small photo": (small, "all that was recorded"),
        "enlarged smoothly": (
            restore.upscale(small, 8, "bicubic"),
            "a formula: no detail is drawn",
        ),
        "MSSNet": (answer, "trained to be right on average"),
        "FeatSharp": (featsharp.pca_colours([sharp])[0], "what a network sees, in colours"),
        "zoom": (
            zoom.random_resized_crops(answer, 1, seed=1)[0],
            f"one of many random views; their mean says {name}, {100 * chance:.0f} %: a guess, "
            "and no evidence",
        ),
        "what to believe": (
            mask_doubtful(hallucination.trust_map(answers, answer), 16),
            "hatched: an error of over 16 grey levels is expected",
        ),
    }
    photos, captions = zip(*cells.values(), strict=True)
    return figures.photos(
        photos,
        titles=[f"{number} · {title}" for number, title in enumerate(cells, 1)],
        captions=captions,
        columns=2,
        alt="A small cat: enlarged, mended, described in colours, named, and partly hatched.",
    )


def screenshot(html: str, path: Path, width_px: int) -> None:
    """Save an HTML figure as Chromium draws it in a page of this width, at 2,000 pixels."""
    from playwright.sync_api import sync_playwright  # only pictures need it, figures do not

    names = ("chromium", "chromium-browser", "google-chrome")
    installed = next(filter(None, map(shutil.which, names)), None)  # None: playwright's own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width_px, "height": 700}, device_scale_factor=2000 / width_px
        )
        page.set_content(html)
        with files.replacing(path) as part:
            page.locator("figure").first.screenshot(path=part)
        browser.close()


if __name__ == "__main__":
    every = {figure.__name__: figure for figure in (first_screen, workflow, split, chain)}
    for figure in [every[name] for name in sys.argv[1:]] or every.values():
        path = DOCS / f"{figure.__name__}.png"
        screenshot(figure().html, path, 1000 if figure is first_screen else PHONE_PX)
        print(path)
