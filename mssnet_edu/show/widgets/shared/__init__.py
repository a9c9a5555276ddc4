"""What all widgets share: how their scripts and style sheets are found, and a still picture."""

from pathlib import Path

import anywidget

from mssnet_edu.show import look

__all__ = ["StaticFallback", "script", "style"]

_WIDGETS = Path(__file__).parents[1]


def script(name: str) -> str:
    """The JavaScript of a widget, after the functions that all of them use."""
    files = (_WIDGETS / "shared" / "dom.js", _WIDGETS / name / f"{name}.js")
    return "".join(file.read_text(encoding="utf-8") for file in files)


def style(name: str) -> str:
    """The style sheet of a widget, after those of all figures and of all widgets."""
    return look.css("look", "widgets/shared/controls", f"widgets/{name}/{name}")


class StaticFallback(anywidget.AnyWidget):
    """A widget that also carries a still picture of itself, for pages where no widget can run."""

    def still(self) -> look.Figure:
        """What the widget shows, as plain HTML."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        # anywidget gives (data, metadata), its older versions the data alone
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        still = self.still()
        return {**data, "text/html": still.html, "text/plain": repr(still)}, metadata
