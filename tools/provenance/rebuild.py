"""Rebuild the training photographs from the Debian packages that they came in.

    python -m tools.provenance.rebuild --out photos

dataset.tsv lists every photograph: its package, the file in it, the size it was reduced to, and the
SHA-256 of the result. Packages are fetched by the system's own `apt-get download`, unpacked, read
and forgotten; nothing is installed. Packages of another Debian release are usually not in the
system's sources: what could not be had is listed at the end, and training works without it, as it
does with any folder of photographs.
"""

import argparse
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from mssnet_edu import cli
from mssnet_edu.files import replacing
from tools.provenance.containers import read_edj, read_rcc
from training.dataset import CORPUS_LIST

__all__ = ["rebuild", "reduce_photo", "run_command"]

# How the listed files were written: with these settings their SHA-256 is met, where the JPEG
# library is libjpeg-turbo, as in Pillow's own wheels.
JPEG = {"quality": 89, "optimize": True}
JPEG_OF = {"gcompris-monuments": {"quality": 90}}


class MissingError(Exception):
    """A photograph or a package that cannot be had; the text says why."""


def main(argv: list[str] | None = None) -> int:
    """Run `python -m tools.provenance.rebuild`; returns the exit code."""
    parser = cli.ArgumentParser(
        "python -m tools.provenance.rebuild",
        description="Rebuild the training photographs from the Debian packages they came in, as "
        "far as the system's own package sources carry them.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the photographs")
    parser.add_argument("--debs", type=Path, help="folder of .deb files, used before apt is asked")
    parser.add_argument("packages", nargs="*", help="only these packages; default: all")
    parser.set_defaults(run=run_command)
    return cli.run(parser, argv)


def run_command(args: argparse.Namespace) -> int:
    """Rebuild what the arguments ask for; returns 0 if at least one photograph is there, else 1."""
    with CORPUS_LIST.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    if args.packages:
        known = {_package(row)[0] for row in rows}
        if unknown := sorted(set(args.packages) - known):
            names = ", ".join(sorted(known))
            raise ValueError(f"{', '.join(unknown)}: not in the list. It names {names}.")
        rows = [row for row in rows if _package(row)[0] in args.packages]
    failed = rebuild(args.out, rows, args.debs)
    print(f"\ngot {len(rows) - len(failed)} of {len(rows)} photographs, in {args.out}")
    for reason in dict.fromkeys(failed.values()):
        names = [name for name, why in failed.items() if why == reason]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        print(f"could not get {len(names)}: {reason}\n    {shown}")
    if failed:
        print("Training works with what is there, and with any other folder of photographs.")
    return 0 if len(failed) < len(rows) else 1


def rebuild(out: Path, rows: list[dict], debs: Path | None = None) -> dict[str, str]:
    """Write the listed photographs into a folder; returns {file: why not} of those it could not.

    rows: as in dataset.tsv. debs: a folder with .deb files that are used before apt is asked.
    Files that are there already, with the listed SHA-256 or with the listed size, are kept.
    Raises ValueError where there is neither apt nor a folder of packages.
    """
    failed, by_package = {}, {}
    for row in rows:
        if not _is_there(out / row["file"], row):
            by_package.setdefault(_package(row), []).append(row)
    if by_package:
        _require_tools(debs)
        out.mkdir(parents=True, exist_ok=True)
    for (name, version, release), its_rows in by_package.items():
        print(f"{name} {version}: ", end="", flush=True)
        with tempfile.TemporaryDirectory(prefix="mssnet-edu-") as scratch:
            try:
                root, real_version = _unpack(name, version, release, Path(scratch), debs)
            except MissingError as error:
                print(error)
                failed |= {row["file"]: str(error) for row in its_rows}
                continue
            package = _UnpackedPackage(root)
            written = exact = 0
            for row in its_rows:
                try:
                    blob = package.reduced(row)
                except MissingError as error:
                    failed[row["file"]] = f"{name} {real_version}: {error}"
                    continue
                with replacing(out / row["file"]) as part:
                    part.write_bytes(blob)
                written += 1
                exact += hashlib.sha256(blob).hexdigest() == row["sha256"]
            print(f"{written} of {len(its_rows)} photographs, {exact} of them to the last bit")
    return failed


def reduce_photo(picture: bytes, size: tuple[int, int], **jpeg: int) -> bytes:
    """Reduce an encoded picture to (width, height) as the listed photographs were; returns a JPEG.

    First by a whole factor, then, where the listed size asks for more, by the rest (Lanczos, both).
    jpeg: other settings of the JPEG file than the usual JPEG.
    Raises ValueError if the picture is smaller than that, or of another shape.
    """
    with Image.open(io.BytesIO(picture)) as image:
        photo = image.convert("RGB")
    ratios = photo.width / size[0], photo.height / size[1]
    if min(ratios) < 0.999 or abs(ratios[0] / ratios[1] - 1) > 0.01:
        raise ValueError(
            f"the packaged picture is {photo.width} x {photo.height} px; expected one that "
            f"reduces to {size[0]} x {size[1]} px"
        )
    factor = int(min(ratios) + 1e-3)
    for step in ((photo.width // factor, photo.height // factor), size):
        if photo.size != step:
            photo = photo.resize(step, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    photo.save(file, "JPEG", subsampling="4:4:4", **(jpeg or JPEG))
    return file.getvalue()


class _UnpackedPackage:
    """The pictures of one unpacked package, found by what dataset.tsv says of them."""

    def __init__(self, root: Path) -> None:
        self._files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
        self._read = {}  # contents of the containers read last, by file name

    def reduced(self, row: dict) -> bytes:
        """Return the photograph of one row, as a file. Raises MissingError."""
        reason = "it holds no such file"
        for picture in self._candidates(row):
            settings = JPEG_OF.get(row["file"].split("__")[0], {})
            try:
                return reduce_photo(picture, _size(row), **settings)
            except (OSError, ValueError) as error:  # the same name, but another picture
                reason = str(error)
        raise MissingError(reason)

    def _candidates(self, row: dict) -> Iterator[bytes]:
        """Yield all pictures that may be the one of this row, as packed, the likeliest first."""
        source, title = row["source_file"], row["file"].split("__", 1)[-1]
        same_name = [p for p in self._files if p.name == source]
        # many wallpapers are called 2560x1600.jpg; the folder then has the name that tells
        in_folder = [
            p for p in same_name if any(len(x) > 3 and title.startswith(x) for x in p.parts)
        ]
        for path in in_folder or same_name:
            yield path.read_bytes()
        if "__" in source:  # Bamboo__edje_images_0_3840x2160.jpg: archive, entry, size
            archive, entry = source.split("__", 1)
            for name, blob in self._contents(f"{archive}.edj", read_edj):
                if entry.startswith(name.replace("/", "_") + "_"):
                    yield blob
        listed = row["package"].split()[-1]
        archives = sorted(p.name for p in self._files if p.suffix == ".rcc")
        for archive in [listed] if listed.endswith(".rcc") else archives:
            for name, blob in self._contents(archive, read_rcc):
                if name.rsplit("/", 1)[-1] == source:
                    yield blob

    def _contents(self, archive: str, reader: Callable) -> list[tuple[str, bytes]]:
        if archive not in self._read:
            # .edj files are read once each, .rcc files by every row of their package
            self._read = {k: v for k, v in self._read.items() if k.endswith(".rcc")}
            blobs = [p.read_bytes() for p in self._files if p.name == archive]
            self._read[archive] = [item for blob in blobs for item in reader(blob)]
        return self._read[archive]


def _require_tools(debs: Path | None) -> None:
    tools = ["dpkg-deb"] if debs else ["apt-get", "dpkg-deb"]
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        raise ValueError(
            f"{' and '.join(absent)} not found: the training photographs come in packages of "
            "Debian and Ubuntu, and only such a system can fetch them. You can train with any "
            "folder of sharp photographs instead: python -m training.train deblur --photos FOLDER"
        )


def _unpack(
    name: str, version: str, release: str, scratch: Path, debs: Path | None
) -> tuple[Path, str]:
    """Fetch a package and unpack it below `scratch`; returns the folder, and the version it had.

    That may be another version than the listed one, with other pictures. Raises MissingError.
    """
    deb, why = None, ""
    if debs:
        deb = next(iter(sorted(debs.glob(f"{name}_*.deb"))), None)
    if deb is None and shutil.which("apt-get"):
        for wanted in (f"{name}={version}", name):
            command = ["apt-get", "download", "-q", wanted]
            done = _run(command, cwd=scratch, env={**os.environ, "LC_ALL": "C"})
            deb = next(iter(scratch.glob("*.deb")), None)
            if done.returncode == 0 and deb:
                break
            errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            why = f" (apt-get says: {errors[0][3:].strip() if errors else 'no answer'})"
    if deb is None:
        raise MissingError(f"{name} {version}, of {release}, is not in this system's sources{why}")
    root = scratch / "root"
    done = _run(["dpkg-deb", "-x", deb, root])
    if done.returncode:
        raise MissingError(f"{deb.name} cannot be unpacked: {done.stderr.strip()}")
    return root, _run(["dpkg-deb", "-f", deb, "Version"]).stdout.strip() or version


def _run(command: list, **options: Any) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def _package(row: dict) -> tuple[str, str, str]:
    """Return name, version and release from "lxqt-themes 1.2.0-1 (bookworm)"; more may follow."""
    name, version, release = row["package"].split()[:3]
    return name, version, release.strip("()")


def _size(row: dict) -> tuple[int, int]:
    return int(row["width"]), int(row["height"])


def _is_there(path: Path, row: dict) -> bool:
    if not path.is_file():
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]:
        return True
    try:  # another JPEG library writes other bytes
        with Image.open(path) as image:
            return image.size == _size(row)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
