"""Turn runs of the policy into data/weights/reference-policy: numbers and card.

    python -m training.export_reference_policy runs/reference-policy-0 runs/reference-policy-1 ...

The runs differ in their seed. The one that is best on the validation scenes is exported (its
averaged weights); the card says how all of them did.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mssnet_edu.models.catalogue import ModelInfo, save_model
from mssnet_edu.reference_selection import FEATURES
from training.checkpoint import load_weights

__all__ = ["export"]

CARD = {
    "name": "reference-policy",
    "task": "select",
    "architecture": "reference-policy",
    "summary": "Decides after each video frame whether to keep it as the reference from which "
    "clipped pixels of later frames are filled.",
    "licence": "MIT (weights made by this project from CC0 panoramas; data/light/CREDITS.tsv)",
    "author": "mssnet_edu contributors; the idea by Xing and others (2023)",
    "source": "trained by this project, from http://arxiv.org/pdf/2308.15462v1.pdf",
    "trained_on": "Clips filmed in the 18 panoramas of data/light/CREDITS.tsv with the split train "
    "(CC0), filled by this course's network overexposure. It looks at "
    f"{len(FEATURES)} numbers: " + "; ".join(FEATURES) + ".",
    "failures": (
        "On scenes that it did not see it is no better than the best fixed rule "
        "(docs/evaluation.md). 36 clips are few; but a network that was told what the oracle gains "
        "by each decision was no better, either (docs/training).",
        "It learned on cameras that pan there and back within 24 frames. What to keep for a camera "
        "that never returns, it was not taught.",
        "It cannot know what is behind the next corner: the oracle, which does, is better.",
    ),
}


def export(runs: Sequence[Path], folder: Path | None = None) -> ModelInfo:
    """Write the best of some runs; returns what the catalogue now knows about it.

    folder: None for the course's own data/weights. Raises ValueError for runs of another recipe.
    """
    abouts = [json.loads((run / "run.json").read_text(encoding="utf-8")) for run in runs]
    if wrong := [about["recipe"] for about in abouts if about["recipe"] != "reference-policy"]:
        raise ValueError(f"a run is of {wrong[0]!r}, not of 'reference-policy'")
    rows = [_last_row(run) for run in runs]
    best = max(range(len(runs)), key=lambda i: rows[i]["policy"])
    rules = [key for key in rows[0] if key not in {"policy", "oracle", "gap", "known"}]
    measured = {
        "PSNR in PU21 on clipped pixels, dB, on clips of the validation scenes": {
            **{f"rule {name}": rows[best][name] for name in rules},
            **{f"policy, seed {a['seed']}": r["policy"] for a, r in zip(abouts, rows, strict=True)},
            "oracle": rows[best]["oracle"],
        },
        "Share of the way from the best fixed rule to the oracle": {
            f"seed {a['seed']}, {where} scenes": row[key]
            for a, row in zip(abouts, rows, strict=True)
            for where, key in (("validation", "gap"), ("training", "known"))
        },
        "The exported run": {key: abouts[best][key] for key in ("seed", "step", "clips")},
    }
    made_by = (
        "python -m training.train reference-policy --panoramas FOLDERS "
        f"--steps {abouts[best]['step']} --seed {abouts[best]['seed']}"
    )
    state = load_weights(runs[best] / "ema.safetensors")
    return save_model(
        state, folder, config=abouts[best]["config"], made_by=made_by, measured=measured, **CARD
    )


def _last_row(run: Path) -> dict[str, float]:
    """The last validation of a run: dB of each rule, the policy and the oracle, and shares."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    skipped = {"step", "seconds", "gathered_db"}
    return {key: float(value) for key, value in last.items() if key not in skipped}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    args = parser.parse_args()
    info = export(args.runs)
    print(f"{info.name}: {info.parameters:,} parameters, {info.files[0].bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
