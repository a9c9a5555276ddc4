"""Names that are imported on first use, and what to say about a name that does not exist."""

import difflib
import importlib
from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["attach", "did_you_mean"]


def attach(
    package: str, modules: Collection[str] = (), functions: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package that imports its parts on first use.

    package: its `__name__`. modules: submodules by name. functions: other names, each with the
    submodule that holds it. A name that is neither raises AttributeError and suggests the nearest.

    >>> get, _ = attach("mssnet_edu", ["degrade"])
    >>> get("degrad")
    Traceback (most recent call last):
    AttributeError: module 'mssnet_edu' has no attribute 'degrad'. Did you mean 'degrade'?
    """
    functions = functions or {}
    known = [*modules, *functions]

    def get(name: str) -> object:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name in functions:
            return getattr(importlib.import_module(f"{package}.{functions[name]}"), name)
        hint = did_you_mean(name, known, count=1)
        message = f"module {package!r} has no attribute {name!r}"
        # name: or Python 3.12 sets it, finds the nearest name itself, and says all this twice
        raise AttributeError(message + (f".{hint}" if hint else ""), name=name)

    def names() -> list[str]:
        return sorted({*vars(importlib.import_module(package)), *known})

    return get, names


def did_you_mean(name: str, known: Iterable[str], count: int = 3) -> str:
    """A sentence, after a space, that suggests up to `count` similar names; "" if none is.

    >>> did_you_mean("rrdn", ["rrdn-x8", "vit-s14"])
    " Did you mean 'rrdn-x8'?"
    """
    near = difflib.get_close_matches(str(name), known, n=count, cutoff=0.4)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
