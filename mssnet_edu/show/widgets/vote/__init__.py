"""A vote: an enlarged picture and what a classifier says of it. Would you take it as evidence?"""

from collections.abc import Collection, Sequence

import torch
import traitlets

from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Vote", "vote"]

WIDTH_PX = 360
MAX_PX = 400_000
Case = tuple[torch.Tensor, tuple[str, float], torch.Tensor, Collection[str]]


class Vote(StaticFallback):
    """The widget behind `vote`. `votes` holds True (accepted) or False for each picture."""

    _esm = script("vote")
    _css = style("vote")
    _photos: list[torch.Tensor]

    # of each: url, original, widths (of both, on the screen), claim, truth, right
    cases = traitlets.List(traitlets.Dict()).tag(sync=True)
    votes = traitlets.List(traitlets.Bool()).tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    @property
    def misled(self) -> int:
        """How many pictures were accepted so far of which the classifier said something wrong."""
        return sum(v and not c["right"] for v, c in zip(self.votes, self.cases, strict=False))

    def still(self) -> look.Figure:
        """The pictures with what is said of them, as plain HTML; the solution is in the alt."""
        truths = "; ".join(f"{i}: {case['truth']}" for i, case in enumerate(self.cases, 1))
        titles = [f"picture {i}" for i in range(1, len(self.cases) + 1)]
        captions = [f"The classifier says: {case['claim']}" for case in self.cases]
        alt = f"{self.alt} {self.question} They were, {truths}."
        return figures.photos(self._photos, titles, captions, alt=alt, columns=4, max_px=150_000)


def vote(
    cases: Sequence[Case],
    question: str = "Would you accept this picture as evidence of what was there?",
    alt: str | None = None,
) -> Vote:
    """Ask of one picture after the other whether it is evidence; then show what was there.

    cases: [(picture, (name, probability), original, right names)]: an enlarged picture and the
    classifier's first answer to it, the original, and the names that are right; photos (3, H, W),
    sRGB in [0, 1]. By mouse or arrow keys, in the page: no kernel is needed. The widget's `votes`
    and `misled` may be read. Raises ValueError for no cases.

    >>> noise = torch.rand(3, 16, 16)
    >>> widget = vote([(noise, ("python", 0.56), noise, ["grey whale"])])
    >>> widget.votes = [True]
    >>> widget.misled
    1
    """
    if not cases or not all(len(case) == 4 for case in cases):
        raise ValueError(
            "cases must be a list of (picture, (name, probability), original, right names)."
        )
    listed, pictures = [], []
    for i, (picture, (name, probability), original, names) in enumerate(cases):
        both = [
            look.single_photo(photo, f"cases[{i}]'s {which}")
            for photo, which in ((picture, "picture"), (original, "original"))
        ]
        pictures.append(both[0])
        url, original_url = (look.photo_url(photo, MAX_PX) for photo in both)
        listed.append(
            {
                "url": url,
                "original": original_url,
                "widths": look.display_widths(both, WIDTH_PX, WIDTH_PX),
                "claim": f"{name}, {100 * probability:.0f} %",
                "truth": " or ".join(names),
                "right": name in names,
            }
        )
    widget = Vote(
        cases=listed,
        question=question,
        alt=alt or "A vote: is an enlarged picture evidence of what was there?",
    )
    widget._photos = pictures
    return widget
