"""Which pixels to trust: recorded and invented, many answers for one photo, and a trust map.

`split`, `dial` and `project` take an answer apart and make it agree with the small photo;
`candidates` finds other answers that agree just as well; `trust_map` says where they differ.
"""

from mssnet_edu.hallucination.answers import borrow_detail, candidates, swap_invented
from mssnet_edu.hallucination.lettering import Lettering, plates, signs
from mssnet_edu.hallucination.operators import (
    Downscale,
    Shares,
    blockiness,
    dial,
    project,
    shares,
    split,
    start,
)

__all__ = [
    "Downscale",
    "Lettering",
    "Shares",
    "blockiness",
    "borrow_detail",
    "candidates",
    "dial",
    "plates",
    "project",
    "shares",
    "signs",
    "split",
    "start",
    "swap_invented",
]
