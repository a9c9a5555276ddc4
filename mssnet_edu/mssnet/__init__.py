"""MSSNet: the network, its stages, what is inside it, and the authors' checkpoint files."""

from mssnet_edu.mssnet.ablation import Ablation, beyond_seed_noise
from mssnet_edu.mssnet.checkpoints import load_official_checkpoint
from mssnet_edu.mssnet.inspect import (
    BANDS_PX,
    ReceptiveField,
    ScaleEnergy,
    StageFeatures,
    feature_maps,
    receptive_field,
    residual_energy,
)
from mssnet_edu.mssnet.network import MSSNet, MSSNetConfig, StageResult

__all__ = [
    "BANDS_PX",
    "Ablation",
    "MSSNet",
    "MSSNetConfig",
    "ReceptiveField",
    "ScaleEnergy",
    "StageFeatures",
    "StageResult",
    "beyond_seed_noise",
    "feature_maps",
    "load_official_checkpoint",
    "receptive_field",
    "residual_energy",
]
