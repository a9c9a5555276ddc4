"""Measure the lesson's clips with the course's own network, and write data/light/clips.json.

    python -m training.measure_lesson_clips

For each clip of `reference_selection.CLIPS` every frame is filled with every earlier one: some 850
runs of the network in all, a few minutes. Run it again whenever data/weights/overexposure changes:
the lesson's game, its table and its policy are scored by these numbers.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from mssnet_edu import models, samples
from mssnet_edu import reference_selection as selection
from mssnet_edu.files import write_text
from mssnet_edu.models.overexposure import Overexposure

__all__ = ["measure_clips"]


def measure_clips(network: Overexposure, path: Path) -> None:
    """Write the qualities of the lesson's clips, in dB with two decimals, as JSON.

    network: the course's own, `load_model("overexposure")`; the SHA-256 of its weights is written,
    too, and a test compares.
    """
    table: dict[str, Any] = {}
    for name in selection.CLIPS:
        found = selection.measure(network, selection.film_clip(name), precision="float32")
        table[name] = {key: _for_json(values) for key, values in found._asdict().items()}
        print(f"{name}: {float(found.none.nanmean()):.2f} dB without a reference", flush=True)
    table["weights"] = models.info("overexposure").files[0].sha256
    lines = [f" {json.dumps(name)}: {json.dumps(values)}" for name, values in table.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _for_json(values: torch.Tensor) -> list:
    """Lists of numbers; NaN, which JSON has not, becomes null."""
    if values.ndim > 1:
        return [_for_json(row) for row in values]
    return [round(v, 2) if math.isfinite(v) else None for v in values.tolist()]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="another file than data/light/clips.json")
    args = parser.parse_args()
    network = models.load_model("overexposure")
    assert isinstance(network, Overexposure)
    measure_clips(network, args.out or samples.find_data("light") / Path(selection.FILE).name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
