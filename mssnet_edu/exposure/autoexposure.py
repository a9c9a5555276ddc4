"""Auto-exposure: a camera that measures each frame and corrects the next ones, too late.

    requested += speed * log2(target / measured),   limited per frame and in all

A correction reaches the sensor some frames after the frame that asked for it, while further frames
still ask for more: the exposure lags behind the scene, overshoots, and swings back.
Source of the parts (centre-weighted metering, target, speed, delay, limits): "Raspberry Pi Camera
Algorithm and Tuning Guide", 2023, on AGC/AEC. That controller knows when its corrections arrive;
this one does not, as in cheaper cameras, and so it overshoots.
"""

import math
from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mssnet_edu import images

__all__ = ["AutoExposure"]


@dataclass
class AutoExposure:
    """A controller of the exposure: give it each frame, it gives the EV of the next.

    start_ev: EV of the first frame. target: wanted mean of the linear luminance, 0 to 1. speed:
    share of the error that each frame corrects. delay: after how many frames a correction arrives,
    1 or more. compensation_ev: wanted brighter (above 0) or darker than the target. max_step_ev:
    largest change per frame. limits_ev: lowest and highest EV (the range of shutter and gain).
    centre_weight: how many times the middle counts as much as the corners.
    Raises ValueError for settings that make no sense.

    >>> auto = AutoExposure(start_ev=2.0)
    >>> frame = torch.ones(3, 8, 8)  # far too bright
    >>> evs = [auto.update(frame) for _ in range(6)]
    >>> evs[0], evs[-1] < 2
    (2.0, True)
    """

    start_ev: float = 0.0
    target: float = 0.16
    speed: float = 0.22
    delay: int = 3
    compensation_ev: float = 0.0
    max_step_ev: float = 0.6
    limits_ev: tuple[float, float] = (-12.0, 8.0)
    centre_weight: float = 3.0
    _waiting: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not (0 < self.target < 1 and 0 < self.speed <= 1 and self.delay >= 1):
            raise ValueError(
                f"target is {self.target}, speed {self.speed}, delay {self.delay}; expected a "
                "target between 0 and 1, a speed above 0 and up to 1, a delay of 1 or more."
            )
        low, high = self.limits_ev
        if not low <= self.start_ev <= high or self.max_step_ev <= 0:
            raise ValueError(
                f"start_ev is {self.start_ev}, limits_ev {self.limits_ev}, max_step_ev "
                f"{self.max_step_ev}; expected a start within the limits and a step above 0."
            )
        self._waiting = deque([self.start_ev] * self.delay)

    def measure(self, frame: Tensor) -> float:
        """The mean linear luminance of a frame (3, H, W), the centre counting more: 0 to 1.

        Clipped pixels count as white, however bright the light was: the camera does not know.
        """
        luminance = images.luma(images.to_linear(images.as_batch(frame, "frame")))[0, 0]
        y, x = (torch.linspace(-1, 1, side) for side in luminance.shape)
        weight = 1 + (self.centre_weight - 1) * torch.exp(-2 * (y[:, None] ** 2 + x**2))
        return float((luminance * weight).sum() / weight.sum())

    def update(self, frame: Tensor) -> float:
        """Take in a frame, (3, H, W) sRGB in [0, 1]; returns the EV of the next one."""
        error = math.log2(self.target / max(self.measure(frame), 1e-4)) + self.compensation_ev
        step = max(-self.max_step_ev, min(self.max_step_ev, self.speed * error))
        low, high = self.limits_ev
        self._waiting.append(max(low, min(high, self._waiting[-1] + step)))
        self._waiting.popleft()
        return self._waiting[0]
