"""The dial: an answer taken apart into recorded and invented, and put together again, live."""

from typing import Literal

import torch
import traitlets

from mssnet_edu import images
from mssnet_edu.operators import back_project, blend_invented
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Dial", "dial"]

UNIT = 16384  # steps of int16 for one unit of brightness: -2 to 2 fits; dial.js has the same
WIDTH_PX, PART_WIDTH_PX = 520, 240
MAX_PX = 1_100_000  # 6 bytes each travel to the browser, three times


class Dial(StaticFallback):
    """The widget behind `dial`. `alpha` (0 to 2) and `kind` may be read and set."""

    _esm = script("dial")
    _css = style("dial")
    _photos: tuple[torch.Tensor, torch.Tensor]  # the small one and the whole answer

    small = traitlets.Bytes().tag(sync=True)
    smooth = traitlets.Bytes().tag(sync=True)
    full = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # width, height of the small photo
    factor = traitlets.Int(8).tag(sync=True)
    alpha = traitlets.Float(1.0).tag(sync=True)
    kind = traitlets.Enum(["smooth", "mosaic"], "smooth").tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    part_width = traitlets.Int(PART_WIDTH_PX).tag(sync=True)  # of recorded and invented
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """The ends and the middle of the dial, as plain HTML."""
        alphas = (0.0, 0.5, 1.0, 2.0)
        start = "recorded only" if self.kind == "mosaic" else "a smooth guess"
        return figures.photos(
            [blend_invented(*self._photos, alpha, self.kind) for alpha in alphas],
            titles=[f"{alpha:g} × invented" for alpha in alphas],
            captions=[start, None, "the whole answer", "over-imagined"],
            alt=self.alt,
            max_px=400_000,
        )


def dial(
    photo_small: torch.Tensor,
    answer: torch.Tensor,
    alpha: float = 1.0,
    kind: Literal["smooth", "mosaic"] = "smooth",
    alt: str | None = None,
) -> Dial:
    """Turn the invented part of an answer down to nothing, or up to twice its strength.

    photo_small: (3, H, W), sRGB in [0, 1]; answer: (3, fH, fW), a whole number of times larger, up
    to 1.1 megapixels; it is made consistent first. alpha: where the dial stands, 0 to 2. kind: what
    is left at 0: "mosaic", the recorded squares, or "smooth", a guess between them without seams.
    The two parts stand beside the picture; below it, how well it agrees with the small photo. All
    is computed in the browser at each move. Returns the widget. Raises PhotoError for wrong sizes.

    >>> widget = dial(torch.rand(3, 4, 6), torch.rand(3, 32, 48))
    >>> widget.alpha = 0.5
    """
    small = look.single_photo(photo_small, "photo_small")
    answer = look.single_photo(answer, "answer")
    if answer.shape[-1] * answer.shape[-2] > MAX_PX:
        raise images.PhotoError(
            f"answer is {answer.shape[-1]} x {answer.shape[-2]} px; the dial takes up to "
            f"{MAX_PX:,} pixels. Cut the same part out of both photos: me.images.crop"
        )
    full = back_project(answer, small)
    smooth = blend_invented(small, full, 0)
    width = look.display_widths([answer], WIDTH_PX, 520)[0]
    height = width * answer.shape[-2] // answer.shape[-1]
    # both parts, one above the other, are as high as the picture
    part_width = (height - 60) * answer.shape[-1] // answer.shape[-2] // 2
    widget = Dial(
        small=_to_int16(small),
        smooth=_to_int16(smooth),
        full=_to_int16(full),
        shape=list(look.size_of(small)),
        factor=answer.shape[-1] // small.shape[-1],
        alpha=float(alpha),
        kind=kind,
        width=width,
        part_width=max(min(PART_WIDTH_PX, width // 2, part_width), 96),
        alt=alt or "An enlarged photo, with a dial for its invented part.",
    )
    widget._photos = (small, full)
    return widget


def _to_int16(photo):
    steps = (photo * UNIT).round().clamp(-32768, 32767)
    return steps.to(torch.int16).contiguous().numpy().tobytes()
