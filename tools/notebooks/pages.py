"""Turn executed notebooks into HTML pages that need no network and no kernel.

    python -m tools.notebooks.pages build/course/00*.ipynb     writes their pages anew, beside them

Nothing in a page is loaded from elsewhere. The course's own widgets work: their state, scripts and
pictures stand in the page, and page/live.js gives each script the model that JupyterLab would. (The
usual manager of widgets, @jupyter-widgets/html-manager, is 3.6 MB of script, without anywidget's.)
Sliders that call Python step through figures computed during the run; any other widget stands there
as the picture that it last showed.
"""

import base64
import copy
import functools
import html
import io
import json
import mimetypes
import re
import sys
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from jinja2 import FileSystemLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from PIL import Image

from mssnet_edu import files
from mssnet_edu.show.widgets.shared import script, style
from mssnet_edu.show.widgets.sliders import STEPS_MIME
from tools.notebooks import course_map

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "page"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
PICTURE = re.compile(r"data:image/[a-z+]+;base64,[\w+/=]+")
MAX_MB = 8  # of a page


class LiveWidgets:
    """The widgets of a page, as live.js reads them; each script, style sheet and picture once."""

    def __init__(self, models: dict[str, dict]):
        self.models, self.modules, self.styles, self.used = models, [], [], {}
        self.pictures = set()

    def place(self, model_id: str, still: str) -> str:
        """Return the element in which a widget of the course comes to life, and keep its model."""
        model = self.models[model_id]
        state = {k: v for k, v in model["state"].items() if not k.startswith("_")}
        scripts = model["state"]["_esm"], model["state"]["_css"]
        return self._place(model_id, *scripts, state, model.get("buffers", ()), still)

    def place_steps(self, steps: dict[str, Any], still: str) -> str:
        """Return the element in which sliders step through stored figures."""
        name = f"steps-{len(self.used)}"
        return self._place(name, script("steps"), style("steps"), steps, (), still)

    def _place(self, name, module, css, state, buffers, still):
        if module not in self.modules:
            self.modules.append(module)
        if css not in self.styles:
            self.styles.append(css)
        self.used[name] = {
            "module": self.modules.index(module),
            "state": state,
            "buffers": {b["path"][0]: _deflate(b["data"]) for b in buffers},
        }
        self.pictures.update(PICTURE.findall(_json(state)))
        still = PICTURE.sub(lambda match: self.lossy(match[0]), still)  # seen without scripts only
        return f'<div data-widget="{html.escape(name)}">{still}</div>'

    def lossy(self, url: str) -> str:
        """Return a picture's data URL with less data, unless a widget shows its pixels, too."""
        return url if url in self.pictures else _smaller(url, lossy=True)

    def html(self, page: str) -> str:
        """Return the end of the page: all models and their pictures, and what wakes them.

        page: what stands before it. A picture in it is not stored again, but told by its number.
        """
        urls = {}  # a dict: in the order of their first use
        tags = enumerate(re.findall(r"<img\b[^>]*>", page))
        numbers = {url: i for i, tag in tags for url in PICTURE.findall(tag)}

        def number(match):
            return f"picture:{urls.setdefault(match[0], len(urls))};"

        models = PICTURE.sub(number, _json({"modules": self.modules, "models": self.used}))
        pictures = _json([numbers.get(url, url) for url in urls])
        return (
            f'<script type="application/json" id="pictures">{pictures}</script>\n'
            f'<script type="application/json" id="widgets">{models}</script>\n'
            f'<script type="module">{(HERE / "live.js").read_text(encoding="utf-8")}</script>\n'
        )


def _deflate(data):
    """Bytes in base64, compressed: the dial's numbers take two megabytes."""
    return base64.b64encode(zlib.compress(base64.b64decode(data), 9)).decode()


def _json(value):
    """JSON that may stand in a <script>: nothing in it can end the element."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def widget_models(notebook: NotebookNode) -> dict[str, dict]:
    """Return the saved widgets of an executed notebook: {id: model}."""
    return notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def without_widgets(notebook: NotebookNode, live: LiveWidgets | None = None) -> NotebookNode:
    """Return a copy with HTML for every widget: its own fallback, or its state at the end.

    live: where the widgets that work on a page are kept; their HTML is then an element for them.
    """
    plain = copy.deepcopy(notebook)
    models = widget_models(plain)
    for cell in plain.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            view, steps = data.pop(VIEW, None), data.pop(STEPS_MIME, None)
            if view is None:
                continue
            model_id = view["model_id"]
            if "text/html" not in data:
                data["text/html"] = widget_html(model_id, models)
            if live and steps:
                data["text/html"] = live.place_steps(steps, data["text/html"])
            elif live and models[model_id]["model_name"] == "AnyModel":
                data["text/html"] = live.place(model_id, data["text/html"])
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
        note = "Run this notebook to move it."
        return f'<p>◦ {html.escape(words)} <span class="still-note">{note}</span></p>'
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


def page(notebook: NotebookNode, path: Path) -> str:
    """Return an executed notebook as one HTML page that loads nothing from elsewhere.

    path: where the notebook lies; beside it are the pictures that its text shows, and the lessons
    before and after it.
    """
    # not embed_images: nbconvert then closes every <details> at once, and solutions lie open
    exporter = HTMLExporter(
        template_file="page.html.j2",
        extra_loaders=[FileSystemLoader(HERE)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    live = LiveWidgets(widget_models(notebook))
    plain = without_widgets(notebook, live)
    around = course_map.neighbours(path)
    css = "".join([(HERE / "page.css").read_text(encoding="utf-8"), *live.styles])
    variables = {"title": title_of(notebook), "css": css, "live": bool(live.used), **around}
    text = exporter.from_notebook_node(plain, resources={"page": variables})[0]
    text = re.sub(r'(<a [^>]*?href="(?!\w+:)[^"#]*?)\.ipynb(?=["#])', r"\1.html", text)

    def embed(match: re.Match) -> str:
        file = path.parent / unquote(match[2])
        data = base64.b64encode(file.read_bytes()).decode()
        return f"{match[1]}data:{mimetypes.guess_type(file.name)[0]};base64,{data}"

    def lighten(match: re.Match) -> str:
        """Store a picture with a loss where it is shown smaller than it is: no pixel is seen."""
        width = re.search(r'\swidth="(\d+)"', match[0])
        own_width = int.from_bytes(base64.b64decode(match[2][:32])[16:20])  # of every PNG's header
        if width is None or int(width[1]) >= own_width:
            return match[0]
        return match[0].replace(f"{match[1]}{match[2]}", live.lossy(f"{match[1]}{match[2]}"))

    text = re.sub(r'(<img [^>]*?src=")(?!\w+:)([^"]+)', embed, text)
    text = re.sub(r'<img [^>]*?src="(data:image/png;base64,)([^"]+)"[^>]*>', lighten, text)
    # not by the template: nbconvert parses what comes from there, which takes long
    head, end, tail = text.rpartition("</body>")
    text = f"{head}{live.html(head)}{end}{tail}"
    return PICTURE.sub(lambda match: _smaller(match[0]), text)


@functools.lru_cache(maxsize=256)
def _smaller(url: str, lossy: bool = False) -> str:
    """Return a PNG's data URL as that of a WebP, where that is shorter. Photos keep every pixel.

    lossy: no eye sees the loss, but the pixels are not quite the same. Only charts are transparent,
    and they may be stored so: in a page of drawn spectra, they are three quarters of it.
    """
    kind, data = url.split(",", 1)
    if kind != "data:image/png;base64":
        return url
    urls = [url]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        if picture.mode not in ("RGB", "RGBA"):
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        ways: list[dict[str, Any]] = [
            {"lossless": True, "exact": True, "quality": 40, "method": 3},
            *([{"quality": 90}] if lossy or picture.mode == "RGBA" else []),
        ]
        for way in ways:
            webp = io.BytesIO()
            picture.save(webp, "WEBP", **way)
            urls.append(f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode()}")
    return min(urls, key=len)


def title_of(notebook: NotebookNode) -> str:
    """Return a notebook's first heading."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+?)\s*$", prose, re.MULTILINE)
    return heading[1] if heading else "Untitled"


def main() -> None:
    """Write the pages of executed notebooks anew, beside them."""
    for path in map(Path, sys.argv[1:]):
        notebook = nbformat.read(path, as_version=4)
        text = page(notebook, ROOT / "notebooks" / path.name)
        files.write_text(path.with_suffix(".html"), text)
        print(f"{path.with_suffix('.html')}: {len(text.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
