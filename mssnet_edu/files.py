"""Files that appear whole or not at all, and files that are what they should be."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["check_writable", "read_verified", "replacing", "write_text"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[Path]:
    """Give a name beside `path` to write to; if that goes well, the new file takes its place.

    Whatever goes wrong, the old file stays as it was, and nothing half-written is left. Where
    `path` is a symbolic link, the file that it leads to is replaced, and the link stays.
    overwrite: False raises FileExistsError where the file exists, or appeared meanwhile.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "note.txt") as part:
    ...         _ = part.write_text("all of it")
    ...     (Path(folder) / "note.txt").read_text()
    'all of it'
    """
    path = _target(path)
    part = _create_beside(path)
    try:
        yield part
        os.chmod(part, 0o644)  # mkstemp makes it private
        _move(part, path, overwrite)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike) -> None:
    """Raise the OSError that `replacing` would raise: create its temporary file, and delete it.

    What a folder or a disk allows is known for certain only once a file is created there.
    """
    path = _target(path)
    with contextlib.suppress(FileNotFoundError):
        os.lstat(path)  # too long or not allowed here? The temporary file's name would not tell
    _create_beside(path).unlink()


def _target(path: str | os.PathLike) -> Path:
    # not for every path: on Windows, realpath turns mapped drives into addresses of servers
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def _create_beside(path: Path) -> Path:
    # a part of the name only: one that just fits would be too long with more before and after it
    handle, part = tempfile.mkstemp(path.suffix, f".{path.stem[:20]}.", path.parent)
    os.close(handle)
    return Path(part)


def _move(part: Path, path: Path, overwrite: bool) -> None:
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    if not overwrite:
        # A hard link fails when the name was taken meanwhile; os.replace would overwrite it.
        try:
            os.link(part, path)
            return
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links (FAT, some network shares)
            if path.exists():
                raise FileExistsError(f"{path} exists already") from None
    os.replace(part, path)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def read_verified(path: str | os.PathLike, sha256: str) -> bytes:
    """Return the bytes of a file whose SHA-256 (hexadecimal) is known.

    Raises FileNotFoundError if it is missing, ValueError if it is another file. Both name the file.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "empty").touch()
    ...     read_verified(Path(folder) / "empty", hashlib.sha256(b"").hexdigest())
    b''
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing.")
    blob = path.read_bytes()
    if hashlib.sha256(blob).hexdigest() != sha256:
        # the size names the culprit: Git LFS and broken downloads leave short files
        raise ValueError(f"{path} is not the file it should be ({len(blob):,} bytes).")
    return blob
