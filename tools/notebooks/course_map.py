"""The course as a whole: what its lessons say of themselves, which of them needs which, the index.

The map is drawn from the notebooks' own metadata, so that no list of lessons can go out of date.
"""

import re
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import nbformat

HERE = Path(__file__).parent / "page"
ROW_PX, COLUMN_PX, BOX_PX = 92, 190, (170, 62)


class Lesson(NamedTuple):
    """What a notebook says of itself. needs: numbers of the lessons that come before it."""

    stem: str
    number: str
    title: str
    question: str
    abilities: list[str]
    minutes_read: int
    seconds_run: int
    needs: list[str]

    @property
    def name(self) -> str:
        """'03 Inside MSSNet'"""
        return f"{self.number} {self.title}"


def lessons(folder: Path) -> list[Lesson]:
    """Return the lessons of a folder in their order; notebooks without metadata are none."""
    found = []
    for path in sorted(folder.glob("*.ipynb")):
        about = nbformat.read(path, as_version=4).metadata.get("mssnet_edu")
        if about and "question" in about:
            needs = re.findall(r"\bnotebook (\d\d)\b", " ".join(about["needs"]))
            values = [about[key] for key in Lesson._fields if key in about and key != "needs"]
            found.append(Lesson(path.stem, path.stem[:2], *values, needs=needs))
    return found


def neighbours(path: Path) -> dict[str, Lesson | None]:
    """Return the lessons before and after a notebook: {"previous": …, "next": …}."""
    course = lessons(path.parent)
    at = next((i for i, lesson in enumerate(course) if lesson.stem == path.stem), None)
    if at is None:
        return {"previous": None, "next": None}
    padded = [None, *course, None]
    return {"previous": padded[at], "next": padded[at + 2]}


def nearest_needs(course: list[Lesson]) -> dict[str, list[str]]:
    """Return for each lesson the needs that no other of its needs has already: the map's arrows."""
    needs = {lesson.number: set(lesson.needs) for lesson in course}
    behind: dict[str, set[str]] = {}
    for number in sorted(needs):  # a lesson needs earlier ones only
        behind[number] = needs[number].union(*(behind.get(need, set()) for need in needs[number]))
    return {
        number: sorted(n for n in own if not any(n in behind.get(o, ()) for o in own))
        for number, own in needs.items()
    }


def drawing(course: list[Lesson], pages: Collection[str]) -> dict[str, Any]:
    """Lay the map out: a row further down for each lesson that has to come before. In pixels."""
    arrows = nearest_needs(course)
    rows: dict[str, int] = {}
    for lesson in course:
        rows[lesson.number] = 1 + max(
            (rows[n] for n in arrows[lesson.number] if n in rows), default=-1
        )
    width = max((list(rows.values()).count(row) for row in rows.values()), default=1) * COLUMN_PX
    boxes: dict[str, dict[str, Any]] = {}
    for row in sorted(set(rows.values())):
        # below what they need, so that few arrows cross
        mates = [lesson for lesson in course if rows[lesson.number] == row]
        mates.sort(key=lambda one: [boxes[n]["x"] for n in arrows[one.number]])
        left = (width - len(mates) * COLUMN_PX) / 2
        for i, lesson in enumerate(mates):
            boxes[lesson.number] = {
                "lesson": lesson,
                "x": left + (i + 0.5) * COLUMN_PX,
                "y": row * ROW_PX + BOX_PX[1] / 2 + 4,
                "lines": textwrap.wrap(lesson.title, 19),
                "page": lesson.stem in pages,
            }
    ends = [(boxes[n], boxes[number]) for number, own in arrows.items() for n in own if n in boxes]
    height = max(rows.values(), default=0) * ROW_PX + BOX_PX[1] + 8
    return {"boxes": list(boxes.values()), "arrows": ends, "size": (width, height), "box": BOX_PX}


def index_page(course: list[Lesson], pages: Collection[str], ran: Mapping[str, Any]) -> str:
    """Return the page that opens the course: its map, its lessons, and how they ran.

    pages: stems of the pages that lie beside it. ran: {stem: what came of the run}, with title,
    seconds, peak_mb and errors.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("index.html.j2").render(
        course=course,
        pages=pages,
        ran=ran,
        map=drawing(course, pages),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
    )
