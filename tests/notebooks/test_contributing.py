"""The lesson that CONTRIBUTING.md walks through can be built as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import sys
import mssnet_edu as me
from mssnet_edu import exercises
from tools.notebooks import build

draft, notebook, folder = sys.argv[1:]
exercises.__path__.append(folder)
build.main(["build", draft, notebook])
for id in exercises.names("97"):
    exercise = exercises.get(id)
    for cell, passes in ((exercise.stub_cell, False), (exercise.solution_cell, True)):
        names = {"me": me}
        exec(cell.replace("me.check(", "result = me.check("), names)
        assert names["result"].passed == passes, names["result"]
build.main(["check", notebook])
"""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A folder with the files of the page; as lesson 97, for there may be a lesson 10."""
    folder = tmp_path_factory.mktemp("lesson")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("10", "97")
    for name, source in re.findall(r"```python\n# (\S+/\S+\.py)\n(.*?)```", text, re.DOTALL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source, encoding="utf-8")
    return folder


def run(*words):
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lesson_is_built_and_nothing_is_wrong_with_it(lesson):
    names = ("build/lesson_97.py", "97_counting_pixels.ipynb", "mssnet_edu/exercises")
    said = run("-c", BUILD, *(lesson / name for name in names))
    assert "checked 1: nothing wrong" in said


def test_its_code_is_formatted(lesson):
    files = (lesson / "mssnet_edu/exercises/lesson_97.py", lesson / "tests/browser")
    for command in (("check",), ("format", "--check")):
        run("-m", "ruff", *command, "--config", ROOT / "pyproject.toml", *files)
