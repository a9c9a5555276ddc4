"""What a learner chose and solved, kept in one file beside the notebooks: progress.json.

It is written only from a notebook, stays on this computer, and may be deleted at any time.
"""

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from types import EllipsisType
from typing import Any

from mssnet_edu import files

__all__ = ["FILE", "keep", "kept", "note_solved", "solved"]

FILE = "progress.json"


def keep(name: str, choice: str | EllipsisType, choices: Collection[str] = ()) -> None:
    """Keep a choice for a later notebook, and print what was kept.

    choice: `...` keeps nothing. choices: those there are; none given allows any.
    Raises ValueError for another choice, OSError where nothing can be written.

    >>> keep("00-face", ...)
    Nothing chosen yet: write your choice in place of the dots, and run the cell again.
    """
    if choice is ...:
        print("Nothing chosen yet: write your choice in place of the dots, and run the cell again.")
        return
    if choices and choice not in choices:
        known = ", ".join(f'"{known}"' for known in choices)
        raise ValueError(f"{choice!r} is none of the choices. They are {known}.")
    _change("choices", name, choice)
    print(f"Kept for later: {choice}.")


def kept(name: str) -> str | None:
    """What was kept under this name; None where nothing was.

    >>> kept("a choice that nobody made") is None
    True
    """
    return _read().get("choices", {}).get(name)


def note_solved(id: str) -> None:
    """Note that an exercise is solved, in a notebook, and where a file can be written."""
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        return
    try:
        if id not in solved():
            _change("solved", id, True)
    except OSError:
        pass  # a check must not fail for this


def solved() -> list[str]:
    """The ids of the exercises that are noted as solved, in the order in which they were.

    >>> "an exercise that nobody has" in solved()
    False
    """
    return [id for id, done in _read().get("solved", {}).items() if done]


def _read() -> dict[str, dict[str, Any]]:
    """The file's content; nothing where there is no file, or it is not ours to understand."""
    try:
        found = json.loads(Path(FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(found, dict) and all(isinstance(part, dict) for part in found.values())
    return found if ours else {}


def _change(part: str, name: str, value: Any) -> None:
    found = _read()
    if not found and Path(FILE).exists():  # damaged: set aside, never overwritten
        os.replace(FILE, f"{FILE}.damaged")
    found.setdefault(part, {})[name] = value
    files.write_text(FILE, json.dumps(found, indent=1) + "\n")
