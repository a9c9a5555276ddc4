"""Which pixels to trust: recorded and invented, many answers for one photo, and a trust map.

`split`, `dial` and `project` take an answer apart and make it agree with the small photo;
`candidates` finds other answers that agree just as well; `trust_map` says where they differ.
"""

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
    "Shares",
    "blockiness",
    "dial",
    "project",
    "shares",
    "split",
    "start",
]
