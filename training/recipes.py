"""How each of the course's own networks is trained: one row a network, nothing hidden elsewhere."""

from dataclasses import dataclass, field

from mssnet_edu.mssnet import MSSNetConfig
from training import degradation

__all__ = ["RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """task: which pairs ("deblur" or "upscale"). config: the network. size_px, batch: patches.

    rate, muon_rate: peak learning rates of AdamW (convolutions that touch colours) and of Muon (all
    others). loss: "paper" (L1 and spectrum), "psnr", or "share" (of the squared error that is
    left); changing it in mid-run costs more than it gives. hardness: of the blur, at the beginning
    and at most (see degradation.py). gain_db: the blur grows harder while the network gains at
    least this over its input. scales: train only the first (1) or the first two (2), on motions
    `stretch` times as long: a long blur is a short one at their size, and their U-Nets do less
    than a fiftieth and a sixth of all the work. kept: so many of the first scales stay as they are.
    warped: share of the batches whose curved motions do not move the picture as a whole; these take
    most of a small network's time. realism: adds perceptual, adversarial and diversity losses.
    starts_from: another recipe whose weights it starts from.
    """

    name: str
    task: str
    config: MSSNetConfig = field(default_factory=lambda: MSSNetConfig(24, 24, 24))
    size_px: int = 96
    batch: int = 8
    rate: float = 8e-4
    muon_rate: float = 0.005
    loss: str = "paper"
    hardness: tuple[float, float] = (0.0, 1.0)
    gain_db: float = 1.3
    scales: int = 3
    kept: int = 0
    stretch: float = 1.0
    warped: float = degradation.WARPED
    realism: bool = False
    starts_from: str | None = None


_UPSCALE = {"wf": 24, "scale": 24, "vscale": 16}  # narrower below: room for the noise channel
_SMALL = {"wf": 8, "scale": 8, "vscale": 8}

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
            loss="share",
        ),
        Recipe("upscale8-fidelity", "upscale", MSSNetConfig(**_UPSCALE), loss="psnr"),
        Recipe(
            "upscale8-realism",
            "upscale",
            MSSNetConfig(**_UPSCALE, noise=True),
            rate=3e-4,
            realism=True,
            starts_from="upscale8-fidelity",
        ),
        Recipe("ablation-full", "deblur", MSSNetConfig(**_SMALL)),
        Recipe("ablation-equal-stages", "deblur", MSSNetConfig(**_SMALL, unets=(2, 2, 2))),
        Recipe("ablation-rgb-only", "deblur", MSSNetConfig(**_SMALL, feature_propagation=False)),
        Recipe("ablation-bilinear", "deblur", MSSNetConfig(**_SMALL, pixel_unshuffle=False)),
    )
}
