"""Keep the notebooks in the house anatomy, from single sources.

    python -m tools.notebooks.build build SOURCE.py notebooks/02_name.ipynb   a draft, from text
    python -m tools.notebooks.build sync [NOTEBOOK ...]     write the generated cells anew, in place
    python -m tools.notebooks.build check [NOTEBOOK ...]    fail where sync or index would change
                                                        something, or a rule of anatomy.py is broken
    python -m tools.notebooks.build index                   write table and badges in README.md
    python -m tools.notebooks.build address URL             write the public address into everything

Generated are the header (from the notebook's own metadata "mssnet_edu" and pyproject's address),
the first code cell (for Google Colab), the last two cells, and each exercise's task, stub and
solution (from mssnet_edu/exercises). They carry the cell metadata
{"mssnet_edu": {"generated": ...}}. All else is written by hand, in JupyterLab; the committed
notebook is the only source of record.

`sync` resets the stubs: an answer that you wrote into one is gone.
"""

import argparse
import copy
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mssnet_edu import exercises, files
from tools.notebooks import address, anatomy

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
README = ROOT / "README.md"
# Small packages in Python that Colab lacks, with what they need. Never torch or numpy: Colab has
# builds of its own, and replacing them breaks it.
COLAB_PACKAGES = ("anywidget", "psygnal", "pytorch-msssim", "pyvips", "pyvips-binary")

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
KEYS = ("title", "question", "abilities", "needs", "minutes_read", "seconds_run")


class SourceError(Exception):
    """A source or a notebook that cannot be used; the text says where and why."""


# --- what is generated ---------------------------------------------------------------------------


def header(about: dict, name: str) -> str:
    """Return the markdown of a notebook's first cell. about: the notebook's own metadata."""
    elsewhere, public = "Binder or Google Colab: see README", address.repository(ROOT)
    if public:
        binder, colab = address.launch_links(name, public)
        elsewhere = f"[Binder]({binder}) or [Google Colab]({colab})"
    abilities = "\n".join(f"- {text}" for text in about["abilities"])
    # Links, not badges: a badge is a picture from the web, and the course works without a network.
    return f"""# {name[:2]} · {about["title"]}

**The question: {lower_first(about["question"])}**

After this notebook you can

{abilities}

**You need** {"; ".join(about["needs"])} · **To read** about {about["minutes_read"]} minutes, with
the exercises · **To run** about {about["seconds_run"]} seconds on two cores · **Open it in**
{elsewhere}"""


def lower_first(text: str) -> str:
    """Lower the first letter, unless the first word is a name: "MSSNet", "I"."""
    first = text.split()[0]
    return text if first == "I" or first[1:] != first[1:].lower() else text[0].lower() + text[1:]


def setup(public: str | None = None) -> str:
    """Return the first code cell: nothing on one's own machine, an installation on Colab, Kaggle.

    public: the course's address. The wheels made from it are kept, in the learner's Google Drive
    where that is mounted. Without it, the learner must have put the wheels there.
    """
    fetch = (
        """
    if not glob(f"{place}/mssnet_edu*.whl"):
        %pip wheel -q --no-deps -w {place} git+PUBLIC"""
        if public
        else ""
    )
    cell = SETUP.replace("FETCH", fetch).replace("PUBLIC", str(public))
    return cell.replace("PACKAGES", " ".join(COLAB_PACKAGES))


SETUP = """
# On Google Colab and Kaggle this cell installs the course, once. Elsewhere it only looks for it.
import os
from glob import glob
from importlib.util import find_spec

if {"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"} & {*os.environ} and not find_spec("mssnet_edu"):
    drive = "/content/drive/MyDrive"
    place = drive if os.path.isdir(drive) and not glob("mssnet_edu*.whl") else "."FETCH
    %pip install -q --no-deps {place}/mssnet_edu*.whl PACKAGES
if not find_spec("mssnet_edu"):
    raise RuntimeError("The course is not installed in this kernel. README says how to install it.")
""".strip()

PROGRESS = "me.progress()"

FOOTER = """
*Done? Then give this lesson's memory back before you open the next one: in JupyterLab, menu
**Kernel**, **Shut Down Kernel**; elsewhere, stop its kernel or session.*
""".strip()


def exercise_cells(id: str) -> list[NotebookNode]:
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

{exercise.why[:1].upper()}{exercise.why[1:]}

</details>"""
    mark = {"generated": "exercise", "exercise": id}
    return [
        generated_cell("markdown", task, {**mark, "part": "task"}),
        generated_cell("code", exercise.stub_cell, {**mark, "part": "stub"}),
        generated_cell("markdown", solution, {**mark, "part": "solution"}),
    ]


def generated_cell(cell_type: str, source: str, mark: dict[str, str]) -> NotebookNode:
    """Return a generated cell; its id follows from its mark, so that it never changes."""
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[cell_type]
    id = "-".join(mark[key] for key in ("generated", "exercise", "part") if key in mark)
    return new(source, id=id, metadata={"mssnet_edu": mark})


def synced(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return a copy of a notebook with its generated cells written anew; ids stay.

    Raises SourceError if the metadata that the header is made from is incomplete, or if there is
    no such exercise.
    """
    about = notebook.metadata.get("mssnet_edu") or {}
    missing = [key for key in KEYS if key not in about]
    if missing:
        raise SourceError(f"{name}: the notebook's metadata lacks mssnet_edu.{', '.join(missing)}")
    cells = [
        generated_cell("markdown", header(about, name), {"generated": "header"}),
        generated_cell("code", setup(address.repository(ROOT)), {"generated": "setup"}),
    ]
    previous = {}  # the generated cells as they were, by their marks
    written = set()
    for cell in notebook.cells:
        mark = cell.metadata.get("mssnet_edu") or {}
        if "generated" not in mark:
            cells.append(copy.deepcopy(cell))
            continue
        previous[tuple(sorted(mark.items()))] = cell
        if mark["generated"] == "exercise" and mark["exercise"] not in written:
            written.add(mark["exercise"])
            try:
                cells += exercise_cells(mark["exercise"])
            except ValueError as error:
                raise SourceError(f"{name}: {error}") from None
    cells.append(generated_cell("code", PROGRESS, {"generated": "progress"}))
    cells.append(generated_cell("markdown", FOOTER, {"generated": "footer"}))
    for cell in cells:
        old = previous.get(tuple(sorted(cell.metadata.get("mssnet_edu", {}).items())))
        if old is not None:
            cell["id"] = old.get("id", cell["id"])
            if cell.cell_type == "code" and old.source == cell.source:
                cell.outputs, cell.execution_count = old.outputs, old.execution_count
    metadata = {**copy.deepcopy(notebook.metadata), "kernelspec": dict(KERNELSPEC)}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


# --- build: from a readable source to a notebook -------------------------------------------------

FRONT_MATTER = re.compile(r"\A# ---\n(.*?)\n# ---\n", re.DOTALL)
EXERCISE = re.compile(r"^# %% \[exercise (\S+)\][ \t]*$", re.MULTILINE)


def draft(source: str, name: str, old: NotebookNode | None = None) -> NotebookNode:
    """Return the notebook that a source in jupytext's percent format describes.

    old: the notebook that it replaces, if any; cells that stay, or only change, keep their ids.
    Raises SourceError if the front matter is missing or incomplete.
    """
    import jupytext
    import yaml
    from jupytext.combine import combine_inputs_with_outputs

    front = FRONT_MATTER.match(source)
    if not front:
        raise SourceError(f'{name}: the source must begin with front matter between "# ---" lines')
    about = yaml.safe_load(re.sub(r"^# ?", "", front.group(1), flags=re.MULTILINE))
    wrong = sorted(set(about) ^ set(KEYS))
    if wrong:
        raise SourceError(f"{name}: front matter has exactly {', '.join(KEYS)}; see {wrong[0]!r}")
    body = EXERCISE.sub(r"# %% [markdown]\n# [exercise \1]", source[front.end() :])
    body = body.lstrip("\n")  # or jupytext would see an empty cell
    notebook = jupytext.reads(body, fmt="py:percent")
    notebook.metadata = NotebookNode(mssnet_edu=about, language_info={"name": "python"})
    for cell in notebook.cells:
        cell.metadata.pop("cell_marker", None)  # jupytext's note on how the text was quoted
        cell.source = cell.source.strip("\n")
        exercise = re.fullmatch(r"\[exercise (\S+)\]", cell.source)
        if exercise:
            cell.metadata["mssnet_edu"] = {"generated": "exercise", "exercise": exercise[1]}
    notebook = synced(notebook, name)
    if old is not None:
        notebook.cells = combine_inputs_with_outputs(notebook, old, "py:percent").cells
    return notebook


# --- what stands in README.md --------------------------------------------------------------------


def table(paths: list[Path]) -> str:
    """Return the table of the notebooks, as markdown."""
    public = address.repository(ROOT)
    last = (" open in |", "---|") if public else ("", "")
    rows = [f"| | notebook | to read | to run |{last[0]}", f"|---|---|---|---|{last[1]}"]
    for path in paths:
        about = read(path).metadata["mssnet_edu"]
        row = (
            f"| {path.name[:2]} | [{about['title']}](notebooks/{path.name}): "
            f"{lower_first(about['question'])} | {about['minutes_read']} min "
            f"| {about['seconds_run']} s |"
        )
        if public:
            binder, colab = address.launch_links(path.name, public)
            row += f" [Binder]({binder}) · [Colab]({colab}) |"
        rows.append(row)
    return "\n".join(rows)


def with_generated(readme: str) -> str:
    """Return README's text with its generated parts written anew, each between its two marks."""
    parts = {
        "launch": address.badges(address.repository(ROOT)),
        "notebooks": table(all_notebooks()),
    }
    for name, text in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, after = readme.split(begin)[0], readme.split(end)[1]
        readme = f"{before}{begin}\n{text}\n{end}{after}"
    return readme


# --- files and the command line ------------------------------------------------------------------


def read(path: Path) -> NotebookNode:
    """Return a notebook from its file."""
    return nbformat.read(path, as_version=4)


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook that is valid, whole or not at all."""
    nbformat.validate(notebook)
    files.write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def write_readme() -> None:
    """Write the generated parts of README.md anew."""
    files.write_text(README, with_generated(README.read_text(encoding="utf-8")))


def sync(paths: list[Path]) -> None:
    """Write the generated cells of notebooks anew, in place."""
    for path in paths:
        write_notebook(path, synced(read(path), path.name))


def all_notebooks() -> list[Path]:
    """Return the notebooks of the course, in their order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def problems(path: Path) -> list[str]:
    """Return all that is wrong with a notebook, one sentence each: stale cells, broken rules."""
    notebook = read(path)
    sentences = anatomy.problems(notebook, path.name)
    try:
        if synced(notebook, path.name) != notebook:
            command = f"python -m tools.notebooks.build sync notebooks/{path.name}"
            sentences.insert(0, f"its generated cells are stale; run `{command}`")
    except SourceError as error:
        return [str(error)]
    return [f"{path.name}: {sentence}" for sentence in sentences]


def index_problem() -> str | None:
    """Return what is wrong with the generated parts of README, or None."""
    text = README.read_text(encoding="utf-8")
    if with_generated(text) == text:
        return None
    return "README.md: its table or badges are stale; run `python -m tools.notebooks.build index`"


def main(arguments: list[str] | None = None) -> None:
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
    commands.add_parser("index", help="write table and badges in README.md")
    public = commands.add_parser("address", help="write the public address into everything")
    public.add_argument("url", help=f"{address.GITHUB}OWNER/NAME, or none to take it out")
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            path = options.notebook
            old = read(path) if path.exists() else None
            text = options.source.read_text(encoding="utf-8")
            write_notebook(path, draft(text, path.name, old))
            report([path])
        elif options.command == "sync":
            sync(options.notebooks or all_notebooks())
        elif options.command == "index":
            write_readme()
        elif options.command == "address":
            address.write(None if options.url == "none" else options.url.rstrip("/"), ROOT)
            write_readme()
            sync(all_notebooks())
        else:
            wrong = report(options.notebooks or all_notebooks())
            if not options.notebooks and index_problem():
                wrong += 1
                print(index_problem())
            sys.exit(1 if wrong else 0)
    except (SourceError, FileNotFoundError, ValueError) as error:
        sys.exit(str(error))


def report(paths: list[Path]) -> int:
    """Print what is wrong with each notebook; return how many things are."""
    wrong = [sentence for path in paths for sentence in problems(path)]
    print("\n".join(wrong) or f"checked {len(paths)}: nothing wrong")
    return len(wrong)


if __name__ == "__main__":
    main()
