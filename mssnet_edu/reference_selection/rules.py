"""Rules that decide, after each frame, whether to adopt it as the reference of those to come."""

from collections.abc import Callable, Sequence

import torch

from mssnet_edu.models import load_model
from mssnet_edu.models.reference_policy import ReferencePolicy
from mssnet_edu.reference_selection.glances import Glance, observe

__all__ = ["RULES", "Rule", "every_kth", "learned", "run"]

EVERY = 8  # frames, of the rule every-kth

Rule = Callable[[Glance, Glance | None], bool]


def every_kth(k: int = EVERY) -> Rule:
    """The rule that adopts every k-th frame. Raises ValueError for a k below 1.

    >>> from mssnet_edu.reference_selection import glances
    >>> run(every_kth(2), glances(torch.rand(5, 3, 18, 32), torch.zeros(5)))
    [None, 0, 0, 2, 2]
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 (every frame) or more.")
    return lambda now, kept: kept is None or now.number - kept.number >= k


RULES: dict[str, Rule] = {
    "none": lambda now, kept: False,
    "first": lambda now, kept: kept is None,
    "previous": lambda now, kept: True,
    "every-kth": every_kth(),
    "least-clipped": lambda now, kept: kept is None or now.clipped_share <= kept.clipped_share,
}


def learned(policy: ReferencePolicy | None = None) -> Rule:
    """The rule of a policy network; None: of the course's own, `load_model("reference-policy")`."""
    network = policy or load_model("reference-policy")

    @torch.inference_mode()
    def rule(now: Glance, kept: Glance | None) -> bool:
        return float(network(observe(now, kept))) > 0

    return rule


def run(rule: Rule, seen: Sequence[Glance]) -> list[int | None]:
    """Play a clip by a rule: returns the number of the reference of each frame, None for none.

    seen: what `glances` gives. The rule is asked once after each frame, for the frames to come.
    The first frame never has a reference.

    >>> from mssnet_edu.reference_selection import glances
    >>> run(RULES["previous"], glances(torch.rand(3, 3, 18, 32), torch.zeros(3)))
    [None, 0, 1]
    """
    references: list[int | None] = []
    kept: int | None = None
    for number, now in enumerate(seen):
        references.append(kept)
        if rule(now, None if kept is None else seen[kept]):
            kept = number
    return references
