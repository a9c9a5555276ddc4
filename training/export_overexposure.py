"""Turn a run of the overexposure network into data/weights/overexposure: numbers and card.

    python -m training.export_overexposure runs/overexposure
    python -m training.export_overexposure runs/overexposure --ablation runs/overexposure-ablation

The averaged (EMA) weights are exported, as fp16. The card takes the run's last validation, and with
--ablation a table of the runs of training/ablate_overexposure.sh: means over seeds, and the half
width of their 95 % intervals (Student's t).
"""

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

from scipy import stats

from mssnet_edu.models.catalogue import ModelInfo, save_model
from training.checkpoint import load_weights

__all__ = ["ablation_table", "export"]

COLUMNS = {  # of log.csv, in the order of the card
    "white": "clipped white, as it is",
    "none": "no reference",
    "draw": "no reference, one random fill",
    "unrelated": "another view",
    "previous": "the frame before",
    "older": "an older frame",
    "ideal": "the same view, well exposed",
}
CARD = {
    "name": "overexposure",
    "task": "fill",
    "architecture": "overexposure",
    "summary": "Fills in the clipped pixels of a video frame: from a reference frame where it "
    "remembers them, else by invention; says which is which.",
    "licence": "MIT (weights made by this project from CC0 panoramas; data/light/CREDITS.tsv)",
    "author": "mssnet_edu contributors; the task and the idea by Xing and others (2023)",
    "source": "trained by this project, from http://arxiv.org/pdf/2308.15462v1.pdf",
    "trained_on": "Views of the 18 panoramas of data/light/CREDITS.tsv with the split train (CC0), "
    "under a simulated camera. No scene of the splits validation and test was seen.",
    "min_px": 16,
    "failures": (
        "Without a reference it guesses a smooth glow: what was behind the white, it cannot know.",
        "It was trained on cameras that turn. One that walks, or things that moved since the "
        "reference was taken, misleads it.",
        "Nothing above six stops over white is ever answered: a sun disc comes out far too dark.",
        "Eighteen scenes are few: rare lights (coloured lamps, neon) come out in ordinary colours.",
    ),
}


def export(run: Path, folder: Path | None = None, ablation: Path | None = None) -> ModelInfo:
    """Write the network of a run; returns what the catalogue now knows about it.

    folder: None for the course's own data/weights. ablation: folder of the ablation's runs.
    Raises ValueError for a run of another recipe.
    """
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    if about["recipe"] != "overexposure":
        raise ValueError(f"{run} is a run of {about['recipe']!r}, not of 'overexposure'")
    last = _last_row(run)
    measured = {
        "PSNR in PU21 on clipped pixels, dB, on patches of the validation scenes": {
            title: last[key] for key, title in COLUMNS.items()
        },
        "The run": {"steps": about["step"], "hours": round(about["seconds"] / 3600, 2)},
    }
    if ablation:
        table = ablation_table(ablation)
        measured["The paper's ablation on a small version: the same in dB, and ± over seeds"] = (
            table
        )
    made_by = f"python -m training.train overexposure --panoramas FOLDERS --steps {about['step']}"
    state = load_weights(run / "ema.safetensors")
    return save_model(
        state, folder, config=about["config"], made_by=made_by, measured=measured, **CARD
    )


def ablation_table(folder: Path) -> dict[str, dict[str, float]]:
    """{kind: {column: mean, "± of" column: half of its 95 % interval}} of the finished runs.

    Raises ValueError if there are fewer than two seeds, or some were trained longer than others.
    """
    kinds: dict[str, list[dict[str, float]]] = {}
    for done in sorted(folder.glob("*/done")):
        kind = done.parent.name.rpartition("-")[0]
        kinds.setdefault(kind, []).append(_last_row(done.parent))
    steps = {row["step"] for rows in kinds.values() for row in rows}
    if len(steps) != 1 or min(map(len, kinds.values())) < 2:
        raise ValueError(
            f"{folder} needs two finished seeds or more of each kind, all equally long: run "
            "training/ablate_overexposure.sh to the end."
        )
    table: dict[str, dict[str, float]] = {}
    for kind, rows in kinds.items():
        line = table[kind] = {"seeds": len(rows)}
        for key in ("none", "older", "ideal"):
            scores = [row[key] for row in rows]
            half_width = stats.t.ppf(0.975, len(rows) - 1) * stats.sem(scores)
            line[COLUMNS[key]] = round(statistics.mean(scores), 2)
            line[f"± {key}"] = round(float(half_width), 2)
    return table


def _last_row(run: Path) -> dict[str, float]:
    """The step and the last validation of a run."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return {key: float(last[key]) for key in ("step", *COLUMNS)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--ablation", type=Path, help="folder of the ablation's runs")
    args = parser.parse_args()
    info = export(args.run, ablation=args.ablation)
    print(f"{info.name}: {info.parameters:,} parameters, {info.files[0].bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
