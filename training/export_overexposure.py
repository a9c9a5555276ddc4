"""Turn a run of the overexposure network into data/weights/overexposure: numbers and card.

    python -m training.export_overexposure runs/overexposure
    python -m training.export_overexposure --ablation runs/overexposure-ablation

The averaged (EMA) weights are exported, as fp16. The card takes the run's last validation. With
--ablation, the last rows of the runs of training/ablate_overexposure.sh are written to
docs/training/overexposure-ablation.csv, and their table into the card: means over seeds with the
half width of their 95 % intervals (Student's t), and the differences from the full network, seed by
seed, because equal seeds saw the same views in the same order.
"""

import argparse
import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from mssnet_edu.files import write_text
from mssnet_edu.models import catalogue
from mssnet_edu.models.catalogue import ModelInfo, save_model
from training.checkpoint import load_weights

__all__ = ["ABLATION", "ablation_table", "export", "write_ablation"]

ABLATION = Path(__file__).resolve().parents[1] / "docs/training/overexposure-ablation.csv"
ABLATION_TITLE = "The paper's ablation on a small version (700 steps), dB as above, ± over seeds"
COMPARED = ("none", "older", "ideal")

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


def export(run: Path, folder: Path | None = None) -> ModelInfo:
    """Write the network of a run; returns what the catalogue now knows about it.

    folder: None for the course's own data/weights. Raises ValueError for a run of another recipe.
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
    made_by = f"python -m training.train overexposure --panoramas FOLDERS --steps {about['step']}"
    state = load_weights(run / "ema.safetensors")
    return save_model(
        state, folder, config=about["config"], made_by=made_by, measured=measured, **CARD
    )


def write_ablation(runs: Path, table: Path = ABLATION, folder: Path | None = None) -> ModelInfo:
    """Write the last rows of the ablation's runs to a table (.csv), and what it says into the card.

    Raises ValueError if there are fewer than two seeds, or some were trained longer than others.
    """
    found = []
    for done in sorted(runs.glob("*/done")):
        kind, _, seed = done.parent.name.rpartition("-")
        found.append({"kind": kind, "seed": int(seed), **_last_row(done.parent)})
    rows = pd.DataFrame(found)
    lines = ablation_table(rows)
    write_text(table, rows.astype({"step": int}).to_csv(index=False))
    info = catalogue.info("overexposure", folder)
    measured = {**info.measured, ABLATION_TITLE: lines}
    catalogue.write_info(dataclasses.replace(info, measured=measured), folder)
    return catalogue.info("overexposure", folder)


def ablation_table(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """{kind, or kind less full: {column: mean, "± of" column: half of its 95 % interval}}.

    rows: a row for each kind and seed, as docs/training/overexposure-ablation.csv has them. Raises
    ValueError if there are fewer than two seeds, or some were trained longer than others.
    """
    if rows.empty or rows.step.nunique() != 1 or rows.groupby("kind").seed.nunique().min() < 2:
        raise ValueError(
            "the ablation needs two finished seeds or more of each kind, all equally long: run "
            "training/ablate_overexposure.sh to the end."
        )
    kinds = sorted({str(kind) for kind in rows.kind})
    scores = {
        kind: pd.DataFrame(rows.loc[rows.kind == kind]).set_index("seed").filter(COMPARED)
        for kind in kinds
    }
    lines: dict[str, pd.DataFrame] = {**scores}
    for kind in kinds:
        if kind != "full" and "full" in scores:
            lines[f"{kind} less full, seed by seed"] = (scores[kind] - scores["full"]).dropna()
    table: dict[str, dict[str, float]] = {}
    for name, each in lines.items():
        line = table[name] = {"seeds": len(each)}
        for key in COMPARED:
            found = np.asarray(each[key], dtype=float)
            half_width = stats.t.ppf(0.975, len(found) - 1) * stats.sem(found)
            line[COLUMNS[key]] = round(float(found.mean()), 2)
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
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--ablation", type=Path, help="folder of the ablation's runs")
    args = parser.parse_args()
    if not (args.run or args.ablation):
        parser.error("give a run, or --ablation FOLDER")
    if args.run:
        info = export(args.run)
        print(f"{info.name}: {info.parameters:,} parameters, {info.files[0].bytes:,} bytes")
    if args.ablation:
        print(pd.DataFrame(write_ablation(args.ablation).measured[ABLATION_TITLE]).T.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
