"""Step through MSSNet's six stages: the picture so far, what was changed, and what it gained."""

import torch
import traitlets
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["StagePlayer", "stage_player"]

PANEL_PX = 440
MAX_PX = 1_000_000  # of one picture; there are fourteen
WORKS_AT = {"S1": "quarter size", "S2": "half size", "S3": "full size"}


class StagePlayer(StaticFallback):
    """The widget behind `stage_player`. `step` is 0 for the blurred photo, then 1 to 6."""

    _esm = script("stages")
    _css = style("compare", "stages")

    steps = traitlets.List(traitlets.Dict()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    width = traitlets.Int(PANEL_PX).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # width, height of the photo
    bars = traitlets.Unicode().tag(sync=True)  # what the bars say
    signed = traitlets.Bool().tag(sync=True)  # do they go both ways?
    span = traitlets.Float().tag(sync=True)  # of the change map: full colour, in grey levels
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """All the steps side by side, as plain HTML."""
        from mssnet_edu.show import figures

        return figures.laid_out(
            self._photos,
            titles=[step["name"] for step in self.steps],
            captions=[step["note"] for step in self.steps],
            columns=4,
            alt=self.alt,
            max_px=200_000,
        )


def stage_player(model, photo, truth=None, alt=None):
    """Run MSSNet once and step through its stages: picture so far, what was changed, the gain.

    model: an MSSNet, as `me.load_model("mssnet-deblur")` gives; anything with `stages(photo)` that
    yields results with name, scale, photo, residual and seconds. photo: (3, H, W), sRGB in [0, 1].
    truth: the sharp original, the same size, if it is known. Then each stage tells its PSNR and how
    much that is above the blurred photo's; without it, how much the stage changed the one before.
    S1 answers at half size, and is measured there. alt: what there is to see, for readers who
    cannot. Works by buttons, slider and keyboard, and without a kernel: all pictures are inside.
    Returns the widget. Raises PhotoError for unequal sizes, TypeError for a model without stages.

    >>> from mssnet_edu.mssnet import MSSNet, MSSNetConfig
    >>> player = stage_player(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 32, 32))
    >>> [step["name"] for step in player.steps]
    ['blurred', 'S1-U1', 'S2-U1', 'S2-U2', 'S3-U1', 'S3-U2', 'S3-U3']
    """
    photo = look.one_photo(photo)
    if not hasattr(model, "stages"):
        raise TypeError(f"a {type(model).__name__} has no stages; use an MSSNet")
    if truth is not None:
        truth = look.one_photo(truth, "truth")
        if truth.shape != photo.shape:
            sizes = ["{} x {} px".format(*look.size_of(p)) for p in (photo, truth)]
            raise images.PhotoError(f"photo is {sizes[0]}, truth is {sizes[1]}; expected one size")
    with torch.inference_mode():
        results = list(model.stages(photo[None]))
    pictures = [photo, *(r.photo[0].clamp(0, 1) for r in results)]
    changes = [torch.zeros_like(photo[:1]), *(images.luma(r.residual[0]) for r in results)]
    span = _span(changes[1:])
    gains, notes = _gains(pictures, truth)
    steps = []
    for i, (picture, change) in enumerate(zip(pictures, changes, strict=True)):
        result = results[i - 1] if i else None
        steps.append(
            {
                "name": result.name if result else "blurred",
                "scale": result.scale if result else "",
                "works_at": WORKS_AT.get(result.scale, "") if result else "",
                "photo": look.data_url(look.reduced(picture, MAX_PX)[0]),
                "change": look.data_url(look.reduced(signed(change, span), MAX_PX)[0]),
                "size": "{} × {} px".format(*look.size_of(picture)),
                "seconds": result.seconds if result else 0.0,
                "gain": gains[i],
                "note": notes[i],
            }
        )
    widget = StagePlayer(
        steps=steps,
        step=len(steps) - 1,
        width=look.widths([photo], PANEL_PX, tall_px=460)[0],
        shape=list(look.size_of(photo)),
        bars=(
            "PSNR gained over the blurred photo, in dB"
            if truth is not None
            else "How much each stage changed, in grey levels of 255"
        ),
        signed=truth is not None,
        span=255 * span,
        alt=alt or "MSSNet's six stages: the picture after each, and what was changed.",
    )
    widget._photos = pictures
    return widget


def signed(change, span):
    """A signed map (1, H, W) as a picture: grey for no change, violet darker, green brighter.

    >>> signed(torch.zeros(1, 1, 1), 0.1).flatten() * 255
    tensor([226., 226., 226.])
    """
    t = (change / max(span, 1e-6)).clamp(-1, 1)
    grey, darker, brighter = (
        torch.tensor([int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)])[:, None, None]
        for c in ("#e2e2e2", look.DARKER, look.BRIGHTER)
    )
    return grey + (brighter - grey) * t.clamp(min=0) + (darker - grey) * (-t).clamp(min=0)


def _span(changes):
    """The common scale of the maps: all but the strongest half per cent fit in."""
    values = torch.cat([c.abs().flatten() for c in changes])
    kth = max(1, int(0.995 * values.numel()))
    return max(float(values.kthvalue(kth).values), 1 / 255)


def _gains(pictures, truth):
    """For each step a number for its bar, and the words below it."""
    gains, notes = [], []
    blurred = pictures[0]
    for i, picture in enumerate(pictures):
        half = " at half size" if picture.shape != blurred.shape else ""
        if truth is not None:
            from mssnet_edu import metrics

            own = metrics.psnr(picture, _fit(truth, picture))
            start = metrics.psnr(_fit(blurred, picture), _fit(truth, picture))
            gains.append(own - start)
            gained = f", {own - start:+.2f} dB against the blurred photo" if i else ""
            notes.append(f"PSNR {own:.2f} dB{half}{gained}".replace("-", "−"))
        elif i == 0:
            gains.append(0.0)
            notes.append("as it was given")
        else:
            changed = 255 * float((picture - _fit(pictures[i - 1], picture)).abs().mean())
            gains.append(changed)
            notes.append(f"changed the step before by {changed:.2f} grey levels on average{half}")
    return gains, notes


def _fit(photo, like):
    """A photo at another's size, the way MSSNet's authors halve: bilinear, corners aligned."""
    if photo.shape == like.shape:
        return photo
    size = like.shape[-2:]
    return F.interpolate(photo[None], size=size, mode="bilinear", align_corners=True)[0]
