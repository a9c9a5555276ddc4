"""Turn the runs of train_ablation.sh into data/weights/mssnet-ablation: one file, one card.

    python -m training.export_ablation runs/ablation

All networks that are trained to the end are taken: at least two full ones, of two seeds, and of
each other kind those of the same seeds, at least the first. Each network's averaged (EMA) weights
are exported as fp16. The card's table is measured here: the mean gain over the blurred photo on the
validation photographs, under the narrow kind of blur that the networks were trained on.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from mssnet_edu import degrade, images, metrics
from mssnet_edu.models.catalogue import ModelInfo, save_model
from mssnet_edu.mssnet import Ablation
from mssnet_edu.mssnet.ablation import REMEDIES
from training import benchmark
from training.checkpoint import load_weights
from training.export_mssnet import CORPUS, PAPER

NAME = "mssnet-ablation"
LENGTHS_PX = (4, 5, 6, 7)  # of the kind of blur that they learned; see Blur in training/pairs.py
ANGLES_DEG = (-20, -10, 0, 10, 20)
SIDE_PX = 192


RUNS = {  # the kind in the set -> the name that its recipe and its run have
    "full": "full",
    "equal stages": "equal-stages",
    "colours only": "rgb-only",
    "bilinear": "bilinear",
}


def seeds_of(folder: Path) -> dict[str, list[int]]:
    """For each kind the seeds that are there, trained to the end, all for the same steps."""
    steps: dict[str, dict[int, int]] = {}
    for file in sorted(folder.glob("*/done")):
        name, seed = file.parent.name.rsplit("-", 1)
        about = json.loads((file.parent / "run.json").read_text())
        steps.setdefault(name, {})[int(seed)] = about["step"]
    seeds = {kind: sorted(steps.get(name, {})) for kind, name in RUNS.items()}
    full = seeds["full"]
    if len(full) < 2:
        sys.exit(f"{folder} holds {len(full)} full networks; two are needed to see luck.")
    for kind, found in seeds.items():
        seeds[kind] = [seed for seed, other in zip(full, found, strict=False) if seed == other]
        if not seeds[kind]:
            sys.exit(f"{folder} holds no network {kind!r} of seed {full[0]}.")
    if len({step for found in steps.values() for step in found.values()}) > 1:
        sys.exit(f"The networks in {folder} were not trained equally long: {steps}")
    return seeds


def export(folder: Path, out: Path | None = None) -> ModelInfo:
    """Write the set of a folder of runs; returns what the catalogue now knows about it."""
    assert list(RUNS) == list(REMEDIES)
    seeds = seeds_of(folder)
    one = json.loads((folder / f"full-{seeds['full'][0]}" / "run.json").read_text())
    widths = {key: one["config"][key] for key in ("wf", "scale", "vscale")}
    alike = all(found == seeds["full"] for found in seeds.values())
    config = {**widths, "seeds": seeds["full"] if alike else seeds}
    ablation = Ablation(**config)
    hours = 0.0
    for kind, name in RUNS.items():
        for seed in seeds[kind]:
            run = folder / f"{name}-{seed}"
            about = json.loads((run / "run.json").read_text())
            network = ablation.networks[ablation.key(kind, seed)]
            found = {k: tuple(v) if isinstance(v, list) else v for k, v in about["config"].items()}
            if found != network.config.to_dict():
                raise ValueError(f"{run} was trained as {found}, not as {network.config}")
            network.load_state_dict(load_weights(run / "ema.safetensors"))
            hours += about["seconds"] / 3600
    ablation.half().float()  # what is measured is what is shipped
    measured = {
        f"gain in dB over the blurred photo, mean of {len(blurred())} photos": gains(ablation),
        "training": {"steps of each network": one["step"], "hours, all together": round(hours, 2)},
    }
    return save_model(
        ablation,
        out,
        name=NAME,
        task="deblur",
        architecture=NAME,
        config=config,
        summary="Small MSSNets for notebook 03: the full one, and one without each of the three "
        "remedies, each trained alike with the same seeds. For comparison, not for use.",
        licence="MIT (weights made by this project; see the corpus list for its photographs)",
        author="mssnet_edu contributors; network by Kim, Lee and Cho (2022)",
        source=f"trained by this project; architecture: {PAPER}",
        made_by="sh training/train_ablation.sh FOLDER; python -m training.export_ablation RUNS",
        trained_on=f"{CORPUS}, blurred on the fly by one narrow kind of motion: even and straight, "
        "4 to 7 px long, within about 24 degrees of the horizontal",
        multiple_of=16,
        min_px=32,
        halo_px=64,
        measured=measured,
        failures=(
            "Far smaller, and trained far shorter, than mssnet-deblur: use that one.",
            "They know one kind of blur only, so that the experiment stays small: an even, "
            "straight, nearly horizontal motion over 4 to 7 px. Others come back as bad, or worse.",
            "What a remedy is worth here need not be what it is worth in a large network that was "
            "trained for days.",
        ),
    )


def blurred() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(blurred, sharp) pairs from the validation photographs; 8-bit, as files are."""
    pairs = []
    for number, (_, photo) in enumerate(sorted(benchmark.load_photos().items())):
        [(left, top)] = benchmark.busiest(photo, (SIDE_PX, SIDE_PX), 1)
        sharp = photo[:, top : top + SIDE_PX, left : left + SIDE_PX]
        length_px, angle_deg = LENGTHS_PX[number % 4], ANGLES_DEG[number % 5]
        path = degrade.motion_path("line", length_px, angle_deg)
        pairs.append((images.quantize(degrade.motion_blur(sharp, path)), sharp))
    return pairs


@torch.inference_mode()
def gains(ablation: Ablation) -> dict[str, dict[str, float]]:
    """Mean gain (dB) of each network over the blurred photo, and its numbers; a row a network."""
    pairs, rows = blurred(), {}
    before = sum(metrics.psnr(*pair) for pair in pairs) / len(pairs)
    for kind in ablation.kinds:
        row = {}
        for seed, network in zip(ablation.seeds[kind], ablation[kind], strict=True):
            scores = [metrics.psnr(network(b).clamp(0, 1), s) for b, s in pairs]
            row[f"seed {seed}"] = round(sum(scores) / len(scores) - before, 3)
        row["learned numbers"] = sum(p.numel() for p in ablation[kind][0].parameters())
        rows[kind] = row
    return rows


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", type=Path, help="folder with full-0, bilinear-1, ...")
    args = parser.parse_args()
    info = export(args.runs)
    print(f"{info.name}: {info.parameters:,} numbers, {sum(f.bytes for f in info.files):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
