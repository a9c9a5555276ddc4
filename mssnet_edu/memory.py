"""Give freed memory back to the machine."""

import ctypes
import sys

__all__ = ["trim_heap"]


def trim_heap() -> None:
    """Return freed memory to the machine, where the C library keeps it for itself (Linux).

    Measured: 170 MB after one 384 x 384 px photo, and 390 MB after the gradients of a receptive
    field, on notebooks that have 1.5 GB in all.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
