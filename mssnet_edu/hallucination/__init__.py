"""Which pixels to trust: recorded and invented, many answers for one photo, and a trust map.

`range_null_split` and `back_project` take an answer apart and make it agree with the small photo;
`candidates` and `lookalikes` find other answers that agree just as well; `trust_map` says where
they differ.
"""

from mssnet_edu.hallucination.candidates import candidates
from mssnet_edu.hallucination.lettering import ambiguous_plates, ambiguous_signs
from mssnet_edu.hallucination.lookalikes import lookalikes
from mssnet_edu.hallucination.statistics import gradient_histogram, pareto_front, spectrum_slope
from mssnet_edu.hallucination.trust import calibration, cell_error, trust_map
from mssnet_edu.operators import (
    back_project,
    blockiness,
    energy_shares,
    pseudo_inverse,
    range_null_split,
)

__all__ = [
    "ambiguous_plates",
    "ambiguous_signs",
    "back_project",
    "blockiness",
    "calibration",
    "candidates",
    "cell_error",
    "energy_shares",
    "gradient_histogram",
    "lookalikes",
    "pareto_front",
    "pseudo_inverse",
    "range_null_split",
    "spectrum_slope",
    "trust_map",
]
