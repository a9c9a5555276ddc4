"""The installer: a fitting Python or a clear sentence; a silent index costs only seconds."""

import ast
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from tools.notebooks import install


def test_an_old_python_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(install, "OLDEST", (3, 98))
    monkeypatch.setattr(install, "NEWEST", (3, 99))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"The course needs Python 3\.98 to 3\.99\. Install one"):
        install.use_a_fitting_python()


@pytest.mark.parametrize(
    ("system", "command"), [("posix", ["python3.98"]), ("nt", ["py", "-3.98"])]
)
def test_another_python_is_taken_where_there_is_one(monkeypatch, capsys, system, command):
    monkeypatch.setattr(install, "OLDEST", (3, 98))
    monkeypatch.setattr(install, "NEWEST", (3, 99))
    monkeypatch.setattr(install, "os", types.SimpleNamespace(name=system))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    # 3.99 is named, but does not start: the launcher of Windows is there whatever is installed
    monkeypatch.setattr(install, "runs", lambda other: other == [*command, "-c", ""])
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command) or 0)
    with pytest.raises(SystemExit) as stop:
        install.use_a_fitting_python()
    assert stop.value.code == 0
    assert called == [[*command, *sys.argv]]
    assert f"going on with {' '.join(command)}" in capsys.readouterr().out


@pytest.mark.parametrize("here", [False, True])
def test_it_installs_into_a_venv_or_into_the_python_that_runs_it(monkeypatch, tmp_path, here):
    called, made = [], []
    monkeypatch.setattr(install, "pip", lambda python, *rest: called.append((python, rest)) or 0)
    monkeypatch.setattr(install, "make_venv", lambda: made.append(tmp_path))
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(sys, "argv", ["install.py", "--torch-index", "", *["--here"] * here])
    install.main()
    python = Path(sys.executable) if here else install.PYTHON
    assert called == [(python, ("install", "-c", "constraints.txt", "-e", "."))]
    assert made == ([] if here else [tmp_path])
    assert (tmp_path / ".installed-lab").exists() == (not here)


def test_this_python_fits():
    install.use_a_fitting_python()


def test_the_installer_is_text_that_an_old_python_can_read():
    # or it would stop at a syntax error before it can say that it is too old
    ast.parse(Path(install.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_an_index_that_answers_answers():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert install.answers(f"http://127.0.0.1:{server.server_port}/")
        assert not install.answers(f"http://127.0.0.1:{server.server_port}/nothing-of-this-name")
    finally:
        server.shutdown()


def test_a_silent_index_is_given_up_soon(monkeypatch):
    monkeypatch.setattr(install, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.perf_counter()
        assert not install.answers(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert time.perf_counter() - start < 5


def test_an_index_that_is_not_there_is_not_asked_twice():
    assert not install.answers("http://127.0.0.1:9/")
    assert not install.answers("no address at all")
