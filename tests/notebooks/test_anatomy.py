"""Every notebook obeys the anatomy; each rule can fail; generated cells follow their source."""

import copy
import importlib
import json
import os
import subprocess
import sys
import tomllib
import types
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from mssnet_edu import exercises
from tools.notebooks import address, anatomy
from tools.notebooks import build as notebooks

ROOT = Path(__file__).resolve().parents[2]
PATHS = notebooks.all_notebooks()
NAME = "00_example.ipynb"

SOURCE = '''# ---
# title: An example
# question: What does a good notebook look like?
# abilities:
#   - tell a good notebook from a bad one
#   - write one
# needs:
#   - nothing
# minutes_read: 10
# seconds_run: 5
# ---

# %% [markdown]
# ## A small photo
#
# > **Predict.** How many numbers does it hold?

# %%
import mssnet_edu as me

small = me.degrade.downscale(me.samples.load("astronaut"), 8)
small.numel()

# %% [markdown]
"""
As many as it has pixels, times three colours: $3 \\times 64^2$. Does it look like a photo?
"""

# %%
me.images.luma(small).shape

# %% [markdown]
# One number for each pixel is left, because grey is one number and a colour is three.

# %% [exercise 00-a]
# %% [exercise 00-b]

# %% [exercise 00-c]

# %% [markdown]
# ## What to remember
#
# - one
# - two
# - three
#
# ## Sources
#
# - Somebody, *Something*, 2001.
#
# ## Next
#
# Notebook 01.
'''


@pytest.fixture(scope="module")
def unpublished(tmp_path_factory):
    """A folder whose pyproject.toml names no public address."""
    folder = tmp_path_factory.mktemp("unpublished")
    (folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(unpublished):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notebooks, "ROOT", unpublished)
        return notebooks.draft(SOURCE, NAME)


@pytest.fixture
def good(built, unpublished, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", unpublished)
    return copy.deepcopy(built)


def find(notebook, words):
    """Return the first cell whose source holds these words."""
    return next(cell for cell in notebook.cells if words in cell.source)


# --- the notebooks of the course -----------------------------------------------------------------


def test_there_are_notebooks():
    assert PATHS, "notebooks/ is empty"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_notebook_obeys_the_anatomy(path):
    assert notebooks.problems(path) == []


def test_the_index_in_the_readme_is_fresh():
    assert notebooks.index_problem() is None
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in PATHS:
        assert text.count(f"(notebooks/{path.name})") == 1


def test_every_lesson_with_exercises_has_its_notebook():
    lessons = {id.split("-")[0] for id in exercises.names()}
    assert lessons == {path.name[:2] for path in PATHS}


# --- each rule can fail --------------------------------------------------------------------------


def test_the_example_is_good(good):
    assert anatomy.problems(good, NAME) == []


def change(words, old, new):
    def apply(notebook):
        cell = find(notebook, words)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return apply


def drop(words):
    return lambda notebook: notebook.cells.remove(find(notebook, words))


def data(**values):
    return lambda notebook: notebook.metadata["mssnet_edu"].update(values)


def output(notebook):
    find(notebook, "numel").outputs = [nbformat.v4.new_output("stream", text="12288")]


def same_id(notebook):
    notebook.cells[3]["id"] = notebook.cells[4]["id"]


def other_kernel(notebook):
    notebook.metadata["kernelspec"]["name"] = "conda-env-py"


def long_cell(notebook):
    find(notebook, "luma").source = "\n\n".join(f"a{i} = {i}" for i in range(13))


def raw(notebook):
    notebook.cells.insert(3, nbformat.v4.new_raw_cell("raw"))


def swapped(notebook):
    i = next(i for i, c in enumerate(notebook.cells) if c["id"] == "exercise-00-a-stub")
    notebook.cells[i], notebook.cells[i + 1] = notebook.cells[i + 1], notebook.cells[i]


BREAKS = {
    "no question": (data(question="What"), "question mark"),
    "one ability": (data(abilities=["one"]), "two to five"),
    "no needs": (data(needs=[]), "needs"),
    "too slow": (data(seconds_run=61), "seconds_run is 61"),
    "no seconds": (data(seconds_run="some"), "seconds_run is some"),
    "too long to read": (data(minutes_read=60), "minutes_read is 60"),
    "no header": (lambda notebook: notebook.cells.pop(0), "must begin with"),
    "no set-up": (lambda notebook: notebook.cells.pop(1), "must begin with"),
    "second title": (change("## A small", "## A small", "# A small"), "first level"),
    "other kernel": (other_kernel, "kernel must be python3"),
    "same id twice": (same_id, "id of its own"),
    "empty cell": (change("luma", "me.images.luma(small).shape", ""), "is empty"),
    "raw cell": (raw, "raw cell"),
    "long cell": (long_cell, "13 lines"),
    "output": (output, "holds outputs"),
    "no text before": (drop("As many as it has pixels"), "no text before"),
    "no question before": (change("As many", "Does it look like a photo?", ""), "asks nothing"),
    "no text after": (
        change("One number for", "because grey is one number and a colour is three.", ""),
        "no text after it that explains",
    ),
    "straight to the exercise": (drop("One number for each pixel"), "explain its result first"),
    "no prediction": (change("Predict", "**Predict.**", "Well."), "asks for a guess"),
    "two exercises": (
        lambda notebook: [notebook.cells.remove(find(notebook, "00-c")) for _ in range(3)],
        "it has 2 exercises",
    ),
    "unused exercise": (
        lambda notebook: [notebook.cells.remove(find(notebook, "00-c")) for _ in range(3)],
        "00-c is in mssnet_edu/exercises but not",
    ),
    "exercise without solution": (drop("Solution of 00-b"), "incomplete or mixed up"),
    "exercise mixed up": (swapped, "incomplete or mixed up"),
    "four lines": (change("What to remember", "- three", "- three\n- four"), "has 4 list items"),
    "no sources": (change("Sources", "- Somebody", "Somebody"), "Sources must be a list"),
    "no next": (change("## Next", "Notebook 01.", ""), "Next must say"),
    "no ending": (change("## Next", "## Next", "## Outlook"), "must end with"),
    "after the end": (
        lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell("1")),
        "must end with",
    ),
    "simply": (change("As many", "As many", "Simply as many"), "says 'Simply'"),
    "obviously": (change("luma", "me.", "# obviously grey\nme."), "says 'obviously'"),
    "American": (change("As many", "colours", "colors"), "says 'colors'"),
    "badge": (change("As many", "As", "![a](https://a.b/c.svg) As"), "from the web"),
    "no alternative text": (change("As many", "As", "![](c.png) As"), "alternative text"),
    "html": (change("As many", "As", '<img src="c.png"> As'), "HTML that loads"),
    "broken code": (change("luma", "(small)", "(small"), "does not parse"),
    "other library": (change("luma", "me.", "import scipy\n\nme."), "imports scipy"),
    "private module": (
        change("luma", "me.", "from mssnet_edu.degrade.motion import motion_path\n\nme."),
        "mssnet_edu.degrade.motion, which is private",
    ),
    "private name": (
        change("luma", "me.", "from mssnet_edu.images import _check\n\nme."),
        "where it is not public",
    ),
    "private attribute": (change("luma", "me.images.luma", "me._lessons"), "uses me._lessons"),
    "no such function": (change("luma", "images.luma", "degrade.luma"), "uses me.degrade.luma"),
    "torch not imported": (
        lambda notebook: find(notebook, "Solution of 00-a").update(source="torch.tensor(1)"),
        "needs `import torch`",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_found(good, name):
    spoil, words = BREAKS[name]
    spoil(good)
    found = anatomy.problems(good, NAME)
    assert any(words in text for text in found), found


def test_names_are_checked(good):
    found = anatomy.problems(good, "The question.ipynb")
    assert any("is named like" in text for text in found)
    assert any(
        "belongs to another notebook" in text for text in anatomy.problems(good, "01_a.ipynb")
    )


def test_what_is_public_may_be_used(good):
    find(
        good, "luma"
    ).source = (
        "import torch\nfrom mssnet_edu.mssnet import MSSNet\n\nme.hint; me.metrics.psnr\n%time 1"
    )
    assert anatomy.problems(good, NAME) == []


# --- the header and the cell for Colab -----------------------------------------------------------


def test_the_header_says_it_all(good):
    text = good.cells[0].source
    assert text.startswith("# 00 · An example\n")
    assert "**The question: what does a good notebook look like?**" in text
    assert "- write one" in text
    assert "**To read** about 10 minutes" in text
    assert "**To run** about 5 seconds" in text
    assert "Binder or Google Colab: see README" in text
    assert "![" not in text  # a badge would be fetched from the web


def test_the_header_has_links_once_the_address_is_known(good, monkeypatch):
    public = "https://github.com/me/course"
    monkeypatch.setattr(address, "repository", lambda root: public)
    cells = notebooks.synced(good, NAME).cells
    for link in address.launch_links(NAME, public):
        assert f"({link})" in cells[0].source
        assert link.endswith(f"notebooks/{NAME}")
    assert f"git+{public}" in cells[1].source


@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("What is lost?", "what is lost?"),
        ("MSSNet, what is it?", "MSSNet, what is it?"),
        ("I see?", "I see?"),
        ("A blur?", "a blur?"),
    ],
)
def test_names_keep_their_capitals(text, lowered):
    assert notebooks.lower_first(text) == lowered


# The cell runs in a real IPython whose %pip installs into a venv, from an index in a folder; only
# the clone and what is installed for the tests are hidden.
DRIVER = """
import os, sys
root, venv, cell = sys.argv[1:]
sys.path[:] = [p for p in sys.path if p and os.path.realpath(p) != root]
sys.path.insert(0, f"{venv}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
sys.executable = f"{venv}/bin/python"
from IPython.core.interactiveshell import InteractiveShell
done = InteractiveShell.instance().run_cell(open(cell, encoding="utf-8").read())
print("went on" if done.success else f"stopped: {done.error_in_exec}")
"""


def write_wheel(folder, name):
    """Write a wheel that holds one module, of its own name."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def first_cell(tmp_path):
    """A function that runs the first cell of a notebook, in a folder with a new venv."""
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    (tmp_path / "cell.py").write_text(notebooks.setup(), encoding="utf-8")
    (tmp_path / "index").mkdir()
    (tmp_path / "beside").mkdir()
    for name in notebooks.COLAB_PACKAGES:
        write_wheel(tmp_path / "index", name)

    def run(index="index", **variables):
        environment = {**os.environ, "PIP_NO_INDEX": "1", **variables}
        environment |= {"PIP_FIND_LINKS": str(tmp_path / index), "IPYTHONDIR": str(tmp_path)}
        environment.pop("PYTHONPATH", None)
        command = [sys.executable, "-c", DRIVER, str(ROOT), str(tmp_path / "venv"), "../cell.py"]
        return subprocess.run(
            command,
            cwd=tmp_path / "beside",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout

    return run


def test_the_first_cell_does_nothing_where_the_course_is(capfd, monkeypatch):
    from IPython.core.inputtransformer2 import TransformerManager

    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")  # not even on Colab
    code = TransformerManager().transform_cell(notebooks.setup("https://github.com/me/it"))
    exec(compile(code, "<set-up>", "exec"), {})  # without IPython: no command may run
    assert capfd.readouterr().out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Colab and Kaggle run Linux")
def test_the_first_cell_installs_on_colab_once_and_stops_where_it_cannot(first_cell, tmp_path):
    sentence = "stopped: The course is not installed in this kernel. README says how"
    elsewhere = first_cell()
    assert sentence in elsewhere
    assert "ERROR" not in elsewhere  # nothing is installed where nobody asked for it
    colab = {"COLAB_RELEASE_TAG": "release"}
    assert sentence in first_cell(**colab)  # no wheel is there
    for name in ("mssnet-edu", "mssnet-edu-weights"):
        write_wheel(tmp_path / "beside", name)
    broken = first_cell("no-such-folder", **colab)
    assert sentence in broken
    assert "anywidget" in broken  # pip says what it could not get
    installed = first_cell(**colab)
    assert installed.rstrip().endswith("went on")
    again = first_cell("no-such-folder", **colab)  # nothing is asked for a second time
    assert again.strip() == "went on"


def test_on_colab_widgets_of_others_are_switched_on(monkeypatch):
    import mssnet_edu.show.widgets

    switched = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: switched.append("on")
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    importlib.reload(mssnet_edu.show.widgets)
    assert switched == ["on"]


def test_colab_gets_all_that_it_lacks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {Requirement(line).name for line in project["dependencies"]}
    # what Colab has; a new dependency must be put here or into COLAB_PACKAGES
    there = {"ipywidgets", "jinja2", "matplotlib", "numpy", "pillow", "safetensors", "torch"}
    there |= {"tqdm"}
    not_needed = {"jupyterlab", "voila"}
    brought_along = {"psygnal"}  # by anywidget; --no-deps leaves it out
    assert set(notebooks.COLAB_PACKAGES) == needed - there - not_needed | brought_along


# --- sync ----------------------------------------------------------------------------------------


def test_sync_changes_nothing_that_is_fresh(good):
    assert notebooks.synced(good, NAME) == good


def test_sync_renews_what_is_stale_and_nothing_else(good):
    stale = copy.deepcopy(good)
    stale.cells[0].source = "# old"
    stale.metadata["kernelspec"]["name"] = "other"
    find(stale, "return ...").source = "# what a learner wrote"
    stale.cells.remove(find(stale, "Solution of 00-b"))
    mine = find(stale, "luma")
    mine.source = "me.images.luma(small).mean()"
    fresh = notebooks.synced(stale, NAME)
    assert find(fresh, "luma").source == mine.source
    find(fresh, "luma").source = find(good, "luma").source
    assert fresh == good


def test_sync_follows_the_metadata(good):
    good.metadata["mssnet_edu"]["seconds_run"] = 7
    assert "about 7 seconds" in notebooks.synced(good, NAME).cells[0].source


def test_sync_keeps_ids(good):
    good.cells[0]["id"] = "mine"
    good.cells[3]["id"] = "mine-too"
    assert notebooks.synced(good, NAME) == good


def test_sync_refuses_what_it_does_not_know(good):
    find(good, "Exercise 00-a").metadata["mssnet_edu"]["exercise"] = "00-z"
    with pytest.raises(notebooks.SourceError, match="no exercise '00-z'"):
        notebooks.synced(good, NAME)
    del good.metadata["mssnet_edu"]["title"]
    with pytest.raises(notebooks.SourceError, match="title"):
        notebooks.synced(good, NAME)


# --- build ---------------------------------------------------------------------------------------


def test_build_makes_a_valid_notebook(good):
    nbformat.validate(good)
    kinds = [anatomy.part(cell) for cell in good.cells if anatomy.mark(cell) == "exercise"]
    assert kinds == ["task", "stub", "solution"] * 3
    assert r"$3 \times 64^2$" in find(good, "As many").source
    assert good.metadata["kernelspec"]["name"] == "python3"
    assert "cell_marker" not in json.dumps(good)


def test_building_twice_gives_the_same(good):
    assert notebooks.draft(SOURCE, NAME, good) == good


def test_cells_keep_their_ids_when_the_source_changes(good):
    for number, cell in enumerate(good.cells):
        cell["id"] = f"old-{number}"
    source = SOURCE.replace("small.numel()", "small.shape").replace(
        "# %% [exercise 00-a]", "# %% [markdown]\n# New text.\n\n# %% [exercise 00-a]"
    )
    source = source.replace(
        "# ## A small photo", "# A new beginning.\n\n# %% [markdown]\n# ## A small"
    )
    ids = {c.source[:12]: c["id"] for c in notebooks.draft(source, NAME, good).cells}
    assert ids["import mssne"] == find(good, "numel")["id"]  # it changed
    assert ids["me.images.lu"] == find(good, "luma")["id"]  # it stayed
    assert ids["## What to r"] == good.cells[-3]["id"]
    assert not ids["New text."].startswith("old-")
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# ---\n", "", "must begin with front matter"),
        ("# title: An example\n", "", "'title'"),
        ("# title:", "# author: me\n# title:", "'author'"),
        ("[exercise 00-a]", "[exercise 00-z]", "no exercise '00-z'"),
    ],
)
def test_a_bad_source_is_refused(old, new, words):
    with pytest.raises(notebooks.SourceError, match=words):
        notebooks.draft(SOURCE.replace(old, new), NAME)


# --- the table and the command line --------------------------------------------------------------


@pytest.fixture
def house(tmp_path, monkeypatch, good):
    """A repository with one notebook and a README, which has no public address."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(notebooks, "README", tmp_path / "README.md")
    parts = [
        f"<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n" for name in ("launch", "notebooks")
    ]
    (tmp_path / "README.md").write_text(
        f"before\n{parts[0]}\nmore\n\n{parts[1]}after\n", encoding="utf-8"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n\n[project.urls]\n# why\n\n[tool]\n', encoding="utf-8"
    )
    (tmp_path / "CITATION.cff").write_text(
        "version: 1\nlicense: MIT\nkeywords: []\n", encoding="utf-8"
    )
    notebooks.write_notebook(tmp_path / "notebooks" / NAME, good)
    return tmp_path


def status(*arguments):
    try:
        notebooks.main([str(each) for each in arguments])
    except SystemExit as error:
        return error.code
    return 0


def test_index_and_check(house, capsys):
    assert status("check") == 1
    assert "README.md: its table or badges are stale" in capsys.readouterr().out
    assert status("index") == 0
    text = (house / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- launch:begin -->\nWithout installing anything")
    assert text.endswith("<!-- notebooks:end -->\nafter\n")
    assert f"| 00 | [An example](notebooks/{NAME}): what does a good notebook look like? " in text
    assert "| 10 min | 5 s |\n" in text
    assert "://" not in text
    assert status("check") == 0


def test_one_command_writes_the_address_everywhere_and_takes_it_out(house):
    status("index")
    before = {
        path: path.read_text(encoding="utf-8") for path in house.rglob("*.*") if path.is_file()
    }
    for public in ("https://github.com/me/course", "https://github.com/you/course-2.0"):
        assert status("address", public + "/") == 0
        for path in before:
            assert public.removeprefix("https://github.com/") in path.read_text(encoding="utf-8")
        assert tomllib.loads((house / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "urls"
        ] == {"Repository": public}
        assert f"license: MIT\nrepository-code: {public}\n" in (house / "CITATION.cff").read_text(
            encoding="utf-8"
        )
        assert "| 10 min | 5 s | [Binder](https" in (house / "README.md").read_text(
            encoding="utf-8"
        )
        assert status("check") == 0
    assert status("address", "none") == 0
    assert {path: path.read_text(encoding="utf-8") for path in before} == before


@pytest.mark.parametrize("url", ["https://example.org/me/course", "me/course", "", "None"])
def test_an_address_that_binder_cannot_open_is_refused(house, url):
    before = (house / "pyproject.toml").read_text(encoding="utf-8")
    assert "OWNER/NAME" in status("address", url)
    assert (house / "pyproject.toml").read_text(encoding="utf-8") == before


def test_check_finds_stale_cells_and_sync_renews_them(house, good, capsys):
    path = house / "notebooks" / NAME
    good.cells[0].source = "# old"
    notebooks.write_notebook(path, good)
    assert status("check", path) == 1
    assert "are stale" in capsys.readouterr().out
    assert status("sync") == 0
    assert status("check", path) == 0


def test_build_writes_and_reports(house, capsys):
    source = house / "source.py"
    source.write_text(SOURCE.replace("**Predict.**", "Well."), encoding="utf-8")
    path = house / "notebooks" / NAME
    before = [cell["id"] for cell in notebooks.read(path).cells]
    assert status("build", source, path) == 0
    assert "asks for a guess" in capsys.readouterr().out
    assert [cell["id"] for cell in notebooks.read(path).cells] == before
    assert list(path.parent.iterdir()) == [path]
    source.write_text("no front matter", encoding="utf-8")
    assert "front matter" in status("build", source, path)
    assert "absent.py" in str(status("build", house / "absent.py", path))
