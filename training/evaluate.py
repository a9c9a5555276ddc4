"""Measure the networks and their rivals on photographs that none of ours was trained on.

    python -m training.evaluate deblur
    python -m training.evaluate upscale8 --photos DIR

For each task: one table (CSV and Markdown), one line per picture (CSV), figures, and one line per
target that the project set itself: met or not. The photographs are the validation crops, or those
of a folder. All but the seconds comes out the same every time.
"""

import sys
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path

import pandas as pd
from torch import nn
from tqdm import tqdm

from mssnet_edu import cli, models
from mssnet_edu.files import write_text
from training import benchmark, export_mssnet, figures, report, scoring

__all__ = ["NETWORKS", "load_network", "main"]

NETWORKS = {
    "deblur": ("mssnet-deblur", "maxim-gopro"),
    "upscale8": ("rrdn-x8", "realesrgan-x4", "mssnet-x8-fidelity", "mssnet-x8-realism"),
}


def load_network(name: str) -> nn.Module:
    """A network by its name in the catalogue, or by the folder of a training run.

    A run's network is loaded as its export would be: in fp16, with the settings of its card.
    Raises ValueError if there is neither.
    """
    if not (Path(name) / "run.json").is_file():
        return models.load_model(name)
    with tempfile.TemporaryDirectory() as folder:
        info = export_mssnet.export(Path(name), Path(folder))
        return models.load_model(info.name, folder)


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.evaluate`; returns the exit code."""
    parser = cli.ArgumentParser(
        "python -m training.evaluate", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("task", choices=NETWORKS)
    parser.add_argument("--photos", type=Path, help="a folder of sharp photographs of your own")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"), help="%(default)s")
    parser.add_argument("--models", default="", help="more networks or runs, with commas between")
    parser.add_argument("--limit", type=int, help="only the first so many photographs")
    parser.add_argument("--quick", action="store_true", help="two small pictures: does it run?")
    parser.add_argument(
        "--seconds",
        action="store_true",
        help="measure only the seconds anew, on an idle machine; the rest is read from --out",
    )
    parser.add_argument(
        "--update-cards", action="store_true", help="write the numbers into the model cards"
    )
    parser.set_defaults(run=_run)
    return cli.run(parser, argv)


def _run(args: Namespace) -> int:
    """Returns 0 whether targets are met or not."""
    if args.update_cards and (args.photos or args.limit or args.quick):
        raise ValueError(
            "--update-cards needs the whole set of validation photographs: leave out --photos, "
            "--limit and --quick."
        )
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit is {args.limit}; expected 1 or more.")
    if args.quick:
        photos = benchmark.load_photos(args.photos, 2, 192 if args.task == "deblur" else 128)
    else:
        photos = benchmark.load_photos(args.photos, args.limit)
    extra = [name.strip() for name in args.models.split(",") if name.strip()]
    networks = {name: load_network(name) for name in (*NETWORKS[args.task], *extra)}
    if args.task == "deblur":
        answer_all = scoring.deblur_all
    else:
        factors = (8,) if args.quick else benchmark.FACTORS
        answer_all = partial(scoring.upscale_all, factors=factors)

    args.out.mkdir(parents=True, exist_ok=True)
    pictures, table_path = (args.out / f"{args.task}{end}.csv" for end in ("_pictures", ""))
    if args.seconds:
        scores = pd.read_csv(pictures)
    else:
        scores = []
        for name in tqdm(photos, unit="photo", disable=None):  # None: only in a terminal
            for case, answers in answer_all({name: photos[name]}, networks):
                scores += scoring.score(case, answers)
        scores = pd.DataFrame(scores)
        report.write_table(pictures, scores)
    seconds = {} if args.quick and not args.seconds else scoring.seconds(args.task, networks)
    table = report.summarise(scores, networks, seconds)
    report.write_table(table_path, table)
    source = f"photographs of {args.photos}" if args.photos else "validation photographs"
    text = f"# {args.task}: {scores.photo.nunique()} {source}\n\n{report.render(args.task, table)}"
    extents = report.by_extent(scores)
    if args.task == "deblur":
        report.write_table(args.out / "deblur_extents.csv", extents)
        text += f"\n{report.render_extents(extents)}"
    write_text(table_path.with_suffix(".md"), text)
    print(text)
    if not args.seconds:
        figures.examples(
            args.out / f"{args.task}_examples.jpg", photos, partial(answer_all, networks=networks)
        )
        if args.task == "deblur":
            figures.gains_by_extent(args.out / "deblur_extents.png", extents)
            figures.gain_bars(args.out / "deblur.png", table, ["gopro", "motion", "defocus"])
            if not args.quick:
                figures.real_photos(args.out / "deblur_real.jpg", networks)
        else:
            groups = ["clean 8x", "dirty 8x"]
            figures.perception_distortion(args.out / "upscale8.png", table, groups)
    if args.update_cards:
        others = ("rrdn-x8", "realesrgan-x4")  # measured by training.measure_models
        names = [name for name in NETWORKS[args.task] if name not in others]
        report.update_cards(table, names, extents=extents)
        print(f"cards written: {', '.join(names)}")
    print(f"tables and figures: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
