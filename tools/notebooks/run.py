"""Run every notebook from a clean kernel, and leave the executed copies and pages in build/course.

    python -m tools.notebooks.run                     all notebooks
    python -m tools.notebooks.run notebooks/00*.ipynb some
    python -m tools.notebooks.run --strict            also fail beyond the limits

It fails when a cell fails, and when a widget's callback fails: Jupyter keeps such an error inside
the widget, where no tool looks. The pages need no network and no kernel.
"""

import argparse
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from mssnet_edu import files
from mssnet_edu.show.widgets.sliders import ERROR_MARK, STEPS, STEPS_MIME
from tools.notebooks import course_map, pages

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "course"

LIMIT_S = 60
LIMIT_MB = 1500
TOLERANCE = 1.5  # of the seconds, for --strict: a machine is rarely idle; memory gets none


class Run(NamedTuple):
    """What came of one notebook: the executed copy, what failed in it, and what it took."""

    path: Path
    notebook: NotebookNode
    errors: list[str]
    seconds: float
    cpu_s: float
    peak_mb: float


class ResourceMonitor:
    """What the processes started by this one take together: peak memory in MB, and CPU seconds.

    On a busy machine, CPU seconds say more about a notebook than the clock: on two idle cores it
    takes between half as long and as long.
    """

    def __init__(self, every_s: float = 0.1) -> None:
        self.peak_mb = 0.0
        self._every_s = every_s
        self._cpu_s = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "ResourceMonitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """CPU seconds, summed over all processes seen."""
        return sum(self._cpu_s.values())

    def _sample(self):
        parent, stopped = psutil.Process(), False
        while not stopped:
            memory = 0
            for process in parent.children(recursive=True):
                try:
                    memory += process.memory_info().rss
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                except psutil.Error:  # it ended in between
                    continue
            self.peak_mb = max(self.peak_mb, memory / 1e6)
            stopped = self._stop.wait(self._every_s)


def widget_errors(notebook: NotebookNode) -> list[str]:
    """Return the errors that widgets swallowed, each as one line of text.

    An error in a callback does not fail its cell. It lies in the outputs of an Output widget, or,
    for the course's own sliders, behind the words that mssnet_edu.show writes in its place.
    """
    errors = []
    for model in pages.widget_models(notebook).values():
        for output in model["state"].get("outputs") or ():
            if output.get("output_type") == "error":
                errors.append(f"{output['ename']}: {output['evalue']}")
        errors.extend(_reported_errors(model["state"]))
    for steps in steps_of(notebook):
        errors.extend(_reported_errors(steps["figures"]))
    return list(dict.fromkeys(errors))


def steps_of(notebook: NotebookNode) -> list[dict]:
    """Return what the sliders of an executed notebook computed for its page: see Sliders.steps."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [o.data[STEPS_MIME] for o in outputs if STEPS_MIME in o.get("data", {})]


def _reported_errors(value: object) -> list[str]:
    """Return the texts, anywhere in a widget's state, that report a failed callback."""
    if isinstance(value, str):
        report = re.search(rf'class="{ERROR_MARK}".*?>(.*)', value, re.DOTALL)
        return [re.sub(r"<.*?>|\s+", " ", report[1]).strip()] if report else []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _reported_errors(item)]
    return []


def pictures_without_alt(notebook: NotebookNode) -> list[str]:
    """Return one line for every cell that shows a picture without alternative text.

    A learner who cannot see hears these texts instead.
    """
    lines = []
    for number, cell in enumerate(pages.without_widgets(notebook).cells, 1):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = "".join(data.get("text/html", ""))
            bare = any(mime.startswith("image/") for mime in data) and not text
            images = re.findall(r"<img\b[^>]*>", text)
            if bare or not all(re.search(r'\salt="[^"]+"', image) for image in images):
                lines.append(f"cell {number} shows a picture without alternative text")
    return lines


def execute(path: Path) -> Run:
    """Run one notebook in a kernel of its own, in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []  # or those after a failing cell would stay
    client = NotebookClient(
        notebook,
        timeout=600,  # of one cell: the machine may do other things too
        kernel_name="python3",
        store_widget_state=True,
        extra_arguments=["--log-level=ERROR"],  # the kernel's words, not the notebook's
        resources={"metadata": {"path": str(path.parent)}},
    )
    errors = []
    start = time.perf_counter()
    with ResourceMonitor() as monitor:
        try:
            client.execute(env={**os.environ, STEPS: "1"})
        except CellExecutionError as error:
            errors.append(f"{error.ename}: {error.evalue}")
        except (CellTimeoutError, DeadKernelError) as error:
            errors.append(str(error).strip().splitlines()[0])
    seconds = time.perf_counter() - start
    seconds -= sum(steps["seconds"] for steps in steps_of(notebook))  # no learner waits for these
    errors += [f"in a widget: {text}" for text in widget_errors(notebook)]
    errors += pictures_without_alt(notebook)
    return Run(path, notebook, errors, seconds, monitor.cpu_s, monitor.peak_mb)


def main() -> None:
    """Run, write, print a table, and say with the exit status whether all went well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in notebooks/")
    parser.add_argument(
        "--strict",
        action="store_true",
        help=f"fail beyond {LIMIT_MB} MB or {LIMIT_S} s (times {TOLERANCE}: machines are shared)",
    )
    options = parser.parse_args()
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        sys.exit("There are no notebooks in notebooks/.")

    OUT.mkdir(parents=True, exist_ok=True)
    ran, failed, over = {}, False, []
    print(f"{'notebook':36} {'seconds':>8} {'CPU s':>8} {'peak MB':>8} {'page MB':>8}  result")
    for path in paths:
        run = execute(path.resolve())
        text = pages.page(run.notebook, run.path)
        files.write_text(OUT / path.name, nbformat.writes(run.notebook))
        files.write_text(OUT / f"{path.stem}.html", text)
        page_mb = len(text.encode()) / 1e6
        if page_mb > pages.MAX_MB:
            run.errors.append(f"its page has {page_mb:.1f} MB; {pages.MAX_MB} are allowed")
        numbers = f"{run.seconds:8.1f} {run.cpu_s:8.1f} {run.peak_mb:8.0f} {page_mb:8.1f}"
        print(f"{path.stem:36} {numbers}  {'; '.join(run.errors) or 'ok'}", flush=True)
        ran[path.stem] = {**run._asdict(), "title": pages.title_of(run.notebook)}
        failed |= bool(run.errors)
        if run.seconds > LIMIT_S * TOLERANCE:
            over.append(f"{path.stem}: {run.seconds:.0f} s; {LIMIT_S} s are allowed on idle cores")
        if run.peak_mb > LIMIT_MB:
            over.append(f"{path.stem}: {run.peak_mb:.0f} MB; {LIMIT_MB} MB are allowed")
    lessons = course_map.lessons(ROOT / "notebooks")
    there = {path.stem for path in OUT.glob("*.html")}
    files.write_text(OUT / "index.html", course_map.index_page(lessons, there, ran))
    print(f"\nThe pages: {OUT / 'index.html'}")
    print(*over, sep="\n")
    sys.exit(1 if failed or (options.strict and over) else 0)


if __name__ == "__main__":
    main()
