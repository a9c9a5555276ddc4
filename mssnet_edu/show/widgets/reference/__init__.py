"""A game: you are the policy. Adopt this frame as the reference, or keep the one you have?"""

import math
from collections.abc import Mapping, Sequence

import torch
import traitlets

from mssnet_edu import images
from mssnet_edu.reference_selection import Qualities, score
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["ReferenceGame", "reference_game"]

WIDTH_PX = 448
STILLS = 8


class ReferenceGame(StaticFallback):
    """The widget behind `reference_game`. `choices` holds a bool a frame: adopted or not."""

    _esm = script("reference")
    _css = style("reference")
    _frames: torch.Tensor

    urls = traitlets.List(traitlets.Unicode()).tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)  # what the camera says of each frame
    none = traitlets.List().tag(sync=True)  # dB of each frame without a reference
    pairs = traitlets.List().tag(sync=True)  # row t, column s: dB of frame t with frame s
    rivals = traitlets.List(traitlets.Dict()).tag(sync=True)  # name, references
    choices = traitlets.List(traitlets.Bool()).tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # width, height of a frame
    alt = traitlets.Unicode().tag(sync=True)

    @property
    def references(self) -> list[int | None]:
        """The reference of each frame so far, as `me.reference_selection.run` gives them."""
        kept: list[int | None] = [None]
        for number, adopted in enumerate(self.choices):
            kept.append(number if adopted else kept[-1])
        return kept

    def still(self) -> look.Figure:
        """Some of the frames, as plain HTML; what the rivals adopted stands in the captions."""
        count = len(self.urls)
        chosen = sorted({round(i * (count - 1) / (STILLS - 1)) for i in range(STILLS)})
        return figures.photos(
            [self._frames[t] for t in chosen],
            titles=[f"frame {t + 1}" for t in chosen],
            captions=[self.notes[t] for t in chosen],
            columns=4,
            alt=self.alt,
            max_px=150_000,
        )


def reference_game(
    frames: torch.Tensor,
    qualities: Qualities,
    rivals: Mapping[str, Sequence[int | None]],
    notes: Sequence[str] | None = None,
    alt: str | None = None,
) -> ReferenceGame:
    """Play the reference selection of a clip, against rules and networks that have played it.

    frames: (T, 3, H, W), sRGB in [0, 1], as they are to be seen. qualities: of the T frames, as
    `me.reference_selection.measure` gives them. rivals: {name: T references}, each as
    `me.reference_selection.run` gives them. notes: T texts, what the camera says of each frame.
    After each frame you adopt it as the reference of all that follow, or keep the one you have: by
    mouse or by the keys A and K. At the end all are scored by their mean quality. No kernel is
    needed; `choices` and `references` may be read. Returns the widget. Raises ValueError for other
    lengths.

    >>> none = torch.tensor([20.0, 20, 20])
    >>> table = Qualities(torch.full((3, 3), 25.0).tril(-1), none, none + 9, none - 2)
    >>> game = reference_game(torch.rand(3, 3, 16, 24), table, {"never": [None] * 3})
    >>> game.choices = [True, False]
    >>> game.references
    [None, 0, 0]
    """
    frames = images.as_batch(frames, "frames")
    count = len(frames)
    notes = list(notes or [""] * count)
    lengths = {"qualities": len(qualities.none), "notes": len(notes)}
    lengths |= {f"rivals[{name!r}]": len(references) for name, references in rivals.items()}
    for what, length in lengths.items():
        if length != count:
            raise ValueError(f"{what} is of {length} frames, the clip has {count}; give one each")
    for references in rivals.values():
        score(qualities, references)  # raises for a reference from the future
    widget = ReferenceGame(
        urls=[look.film_url(frame) for frame in frames],
        notes=notes,
        none=_numbers(qualities.none),
        pairs=[_numbers(row) for row in qualities.pairs],
        rivals=[{"name": name, "references": list(each)} for name, each in rivals.items()],
        width=min(look.display_widths([frames[0]], WIDTH_PX, 420)[0], WIDTH_PX),
        shape=list(look.size_of(frames[0])),
        alt=alt or "A game: adopt a frame of a film as the reference, or keep the one before.",
    )
    widget._frames = frames
    return widget


def _numbers(values):
    """Floats for JSON, which has no NaN."""
    return [round(value, 3) if math.isfinite(value) else None for value in values.tolist()]
