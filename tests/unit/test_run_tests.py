"""The test runner counts what ran, and a group without tests is a failure."""

import pytest

from tools.notebooks import run_tests


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A runner with two groups of its own: one good test, and an empty folder."""
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.mkdir()
    empty.mkdir()
    (good / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to load
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path / "reports")
    found = {"good": [str(good)], "empty": [str(empty)]}
    monkeypatch.setattr(run_tests, "GROUPS", found)
    return found


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["run_tests.py", "--online", *words])
    with pytest.raises(SystemExit) as stop:
        run_tests.main()
    return stop.value.code


def test_green_is_green(groups, monkeypatch, capsys):
    assert run(monkeypatch, "good") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"


def test_an_empty_group_fails(groups, monkeypatch, capsys):
    assert run(monkeypatch) == 1
    out = capsys.readouterr().out
    assert "The group empty ran no test: its files are missing." in out
    assert out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    assert (run_tests.REPORTS / "total.txt").read_text(
        encoding="utf-8"
    ) == "1 passed, 0 failed, 0 skipped\n"


@pytest.mark.parametrize("ci", [True, False])
def test_a_skipped_group_fails_in_ci_only(groups, monkeypatch, capsys, tmp_path, ci):
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", "true")
    (tmp_path / "good" / "test_it.py").write_text(
        "import pytest\n\n@pytest.mark.skip\ndef test_it(): pass\n", encoding="utf-8"
    )
    assert run(monkeypatch, "good") == (1 if ci else 0)
    assert "The group good ran no test: all of them were skipped." in capsys.readouterr().out


@pytest.mark.parametrize(
    "source",
    ["def test_it(): assert False", "import nothing_of_this_name", "import os; os._exit(7)"],
    ids=["a failing test", "a file that cannot be read", "a crash"],
)
def test_red_is_red(groups, monkeypatch, capsys, tmp_path, source):
    (tmp_path / "good" / "test_it.py").write_text(source, encoding="utf-8")
    assert run(monkeypatch, "good") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_an_unknown_group_is_named(groups, monkeypatch, capsys):
    assert run(monkeypatch, "units") == 2
    assert "there is no group 'units'" in capsys.readouterr().err
