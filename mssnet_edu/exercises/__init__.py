"""Exercises that check themselves: `me.check("00-a", answer)`, and `me.hint("00-a")` for one hint.

Each lesson has a module, lesson_00.py and so on, with a list EXERCISES. It is the one source of an
exercise's task, stub, hints, solution and check; tools/notebooks/build.py writes the notebooks'
cells from it. An id is the lesson's number and a letter: "02-b".

>>> import mssnet_edu as me
>>> me.check("00-a", None)
… 00-a: Not answered yet. Replace the `...` with your own code, then run the cell again.
"""

import functools
import importlib
import os
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mssnet_edu import files, learner
from mssnet_edu.exercises.check_helpers import Mistake, NotAnswered, describe

__all__ = ["Exercise", "Hints", "Result", "get", "names"]  # learners call me.check and me.hint

NOT_YET = "Not answered yet. Replace the `...` with your own code, then run the cell again."


@dataclass(frozen=True)
class Exercise:
    """One exercise. The first six fields are what a learner meets.

    id: "02-b". task: markdown; its last paragraph starts with "**Your turn.**" and says what to do.
    stub: source with `...` where the learner's code goes. hints: at least two, from a nudge to
    nearly the solution. solution: source that takes the stub's place. check: a function of the
    answer that returns None if it is right, or one sentence that names the likely mistake; it may
    raise Mistake instead (see check_helpers.py).

    title: of the heading. answer: the name that stub and solution bind, and that is checked.
    expects: what kind of thing the answer is, such as "a number from 0 to 1". why: one or two
    sentences on why the right answer is right. wrong: five or more likely wrong answers, as source
    of an expression, in which `solved` is the right one; each with some words of the hint that it
    must get. A test tries them all.
    """

    id: str
    task: str
    stub: str
    hints: tuple[str, ...]
    solution: str
    check: Callable[[object], str | None]
    title: str = ""
    answer: str = "answer"
    expects: str = "an answer"
    why: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def lesson(self) -> str:
        """The number of the notebook: "02"."""
        return self.id.split("-")[0]

    @property
    def stub_cell(self) -> str:
        """The code cell that the learner fills in; its last line checks the answer."""
        return self._checked(self.stub)

    @property
    def solution_cell(self) -> str:
        """The same cell, solved."""
        return self._checked(self.solution)

    def _checked(self, source):
        source = source.strip("\n")
        # two blank lines after a function, as the formatter would have it
        gap = "\n\n\n" if source.splitlines()[-1].startswith((" ", "\t")) else "\n"
        return f'{source}{gap}me.check("{self.id}", {self.answer})'


@dataclass(frozen=True)
class Result:
    """What came of a check. `passed`, `message`; it shows itself as a cell's last line.

    answered: False for an untouched stub.
    """

    id: str
    passed: bool
    message: str
    answered: bool = True

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        sign = "✓" if self.passed else "✗" if self.answered else "…"
        return f"{sign} {self.id}: {self.message}"

    def _repr_html_(self) -> str:
        from mssnet_edu.show import look  # here: `me.check` in a terminal needs no figures

        if self.passed:
            return _card(look.BRIGHTER, f"✓ {self.id}", [self.message])
        if not self.answered:
            return _card(look.MUTED, f"… {self.id}", [self.message])
        more = f'For one hint at a time: `me.hint("{self.id}")`'
        return _card(look.INK, f"Not quite: {self.id}", [self.message, more])


@dataclass(frozen=True)
class Hints:
    """The hints of an exercise that have been asked for so far; it shows itself."""

    id: str
    shown: tuple[str, ...]
    total: int

    @property
    def _next_step(self) -> str:
        left = self.total - len(self.shown)
        if left:
            return f"Run this again for the next hint ({left} more)."
        return "That was the last hint. The solution is folded away below the exercise."

    def __repr__(self) -> str:
        lines = [f"Hint {i} of {self.total}: {text}" for i, text in enumerate(self.shown, 1)]
        return "\n".join([*lines, self._next_step])

    def _repr_html_(self) -> str:
        from mssnet_edu.show import look

        shown = [f"{i}. {text}" for i, text in enumerate(self.shown, 1)]
        return _card(look.MUTED, f"Hints: {self.id}", [*shown, self._next_step])


def check(id: str, answer: object = None) -> Result:
    """Check an answer to an exercise.

    answer: whatever the exercise asks for: a number, a photo, or a function you wrote, which is
    then tried on small inputs. Returns a Result with `.passed` and `.message`. A wrong answer, of
    whatever type, gives a hint and never an error. Raises ValueError for an unknown id.

    >>> check("00-a", lambda factor: 1 - 1 / factor**2).passed
    True
    """
    exercise = get(id)
    if answer is None or answer is ...:
        return Result(id, False, NOT_YET, answered=False)
    try:
        mistake = exercise.check(answer)
    except NotAnswered:
        return Result(id, False, NOT_YET, answered=False)
    except Mistake as error:
        mistake = str(error)
    except Exception:  # an answer of a kind that nobody thought of
        mistake = f"The answer is {describe(answer)}; expected {exercise.expects}."
    if mistake is None:
        learner.note_solved(id)
    return Result(id, mistake is None, exercise.why if mistake is None else mistake)


def progress(path: str | os.PathLike | None = None) -> Any:
    """A table of the exercises: how many are solved of each lesson, and which are open.

    path: also write it there, as a page (.html) to keep or to hand in, or as text (.csv). Raises
    ValueError for another ending.

    >>> progress().alt.startswith("Exercises solved: ")
    True
    """
    from mssnet_edu.show import figures

    solved, rows = learner.solved(), []
    for lesson in dict.fromkeys(id.split("-")[0] for id in names()):
        left = [id for id in names(lesson) if id not in solved]
        count = len(names(lesson))
        rows.append([lesson, count - len(left), count, ", ".join(left) or "none"])
    done, total = (sum(row[i] for row in rows) for i in (1, 2))
    columns = ["lesson", "solved", "exercises", "still open"]
    alt = f"Exercises solved: {done} of {total}."
    table = figures.table(rows, columns, caption=alt, alt=alt)
    if path is not None:
        _write_progress(Path(path), table, [columns, *rows])
    return table


def _write_progress(path, table, lines):
    if path.suffix.lower() == ".csv":
        text = "".join(",".join(f'"{each}"' for each in line) + "\n" for line in lines)
    elif path.suffix.lower() in (".html", ".htm"):
        title = "<!doctype html><html lang=en><meta charset=utf-8><title>My progress</title>"
        text = title + table.html
    else:
        raise ValueError(f"path is {str(path)!r}; expected a name that ends in .html or .csv")
    files.write_text(path, text)


_hints_shown: dict[str, int] = {}


def hint(id: str) -> Hints:
    """Give the next hint of an exercise, with those before it. Raises ValueError for an unknown id.

    >>> hint("00-a").total >= 2
    True
    """
    hints = get(id).hints
    _hints_shown[id] = min(_hints_shown.get(id, 0) + 1, len(hints))
    return Hints(id, hints[: _hints_shown[id]], len(hints))


def get(id: str) -> Exercise:
    """The exercise with this id. Raises ValueError if there is none.

    >>> get("00-a").lesson
    '00'
    """
    lesson = id.split("-")[0] if isinstance(id, str) else ""
    exercises = _lesson(lesson) if lesson in _lessons() else {}
    if id not in exercises:
        known = ", ".join(exercises or names())
        raise ValueError(f"There is no exercise {id!r}; there are {known}.")
    return exercises[id]


def names(lesson: str | None = None) -> list[str]:
    """The ids of all exercises, or of one lesson, such as "02".

    >>> names("00")[0]
    '00-a'
    """
    return [id for number in _lessons() if lesson in (None, number) for id in _lesson(number)]


@functools.cache
def _lessons():
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name[-2:] for name in modules if re.fullmatch(r"lesson_\d\d", name))


@functools.cache
def _lesson(number):
    module = importlib.import_module(f"{__name__}.lesson_{number}")
    return {exercise.id: exercise for exercise in module.EXERCISES}


def _card(colour, heading, paragraphs):
    from mssnet_edu.show import look

    # alternately text and code
    split = [re.split("`([^`]+)`", paragraph) for paragraph in paragraphs]
    return str(look.html.message(colour, heading, split))
