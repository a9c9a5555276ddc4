"""`mssnet-edu lab` and `mssnet-edu app`: start JupyterLab or the page, and open a browser."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import webbrowser
from pathlib import Path

from mssnet_edu import working_copy

__all__ = ["IDLE_S", "free_port", "has_screen", "open_app", "open_lab", "prepare"]

IDLE_S = 600
CLOSED_S = 40
SETTINGS = Path(__file__).resolve().parent / "lab_settings"
APP = Path(__file__).resolve().parent / "app"


def open_lab(
    port: int = 8888,
    ip: str = "127.0.0.1",
    browser: bool = True,
    folder: Path | None = None,
    idle_s: int = IDLE_S,
) -> None:
    """Open the learner's copy of the course in JupyterLab, and wait until that is stopped.

    port: the first to try. ip: the address to listen on. browser: also open a window, where there
    is a screen. folder: of the copy, which is made or brought up to date first; None means
    ~/mssnet-course. The originals' own folder is opened as it is. idle_s: a notebook whose tab is
    closed gives its memory back after so many seconds of doing nothing. Raises ValueError where
    there is no course, no JupyterLab or no free port.
    """

    if importlib.util.find_spec("jupyterlab") is None:
        raise ValueError("JupyterLab is not installed. Install it: pip install jupyterlab")
    port, token = free_port(ip, port), secrets.token_hex(16)
    root = prepare(folder or working_copy.default_folder())
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--log-level=WARN", "-y"]
    command += [f"--ServerApp.ip={ip}", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"]
    # JupyterLab asks the network for news, updates and extensions; the course asks it for nothing.
    command += ["--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    # Two lessons hold 1.9 GB together, and closing a tab leaves its kernel running. Where the tab
    # is open, the reader still needs what was computed.
    command += [f"--MappingKernelManager.cull_idle_timeout={idle_s}"]
    command += [f"--MappingKernelManager.cull_interval={min(60, idle_s)}"]
    command += ["--MappingKernelManager.cull_connected=False"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # ours come first, and a learner's own settings before them
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    settings = {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
    host = "127.0.0.1" if ip in {"0.0.0.0", "::", "*", ""} else ip
    url = f"http://{host}:{port}/lab/tree/{working_copy.FIRST_LESSON}"
    _serve(command, "The course", url, token, browser, root, settings)


def open_app(port: int = 8866, browser: bool = True) -> None:
    """Open the page for a photo of one's own, by Voilà, and wait until that is stopped.

    port: the first to try. browser: also open a window, where there is a screen. Only this computer
    can reach it. Raises ValueError where there is no Voilà or no free port.
    """
    if importlib.util.find_spec("voila") is None:
        raise ValueError("Voilà is not installed. Install it: pip install voila")
    ip = "127.0.0.1"
    port, token = free_port(ip, port), secrets.token_hex(16)
    command = [
        sys.executable,
        "-m",
        "voila",
        str(APP / "page.ipynb"),
        "--no-browser",
        f"--Voila.ip={ip}",
    ]
    command += [f"--Voila.port={port}", "--Voila.port_retries=0", "--Voila.log_level=WARN"]
    # auto_token: a token is asked for at all; the one in the environment is taken
    command += ["--VoilaConfiguration.template=mssnet", "--Voila.auto_token=True"]
    # the work of a page that was closed ends, also where the browser had no time to say so
    command += [f"--MappingKernelManager.cull_idle_timeout={CLOSED_S}"]
    command += [f"--MappingKernelManager.cull_interval={CLOSED_S // 2}"]
    command += ["--MappingKernelManager.cull_connected=False"]
    paths = [str(APP / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    settings = {"JUPYTER_PATH": os.pathsep.join(paths)}
    _serve(command, "The page", f"http://{ip}:{port}/", token, browser, settings=settings)


def _serve(
    command: list[str],
    what: str,
    url: str,
    token: str,
    browser: bool,
    folder: Path | None = None,
    settings: dict[str, str] | None = None,
) -> None:
    """Run a server until it is stopped; say where it is, and open a window there."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # a plain death would leave the server behind
    # the token goes by the environment: command lines can be read by other users of the machine
    environment = {**os.environ, "JUPYTER_TOKEN": token, **(settings or {})}
    server = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        address = urllib.parse.urlsplit(url)
        _wait_for(server, address.hostname or "", address.port or 0)
        url += f"?token={token}"
        print(f"{what} is open at\n\n    {url}\n\nStop it with Ctrl-C.", flush=True)
        if browser and has_screen():
            webbrowser.open(url)
        server.wait()
    except KeyboardInterrupt:
        pass  # the server has had the same Ctrl-C
    finally:
        server.terminate()
        server.wait()


def prepare(folder: Path) -> Path:
    """Bring a copy up to date, say what is new in it, and return its absolute path.

    The originals' own folder is returned untouched.
    """
    folder = folder.expanduser().absolute()
    if folder.is_dir() and folder.samefile(working_copy.originals()):
        return folder
    is_new = not (folder / working_copy.RECORD).exists()  # the folder may be there, a volume say
    brought, kept = working_copy.update(folder)
    if is_new:
        print(f"Your copy of the course is {folder}; what you change there stays yours.")
    elif brought:
        print(f"New in {folder}: {', '.join(brought)}")
    for name in kept:
        print(
            f"{name} has a newer version; yours was left as it is. To get the new one, with yours "
            f"kept beside it: mssnet-edu lab --reset {name[:2]}"
        )
    return folder


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
            raise ValueError("The server stopped at once; its own message stands above.")
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ValueError(f"The server did not answer within {timeout_s} s.")


def has_screen() -> bool:
    """Whether a browser window could be seen here."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
