"""Which old frame to keep: rules that adopt the present frame as the reference, or do not.

A clip plays. Each frame's clipped pixels are filled from the one kept *reference*; then a *rule*
decides whether to adopt the present frame as the reference of the frames to come. A rule is any
function

    def rule(now: Glance, kept: Glance | None) -> bool

True adopts `now`. It looks at two frames and knows nothing of the future. What a rule is worth is
read from a table of the quality of each frame with each reference (`Qualities`), made once.
Source: Xing et al., "Online Overexposed Pixels Hallucination in Videos with Adaptive Reference
Frame Selection" (2023), from the paper alone; the rules' names and the oracle are this course's.

>>> import torch
>>> frames = torch.rand(4, 3, 18, 32)
>>> run(RULES["every-kth"], glances(frames, torch.zeros(4)))
[None, 0, 0, 0]
"""

from mssnet_edu.reference_selection.glances import FEATURES, Glance, Match, glances, match, observe
from mssnet_edu.reference_selection.rules import RULES, Rule, every_kth, learned, run
from mssnet_edu.reference_selection.stored import CLIPS, FILE, compare, film_clip, load_clip
from mssnet_edu.reference_selection.worth import (
    Qualities,
    advantages,
    best_view,
    fill,
    judged,
    measure,
    oracle,
    score,
)

__all__ = [
    "CLIPS",
    "FEATURES",
    "FILE",
    "RULES",
    "Glance",
    "Match",
    "Qualities",
    "Rule",
    "advantages",
    "best_view",
    "compare",
    "every_kth",
    "fill",
    "film_clip",
    "glances",
    "judged",
    "learned",
    "load_clip",
    "match",
    "measure",
    "observe",
    "oracle",
    "run",
    "score",
]
