"""What all figures of a page share."""

import re
from pathlib import Path

import mssnet_edu as me


def test_no_widget_restyles_what_all_figures_share():
    """All widgets of a page share their style sheets: a rule there must name a class of its own."""
    show = Path(me.__file__).parent / "show"
    shared = "".join((show / name).read_text("utf-8") for name in ("look.html.j2", "look.css"))
    common = set(re.findall(r"mss-[\w-]+", shared))
    for sheet in (show / "widgets").rglob("*.css"):
        rules = re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.S)
        for selector in re.findall(r"[^{},]+(?=[{,])", rules):
            named = re.findall(r"\.(mss-[\w-]+)", selector)
            assert not named or not set(named) <= common, f"{sheet.name}: {selector.strip()}"
