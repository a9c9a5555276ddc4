"""deblur() and upscale() for a photo of any size. `inference` runs the networks over it."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

from torch import Tensor, nn

from mssnet_edu import degrade, images, operators, working_size
from mssnet_edu.degrade import arguments
from mssnet_edu.inference import Options, Progress, Rules, check_budget, check_size, rules_of, run

__all__ = ["CHAIN", "FACTORS", "PLAIN", "RECOMMENDED_UPSCALER", "deblur", "realistic", "upscale"]

RECOMMENDED_UPSCALER = "rrdn-x8"
CHAIN = ", then "  # between two networks
FACTORS = (2, 3, 4, 6, 8, 16)
PLAIN = ("bicubic", "nearest")  # enlarging without a network

_COPIES = 8  # of the answer that making it consistent holds at once


def deblur(
    photo: Tensor,
    model: str | Path | nn.Module = "mssnet-deblur",
    *,
    size: float | str | None = None,
    tile_px: int | None = None,
    progress: Progress = False,
    max_memory_mb: float = 1000,
    precision: str | None = None,
) -> Tensor:
    """Remove the blur of a photo with a network, at constant size unless asked otherwise.

    photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1], any H and W from the network's minimum up.
    model: a name from `me.models.names("deblur")`, the path of a checkpoint file of the MSSNet
    authors (.pt, .pth or .safetensors), or a network, which is left as it was.
    size: 1/2 or 1/4 reduces the photo first, for a long smear is short in a small photo; the answer
    is as small. "auto" takes the largest size at which the network mends the motion that is seen in
    the photo. 1 works at full size. So does None, and gives a warning, `SizeHint`, where a smaller
    size would do better (for networks whose card says which motions they mend).
    tile_px: side of a tile, None to let the memory decide (256 px for a network without a card).
    progress: True shows a bar; a function is called as progress(share, what), share from 0 to 1,
    before each tile and at the end, and an exception that it raises ends the work.
    max_memory_mb: what this call may use beside the photo itself; a larger photo is worked on in
    tiles. precision: "float32" or "bfloat16"; None takes bfloat16 where the
    processor multiplies it fast (see `mssnet_edu.precision`), and float32 for a network without a
    card.
    Returns the shape of the (reduced) photo, clamped to [0, 1]. Raises PhotoError (a ValueError)
    for a photo that is too small or too large, ValueError for another size and for a model that
    does not deblur.

    >>> import torch
    >>> class Half(torch.nn.Module):
    ...     def forward(self, photo):
    ...         return photo / 2
    >>> deblur(torch.ones(3, 40, 50), Half()).mean()
    tensor(0.5000)
    """
    batch = images.as_batch(photo)
    working_size.check_size(size)
    rules = rules_of(model, "deblur")
    check_size(batch, rules)
    options = Options(tile_px, progress, max_memory_mb, precision)
    if size == "auto" and not rules.mends_px:
        raise ValueError(
            f'nobody measured which motions {rules.name} mends, so size cannot be "auto". '
            "Choose 1, 1/2 or 1/4."
        )
    work_at = 1.0 if size in (None, "auto") else float(size)
    if size in (None, "auto") and rules.mends_px:
        advice = working_size.advise(batch, rules.mends_px, rules.min_px)
        if size == "auto":
            work_at = advice.size
        elif advice.size != 1:
            hint = working_size.hint(batch, advice)
            warnings.warn(hint, working_size.SizeHint, stacklevel=2)
    small = working_size.reduce(batch, work_at, rules.min_px)
    return images.like(run(small, rules, 1, 1, options), photo)


def upscale(
    photo: Tensor,
    factor: int = 8,
    model: str | nn.Module | None = None,
    *,
    invented: float | None = None,
    tile_px: int | None = None,
    progress: Progress = False,
    max_memory_mb: float = 1300,
    precision: str | None = None,
    seed: int = 0,
) -> Tensor:
    """Enlarge a photo with a network, or plainly with model="bicubic" or "nearest".

    photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1]. factor: 2, 3, 4, 6, 8 or 16.
    model: a name from `me.models.names("upscale")`, a network, or None for the course's
    recommendation, RECOMMENDED_UPSCALER. A network made for another factor is applied again and
    again until its answer is at least `factor` times larger, and that answer is reduced: by area
    averaging where the ratio is whole (4x, twice, halved: 8x), else by bicubic with anti-aliasing.
    "rrdn-x8, then realesrgan-x4" is two networks in turn: the first one's answer is reduced until
    the second, once more, brings it to `factor`.
    invented: None leaves the answer as the network gave it. From 0 to 1: how much of the network's
    detail is added to the smooth picture that follows from the photo. 0 is that smooth picture, 1
    the network's answer, and each of them made small agrees with the photo (it is back-projected,
    see `hallucination.back_project`). With it, None for the model is `realistic(factor)`.
    seed: for networks that draw one of many possible answers; the others ignore it. Each photo of a
    batch is drawn with the same seed. tile_px, progress, max_memory_mb, precision: as for `deblur`.
    Returns (3, factor H, factor W) or (N, ...), clamped to [0, 1]. Raises PhotoError (a ValueError)
    for a photo that is too small or too large, ValueError for a wrong factor, model or share.

    >>> import torch
    >>> upscale(torch.rand(3, 10, 12), 4, "bicubic").shape
    torch.Size([3, 40, 48])
    """
    batch = images.as_batch(photo)
    if isinstance(factor, bool) or factor not in FACTORS:
        known = ", ".join(map(str, FACTORS))
        raise ValueError(f"factor is {factor!r}; expected one of {known}.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed is {seed!r}; expected a whole number, such as 0.")
    factor = int(factor)
    options = Options(tile_px, progress, max_memory_mb, precision, seed)
    if invented is None:
        return images.like(_enlarged(batch, factor, model, options), photo)
    invented = arguments.number(invented, "invented", low=0, high=1)
    check_budget(batch, factor, options, _COPIES)
    # at 0 no network is asked: any picture of the right size will do
    model = (model or realistic(factor)) if invented else "nearest"
    answer = _enlarged(batch, factor, model, options)
    return images.like(operators.blend_invented(batch, answer, invented), photo)


def realistic(factor: int) -> str:
    """The model whose pictures look most like photographs, of those that `upscale` can use.

    >>> realistic(8)
    'rrdn-x8, then realesrgan-x4'
    """
    # at less than 8x, Real-ESRGAN by itself starts from more than half of the answer's pixels
    return "rrdn-x8, then realesrgan-x4" if factor >= 8 else "realesrgan-x4"


def _enlarged(
    batch: Tensor, factor: int, model: str | nn.Module | None, options: Options
) -> Tensor:
    """One of PLAIN, a network, or two in turn."""
    if isinstance(model, str) and model in PLAIN:
        check_budget(batch, factor, options)
        return degrade.enlarge(batch.detach(), factor, method=model)
    if not (isinstance(model, str) and CHAIN in model):
        rules = rules_of(model or RECOMMENDED_UPSCALER, "upscale")
        return _upscaled(batch, factor, rules, options)
    first, second = (rules_of(name, "upscale") for name in model.split(CHAIN, 1))
    last = max(second.factors)
    if factor % last or factor == last:
        raise ValueError(
            f"factor is {factor}; {model!r} ends with {last}x. Choose {2 * last} or another "
            f"multiple of {last}."
        )
    check_budget(batch, factor, options)
    answer = _upscaled(batch, factor, first, options)
    # bicubic: reduced by area, an answer that agrees with the photo would be the photo again
    size = [side * (factor // last) for side in batch.shape[-2:]]
    halfway = degrade.resample(answer, size, "bicubic").clamp(0, 1)
    return _upscaled(halfway, last, second, options)


def _upscaled(batch: Tensor, factor: int, rules: Rules, options: Options) -> Tensor:
    check_size(batch, rules)
    steps = _steps(factor, rules.factors)
    reduce = math.prod(steps) / factor  # 4x, twice, for 8x: 2
    # The last answer is reduced tile by tile as far as a whole number goes, so that the full
    # 16x picture on the way to 8x never lies in memory.
    shrink = max(d for d in range(1, steps[-1] + 1) if steps[-1] % d == 0 and d <= reduce)
    largest = math.prod(steps) // shrink
    check_budget(batch, largest, options)
    height, width = (side * factor for side in batch.shape[-2:])
    for number, step in enumerate(steps, start=1):
        label = f"{rules.name}, pass {number} of {len(steps)}" if len(steps) > 1 else rules.name
        last = number == len(steps)
        batch = run(batch, rules, step, shrink if last else 1, options, label)
    if batch.shape[-2:] != (height, width):
        batch = degrade.resample(batch, (height, width), "bicubic").clamp(0, 1)
    return batch


def _steps(factor: int, offered: tuple[int, ...]) -> list[int]:
    """Which of the network's own factors to apply one after another, to reach at least `factor`."""
    steps, reached = [], 1
    while reached < factor:
        enough = [f for f in offered if f * reached >= factor]
        steps.append(min(enough) if enough else max(offered))
        reached *= steps[-1]
    return steps
