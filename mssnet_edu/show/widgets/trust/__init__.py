"""The trust map over its picture, with a slider for the error that one is ready to accept."""

import torch
import traitlets

from mssnet_edu.hallucination.trust import TrustMap, cell_error
from mssnet_edu.show import figures, look
from mssnet_edu.show.colormaps import rgb
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Trust", "mask_doubtful", "trust"]

WIDTH_PX = 520
MAX_PX = 2_000_000


class Trust(StaticFallback):
    """The widget behind `trust`. `threshold`, in grey levels, may be read and set."""

    _esm = script("trust")
    _css = style("trust")
    _map: TrustMap

    url = traitlets.Unicode().tag(sync=True)
    expected = traitlets.List(traitlets.Float()).tag(sync=True)  # error of each cell, row by row
    errors = traitlets.List(traitlets.Float()).tag(sync=True)  # the real ones, or empty
    columns = traitlets.Int().tag(sync=True)
    rows = traitlets.Int().tag(sync=True)
    max_error = traitlets.Float().tag(sync=True)  # where the map's colour is full
    threshold = traitlets.Float().tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """The answer, and the answer with its doubtful cells covered, as plain HTML."""
        return figures.photos(
            [self._map.answer, mask_doubtful(self._map, self.threshold)],
            titles=["the answer", "doubtful cells covered"],
            captions=[None, f"expected error above {self.threshold:.0f} grey levels"],
            alt=self.alt,
            max_px=500_000,
        )


def trust(
    trust_map: TrustMap,
    truth: torch.Tensor | None = None,
    threshold: float | None = None,
    alt: str | None = None,
) -> Trust:
    """Show a trust map: cover the cells whose expected error is larger than one accepts.

    trust_map: from `me.hallucination.trust_map`. truth: the original, if it is known; then the
    figure says how often the map was right. threshold: the accepted error at first, in grey levels
    of 255; None takes the median. Works by mouse and keyboard, and without a kernel.
    Returns the widget. Raises TypeError for anything but a TrustMap.

    >>> a, b = torch.rand(3, 16, 16), torch.rand(3, 16, 16)
    >>> from mssnet_edu.hallucination import trust_map
    >>> trust(trust_map([a, b])).rows
    2
    """
    if not isinstance(trust_map, TrustMap):
        raise TypeError(
            f"trust_map is a {type(trust_map).__name__}; expected what "
            "me.hallucination.trust_map(candidates) returns"
        )
    answer = look.single_photo(trust_map.answer, "answer")
    expected = trust_map.expected
    rows, columns = expected.shape
    errors = [] if truth is None else cell_error(answer, truth).flatten().tolist()
    widget = Trust(
        url=look.photo_url(answer, MAX_PX),
        expected=expected.flatten().tolist(),
        errors=errors,
        columns=columns,
        rows=rows,
        max_error=max(float(expected.flatten().quantile(0.98)), 4.0),
        threshold=float(round(float(expected.median() if threshold is None else threshold))),
        width=look.display_widths([answer], WIDTH_PX, 520)[0],
        alt=alt or "An enlarged photo; cells with a large expected error are covered.",
    )
    widget._map = trust_map
    return widget


def mask_doubtful(trust_map: TrustMap, threshold: float) -> torch.Tensor:
    """The answer with a hatch over all cells whose expected error is above the threshold.

    threshold: grey levels of 255. Returns (3, 8H, 8W): a still picture of what `trust` shows.
    """
    answer = trust_map.answer.clamp(0, 1)
    cell_px = answer.shape[-1] // trust_map.expected.shape[-1]
    mask = (trust_map.expected > threshold)[None].float()
    mask = mask.repeat_interleave(cell_px, -1).repeat_interleave(cell_px, -2)
    height, width = answer.shape[-2:]
    diagonal = torch.arange(height)[:, None] + torch.arange(width)[None]
    hatch = (diagonal % cell_px < max(1, cell_px // 6)).float()[None]
    paper, ink = rgb(look.PAPER), rgb(look.INVENTED)
    covered = 0.9 * (paper + (ink - paper) * hatch) + 0.1 * answer
    return answer + mask * (covered - answer)
