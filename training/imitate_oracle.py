"""How much of the oracle's lead can be had without knowing the future? A diagnosis.

    python -m training.imitate_oracle --panoramas DIR ... --json docs/evaluation-imitation.json

Two questions, on clips in which the camera looks to and fro, of training and validation scenes:

- *Foresight*: an oracle that knows the next few frames only decides as is best for these. What it
  gains over the best fixed rule says how far ahead one would have to see.
- *Imitation*: a network like the policy is told, for every frame and every kept frame, what the
  oracle gains by adopting it (`reference_selection.advantages`), and learns the sign of that, each
  decision counting as much as it is worth. There is nothing to explore, and no reward to wait for:
  what it does not reach on scenes that it has not seen, the numbers that the policy looks at do not
  tell, or not from so few scenes. Scenes are left out in turn.

Source: cost-sensitive imitation of an expert's value, as in Ross and Bagnell, "Reinforcement and
Imitation Learning via Interactive No-Regret Learning", 2014.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import reference_selection as selection
from mssnet_edu.files import write_text
from mssnet_edu.models.reference_policy import ReferencePolicy, build
from training import panoramas
from training.clips import EVERY, SMALL_PX, Play, measured_plays
from training.reference_policy import greedy, overexposure_network

__all__ = ["diagnose", "imitate", "paired_interval", "with_foresight"]

FOLDS, SEEDS, FORESIGHT = 6, (0, 1, 2), (1, 2, 4, 8)
STEPS, BATCH, RATE, WEIGHT_DECAY, NOISE = 250, 2048, 4e-3, 3e-2, 0.1
DRAWS = 2000
References = list[int | None]


def with_foresight(qualities: selection.Qualities, frames: int) -> References:
    """The references of an oracle that knows the past, the present and so many frames to come."""
    references: References = []
    kept: int | None = None
    for t in range(len(qualities.none)):
        references.append(kept)
        end = t + 1 + frames
        known = [part[:end] for part in qualities]
        table = selection.Qualities(known[0][:, :end], *known[1:])
        if selection.advantages(table)[t, -1 if kept is None else kept] > 0:
            kept = t
    return references


def imitate(plays: Sequence[Play], seed: int = 0, steps: int = STEPS) -> ReferencePolicy:
    """A policy that was told what the oracle gains by adopting, in each state of these clips."""
    states, worth = [], []
    for play in plays:
        length = len(play.qualities.none)
        possible = torch.cat([torch.ones(length, length).tril(-1), torch.ones(length, 1)], 1).bool()
        states.append(play.observations[possible])
        worth.append(selection.advantages(play.qualities)[possible].float())
    seen, gain = torch.cat(states), torch.cat(worth)
    torch.manual_seed(seed)
    policy = build(seen.shape[1])
    optimiser = torch.optim.AdamW(policy.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        some = torch.randint(len(seen), (BATCH,))
        logits = policy(seen[some] + NOISE * torch.randn(BATCH, seen.shape[1]))
        weight, right = gain[some].abs(), (gain[some] > 0).float()
        loss = F.binary_cross_entropy_with_logits(logits, right, weight) / weight.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return policy.eval()


def worth_of(plays: Sequence[Play], runs: Sequence[References]) -> Tensor:
    """The mean quality of each clip with these references, in dB."""
    pairs = zip(plays, runs, strict=True)
    return torch.stack([selection.score(play.qualities, run).nanmean() for play, run in pairs])


def left_out(plays: Sequence[Play], seed: int) -> list[References]:
    """The references of each clip, chosen by an imitator that has not seen its scene."""
    scenes = sorted({play.scene for play in plays})
    found: dict[str, References] = {}
    for fold in range(FOLDS):
        away = set(scenes[fold::FOLDS])
        policy = imitate([play for play in plays if play.scene not in away], seed)
        held_out = [play for play in plays if play.scene in away]
        found |= {p.name: run for p, run in zip(held_out, greedy(policy, held_out), strict=True)}
    return [found[play.name] for play in plays]


def paired_interval(gains: Tensor, scenes: Sequence[str]) -> dict[str, float]:
    """Mean and 95 % interval of a difference: the bootstrap draws scenes, and clips within them.

    gains: (N,), of each clip; scenes: N names.

    >>> paired_interval(torch.ones(4), ["a", "a", "b", "b"])
    {'mean': 1.0, 'low': 1.0, 'high': 1.0}
    """
    generator, values = np.random.default_rng(0), gains.numpy()
    groups = [values[[i for i, s in enumerate(scenes) if s == name]] for name in sorted({*scenes})]
    draws = []
    for _ in range(DRAWS):
        drawn = [groups[i] for i in generator.choice(len(groups), len(groups))]
        draws.append(np.concatenate([generator.choice(g, len(g)) for g in drawn]).mean())
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"mean": round(float(values.mean()), 3), "low": round(low, 3), "high": round(high, 3)}


def diagnose(plays: Sequence[Play], seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """What each rule, foresight and imitation are worth on these clips, less the best fixed rule.

    The best fixed rule is the best on these very clips, which favours it.
    """
    plays = [play for play in plays if play.qualities.none.isfinite().any()]
    rules = {
        name: worth_of(plays, [selection.run(rule, play.glances) for play in plays])
        for name, rule in selection.RULES.items()
    }
    best = max(rules, key=lambda name: float(rules[name].mean()))
    rivals = {
        f"oracle that sees {n} frame{'s' * (n > 1)} ahead": worth_of(
            plays, [with_foresight(play.qualities, n) for play in plays]
        )
        for n in FORESIGHT
    }
    rivals["oracle"] = worth_of(plays, [selection.oracle(play.qualities) for play in plays])
    rivals |= {
        f"imitator, scenes left out, seed {seed}": worth_of(plays, left_out(plays, seed))
        for seed in seeds
    }
    told = greedy(imitate(plays, seeds[0]), plays)
    rivals["imitator, on the clips that it was told about"] = worth_of(plays, told)
    scenes = [play.scene for play in plays]
    return {
        "clips": len(plays),
        "scenes": len({*scenes}),
        "best": best,
        "rules": {name: round(float(worth.mean()), 3) for name, worth in rules.items()},
        "gains": {n: paired_interval(worth - rules[best], scenes) for n, worth in rivals.items()},
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--panoramas", type=Path, nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=8, help="of each panorama (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("runs/clips"))
    parser.add_argument("--json", type=Path, help="where the numbers go")
    args = parser.parse_args()
    parts, network = panoramas.split_panoramas(args.panoramas), overexposure_network(None)
    files = parts["train"] | parts["validation"]
    plays = list(
        measured_plays(
            network, files, args.clips, args.cache, size_px=SMALL_PX, every=EVERY, wanders=True
        )
    )
    found = diagnose(plays)
    print(json.dumps(found, indent=1))
    if args.json:
        write_text(args.json, json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
