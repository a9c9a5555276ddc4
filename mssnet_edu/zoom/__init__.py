"""Zoom and recognition: 324 ways to frame a photo, and what a classifier makes of each.

`anchor_crops` and `all_zooms` are the zooms of ImageNet-Hard; `zoom_tta` averages over random ones.
`is_right`, `paired` and `reliability` say how good answers are, and how sure one can be of that.
"""

from mssnet_edu.zoom.accuracy import (
    Paired,
    Reliability,
    best_fixed_zoom,
    best_zoom,
    center_bias,
    entropy_bits,
    is_right,
    oracle,
    paired,
    reliability,
    wilson_interval,
)
from mssnet_edu.zoom.classify import (
    all_zooms,
    centre_crop,
    classify,
    each_size,
    ten_crop,
    zoom_tta,
)
from mssnet_edu.zoom.crops import (
    ANCHORS,
    CROP_PX,
    SIZES_PX,
    Zoom,
    anchor_crops,
    crop,
    crop_box,
    random_resized_crops,
    ten_crops,
)

__all__ = [
    "ANCHORS",
    "CROP_PX",
    "SIZES_PX",
    "Paired",
    "Reliability",
    "Zoom",
    "all_zooms",
    "anchor_crops",
    "best_fixed_zoom",
    "best_zoom",
    "center_bias",
    "centre_crop",
    "classify",
    "crop",
    "crop_box",
    "each_size",
    "entropy_bits",
    "is_right",
    "oracle",
    "paired",
    "random_resized_crops",
    "reliability",
    "ten_crop",
    "ten_crops",
    "wilson_interval",
    "zoom_tta",
]
