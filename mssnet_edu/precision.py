"""In which precision networks run: bfloat16 where the processor multiplies it fast, else float32.

A bfloat16 number is a float32 without its last 16 bits: the same range, two to three digits.
Processors with instructions for it multiply two to four times as many a second. `me.deblur` and
`me.upscale` use it for convolutions; a restored photo then agrees with float32's to 48 dB and more
(a test, on small photos; `mssnet-x8-realism` may fall to 46). `maxim-gopro` agrees to 50 dB where
it mends a photo; where the blur is beyond it, or there is none, small causes have large effects,
and the two agree to 34 dB only: neither is right there. What judges (metrics, features,
classifiers), sums with the photo, back-projection, and a network that is called by hand stay in
float32.
"""

import contextlib
import functools
import os
import subprocess
import sys

import torch

__all__ = ["PRECISIONS", "VARIABLE", "autocast", "choose_precision", "has_fast_bfloat16"]

PRECISIONS = ("float32", "bfloat16")
VARIABLE = "MSSNET_EDU_PRECISION"  # overrules what the processor's flags say


@functools.cache
def has_fast_bfloat16() -> bool:
    """Whether this processor has instructions that multiply bfloat16 (AVX512-BF16, AMX, ARM BF16).

    By its flags: a measurement would choose otherwise on a busy day, and answers would differ.
    """
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if any(getattr(torch.cpu, flag, bool)() for flag in flags):
        return True
    if sys.platform == "darwin":
        query = ["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]
        return subprocess.run(query, capture_output=True, text=True).stdout.strip() == "1"
    return False


def choose_precision(precision: str | None = None) -> str:
    """Return "float32" or "bfloat16": what was asked for, else the variable's, else the fast one.

    precision: one of the two, or None. Raises ValueError for anything else.

    >>> choose_precision("float32")
    'float32'
    """
    asked = precision or os.environ.get(VARIABLE) or ("float32", "bfloat16")[has_fast_bfloat16()]
    if asked not in PRECISIONS:
        where = "precision" if precision else f"the variable {VARIABLE}"
        raise ValueError(f"{where} is {asked!r}; expected 'float32' or 'bfloat16'.")
    return asked


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """A context in which convolutions on this device run in `precision`, one of PRECISIONS."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
