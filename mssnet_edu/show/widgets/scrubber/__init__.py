"""A film to scrub through: frames side by side, and curves below them with the same time axis."""

import math
from collections.abc import Mapping, Sequence

import torch
import traitlets

from mssnet_edu import images
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Scrubber", "scrubber"]

STILLS = 4  # frames of each panel in the still picture


class Scrubber(StaticFallback):
    """The widget behind `scrubber`. `frame`, from 0, may be read and set."""

    _esm = script("scrubber")
    _css = style("scrubber")
    _films: dict[str, torch.Tensor]

    panels = traitlets.List(traitlets.Dict()).tag(sync=True)  # name, mark, urls: one per frame
    curves = traitlets.List(traitlets.Dict()).tag(sync=True)  # name, values: one per frame
    frame = traitlets.Int(0).tag(sync=True)
    fps = traitlets.Float(8.0).tag(sync=True)
    width = traitlets.Int(448).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # width, height of a frame
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """A few frames of each panel, as plain HTML."""
        count = len(self.panels[0]["urls"])
        chosen = sorted({round(i * (count - 1) / (STILLS - 1)) for i in range(STILLS)})
        notes = [
            ", ".join(f"{curve['name']}: {_text(curve['values'][t])}" for curve in self.curves)
            for t in chosen
        ]
        return figures.photos(
            [film[t] for film in self._films.values() for t in chosen],
            titles=[f"{name}, frame {t + 1}" for name in self._films for t in chosen],
            captions=notes + [None] * len(chosen) * (len(self._films) - 1),
            columns=len(chosen),
            alt=self.alt,
            max_px=150_000,
        )


def scrubber(
    panels: Mapping[str, torch.Tensor],
    curves: Mapping[str, Sequence[float] | torch.Tensor] | None = None,
    marks: Mapping[str, str] | None = None,
    fps: float = 8,
    frame: int = 0,
    alt: str | None = None,
) -> Scrubber:
    """Step through a film, or play it, with curves below that have the same time axis.

    panels: {name: (T, 3, H, W)}, one to four films of one size and length, shown side by side; sRGB
    in [0, 1]. curves: {name: T numbers}, each drawn on a scale of its own; NaN leaves a gap. marks:
    {name: tag}, as in `figures.photos`. fps: frames per second when it plays.
    frame: where it starts, from 0. alt: what there is to see, for readers who cannot.
    By buttons, slider, a click on a curve, and keys; all frames are inside, so no kernel is needed.
    Returns the widget. Raises PhotoError for films of unequal sizes, ValueError for other lengths.

    >>> film = torch.rand(5, 3, 16, 24)
    >>> widget = scrubber({"as filmed": film}, curves={"brightness": film.mean((1, 2, 3))})
    >>> widget.frame = 4
    """
    if not isinstance(panels, Mapping) or not 1 <= len(panels) <= 4:
        raise ValueError("panels must be a dict of one to four films, {name: (T, 3, H, W)}")
    films = {str(name): images.as_batch(film, f"panels[{name!r}]") for name, film in panels.items()}
    first = next(iter(films.values()))
    for name, film in films.items():
        if film.shape != first.shape:
            raise images.PhotoError(
                f"panels[{name!r}] is {tuple(film.shape)}, the first panel {tuple(first.shape)}; "
                "expected films of one size and length."
            )
    numbers = {name: torch.as_tensor(each).tolist() for name, each in (curves or {}).items()}
    for name, values in numbers.items():
        if len(values) != len(first):
            raise ValueError(
                f"curves[{name!r}] has {len(values)} numbers for {len(first)} frames; give one each"
            )
    if not 0 <= frame < len(first):
        raise ValueError(f"frame is {frame}; the film has the frames 0 to {len(first) - 1}")
    marks = marks or {}
    for mark in marks.values():
        look.check_mark(mark)
    column_px = (look.PAGE_PX - look.GAP_PX * (len(films) - 1)) // len(films)
    widget = Scrubber(
        panels=[
            {"name": n, "mark": marks.get(n, ""), "urls": [look.film_url(x) for x in film]}
            for n, film in films.items()
        ],
        curves=[
            {"name": name, "values": [v if math.isfinite(v) else None for v in values]}
            for name, values in numbers.items()
        ],
        frame=frame,
        fps=float(fps),
        width=min(look.display_widths([first[0]], column_px, 480)[0], column_px),
        shape=list(look.size_of(first)),
        alt=alt or f"A film: {', '.join(films)}.",
    )
    widget._films = films
    return widget


def _text(value):
    return "–" if value is None else f"{value:.1f}"
