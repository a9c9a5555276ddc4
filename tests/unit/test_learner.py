"""What a learner chose and solved is kept beside the notebooks, and nothing of it is lost."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import mssnet_edu as me
from mssnet_edu import learner

SOLVED = "00-a", lambda factor: 1 - 1 / factor**2


@pytest.fixture(autouse=True)
def notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(
        learner.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object())
    )
    return tmp_path


def test_a_choice_is_kept_and_may_be_changed(capsys):
    assert me.kept("00-face") is None
    me.keep("00-face", ..., "ABC")
    assert "Nothing chosen yet" in capsys.readouterr().out
    assert not Path(learner.FILE).exists()
    for choice in "AB":
        me.keep("00-face", choice, "ABC")
        assert me.kept("00-face") == choice
    with pytest.raises(ValueError, match="'D' is none of the choices"):
        me.keep("00-face", "D", "ABC")
    assert me.kept("00-face") == "B"


def test_solved_exercises_are_counted():
    me.check("00-a", lambda factor: 0)
    assert not Path(learner.FILE).exists()
    me.keep("00-face", "A")
    me.check(*SOLVED)
    me.check("00-a", lambda factor: 0)  # solved once is solved
    assert "Exercises solved: 1 of" in me.progress().alt
    assert me.kept("00-face") == "A"


def test_outside_of_notebooks_nothing_is_written(monkeypatch):
    monkeypatch.setitem(learner.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert me.check(*SOLVED)
    assert not Path(learner.FILE).exists()


def test_a_check_passes_where_nothing_can_be_written(monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(learner.files, "write_text", full)
    assert me.check(*SOLVED)


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"solved": 3}', "\x00"])
def test_a_damaged_file_is_set_aside(damaged):
    Path(learner.FILE).write_text(damaged, encoding="utf-8")
    assert me.kept("00-face") is None
    assert me.progress().alt.startswith("Exercises solved: 0 of")
    me.keep("00-face", "C")
    assert Path(f"{learner.FILE}.damaged").read_text(encoding="utf-8") == damaged
    assert json.loads(Path(learner.FILE).read_text(encoding="utf-8")) == {
        "choices": {"00-face": "C"}
    }
