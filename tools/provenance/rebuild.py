"""Rebuild the training photographs from the Debian packages that they came in.

    python -m tools.provenance.rebuild --out photos

dataset.tsv lists every photograph: its package, the file in it, the size it was reduced to, and the
SHA-256 of the result. Packages are fetched by the system's own `apt-get download`, unpacked, read
and forgotten; nothing is installed. Packages of another Debian release are usually not in the
system's sources: what could not be had is listed at the end, and training works without it, as it
does with any folder of photographs.

Two kinds of container are opened: Enlightenment's .edj (an EET archive) and Qt's .rcc (a resource
file). Both begin with a magic number and hold a directory with offsets into the file.
"""

import csv
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from mssnet_edu import cli
from mssnet_edu.files import replacing
from training.dataset import CORPUS_LIST

__all__ = ["read_edj", "read_rcc", "rebuild", "reduce_photo", "run_command"]

# How the listed files were written: with these settings their SHA-256 is met, where the JPEG
# library is libjpeg-turbo, as in Pillow's own wheels.
JPEG = {"quality": 89, "optimize": True}
JPEG_OF = {"gcompris-monuments": {"quality": 90}}


class Missing(Exception):
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


def run_command(args) -> int:
    """Rebuild what the arguments ask for; returns 0 if at least one photograph is there, else 1."""
    rows = _listed()
    if args.packages:
        known = {_package(row)[0] for row in rows}
        if wrong := sorted(set(args.packages) - known):
            raise ValueError(f"{', '.join(wrong)}: not in the list. It names {_join(known)}.")
        rows = [row for row in rows if _package(row)[0] in args.packages]
    failed = rebuild(args.out, rows, args.debs)
    print(f"\ngot {len(rows) - len(failed)} of {len(rows)} photographs, in {args.out}")
    for reason in dict.fromkeys(failed.values()):
        files = [name for name, why in failed.items() if why == reason]
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        print(f"could not get {len(files)}: {reason}\n    {shown}")
    if failed:
        print("Training works with what is there, and with any other folder of photographs.")
    return 0 if len(failed) < len(rows) else 1


def rebuild(out: Path, rows: list[dict], debs: Path | None = None) -> dict[str, str]:
    """Write the listed photographs into a folder; returns {file: why not} of those it could not.

    rows: as in dataset.tsv. debs: a folder with .deb files that are used before apt is asked.
    Files that are there already, with the listed SHA-256 or with the listed size, are kept.
    Raises ValueError where there is neither apt nor a folder of packages.
    """
    out = Path(out)
    failed, wanted = {}, {}
    for row in rows:
        if not _is_there(out / row["file"], row):
            wanted.setdefault(_package(row), []).append(row)
    if wanted:
        _need_tools(debs)
        out.mkdir(parents=True, exist_ok=True)
    for package, its_rows in wanted.items():
        name, version, release = package
        print(f"{name} {version}: ", end="", flush=True)
        with tempfile.TemporaryDirectory(prefix="mssnet-edu-") as scratch:
            try:
                root = _unpacked(name, version, release, Path(scratch), debs)
            except Missing as error:
                print(error)
                failed |= {row["file"]: str(error) for row in its_rows}
                continue
            pictures = _Pictures(root)
            exact = 0
            for row in its_rows:
                try:
                    blob = pictures.reduced(row)
                except Missing as error:
                    failed[row["file"]] = f"{name} {pictures.version or version}: {error}"
                    continue
                _write(out / row["file"], blob)
                exact += hashlib.sha256(blob).hexdigest() == row["sha256"]
            had = sum(row["file"] not in failed for row in its_rows)
            print(f"{had} of {len(its_rows)} photographs, {exact} of them to the last bit")
    return failed


def reduce_photo(picture: bytes, size: tuple[int, int], **jpeg) -> bytes:
    """An encoded picture, reduced to (width, height) as the listed photographs were, as JPEG.

    First by a whole factor, then, where the listed size asks for more, by the rest (Lanczos, both).
    jpeg: other settings of the JPEG file than the usual JPEG.
    Raises ValueError if the picture is smaller than that, or of another shape.
    """
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        photo = image.convert("RGB")
    ratios = photo.width / size[0], photo.height / size[1]
    if min(ratios) < 0.999 or abs(ratios[0] / ratios[1] - 1) > 0.01:
        raise ValueError(
            f"the packaged picture is {photo.width} x {photo.height} px; expected one that "
            f"reduces to {size[0]} x {size[1]} px"
        )
    whole = int(min(ratios) + 1e-3)
    for step in ((photo.width // whole, photo.height // whole), size):
        if photo.size != step:
            photo = photo.resize(step, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    photo.save(file, "JPEG", subsampling="4:4:4", **(jpeg or JPEG))
    return file.getvalue()


# ------------------------------------------------------------------------------------ containers


def read_edj(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each JPEG in an Enlightenment .edj file, such as ("edje/images/0", ...).

    The EET format: big-endian magic, number of entries, number of strings; then per entry offset,
    size, unpacked size, offset and size of its name, flags. A picture stored as JPEG has a small
    header of its own in front.
    """
    if len(blob) < 12 or blob[:4] != bytes.fromhex("1ee70f42"):
        raise ValueError("not an EET file")
    [entries] = struct.unpack_from(">I", blob, 4)
    for i in range(entries):
        start, size, _, name_at, name_size, _ = struct.unpack_from(">6I", blob, 12 + 24 * i)
        name = blob[name_at : name_at + name_size].rstrip(b"\0").decode("utf-8", "replace")
        data = blob[start : start + size]
        jpeg = data.find(b"\xff\xd8\xff", 0, 64)
        if jpeg >= 0:
            yield name, data[jpeg:]


def read_rcc(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file in a Qt .rcc file, such as ("gcompris/src/…/bee.webp", ...).

    The format: "qres", version, then offsets of the tree, the data and the names, all big-endian.
    A node of the tree is a folder (count and index of its first child) or a file (offset of its
    data, which may be packed by zlib; files packed by zstd are left out: no picture we need is).
    """
    if len(blob) < 20 or blob[:4] != b"qres":
        raise ValueError("not a Qt resource file")
    version, tree, data, names = struct.unpack_from(">4I", blob, 4)
    node_size = 14 if version == 1 else 22  # later versions note when the file was changed
    todo = [(0, "")]
    while todo:
        number, parent = todo.pop()
        node = tree + number * node_size
        name_at, flags = struct.unpack_from(">IH", blob, node)
        path = parent
        if number:  # the root has no name
            [length] = struct.unpack_from(">H", blob, names + name_at)
            start = names + name_at + 6  # 2 bytes of length, 4 of a hash
            path = f"{parent}/{blob[start : start + 2 * length].decode('utf-16-be')}".lstrip("/")
        if flags & 2:
            count, first = struct.unpack_from(">2I", blob, node + 6)
            todo += [(child, path) for child in range(first, first + count)]
            continue
        [offset] = struct.unpack_from(">I", blob, node + 10)
        [size] = struct.unpack_from(">I", blob, data + offset)
        content = blob[data + offset + 4 : data + offset + 4 + size]
        if flags & 4:
            continue
        yield path, zlib.decompress(content[4:]) if flags & 1 else content


class _Pictures:
    """The pictures of one unpacked package, found by what dataset.tsv says of them."""

    def __init__(self, root: Path):
        self.root, self.version = root, None
        control = root / ".version"
        if control.is_file():
            self.version = control.read_text().strip()
        self._files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
        self._opened = {}

    def reduced(self, row: dict) -> bytes:
        """The photograph of one row, as a file. Raises Missing."""
        reason = "it holds no such file"
        for picture in self._found(row):
            settings = JPEG_OF.get(row["file"].split("__")[0], {})
            try:
                return reduce_photo(picture, _size(row), **settings)
            except (OSError, ValueError) as error:  # the same name, but another picture
                reason = str(error)
        raise Missing(reason)

    def _found(self, row: dict) -> Iterator[bytes]:
        """All pictures that may be the one of this row, as packed, the likeliest first."""
        wanted, title = row["source_file"], row["file"].split("__", 1)[-1]
        plain = [p for p in self._files if p.name == wanted]
        # many wallpapers are called 2560x1600.jpg; the folder then has the name that tells
        named = [p for p in plain if any(len(x) > 3 and title.startswith(x) for x in p.parts)]
        for path in named or plain:
            yield path.read_bytes()
        if "__" in wanted:  # Bamboo__edje_images_0_3840x2160.jpg: archive, entry, size
            archive, entry = wanted.split("__", 1)
            for name, blob in self._inside(f"{archive}.edj", read_edj):
                if entry.startswith(name.replace("/", "_") + "_"):
                    yield blob
        listed = row["package"].split()[-1]
        for archive in [listed] if listed.endswith(".rcc") else self._names(".rcc"):
            for name, blob in self._inside(archive, read_rcc):
                if name.rsplit("/", 1)[-1] == wanted:
                    yield blob

    def _names(self, suffix):
        return sorted(p.name for p in self._files if p.suffix == suffix)

    def _inside(self, archive, reader):
        if archive not in self._opened:
            self._opened = {k: v for k, v in self._opened.items() if k.endswith(".rcc")}
            blobs = [p.read_bytes() for p in self._files if p.name == archive]
            self._opened[archive] = [item for blob in blobs for item in reader(blob)]
        return self._opened[archive]


# ------------------------------------------------------------------------------------------- apt


def _need_tools(debs: Path | None) -> None:
    tools = ["dpkg-deb"] if debs else ["apt-get", "dpkg-deb"]
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        raise ValueError(
            f"{' and '.join(absent)} not found: the training photographs come in packages of "
            "Debian and Ubuntu, and only such a system can fetch them. You can train with any "
            "folder of sharp photographs instead: python -m training.train deblur --photos FOLDER"
        )


def _unpacked(name: str, version: str, release: str, scratch: Path, debs: Path | None) -> Path:
    """Fetch a package and unpack it below `scratch`. Raises Missing."""
    deb, note = None, None
    if debs:
        deb = next(iter(sorted(Path(debs).glob(f"{name}_*.deb"))), None)
    if deb is None and shutil.which("apt-get"):
        for wanted in (f"{name}={version}", name):
            done = subprocess.run(
                ["apt-get", "download", "-q", wanted],
                cwd=scratch,
                capture_output=True,
                text=True,
                env={**os.environ, "LC_ALL": "C"},
            )
            deb = next(iter(scratch.glob("*.deb")), None)
            if done.returncode == 0 and deb:
                break
        note = next((x for x in done.stderr.splitlines() if x.startswith("E:")), "E: no answer")
    if deb is None:
        why = f" (apt-get says: {note[3:].strip()})" if note else ""
        raise Missing(f"{name} {version}, of {release}, is not in this system's sources{why}")
    root = scratch / "root"
    done = subprocess.run(["dpkg-deb", "-x", deb, root], capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{deb.name} cannot be unpacked: {done.stderr.strip()}")
    field = subprocess.run(["dpkg-deb", "-f", deb, "Version"], capture_output=True, text=True)
    if (found := field.stdout.strip()) and found != version:
        (root / ".version").write_text(found)  # not the listed one: it may hold other pictures
    return root


# --------------------------------------------------------------------------------------- the list


def _listed() -> list[dict]:
    with CORPUS_LIST.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def _package(row: dict) -> tuple[str, str, str]:
    """Name, version and release out of "lxqt-themes 1.2.0-1 (bookworm)"; more may follow."""
    name, version, release = row["package"].split()[:3]
    return name, version, release.strip("()")


def _size(row: dict) -> tuple[int, int]:
    return int(row["width"]), int(row["height"])


def _is_there(path: Path, row: dict) -> bool:
    if not path.is_file():
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]:
        return True
    from PIL import Image

    try:  # another JPEG library writes other bytes
        with Image.open(path) as image:
            return image.size == _size(row)
    except OSError:
        return False


def _write(path: Path, blob: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(blob)


def _join(words) -> str:
    return ", ".join(sorted(words))


if __name__ == "__main__":
    sys.exit(main())
