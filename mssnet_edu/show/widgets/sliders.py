"""Call a function anew whenever a slider moves, and show the figure that it returns."""

import inspect
import itertools
import math
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets

from mssnet_edu.show import look
from mssnet_edu.show.widgets.shared import script

__all__ = ["Handles", "Sliders", "sliders"]

# tools/notebooks/run.py looks for this word in the state of executed widgets. An error in a
# callback fails no cell: without the mark nobody would ever hear of it.
ERROR_MARK = "mss-error"
TRY_ALL = "MSSNET_EDU_TRY_SLIDERS"
# `make course` sets it: its pages have no kernel, so the handles step through figures computed now.
STEPS = "MSSNET_EDU_STEPS"
STEPS_MIME = "application/vnd.mssnet-edu.steps+json"
MOST_STEPS, MOST_FIGURES = 8, 16  # of one handle; of all together
MOST_BYTES, MOST_CPU_S = 3_000_000, 6  # of all figures: fewer of heavy and of slow ones
UNITS = {"px": "px", "deg": "°", "db": "dB", "s": "s", "ev": "EV", "mb": "MB"}

html = look.macros("widgets/sliders")


class Handles(anywidget.AnyWidget):
    """Unseen in the box: keeps the keys of ipywidgets' handles from Jupyter, and names them."""

    _esm = script("handles")


class Sliders(ipywidgets.VBox):
    """What `sliders` returns: `controls`, by name, above; `view`, which shows the figure, below."""

    # Any: a control may be any widget that has a value
    def __init__(self, controls: dict[str, Any], draw: Callable[[dict[str, Any]], str]):
        self.controls, self.draw = controls, draw
        begun = time.process_time()
        self.view = ipywidgets.HTML(draw(self.values()))
        self._cpu_s = time.process_time() - begun  # of one figure
        super().__init__([*controls.values(), self.view, Handles()])

    def values(self) -> dict[str, Any]:
        """What the controls say now, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def steps(self) -> dict[str, Any]:
        """Figures for a few positions of the controls, computed now, for pages without a kernel.

        controls: of each its description, labels and kind, and the number of its start. figures:
        HTML. at: which figure belongs to the controls' numbers, "0,3". alone: there are too many
        combinations, so each control was moved while the others stood at their start. seconds: how
        long all of it took.
        """
        begun = time.perf_counter()
        positions, alone = self._positions()
        now = list(self.values().values())
        start = [
            [value for _, value in each].index(value)
            for each, value in zip(positions, now, strict=True)
        ]
        numbers = itertools.product(*(range(len(each)) for each in positions))
        figures, at = [], {}
        for chosen in numbers:
            if alone and sum(a != b for a, b in zip(chosen, start, strict=True)) > 1:
                continue
            values = [each[i][1] for each, i in zip(positions, chosen, strict=True)]
            try:
                figure = self.draw(dict(zip(self.controls, values, strict=True)))
            except Exception as error:
                figure = _error_html(error)
            if figure not in figures:
                figures.append(figure)
            at[",".join(map(str, chosen))] = figures.index(figure)
        controls = [
            {
                "description": control.description,
                "labels": [label for label, _ in each],
                "start": i,
                "ordered": hasattr(control, "min") or hasattr(control, "readout"),
            }
            for control, each, i in zip(self.controls.values(), positions, start, strict=True)
        ]
        return {
            "controls": controls,
            "figures": figures,
            "at": at,
            "alone": alone,
            "seconds": time.perf_counter() - begun,
        }

    def _positions(self):
        """As many positions of each control as a page can hold; whether each moves alone."""
        limits = MOST_BYTES / max(len(self.view.value), 1), MOST_CPU_S / max(self._cpu_s, 1e-3)
        limit = min(max(min(limits), 6), MOST_FIGURES)
        for alone in (False, True):
            for most in range(MOST_STEPS, 2, -1):
                positions = [_positions(control, most) for control in self.controls.values()]
                counts = [len(each) for each in positions]
                if (1 + sum(counts) - len(counts) if alone else math.prod(counts)) <= limit:
                    return positions, alone
        return positions, True

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        values = ", ".join(
            f"{_label(name)[0]} {getattr(control, 'label', None) or control.value}"
            for name, control in self.controls.items()
        )
        data = {**data, "text/html": f"{self.view.value}{html.fallback_note(values)}"}
        steps = {STEPS_MIME: self.steps()} if os.environ.get(STEPS) else {}
        return {**data, **steps}, metadata


def sliders(
    function: Callable,
    alt: str | None = None,
    continuous_update: bool = False,
    **ranges: tuple | list | bool | ipywidgets.Widget,
) -> Sliders:
    """Give a function sliders and lists: after each move it is called, and its figure is shown.

    function: called as function(**values); returns a figure of `me.show`, HTML or text.
    ranges, one for each argument: (low, high) or (low, high, step), numbers, give a slider; a list
    gives a choice, in which the entries may be (label, value); True or False gives a tick box; a
    ready-made ipywidgets widget is taken as it is. An argument's default in the function is where
    its control starts; underscores in names become spaces, and _px, _deg, _db, _s become units.
    continuous_update: call while the slider still moves; only for quick functions.
    What fails at the start fails the cell; what fails later is shown in the figure's place.
    With the environment variable MSSNET_EDU_TRY_SLIDERS=1, as in the tests, the ends of each
    range are tried at once. Returns the widget. Raises ValueError for a range of another kind.

    >>> box = sliders(lambda length_px=3: f"<p>{length_px}</p>", length_px=(1, 9, 2))
    >>> box.view.value
    '<p>3</p>'
    """
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    controls: dict[str, Any] = {
        name: _control(name, choices, defaults.get(name), continuous_update)
        for name, choices in ranges.items()
    }
    # as wide as the longest name needs, so that the controls stand in a column
    longest = max((len(control.description) for control in controls.values()), default=0)
    for control in controls.values():
        control.style.description_width = f"{8 * longest + 12}px"

    def draw(values):
        shown = _to_html(function(**values))
        # not the box's tooltip: JupyterLab then shows a JavaScript error in the widget's place
        return str(html.described(shown, alt)) if alt else shown

    box = Sliders(controls, draw)

    def update(_change):
        try:
            box.view.value = draw(box.values())
        except Exception as error:
            box.view.value = _error_html(error)

    if os.environ.get(TRY_ALL):
        _try_ends(box)
    for control in controls.values():
        control.observe(update, names="value")
    return box


def _control(name, choices, default, continuous_update):
    """The ipywidgets widget for an argument."""
    label, unit = _label(name)
    common = {"description": f"{label} ({unit})" if unit else label}
    common["layout"] = {"width": "min(560px, 100%)"}
    if isinstance(choices, ipywidgets.Widget):
        return choices
    if isinstance(choices, bool):
        return ipywidgets.Checkbox(value=choices if default is None else default, **common)
    if isinstance(choices, list) and choices:
        options = [tuple(o) if isinstance(o, tuple | list) else (str(o), o) for o in choices]
        values = [value for _, value in options]
        value = default if default in values else values[0]
        return ipywidgets.Dropdown(options=options, value=value, **common)
    numbers = isinstance(choices, tuple) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in choices
    )
    if not numbers or len(choices) not in (2, 3) or choices[0] >= choices[1]:
        raise ValueError(
            f"the range of {name} is {choices!r}; expected (low, high), (low, high, step), a list "
            "of choices, True or False"
        )
    low, high = choices[:2]
    whole = all(isinstance(v, int) for v in choices)
    step = choices[2] if len(choices) == 3 else 1 if whole else (high - low) / 100
    value = low if default is None else min(max(default, low), high)
    slider = ipywidgets.IntSlider if whole and isinstance(value, int) else ipywidgets.FloatSlider
    return slider(
        value=value, min=low, max=high, step=step, continuous_update=continuous_update, **common
    )


def _label(name):
    """("blur length", "px") for the name blur_length_px."""
    *words, last = name.split("_")
    if words and last in UNITS:
        return " ".join(words), UNITS[last]
    return name.replace("_", " "), ""


def _to_html(result):
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


def _error_html(error):
    trace = "".join(traceback.format_exception(error)[-3:])
    return str(html.error(ERROR_MARK, type(error).__name__, str(error), trace))


def _positions(control, most):
    """[(label, value)]: all of a list or tick box; of a slider up to `most`, evenly apart.

    A slider's ends are among them, and its value now.
    """
    if hasattr(control, "options"):
        # a widget of the caller's own may have plain options, without labels
        return [o if isinstance(o, tuple) else (str(o), o) for o in control.options]
    if not hasattr(control, "min"):
        values = [False, True] if isinstance(control.value, bool) else [control.value]
        return [(str(value), value) for value in values]
    last = max(1, round((control.max - control.min) / (getattr(control, "step", None) or 1)))
    here = round(last * (control.value - control.min) / (control.max - control.min))
    count = min(most, last + 1)
    chosen = {round(i * last / (count - 1)) for i in range(count)}
    inner = chosen - {0, last}
    if here not in chosen and inner:  # it takes its nearest neighbour's place; the ends stay
        chosen.remove(min(inner, key=lambda i: abs(i - here)))
    values = {
        i: control.min + (control.max - control.min) * i / last for i in sorted(chosen | {here})
    }
    values |= {0: control.min, last: control.max, here: control.value}
    kind = type(control.value)
    return [(f"{value:.6g}".replace("-", "−"), kind(round(value, 9))) for value in values.values()]


def _try_ends(box):
    """Call the function at both ends of each range and with each choice: no test drags them."""
    start = box.values()
    for name, control in box.controls.items():
        for _, value in _positions(control, 2):
            if value != start[name]:
                box.draw({**start, name: value})
