"""Photos: the one image convention (`arrays`), and picture files (read: `files`; `writing`).

Everywhere in this project a *photo* is a torch float32 tensor of shape (3, H, W), or (N, 3, H, W)
for several photos of one size, with sRGB values in [0, 1]. Only this package converts.
"""

from mssnet_edu.images.arrays import (
    PhotoError,
    as_batch,
    crop,
    from_numpy,
    luma,
    quantize,
    to_linear,
    to_numpy,
    to_srgb,
)
from mssnet_edu.images.arrays import like as like  # for the package, not for notebooks
from mssnet_edu.images.decoding import decode, from_pillow
from mssnet_edu.images.files import load, load_frames, to_pillow
from mssnet_edu.images.metadata import Metadata, read_metadata
from mssnet_edu.images.provenance import Provenance, Step
from mssnet_edu.images.transparency import load_alpha
from mssnet_edu.images.writing import save

__all__ = [
    "Metadata",
    "PhotoError",
    "Provenance",
    "Step",
    "as_batch",
    "crop",
    "decode",
    "from_numpy",
    "from_pillow",
    "load",
    "load_alpha",
    "load_frames",
    "luma",
    "quantize",
    "read_metadata",
    "save",
    "to_linear",
    "to_numpy",
    "to_pillow",
    "to_srgb",
]
