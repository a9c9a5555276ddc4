"""Make .venv and install the course into it, with the versions of constraints.txt.

    python tools/notebooks/install.py            what a learner needs
    python tools/notebooks/install.py --test     also what the tests need
    python tools/notebooks/install.py --here     into the Python that runs this, without .venv: in a
                                                 container, on Binder, in a conda environment

`make lab`, `make course` and `make test` call this. On Windows, type it yourself with `py`.
It runs on any Python, also on one that is too old, to say so in a sentence.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import threading
import urllib.request
import venv
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 14)  # torch has no wheels for newer ones yet
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 6

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")


def main() -> None:
    """Install, and leave a stamp so that make does not come here again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--test", action="store_true", help="install what the tests need, too")
    parser.add_argument("--here", action="store_true", help="into this Python, without .venv")
    parser.add_argument(
        "--torch-index",
        default=CPU_INDEX,
        help="where to look for torch first on Linux; '' for the default, which brings CUDA",
    )
    options = parser.parse_args()
    use_a_fitting_python()
    python = Path(sys.executable) if options.here else PYTHON
    if not options.here:
        make_venv()
    install_cpu_torch(python, options.torch_index)
    what = ".[test]" if options.test else "."
    say("Installing the course. The first time takes a minute or two and about 1.5 GB.")
    if pip(python, "install", "-c", "constraints.txt", "-e", what) != 0:
        sys.exit(
            "The installation did not finish; the reason is above. If the network went away, "
            "run the same command again: what has arrived is kept."
        )
    if not options.here:
        for name in [".installed-lab", *([".installed-test"] if options.test else [])]:
            (VENV / name).touch()
    say(f"Installed in {sys.prefix if options.here else VENV}")


def use_a_fitting_python() -> None:
    """Go on with this Python if it fits, else with one that does, else say what is missing."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        # On Windows, the launcher knows where each version is; the others have it in their name.
        other = ["py", f"-3.{minor}"] if os.name == "nt" else [f"python3.{minor}"]
        if shutil.which(other[0]) and runs([*other, "-c", ""]):
            say(f"This is Python {platform.python_version()}; going on with {' '.join(other)}.")
            sys.exit(subprocess.call([*other, *sys.argv]))
    sys.exit(
        f"This is Python {platform.python_version()} ({sys.executable}). The course needs Python "
        f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}. Install one, then start "
        "this with it: PATH/TO/python tools/notebooks/install.py"
    )


def make_venv() -> None:
    """Create .venv, or make it anew when it no longer runs (the folder was moved, say)."""
    if PYTHON.exists() and runs([str(PYTHON), "-m", "pip", "--version"]):
        return
    say(f"Making {VENV} with Python {platform.python_version()}")
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(VENV)
    except subprocess.CalledProcessError:
        sys.exit(
            "This Python cannot make a virtual environment: its pip is missing. On Debian and "
            "Ubuntu: sudo apt install python3-venv"
        )


def install_cpu_torch(python: Path, index: str) -> None:
    """On Linux, take torch from PyTorch's CPU index where it answers: 200 MB and not several GB."""
    if not sys.platform.startswith("linux") or not index:
        return
    if runs([str(python), "-c", "import torch"]):
        return
    if not answers(f"{index}/torch/"):
        say("PyTorch's CPU index does not answer; taking torch from the default index.")
        return
    # --no-deps: that index holds old copies of other packages, which come from the default one
    options = ("--no-deps", "-c", "constraints.txt", "--index-url", index)
    if pip(python, "install", *options, "torch") != 0:
        say("PyTorch's CPU index did not give torch; taking it from the default index.")


def answers(url: str) -> bool:
    """Tell whether a web address answers within a few seconds, name look-up included."""
    reply = []

    def ask():
        try:
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as response:
                reply.append(response.status)
        except (OSError, ValueError):
            pass

    # a thread: the time-out of urlopen does not cover a name server that keeps silent
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return reply == [200]


def pip(python: Path, *arguments: str) -> int:
    """Run the pip of a Python; quiet when nobody watches."""
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments, *quiet]
    return subprocess.call(command, cwd=ROOT)


def runs(command: list) -> bool:
    """Tell whether a command can be started and ends well."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
