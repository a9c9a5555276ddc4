"""A run with the network blocked is one: nothing but this machine answers, and that is local."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.notebooks import offline

ELSEWHERE = "192.0.2.1"  # an address set aside for examples: nobody has it
ASK = """
import socket, urllib.request
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
print("local works")
for host in ("192.0.2.1", "example.org"):
    try:
        urllib.request.urlopen(f"http://{host}/", timeout=5)
    except OSError as error:
        print("blocked:", error)
"""


def ask(command, environment):
    done = subprocess.run(
        [*command], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_guard_refuses_other_machines():
    environment = {**os.environ, "PYTHONPATH": str(offline.GUARD)}
    answer = ask([sys.executable, "-c", ASK], environment)
    assert "local works" in answer
    assert answer.count("the network is blocked for this run") == 2


def test_whatever_blocks_here_blocks():
    answer = ask(*offline.blocked([sys.executable, "-c", ASK]))
    assert "local works" in answer
    assert answer.count("blocked:") == 2


def test_this_run_is_blocked():
    if "MSSNET_EDU_OFFLINE" not in os.environ:
        pytest.skip("started without tools/notebooks/run_tests.py")
    with pytest.raises(OSError, match=r"unreachable|blocked"):
        socket.create_connection((ELSEWHERE, 80), timeout=5)


def test_a_command_that_fails_fails():
    command = [sys.executable, str(Path(offline.__file__)), sys.executable, "-c", "exit(3)"]
    assert subprocess.run(command, check=False).returncode == 3
