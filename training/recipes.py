"""How each of the course's own networks is trained: one row a network."""

from dataclasses import dataclass, replace

from mssnet_edu.mssnet import MSSNetConfig
from training.degradation import NON_UNIFORM_SHARE

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """What one network is trained on, and how.

    task: which pairs ("deblur", "upscale", or "distil": a teacher's answers, with a loss of their
    own, see distillation.py). config: the network. size_px, batch: patches.
    rate, muon_rate: peak learning rates of AdamW (parameters that touch colours) and of Muon (the
    convolutions inside). loss: a key of `losses.LOSSES`; changing it in mid-run costs more than it
    gives. difficulty: of the blur, at first and at most (see degradation.py). gain_db: the
    difficulty rises while the network gains at least this over its input. scales: train only the
    first (1) or the first two (2), on motions `stretch` times as long: a long blur is a short one
    at their size, and their U-Nets do less than a fiftieth and a sixth of all the work. frozen: so
    many of the first scales are not trained. non_uniform: share of the batches with camera motion
    whose blur differs from place to place; they take most of a small network's time. starts_from:
    the recipe whose weights it starts from.
    Raises ValueError if nothing is left to train, or S1 (half size) is to learn a teacher's answer.
    """

    name: str
    task: str
    config: MSSNetConfig
    size_px: int = 96
    batch: int = 8
    rate: float = 8e-4
    muon_rate: float = 0.005
    loss: str = "paper"
    difficulty: tuple[float, float] = (0.0, 1.0)
    gain_db: float = 1.3
    scales: int = 3
    frozen: int = 0
    stretch: float = 1.0
    non_uniform: float = NON_UNIFORM_SHARE
    starts_from: str | None = None

    def __post_init__(self):
        if self.frozen >= self.scales:
            raise ValueError(f"{self.frozen} scales are frozen: nothing is left to train")
        if self.task == "distil" and self.scales == 1:
            raise ValueError(
                "S1 answers at half size, the teacher at full size: train 2 or 3 scales"
            )


_UPSCALE = MSSNetConfig(24, 24, 16)  # narrower below: room for the noise channel
_SMALL = MSSNetConfig(8, 8, 8)

RECIPES = {
    r.name: r
    for r in (
        Recipe(
            "deblur",
            "deblur",
            MSSNetConfig(24, 24, 20),
            size_px=64,  # the easy blurs are short; 96 once they grow longer
            batch=4,
            rate=5e-4,
            muon_rate=0.004,
            loss="relative_mse",
        ),
        Recipe("upscale8-fidelity", "upscale", _UPSCALE, loss="psnr"),
        Recipe(
            "upscale8-realism",
            "distil",
            replace(_UPSCALE, noise=True),
            size_px=128,
            rate=3e-4,
            muon_rate=0.003,
            starts_from="upscale8-fidelity",
        ),
        Recipe("ablation-full", "deblur", _SMALL),
        Recipe("ablation-equal-stages", "deblur", replace(_SMALL, unets=(2, 2, 2))),
        Recipe("ablation-rgb-only", "deblur", replace(_SMALL, feature_propagation=False)),
        Recipe("ablation-bilinear", "deblur", replace(_SMALL, pixel_unshuffle=False)),
    )
}
