"""Does an enlarged photo let a classifier see more? And how far does framing alone take it?

    python -m training.evaluate_zoom                          the course's labelled photographs
    python -m training.evaluate_zoom --photos DIR --labels FILE.tsv --csv FILE.csv
    python -m training.evaluate_zoom --imagenet-hard PATH --csv FILE.csv --resume
    python -m training.evaluate_zoom --imagenet PATH --csv FILE.csv --resume

The first two reduce each labelled photo to 1/8 of its size, and to 32 px, enlarge it in every way
that the course knows, and classify original and enlargements. The others classify the photos of a
data set that you have, as they are. One line of CSV per answer, written photo by photo: a run that
was stopped goes on with --resume, and ends with the same table.
"""

import itertools
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from mssnet_edu import cli, images, zoom
from training import zoom_data, zoom_report, zoom_scoring

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.evaluate_zoom`; returns the exit code."""
    parser = cli.ArgumentParser(
        "python -m training.evaluate_zoom", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--photos", type=Path, help="a folder of your own labelled photographs")
    parser.add_argument(
        "--labels", type=Path, help="their table: file, imagenet_ids; as data/labelled/labelled.tsv"
    )
    parser.add_argument(
        "--imagenet-hard", type=Path, help="ImageNet-Hard: a parquet file, or a folder"
    )
    parser.add_argument("--imagenet", type=Path, help="ImageNet-1k's validation photos: a folder")
    parser.add_argument("--csv", type=Path, help="where the answers go (build/zoom/NAME.csv)")
    parser.add_argument("--resume", action="store_true", help="go on where --csv ends")
    parser.add_argument("--limit", type=int, help="only the first so many photographs")
    parser.add_argument(
        "--views",
        default="centre,TTA",
        help=f"for a data set: {', '.join(zoom_scoring.VIEWS)}; commas between (%(default)s)",
    )
    parser.set_defaults(run=_run)
    return cli.run(parser, argv)


def _run(args: Namespace) -> int:
    datasets = [name for name in ("imagenet_hard", "imagenet") if getattr(args, name)]
    if len(datasets) + bool(args.photos or args.labels) > 1:
        raise ValueError("choose one: --photos with --labels, --imagenet-hard, or --imagenet.")
    if bool(args.photos) != bool(args.labels):
        raise ValueError("--photos and --labels go together: a folder, and the table of labels.")
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit is {args.limit}; expected 1 or more.")
    name = datasets[0] if datasets else "labelled"
    path = args.csv or Path("build/zoom") / f"{name}.csv"
    if datasets:
        views = [view.strip() for view in args.views.split(",")]
        if unknown := [view for view in views if view not in zoom_scoring.VIEWS]:
            known = ", ".join(zoom_scoring.VIEWS)
            raise ValueError(f"--views has {unknown[0]!r}; choose from {known}.")
        photos = zoom_data.read_dataset(getattr(args, name))
        answer = partial(zoom_scoring.classify_photo, views=views)
    else:
        photos = _labelled(args)
        answer = zoom_scoring.enlarge_and_classify
    path.parent.mkdir(parents=True, exist_ok=True)
    file = zoom_scoring.AnswerFile(path, args.resume)
    unreadable = []
    for photo in tqdm(itertools.islice(photos, args.limit), unit="photo", disable=None):
        if photo.name in file:
            continue
        try:
            file.append(list(answer(photo)))
        except images.PhotoError as error:
            unreadable.append(f"{photo.name}: {error}")
    if unreadable:
        print(f"{len(unreadable)} photos were left out:", *unreadable, sep="\n  ", file=sys.stderr)
    rows = file.read()
    if rows.empty:
        raise ValueError("no photo was classified, so there is no table.")
    print(zoom_report.dataset_page(rows, name) if datasets else zoom_report.experiment_page(rows))
    print(f"answers: {path}")
    return 0


def _labelled(args: Namespace) -> Iterator[zoom_data.Photo]:
    """The photos of the experiment: without those that our networks were trained on."""
    own = zoom.labelled_photos
    photos = zoom.read_labels(args.labels, args.photos) if args.photos else own()
    used = [photo for photo in photos if not photo.in_train]
    if not used:
        raise ValueError(f"{args.labels} marks all its photos as in_train; there is none to use.")
    if len(used) < len(photos):
        count = len(photos) - len(used)
        print(f"left out, since our networks were trained on them: {count} photos", file=sys.stderr)
    return (zoom_data.Photo(photo.name, photo.labels, photo.load) for photo in used)


if __name__ == "__main__":
    sys.exit(main())
