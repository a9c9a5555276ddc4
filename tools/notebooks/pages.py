"""Turn executed notebooks into HTML pages that need no network and no kernel.

Nothing in a page is loaded from elsewhere, and a widget stands there as the picture that it last
showed.
"""

import base64
import copy
import html
import mimetypes
import re
from pathlib import Path
from urllib.parse import unquote

from jinja2 import DictLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"

# The page without what nbconvert loads from the web: require.js, MathJax, Mermaid, widget manager.
OFFLINE_PAGE = """{% extends 'index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
"""


def widget_models(notebook: NotebookNode) -> dict[str, dict]:
    """Return the saved widgets of an executed notebook: {id: model}."""
    return notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def without_widgets(notebook: NotebookNode) -> NotebookNode:
    """Return a copy with HTML for every widget: its own fallback, or its state at the end."""
    plain = copy.deepcopy(notebook)
    models = widget_models(plain)
    for cell in plain.cells:
        for output in cell.get("outputs", ()):
            view = output.get("data", {}).pop(VIEW, None)
            if view is not None and "text/html" not in output["data"]:
                output["data"]["text/html"] = widget_html(view["model_id"], models)
    plain.metadata.pop("widgets", None)
    return plain


def widget_html(model_id: str, models: dict[str, dict]) -> str:
    """Return a widget as it stood at the end of the run, as HTML that needs nothing to run."""
    model = models.get(model_id.removeprefix("IPY_MODEL_"))
    if model is None:
        return ""
    name, state = model["model_name"], model["state"]
    if state.get("children") is not None:
        return "\n".join(widget_html(child, models) for child in state["children"])
    if name == "OutputModel":
        return "\n".join(_output_html(output, models) for output in state.get("outputs") or ())
    if name in ("HTMLModel", "HTMLMathModel"):
        return state.get("value") or ""
    if name == "LabelModel":
        return f"<p>{html.escape(state.get('value') or '')}</p>"
    if name == "ImageModel":
        data = next((b["data"] for b in model.get("buffers", ()) if b["path"] == ["value"]), "")
        return _image(f"image/{state.get('format') or 'png'}", data, state.get("alt") or "")
    if name == "ButtonModel" or state.get("description"):
        value = state.get("value")
        if "_options_labels" in state and state.get("index") is not None:
            value = state["_options_labels"][state["index"]]
        words = " ".join(str(v) for v in (state.get("description"), value) if v is not None)
        return f"<p>◦ {html.escape(words)}</p>"
    return ""


def _output_html(output: dict, models: dict[str, dict]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        return "".join(data["text/html"])
    if VIEW in data:
        return widget_html(data[VIEW]["model_id"], models)
    if "image/png" in data:
        return _image("image/png", "".join(data["image/png"]))
    text = output.get("text") or data.get("text/plain") or ""
    return f"<pre>{html.escape(''.join(text))}</pre>" if text else ""


def _image(mime: str, base64_data: str, alt: str = "") -> str:
    return f'<img src="data:{mime};base64,{base64_data}" alt="{html.escape(alt)}">'


def page(notebook: NotebookNode, folder: Path) -> str:
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

    def embed(match: re.Match) -> str:
        file = folder / unquote(match[2])
        data = base64.b64encode(file.read_bytes()).decode()
        return f"{match[1]}data:{mimetypes.guess_type(file.name)[0]};base64,{data}"

    return re.sub(r'(<img [^>]*?src=")(?!\w+:)([^"]+)', embed, text)


def title_of(notebook: NotebookNode) -> str:
    """Return a notebook's first heading."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+?)\s*$", prose, re.MULTILINE)
    return heading[1] if heading else "Untitled"


def index(rows: list[str]) -> str:
    """Return the page that lists the notebooks that ran. rows: a <tr> for each."""
    body = "\n".join(rows)
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
{body}
</tbody></table></body></html>
"""
