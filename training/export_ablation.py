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
from torch import Tensor

from mssnet_edu import degrade, images, metrics
from mssnet_edu.models.catalogue import ModelInfo, save_model
from mssnet_edu.mssnet import Ablation, MSSNetConfig
from training import benchmark
from training.checkpoint import load_weights
from training.export_mssnet import CORPUS, PROVENANCE, SETTINGS
from training.measure_models import record_memory

__all__ = ["blurred", "export", "gains", "seeds_of"]

NAME = "mssnet-ablation"
LENGTHS_PX = (4, 5, 6, 7)  # of the motions they are trained on; see Blur in training/degradation.py
ANGLES_DEG = (-20, -10, 0, 10, 20)
SIDE_PX = 192
RECIPES = {  # the kind of network -> its recipe, without "ablation-": the folder of its runs
    "full": "full",
    "equal stages": "equal-stages",
    "colours only": "rgb-only",
    "bilinear": "bilinear",
}


def seeds_of(folder: Path) -> dict[str, list[int]]:
    """The seeds of each kind that were trained to the end; those of "full" that are there.

    Exits with a message if too few networks are there, or if some were trained longer than others.
    """
    steps: dict[str, dict[int, int]] = {}
    for file in sorted(folder.glob("*/done")):
        recipe, seed = file.parent.name.rsplit("-", 1)
        steps.setdefault(recipe, {})[int(seed)] = _about(file.parent)["step"]
    full = sorted(steps.get("full", {}))
    if len(full) < 2:
        sys.exit(f"{folder} holds {len(full)} full networks; two are needed to see luck.")
    seeds = {}
    for kind, recipe in RECIPES.items():
        trained = sorted(steps.get(recipe, {}))
        seeds[kind] = [seed for seed, other in zip(full, trained, strict=False) if seed == other]
        if not seeds[kind]:
            sys.exit(f"{folder} holds no network {kind!r} of seed {full[0]}.")
    if len({step for by_seed in steps.values() for step in by_seed.values()}) > 1:
        sys.exit(f"The networks in {folder} were not trained equally long: {steps}")
    return seeds


def _about(run: Path) -> dict:
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def export(folder: Path, out: Path | None = None) -> ModelInfo:
    """Write the set of a folder of runs; returns what the catalogue now knows about it.

    out: None for the course's own data/weights. Raises ValueError for a run of another network.
    """
    seeds = seeds_of(folder)
    first = _about(folder / f"full-{seeds['full'][0]}")
    widths = {key: first["config"][key] for key in ("wf", "scale", "vscale")}
    same_seeds = all(each == seeds["full"] for each in seeds.values())
    config = {**widths, "seeds": seeds["full"] if same_seeds else seeds}
    ablation = Ablation(**config)
    hours = 0.0
    for kind, recipe in RECIPES.items():
        for seed in seeds[kind]:
            run = folder / f"{recipe}-{seed}"
            about, network = _about(run), ablation.networks[ablation.key(kind, seed)]
            if MSSNetConfig(**about["config"]) != network.config:
                raise ValueError(f"{run} was trained as {about['config']}, not as {network.config}")
            network.load_state_dict(load_weights(run / "ema.safetensors"))
            hours += about["seconds"] / 3600
    ablation.half().float()  # what is measured is what is shipped
    measured = {
        f"gain in dB over the blurred photo, mean of {len(blurred())} photos": gains(ablation),
        "training": {
            "steps of each network": first["step"],
            "hours, all together": round(hours, 2),
        },
    }
    save_model(
        ablation,
        out,
        **PROVENANCE,
        **SETTINGS["deblur"] | {"name": NAME, "architecture": NAME, "halo_px": 64, "rim_px": 12},
        config=config,
        summary="Small MSSNets for notebook 03: the full one, and one without each of the three "
        "remedies, each trained alike with the same seeds. For comparison, not for use.",
        made_by="sh training/train_ablation.sh FOLDER; python -m training.export_ablation RUNS",
        trained_on=f"{CORPUS}, blurred on the fly by one narrow kind of motion: even and straight, "
        "4 to 7 px long, within about 24 degrees of the horizontal",
        measured=measured,
        failures=(
            "Far smaller, and trained far shorter, than mssnet-deblur: use that one.",
            "They know one kind of blur only, so that the experiment stays small: an even, "
            "straight, nearly horizontal motion over 4 to 7 px. Others come back as bad, or worse.",
            "What a remedy is worth here need not be what it is worth in a large network that was "
            "trained for days.",
        ),
    )
    return record_memory(NAME, out)


def blurred() -> list[tuple[Tensor, Tensor]]:
    """(blurred, sharp) pairs, (3, 192, 192) each, of the validation photographs; in 8 bits."""
    pairs = []
    for number, (_, photo) in enumerate(sorted(benchmark.load_photos().items())):
        [corner] = benchmark.textured_crops(photo, (SIDE_PX, SIDE_PX))
        sharp = images.crop(photo, (*corner, SIDE_PX, SIDE_PX))
        path = degrade.motion_path("line", LENGTHS_PX[number % 4], ANGLES_DEG[number % 5])
        pairs.append((images.quantize(degrade.motion_blur(sharp, path)), sharp))
    return pairs


@torch.inference_mode()
def gains(ablation: Ablation) -> dict[str, dict[str, float]]:
    """By kind of network: the mean gain in dB over the blurred photo, each seed's, and its size."""
    pairs, rows = blurred(), {}
    before = sum(float(metrics.psnr(*pair)) for pair in pairs) / len(pairs)
    for kind in ablation.kinds:
        row = {}
        for seed, network in zip(ablation.seeds[kind], ablation[kind], strict=True):
            scores = [float(metrics.psnr(network(b).clamp(0, 1), s)) for b, s in pairs]
            row[f"seed {seed}"] = round(sum(scores) / len(scores) - before, 3)
        row["learned numbers"] = sum(p.numel() for p in ablation[kind][0].parameters())
        rows[kind] = row
    return rows


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", type=Path, help="folder with full-0, bilinear-1, ...")
    info = export(parser.parse_args().runs)
    print(f"{info.name}: {info.parameters:,} numbers, {sum(f.bytes for f in info.files):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
