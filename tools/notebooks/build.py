"""Keep the notebooks in the house anatomy, from single sources.

    python -m tools.notebooks.build build SOURCE.py notebooks/02_name.ipynb   a draft, from text
    python -m tools.notebooks.build sync [NOTEBOOK ...]     write the generated cells anew, in place
    python -m tools.notebooks.build check [NOTEBOOK ...]    fail where sync or index would change
                                                        something, or a rule of anatomy.py is broken
    python -m tools.notebooks.build index                   write the table in README.md

Generated are the header (from the notebook's own metadata "mssnet_edu" and pyproject's address),
the first code cell (for Google Colab), and each exercise's task, stub and solution (from
mssnet_edu/exercises). They carry the cell metadata {"mssnet_edu": {"generated": ...}}. All else is
written by hand, in JupyterLab; the committed notebook is the only source of record.

`sync` resets the stubs: an answer that you wrote into one is gone.
"""

import argparse
import copy
import difflib
import hashlib
import json
import re
import sys
import tomllib
from pathlib import Path

import nbformat

from mssnet_edu import exercises, files
from tools.notebooks import anatomy

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
README = ROOT / "README.md"
BEGIN, END = "<!-- notebooks:begin -->", "<!-- notebooks:end -->"

REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "urls"
]["Repository"]
SLUG = REPOSITORY.removeprefix("https://github.com/")
# Small packages in Python that Colab lacks, with what they need. Never torch or numpy: Colab has
# builds of its own, and replacing them breaks it.
COLAB_PACKAGES = ("anywidget", "psygnal", "pytorch-msssim")

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEYS = ("title", "question", "abilities", "needs", "minutes_read", "seconds_run")


class SourceError(Exception):
    """A source or a notebook that cannot be used; the text says where and why."""


# --- what is generated ---------------------------------------------------------------------------


def launch_links(name):
    """Return the addresses (Binder, Colab) that open notebooks/NAME.

    >>> launch_links("00_the_question.ipynb")[0].startswith("https://mybinder.org/v2/gh/")
    True
    """
    return (
        f"https://mybinder.org/v2/gh/{SLUG}/main?urlpath=lab/tree/notebooks/{name}",
        f"https://colab.research.google.com/github/{SLUG}/blob/main/notebooks/{name}",
    )


def header(about, name):
    """Return the markdown of a notebook's first cell."""
    binder, colab = launch_links(name)
    abilities = "\n".join(f"- {text}" for text in about["abilities"])
    # Links, not badges: a badge is a picture from the web, and the course works without a network.
    return f"""# {name[:2]} · {about["title"]}

**The question: {lower_first(about["question"])}**

After this notebook you can

{abilities}

**You need** {"; ".join(about["needs"])} · **To read** about {about["minutes_read"]} minutes, with
the exercises · **To run** about {about["seconds_run"]} seconds on two cores · **Open it in**
[Binder]({binder}) or [Google Colab]({colab})"""


def lower_first(text):
    """Lower the first letter, unless the first word is a name: "MSSNet", "I"."""
    first = text.split()[0]
    return text if first == "I" or first[1:] != first[1:].lower() else text[0].lower() + text[1:]


def setup():
    """Return the first code cell: nothing on one's own machine, an installation on Colab."""
    return f"""# Only on Google Colab does this cell do something: it installs the course.
import sys

if "google.colab" in sys.modules:
    from google.colab import output

    %pip install -q --no-deps git+{REPOSITORY}
    %pip install -q --no-deps {" ".join(COLAB_PACKAGES)}
    output.enable_custom_widget_manager()"""


def exercise_cells(id):
    """Return the three cells of an exercise: task, stub, folded solution."""
    exercise = exercises.get(id)
    task = f"""### Exercise {id}: {exercise.title}

{exercise.task.strip()}

*Stuck? `me.hint("{id}")` gives one hint at a time.*"""
    solution = f"""<details>
<summary><b>Solution of {id}</b> (try first)</summary>

```python
{exercise.solution_cell}
```

{upper_first(exercise.why)}

</details>"""
    mark = {"generated": "exercise", "exercise": id}
    return [
        cell("markdown", task, {**mark, "part": "task"}),
        cell("code", exercise.stub_cell, {**mark, "part": "stub"}),
        cell("markdown", solution, {**mark, "part": "solution"}),
    ]


def upper_first(text):
    return text[:1].upper() + text[1:]


def cell(kind, source, mark):
    """Return a generated cell; its id follows from what it is, so that it never changes."""
    made = (nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell)(source)
    made.metadata["mssnet_edu"] = mark
    made["id"] = "-".join(
        [mark["generated"], *([mark["exercise"], mark["part"]] if "part" in mark else [])]
    )
    return made


def synced(notebook, name):
    """Return a copy of a notebook with its generated cells written anew; ids stay."""
    notebook = copy.deepcopy(notebook)
    about = notebook.metadata.get("mssnet_edu") or {}
    missing = [key for key in KEYS if key not in about]
    if missing:
        raise SourceError(f"{name}: the notebook's metadata lacks mssnet_edu.{', '.join(missing)}")
    fresh = {
        "header": cell("markdown", header(about, name), {"generated": "header"}),
        "setup": cell("code", setup(), {"generated": "setup"}),
    }
    cells = [fresh["header"], fresh["setup"]]
    done = set()
    for old in notebook.cells:
        mark = old.metadata.get("mssnet_edu") or {}
        what = mark.get("generated")
        if what == "exercise" and mark.get("exercise") not in done:
            done.add(mark["exercise"])
            try:
                cells += exercise_cells(mark["exercise"])
            except ValueError as error:
                raise SourceError(f"{name}: {error}") from None
        elif what is None:
            cells.append(old)
    old_ids = {json.dumps(c.metadata.get("mssnet_edu"), sort_keys=True): c for c in notebook.cells}
    for each in cells:
        mark = each.metadata.get("mssnet_edu")
        if mark:
            old = old_ids.get(json.dumps(mark, sort_keys=True), {})
            each["id"] = old.get("id", each["id"])
            if each.cell_type == "code" and old.get("source") == each.source:
                each.outputs, each.execution_count = old["outputs"], old["execution_count"]
    notebook.cells = cells
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    give_ids(notebook.cells)
    return notebook


def give_ids(cells):
    """Give an id to each cell that has none, or one that is taken; it follows from the text."""
    taken = set()
    for each in cells:
        id = each.get("id")
        if not id or id in taken:
            text, turn = each.cell_type + each.source, 0
            while not id or id in taken:
                id = hashlib.sha256(f"{text}{turn or ''}".encode()).hexdigest()[:8]
                turn += 1
            each["id"] = id
        taken.add(id)


# --- build: from a readable source to a notebook -------------------------------------------------

FRONT_MATTER = re.compile(r"\A# ---\n(.*?)\n# ---\n", re.DOTALL)
EXERCISE = re.compile(r"^# %% \[exercise (\S+)\][ \t]*$", re.MULTILINE)


def draft(source, name, old=None):
    """Return the notebook that a source in jupytext's percent format describes.

    old: the notebook that it replaces, if any; cells that stay, or only change, keep their ids.
    """
    import jupytext
    import yaml

    front = FRONT_MATTER.match(source)
    if not front:
        raise SourceError(f'{name}: the source must begin with front matter between "# ---" lines')
    about = yaml.safe_load(re.sub(r"^# ?", "", front.group(1), flags=re.MULTILINE))
    unknown = sorted(set(about) ^ set(KEYS))
    if unknown:
        raise SourceError(f"{name}: front matter has exactly {', '.join(KEYS)}; see {unknown[0]!r}")
    body = EXERCISE.sub(r"# %% [markdown]\n# [exercise \1]", source[front.end() :])
    body = body.lstrip("\n")  # or jupytext would see an empty cell
    notebook = jupytext.reads(body, fmt="py:percent")
    notebook.metadata.clear()
    notebook.metadata["mssnet_edu"] = about
    notebook.metadata["language_info"] = {"name": "python"}
    for each in notebook.cells:
        each.pop("id", None)
        each.metadata.pop("cell_marker", None)  # jupytext's note on how the text was quoted
        each.source = each.source.strip("\n")
        found = re.fullmatch(r"\[exercise (\S+)\]", each.source)
        if found:
            each.metadata["mssnet_edu"] = {"generated": "exercise", "exercise": found.group(1)}
    notebook = synced(notebook, name)
    if old is not None:
        keep_ids(notebook.cells, old.cells)
    return notebook


def keep_ids(cells, old_cells):
    """Take over the ids of the old cells that are most like the new ones."""
    new = [each for each in cells if not anatomy.mark(each)]
    old = [each for each in old_cells if not anatomy.mark(each) and each.get("id")]
    pairs = [
        (difflib.SequenceMatcher(None, a.source, b.source, autojunk=False).ratio(), i, j)
        for i, a in enumerate(new)
        for j, b in enumerate(old)
        if a.cell_type == b.cell_type
    ]
    kept, used = {}, set()
    for likeness, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if likeness > 0.5 and i not in kept and j not in used:
            kept[i] = new[i]
            new[i]["id"] = old[j]["id"]
            used.add(j)
    # an id that was kept may equal one made from another cell's text: the kept one wins
    rest = [each for i, each in enumerate(new) if i not in kept]
    give_ids([each for each in cells if anatomy.mark(each)] + list(kept.values()) + rest)


# --- the table in README.md ----------------------------------------------------------------------


def table(paths):
    """Return the table of the notebooks, as markdown."""
    rows = ["| | notebook | to read | to run | open in |", "|---|---|---|---|---|"]
    for path in paths:
        about = read(path).metadata["mssnet_edu"]
        binder, colab = launch_links(path.name)
        rows.append(
            f"| {path.name[:2]} | [{about['title']}](notebooks/{path.name}): "
            f"{lower_first(about['question'])} | {about['minutes_read']} min "
            f"| {about['seconds_run']} s | [Binder]({binder}) · [Colab]({colab}) |"
        )
    return "\n".join(rows)


def with_table(readme, text):
    """Return README's text with the table between its two marks."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


# --- files and the command line ------------------------------------------------------------------


def read(path):
    return nbformat.read(path, as_version=4)


def write_notebook(path, notebook):
    nbformat.validate(notebook)
    files.write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def all_notebooks():
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def faults(path):
    """Return all that is wrong with a notebook, one sentence each: stale cells, broken rules."""
    notebook = read(path)
    found = []
    try:
        fresh = synced(notebook, path.name)
    except SourceError as error:
        return [str(error)]
    if fresh != notebook:
        found.append(
            f"{path.name}: its generated cells are stale; "
            f"run `python -m tools.notebooks.build sync notebooks/{path.name}`"
        )
    return found + [f"{path.name}: {text}" for text in anatomy.problems(notebook, path.name)]


def index_fault():
    """Return what is wrong with README's table, or None."""
    paths = all_notebooks()
    text = README.read_text(encoding="utf-8")
    if with_table(text, table(paths)) == text:
        return None
    return "README.md: its table is stale; run `python -m tools.notebooks.build index`"


def main(arguments=None):
    """Obey the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make a notebook from a source in percent format")
    build.add_argument("source", type=Path)
    build.add_argument("notebook", type=Path)
    for name in ("sync", "check"):
        commands.add_parser(name).add_argument("notebooks", nargs="*", type=Path)
    commands.add_parser("index", help="write the table in README.md")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            path = options.notebook
            old = read(path) if path.exists() else None
            text = options.source.read_text(encoding="utf-8")
            write_notebook(path, draft(text, path.name, old))
            report([path])
        elif options.command == "sync":
            for path in options.notebooks or all_notebooks():
                write_notebook(path, synced(read(path), path.name))
        elif options.command == "index":
            text = README.read_text(encoding="utf-8")
            files.write_text(README, with_table(text, table(all_notebooks())))
        else:
            wrong = report(options.notebooks or all_notebooks())
            if not options.notebooks and index_fault():
                wrong += 1
                print(index_fault())
            sys.exit(1 if wrong else 0)
    except (SourceError, FileNotFoundError) as error:
        sys.exit(str(error))


def report(paths):
    """Print what is wrong with each notebook; return how much it is."""
    found = [text for path in paths for text in faults(path)]
    print("\n".join(found) if found else f"checked {len(paths)}: nothing wrong")
    return len(found)


if __name__ == "__main__":
    main()
