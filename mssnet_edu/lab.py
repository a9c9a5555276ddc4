"""`mssnet-edu lab`: start JupyterLab on the course, and open it in a browser."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

from mssnet_edu import __version__

__all__ = ["course_root", "free_port", "has_screen", "open_lab"]

FIRST_NOTEBOOK = "notebooks/00_the_question.ipynb"


def open_lab(port: int = 8888, ip: str = "127.0.0.1", browser: bool = True) -> None:
    """Open the course in JupyterLab, and wait until that is stopped.

    port: the first to try. ip: the address to listen on. browser: also open a window, where there
    is a screen. Raises ValueError where there is no course, no JupyterLab or no free port.
    """

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    root = course_root()
    if importlib.util.find_spec("jupyterlab") is None:
        raise ValueError("JupyterLab is not installed. Install it: pip install jupyterlab")
    port, token = free_port(ip, port), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--log-level=WARN", "-y"]
    command += [f"--ServerApp.ip={ip}", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    # JupyterLab asks the network for news, updates and extensions; the course asks it for nothing.
    command += ["--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    signal.signal(signal.SIGTERM, stop)  # a plain death would leave the server behind
    # the token goes by the environment: command lines can be read by other users of the machine
    server = subprocess.Popen(command, cwd=root, env={**os.environ, "JUPYTER_TOKEN": token})
    try:
        host = "127.0.0.1" if ip in {"0.0.0.0", "::", "*", ""} else ip
        _wait_for(server, host, port)
        url = f"http://{host}:{port}/lab/tree/{FIRST_NOTEBOOK}?token={token}"
        print(f"The course is open at\n\n    {url}\n\nStop it with Ctrl-C.", flush=True)
        if browser and has_screen():
            webbrowser.open(url)
        server.wait()
    except KeyboardInterrupt:
        pass  # the server has had the same Ctrl-C
    finally:
        server.terminate()
        server.wait()


def course_root() -> Path:
    """The folder that holds the notebooks: the clone, or the present folder.

    Raises ValueError if neither does.
    """
    folders = dict.fromkeys([Path(__file__).resolve().parent.parent, Path.cwd()])
    for folder in folders:
        if (folder / FIRST_NOTEBOOK).is_file():
            return folder
    raise ValueError(
        f"{FIRST_NOTEBOOK} was not found in {' or '.join(map(str, folders))}: the package "
        f"(version {__version__}) is installed without notebooks. Clone the course's repository, "
        "and run mssnet-edu lab inside it."
    )


def free_port(ip: str, first: int) -> int:
    """The first of fifty ports that is free at an address, as Jupyter takes addresses.

    Raises ValueError if none is, or if this machine does not know the address.
    """
    host = None if ip in {"", "*"} else ip
    try:
        family, *_, address = socket.getaddrinfo(
            host, first, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ValueError(
            f"--ip {ip}: this machine knows no such address. Use 127.0.0.1; 0.0.0.0 in a container."
        ) from error
    for port in range(first, first + 50):
        with socket.socket(family) as probe:
            try:
                probe.bind((address[0], port, *address[2:]))
            except OSError:
                continue
            return port
    raise ValueError(f"No port from {first} to {first + 49} is free. Choose another: --port 9000")


def _wait_for(server: subprocess.Popen, host: str, port: int, timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server.poll() is not None:
            raise ValueError("JupyterLab stopped at once; its own message stands above.")
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ValueError(f"JupyterLab did not answer within {timeout_s} s.")


def has_screen() -> bool:
    """Whether a browser window could be seen here."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
