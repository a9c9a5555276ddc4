"""Train one of the course's networks: on a CPU, one GPU, or several by `torchrun`.

    python -m training.train deblur --photos FOLDER --minutes 30
    torchrun --nproc-per-node 2 -m -- training.train deblur --photos FOLDER --minutes 30 --resume

`--resume` goes on from the run in `--out`. A run of `--steps` that was cut off is finished by it;
a time-limited run (`--minutes`) stores no step count to resume to, so another fall of the learning
rate begins. On a CPU, resuming from `state.pt` is exact to the last bit. Where only
`weights.safetensors` and `ema.safetensors` were kept, the optimisers start afresh behind a warm-up.
"""

import argparse
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import torch

from mssnet_edu import cli
from training.dataset import split_files
from training.losses import LOSSES
from training.overexposure import LOSSES as UNITS
from training.recipes import RECIPES
from training.trainer import Trainer

__all__ = ["command_line", "main", "run_command"]

# networks that restore nothing: each has a trainer of its own, a module with `run_command`
OWN_TRAINERS = {
    "featsharp": "training.featsharp",
    "overexposure": "training.overexposure",
    "reference-policy": "training.reference_policy",
}
# options of one kind of recipe, of which the others do not know
OF_A_TEACHER = {"pairs", "perceptual"}
OF_A_LOSS_AND_A_BLUR = {"loss", "difficulty", "gain", "stretch", "non_uniform"}
ON_PANORAMAS = {"overexposure", "reference-policy"}


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.train`; returns the exit code."""
    return cli.run(command_line(), argv)


def command_line() -> cli.ArgumentParser:
    """Return the parser of `python -m training.train`."""
    parser = cli.ArgumentParser(
        "python -m training.train", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("recipe", choices=sorted([*RECIPES, *OWN_TRAINERS]), help="which network")
    parser.add_argument("--photos", type=Path, help="folder of sharp photographs")
    parser.add_argument(
        "--panoramas", type=Path, nargs="+", help="folders of HDR panoramas (overexposure, policy)"
    )
    parser.add_argument(
        "--pairs", type=Path, help="folder of a teacher's answers (training.distillation; realism)"
    )
    parser.add_argument("--out", type=Path, help="folder for the run (default: runs/RECIPE)")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="how long to train")
    length.add_argument("--steps", type=int, help="how many steps to train")
    parser.add_argument("--resume", action="store_true", help="go on from the run in --out")
    parser.add_argument("--start", type=Path, help="weights to start from (folder or .safetensors)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, help="patches per step")
    parser.add_argument("--size", type=int, help="patch side in pixels, a multiple of 16")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--muon-rate", type=float, help="peak rate of the inner convolutions")
    parser.add_argument(
        "--loss", choices=sorted([*LOSSES, *UNITS]), help="see recipes.py; pu, linear: overexposure"
    )
    parser.add_argument(
        "--part",
        type=float,
        nargs=2,
        default=(0.0, 1.0),
        help="with --minutes: which part of the learning rate's fall they are (default: 0 1)",
    )
    parser.add_argument(
        "--every", type=float, default=60, help="seconds (policy: steps) between validations"
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile (worth it on a GPU)")
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        help="compute in bfloat16 (default: on a GPU; also worth it where `lscpu` says bf16)",
    )
    parser.add_argument(
        "--difficulty", type=float, nargs=2, help="of the blur, 0 to 1: at first, at most"
    )
    parser.add_argument(
        "--gain", type=float, help="raise the difficulty while the network gains this many dB"
    )
    parser.add_argument(
        "--scales", type=int, choices=(1, 2, 3), help="1, 2: train the coarse scales only"
    )
    parser.add_argument(
        "--frozen", type=int, choices=(0, 1, 2), help="do not train so many of the first scales"
    )
    parser.add_argument("--stretch", type=float, help="motions are this many times as long")
    parser.add_argument(
        "--non-uniform",
        type=float,
        help="share of the camera motions with rotation, parallax or objects (slow)",
    )
    parser.add_argument("--width", type=int, help="channels at the finest scale (overexposure)")
    parser.add_argument(
        "--items", type=int, help="views, or clips, of each panorama (overexposure, policy)"
    )
    parser.add_argument(
        "--views", type=Path, help="where they are kept (default: the folder views beside --out)"
    )
    parser.add_argument("--perceptual", type=Path, help="EfficientNet-Lite0 weights (realism)")
    parser.set_defaults(run=run_command, default_of=parser.get_default)
    return parser


def run_command(args: argparse.Namespace) -> int:
    """Run `python -m training.train`; returns the exit code."""
    needed = "panoramas" if args.recipe in ON_PANORAMAS else "photos"
    if not getattr(args, needed):
        raise ValueError(f"{args.recipe} is trained on {needed}: give --{needed} FOLDER.")
    if args.recipe in OWN_TRAINERS:
        own = importlib.import_module(OWN_TRAINERS[args.recipe])
        _refuse_options(args, own.OPTIONS)
        return own.run_command(args)
    foreign = OF_A_LOSS_AND_A_BLUR if RECIPES[args.recipe].task == "distil" else OF_A_TEACHER
    _refuse_options(args, set(vars(args)) - {"panoramas", "width", "items", "views"} - foreign)
    if args.loss in UNITS:
        raise ValueError(f"--loss {args.loss} is for overexposure; choose {', '.join(LOSSES)}.")
    changes = {
        "batch": args.batch,
        "size_px": args.size,
        "rate": args.rate,
        "loss": args.loss,
        "muon_rate": args.muon_rate,
        "difficulty": args.difficulty and tuple(args.difficulty),
        "gain_db": args.gain,
        "scales": args.scales,
        "frozen": args.frozen,
        "stretch": args.stretch,
        "non_uniform": args.non_uniform,
    }
    recipe = replace(RECIPES[args.recipe], **{k: v for k, v in changes.items() if v is not None})
    out = args.out or Path("runs") / recipe.name
    start = args.start
    if recipe.starts_from and not start and not args.resume:
        start = Path("runs") / recipe.starts_from
    train_files, held_out = split_files(args.photos)
    trainer = Trainer(
        recipe,
        train_files,
        held_out,
        out,
        device=args.device,
        seed=args.seed,
        start=start,
        resume=args.resume,
        compile_network=args.compile,
        bf16=args.bf16,
        pairs=args.pairs,
        feature_weights=args.perceptual,
    )
    trainer.run(minutes=args.minutes, steps=args.steps, every_s=args.every, part=tuple(args.part))
    return 0


def _refuse_options(args: argparse.Namespace, known: set[str]) -> None:
    """Raises ValueError if an option was given that this recipe does not know."""
    given = {k for k, v in vars(args).items() if v != args.default_of(k)}
    if foreign := sorted(given - known - {"traceback"}):
        names = ", ".join("--" + name.replace("_", "-") for name in foreign)
        raise ValueError(f"training {args.recipe} does not know {names}.")


if __name__ == "__main__":
    sys.exit(main())
