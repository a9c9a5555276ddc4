"""Compare two rendered courses: what the cells of each notebook show, before and after a change.

    python -m tools.notebooks.compare build/before build/course [GREY_LEVELS]

Both are made by tools.notebooks.run, on one machine with as many threads, or sums round otherwise.
Compared, by the cells' ids, are numbers, words, pictures and buffers in outputs and widgets, but no
time or memory: no number with such a unit ("2 s", "9 MB", "00:05", "3it/s"), nothing that is called
`seconds`, and no cell whose code says it.
"""

import base64
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

from tools.notebooks.pages import VIEW, widget_models

MEASURED = re.compile(r"\d[\d.,]*\s*(?:\w+/s|m?s|min|seconds?|minutes?|[kMG]i?B)\b|\d+:\d\d\b")
EMBEDDED = re.compile(r"data:image/\w+;base64,([\w+/=]+)")
HIDDEN = re.compile(r'(?s)<(style|script)\b.*?</\1>|<[^>]*?\balt="([^"]*)"[^>]*>|<[^>]*>')
TOKEN = re.compile(r"[-−+]?\d+(?:[.,]\d+)*|\w+")
Content = tuple[Counter[str], list[np.ndarray]]  # numbers and words, each counted; pictures


def contents(path: Path) -> dict[str, Content]:
    """Return what each cell of an executed notebook shows, by the cell's id; {} without a file."""
    notebook = nbformat.read(path, as_version=4) if path.is_file() else nbformat.v4.new_notebook()
    models, shown = widget_models(notebook), {}
    for cell in notebook.cells:
        tokens, pictures = shown[cell["id"]] = Counter(), []
        for item in _items(cell.get("outputs", []), models) if "seconds" not in cell.source else ():
            if isinstance(item, str):
                tokens.update(TOKEN.findall(MEASURED.sub(" ", unescape(HIDDEN.sub(r" \2 ", item)))))
            else:
                pictures.append(item)
    return shown


def _items(value: object, models: dict) -> Iterator[str | np.ndarray]:
    """Yield each text, number (as text), picture and buffer of an output and of its widgets."""
    if isinstance(value, dict):
        rich = sum("/" in key for key in value) > 1  # text/plain only stands in for the others
        for key, inner in value.items():
            if key == VIEW:
                yield from _items(f"IPY_MODEL_{inner['model_id']}", models)
            elif key.startswith("image/"):
                yield _array(inner)
            elif not ((rich and key == "text/plain") or key.startswith("_") or key == "seconds"):
                yield from _items(inner, models)
    elif isinstance(value, list):
        for inner in value:
            yield from _items(inner, models)
    elif isinstance(value, str) and value.startswith("IPY_MODEL_"):
        model = models[value.removeprefix("IPY_MODEL_")]
        if not model["model_name"].endswith(("LayoutModel", "StyleModel")):
            yield from _items(model["state"], models)
            yield from (_array(buffer["data"]) for buffer in model.get("buffers", ()))
    elif value is not None:
        text = f"{value:.6g}" if isinstance(value, int | float) else str(value)
        yield from map(_array, EMBEDDED.findall(text))
        yield EMBEDDED.sub(" ", text)


def _array(data: str) -> np.ndarray:
    """Decode a picture in base64; bytes that are no picture are compared as they are."""
    try:
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"), int)
    except OSError:
        return np.frombuffer(base64.b64decode(data), np.uint8).astype(int)


def differences(before: Content, after: Content, tolerance: int = 0) -> Iterator[str]:
    """Yield a line for each difference between two cells, whatever the order of their pictures."""
    gone, new = before[0] - after[0], after[0] - before[0]
    if gone or new:
        yield f"{' '.join(gone.elements()):.60} -> {' '.join(new.elements()):.60}"
    if len(before[1]) != len(after[1]):
        yield f"{len(before[1])} pictures -> {len(after[1])}"
    lost, fresh = (
        [p for p in some if not any(np.array_equal(p, q) for q in others)]
        for some, others in ((before[1], after[1]), (after[1], before[1]))
    )
    for a, b in zip(lost, fresh, strict=False):
        if (largest := abs(a - b).max() if a.shape == b.shape else np.inf) > tolerance:
            yield f"a picture differs: {largest}, {a.shape} -> {b.shape}"


def main() -> None:
    """Print a table of the notebooks, then the differences."""
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    folders, tolerance = [Path(folder) for folder in sys.argv[1:3]], int([*sys.argv, 0][3])
    names = sorted({path.name for folder in folders for path in folder.glob("*.ipynb")})
    wrong, nothing = [], (Counter(), [])
    print(f"{'notebook':36} {'numbers, words':>15} {'pictures':>9} {'differences':>12}")
    for name in names:
        before, after = (contents(folder / name) for folder in folders)
        lines = [
            f"{name} {id}: {line}"
            for id in dict.fromkeys([*before, *after])
            for line in differences(before.get(id, nothing), after.get(id, nothing), tolerance)
        ]
        tokens = sum(words.total() for words, _ in before.values())
        pictures = sum(len(images) for _, images in before.values())
        print(f"{name:36} {tokens:15} {pictures:9} {len(lines):12}")
        wrong += lines
    print(*wrong, sep="\n")
    sys.exit(1 if wrong or not names else 0)


if __name__ == "__main__":
    main()
