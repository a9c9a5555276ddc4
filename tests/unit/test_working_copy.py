"""`mssnet-edu lab` makes a copy of the notebooks: lessons come in, a learner's work stays."""

import json
import shutil
from pathlib import Path

import pytest

from mssnet_edu import cli, doctor, lab, working_copy


def notebook(*sources, outputs=()):
    cell = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [*outputs]}
    return json.dumps({"cells": [{**cell, "source": source} for source in sources]})


@pytest.fixture
def course(tmp_path, monkeypatch):
    """The course's own notebooks: lessons 00 and 01."""
    folder = tmp_path / "site-packages" / "mssnet_edu" / "_notebooks"
    folder.mkdir(parents=True)
    monkeypatch.setattr(working_copy, "__file__", str(folder.parent / "working_copy.py"))
    (folder / working_copy.FIRST_LESSON).write_text(notebook("question = 1"), encoding="utf-8")
    (folder / "01_blur.ipynb").write_text(notebook("blur = 1"), encoding="utf-8")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def mine(folder, name="01_blur.ipynb"):
    return (folder / name).read_text(encoding="utf-8")


def test_a_copy_is_made(course, tmp_path):
    folder = tmp_path / "deep" / "mine"
    assert working_copy.update(folder) == ([working_copy.FIRST_LESSON, "01_blur.ipynb"], [])
    assert mine(folder) == notebook("blur = 1")
    assert working_copy.update(folder) == ([], [])
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [working_copy.RECORD, working_copy.FIRST_LESSON, "01_blur.ipynb"]
    )


# What the learner has done to lesson 01, whether the course has a newer version of it, and what
# `update` then does.
CASES = {
    "nothing, and nothing is new": (None, False, "as it was"),
    "nothing, and it is new": (None, True, "new"),
    "run": (notebook("blur = 1", outputs=["7"]), False, "as it was"),
    "run, and it is new": (notebook("blur = 1", outputs=["7"]), True, "new"),
    "changed": (notebook("blur = 2"), False, "as it was"),
    "changed, and it is new": (notebook("blur = 2"), True, "as it was, told"),
    "broken, and it is new": ("{", True, "as it was, told"),
    "not a notebook, and it is new": ("[]", True, "as it was, told"),
    "removed": ("", False, "new"),
    "made like the new one": (notebook("blur = 3"), True, "as it was"),
}


@pytest.mark.parametrize(("learner", "is_new", "outcome"), CASES.values(), ids=CASES)
def test_what_the_learner_changed_stays(course, tmp_path, learner, is_new, outcome):
    folder = tmp_path / "mine"
    working_copy.update(folder)
    if learner:
        (folder / "01_blur.ipynb").write_text(learner, encoding="utf-8")
    elif learner == "":
        (folder / "01_blur.ipynb").unlink()
    before = mine(folder) if learner != "" else None
    if is_new:
        (course / "01_blur.ipynb").write_text(notebook("blur = 3"), encoding="utf-8")
    brought, kept = working_copy.update(folder)
    assert mine(folder) == (mine(course) if outcome == "new" else before)
    assert brought == (["01_blur.ipynb"] if outcome == "new" else [])
    assert kept == (["01_blur.ipynb"] if "told" in outcome else [])
    assert working_copy.update(folder) == ([], kept)  # and again


def test_a_new_lesson_comes_in(course, tmp_path):
    working_copy.update(tmp_path / "mine")
    (course / "02_new.ipynb").write_text(notebook("new"), encoding="utf-8")
    assert working_copy.update(tmp_path / "mine") == (["02_new.ipynb"], [])


@pytest.mark.parametrize("record", [None, "{", "[]", "3"])
def test_without_its_record_every_notebook_is_the_learners(course, tmp_path, record):
    folder = tmp_path / "mine"
    working_copy.update(folder)
    (folder / "01_blur.ipynb").write_text(notebook("mine"), encoding="utf-8")
    (folder / working_copy.RECORD).unlink()
    if record:
        (folder / working_copy.RECORD).write_text(record, encoding="utf-8")
    assert working_copy.update(folder) == ([], ["01_blur.ipynb"])
    assert mine(folder) == notebook("mine")


@pytest.mark.parametrize("lesson", ["01", "1", "01_blur.ipynb"])
def test_reset_gives_a_lesson_back_and_keeps_the_learners(course, home, capsys, lesson):
    folder = home / "mssnet-course"
    working_copy.update(folder)
    for number, name in enumerate(["01_blur_mine.ipynb", "01_blur_mine_2.ipynb"]):
        (folder / "01_blur.ipynb").write_text(notebook(f"mine {number}"), encoding="utf-8")
        assert cli.main(["lab", "--reset", lesson]) == 0
        shown = capsys.readouterr().out
        assert name in shown
        assert "01_blur.ipynb is as it came" in shown
        assert mine(folder) == notebook("blur = 1")
        assert mine(folder, name) == notebook(f"mine {number}")
    assert cli.main(["lab", "--reset", lesson]) == 0  # nothing of the learner's: nothing to keep
    assert "Yours" not in capsys.readouterr().out
    assert working_copy.update(folder) == ([], [])


def test_reset_makes_the_folder_that_is_named(course, tmp_path):
    assert cli.main(["lab", "--reset", "0", "--folder", str(tmp_path / "mine")]) == 0
    assert [path.name for path in (tmp_path / "mine").glob("*.ipynb")] == [
        working_copy.FIRST_LESSON
    ]


@pytest.mark.parametrize("lesson", ["7", "", "0_", "blur"])
def test_reset_of_no_lesson(course, home, capsys, lesson):
    assert cli.main(["lab", "--reset", lesson]) == 2
    assert "There are: 00, 01" in capsys.readouterr().err


def test_lab_tells_what_is_new(course, home, capsys):

    def shown(*arguments):
        lab.prepare(home / "mssnet-course")
        return capsys.readouterr().out

    (home / "mssnet-course").mkdir()  # as a container's volume is
    assert "Your copy of the course is" in shown()
    assert shown() == ""
    (home / "mssnet-course" / "01_blur.ipynb").write_text(notebook("mine"), encoding="utf-8")
    (course / "01_blur.ipynb").write_text(notebook("blur = 3"), encoding="utf-8")
    (course / "02_new.ipynb").write_text(notebook("new"), encoding="utf-8")
    text = shown()
    assert "New in" in text
    assert "02_new.ipynb" in text
    assert "01_blur.ipynb has a newer version" in text
    assert "mssnet-edu lab --reset 01" in text


def test_the_originals_themselves_are_opened_as_they_are(course):
    assert lab.prepare(course) == course
    assert not (course / working_copy.RECORD).exists()


def test_a_file_is_no_folder(course, tmp_path, capsys):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert cli.main(["lab", "--folder", str(tmp_path / "file")]) == 2
    assert "is a file. Name a folder" in capsys.readouterr().err


def test_an_installation_without_notebooks_says_so(course, tmp_path, capsys):
    shutil.rmtree(course)
    assert cli.main(["lab", "--folder", str(tmp_path / "mine")]) == 2
    assert "this installation of mssnet_edu" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
    (finding,) = [f for f in doctor.findings() if "notebooks" in f.what]
    assert finding.verdict == "FAIL"
