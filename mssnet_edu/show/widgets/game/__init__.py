"""A game: two pictures, one of them a photograph. Which? The score is held against chance."""

from collections.abc import Sequence

import torch
import traitlets

from mssnet_edu import images
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Game", "guess_game"]

WIDTH_PX = 384
SIDES = ("left", "right")


class Game(StaticFallback):
    """The widget behind `guess_game`. `choices` holds 0 (left) or 1 (right) for each pair."""

    _esm = script("game")
    _css = style("game")
    _photos: list[torch.Tensor]

    rounds = traitlets.List(traitlets.Dict()).tag(sync=True)
    choices = traitlets.List(traitlets.Int()).tag(sync=True)
    width = traitlets.Int(WIDTH_PX).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    @property
    def hits(self) -> int:
        """How many photographs have been found so far."""
        return sum(c == r["truth"] for c, r in zip(self.choices, self.rounds, strict=False))

    def still(self) -> look.Figure:
        """All pairs, as plain HTML; the solution stands in the alternative text only."""
        titles = [f"pair {i}, {side}" for i in range(1, len(self.rounds) + 1) for side in SIDES]
        solution = ", ".join(f"{i}: {SIDES[r['truth']]}" for i, r in enumerate(self.rounds, 1))
        alt = f"{self.alt} The photographs are, {solution}."
        return figures.photos(self._photos, titles, alt=alt, columns=4, max_px=150_000)


def guess_game(pairs: Sequence[Sequence], seed: int = 0, alt: str | None = None) -> Game:
    """Play "which is the photograph?" with pairs of pictures.

    pairs: [(photograph, other)] or [(photograph, other, name of the other)], photos of one size,
    (3, H, W), sRGB in [0, 1]. seed: decides the sides and the order. By mouse or arrow keys, in the
    page: no kernel is needed. The widget's `choices` and `hits` may be read.
    Raises ValueError for no pairs, PhotoError where the two of a pair differ in size.

    >>> widget = guess_game([(torch.rand(3, 16, 16), torch.rand(3, 16, 16), "a network")])
    >>> widget.choices = [widget.rounds[0]["truth"]]
    >>> widget.hits
    1
    """
    pairs = [tuple(pair) for pair in pairs]
    if not pairs or not all(len(pair) in (2, 3) for pair in pairs):
        raise ValueError("pairs must be a list of (photograph, other) or (photograph, other, name)")
    generator = torch.Generator().manual_seed(seed)
    rounds, photos = [], []
    # half of the photographs lie on each side: five heads in a row would reward who never looks
    sides = (torch.randperm(len(pairs), generator=generator) % 2).tolist()
    for i in torch.randperm(len(pairs), generator=generator).tolist():
        photograph, other = (look.single_photo(photo, f"pairs[{i}]") for photo in pairs[i][:2])
        if photograph.shape != other.shape:
            sizes = ["{} x {} px".format(*look.size_of(p)) for p in (photograph, other)]
            raise images.PhotoError(f"pairs[{i}] is {sizes[0]} and {sizes[1]}; expected one size")
        both = [other, photograph] if sides[i] else [photograph, other]
        photos += both
        urls = {side: look.photo_url(p, 400_000) for side, p in zip(SIDES, both, strict=True)}
        note = str(pairs[i][2]) if len(pairs[i]) == 3 else "made up"
        rounds.append({**urls, "truth": sides[i], "note": note})
    widget = Game(
        rounds=rounds,
        width=min(look.display_widths(photos[:2], WIDTH_PX, 420)[0], WIDTH_PX),
        alt=alt or "A game: two pictures, one of them a photograph.",
    )
    widget._photos = photos
    return widget
