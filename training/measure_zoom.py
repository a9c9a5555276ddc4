"""A folder of thousands of pictures: how much memory, and does a killed run end the same?

    python -m training.measure_zoom                        2,000 pictures of 64 px; a few minutes
    python -m training.measure_zoom --pictures 400

Cuts small pictures from the labelled photographs into a folder like ImageNet-1k's validation set
and classifies them with `python -m training.evaluate_zoom`: the first tenth, all, and all once more
in a run that is killed half-way and resumed. Prints the peak memory of each run (Linux), and
whether the two tables are the same, byte for byte. The last is the exit code.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import torch

from mssnet_edu import cli, images, zoom
from mssnet_edu.degrade import arguments
from mssnet_edu.models.classifier import wordnet_ids

__all__ = ["killed_at", "main", "write_pictures"]

SIDE_PX = 64


def write_pictures(folder: Path, count: int, seed: int = 0) -> None:
    """Write pictures of 64 x 64 px, cut from the labelled photographs at random places.

    folder: becomes like ImageNet-1k's validation set, one folder a class. Each picture is in the
    folder of its photo's first right class.
    """
    ids, photos = wordnet_ids(), zoom.labelled_photos()
    generator = torch.Generator().manual_seed(seed)
    for number, source in enumerate(photos):
        photo = source.load()
        height, width = photo.shape[1:]
        into = folder / ids[source.labels[0]]
        into.mkdir(parents=True, exist_ok=True)
        for each in range(number, count, len(photos)):
            x, y = (
                int(torch.randint(side - SIDE_PX, (), generator=generator))
                for side in (width, height)
            )
            part = images.crop(photo, (x, y, SIDE_PX, SIDE_PX))
            images.save(part, into / f"{source.name}_{each:05}.jpg")


def killed_at(command: list[str], table: Path, lines: int) -> int:
    """Run a command, and kill it as soon as its table has so many lines; returns its exit code.

    Raises RuntimeError where the command ends before.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            if table.exists() and table.read_bytes().count(b"\n") >= lines:
                run.send_signal(signal.SIGKILL)
                return run.wait()
            time.sleep(0.02)
    raise RuntimeError(f"the run ended with code {run.returncode} before it could be killed.")


def _measured(command: list[str]) -> str:
    """Run a command in a process of its own; returns its peak memory and its time, as text."""
    start = time.perf_counter()
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with code {run.returncode}.")
    return f"{usage.ru_maxrss / 1000:6.0f} MB peak {time.perf_counter() - start:7.0f} s"


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.measure_zoom`; returns the exit code."""
    parser = cli.ArgumentParser(
        "python -m training.measure_zoom", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--pictures", type=int, default=2000, help="how many (%(default)s)")
    parser.add_argument("--views", default="centre", help="as for evaluate_zoom (%(default)s)")
    parser.set_defaults(run=_run)
    return cli.run(parser, argv)


def _run(args: Namespace) -> int:
    count = arguments.whole(args.pictures, "--pictures", low=20)
    views = args.views.count(",") + 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder / "pictures", count)
        module = [sys.executable, "-m", "training.evaluate_zoom", "--views", args.views]
        tables = {each: folder / f"{each}.csv" for each in ("first", "whole", "killed")}
        first, whole, killed = (
            [*module, "--imagenet", str(folder / "pictures"), "--csv", str(table)]
            for table in tables.values()
        )
        print(f"{count // 10:6} pictures {_measured([*first, '--limit', str(count // 10)])}")
        print(f"{count:6} pictures {_measured(whole)}")
        killed_at(killed, tables["killed"], count * views // 2)
        done = tables["killed"].read_bytes().count(b"\n") - 1
        print(f"killed after {done} answers, resumed {_measured([*killed, '--resume'])}")
        same = tables["killed"].read_bytes() == tables["whole"].read_bytes()
        lines = tables["whole"].read_bytes().count(b"\n") - 1
        print(f"tables of {lines} answers: {'the same' if same else 'NOT the same'}")
        return 0 if same and lines == count * views else 1


if __name__ == "__main__":
    sys.exit(main())
