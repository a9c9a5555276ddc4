"""Everything the course shows: still figures, and pictures that can be handled.

Still: photos, zoom_in, spectrum, kernel, table, figure (with axes), workflow; beside joins them.
To handle: compare, compare_many, stage_player, sliders, similarity, dial, trust, guess_game,
scrubber, reference_game, zooms, vote, upload.
To keep: report, a page with all there is to know about one enlarged photo.
On overexposed film: mark_clipped, decisions.
Inside MSSNet: ablation_chart, receptive_fields, unshuffle; to handle: feature_viewer,
unshuffle_toy. Each returns an object that shows itself as the last line of a cell; all carry
alternative text.
"""

from mssnet_edu.lazy import attach

# No module bears the name of a function: importing it would hide the function.
_HOME = {
    "Figure": "look",
    "ablation_chart": "inside",
    "axes": "charts",
    "beside": "figures",
    "compare": "widgets.compare",
    "compare_many": "widgets.compare",
    "decisions": "film",
    "dial": "widgets.dial",
    "feature_viewer": "inside",
    "figure": "charts",
    "guess_game": "widgets.game",
    "heatmap": "colormaps",
    "kernel": "figures",
    "mark_clipped": "film",
    "mask_doubtful": "widgets.trust",
    "photos": "figures",
    "receptive_fields": "inside",
    "reference_game": "widgets.reference",
    "report": "report_page",
    "scrubber": "widgets.scrubber",
    "similarity": "widgets.similarity",
    "sliders": "widgets.sliders",
    "spectrum": "charts",
    "stage_player": "widgets.stages",
    "table": "figures",
    "trust": "widgets.trust",
    "upload": "widgets.upload",
    "unshuffle": "pixel_unshuffle",
    "unshuffle_toy": "pixel_unshuffle",
    "vote": "widgets.vote",
    "workflow": "diagram",
    "zoom_in": "figures",
    "zooms": "widgets.zooms",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]: lazy names

# on first use: a notebook without widgets need not load ipywidgets
__getattr__, __dir__ = attach(__name__, functions=_HOME)
