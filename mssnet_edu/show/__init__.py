"""Everything the course shows: still figures, and pictures that can be handled.

Still: photos, zoom_in, spectrum, kernel, table, figure (with axes), workflow; beside joins them.
To handle: compare, compare_many, stage_player, sliders, similarity, dial, trust, guess_game.
To keep: report, a page with all there is to know about one enlarged photo.
Inside MSSNet: ablation_chart, receptive_fields, unshuffle; to handle: feature_viewer,
unshuffle_toy. Each returns an object that shows itself as the last line of a cell; all carry
alternative text.
"""

import importlib

_HOME = {
    "Figure": "look",
    "axes": "figures",
    "beside": "figures",
    "compare": "widgets.compare",
    "compare_many": "widgets.compare",
    "mask_doubtful": "widgets.trust",
    "zoom_in": "figures",
    "dial": "widgets.dial",
    "feature_viewer": "inside",
    "guess_game": "widgets.game",
    "heatmap": "widgets.similarity",
    "kernel": "figures",
    "ablation_chart": "inside",
    "photos": "figures",
    "figure": "figures",
    "receptive_fields": "inside",
    "report": "report_page",
    "similarity": "widgets.similarity",
    "sliders": "widgets.sliders",
    "spectrum": "figures",
    "stage_player": "widgets.stages",
    "table": "figures",
    "trust": "widgets.trust",
    "unshuffle": "inside",
    "unshuffle_toy": "inside",
    "workflow": "diagram",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    # on first use: a notebook without widgets need not load ipywidgets
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
