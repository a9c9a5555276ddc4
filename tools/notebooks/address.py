"""The public address of the course: it stands in pyproject.toml, and all links are made from it.

While it is not known, no link is made. This writes it, or a new one, into everything:

    python -m tools.notebooks.build address https://github.com/OWNER/NAME
    python -m tools.notebooks.build address none
"""

import re
import tomllib
from pathlib import Path

from mssnet_edu import files

ROOT = Path(__file__).resolve().parents[2]
FIRST_LESSON = "00_the_question.ipynb"
GITHUB = "https://github.com/"
# In these files the address is a line of its own, after a line that stays.
LINES = {
    "pyproject.toml": (r"\[project\.urls\]\n(?:#.*\n)*", 'Repository = "{}"\n'),
    "CITATION.cff": (r"license: .*\n", "repository-code: {}\n"),
}


def repository(root: Path = ROOT) -> str | None:
    """Return the address that pyproject.toml in a folder names; None while it is not known."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def launch_links(name: str, address: str) -> tuple[str, str]:
    """Return the addresses (Binder, Colab) that open notebooks/NAME of a repository on GitHub.

    >>> launch_links("00_the_question.ipynb", "https://github.com/me/it")[0]
    'https://mybinder.org/v2/gh/me/it/main?urlpath=lab/tree/notebooks/00_the_question.ipynb'
    """
    slug = address.removeprefix(GITHUB)
    return (
        f"https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/notebooks/{name}",
        f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name}",
    )


def badges(address: str | None) -> str:
    """Return README's line that starts the course elsewhere, as markdown."""
    if address is None:
        return "Without installing anything: see [Binder, Colab, Kaggle](#binder-colab-kaggle)."
    binder, colab = launch_links(FIRST_LESSON, address)
    pictures = (
        "https://mybinder.org/badge_logo.svg",
        "https://colab.research.google.com/assets/colab-badge.svg",
    )
    return (
        f"[![Launch on Binder]({pictures[0]})]({binder})\n"
        f"[![Open in Colab]({pictures[1]})]({colab})"
    )


def write(address: str | None, root: Path = ROOT) -> None:
    """Write the address into pyproject.toml and CITATION.cff of a folder; None takes it out.

    Raises ValueError if it is no repository on GitHub, where Binder and Colab look.
    """
    if address is not None and not re.fullmatch(rf"{re.escape(GITHUB)}[\w.-]+/[\w.-]+", address):
        raise ValueError(f"{address!r} is not like {GITHUB}OWNER/NAME, which Binder and Colab need")
    for name, (before, line) in LINES.items():
        path = root / name
        old = re.escape(line).replace(r"\{\}", r"[^\s\"]+")
        text = re.sub(f"^{old}", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        new = line.format(address) if address else ""
        text = re.sub(before, lambda match, new=new: match.group() + new, text, count=1)
        files.write_text(path, text)
