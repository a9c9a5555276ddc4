"""Run every notebook from a clean kernel, and leave the executed copies and pages in build/course.

    python -m tools.notebooks.run                     all notebooks
    python -m tools.notebooks.run notebooks/00*.ipynb some
    python -m tools.notebooks.run --strict            also fail beyond the limits

It fails when a cell fails, and when a widget's callback fails: Jupyter keeps such an error inside
the widget, where no tool looks. The pages need no network and no kernel: nothing in them is loaded
from elsewhere, and a widget stands there as the picture that it last showed.
"""

import argparse
import base64
import copy
import html
import mimetypes
import re
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import nbformat
import psutil
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

from mssnet_edu import files
from mssnet_edu.show.widgets.sliders import ERROR_MARK

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "course"

LIMIT_S = 60
LIMIT_MB = 1500
TOLERANCE = 1.5  # of the seconds, for --strict: a machine is rarely idle; memory gets none

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"

# The page without what nbconvert loads from the web: require.js, MathJax, Mermaid, widget manager.
OFFLINE_PAGE = """{% extends 'index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


class Run(NamedTuple):
    """What came of one notebook: the executed copy, what failed in it, and what it took."""

    path: Path
    notebook: nbformat.NotebookNode
    errors: list
    seconds: float
    cpu_s: float
    peak_mb: float


class Watch:
    """What the processes started by this one took together: the most memory in MB, and CPU seconds.

    On a busy machine, CPU seconds say more about a notebook than the clock: on two idle cores it
    takes between half as long and as long.
    """

    def __init__(self, every_s=0.1):
        self.every_s = every_s
        self.mb = 0.0
        self._cpu_s = {}

    def __enter__(self):
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._watch.join()

    @property
    def cpu_s(self):
        """CPU seconds, summed over all processes seen."""
        return sum(self._cpu_s.values())

    def _sample(self):
        parent = psutil.Process()
        while True:
            total = 0
            for process in parent.children(recursive=True):
                try:
                    total += process.memory_info().rss
                    times = process.cpu_times()
                    self._cpu_s[process.pid] = times.user + times.system
                except psutil.Error:  # it ended in between
                    continue
            self.mb = max(self.mb, total / 1e6)
            if self._stop.wait(self.every_s):
                return


def widget_models(notebook):
    """Return the saved widgets of an executed notebook: {id: model}."""
    return notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def hidden_errors(notebook):
    """Return the errors that widgets swallowed, each as one line of text.

    An error in a callback does not fail its cell. It lies in the outputs of an Output widget, or,
    for the course's own sliders, behind the words that mssnet_edu.show writes in its place.
    """
    found = []
    for model in widget_models(notebook).values():
        for output in model["state"].get("outputs") or ():
            if output.get("output_type") == "error":
                found.append(f"{output['ename']}: {output['evalue']}")
        found.extend(_marked(model["state"]))
    return found


def _marked(value):
    """Return the texts, anywhere in a widget's state, that report a failed callback."""
    if isinstance(value, str):
        found = re.search(rf'class="{ERROR_MARK}".*?>(.*)', value, re.DOTALL)
        return [re.sub(r"<.*?>|\s+", " ", found[1]).strip()] if found else []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _marked(item)]
    return []


def silent_pictures(notebook):
    """Return one line for every picture that an executed notebook shows without alternative text.

    A learner who cannot see hears these texts instead.
    """
    found = []
    for number, cell in enumerate(without_widgets(notebook).cells, 1):
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = "".join(data.get("text/html", ""))
            bare = any(kind.startswith("image/") for kind in data) and not text
            silent = [
                tag
                for tag in re.findall(r"<img\b[^>]*>", text)
                if not re.search(r'\salt="[^"]+"', tag)
            ]
            if bare or silent:
                found.append(f"cell {number} shows a picture without alternative text")
    return found


def execute(path):
    """Run one notebook in a kernel of its own, in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        store_widget_state=True,
        extra_arguments=["--log-level=ERROR"],  # the kernel's words, not the notebook's
        resources={"metadata": {"path": str(path.parent)}},
    )
    errors = []
    start = time.perf_counter()
    with Watch() as watch:
        try:
            client.execute()
        except CellExecutionError as error:
            errors.append(f"{error.ename}: {error.evalue}")
        except (CellTimeoutError, DeadKernelError) as error:
            errors.append(str(error).strip().splitlines()[0])
    seconds = time.perf_counter() - start
    errors += [f"in a widget: {text}" for text in hidden_errors(notebook)]
    errors += silent_pictures(notebook)
    return Run(path, notebook, errors, seconds, watch.cpu_s, watch.mb)


def without_widgets(notebook):
    """Return a copy with plain HTML for every widget: its own fallback, or a still of its state."""
    plain = copy.deepcopy(notebook)
    models = widget_models(plain)
    for cell in plain.cells:
        for output in cell.get("outputs", ()):
            view = output.get("data", {}).pop(VIEW, None)
            if view is not None and "text/html" not in output["data"]:
                output["data"]["text/html"] = still(view["model_id"], models)
    plain.metadata.pop("widgets", None)
    return plain


def still(model_id, models):
    """Draw a widget as it stood at the end of the run, as HTML that needs nothing to run."""
    model = models.get(model_id.removeprefix("IPY_MODEL_"))
    if model is None:
        return ""
    name, state = model["model_name"], model["state"]
    if state.get("children") is not None:
        return "\n".join(still(child, models) for child in state["children"])
    if name == "OutputModel":
        return "\n".join(_output_html(output, models) for output in state.get("outputs") or ())
    if name in ("HTMLModel", "HTMLMathModel"):
        return state.get("value") or ""
    if name == "LabelModel":
        return f"<p>{html.escape(state.get('value') or '')}</p>"
    if name == "ImageModel":
        data = next((b["data"] for b in model.get("buffers", ()) if b["path"] == ["value"]), "")
        kind, alt = state.get("format") or "png", html.escape(state.get("alt") or "")
        return f'<img src="data:image/{kind};base64,{data}" alt="{alt}">'
    if name == "ButtonModel" or state.get("description"):
        value = state.get("value")
        if "_options_labels" in state and state.get("index") is not None:
            value = state["_options_labels"][state["index"]]
        words = " ".join(str(v) for v in (state.get("description"), value) if v is not None)
        return f"<p>◦ {html.escape(words)}</p>"
    return ""


def _output_html(output, models):
    data = output.get("data", {})
    if "text/html" in data:
        return "".join(data["text/html"])
    if VIEW in data:
        return still(data[VIEW]["model_id"], models)
    if "image/png" in data:
        return f'<img src="data:image/png;base64,{"".join(data["image/png"])}" alt="">'
    text = output.get("text") or data.get("text/plain") or ""
    return f"<pre>{html.escape(''.join(text))}</pre>" if text else ""


def page(notebook, folder):
    """Return an executed notebook as one HTML page that loads nothing from elsewhere.

    folder: where the notebook lies, to find the pictures that its text shows.
    """
    # not embed_images: nbconvert then closes every <details> at once, and solutions lie open
    exporter = HTMLExporter(
        template_file="offline.html.j2",
        extra_loaders=[DictLoader({"offline.html.j2": OFFLINE_PAGE})],
    )
    resources = {"metadata": {"name": title_of(notebook)}}
    text = exporter.from_notebook_node(without_widgets(notebook), resources=resources)[0]
    text = re.sub(r'(<a [^>]*?href="(?!\w+:)[^"#]*?)\.ipynb(?=["#])', r"\1.html", text)

    def inline(match):
        file = folder / unquote(match[2])
        kind = mimetypes.guess_type(file.name)[0]
        return f"{match[1]}data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"

    return re.sub(r'(<img [^>]*?src=")(?!\w+:)([^"]+)', inline, text)


def title_of(notebook):
    """Return a notebook's first heading."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return "Untitled"


def index(runs):
    """Return the page that lists the notebooks that ran."""
    rows = "\n".join(
        f'<tr><td><a href="{run.path.stem}.html">{html.escape(title_of(run.notebook))}</a></td>'
        f"<td>{run.seconds:.0f}</td><td>{run.peak_mb:.0f}</td>"
        f"<td>{'as it should' if not run.errors else f'{len(run.errors)} errors'}</td></tr>"
        for run in runs
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mssnet_edu: the course, executed</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
  background: #f6f7f8; color: #17212b; }}
td, th {{ padding: .4rem 1rem .4rem 0; text-align: left; border-bottom: 1px solid #d3d9df; }}
a {{ color: #0b5fae; }}
</style></head><body>
<h1>mssnet_edu</h1>
<p>The notebooks of the course, each run from a clean kernel. Sliders stand still here; they move
in JupyterLab (<code>make lab</code>).</p>
<table><thead>
<tr><th>Notebook</th><th>Seconds</th><th>Peak memory, MB</th><th>It ran</th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


def main():
    """Run, write, print a table, and say with the exit status whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
    runs, over = [], []
    print(f"{'notebook':36} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}  result")
    for path in paths:
        run = execute(path.resolve())
        runs.append(run)
        files.write_text(OUT / path.name, nbformat.writes(run.notebook))
        files.write_text(OUT / f"{path.stem}.html", page(run.notebook, path.resolve().parent))
        result = "ok" if not run.errors else "; ".join(run.errors)
        numbers = f"{run.seconds:8.1f} {run.cpu_s:8.1f} {run.peak_mb:8.0f}"
        print(f"{path.stem:36} {numbers}  {result}", flush=True)
        if run.seconds > LIMIT_S * TOLERANCE:
            over.append(f"{path.stem}: {run.seconds:.0f} s; {LIMIT_S} s are allowed on idle cores")
        if run.peak_mb > LIMIT_MB:
            over.append(f"{path.stem}: {run.peak_mb:.0f} MB; {LIMIT_MB} MB are allowed")
    files.write_text(OUT / "index.html", index(runs))
    print(f"\nThe pages: {OUT / 'index.html'}")
    print(*over, sep="\n")
    if any(run.errors for run in runs) or (options.strict and over):
        sys.exit(1)


if __name__ == "__main__":
    main()
