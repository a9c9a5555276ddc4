"""mssnet_edu: how AI restores photographs, and which of it is real.

>>> import mssnet_edu as me
>>> photo = me.samples.load("tesla_portrait")
>>> photo.shape
torch.Size([3, 452, 322])

Everything a notebook needs is reached from here; each part is imported when it is first used,
so that `import mssnet_edu` costs little more than nothing.
"""

from mssnet_edu.lazy import attach

__version__ = "0.1.0"

_MODULES = (
    "classical",
    "degrade",
    "diagnosis",
    "exercises",
    "exposure",
    "featsharp",
    "hallucination",
    "images",
    "marking",
    "metrics",
    "models",
    "mssnet",
    "reference_selection",
    "samples",
    "show",
    "zoom",
)
_FUNCTIONS = {
    "check": "exercises",
    "hint": "exercises",
    "keep": "learner",
    "kept": "learner",
    "progress": "exercises",
    "load_model": "models",
    "deblur": "restore",
    "diagnose": "diagnosis",
    "upscale": "restore",
}

__all__ = [*_MODULES, *_FUNCTIONS]  # pyright: ignore[reportUnsupportedDunderAll]: lazy names

__getattr__, __dir__ = attach(__name__, _MODULES, _FUNCTIONS)
