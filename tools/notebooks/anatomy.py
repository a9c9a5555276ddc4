"""The rules that every notebook of the course obeys, each as a function that finds what breaks it.

`problems(notebook, name)` runs them all. The rules come from the house style: one idea, one cell,
one picture; a question before each result and an explanation after it; a prediction; at least three
exercises; the same header and the same end. `python -m tools.notebooks.build check` prints what
they find.
"""

import ast
import importlib
import re
import sys
import types
from collections.abc import Iterator

from nbformat import NotebookNode

import mssnet_edu
from mssnet_edu import exercises

MAX_LINES = 12  # of a code cell; blank ones do not count
MIN_EXERCISES = 3
MAX_SECONDS = 60
PREDICT = "**Predict.**"
ENDING = ["What to remember", "Sources", "Next"]
# What a notebook may import besides the standard library. Photos are torch tensors all through.
IMPORTS = {"mssnet_edu", "torch", "matplotlib", "ipywidgets", "numpy", "IPython"}
AVOID = re.compile(r"\b(simply|obviously|trivially|of course)\b", re.IGNORECASE)
AMERICAN = re.compile(r"\b(colors?|grays?|grayscale|centers?|behaviors?)\b", re.IGNORECASE)


def problems(notebook: NotebookNode, name: str) -> list[str]:
    """Return what is wrong with a notebook, one sentence each; [] if nothing is."""
    rules = (about, opening, cells, rhythm, prediction, tasks, ending, words, pictures, code)
    return [sentence for rule in rules for sentence in rule(notebook, name)]


def mark(cell: NotebookNode) -> str | None:
    """Return the kind of a generated cell, header, setup, exercise, progress, footer; or None."""
    return (cell.metadata.get("mssnet_edu") or {}).get("generated")


def part(cell: NotebookNode) -> str | None:
    """Return which part of an exercise this cell is: "task", "stub", "solution" or None."""
    return (cell.metadata.get("mssnet_edu") or {}).get("part")


def _prose(text):
    """Markdown without code, formulas and addresses."""
    text = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|<[^>]*>", " ", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


def _words(text):
    return re.findall(r"[^\W\d_][\w'’-]*", _prose(text))


def _place(index, cell):
    first = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {index} ({first[:40]!r})"


# --- the rules -----------------------------------------------------------------------------------


def about(notebook: NotebookNode, name: str) -> Iterator[str]:
    """The metadata that header and index are made from."""
    data = notebook.metadata.get("mssnet_edu") or {}
    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name):
        yield "a notebook is named like 02_mssnet_stage_by_stage.ipynb"
    if not str(data.get("question", "")).endswith("?"):
        yield "its question must end with a question mark"
    if not 2 <= len(data.get("abilities", [])) <= 5:
        yield "name two to five abilities: what will the reader be able to do?"
    if not data.get("needs"):
        yield 'name what it needs, such as "notebook 00"'
    seconds, minutes = data.get("seconds_run", 0), data.get("minutes_read", 0)
    if not (isinstance(seconds, int) and 0 < seconds <= MAX_SECONDS):
        yield f"seconds_run is {seconds}; expected a whole number from 1 to {MAX_SECONDS}"
    estimate = reading_minutes(notebook)
    if not (isinstance(minutes, int) and 0.5 * estimate <= minutes <= 2 * estimate):
        yield f"minutes_read is {minutes}; from its length, about {estimate:.0f} are expected"


def reading_minutes(notebook: NotebookNode) -> float:
    """Estimate: 180 words a minute, half a minute for a result, two minutes for an exercise."""
    prose = [c for c in notebook.cells if c.cell_type == "markdown" and part(c) != "solution"]
    words = sum(len(_words(c.source)) for c in prose)
    results = sum(c.cell_type == "code" and mark(c) is None for c in notebook.cells)
    stubs = sum(part(c) == "stub" for c in notebook.cells)
    return words / 180 + results / 2 + 2 * stubs


def opening(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Header, then the cell for Colab; the only first-level heading is the header's."""
    if [mark(c) for c in notebook.cells[:2]] != ["header", "setup"]:
        yield "it must begin with the generated header and set-up cells: run sync"
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and mark(cell) is None:
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            if re.search(r"^# ", text, re.MULTILINE):
                yield f"{_place(index, cell)} has a heading of the first level; use ## or ###"


def cells(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Short code, no outputs, an id each, the one kernel."""
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "its kernel must be python3"
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) < len(ids):
        yield "each cell needs an id of its own: run sync"
    for index, cell in enumerate(notebook.cells):
        if not cell.source.strip():
            yield f"cell {index} is empty"
        if cell.cell_type == "raw":
            yield f"{_place(index, cell)} is a raw cell; use markdown or code"
        if cell.cell_type != "code":
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > MAX_LINES:
            yield (
                f"{_place(index, cell)} has {len(lines)} lines; {MAX_LINES} are allowed. Plumbing "
                "belongs in the package"
            )
        if cell.outputs or cell.execution_count is not None:
            yield f"{_place(index, cell)} holds outputs: make format"


def rhythm(notebook: NotebookNode, name: str) -> Iterator[str]:
    """A question before each result, an explanation after it."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or mark(cell) in ("setup", "exercise", "progress"):
            continue
        before = notebook.cells[index - 1] if index else None
        after = notebook.cells[index + 1] if index + 1 < len(notebook.cells) else None
        if before is None or before.cell_type != "markdown":
            yield f"{_place(index, cell)} has no text before it that asks something"
        elif "?" not in _prose(before.source):
            yield f"the text before {_place(index, cell)} asks nothing: no question mark in it"
        if after is None or after.cell_type != "markdown" or len(_words(after.source)) < 8:
            yield f"{_place(index, cell)} has no text after it that explains the result"
        elif mark(after) == "exercise":
            yield f"{_place(index, cell)} is followed by an exercise; explain its result first"


def prediction(notebook: NotebookNode, name: str) -> Iterator[str]:
    """At least one result is guessed before it is seen."""
    pairs = zip(notebook.cells, notebook.cells[1:], strict=False)
    asked = [a for a, b in pairs if a.cell_type == "markdown" and b.cell_type == "code"]
    if not any(PREDICT in cell.source for cell in asked):
        yield f'no text right before a code cell asks for a guess; begin one with "{PREDICT}"'


def tasks(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Three exercises or more, whole, of this lesson, and all that the lesson has."""
    marks = [c.metadata["mssnet_edu"] for c in notebook.cells if mark(c) == "exercise"]
    ids = list(dict.fromkeys(m.get("exercise") for m in marks))
    if len(ids) < MIN_EXERCISES:
        yield f"it has {len(ids)} exercises; at least {MIN_EXERCISES} are expected"
    wanted = [(id, piece) for id in ids for piece in ("task", "stub", "solution")]
    if [(m.get("exercise"), m.get("part")) for m in marks] != wanted:
        yield "the cells of its exercises are incomplete or mixed up: run sync"
    for id in ids:
        if not str(id).startswith(name[:2] + "-"):
            yield f"exercise {id} belongs to another notebook"
    unused = [id for id in exercises.names(name[:2]) if id not in ids]
    if unused:
        yield f"exercise {', '.join(unused)} is in mssnet_edu/exercises but not in the notebook"
    imported = False
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and mark(cell) is None:
            imported |= bool(re.search(r"^import torch$", cell.source, re.MULTILINE))
        if part(cell) in ("stub", "solution") and "torch." in cell.source and not imported:
            yield f"{_place(index, cell)} needs `import torch` in an earlier cell"


def ending(notebook: NotebookNode, name: str) -> Iterator[str]:
    """What to remember (three lines), Sources, Next; nothing after them but progress and footer."""
    own = [c for c in notebook.cells if mark(c) not in ("progress", "footer")]
    if mark(notebook.cells[-1]) != "footer":
        yield "it must end with the generated last cell: run sync"
    text = "\n\n".join(c.source for c in own if c.cell_type == "markdown")
    sections = re.split(r"^## +(.+?)[ \t]*$", text, flags=re.MULTILINE)
    titles, bodies = sections[1::2], sections[2::2]
    if titles[-3:] != ENDING or own[-1].cell_type != "markdown":
        yield f"it must end with the sections {', '.join(f'## {t}' for t in ENDING)}, in this order"
        return
    remember, sources, following = bodies[-3:]
    items = re.findall(r"^(?:[-*]|\d\.) +\S", remember, re.MULTILINE)
    if len(items) != 3:
        yield f"What to remember has {len(items)} list items; three are expected"
    if not re.search(r"^(?:[-*]|\d+\.) +\S", sources, re.MULTILINE):
        yield "Sources must be a list with at least one item"
    if not _words(following):
        yield "Next must say what comes next"


def words(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Plain words: nothing is simple or obvious to a learner."""
    for index, cell in enumerate(notebook.cells):
        text = _prose(cell.source) if cell.cell_type == "markdown" else _comments(cell.source)
        for pattern, advice in ((AVOID, "leave it out"), (AMERICAN, "the course writes British")):
            match = pattern.search(text)
            if match:
                yield f"{_place(index, cell)} says {match.group()!r}: {advice}"


def _comments(source):
    return "\n".join(re.findall(r"#.*", source))


def pictures(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Nothing is loaded from the web, and every picture says in words what it shows."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", cell.source):
            if "://" in target:
                yield f"{_place(index, cell)} loads a picture from the web: {target}"
            if not alt.strip():
                yield f"{_place(index, cell)} has a picture without alternative text"
        if re.search(r"<(img|script|iframe|video)\b", cell.source):
            yield f"{_place(index, cell)} holds HTML that loads something; use me.show"


def code(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Code that parses, and uses the public surface only."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        source = re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.MULTILINE)  # magics
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            yield f"{_place(index, cell)} does not parse: {error.msg}"
            continue
        for text in [*_foreign_imports(tree), *_private_attributes(tree)]:
            yield f"{_place(index, cell)} {text}"


def _foreign_imports(tree):
    """What is imported and is neither allowed nor public."""
    allowed = IMPORTS | set(sys.stdlib_module_names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or ".", alias.name) for alias in node.names]
        else:
            continue
        for module, name in names:
            top, *inner = module.split(".")
            if top not in allowed:
                yield f"imports {top}, which a notebook does not need"
            elif top == "mssnet_edu" and (len(inner) > 1 or not set(inner) <= _public(mssnet_edu)):
                yield f"imports {module}, which is private"
            elif (
                top == "mssnet_edu"
                and name
                and name not in _public(importlib.import_module(module))
            ):
                yield f"imports {name} from {module}, where it is not public"


def _public(module):
    return set(getattr(module, "__all__", ()))


def _private_attributes(tree):
    """What is not public among me.something and me.something.else."""
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if not re.fullmatch(r"me(\.\w+){1,2}", name):
            continue
        *modules, attribute = name.split(".")[1:]
        owner = getattr(mssnet_edu, modules[0], None) if modules else mssnet_edu
        if isinstance(owner, types.ModuleType) and attribute not in _public(owner):
            yield f"uses {name}, which is not public"
