"""mssnet_edu: how AI restores photographs, and which of it is real.

>>> import mssnet_edu as me
>>> photo = me.samples.load("tesla_portrait")
>>> photo.shape
torch.Size([3, 452, 322])

Everything a notebook needs is reached from here; each part is imported when it is first used,
so that `import mssnet_edu` costs little more than nothing.
"""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "classical",
    "degrade",
    "exercises",
    "featsharp",
    "hallucination",
    "images",
    "metrics",
    "models",
    "mssnet",
    "restore",
    "samples",
    "show",
)
_FUNCTIONS = {
    "check": "exercises",
    "hint": "exercises",
    "load_model": "models",
    "deblur": "restore",
    "upscale": "restore",
}

__all__ = [*_MODULES, *_FUNCTIONS]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
