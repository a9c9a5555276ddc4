"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path):
    """Give a name beside `path` to write to; if that goes well, the new file takes its place.

    Whatever goes wrong, the old file stays as it was, and nothing half-written is left.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "note.txt") as part:
    ...         _ = part.write_text("all of it")
    ...     (Path(folder) / "note.txt").read_text()
    'all of it'
    """
    path = Path(path)
    handle, part = tempfile.mkstemp(path.suffix, f".{path.name}.", path.parent)
    os.close(handle)
    try:
        yield Path(part)
        os.chmod(part, 0o644)  # mkstemp makes it private
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
