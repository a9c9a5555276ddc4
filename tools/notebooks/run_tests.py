"""Run the tests, group by group, with the network blocked, and count what ran.

    python -m tools.notebooks.run_tests                  all groups
    python -m tools.notebooks.run_tests unit doctest     some
    python -m tools.notebooks.run_tests --online unit    with the network as it is

The group "oldest" runs the tests of files and commands again, with the oldest libraries for
pictures that pyproject.toml allows (installed into build/oldest), and in the locale C.

It fails when a test fails and when a group ran no test. (Outside CI, a group may be skipped: the
browser tests need Chromium.) The last line is the sum of all groups.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tools.notebooks import offline

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "build" / "tests"

OLDEST = ROOT / "build" / "oldest"

# Two workers: two idle cores, and notebooks wait for their kernels half of the time.
GROUPS = {
    "unit": ["tests/unit", "-n", "2"],
    "oldest": [
        *(f"tests/unit/test_{name}.py" for name in ("decoding", "images", "files", "cli")),
        *("-n", "2"),
    ],
    "doctest": ["--doctest-modules", "mssnet_edu"],
    "notebooks": ["--nbmake", "--nbmake-kernel=python3", "notebooks", "tests/notebooks", "-n", "2"],
    "browser": ["tests/browser"],
}


class Count(NamedTuple):
    """How many tests passed, failed (or could not start) and were skipped."""

    passed: int
    failed: int
    skipped: int

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run_group(name: str, blocked: bool) -> tuple[Count, float]:
    """Run one group; return its Count and the seconds it took. blocked: without the network."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    if name == "oldest" and not install_oldest():
        return Count(0, 0, 1), 0
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "--durations=5"]
    command += [*GROUPS[name], "-p", "no:cacheprovider"]
    environment = dict(os.environ)
    if blocked:
        command, environment = offline.blocked(command)
    if "2" in GROUPS[name]:  # two workers with two threads each would only get in each other's way
        environment.setdefault("OMP_NUM_THREADS", "1")
    if name == "oldest":
        paths = [str(OLDEST), *filter(None, [environment.get("PYTHONPATH")])]
        environment |= {"PYTHONPATH": os.pathsep.join(paths), "LC_ALL": "C", "PYTHONUTF8": "0"}
    if name == "notebooks":
        environment["MSSNET_EDU_TRY_SLIDERS"] = "1"  # their sliders go to their ends, too
    start = time.perf_counter()
    code = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode
    count = read(report)
    if code not in (0, 5) and not count.failed:  # 5: pytest found no test, which main() reports
        count = count._replace(failed=1)  # pytest itself broke off
    return count, time.perf_counter() - start


def install_oldest() -> bool:
    """Install the oldest allowed libraries for pictures beside the others, unless they are there.

    Returns False, and says why, where that cannot be done: without a network, say.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [each for each in project["dependencies"] if each.startswith(("pillow", "pyvips"))]
    pins = [line.replace(">=", "==") for line in lines]
    stamp = OLDEST / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == " ".join(pins):
        return True
    shutil.rmtree(OLDEST, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    if subprocess.run([*command, f"--target={OLDEST}", *pins], check=False).returncode != 0:
        print(f"{' '.join(pins)} could not be installed; the reason is above.")
        return False
    stamp.write_text(" ".join(pins), encoding="utf-8")
    return True


def read(report: Path) -> Count:
    """Return the Count in a JUnit report; zeros if pytest wrote none."""
    if not report.exists():
        return Count(0, 0, 0)
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites for name in names)

    failed, skipped = total("failures", "errors"), total("skipped")
    return Count(max(total("tests") - failed - skipped, 0), failed, skipped)


def main() -> None:
    """Run the groups of the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--online", action="store_true", help="leave the network as it is")
    options = parser.parse_args()
    unknown = [name for name in options.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]!r}; there are {', '.join(GROUPS)}")
    REPORTS.mkdir(parents=True, exist_ok=True)
    total_file = REPORTS / "total.txt"  # for .ci/run, which ends with it
    total_file.unlink(missing_ok=True)

    counts, seconds = {}, {}
    for name in options.groups or GROUPS:
        print(f"\n=== {name} ===", flush=True)
        counts[name], seconds[name] = run_group(name, blocked=not options.online)

    print(f"\n{'group':12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for name, count in counts.items():
        print(f"{name:12} {count.passed:7} {count.failed:7} {count.skipped:8} {seconds[name]:8.0f}")
    empty = [name for name, count in counts.items() if not count.passed + count.failed]
    for name in empty:
        why = "all of them were skipped" if counts[name].skipped else "its files are missing"
        print(f"The group {name} ran no test: {why}.")
    if "CI" not in os.environ:  # a learner's machine may lack the browser
        empty = [name for name in empty if not counts[name].skipped]
    total = Count(*map(sum, zip(*counts.values(), strict=True)))
    total_file.write_text(f"{total}\n", encoding="utf-8")
    print(f"\n{total}", flush=True)
    sys.exit(1 if total.failed or empty else 0)


if __name__ == "__main__":
    main()
