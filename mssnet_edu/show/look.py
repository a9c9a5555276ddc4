"""The one look of every figure: colours, type, spacing, and the HTML all pictures are made of.

A figure is HTML on an opaque, nearly neutral background, so that it reads the same in JupyterLab's
light and dark themes and never tints a photograph. Small pictures are enlarged by whole numbers and
shown as squares; nothing is smoothed behind the learner's back.
"""

import base64
import functools
import html
import io
import math
import re
from pathlib import Path

import torch
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.images.files import to_png_bytes

__all__ = [
    "BRIGHTER",
    "DARKER",
    "INK",
    "INVENTED",
    "MUTED",
    "PAPER",
    "RECORDED",
    "RULE",
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

MARKS = ("recorded", "invented")
PAGE_PX = 940  # what fits beside JupyterLab's file list on a laptop
GAP_PX = 16
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


class Figure:
    """A finished figure: HTML with its alternative text. It shows itself as a cell's last line.

    body: HTML without the style sheet; alt: what a reader who cannot see it is told.
    `html` is the whole of it, `alt` the text; `print(figure)` gives the text.

    >>> Figure("<p>two photos</p>", alt="two photos")
    Figure: two photos
    """

    def __init__(self, body: str, alt: str):
        self.alt = alt
        self.body = body

    @property
    def html(self) -> str:
        return f"<style>{css('figures')}</style>{self.body}"

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


@functools.cache
def css(*names: str) -> str:
    """The style sheets of these names, from the files beside and below this one, with colours."""
    colours = {
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
    variables = "".join(f"--{name}:{value};" for name, value in colours.items())
    rules = "".join((_HERE / f"{name}.css").read_text(encoding="utf-8") for name in names)
    rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL)
    return " ".join(f".mss{{{variables}}} {rules}".split())


def escape(text) -> str:
    return html.escape(str(text), quote=True)


def card(inner: str, alt: str, caption: str | None = None) -> str:
    """The frame around every figure."""
    foot = f'<figcaption class="mss-caption">{escape(caption)}</figcaption>' if caption else ""
    return f'<figure class="mss" role="group" aria-label="{escape(alt)}">{inner}{foot}</figure>'


def mark_html(mark: str | None) -> str:
    if mark is None:
        return ""
    if mark not in MARKS:
        raise ValueError(f"mark is {mark!r}; expected 'recorded', 'invented' or None")
    return f'<span class="mss-mark mss-mark-{mark}">{mark}</span>'


def one_photo(photo: torch.Tensor, name: str = "photo") -> torch.Tensor:
    """(3, H, W) from (3, H, W) or a batch of one, clamped for showing."""
    batch = images.as_batch(photo, name=name)
    if batch.shape[0] != 1:
        raise images.PhotoError(
            f"{name} is a batch of {batch.shape[0]}; one photo was expected. Choose one: {name}[0]."
        )
    return batch[0].detach().clamp(0, 1)


def size_of(photo: torch.Tensor) -> tuple[int, int]:
    """(width, height)"""
    return photo.shape[-1], photo.shape[-2]


def data_url(photo: torch.Tensor) -> str:
    return "data:image/png;base64," + base64.b64encode(to_png_bytes(photo)).decode()


def png_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def figure_png(fig) -> bytes:
    stream = io.BytesIO()
    # twice the pixels, for sharp text on dense screens; tight, since square panels leave margins
    fig.savefig(stream, format="png", dpi=2 * fig.dpi, bbox_inches="tight", pad_inches=0.06)
    return stream.getvalue()


def img(url: str, alt: str, width: int, height: int, pixelated: bool = False) -> str:
    sharp = ' class="mss-pixels"' if pixelated else ""
    return f'<img{sharp} src="{url}" alt="{escape(alt)}" width="{width}" height="{height}">'


def reduced(photo: torch.Tensor, max_px: int = 1_500_000) -> tuple[torch.Tensor, int]:
    """A photo light enough for a page: areas of k x k pixels averaged, k the smallest that does.

    Returns (photo, k). A page of 8x enlargements would otherwise weigh tens of megabytes.
    """
    width, height = size_of(photo)
    k = max(1, math.ceil(math.sqrt(width * height / max_px)))
    if k == 1:
        return photo, 1
    # not AvgPool with a floor: ceil_mode keeps the last rows and columns
    return F.avg_pool2d(photo[None], k, ceil_mode=True, count_include_pad=False)[0], k


def widths(photos, room_px: int, tall_px: int = 600, zoom: int | None = None) -> list[int]:
    """How wide each photo is shown, in screen pixels.

    Photos of one shape are shown at one width, a whole multiple of each where possible, so that a
    48 px photo and its 384 px enlargement can be compared. Others get a multiple of their own.
    """
    sizes = [size_of(p) for p in photos]
    shapes = [w / h for w, h in sizes]
    if max(shapes) / min(shapes) < 1.02:
        wide, high = max(sizes)
        if zoom is not None:
            return [wide * zoom] * len(sizes)
        return [_width(wide, high, room_px, tall_px, min(sizes)[0])] * len(sizes)
    if zoom is not None:
        return [w * zoom for w, _ in sizes]
    return [_width(w, h, room_px, tall_px, w) for w, h in sizes]


def _width(wide: int, high: int, room_px: int, tall_px: int, least: int) -> int:
    # enlarged ones stop at 480 px: beyond that squares only grow, the picture does not
    fits = min(room_px / wide, tall_px / high)
    grows = min(room_px, 480) / wide, min(tall_px, 480) / high
    if min(grows) >= 2:
        return wide * int(min(grows))
    if fits >= 1:
        return wide
    shown = int(wide * fits)
    return shown - shown % least if least * 2 <= shown else shown


def size_note(photo: torch.Tensor, shown_px: int, averaged: int = 1) -> str:
    """'48 x 48 px, each shown 8 x 8', in words a beginner can check with a finger."""
    width, height = size_of(photo)
    text = f"{width} × {height} px"
    if shown_px >= 2 * width:
        times = shown_px / width
        each = f"{times:.0f}" if abs(times - round(times)) < 0.01 else f"{times:.1f}"
        return f"{text}, each shown {each} × {each}"
    if shown_px < width or averaged > 1:
        return f"{text}, shown smaller"
    return text
