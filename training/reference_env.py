"""Choosing a reference as an environment of Gymnasium, for reinforcement learning.

An episode is a clip. The observation is what may be looked at in the present frame and in the kept
one; the action is to adopt the present frame (1) or to keep the old one (0); the reward is by how
many dB the next frame, filled from the kept reference, is better than filled without one. Rewards
are read from a table, so an episode costs no run of a network.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from mssnet_edu.reference_selection import FEATURES
from training.clips import Play

__all__ = ["ReferenceEnv"]


class ReferenceEnv(gymnasium.Env[np.ndarray, np.int64]):
    """Clips, one an episode. plays: the clips; `reset` draws one, or takes options={"clip": i}.

    `info` holds the clip's number and the references so far, as `reference_selection.run` does.
    """

    def __init__(self, plays: Sequence[Play]):
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(FEATURES),), np.float32)
        self.action_space = spaces.Discrete(2)
        self._observations = [play.observations.numpy() for play in plays]
        # the last column is "no frame is kept"; a frame with nothing to judge rewards nothing
        self._gains = [
            (play.qualities.pairs - play.qualities.none[:, None]).nan_to_num(0).numpy()
            for play in plays
        ]
        self._clip = self._now = 0
        self._kept: int | None = None
        self._references: list[int | None] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a clip: its first frame was taken, and none is kept."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(len(self._gains)))
        self._clip = (options or {}).get("clip", drawn)
        self._now, self._kept = 0, None
        self._references = [None]
        return self._observation(), self._info()

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Adopt or keep, then take the next frame. Over once the last frame is taken."""
        if action:
            self._kept = self._now
        self._now += 1
        gains = self._gains[self._clip]
        reward = 0.0 if self._kept is None else float(gains[self._now, self._kept])
        self._references.append(self._kept)
        over = self._now == len(gains) - 1
        return self._observation(), reward, over, False, self._info()

    def _observation(self) -> np.ndarray:
        column = -1 if self._kept is None else self._kept
        return self._observations[self._clip][self._now, column].copy()

    def _info(self) -> dict[str, Any]:
        return {"clip": self._clip, "references": list(self._references)}
