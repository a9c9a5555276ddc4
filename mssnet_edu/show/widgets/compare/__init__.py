"""Two pictures of the same thing, one over the other, with a bar to drag between them."""

import math
from collections.abc import Mapping

import torch
import traitlets

from mssnet_edu import images, metrics
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Compare", "compare", "compare_many"]

WIDTH_PX = 640
MAX_PX = 3_000_000  # of a picture that travels to the browser; larger ones are averaged down


class Compare(StaticFallback):
    """The widget behind `compare`. `position`, `left`, `right`, `zoom` may be read and set."""

    _esm = script("compare")
    _css = style("compare")
    _photos: list[torch.Tensor]

    pictures = traitlets.List(traitlets.Dict()).tag(sync=True)
    left = traitlets.Int(0).tag(sync=True)
    right = traitlets.Int(1).tag(sync=True)
    truth = traitlets.Int(-1).tag(sync=True)
    position = traitlets.Float(50.0).tag(sync=True)
    look_x = traitlets.Float(0.5).tag(sync=True)
    look_y = traitlets.Float(0.5).tag(sync=True)
    zoom = traitlets.Float(4.0).tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """All the pictures side by side, as plain HTML: a page without a kernel hides none."""
        return figures.photos(
            self._photos,
            titles=[picture["name"] for picture in self.pictures],
            captions=[picture["psnr"] or None for picture in self.pictures],
            marks=[picture["mark"] or None for picture in self.pictures],
            alt=self.alt,
            max_px=500_000,
        )


def compare(
    before: torch.Tensor,
    after: torch.Tensor,
    labels: tuple[str, str] = ("before", "after"),
    truth: torch.Tensor | None = None,
    alt: str | None = None,
    marks: Mapping[str, str] | None = None,
    zoom: float = 4,
    look_at: tuple[float, float] | None = None,
) -> Compare:
    """Lay one picture over another, with a bar to drag, and a loupe that shows one spot in both.

    before, after: photos of the same thing, (3, H, W), sRGB in [0, 1]; their sizes may differ, not
    their shape (width to height). labels: their names. truth: the original, if it is known; it
    gets a third loupe pane, and each name its PSNR. alt: what there is to see, for readers who
    cannot. marks: {name: tag}, as in `photos`. zoom: of the loupe, on the
    pixels of the largest. look_at: (x, y), each 0 to 1: where the loupe looks first.
    Mouse, touch and keyboard (arrows, Home, End); where nothing can run, both stand side by side.
    Returns the widget. Raises PhotoError where the shapes differ.

    >>> import torch
    >>> widget = compare(torch.rand(3, 8, 12), torch.rand(3, 64, 96), labels=("small", "8x"))
    >>> widget.position = 25  # where the bar stands, in per cent of the width
    """
    if len(labels) != 2 or labels[0] == labels[1]:
        raise ValueError(f"labels is {labels!r}; expected two different names")
    photos = dict(zip(labels, (before, after), strict=True))
    if truth is not None:
        if "original" in labels:
            raise ValueError('labels has "original", which is the name of truth. Choose another.')
        photos["original"] = truth
    return compare_many(
        photos, truth="original" if truth is not None else None, alt=alt, marks=marks, zoom=zoom,
        look_at=look_at,
    )  # fmt: skip


def compare_many(
    photos: Mapping[str, torch.Tensor],
    truth: str | None = None,
    alt: str | None = None,
    marks: Mapping[str, str] | None = None,
    zoom: float = 4,
    look_at: tuple[float, float] | None = None,
) -> Compare:
    """Compare any two of several pictures, chosen from a list or by the keys 1 to 9.

    photos: {name: photo}, two to nine of them, of the same thing. truth: the name of the one that
    is the original; the others then show their PSNR against it, and it has its own loupe pane. The
    rest as in `compare`. Raises ValueError for fewer than two photos or more than nine.

    >>> import torch
    >>> widget = compare_many({name: torch.rand(3, 32, 32) for name in ("one", "two", "three")})
    >>> widget.left, widget.right
    (0, 1)
    """
    if not isinstance(photos, dict) or not 2 <= len(photos) <= 9:
        raise ValueError("photos must be a dict of two to nine entries, {name: photo}")
    if truth is not None and truth not in photos:
        raise ValueError(f"truth is {truth!r}; expected one of {', '.join(map(repr, photos))}")
    photos = {str(n): look.single_photo(photo, f"photos[{n!r}]") for n, photo in photos.items()}
    names, marks = list(photos), marks or {}
    first_width, first_height = look.size_of(photos[names[0]])
    for name, photo in photos.items():
        width, height = look.size_of(photo)
        if abs(width * first_height / (height * first_width) - 1) > 0.02:
            raise images.PhotoError(
                f"{name!r} is {width} x {height} px, {names[0]!r} {first_width} x {first_height}. "
                "Their shapes differ, so one cannot lie on the other. Crop them alike first."
            )
    for mark in marks.values():
        look.check_mark(mark)
    listed = (" and " if len(names) == 2 else ", ").join(names)
    widget = Compare(
        pictures=[
            {
                "url": look.photo_url(photo, MAX_PX),
                "width": photo.shape[-1],
                "height": photo.shape[-2],
                "name": name,
                "psnr": _psnr_text(photo, photos[truth]) if truth not in (None, name) else "",
                "mark": marks.get(name, ""),
            }
            for name, photo in photos.items()
        ],
        truth=names.index(truth) if truth is not None else -1,
        width=look.display_widths(list(photos.values()), WIDTH_PX, 560)[0],
        zoom=float(zoom),
        alt=alt or f"A comparison of {listed}.",
    )
    if look_at is not None:
        widget.look_x, widget.look_y = look_at
    widget._photos = list(photos.values())
    return widget


def _psnr_text(photo, truth):
    """How close to the truth, in words; nothing where it has another size."""
    if photo.shape != truth.shape:
        return ""
    psnr_db = metrics.psnr(photo, truth)
    return "the same pixels" if math.isinf(psnr_db) else f"PSNR {psnr_db:.1f} dB"
