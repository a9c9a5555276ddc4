"""Turn a training run into a network of the course: data/weights/NAME.safetensors, .json and .md.

    python -m training.export_mssnet deblur runs/deblur
    python -m training.export_mssnet deblur runs/deblur --mix 0.15 runs/before

The averaged (EMA) weights are exported, as fp16. --mix takes a share of the weights from an earlier
run that this one descends from: what was forgotten since comes back in part. What the run was
(steps, time, log) goes into the card; what the network can do is measured by
`python -m training.evaluate --update-cards`.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mssnet_edu.models.catalogue import ModelInfo, save_model
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training.checkpoint import load_weights, load_widened
from training.measure_models import record_memory

__all__ = ["CARDS", "CORPUS", "PROVENANCE", "SETTINGS", "export", "interpolate_weights"]

CORPUS = (
    "102 photographs of Debian's wallpaper and game packages (training/dataset.tsv "
    "names file, author and licence of each; 12 more were held out)"
)
PROVENANCE = {
    "licence": "MIT (weights made by this project; see the corpus list for its photographs)",
    "author": "mssnet_edu contributors; network by Kim, Lee and Cho (2022)",
    "source": "trained by this project; architecture: "
    "https://cg.postech.ac.kr/Research/MSSNet/MSSNet.pdf",
}
# which photos a network takes, and how much context a tile needs: see `ModelInfo`
SETTINGS = {
    "deblur": {
        "task": "deblur",
        "architecture": "mssnet",
        "multiple_of": 16,
        "min_px": 32,
        "halo_px": 96,
        "rim_px": 12,
        "source_type": "algorithmicallyEnhanced",
    },
    "upscale": {
        "task": "upscale",
        "architecture": "mssnet-upscaler",
        "factor": 8,
        "multiple_of": 8,
        "min_px": 16,
        "halo_px": 16,
        "rim_px": 4,
        "source_type": "algorithmicallyEnhanced",
    },
}
CARDS = {
    "deblur": {
        "name": "mssnet-deblur",
        **SETTINGS["deblur"],
        "summary": "MSSNet, trained by this course to remove motion blur and defocus.",
        "trained_on": f"{CORPUS}, blurred on the fly: lines, swings and shake, some with "
        "rotation, parallax and objects moving in front, defocus discs, averaged in linear light, "
        "with noise and JPEG.",
        "failures": (
            "Short blur and defocus it undoes well. Of motion of 15 to 30 px it undoes a part: "
            "of a line a good deal, of a bend less, of a shake little. In doubt it stays soft.",
            "Strong camera shake with a doubled image: both images stay visible.",
            "It never saw faces in training, except for a few animals'.",
        ),
    },
    "upscale8-fidelity": {
        "name": "mssnet-x8-fidelity",
        **SETTINGS["upscale"],
        "summary": "MSSNet, trained by this course to enlarge 2, 4 or 8 times as faithfully as it "
        "can. Where it cannot know, it stays soft.",
        "config": {"factors": [2, 4, 8]},
        "trained_on": f"{CORPUS}, reduced by 8 (mostly), 4 or 2, by averages or sometimes by "
        "bicubic interpolation, three in ten also with a soft blur, noise and often JPEG; rounded "
        "to 8 bits, then enlarged by bicubic interpolation.",
        "failures": (
            "Soft where the small photo does not say what was there: hair, leaves, letters.",
            "Letters less than three small-photo pixels tall are not readable.",
            "It never saw faces in training, except for a few animals'.",
        ),
    },
    "upscale8-realism": {
        "name": "mssnet-x8-realism",
        **SETTINGS["upscale"],
        "rim_px": 1,
        "source_type": "compositeWithTrainedAlgorithmicMedia",
        "summary": "MSSNet, trained by this course to enlarge so that the answer looks real. It "
        "draws one of many possible answers; the seed picks which.",
        # Trained at 8x alone. Without 2 and 4 on offer, `upscale` averages its 8x answer down.
        "config": {"factors": [8], "takes_seed": True},
        "trained_on": f"{CORPUS}: not on themselves, but on what the chain rrdn-x8, then "
        "realesrgan-x4 makes of them, reduced by 8, with noise of 4 grey levels, the same for all "
        "three colours. It is shown the small photo without the noise, enlarged by bicubic "
        "interpolation, and the noise, enlarged likewise, as a fourth channel, and learns which "
        "answer that noise calls for. Began with the weights of mssnet-x8-fidelity. Graded by the "
        "distance to the chain's answer: in pixels, spectra, colours, strength of texture in each "
        "place and band, a classifier's maps (EfficientNet-Lite0), means of 8 x 8 px, and what "
        "repeats every 8 px.",
        "failures": (
            "Its detail is invented: nothing of what it adds to mssnet-x8-fidelity is evidence.",
            "Softer than its teacher, the chain rrdn-x8, then realesrgan-x4: lines are thicker, "
            "texture is fainter, and where it cannot follow it stays as soft as "
            "mssnet-x8-fidelity.",
            "It has its teacher's habits, such as smooth skin and firm strands of hair. All its "
            "draws have them, so what they agree on is no evidence.",
            "Letters come out firmer, not more readable.",
            "Smooth areas carry a faint weave, less than a grey level strong.",
            "It learned from clean small photos at 8x alone: for less, its 8x answer is averaged.",
        ),
    },
}


def interpolate_weights(
    config: dict, state: dict[str, Tensor], share: float, earlier: dict[str, Tensor]
) -> dict[str, Tensor]:
    """(1 - share) times the weights of a run plus share times those of the run it descends from.

    config: of `MSSNetConfig`. The earlier network may be narrower; it is widened as the run's own
    start was (with seed 0). Raises ValueError for a share outside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"the share to mix in must lie between 0 and 1, got {share}")
    torch.manual_seed(0)
    start = MSSNet(MSSNetConfig(**config))
    load_widened(start, earlier)
    return {
        name: ((1 - share) * state[name] + share * value).detach()
        for name, value in start.named_parameters()
    }


def export(
    run: Path, folder: Path | None = None, mix: tuple[float, Path] | None = None
) -> ModelInfo:
    """Write the network of a training run; returns what the catalogue now knows about it.

    folder: None for the course's own data/weights. mix: (share, earlier run), see
    `interpolate_weights`. Raises ValueError for a run of a recipe that has no card.
    """
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    recipe, config = about["recipe"], about["config"]
    if recipe not in CARDS:
        raise ValueError(f"{run} is a run of {recipe!r}; cards are there for {', '.join(CARDS)}")
    state = load_weights(run / "ema.safetensors")
    made_by = f"python -m training.train {recipe}; python -m training.export_mssnet {recipe} RUN"
    if mix:
        state = interpolate_weights(config, state, mix[0], load_weights(mix[1] / "ema.safetensors"))
        made_by += f" --mix {mix[0]:g} EARLIER_RUN"
    card = dict(CARDS[recipe])
    if card["task"] == "upscale":
        state = {f"network.{key}": value for key, value in state.items()}
    measured = {"The run": _run_facts(run, about)}
    card["config"] = config | card.get("config", {})
    save_model(state, folder, made_by=made_by, measured=measured, **PROVENANCE, **card)
    return record_memory(card["name"], folder)


def _run_facts(run: Path, about: dict) -> dict[str, float]:
    """Length and last validation of a run, with the runs whose weights it began with."""
    last = pd.read_csv(run / "log.csv").iloc[-1]
    runs = [*about.get("before", []), about]
    facts: dict[str, float] = {"runs": len(runs)} if len(runs) > 1 else {}
    return facts | {
        "steps": sum(each["step"] for each in runs),
        "hours": round(sum(each["seconds"] for each in runs) / 3600, 2),
        "validation patches, input (dB)": float(last["input"]),
        "validation patches, answer (dB)": float(last.iloc[-1]),
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("recipe", choices=sorted(CARDS))
    parser.add_argument("run", type=Path)
    parser.add_argument("--mix", nargs=2, metavar=("SHARE", "RUN"), help="of an earlier run")
    args = parser.parse_args()
    if (
        recipe := json.loads((args.run / "run.json").read_text(encoding="utf-8"))["recipe"]
    ) != args.recipe:
        parser.error(f"{args.run} is a run of {recipe!r}, not of {args.recipe!r}")
    info = export(args.run, mix=(float(args.mix[0]), Path(args.mix[1])) if args.mix else None)
    size = sum(file.bytes for file in info.files)
    print(f"{info.name}: {info.parameters:,} parameters, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
