"""The look of all figures: colours, type, sizes on the screen, and the HTML that they are made of.

A figure is HTML on an opaque, nearly neutral background, so that it reads the same in JupyterLab's
light and dark themes and never tints a photograph. Small pictures are enlarged by whole numbers and
shown as squares; nothing is smoothed behind the learner's back.

The HTML itself stands in Jinja templates beside the modules (look.html.j2 and others). They escape
all text that they are given; what is HTML already says so by its `__html__` method.
"""

import base64
import functools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import torch
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.images.files import to_png_bytes, to_webp_bytes

__all__ = [
    "BRIGHTER",
    "DARKER",
    "INK",
    "INVENTED",
    "MUTED",
    "PAPER",
    "RECORDED",
    "RULE",
    "Cell",
    "Figure",
]

_HERE = Path(__file__).parent

PAPER = "#f6f7f8"  # behind everything; so close to neutral that it does not tint a photo
INK = "#17212b"
MUTED = "#51606e"  # 5.9:1 on PAPER, so captions stay readable
RULE = "#d3d9df"
# The course's two colours. Blue and orange are told apart by every kind of colour vision, and each
# always stands beside its word.
RECORDED = "#0b5fae"
INVENTED = "#c2410c"
# Signed maps: what a network took away, left alone (grey), and added. Neither blue nor orange.
DARKER = "#762a83"
BRIGHTER = "#1b7837"
SERIES = (INK, RECORDED, INVENTED, "#5b7f2b", "#8a4fa3", "#8c6d1f")

# "recorded" and "invented" are said of parts and of measured numbers; of whole pictures: the
# "original", one "restored" by undoing a blur, and an enlargement, which is "partly invented".
MARKS = ("recorded", "invented", "original", "restored", "partly invented")
PAGE_PX = 940  # what fits beside JupyterLab's file list on a laptop
GAP_PX = 16
MAX_PX = 1_500_000  # of a picture on a page; larger ones are averaged down
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

# The names by which style sheets and templates know the look.
_VARIABLES = {
    "paper": PAPER,
    "ink": INK,
    "muted": MUTED,
    "rule": RULE,
    "recorded": RECORDED,
    "invented": INVENTED,
    "darker": DARKER,
    "brighter": BRIGHTER,
    "font": FONT,
}


@functools.cache
def css(*names: str) -> str:
    """The style sheets NAME.css, relative to this folder, after the variables that they use."""
    variables = "".join(f"--{name}:{value};" for name, value in _VARIABLES.items())
    rules = "".join((_HERE / f"{name}.css").read_text(encoding="utf-8") for name in names)
    rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL)
    return " ".join(f".mss{{{variables}}} {rules}".split())


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined
)
_TEMPLATES.globals.update(_VARIABLES, css=css, page_px=PAGE_PX)


def macros(name: str) -> Any:
    """The macros of the template NAME.html.j2, as functions of one object."""
    return _TEMPLATES.get_template(f"{name}.html.j2").module


html = macros("look")  # the macros from which all figures are built


class Figure:
    """A finished figure: HTML with its alternative text. It shows itself as a cell's last line.

    body: HTML without the style sheet; alt: what a reader who cannot see it is told.
    `html` is the whole of it, `alt` the text; `print(figure)` gives the text.

    >>> Figure("<p>two photos</p>", alt="two photos")
    Figure: two photos
    """

    def __init__(self, body: str, alt: str):
        self.alt = alt
        self.body = str(body)

    @property
    def html(self) -> str:
        """The figure with its style sheet."""
        return f"<style>{css('look')}</style>{self.body}"

    def _repr_html_(self) -> str:
        return self.html

    def __html__(self) -> str:  # templates insert it unescaped
        return self.body

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


class Cell(NamedTuple):
    """One picture of a grid, with the words around it.

    picture: HTML. width: in screen pixels. note: its size in words. mark: one of MARKS. shown: how
    many screen pixels a pixel takes, in words; left out on a phone, which shrinks the picture.
    """

    picture: str
    width: int
    note: str
    title: str | None = None
    caption: str | None = None
    mark: str | None = None
    shown: str | None = None


def grid(cells: Sequence[Cell], columns: int, alt: str) -> Figure:
    """A figure of cells, row by row. All shrink together where the page is narrow."""
    widest = [max(cell.width for cell in cells[i::columns]) for i in range(columns)]
    return Figure(html.card(html.grid(cells, widest), alt), alt)


def check_mark(mark: str | None) -> None:
    """Raise ValueError for a mark that is neither None nor one of MARKS."""
    if mark is not None and mark not in MARKS:
        raise ValueError(f"mark is {mark!r}; expected one of {', '.join(MARKS)}, or None")


def single_photo(photo: torch.Tensor, name: str = "photo") -> torch.Tensor:
    """(3, H, W), clamped to [0, 1], from (3, H, W) or a batch of one. Raises PhotoError."""
    batch = images.as_batch(photo, name=name)
    if batch.shape[0] != 1:
        raise images.PhotoError(
            f"{name} is a batch of {batch.shape[0]}; one photo was expected. Choose one: {name}[0]."
        )
    return batch[0].detach().clamp(0, 1)


def size_of(photo: torch.Tensor) -> tuple[int, int]:
    """(width, height)"""
    return photo.shape[-1], photo.shape[-2]


def png_url(png: bytes) -> str:
    """A data URL: the page holds the picture and asks nobody for it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def photo_url(photo: torch.Tensor, max_px: int = MAX_PX) -> str:
    """A photo (3, H, W) as the data URL of a PNG, averaged down to at most max_px pixels."""
    return png_url(to_png_bytes(limit_pixels(photo, max_px)))


def film_url(frame: torch.Tensor) -> str:
    """A frame (3, H, W) of a film as a WebP's data URL: a film of PNGs would weigh megabytes."""
    return "data:image/webp;base64," + base64.b64encode(to_webp_bytes(frame)).decode()


def limit_pixels(photo: torch.Tensor, max_px: int) -> torch.Tensor:
    """Average areas of k x k pixels, with the smallest k that leaves at most max_px of them.

    (3, H, W) -> (3, ceil(H/k), ceil(W/k)). A page of 8x enlargements would otherwise weigh tens of
    megabytes.
    """
    k = math.ceil(math.sqrt(photo.shape[-1] * photo.shape[-2] / max_px))
    if k <= 1:
        return photo
    # ceil_mode keeps the last rows and columns
    return F.avg_pool2d(photo[None], k, ceil_mode=True, count_include_pad=False)[0]


def picture(
    photo: torch.Tensor,
    width: int,
    alt: str,
    max_px: int = MAX_PX,
    pixelated: bool | None = None,
) -> str:
    """An <img> of a photo, `width` screen pixels wide; its pixels are squares once they are 2 wide.

    pixelated: True for squares at any size.
    """
    own_width, own_height = size_of(photo)
    height = round(width * own_height / own_width)
    squares = width >= 2 * own_width if pixelated is None else pixelated
    return html.img(photo_url(photo, max_px), alt, width, height, squares)


def display_widths(
    photos: Sequence[torch.Tensor], max_width: int, max_height: int = 600, scale: int | None = None
) -> list[int]:
    """How wide each photo is shown, in screen pixels.

    Photos of one shape are shown at one width, a whole multiple of each where possible, so that a
    48 px photo and its 384 px enlargement can be compared. Others get a multiple of their own.
    scale: screen pixels per photo pixel (of the largest, where they share a shape); None chooses.
    """
    sizes = [size_of(photo) for photo in photos]
    shapes = [width / height for width, height in sizes]
    if max(shapes) / min(shapes) < 1.02:
        width, height = max(sizes)
        if scale is not None:
            return [width * scale] * len(sizes)
        return [_display_width(width, height, max_width, max_height, min(sizes)[0])] * len(sizes)
    if scale is not None:
        return [width * scale for width, _ in sizes]
    return [_display_width(w, h, max_width, max_height, w) for w, h in sizes]


def _display_width(width: int, height: int, max_width: int, max_height: int, multiple: int) -> int:
    # enlarged ones stop at 480 px: beyond that squares only grow, the picture does not
    enlarged = min(min(max_width, 480) / width, min(max_height, 480) / height)
    if enlarged >= 2:
        return width * int(enlarged)
    scale = min(max_width / width, max_height / height)
    if scale >= 1:
        return width
    shown = int(width * scale)
    return shown - shown % multiple if multiple * 2 <= shown else shown


def scale_text(scale: float) -> str:
    """A magnification in words: '8', or '2.5' where it is no whole number."""
    return f"{scale:.0f}" if abs(scale - round(scale)) < 0.01 else f"{scale:.1f}"


def size_texts(photo: torch.Tensor, width: int, max_px: int = MAX_PX) -> tuple[str, str | None]:
    """'48 x 48 px' and 'each shown 8 x 8', in words that a beginner can check with a finger."""
    own_width, own_height = size_of(photo)
    text = f"{own_width} × {own_height} px"
    if width >= 2 * own_width:
        scale = scale_text(width / own_width)
        return text, f"each shown {scale} × {scale}"
    if width < own_width or own_width * own_height > max_px:
        return text, "shown smaller"
    return text, None
