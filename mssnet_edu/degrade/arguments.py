"""Checks of arguments, shared by degrade, metrics and classical: one clear sentence each."""

import math
import numbers

import torch
from torch import Tensor

__all__ = ["choice", "generator", "kernel", "number", "path", "whole"]


def number(value: object, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """The value as a float, or an error that says which range was expected.

    >>> number(2, "radius_px", low=0)
    2.0
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}; expected a number.")
    value = float(value)
    if not math.isfinite(value) or not low <= value <= high:
        if math.isfinite(low) and math.isfinite(high):
            wanted = f"a number from {low:g} to {high:g}"
        elif math.isfinite(low):
            wanted = f"a number of {low:g} or more"
        else:
            wanted = "a finite number"
        raise ValueError(f"{name} is {value:g}; expected {wanted}.")
    return value


def whole(value: object, name: str, low: float, high: float = math.inf) -> int:
    """The value as an int, or an error that says which range was expected.

    >>> whole(8, "factor", low=1)
    8
    """
    whole_number = isinstance(value, numbers.Real) and math.isfinite(value) and value % 1 == 0
    if isinstance(value, bool) or not whole_number:
        raise TypeError(f"{name} is {value!r}; expected a whole number.")
    return int(number(value, name, low, high))


def choice(value: str, name: str, allowed: tuple[str, ...]) -> str:
    """The value itself if it is one of `allowed`.

    >>> choice("area", "method", ("area", "nearest"))
    'area'
    """
    if value not in allowed:
        names = ", ".join(repr(one) for one in allowed)
        raise ValueError(f"{name} is {value!r}; choose one of {names}.")
    return value


def generator(seed: int | torch.Generator) -> torch.Generator:
    """A random generator on the CPU: from a whole number, or the given generator itself.

    >>> bool((torch.rand(3, generator=generator(1)) == torch.rand(3, generator=generator(1))).all())
    True
    """
    if isinstance(seed, torch.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"seed is {seed!r}; expected a whole number or a torch.Generator.")
    return torch.Generator().manual_seed(int(seed))


def kernel(value: object) -> Tensor:
    """A blur kernel as a float32 tensor: (k, l), both odd, finite, with sum 1.

    >>> kernel([[0.25, 0.5, 0.25]]).shape
    torch.Size([1, 3])
    """
    try:
        value = torch.as_tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"kernel is a {type(value).__name__}; expected a (k, k) tensor.") from None
    if value.dim() != 2 or not all(side % 2 for side in value.shape):
        shape = " x ".join(str(side) for side in value.shape) or "a single number"
        raise ValueError(
            f"kernel is {shape}; expected two odd sides, such as 9 x 9: its middle "
            "pixel is where the light would have gone without blur."
        )
    if not torch.isfinite(value).all():
        raise ValueError("kernel holds NaN or infinity; expected finite numbers.")
    total = value.sum().item()
    if abs(total - 1) > 1e-3:
        raise ValueError(
            f"kernel sums to {total:.4g}; a blur neither adds nor loses light, so it "
            "must sum to 1. Divide it by its sum: kernel / kernel.sum()"
        )
    return value


def path(value: object, rotation: bool = True) -> Tensor:
    """A motion path as a float64 tensor: (T, 2), or (T, 3) or (T, 4) where a turn is allowed.

    >>> path([[0, 0], [0, 1.5]]).shape
    torch.Size([2, 2])
    """
    try:
        value = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"path_px is a {type(value).__name__}; expected a (T, 2) tensor.") from None
    if value.dim() != 2 or not len(value) or value.shape[1] not in (2, 3, 4):
        raise ValueError(
            f"path_px has the shape {tuple(value.shape)}; expected (T, 2): one row "
            "(dy, dx) per moment. motion_path() makes one."
        )
    if not torch.isfinite(value).all():
        raise ValueError("path_px holds NaN or infinity; expected offsets in pixels.")
    if value.shape[1] > 2 and not rotation:
        raise ValueError(
            "path_px turns the camera, so each place of the photo has a blur kernel "
            "of its own. Ask for the one at a place: "
            "kernel_from_path(path_at(path_px, point, size))"
        )
    return value
