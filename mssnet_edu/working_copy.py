"""A learner's own copy of the notebooks: new lessons come in, what the learner wrote stays.

The originals lie in the package (`mssnet_edu/_notebooks`) or in the clone (`notebooks`). The copy
remembers in the hidden file `RECORD` which version of each lesson it was given. A lesson counts as
changed when the text of a cell is: one that was only run is replaced by a newer version.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from mssnet_edu import __version__
from mssnet_edu.files import replacing, write_text

__all__ = [
    "FIRST_LESSON",
    "RECORD",
    "Update",
    "default_folder",
    "lessons",
    "originals",
    "reset",
    "update",
]

FIRST_LESSON = "00_the_question.ipynb"
RECORD = ".mssnet_edu.json"


class Update(NamedTuple):
    """Names of notebooks. brought: written now. kept: changed by the learner, and now outdated."""

    brought: list[str]
    kept: list[str]


def originals() -> Path:
    """The folder that the notebooks come from: in an installed wheel, else in the clone.

    Raises ValueError if neither has them.

    >>> (originals() / FIRST_LESSON).is_file()
    True
    """
    package = Path(__file__).resolve().parent
    folders = [package / "_notebooks", package.parent / "notebooks"]
    for folder in folders:
        if (folder / FIRST_LESSON).is_file():
            return folder
    raise ValueError(
        f"the notebooks were not found in {' or '.join(map(str, folders))}: this installation of "
        f"mssnet_edu {__version__} is incomplete. Install it again; README.md says how."
    )


def default_folder() -> Path:
    """Where the copy lies unless the learner says otherwise: mssnet-course in the home folder.

    Raises ValueError where the system knows no home folder.
    """
    try:
        return Path.home() / "mssnet-course"
    except RuntimeError as error:
        raise ValueError(
            "This system names no home folder. Say where your notebooks go: --folder"
        ) from error


def update(folder: Path) -> Update:
    """Bring missing and newer lessons into a copy, and make it if there is none.

    No lesson that the learner changed is touched. Raises ValueError if `folder` is a file, OSError
    if it cannot be written.
    """
    course = lessons()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Name a folder for your notebooks: --folder")
    folder.mkdir(parents=True, exist_ok=True)
    known, brought, kept = _read_record(folder), [], []
    for original in course:
        name, new = original.name, _digest(original) or ""
        mine = _digest(folder / name)
        exists = mine is not None or (folder / name).exists()
        if mine != new:
            if exists and (mine is None or mine != known.get(name)):
                if known.get(name) != new:
                    kept.append(name)
                continue
            _copy(original, folder)
            brought.append(name)
        known[name] = new
    _write_record(folder, known)
    return Update(brought, kept)


def reset(folder: Path, lesson: str) -> tuple[Path, Path | None]:
    """Give one lesson back as it came; return its path, and where the learner's own now lies.

    lesson: its number ("3", "03") or its file name. The second path is None where there was nothing
    of the learner's to keep. Raises ValueError for an unknown lesson.
    """
    course = lessons()
    wanted = lesson.zfill(2) + "_" if lesson.isdecimal() else lesson
    found = [one for one in course if one.name.startswith(wanted)] if lesson else []
    if len(found) != 1:
        numbers = ", ".join(one.name[:2] for one in course)
        raise ValueError(f"there is no lesson {lesson!r}. There are: {numbers}.")
    (original,) = found
    folder.mkdir(parents=True, exist_ok=True)
    target, aside, known = folder / original.name, None, _read_record(folder)
    new = _digest(original) or ""
    if target.exists() and _digest(target) not in (new, known.get(target.name)):
        aside = _free_name(target)
        target.rename(aside)
    _copy(original, folder)
    _write_record(folder, {**known, target.name: new})
    return target, aside


def lessons() -> list[Path]:
    """The original notebooks, in the order of the course."""
    return sorted(originals().glob("[0-9][0-9]_*.ipynb"))


def _copy(original: Path, folder: Path) -> None:
    with replacing(folder / original.name) as part:
        part.write_bytes(original.read_bytes())


def _digest(notebook: Path) -> str | None:
    """What the text of a notebook's cells comes to; None if there is no notebook to be read."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _free_name(target: Path) -> Path:
    number, free = 1, target.with_stem(f"{target.stem}_mine")
    while free.exists():
        number += 1
        free = target.with_stem(f"{target.stem}_mine_{number}")
    return free


def _read_record(folder: Path) -> dict[str, str]:
    """The version of each lesson that was brought; {} if that is not known."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in record.items()}
    except (OSError, ValueError, AttributeError):  # without it, every notebook is the learner's
        return {}


def _write_record(folder: Path, known: dict[str, str]) -> None:
    write_text(folder / RECORD, json.dumps(known, indent=1) + "\n")
