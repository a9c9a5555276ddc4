"""Which pixels to trust: recorded and invented, many answers for one photo, and a trust map.

`range_null_split`, `blend_invented` and `back_project` take an answer apart and make it agree with
the small photo; `candidates` finds other answers that agree just as well; `trust_map` says where
they differ.
"""

from mssnet_edu.hallucination.answers import borrow_detail, candidates, swap_invented
from mssnet_edu.hallucination.lettering import Lettering, ambiguous_plates, ambiguous_signs
from mssnet_edu.hallucination.operators import (
    Downscale,
    Shares,
    back_project,
    blend_invented,
    blockiness,
    energy_shares,
    pseudo_inverse,
    range_null_split,
)
from mssnet_edu.hallucination.statistics import gradient_histogram, pareto_front, spectrum_slope
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
    "ambiguous_plates",
    "ambiguous_signs",
    "back_project",
    "blend_invented",
    "blockiness",
    "borrow_detail",
    "calibrate",
    "calibration",
    "candidates",
    "cell_error",
    "energy_shares",
    "gradient_histogram",
    "gradient_magnitude",
    "pareto_front",
    "pseudo_inverse",
    "range_null_split",
    "spearman",
    "spectrum_slope",
    "swap_invented",
    "trust_map",
]
