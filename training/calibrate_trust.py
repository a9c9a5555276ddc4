"""Measure how the error of an enlargement depends on how much its rivals disagree.

    python -m training.calibrate_trust            writes mssnet_edu/hallucination/trust.json
    python -m training.calibrate_trust KEEP       keeps the candidates in the folder KEEP, for a
                                                 second run; about 10 s of one core a photograph

Photographs whose original is known, none of which any of the course's networks was trained on, are
reduced 8x by area and enlarged by `candidates`. Needed again after new weights of an upscaler.
"""

import json
import sys
from pathlib import Path

import torch

import mssnet_edu as me
from mssnet_edu.hallucination import trust

ANSWERS = 6
# name: (file in data/validation or a sample's name, (left, top, width, height))
PHOTOS = {
    "macaque": ("macaque_1.webp", (128, 128, 256, 256)),
    "meerkats": ("meerkats_1.webp", (128, 128, 256, 256)),
    "osprey": ("perched-osprey_1.webp", (128, 128, 256, 256)),
    "piazza": ("piazza-gae-aulenti_1.webp", (128, 128, 256, 256)),
    "mountains": ("picosdeeuropa_1.webp", (128, 128, 256, 256)),
    "lanterns": ("sea-of-lanterns_1.webp", (128, 128, 256, 256)),
    "skyline": ("singaporean-cityscape_1.webp", (128, 128, 256, 256)),
    "cat": ("cat", (96, 30, 256, 256)),
    "coffee": ("coffee", (160, 80, 256, 256)),
    "cameraman": ("cameraman", (130, 60, 256, 256)),
    "flower": ("flower", (400, 200, 256, 256)),
    "helmet": ("astronaut", (200, 256, 256, 256)),
}


def examples(keep):
    """Return {name: (candidates, original)}; computed, or read from the folder `keep`."""
    found = {}
    for name, (source, box) in PHOTOS.items():
        kept = keep / f"{name}.pt" if keep else None
        if "." in source:
            photo = me.images.load(me.samples.find_data(f"validation/{source}"))
        else:
            photo = me.samples.load(source)
        original = me.images.crop(photo, box)
        if kept and kept.is_file():
            answers = torch.load(kept, weights_only=True)
        else:
            print(name, flush=True)
            answers = me.hallucination.candidates(me.degrade.downscale(original, 8), ANSWERS)
            if kept:
                torch.save(answers, kept)
        found[name] = (answers, original)
    return found


def main():
    """Measure, print and write."""
    keep = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    photos = examples(keep)
    found = trust.calibrate(photos)
    facts = {
        "made_by": "python -m training.calibrate_trust",
        "answers": list(next(iter(photos.values()))[0]),
        "offset": round(found.offset, 4),
        "weights": dict(zip(trust.FEATURES, (round(w, 4) for w in found.weights), strict=True)),
        "reliability": [[round(x, 2), round(y, 2), n] for x, y, n in found.reliability],
        "scores": {
            name: {key: round(value, 3) for key, value in score.items()}
            for name, score in found.scores.items()
        },
    }
    trust.STORED.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for name, score in facts["scores"].items():
        print(f"{name:12}", *(f"{key} {value:.3f}" for key, value in score.items()))
    for key in ("trust map", "spread", "gradient"):
        mean = sum(score[key] for score in facts["scores"].values()) / len(facts["scores"])
        print(f"mean {key}: {mean:.3f}")


if __name__ == "__main__":
    main()
