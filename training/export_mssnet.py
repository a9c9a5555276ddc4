"""Turn a training run into a network of the course: data/weights/NAME.safetensors, .json and .md.

    python -m training.export_mssnet deblur runs/deblur
    python -m training.export_mssnet deblur runs/deblur --mix 0.15 runs/before

The averaged (EMA) weights are exported, as fp16. --mix takes a share of the weights from an earlier
run that this one descends from: what was forgotten since comes back in part. What the run was
(steps, time, log) goes into the card; what the network can do is measured by
`python -m training.evaluate --update-cards`.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import torch

from mssnet_edu.models.catalogue import ModelInfo, save_model
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training.checkpoint import load_weights, load_widened

ROOT = Path(__file__).resolve().parents[1]
PAPER = "https://cg.postech.ac.kr/Research/MSSNet/MSSNet.pdf"
CORPUS = (
    "102 photographs of Debian's wallpaper and game packages (training/dataset.tsv "
    "names file, author and licence of each; 12 more were held out)"
)

CARDS = {
    "deblur": {
        "name": "mssnet-deblur",
        "task": "deblur",
        "architecture": "mssnet",
        "summary": "MSSNet, trained by this course to remove motion blur and defocus.",
        "multiple_of": 16,
        "min_px": 32,
        "halo_px": 96,
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
        "task": "upscale",
        "architecture": "mssnet-upscaler",
        "summary": "MSSNet, trained by this course to enlarge 2, 4 or 8 times as faithfully as it "
        "can. Where it cannot know, it stays soft.",
        "factor": 8,
        "multiple_of": 8,
        "min_px": 16,
        "halo_px": 16,
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
        "task": "upscale",
        "architecture": "mssnet-upscaler",
        "summary": "MSSNet, trained by this course to enlarge so that the answer looks real. It "
        "draws one of many possible answers; the seed picks which.",
        "factor": 8,
        "multiple_of": 8,
        "min_px": 16,
        "halo_px": 16,
        "trained_on": f"{CORPUS}, reduced and enlarged as for mssnet-x8-fidelity, with random "
        "numbers as a fourth channel. Began with the weights of mssnet-x8-fidelity. Graded by the "
        "strength of texture in each place and band, colours, a classifier's maps "
        "(EfficientNet-Lite0), a critic, agreement with the original in means of 8 x 8 px, how "
        "near the mean of two draws is to the original, and by how much the two differ.",
        "failures": (
            "Its detail is invented: nothing of what it adds to mssnet-x8-fidelity is evidence.",
            "A short training on one CPU core: its texture is grain of the right strength, without "
            "direction. It suits fur and leaves; it draws no hairs and no threads.",
            "Skin comes out stippled: a face looks better from mssnet-x8-fidelity.",
            "Strong edges and letters are speckled instead of sharp.",
            "Seen close, its grain is woven: it repeats every few pixels, above all in light "
            "places.",
            "Regular patterns (bricks, cloth, text) come back as grain.",
            "At 4x it keeps the recorded pixels less well than at 8x: it was held to means of "
            "8 x 8 px only.",
        ),
    },
}
_UPSCALER = {"factors": [2, 4, 8]}
# Its training asks of every answer to agree with the small photo at 1/8 only, so at 2x it overrides
# recorded pixels (consistency 23 dB). Without 2 on offer, `upscale` averages its 4x answer down.
_DRAWS = {"factors": [4, 8], "takes_seed": True}


def mixed(config: dict, state: dict, share: float, earlier: dict) -> dict:
    """Weights with a share of those of an earlier run, which this one descends from.

    The earlier network may be narrower; it is widened as the run's own start was (with seed 0).
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
    recipe: str, run: Path, folder: Path | None = None, mix: tuple[float, Path] | None = None
) -> ModelInfo:
    """Write the network of a finished run; returns what the catalogue now knows about it."""
    about = json.loads((run / "run.json").read_text())
    if about["recipe"] != recipe:
        raise ValueError(f"{run} is a run of {about['recipe']!r}, not of {recipe!r}")
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in about["config"].items()}
    state = load_weights(run / "ema.safetensors")
    made_by = f"python -m training.train {recipe}; python -m training.export_mssnet {recipe} RUN"
    if mix:
        state = mixed(config, state, mix[0], load_weights(mix[1] / "ema.safetensors"))
        made_by += f" --mix {mix[0]:g} EARLIER_RUN"
    facts = dict(CARDS[recipe])
    if facts["architecture"] == "mssnet-upscaler":
        state = {f"network.{k}": v for k, v in state.items()}
        config |= _DRAWS if config["noise"] else _UPSCALER
    MSSNetConfig(**{k: v for k, v in about["config"].items()})  # refuse a damaged run early
    return save_model(
        state,
        folder,
        config=config,
        licence="MIT (weights made by this project; see the corpus list for its photographs)",
        author="mssnet_edu contributors; network by Kim, Lee and Cho (2022)",
        source=f"trained by this project; architecture: {PAPER}",
        made_by=made_by,
        measured={"The run": _log(run / "log.csv", about)},
        **facts,
    )


def _log(path: Path, about: dict) -> dict:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = rows[-1]
    parts = [*about.get("before", []), about]  # a run may begin with the weights of another
    found = {"runs": len(parts)} if len(parts) > 1 else {}
    found["steps"] = sum(part["step"] for part in parts)
    found["hours"] = round(sum(part["seconds"] for part in parts) / 3600, 2)
    found["validation patches, input (dB)"] = float(last["input"])
    found["validation patches, answer (dB)"] = float(list(last.values())[-1])
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", choices=sorted(CARDS))
    parser.add_argument("run", type=Path)
    parser.add_argument("--mix", nargs=2, metavar=("SHARE", "RUN"), help="of an earlier run")
    args = parser.parse_args()
    mix = (float(args.mix[0]), Path(args.mix[1])) if args.mix else None
    info = export(args.recipe, args.run, mix=mix)
    size = sum(f.bytes for f in info.files)
    print(f"{info.name}: {info.parameters:,} parameters, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
