"""Photos as tensors: the one image convention, sRGB and linear light, and numpy arrays.

Everywhere in this project a *photo* is a torch float32 tensor of shape (3, H, W), or (N, 3, H, W)
for several photos of one size, with sRGB values in [0, 1].
"""

from __future__ import annotations

import os

import numpy as np
import torch
from PIL import Image

__all__ = [
    "PhotoError",
    "as_batch",
    "crop",
    "from_numpy",
    "like",
    "luma",
    "quantize",
    "to_linear",
    "to_numpy",
    "to_srgb",
]


class PhotoError(ValueError):
    """A photo that cannot be read, written or used; the message says what to do."""


def like(batch: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """Undo `as_batch`: the batch (N, 3, H, W) as one photo if `photo` is one, else as it is.

    >>> like(torch.rand(1, 3, 8, 9), torch.rand(3, 8, 9)).shape
    torch.Size([3, 8, 9])
    """
    return batch if photo.ndim == 4 else batch[0]


def as_batch(photo: torch.Tensor, name: str = "photo", min_px: int = 1) -> torch.Tensor:
    """Return a photo as a batch (N, 3, H, W), or say what is wrong with it.

    photo: (3, H, W) or (N, 3, H, W) float32, sRGB in [0, 1]; a grey one, (1, H, W), is seen as
    three equal channels. Overshoot down to -1 and up to 2 is let through, because networks and
    noise leave the range a little; more is a mistake of scale.
    name: what the message calls it; min_px: the shortest side allowed.
    Returns a view: no memory is copied. Raises PhotoError.

    >>> as_batch(torch.rand(3, 8, 9)).shape
    torch.Size([1, 3, 8, 9])
    >>> as_batch(torch.full((3, 8, 9), 255.0).tril())
    Traceback (most recent call last):
    mssnet_edu.images.arrays.PhotoError: photo holds values from 0 to 255; expected 0 to 1. ...
    """
    if not isinstance(photo, torch.Tensor):
        raise PhotoError(
            f"{name} is a {type(photo).__name__}; expected a torch tensor (3, H, W)."
            f"{_type_hint(photo, name)}"
        )
    shape = tuple(photo.shape)
    if photo.ndim not in {3, 4} or shape[-3] not in {1, 3} or 0 in shape:
        raise PhotoError(
            f"{name} has shape {shape}; expected (3, H, W) or (N, 3, H, W).{_shape_hint(photo)}"
        )
    if photo.dtype != torch.float32:
        fix = f"{name}.float()" if photo.dtype.is_floating_point else f"{name}.float() / 255"
        raise PhotoError(
            f"{name} has dtype {photo.dtype}; expected torch.float32 in [0, 1]. Write {fix}."
        )
    # aminmax passes NaN on, so one look at the pixels answers both questions.
    low, high = (float(v) for v in torch.aminmax(photo.detach()))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise PhotoError(
            f"{name} holds NaN or infinite values. Look for a division by zero or a broken network "
            "before this step."
        )
    if low < -1 or high > 2:
        fix = " Divide by 255." if low >= 0 and high <= 256 else " Scale it first."
        raise PhotoError(f"{name} holds values from {low:.3g} to {high:.3g}; expected 0 to 1.{fix}")
    height, width = shape[-2:]
    if min(height, width) < min_px:
        raise PhotoError(
            f"{name} is {width} x {height} px; at least {min_px} x {min_px} px are needed. "
            "Take a larger photo, or enlarge this one first."
        )
    batch = photo if photo.ndim == 4 else photo.unsqueeze(0)
    return batch.expand(-1, 3, -1, -1)


def _type_hint(value: object, name: str) -> str:
    if isinstance(value, str | os.PathLike):
        return " It is a file name: use me.images.load."
    if isinstance(value, np.ndarray):
        return " Use me.images.from_numpy."
    if isinstance(value, Image.Image):
        return " Use me.images.from_pillow."
    if isinstance(value, list | tuple):
        if value and all(isinstance(each, torch.Tensor) for each in value):
            return f" Take one, {name}[0], or put them together: torch.stack({name})."
        return (
            f" If it holds (3, H, W) numbers from 0 to 1: torch.tensor({name}); if the colours "
            f"come last: me.images.from_numpy(np.array({name}))."
        )
    return " me.images.load reads one from a file."


def _shape_hint(photo: torch.Tensor) -> str:
    if photo.ndim in {3, 4} and photo.shape[-1] in {3, 4} and photo.shape[-3] not in {1, 3}:
        return " Its channels are last: use me.images.from_numpy(photo.numpy())."
    if photo.ndim == 2:
        return " It is grey: write photo[None]."
    if photo.ndim in {3, 4} and photo.shape[-3] == 4:
        return " It has an alpha channel: drop it with photo[..., :3, :, :]."
    return ""


def crop(photo: torch.Tensor, box: tuple[int, int, int, int]) -> torch.Tensor:
    """Cut a rectangle out of a photo.

    photo: (..., H, W); box: (left, top, width, height) in whole pixels from the upper left corner.
    Returns (..., height, width), a copy. Raises PhotoError when the box leaves the photo.

    >>> crop(torch.rand(3, 20, 30), (5, 0, 10, 8)).shape
    torch.Size([3, 8, 10])
    """
    if len(box) != 4 or any(int(v) != v for v in box):
        raise PhotoError(f"box is {box}; expected four whole numbers (left, top, width, height).")
    left, top, width, height = (int(v) for v in box)
    full_height, full_width = photo.shape[-2:]
    fits = left >= 0 and top >= 0 and width > 0 and height > 0
    if not fits or left + width > full_width or top + height > full_height:
        raise PhotoError(
            f"box (left {left}, top {top}, width {width}, height {height}) does not lie inside the "
            f"photo of {full_width} x {full_height} px."
        )
    return photo[..., top : top + height, left : left + width].clone()


def quantize(photo: torch.Tensor, levels: int = 256) -> torch.Tensor:
    """Clamp to [0, 1] and round to so many levels: 256 as an 8-bit file keeps it. Any shape.

    >>> quantize(torch.tensor([0.5, 1.2])) * 255
    tensor([128., 255.])
    """
    return (photo.clamp(0, 1) * (levels - 1)).round() / (levels - 1)


def to_linear(photo: torch.Tensor) -> torch.Tensor:
    """Undo the sRGB curve: from stored values to amounts of light, which may be added and averaged.

    light = v / 12.92 below 0.04045, else ((v + 0.055) / 1.055) ** 2.4; any shape, [0, 1] to [0, 1].
    Source: IEC 61966-2-1.

    >>> to_linear(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2140, 1.0000])
    """
    # clamped inside the power, so that neither branch of `where` makes NaN or NaN gradients
    curve = ((photo.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(photo <= 0.04045, photo / 12.92, curve)


def to_srgb(light: torch.Tensor) -> torch.Tensor:
    """Apply the sRGB curve: from amounts of light to the values a file stores.

    v = 12.92 * light below 0.0031308, else 1.055 * light ** (1 / 2.4) - 0.055; the inverse of
    `to_linear`. Any shape, [0, 1] to [0, 1]. Source: IEC 61966-2-1.

    >>> to_srgb(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.7354, 1.0000])
    """
    curve = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)


def luma(photo: torch.Tensor) -> torch.Tensor:
    """The grey version of a photo: 0.2126 R + 0.7152 G + 0.0722 B of the stored values.

    (3, H, W) -> (1, H, W), (N, 3, H, W) -> (N, 1, H, W), [0, 1]. Weights of Rec. ITU-R BT.709,
    whose primaries sRGB shares.

    >>> luma(torch.ones(3, 2, 4)).shape
    torch.Size([1, 2, 4])
    """
    if photo.ndim not in {3, 4} or photo.shape[-3] != 3:
        raise PhotoError(
            f"photo has shape {tuple(photo.shape)}; expected (3, H, W) or (N, 3, H, W)"
        )
    weights = photo.new_tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)
    return (photo * weights).sum(-3, keepdim=True)


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """Turn an array with channels last into a photo.

    array: (H, W), (H, W, 1), (H, W, 3), (H, W, 4) or (N, H, W, 3 or 4); bool, uint8 (0 to 255),
    uint16 (0 to 65535) or float (0 to 1). A fourth channel is alpha: laid on white.
    Returns (3, H, W) or (N, 3, H, W) float32, sRGB in [0, 1], a copy. Raises PhotoError otherwise.

    >>> from_numpy(np.full((2, 4, 3), 255, np.uint8)).shape
    torch.Size([3, 2, 4])
    """
    if not isinstance(array, np.ndarray):
        raise PhotoError(f"from_numpy needs a numpy array, not {type(array).__name__}.")
    shape = tuple(array.shape)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim not in {3, 4} or array.shape[-1] not in {1, 3, 4} or 0 in shape:
        hint = ""
        if array.ndim == 3 and shape[0] == 3:
            hint = " This one has its channels first: use torch.from_numpy(array).float()."
        raise PhotoError(
            f"array has shape {shape}; expected (H, W), (H, W, 3) or (H, W, 4), channels last."
            + hint
        )
    white = {"b": 1, "u1": 255, "u2": 65535}.get(
        array.dtype.kind + (str(array.dtype.itemsize) if array.dtype.kind == "u" else "")
    )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise PhotoError("array holds NaN or infinite values; a photo needs numbers in [0, 1].")
        low, high = float(array.min()), float(array.max())
        if low < -1 or high > 2:
            raise PhotoError(
                f"array holds floats from {low:g} to {high:g}; expected 0 to 1. "
                "If they are 0 to 255, divide by 255 first."
            )
        white = 1
    elif white is None:
        raise PhotoError(
            f"array has dtype {array.dtype}; expected uint8 (0 to 255), uint16 or float (0 to 1)."
        )
    # in one step, so that no second copy of the photo is held as float32
    photo = torch.from_numpy(np.moveaxis(array, -1, -3).astype(np.float32, order="C"))
    if white != 1:
        photo /= white
    if photo.shape[-3] == 4:
        colour, alpha = photo.narrow(-3, 0, 3), photo.narrow(-3, 3, 1)
        photo = colour * alpha + (1 - alpha)
    if photo.shape[-3] == 1:
        photo = photo.repeat_interleave(3, dim=-3)
    return photo


def to_numpy(photo: torch.Tensor) -> np.ndarray:
    """Turn a photo into an array with channels last, as matplotlib and scikit-image want it.

    (3, H, W) -> (H, W, 3), (N, 3, H, W) -> (N, H, W, 3); float32, values unchanged, a copy.

    >>> to_numpy(torch.zeros(3, 2, 4)).shape
    (2, 4, 3)
    """
    batch = as_batch(photo).detach().movedim(1, -1).contiguous().cpu().numpy().copy()
    return batch[0] if photo.ndim == 3 else batch
