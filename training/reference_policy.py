"""Train the policy that chooses references: `python -m training.train reference-policy`.

REINFORCE (Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist
Reinforcement Learning", 1992) in the environment of reference_env.py. Each update plays a few clips
several times; the baseline of a decision is the mean of what the other plays of the same clip
gathered from that frame on (leave-one-out: Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline
for Free!", 2019). These sixty lines stand for a library (stable-baselines3) that is much larger.

The filled frames come from the network of `--start` (a run of the recipe overexposure), or from the
course's own: all pairs of frames of all clips are filled once, and kept in the folder of `--views`.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mssnet_edu import reference_selection as selection
from mssnet_edu.models import load_model
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.models.overexposure import build as build_overexposure
from mssnet_edu.models.reference_policy import ReferencePolicy, build
from training import checkpoint, panoramas
from training.clips import Play, measured_plays
from training.optimisation import averaged, set_learning_rates
from training.reference_env import ReferenceEnv

__all__ = [
    "OPTIONS",
    "Trainer",
    "greedy",
    "overexposure_network",
    "qualities_of",
    "run_command",
]

OPTIONS = {"recipe", "panoramas", "out", "seed", "steps", "resume", "batch", "rate", "every"}
OPTIONS |= {"items", "views", "start"}
TIMES = 8  # that each clip of an update is played
DISCOUNT = 0.97  # a frame that is kept may be of use until the end of the clip
ENTROPY = 0.05  # dB a nat: at first, to try everything
NOISE = 0.05  # added to what the policy looks at, so that it cannot know clips by heart
WARM_UP_STEPS = 20


class Trainer:
    """The policy in training.

    plays, held_out: clips of the training and validation panoramas. out: folder of the run's files
    (see checkpoint.py). batch: clips an update, each played TIMES times. resume: go on from the run
    in `out`; it goes on exactly.
    """

    def __init__(
        self,
        plays: Sequence[Play],
        held_out: Sequence[Play],
        out: Path,
        batch: int = 18,
        rate: float = 3e-3,
        seed: int = 0,
        resume: bool = False,
    ):
        self.plays, self.held_out, self.out = plays, held_out, out
        self.batch, self.seed = batch, seed
        out.mkdir(parents=True, exist_ok=True)
        self.envs = [ReferenceEnv(plays) for _ in range(batch * TIMES)]
        torch.manual_seed(seed)
        self.config = {"features": len(selection.FEATURES)}
        self.policy = build(**self.config)
        self.optimiser = torch.optim.AdamW(self.policy.parameters(), lr=rate, weight_decay=1e-2)
        self.optimiser.param_groups[0]["initial_lr"] = rate
        self.ema = averaged(self.policy)
        self.step, self.seconds = 0, 0.0
        if resume:
            self._resume()

    def run(self, steps: int, every: int = 100) -> dict[str, Any]:
        """Train until so many updates were made in all, validating and saving after every so many.

        Returns the last row of the log.
        """
        row: dict[str, Any] = {}
        started, before = time.monotonic(), self.seconds
        while self.step < steps:
            warm_up = (self.step + 1) / WARM_UP_STEPS
            set_learning_rates([self.optimiser], self.step / steps, warm_up)
            gathered = self.update(1 - self.step / steps)
            self.step += 1
            if self.step % every == 0 or self.step == steps:
                self.seconds = before + time.monotonic() - started
                row = {"step": self.step, "seconds": round(self.seconds, 1)}
                row |= {"gathered_db": round(gathered, 3)} | self.validate()
                checkpoint.append_row(self.out, row)
                self.save()
        return row

    def update(self, curiosity: float = 1.0) -> float:
        """Play, and learn from it; curiosity scales the entropy's bonus.

        Returns how many dB a frame it gathered over no reference.
        """
        generator = torch.Generator().manual_seed(hash((self.seed, self.step)) & 0x7FFFFFFF)
        order = torch.randperm(len(self.plays), generator=generator)[: self.batch].tolist()
        clips = [clip for clip in order for _ in range(TIMES)]
        observed, actions, rewards = self.play(clips, generator)
        returns = torch.zeros_like(rewards)  # (N, T - 1)
        to_come = torch.zeros(len(rewards))
        for t in reversed(range(rewards.shape[1])):
            to_come = rewards[:, t] + DISCOUNT * to_come
            returns[:, t] = to_come
        together = returns.unflatten(0, (-1, TIMES))
        others = (together.sum(1, keepdim=True) - together) / (TIMES - 1)
        advantage = (together - others).flatten(0, 1)
        advantage = advantage / (advantage.std() + 1e-3)
        chances = torch.distributions.Bernoulli(logits=self.policy(observed))
        gain = (chances.log_prob(actions) * advantage).mean()
        loss = -gain - curiosity * ENTROPY * chances.entropy().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimiser.step()
        self.ema.update_parameters(self.policy)
        return float(rewards.mean())

    @torch.no_grad()
    def play(
        self, clips: Sequence[int], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Play clips of equal length at once, deciding by chance as the policy says.

        Returns what was observed, (N, T - 1, F), what was done and what that brought, (N, T - 1).
        """
        envs = self.envs[: len(clips)]
        pairs = zip(envs, clips, strict=True)
        now = [env.reset(options={"clip": clip})[0] for env, clip in pairs]
        observed, actions, rewards, over = [], [], [], False
        while not over:
            seen = torch.from_numpy(np.stack(now))
            seen = seen + NOISE * torch.randn(seen.shape, generator=generator)
            chance = self.policy(seen).sigmoid()
            action = torch.rand(len(chance), generator=generator) < chance
            steps = [e.step(a) for e, a in zip(envs, action.int().tolist(), strict=True)]
            observed.append(seen)
            actions.append(action.float())
            rewards.append(torch.tensor([step[1] for step in steps]))
            now, over = [step[0] for step in steps], steps[0][2]
        return torch.stack(observed, 1), torch.stack(actions, 1), torch.stack(rewards, 1)

    def validate(self) -> dict[str, float]:
        """Mean quality in dB, of the averaged policy and of each rule, on the held-out clips.

        gap: which share of the way from the best fixed rule to the oracle the policy goes; known:
        the same on the clips it was trained on.
        """
        policy = self.ema.module
        assert isinstance(policy, ReferencePolicy)
        found = qualities_of(self.held_out, policy)
        row = {name: round(value, 3) for name, value in found.items()}
        return row | {"gap": gap(found), "known": gap(qualities_of(self.plays, policy))}

    def save(self) -> None:
        """Write the run's files."""
        about = {
            "recipe": "reference-policy",
            "config": self.config,
            "step": self.step,
            "seconds": self.seconds,
            "seed": self.seed,
            "clips": len(self.plays),
            "before": [],
        }
        state = {
            "model": self.policy.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        weights = dict(self.policy.named_parameters())
        ema = dict(self.ema.module.named_parameters())
        checkpoint.save_run(self.out, about, state, weights, ema)

    def _resume(self) -> None:
        about, state = checkpoint.load_run(self.out, "cpu")
        if about["recipe"] != "reference-policy" or about["config"] != self.config or not state:
            raise ValueError(f"{self.out} is of recipe {about['recipe']!r}, or its state is lost")
        self.policy.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]


@torch.no_grad()
def greedy(policy: ReferencePolicy, plays: Sequence[Play]) -> list[list[int | None]]:
    """The references of each clip when the policy does what it thinks better: see `Play`."""
    env, found = ReferenceEnv(plays), []
    for clip in range(len(plays)):
        now, info = env.reset(options={"clip": clip})
        over = False
        while not over:
            action = int(policy(torch.from_numpy(now)) > 0)
            now, _, over, _, info = env.step(action)
        found.append(info["references"])
    return found


def qualities_of(plays: Sequence[Play], policy: ReferencePolicy) -> dict[str, float]:
    """Mean quality in dB of each fixed rule, the policy and the oracle, over all judged frames."""
    chosen = {
        name: [selection.run(rule, play.glances) for play in plays]
        for name, rule in selection.RULES.items()
    }
    chosen["policy"] = greedy(policy, plays)
    chosen["oracle"] = [selection.oracle(play.qualities) for play in plays]
    return {
        name: float(
            torch.cat(
                [
                    selection.score(play.qualities, references)
                    for play, references in zip(plays, runs, strict=True)
                ]
            ).nanmean()
        )
        for name, runs in chosen.items()
    }


def gap(found: dict[str, float]) -> float:
    """Which share of the way from the best fixed rule to the oracle the policy goes: 1 is all."""
    best = max(found[name] for name in selection.RULES)
    return round((found["policy"] - best) / max(found["oracle"] - best, 1e-6), 3)


def overexposure_network(start: Path | None) -> Overexposure:
    """The network of a run of the recipe overexposure, or of a file of its weights; None: ours."""
    network = load_model("overexposure") if start is None else build_overexposure()
    assert isinstance(network, Overexposure)
    if start is not None:
        network.load_state_dict(checkpoint.starting_weights(start))
        network.eval().requires_grad_(False)
    # torch's stubs of Module.to lack memory_format
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network


def run_command(args: argparse.Namespace) -> int:
    """Run `python -m training.train reference-policy`; returns the exit code."""
    out = args.out or Path("runs/reference-policy")
    parts = panoramas.split_panoramas(args.panoramas)
    if not parts["train"] or not parts["validation"]:
        raise ValueError(
            "training needs panoramas of both splits of data/light/CREDITS.tsv, train and "
            f"validation; found {len(parts['train'])} and {len(parts['validation'])}."
        )
    network, cache = overexposure_network(args.start), args.views or out.parent / "clips"
    count = args.items or 2
    plays = list(measured_plays(network, parts["train"], count, cache))
    held_out = list(measured_plays(network, parts["validation"], count, cache))
    given = {"batch": args.batch, "rate": args.rate}
    given = {key: value for key, value in given.items() if value is not None}
    trainer = Trainer(plays, held_out, out, seed=args.seed, resume=args.resume, **given)
    trainer.run(args.steps, int(args.every))
    return 0
