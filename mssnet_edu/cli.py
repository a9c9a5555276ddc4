"""The command `mssnet-edu`: open the course, restore a photo, check the installation.

A mistake of the user ends with one sentence on stderr, exit code 2 and no output file.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

from mssnet_edu import files

__all__ = ["ArgumentParser", "main", "run"]

FIRST_NOTEBOOK = "notebooks/00_the_question.ipynb"


# --------------------------------------------------------------------------------- subcommands


def main(argv: list[str] | None = None) -> int:
    """Run a command line, without the program's name; return the exit code.

    argv: None takes it from the system. 0: done. 1: `doctor` found a fault. 2: refused, with one
    sentence on stderr. 130: stopped by Ctrl-C.

    >>> main(["models", "classify"])
    efficientnet-lite0 ...
    0
    """
    parser = ArgumentParser(
        prog="mssnet-edu",
        description="A course that shows how AI restores photographs, and which pixels are real.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for add in (_add_lab, _add_deblur, _add_upscale, _add_models, _add_doctor):
        add(commands)
    parser.set_defaults(run=lambda arguments: parser.print_help())
    return run(parser, argv)


def run(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> int:
    """Parse a command line and call `arguments.run(arguments)`; return the exit code as `main`.

    parser: with a default for `run`. argv: None takes it from the system.
    """
    parser.add_argument(
        "--traceback", action="store_true", help="on an error, show where in the code it arose"
    )
    arguments = parser.parse_args(argv)
    program = parser.prog
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print(f"{program}: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        sentence = _sentence(error)
        if arguments.traceback or sentence is None:
            raise
        print(f"{program}: {sentence}", file=sys.stderr)
        return 2


def _sentence(error):
    """What went wrong, for a person; None for a mistake of ours, which deserves its traceback."""
    text = " ".join(str(error).split())
    memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in text and "memory" in text
    )
    if memory:
        return "The memory of this machine is used up. Try a smaller photo, or --max-memory-mb 500."
    if isinstance(error, ValueError | OSError):
        return text or type(error).__name__
    return None


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors are one sentence that says where help is."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}. See: {self.prog} --help\n")


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        from mssnet_edu import __version__

        print(f"mssnet-edu {__version__}")
        parser.exit()


# ---------------------------------------------------------------------------- deblur, upscale


def _add_deblur(commands):
    parser = commands.add_parser("deblur", help="remove the blur of a photo")
    _add_files(parser)
    parser.add_argument("--model", default="mssnet-deblur", help="default: %(default)s")
    parser.set_defaults(run=_deblur)


def _add_upscale(commands):
    parser = commands.add_parser("upscale", help="enlarge a photo")
    _add_files(parser)
    parser.add_argument("--scale", type=int, default=8, help="2, 3, 4, 6, 8 or 16; default: 8")
    parser.add_argument("--model", help="a network, bicubic or nearest; default: the course's own")
    parser.add_argument("--seed", type=int, default=0, help="for networks that draw their answer")
    parser.set_defaults(run=_upscale)


def _add_files(parser):
    parser.add_argument("photo", type=Path, help="the picture to read")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="the picture to write: .png, .jpg, .webp, .tif",
    )
    parser.add_argument("--force", action="store_true", help="overwrite the picture to write")
    parser.add_argument(
        "--max-memory-mb",
        type=float,
        default=1200,
        help="memory to work in; default: %(default)s",
    )


def _deblur(arguments):
    from mssnet_edu import restore

    def work(photo, **options):
        return restore.deblur(photo, arguments.model, **options)

    return _restore(arguments, work, 1)


def _upscale(arguments):
    from mssnet_edu import restore

    def work(photo, **options):
        return restore.upscale(
            photo, arguments.scale, arguments.model, seed=arguments.seed, **options
        )

    return _restore(arguments, work, arguments.scale)


def _restore(arguments, work, factor):
    from mssnet_edu import images
    from mssnet_edu.images.files import check_target

    target = check_target(arguments.out, overwrite=arguments.force)
    if target.exists() and arguments.photo.exists() and target.samefile(arguments.photo):
        raise ValueError(f"{target} is the photo itself, which is never overwritten.")
    photo = images.load(arguments.photo)
    size = tuple(factor * side for side in photo.shape[-2:])
    check_target(target, arguments.force, size)  # before minutes are spent on it
    start = time.perf_counter()
    shown = sys.stderr.isatty()
    answer = work(photo, progress=shown, max_memory_mb=arguments.max_memory_mb)
    seconds = time.perf_counter() - start
    images.save(answer, target, overwrite=arguments.force)
    height, width = answer.shape[-2:]
    print(f"{target}: {width} x {height} px, {seconds:.1f} s")
    return 0


# -------------------------------------------------------------------------------------- models


def _add_models(commands):
    parser = commands.add_parser("models", help="list the networks of the course")
    parser.add_argument("task", nargs="?", help="only those for: deblur, upscale, ...")
    parser.set_defaults(run=_models)


def _models(arguments):
    from mssnet_edu import models

    for name in models.names(arguments.task):
        info = models.info(name)
        task = info.task if info.factor == 1 else f"{info.task} {info.factor}x"
        size_mb = sum(file.bytes for file in info.files) / 1e6
        print(f"{name:<22} {task:<11} {size_mb:5.1f} MB  {info.summary}")
    return 0


# ----------------------------------------------------------------------------------------- lab


def _add_lab(commands):
    parser = commands.add_parser("lab", help="open the course in JupyterLab")
    parser.add_argument("--port", type=int, default=8888, help="the first port to try")
    parser.add_argument("--ip", default="127.0.0.1", help="address to listen on (for containers)")
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no window"
    )
    parser.set_defaults(run=_lab)


def _lab(arguments):
    import secrets
    import signal
    import subprocess
    import webbrowser

    def stop(number, frame):
        raise KeyboardInterrupt

    root = _course_root()
    if importlib.util.find_spec("jupyterlab") is None:
        raise ValueError("JupyterLab is not installed. Install it: pip install jupyterlab")
    port, token = _free_port(arguments.ip, arguments.port), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--log-level=WARN", "-y"]
    command += [f"--ServerApp.ip={arguments.ip}", f"--ServerApp.port={port}"]
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
        host = "127.0.0.1" if arguments.ip in {"0.0.0.0", "::", "*", ""} else arguments.ip
        _wait_for(server, host, port)
        url = f"http://{host}:{port}/lab/tree/{FIRST_NOTEBOOK}?token={token}"
        print(f"The course is open at\n\n    {url}\n\nStop it with Ctrl-C.", flush=True)
        if _has_screen() and not arguments.no_browser:
            webbrowser.open(url)
        server.wait()
    except KeyboardInterrupt:
        pass  # the server has had the same Ctrl-C
    finally:
        server.terminate()
        server.wait()
    return 0


def _course_root():
    folders = dict.fromkeys([Path(__file__).resolve().parent.parent, Path.cwd()])
    for folder in folders:
        if (folder / FIRST_NOTEBOOK).is_file():
            return folder
    from mssnet_edu import __version__

    raise ValueError(
        f"{FIRST_NOTEBOOK} was not found in {' or '.join(map(str, folders))}: the package "
        f"(version {__version__}) is installed without notebooks. Clone the course's repository, "
        "and run mssnet-edu lab inside it."
    )


def _free_port(ip, first):
    import socket

    host = None if ip in {"", "*"} else ip
    try:
        found = socket.getaddrinfo(host, first, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ValueError(
            f"--ip {ip}: this machine knows no such address. Use 127.0.0.1; 0.0.0.0 in a container."
        ) from error
    family, *_, address = found[0]
    for port in range(first, first + 50):
        with socket.socket(family) as probe:
            try:
                probe.bind((address[0], port, *address[2:]))
            except OSError:
                continue
            return port
    raise ValueError(f"No port from {first} to {first + 49} is free. Choose another: --port 9000")


def _wait_for(server, host, port, seconds=120):
    import socket

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise ValueError("JupyterLab stopped at once; its own message stands above.")
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ValueError(f"JupyterLab did not answer within {seconds} s.")


def _has_screen():
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# -------------------------------------------------------------------------------------- doctor


class _Finding(NamedTuple):
    verdict: str  # "ok", "note": works, but not all of it; "FAIL": the course will not run
    what: str
    advice: str = ""


def _add_doctor(commands):
    parser = commands.add_parser("doctor", help="say whether all that the course needs is in place")
    parser.set_defaults(run=_doctor)


def _doctor(arguments):
    faults = 0
    checks = (_python, _torch, _machine, _packages, _photos, _weights, _network, _chromium)
    for check in checks:
        try:
            findings = list(check())
        except Exception as error:  # a broken installation breaks in ways nobody listed
            findings = [_Finding("FAIL", f"{check.__name__[1:]}: {error}", "Install again.")]
        for finding in findings:
            faults += finding.verdict == "FAIL"
            print(f"{finding.verdict:<5} {' '.join(finding.what.split())}")
            if finding.advice:
                print(f"      -> {finding.advice}")
    print(f"{faults} fault(s)" if faults else "All that the course needs is in place.")
    return 1 if faults else 0


def _python():
    version = ".".join(map(str, sys.version_info[:3]))
    yield _Finding("ok", f"Python {version}, {sys.executable}")


def _torch():
    if importlib.util.find_spec("torch") is None:
        yield _Finding("FAIL", "torch is not installed", "Install it: pip install torch")
        return
    import torch

    kind = "a GPU is there, not needed" if torch.cuda.is_available() else "works on the CPU"
    yield _Finding("ok", f"torch {torch.__version__}, {torch.get_num_threads()} threads; {kind}")


def _machine():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield _Finding("ok", f"{cores} core(s)")
    memory_mb = _memory_mb()
    if memory_mb is None:
        yield _Finding("note", "memory: unknown", "The notebooks need 1.5 GB free.")
    elif memory_mb < 2000:
        advice = (
            "The notebooks need 1.5 GB. Close other programs, and one notebook before the next."
        )
        yield _Finding("note", f"memory: {memory_mb:,.0f} MB", advice)
    else:
        yield _Finding("ok", f"memory: {memory_mb:,.0f} MB")


def _memory_mb():
    """What this process may use: the machine's memory, or less inside a container."""
    sizes = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    elif importlib.util.find_spec("psutil"):
        import psutil

        sizes.append(psutil.virtual_memory().total)
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path("/sys/fs/cgroup", file).read_text()))
        except (OSError, ValueError):  # no container, or "max"
            continue
    return min(sizes) / 1e6 if sizes else None


def _packages():
    missing = []
    found = []
    for name in ("jupyterlab", "ipywidgets", "anywidget", "matplotlib", "safetensors", "pillow"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if found:
        yield _Finding("ok", ", ".join(found))
    if missing:
        advice = f"Install: pip install {' '.join(missing)}"
        yield _Finding("FAIL", f"not installed: {', '.join(missing)}", advice)


def _photos():
    from mssnet_edu import samples

    restore = "Get the file again: git checkout -- data, or reinstall mssnet_edu."
    try:
        names = [*samples.names(), *samples.names("clip")]
    except FileNotFoundError as error:
        yield _Finding("FAIL", f"photos: {error}")
        return
    wrong = 0
    for name in names:
        sample = samples.info(name)
        try:
            files.read_verified(samples.find_data() / sample.file, sample.sha256)
        except (FileNotFoundError, ValueError) as error:
            wrong += 1
            yield _Finding("FAIL", str(error), restore)
    if not wrong:
        yield _Finding("ok", f"{len(names)} photos and clips in {samples.find_data()}")


def _weights():
    from mssnet_edu import models, samples

    restore = "Get the file again: git checkout -- data/weights, or reinstall mssnet_edu."
    folder = samples.find_data("weights")
    for name in models.names():
        faults = []
        for file in models.info(name).files:
            try:
                files.read_verified(folder / file.name, file.sha256)
            except (FileNotFoundError, ValueError) as error:
                faults.append(str(error))
        if faults:
            yield _Finding("FAIL", f"weights of {name}: {' '.join(faults)}", restore)
        else:
            yield _Finding("ok", f"weights of {name}")
    if not models.names():
        yield _Finding("FAIL", f"no weights in {folder}", restore)


def _network():
    import torch

    from mssnet_edu import restore

    name = restore.RECOMMENDED_UPSCALER
    start = time.perf_counter()
    restore.upscale(torch.rand(3, 32, 32), 8, name)
    seconds = time.perf_counter() - start
    yield _Finding("ok", f"{name} loads and enlarges 32 x 32 px 8 times: {seconds:.1f} s")


def _chromium():
    import shutil

    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            yield _Finding("ok", f"{path}, for the browser tests")
            return
    advice = "Only tests need it. Debian, Ubuntu: apt-get install chromium"
    yield _Finding("note", "Chromium was not found", advice)
