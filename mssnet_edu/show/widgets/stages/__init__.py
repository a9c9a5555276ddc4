"""Step through MSSNet's six stages: the picture so far, what was changed, and what it gained."""

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import traitlets
from torch.nn import functional as F

from mssnet_edu import images, metrics
from mssnet_edu.show import figures, look
from mssnet_edu.show.colormaps import diverging
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

if TYPE_CHECKING:
    from mssnet_edu.mssnet import MSSNet

__all__ = ["StagePlayer", "stage_player"]

WIDTH_PX = 440
MAX_PX = 1_000_000  # of one picture; there are twenty-one
WORKS_AT = {"S1": "quarter size", "S2": "half size", "S3": "full size"}


class StagePlayer(StaticFallback):
    """The widget behind `stage_player`. `step` is 0 for the blurred photo, then 1 to 6."""

    _esm = script("stages")
    _css = style("stages")
    _photos: list[torch.Tensor]

    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # width, height of the photo
    bars = traitlets.Unicode().tag(sync=True)  # what the bars say
    signed = traitlets.Bool().tag(sync=True)  # do they go both ways?
    limits = traitlets.List(traitlets.Float()).tag(sync=True)  # full colour of the two kinds of map
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """All the steps side by side, as plain HTML."""
        return figures.photos(
            self._photos,
            titles=[step["name"] for step in self.steps],
            captions=[step["note"] for step in self.steps],
            columns=4,
            alt=self.alt,
            max_px=200_000,
        )


def stage_player(
    model: "MSSNet",
    photo: torch.Tensor,
    truth: torch.Tensor | None = None,
    alt: str | None = None,
    step: int = 0,
) -> StagePlayer:
    """Run MSSNet once and step through its stages: picture so far, what was changed, the gain.

    A stage's bar appears when the learner has come to it.

    model: an MSSNet, as `me.load_model("mssnet-deblur")` gives; anything with `stages(photo)` that
    yields results with name, scale, photo, residual and seconds. photo: (3, H, W), sRGB in [0, 1].
    truth: the sharp original, the same size, if it is known. Then each stage tells its PSNR and how
    much that is above the blurred photo's; without it, how much the stage changed the one before.
    S1 answers at half size, and is measured there. alt: what there is to see, for readers who
    cannot. step: where it opens, from 0, the photo, to 6, the last stage. Works by buttons, slider
    and keyboard, and without a kernel: all pictures are inside.
    Returns the widget. Raises PhotoError for unequal sizes, TypeError for a model without stages.

    >>> from mssnet_edu.mssnet import MSSNet, MSSNetConfig
    >>> player = stage_player(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 32, 32))
    >>> [step["name"] for step in player.steps]
    ['blurred', 'S1-U1', 'S2-U1', 'S2-U2', 'S3-U1', 'S3-U2', 'S3-U3']
    """
    photo = look.single_photo(photo)
    if not hasattr(model, "stages"):
        raise TypeError(f"a {type(model).__name__} has no stages; use an MSSNet")
    if truth is not None:
        truth = look.single_photo(truth, "truth")
        if truth.shape != photo.shape:
            sizes = ["{} x {} px".format(*look.size_of(p)) for p in (photo, truth)]
            raise images.PhotoError(f"photo is {sizes[0]}, truth is {sizes[1]}; expected one size")
    with torch.inference_mode():
        results = list(model.stages(photo[None]))
    photos = [photo, *(result.photo[0].clamp(0, 1) for result in results)]
    residuals = [torch.zeros_like(photo[:1]), *(images.luma(r.residual[0]) for r in results)]
    added = [residuals[0], *(_added(*pair) for pair in pairwise(residuals))]
    limits = [_color_limit(residuals[1:]), _color_limit(added[2:])]
    steps = []
    for i, (picture, residual) in enumerate(zip(photos, residuals, strict=True)):
        result = results[i - 1] if i else None
        gain, note = _change(photos, i) if truth is None else _gain_db(photos, i, truth)
        steps.append(
            {
                "name": result.name if result else "blurred",
                "scale": result.scale if result else "",
                "works_at": WORKS_AT.get(result.scale, "") if result else "",
                "photo": look.photo_url(picture, MAX_PX),
                "change": look.photo_url(diverging(residual, limits[0]), MAX_PX),
                "added": look.photo_url(diverging(added[i], limits[1]), MAX_PX),
                "size": "{} × {} px".format(*look.size_of(picture)),
                "seconds": result.seconds if result else 0.0,
                "gain": gain,
                "note": note,
            }
        )
    widget = StagePlayer(
        steps=steps,
        step=step,
        width=look.display_widths([photo], WIDTH_PX, 460)[0],
        shape=list(look.size_of(photo)),
        bars=(
            "PSNR gained over the blurred photo, in dB"
            if truth is not None
            else "How much each stage changed, in grey levels of 255"
        ),
        signed=truth is not None,
        limits=[255 * limit for limit in limits],
        alt=alt or "MSSNet's six stages: the picture after each, and what was changed.",
    )
    widget._photos = photos
    return widget


def _color_limit(residuals):
    """The common scale of the maps: all but the strongest half per cent fit in."""
    values = torch.cat([residual.abs().flatten() for residual in residuals])
    kth = max(1, int(0.995 * values.numel()))
    return max(float(values.kthvalue(kth).values), 1 / 255)


def _added(before, after):
    """What one stage changed: (1, H, W), the residual after it less the one before it."""
    return after - _resize_like(before, after)


def _gain_db(photos, i, truth):
    """A step's gain over the blurred photo, at the step's own size; and the words below it."""
    truth, blurred = (_resize_like(photo, photos[i]) for photo in (truth, photos[0]))
    psnr_db = metrics.psnr(photos[i], truth)
    gain_db = psnr_db - metrics.psnr(blurred, truth)
    gain_text = f", {gain_db:+.2f} dB against the blurred photo" if i else ""
    note = f"PSNR {psnr_db:.2f} dB{_half_size(photos, i)}{gain_text}"
    return gain_db, note.replace("-", "−")


def _change(photos, i):
    """How much a step changed the one before, in grey levels; and the words below it."""
    if i == 0:
        return 0.0, "as it was given"
    before = _resize_like(photos[i - 1], photos[i])
    levels = 255 * float((photos[i] - before).abs().mean())
    text = f"changed the step before by {levels:.2f} grey levels on average"
    return levels, text + _half_size(photos, i)


def _half_size(photos, i):
    return " at half size" if photos[i].shape != photos[0].shape else ""


def _resize_like(photo, other):
    """A photo at another's size, the way MSSNet's authors halve: bilinear, corners aligned."""
    if photo.shape == other.shape:
        return photo
    size = other.shape[-2:]
    return F.interpolate(photo[None], size=size, mode="bilinear", align_corners=True)[0]
