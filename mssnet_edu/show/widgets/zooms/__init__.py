"""Every zoom of a photo, and what a classifier says of it: a place and a size to choose, live."""

from collections.abc import Collection, Mapping

import torch
import traitlets

from mssnet_edu import zoom
from mssnet_edu.models.classifier import class_names
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Zooms", "zooms"]

WIDTH_PX, CROP_WIDTH_PX = 380, 224
MOST_LIKELY = 5
SHAPE = (len(zoom.SIZES_PX), len(zoom.ANCHORS))


class Zooms(StaticFallback):
    """The widget behind `zooms`. `photo` (a number), `size_px`, `anchor` may be read and set."""

    _esm = script("zooms")
    _css = style("zooms")
    _photos: list[torch.Tensor]
    _best: list[zoom.Zoom]

    # of each: name, url, width, height, labels; classes, shares (size by size, anchor by anchor,
    # best class first), boxes (left, top, width, height of each zoom)
    photos = traitlets.List(traitlets.Dict()).tag(sync=True)
    sizes = traitlets.List(traitlets.Int(), list(zoom.SIZES_PX)).tag(sync=True)
    anchors = traitlets.List(traitlets.Unicode(), list(zoom.ANCHORS)).tag(sync=True)
    names = traitlets.Dict().tag(sync=True)  # of the classes that occur
    crop_px = traitlets.Int(zoom.CROP_PX).tag(sync=True)
    photo = traitlets.Int(0).tag(sync=True)
    size_px = traitlets.Enum(zoom.SIZES_PX, zoom.CROP_PX).tag(sync=True)
    anchor = traitlets.Int(zoom.ANCHORS.index("centre"), min=0, max=8).tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def said(self, photo: int, size_px: int, anchor: int) -> str:
        """What the classifier makes of one zoom, such as "bee, 54 %"."""
        answers = self.photos[photo]
        at = MOST_LIKELY * (zoom.SIZES_PX.index(size_px) * SHAPE[1] + anchor)
        return f"{self.names[str(answers['classes'][at])]}, {100 * answers['shares'][at]:.0f} %"

    def still(self) -> look.Figure:
        """Of each photo the usual crop and its best zoom, as plain HTML."""
        pictures, titles, captions = [], [], []
        for i, (photo, best) in enumerate(zip(self._photos, self._best, strict=True)):
            for view in (zoom.Zoom(zoom.CROP_PX, zoom.ANCHORS.index("centre")), best):
                pictures.append(zoom.crop(photo, *view))
                titles.append(f"{self.photos[i]['name']}: {view}")
                captions.append(self.said(i, *view))
        return figures.photos(pictures, titles, captions, alt=self.alt, columns=4)


def zooms(
    photos: Mapping[str, torch.Tensor],
    answers: Mapping[str, torch.Tensor],
    right: Mapping[str, Collection[int]],
    alt: str | None = None,
) -> Zooms:
    """Choose one of nine places and one of 36 sizes, and see what the classifier makes of it.

    photos: {name: (3, H, W)}, sRGB in [0, 1]. answers: {name: (36, 9, classes)}, probabilities of
    all zooms, from `me.zoom.all_zooms`, or stored ones. right: {name: the right classes}.
    All answers travel with the widget: it works by mouse, touch and keyboard, and without a kernel.
    Returns the widget. Raises ValueError where the three name other photos, or answers have another
    shape.

    >>> answers = torch.rand(36, 9, 1000).softmax(-1)
    >>> widget = zooms({"noise": torch.rand(3, 48, 64)}, {"noise": answers}, {"noise": [7]})
    >>> widget.size_px, widget.anchor
    (224, 4)
    """
    if not photos or not list(photos) == list(answers) == list(right):
        raise ValueError(
            f"photos names {list(photos)}, answers {list(answers)}, right {list(right)}; expected "
            "the same names in the same order, one at least."
        )
    every_name = class_names()
    listed, used, best = [], set(), []
    for name, photo in photos.items():
        photo = look.single_photo(photo, f"photos[{name!r}]")
        if tuple(answers[name].shape) != (*SHAPE, len(every_name)):
            raise ValueError(
                f"answers[{name!r}] have the shape {tuple(answers[name].shape)}; expected "
                f"{(*SHAPE, len(every_name))}, as me.zoom.all_zooms returns them."
            )
        top = answers[name].topk(MOST_LIKELY)
        used |= {*top.indices.flatten().tolist(), *right[name]}
        best.append(zoom.best_zoom(answers[name], right[name]))
        boxes = [
            zoom.crop_box(photo, size_px, anchor)
            for size_px in zoom.SIZES_PX
            for anchor in range(SHAPE[1])
        ]
        listed.append(
            {
                "name": name,
                "url": look.photo_url(photo),
                "width": photo.shape[-1],
                "height": photo.shape[-2],
                "labels": list(right[name]),
                "classes": top.indices.flatten().tolist(),
                "shares": [round(share, 4) for share in top.values.flatten().tolist()],
                "boxes": [round(edge, 1) for box in boxes for edge in box],
            }
        )
    widget = Zooms(
        photos=listed,
        names={str(label): every_name[label] for label in sorted(used)},
        alt=alt or f"Zooms of {', '.join(photos)}, and what a classifier says of them.",
    )
    widget._photos, widget._best = [look.single_photo(p) for p in photos.values()], best
    return widget
