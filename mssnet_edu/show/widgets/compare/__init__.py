"""Two pictures of the same thing, one over the other, with a bar to drag between them."""

import math

import traitlets

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Compare", "compare", "compare_many"]

STAGE_PX = 640
MAX_PX = 3_000_000  # of a picture that travels to the browser; larger ones are averaged down


class Compare(StaticFallback):
    """The widget behind `compare`. `position`, `left`, `right`, `zoom` may be read and set."""

    _esm = script("compare")
    _css = style("compare")

    pictures = traitlets.List(traitlets.Dict()).tag(sync=True)
    left = traitlets.Int(0).tag(sync=True)
    right = traitlets.Int(1).tag(sync=True)
    truth = traitlets.Int(-1).tag(sync=True)
    position = traitlets.Float(50.0).tag(sync=True)
    look_x = traitlets.Float(0.5).tag(sync=True)
    look_y = traitlets.Float(0.5).tag(sync=True)
    zoom = traitlets.Float(4.0).tag(sync=True)
    width = traitlets.Int(STAGE_PX).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """All the pictures side by side, as plain HTML: a page without a kernel hides none."""
        from mssnet_edu.show import figures

        return figures.laid_out(
            list(self._photos),
            titles=[picture["name"] for picture in self.pictures],
            captions=[picture["psnr"] or None for picture in self.pictures],
            marks=[picture["mark"] or None for picture in self.pictures],
            alt=self.alt,
            max_px=500_000,
        )


def compare(
    before,
    after,
    labels=("before", "after"),
    truth=None,
    alt=None,
    marks=None,
    zoom=4,
    look_at=None,
):
    """Lay one picture over another, with a bar to drag, and a loupe that shows one spot in both.

    before, after: photos of the same thing, (3, H, W), sRGB in [0, 1]; their sizes may differ, not
    their shape (width to height). labels: their names. truth: the original, if it is known; it
    gets a third loupe pane, and each name its PSNR. alt: what there is to see, for readers who
    cannot. marks: {name: "recorded" or "invented"} colours a name. zoom: of the loupe, on the
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


def compare_many(photos, truth=None, alt=None, marks=None, zoom=4, look_at=None):
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
    found = {
        str(name): look.one_photo(photo, f"photos[{name!r}]") for name, photo in photos.items()
    }
    names = list(found)
    first_width, first_height = look.size_of(found[names[0]])
    for name, photo in found.items():
        width, height = look.size_of(photo)
        if abs(width * first_height / (height * first_width) - 1) > 0.02:
            raise images.PhotoError(
                f"{name!r} is {width} x {height} px, {names[0]!r} {first_width} x {first_height}. "
                "Their shapes differ, so one cannot lie on the other. Crop them alike first."
            )
    width = look.widths(list(found.values()), STAGE_PX, tall_px=560)[0]
    for mark in (marks or {}).values():
        look.mark_html(mark)  # raises for an unknown one
    widget = Compare(
        pictures=[
            {
                **_picture(photo),
                "name": name,
                "psnr": _psnr(photo, name, found, truth),
                "mark": (marks or {}).get(name, ""),
            }
            for name, photo in found.items()
        ],
        truth=names.index(truth) if truth is not None else -1,
        width=width,
        zoom=float(zoom),
        alt=alt
        or f"A comparison of {' and '.join(names) if len(names) == 2 else ', '.join(names)}.",
    )
    if look_at is not None:
        widget.look_x, widget.look_y = look_at
    widget._photos = list(found.values())
    return widget


def _picture(photo):
    width, height = look.size_of(photo)
    light, _ = look.reduced(photo, MAX_PX)
    return {"url": look.data_url(light), "width": width, "height": height}


def _psnr(photo, name, photos, truth):
    """How close to the truth, in words; nothing where it is not known, or of another size."""
    if truth is None or name == truth or photo.shape != photos[truth].shape:
        return ""
    from mssnet_edu import metrics

    psnr = metrics.psnr(photo, photos[truth])
    return "the same pixels" if math.isinf(psnr) else f"PSNR {psnr:.1f} dB"
