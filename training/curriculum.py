"""Curriculum: the blur grows more difficult while the network gains enough on what it is shown."""

import math
from typing import Any

import torch
from torch import Tensor

from training.distributed import ProcessGroup

__all__ = ["Curriculum"]

DIFFICULTY_PER_PATCH = 0.0002  # difficulty added per training patch
MSE_MOMENTUM = 0.97  # of the running errors: a memory of about thirty steps


class Curriculum:
    """The difficulty of the training pairs (see degradation.py), raised by the network's gain.

    first, most: difficulty at the beginning and at most, 0 to 1. min_gain_db: raise it only while
    the output's PSNR is above the input's by at least this.
    """

    def __init__(self, first: float, most: float, min_gain_db: float, device: str = "cpu"):
        self.difficulty, self.most, self.min_gain_db = first, most, min_gain_db
        self.running_mse = torch.ones(2, device=device)  # of the input, of the output

    @torch.no_grad()
    def record(self, blurry: Tensor, output: Tensor, sharp: Tensor) -> None:
        """Add one batch, three (N, 3, H, W), to the running mean squared errors.

        Sharp inputs hardly count: their error is nearly 0.
        """
        mse = [(photo - sharp).square().mean() for photo in (blurry, output)]
        self.running_mse.lerp_(torch.stack(mse), 1 - MSE_MOMENTUM)

    def gain_db(self, group: ProcessGroup | None = None) -> float:
        """PSNR of recent outputs above that of their inputs, in dB: here, or in a whole group."""
        mse = group.mean(self.running_mse) if group else self.running_mse
        before, after = mse.tolist()  # waits for the GPU
        return 10 * math.log10(before / after)

    def update(self, patches: int, group: ProcessGroup) -> None:
        """Raise the difficulty for the next `patches` patches if the gain suffices.

        All processes come to the same difficulty.
        """
        if self.gain_db(group) > self.min_gain_db:
            self.difficulty = min(self.most, self.difficulty + DIFFICULTY_PER_PATCH * patches)

    def state_dict(self) -> dict[str, Any]:
        """What has to be saved to go on exactly."""
        return {"difficulty": self.difficulty, "running_mse": self.running_mse}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.difficulty = state["difficulty"]
        self.running_mse.copy_(state["running_mse"])
