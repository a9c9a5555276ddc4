"""The command `mssnet-edu`: open the course, restore a photo, check the installation.

A mistake of the user ends with one sentence on stderr, exit code 2 and no output file.
"""

import argparse
import io
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mssnet_edu import __version__

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ArgumentParser", "main", "run"]

SIZES = {"1": 1, "1/2": 1 / 2, "1/4": 1 / 4, "auto": "auto"}


def main(argv: list[str] | None = None) -> int:
    """Run a command line, without the program's name; return the exit code.

    argv: None takes it from the system. 0: done. 1: `doctor` found a fault. 2: refused, with one
    sentence on stderr. 130: stopped by Ctrl-C.

    >>> main(["models", "classify"])
    efficientnet-lite0 ...
    0
    """
    parser = ArgumentParser(
        prog="mssnet-edu",
        description="A course that shows how AI restores photographs, and which pixels are real.",
    )
    parser.add_argument("--version", action="version", version=f"mssnet-edu {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (
        _add_lab,
        _add_app,
        _add_deblur,
        _add_upscale,
        _add_provenance,
        _add_models,
        _add_doctor,
    ):
        add(commands)
    parser.set_defaults(run=lambda arguments: parser.print_help())
    return run(parser, argv)


def run(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> int:
    """Parse a command line and call `arguments.run(arguments)`; return the exit code as `main`.

    parser: with a default for `run`. argv: None takes it from the system.
    """
    parser.add_argument(
        "--traceback", action="store_true", help="on an error, show where in the code it arose"
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that this console has no letters for is no reason to fail, after the work least of
        # all. (stderr does so by itself.)
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser.parse_args(argv)
    program = parser.prog
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print(f"{program}: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        sentence = _sentence(error)
        if arguments.traceback or sentence is None:
            raise
        print(f"{program}: {sentence}", file=sys.stderr)
        return 2


def _sentence(error: Exception) -> str | None:
    """What went wrong, for a person; None for a mistake of ours, which deserves its traceback."""
    text = " ".join(str(error).split())
    memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in text and "memory" in text
    )
    if memory:
        return "The memory of this machine is used up. Try a smaller photo, or --max-memory-mb 500."
    if isinstance(error, ValueError | OSError):
        return text or type(error).__name__
    return None


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence that says where help is."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end with exit code 2."""
        self.exit(2, f"{self.prog}: {message}. See: {self.prog} --help\n")


# ------------------------------------------------------------------------- deblur, upscale


def _add_deblur(commands: Any) -> None:
    parser = commands.add_parser("deblur", help="remove the blur of a photo")
    _add_files(parser, max_memory_mb=1000)
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--model", default="mssnet-deblur", help="default: %(default)s")
    network.add_argument(
        "--weights", type=Path, help="a checkpoint file of the MSSNet authors: .pt, .safetensors"
    )
    parser.add_argument(
        "--size",
        choices=SIZES,
        help="work on a smaller photo, where a long smear is short; auto: the largest size that "
        "the network can mend; default: 1, and a hint where a smaller one would do better",
    )
    parser.set_defaults(run=_deblur)


def _add_upscale(commands: Any) -> None:
    parser = commands.add_parser("upscale", help="enlarge a photo")
    _add_files(parser, max_memory_mb=1300)
    parser.add_argument("--scale", type=int, default=8, help="2, 3, 4, 6, 8 or 16; default: 8")
    parser.add_argument("--model", help="a network, bicubic or nearest; default: the course's own")
    parser.add_argument("--seed", type=int, default=0, help="for networks that draw their answer")
    parser.add_argument(
        "--invented",
        type=float,
        metavar="SHARE",
        help="how much detail to invent, from 0 (a smooth picture) to 1 (a realistic one); each "
        "agrees with the photo",
    )
    parser.add_argument(
        "--report", type=Path, help="also write a page that says what was invented: report.html"
    )
    parser.add_argument(
        "--trust-map", type=Path, help="also write the picture with its doubtful parts hatched"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=6,
        help="how many answers the report and the trust map compare, 2 to 12; default: %(default)s",
    )
    parser.set_defaults(run=_upscale)


def _add_files(parser: argparse.ArgumentParser, max_memory_mb: float) -> None:
    parser.add_argument("photo", type=Path, help="the picture to read")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="the picture to write: .png or .webp, which keep transparency, or .jpg or .tif, where "
        "it is laid on white",
    )
    parser.add_argument("--force", action="store_true", help="overwrite the picture to write")
    parser.add_argument(
        "--keep-gps",
        action="store_true",
        help="also say where the photo was taken; date, camera, author and dpi go along anyway",
    )
    parser.add_argument(
        "--no-metadata",
        action="store_true",
        help="write pixels only: not what the photo carries, and not what was done to it",
    )
    parser.add_argument(
        "--max-memory-mb",
        type=float,
        default=max_memory_mb,
        help="memory to work in; default: %(default)s",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="of the network; default: bfloat16 where the processor multiplies it fast",
    )


def _deblur(arguments: argparse.Namespace) -> None:
    from mssnet_edu import restore
    from mssnet_edu.working_size import SizeHint

    def work(photo: "Tensor", **options: Any) -> "Tensor":
        options["size"] = SIZES.get(arguments.size)
        with warnings.catch_warnings(record=True) as caught:
            answer = restore.deblur(photo, arguments.weights or arguments.model, **options)
        for warning in caught:
            if issubclass(warning.category, SizeHint):
                print(f"hint: {warning.message}".replace("size=", "--size "), file=sys.stderr)
        return answer

    _restore(arguments, work)


def _upscale(arguments: argparse.Namespace) -> None:
    from mssnet_edu import restore

    def work(photo: "Tensor", **options: Any) -> "Tensor":
        options |= {"seed": arguments.seed, "invented": arguments.invented}
        return restore.upscale(photo, arguments.scale, arguments.model, **options)

    settings = {"factor": arguments.scale, "seed": arguments.seed, "invented": arguments.invented}
    if not (arguments.report or arguments.trust_map):
        _restore(arguments, work, **settings)
        return
    _check_report(arguments)
    photo, answer = _restore(arguments, work, **settings)
    _write_report(arguments, photo, answer)


def _check_report(arguments: argparse.Namespace) -> None:
    """Refuse what would fail after minutes of work."""
    from mssnet_edu import images
    from mssnet_edu.degrade.arguments import whole
    from mssnet_edu.hallucination.candidates import MAX_PX, MIN_PX
    from mssnet_edu.images.writing import check_target
    from mssnet_edu.show.report_page import check_path

    if arguments.scale != 8:
        raise ValueError(f"--report and --trust-map need --scale 8; it is {arguments.scale}.")
    whole(arguments.seeds, "--seeds", low=2, high=12)
    for path in (arguments.report, arguments.trust_map):
        if path and path.exists() and not arguments.force:
            raise FileExistsError(f"{path} exists. Choose another name, or add --force.")
    if arguments.report:
        check_path(arguments.report)
    if arguments.trust_map:
        check_target(arguments.trust_map, overwrite=arguments.force)
    height, width = images.load(arguments.photo).shape[-2:]
    if min(height, width) < MIN_PX or max(height, width) > MAX_PX:
        raise images.PhotoError(
            f"{arguments.photo} has {width} x {height} px; a report takes photos with sides from "
            f"{MIN_PX} to {MAX_PX} px. Cut a part out of it, or make it smaller."
        )


def _write_report(arguments: argparse.Namespace, photo: "Tensor", answer: "Tensor") -> None:
    from mssnet_edu import diagnosis, images, restore
    from mssnet_edu.show.report_page import THRESHOLD, report
    from mssnet_edu.show.widgets.trust import mask_doubtful

    model = arguments.model
    if arguments.invented is not None:
        model = model or restore.realistic(arguments.scale)
        model = f"{model}, invented {arguments.invented:g}"
    page = report(
        photo,
        arguments.report,
        model=model or restore.RECOMMENDED_UPSCALER,
        n=arguments.seeds,
        answer=answer,
        diagnosis=diagnosis.diagnose(photo, arguments.photo),
        title=f"{arguments.photo.name}, 8 times larger: what was recorded, what was invented",
        progress=sys.stderr.isatty(),
    )
    if arguments.report:
        print(f"{arguments.report}: the report")
    if arguments.trust_map:
        hatched = mask_doubtful(page.trust_map, THRESHOLD)
        images.save(hatched, arguments.trust_map, overwrite=arguments.force)
        print(f"{arguments.trust_map}: hatched where an error over {THRESHOLD} levels is expected")


def _restore(
    arguments: argparse.Namespace,
    work: Callable[..., "Tensor"],
    factor: int = 1,
    **settings: Any,
) -> "tuple[Tensor, Tensor]":
    """Read, work, write, and say so. Returns the photo and the answer."""
    from mssnet_edu import images, marking, restore
    from mssnet_edu.images.writing import check_target

    target = check_target(arguments.out, overwrite=arguments.force)
    if target.exists() and arguments.photo.exists() and target.samefile(arguments.photo):
        raise ValueError(f"{target} is the photo itself, which is never overwritten.")
    photo, alpha = images.load(arguments.photo), images.load_alpha(arguments.photo)
    if alpha is not None and alpha.shape[-2:] != photo.shape[-2:]:
        alpha = None  # of another page of the file
    size = [factor * side for side in photo.shape[-2:]]
    check_target(target, arguments.force, size)  # before minutes are spent on it
    metadata = None
    if not arguments.no_metadata:
        metadata = images.read_metadata(arguments.photo, arguments.keep_gps)
        settings |= {"factor": factor, "precision": arguments.precision}
        metadata = marking.mark(metadata, arguments.command, arguments.model, **settings)
    start = time.perf_counter()
    answer = work(
        photo,
        progress=sys.stderr.isatty(),
        max_memory_mb=arguments.max_memory_mb,
        precision=arguments.precision,
    )
    if alpha is not None and factor > 1:
        memory_mb = arguments.max_memory_mb
        alpha = restore.upscale(alpha, factor, "bicubic", max_memory_mb=memory_mb)[:1]
    seconds = time.perf_counter() - start
    images.save(answer, target, overwrite=arguments.force, alpha=alpha, metadata=metadata)
    height, width = answer.shape[-2:]
    print(f"{target}: {width} x {height} px, {seconds:.1f} s")
    return photo, answer


# --------------------------------------------------------------------------- provenance


def _add_provenance(commands: Any) -> None:
    parser = commands.add_parser("provenance", help="say what a picture's file tells of its making")
    parser.add_argument("photo", type=Path, help="the picture to read")
    parser.set_defaults(run=_provenance)


def _provenance(arguments: argparse.Namespace) -> None:
    from mssnet_edu import images
    from mssnet_edu.images.provenance import SOURCE_TYPES

    found = images.read_metadata(arguments.photo).provenance
    if not found.source_type and not found.steps:
        print(f"{arguments.photo}: nothing is said about its making.")
        return
    meaning = SOURCE_TYPES.get(found.source_type, "see IPTC's list of digital source types")
    print(f"{arguments.photo}: {found.source_type or 'no source type'}: {meaning}")
    for number, step in enumerate(found.steps, start=1):
        print(f"  {number}. {step} ({step.software})")


# -------------------------------------------------------------------- models, lab, doctor


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the networks of the course")
    parser.add_argument("task", nargs="?", help="only those for: deblur, upscale, ...")
    parser.set_defaults(run=_models)


def _models(arguments: argparse.Namespace) -> None:
    from mssnet_edu import models

    for name in models.names(arguments.task):
        info = models.info(name)
        task = info.task if info.factor == 1 else f"{info.task} {info.factor}x"
        size_mb = sum(file.bytes for file in info.files) / 1e6
        print(f"{name:<22} {task:<11} {size_mb:5.1f} MB  {info.summary}")


def _add_lab(commands: Any) -> None:
    parser = commands.add_parser("lab", help="open the course in JupyterLab")
    parser.add_argument("--port", type=int, default=8888, help="the first port to try")
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on (for containers)")
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no window"
    )
    parser.add_argument(
        "--folder", type=Path, help="of your copy of the notebooks; default: ~/mssnet-course"
    )
    parser.add_argument(
        "--reset",
        metavar="LESSON",
        help="give one lesson back as it came, 03 say, and open nothing; yours is kept beside it",
    )
    parser.set_defaults(run=_lab)


def _lab(arguments: argparse.Namespace) -> None:
    from mssnet_edu import lab, working_copy

    if arguments.reset is None:
        lab.open_lab(arguments.port, arguments.ip, not arguments.no_browser, arguments.folder)
        return
    folder = (arguments.folder or working_copy.default_folder()).expanduser().absolute()
    lesson, mine = working_copy.reset(folder, arguments.reset)
    print(f"{lesson} is as it came." + (f" Yours is {mine.name}, beside it." if mine else ""))


def _add_app(commands: Any) -> None:
    parser = commands.add_parser("app", help="open a page for a photo of yours, without notebooks")
    parser.add_argument("--port", type=int, default=8866, help="the first port to try")
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no window"
    )
    parser.set_defaults(run=_app)


def _app(arguments: argparse.Namespace) -> None:
    from mssnet_edu import lab

    lab.open_app(arguments.port, not arguments.no_browser)


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser("doctor", help="say whether all that the course needs is in place")
    parser.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from mssnet_edu.doctor import findings

    faults = 0
    for finding in findings():
        faults += finding.verdict == "FAIL"
        print(f"{finding.verdict:<5} {' '.join(finding.what.split())}")
        if finding.advice:
            print(f"      -> {finding.advice}")
    print(f"{faults} fault(s)" if faults else "All that the course needs is in place.")
    return 1 if faults else 0
