"""Handles for a function: move a slider, and the figure that the function returns is shown anew."""

import html
import inspect
import os
import traceback

from mssnet_edu.show import look

__all__ = ["sliders"]

# tools/notebooks/run.py looks for this word in the state of executed widgets. An error in a
# callback fails no cell: without the mark nobody would ever hear of it.
ERROR_MARK = "mss-error"
TRY_ALL = "MSSNET_EDU_TRY_SLIDERS"


def sliders(function, alt=None, continuous_update=False, **ranges):
    """Put handles on a function: it is called anew after each move, and its figure is shown.

    function: called as function(**values); returns a figure of `me.show`, HTML or text.
    ranges, one for each argument: (low, high) or (low, high, step), numbers, give a slider; a list
    gives a choice, in which the entries may be (label, value); True or False gives a tick box; a
    ready-made ipywidgets widget is taken as it is. An argument's default in the function is where
    its handle starts; underscores in names become spaces, and _px, _deg, _db, _s become units.
    continuous_update: call while the handle still moves; only for quick functions.
    What fails at the start fails the cell; what fails later is shown in the figure's place.
    With the environment variable MSSNET_EDU_TRY_SLIDERS=1, as in the tests, the ends of each
    range are tried at once. Returns the widget. Raises ValueError for a range of another kind.

    >>> box = sliders(lambda length_px=3: f"<p>{length_px}</p>", length_px=(1, 9, 2))
    >>> box.view.value
    '<p>3</p>'
    """
    import ipywidgets

    starts = {
        name: p.default
        for name, p in inspect.signature(function).parameters.items()
        if p.default is not inspect.Parameter.empty
    }
    handles = {
        name: _handle(name, spec, starts.get(name), continuous_update)
        for name, spec in ranges.items()
    }
    # as wide as the longest name needs, so that the handles stand in a column
    longest = max((len(h.description) for h in handles.values()), default=0)
    for handle in handles.values():
        handle.style.description_width = f"{8 * longest + 12}px"

    class Handles(ipywidgets.VBox):
        """Handles above, figure below; `handles` by name, `view` shows the figure."""

        def _repr_mimebundle_(self, **kwargs):
            bundle = super()._repr_mimebundle_(**kwargs)
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            values = ", ".join(f"{_words(n)[0]} {_shown(h)}" for n, h in self.handles.items())
            note = (
                f"<p>Shown for: {look.escape(values)}. The handles need a running JupyterLab.</p>"
            )
            return {**data, "text/html": self.view.value + note}, metadata

    view = ipywidgets.HTML()

    def draw():
        drawn = _html(function(**{name: h.value for name, h in handles.items()}))
        # not the box's tooltip: JupyterLab then shows a JavaScript error in the widget's place
        around = f'<div role="group" aria-label="{look.escape(alt)}">' if alt else ""
        return f"{around}{drawn}</div>" if alt else drawn

    view.value = draw()
    box = Handles([*handles.values(), view])
    box.handles, box.view = handles, view

    def again(_change):
        try:
            view.value = draw()
        except Exception as error:
            view.value = _failure(error)

    if os.environ.get(TRY_ALL):
        _try_ends(function, handles)
    for handle in handles.values():
        handle.observe(again, names="value")
    return box


def _handle(name, spec, start, continuous_update):
    import ipywidgets

    words, unit = _words(name)
    common = {"description": f"{words} ({unit})" if unit else words}
    common["layout"] = {"width": "min(560px, 100%)"}
    if isinstance(spec, ipywidgets.Widget):
        return spec
    if isinstance(spec, bool):
        return ipywidgets.Checkbox(value=spec if start is None else start, **common)
    if isinstance(spec, list) and spec:
        options = [tuple(o) if isinstance(o, tuple | list) else (str(o), o) for o in spec]
        values = [value for _, value in options]
        value = start if start in values else values[0]
        return ipywidgets.Dropdown(options=options, value=value, **common)
    numbers = isinstance(spec, tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in spec
    )
    if not numbers or len(spec) not in (2, 3) or spec[0] >= spec[1]:
        raise ValueError(
            f"the range of {name} is {spec!r}; expected (low, high), (low, high, step), a list of "
            "choices, True or False"
        )
    low, high = spec[0], spec[1]
    whole = all(isinstance(v, int) for v in spec)
    step = spec[2] if len(spec) == 3 else 1 if whole else (high - low) / 100
    value = low if start is None else min(max(start, low), high)
    kind = ipywidgets.IntSlider if whole and isinstance(value, int) else ipywidgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, continuous_update=continuous_update, **common
    )


def _words(name):
    units = {"px": "px", "deg": "°", "db": "dB", "s": "s", "ev": "EV", "mb": "MB"}
    *first, last = name.split("_")
    if first and last in units:
        return " ".join(first), units[last]
    return name.replace("_", " "), ""


def _shown(handle):
    return getattr(handle, "label", None) or handle.value


def _html(result):
    if isinstance(result, look.Figure):
        return result.html
    if isinstance(result, str):
        return result
    if hasattr(result, "savefig"):  # first: matplotlib's figures have an empty _repr_html_
        raise TypeError(
            "the function returned a matplotlib figure; return me.show.figure(fig, alt=…)"
        )
    if hasattr(result, "_repr_html_"):
        return result._repr_html_()
    raise TypeError(
        f"the function returned a {type(result).__name__}; return a figure of me.show, or text"
    )


def _failure(error):
    lines = traceback.format_exception(error)
    return (
        f'<div class="{ERROR_MARK}" role="alert" style="background:{look.PAPER};color:{look.INK};'
        f'border-left:5px solid {look.INVENTED};padding:12px 16px;font:14px/1.45 {look.FONT}">'
        f"<b>{html.escape(type(error).__name__)}: {html.escape(str(error))}</b>"
        f"<pre style='color:inherit;background:none;font-size:12px;white-space:pre-wrap'>"
        f"{html.escape(''.join(lines[-3:]))}</pre></div>"
    )


def _try_ends(function, handles):
    """Call the function at both ends of each range and with each choice: no test drags them."""
    start = {name: handle.value for name, handle in handles.items()}
    for name, handle in handles.items():
        if hasattr(handle, "options"):
            # a widget of the caller's own may have plain options, without labels
            ends = [one[1] if isinstance(one, tuple) else one for one in handle.options]
        elif hasattr(handle, "min"):
            ends = [handle.min, handle.max]
        else:
            ends = [False, True] if isinstance(handle.value, bool) else []
        for value in ends:
            if value != start[name]:
                _html(function(**{**start, name: value}))
