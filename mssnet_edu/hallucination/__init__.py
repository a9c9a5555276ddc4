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
from mssnet_edu.hallucination.statistics import frontier, gradient_histogram, spectrum_slope
from mssnet_edu.hallucination.trust import (
    Calibration,
    TrustMap,
    calibrate,
    calibration,
    cell_error,
    gradient_magnitude,
    spearman,
    trust_map,
)

__all__ = [
    "Calibration",
    "Downscale",
    "Lettering",
    "Shares",
    "TrustMap",
    "blockiness",
    "borrow_detail",
    "calibrate",
    "calibration",
    "candidates",
    "cell_error",
    "dial",
    "frontier",
    "gradient_histogram",
    "gradient_magnitude",
    "plates",
    "project",
    "shares",
    "signs",
    "spearman",
    "spectrum_slope",
    "split",
    "start",
    "swap_invented",
    "trust_map",
]
