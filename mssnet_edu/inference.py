"""One pass of a network over a photo of any size: pad, cut into tiles, run, blend, put together.

How tiles lie is in `tiling`. How large they may be follows from the memory that a network needs,
which its card knows (`ModelInfo.bytes_per_px`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mssnet_edu import images
from mssnet_edu.memory import trim_heap
from mssnet_edu.models import load_model
from mssnet_edu.precision import autocast, choose_precision
from mssnet_edu.tiling import Tile, Tiling, blend, pad, padded_size, round_up

__all__ = ["Options", "Progress", "Rules", "check_budget", "check_size", "rules_of", "run"]

Progress = bool | Callable[[float, str], None]

_RAMP_PX = 16  # how wide two tiles are blended, in pixels of the answer (at least 4 of the photo)
_UNKNOWN_TILE_PX = 256  # for a network whose memory nobody measured
_UNKNOWN_HALO_PX = 32
_UNKNOWN_RIM_PX = 8
_SPARE = 1.3  # memory in use over counted memory, where nobody measured it, and in bfloat16
_COPIES_BYTES = 24  # per pixel of the answer: it is clamped and blended, two copies of three floats
_MB = 1_000_000


@dataclass(frozen=True)
class Rules:
    """What a network declares about itself, with safe guesses for one that declares nothing."""

    network: nn.Module
    name: str
    factors: tuple[int, ...]
    multiple_of: int = 1
    min_px: int = 1
    halo_px: int = _UNKNOWN_HALO_PX
    rim_px: int = _UNKNOWN_RIM_PX
    bytes_per_px: float = 0
    spare: float = _SPARE
    mends_px: tuple[float, ...] = ()
    has_card: bool = False
    takes_factor: bool = False
    takes_seed: bool = False


@dataclass(frozen=True)
class Options:
    """How to run it: what `restore.upscale` and `restore.deblur` document under these names."""

    tile_px: int | None
    progress: Progress
    max_memory_mb: float
    precision: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.max_memory_mb > 0:
            raise ValueError(f"max_memory_mb is {self.max_memory_mb!r}; expected a number above 0.")
        choose_precision(self.precision)  # a wrong one is said before any work


def rules_of(model: str | Path | nn.Module, task: str) -> Rules:
    """What a network declares: one of the catalogue, of a file, or a learner's own.

    Raises ValueError for a network for another task.

    >>> rules_of("rrdn-x8", "upscale").factors
    (8,)
    """
    if isinstance(model, str | Path):
        model = load_model(model)
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a name, such as those listed by "
            f'me.models.names("{task}"), or a torch network.'
        )
    info = getattr(model, "info", None)
    if info is None:  # a learner's own network
        factor = 1 if task == "deblur" else _native_factor(model)
        return Rules(model, type(model).__name__, (factor,))
    if info.task != task:
        verb = "deblur" if task == "deblur" else "enlarge"
        raise ValueError(
            f"{info.name!r} is a network for the task {info.task!r}; it does not {verb}. "
            f'List those that do with me.models.names("{task}").'
        )
    offered = tuple(sorted(info.config.get("factors") or ()))
    return Rules(
        model,
        info.name,
        offered or (info.factor,),
        info.multiple_of,
        info.min_px,
        info.halo_px,
        info.rim_px,
        info.bytes_per_px,
        info.spare or _SPARE,
        info.mends_px,
        has_card=True,
        takes_factor=bool(offered),
        takes_seed=bool(info.config.get("takes_seed")),
    )


def _native_factor(network: nn.Module) -> int:
    with torch.inference_mode(), _eval_mode(network) as device:
        large = network(torch.zeros(1, 3, 32, 32, device=device)).shape[-1]
    if large % 32 or large < 64:
        raise ValueError(
            f"{type(network).__name__} turns 32 px into {large} px; a network that enlarges by a "
            "whole number was expected."
        )
    return large // 32


@contextlib.contextmanager
def _eval_mode(network: nn.Module) -> Iterator[torch.device]:
    """Let a network answer as it does after training; leave it as it was. Yields its device."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()  # or dropout would stay on, and each tile would change what BatchNorm knows
    try:
        yield next((p.device for p in network.parameters()), torch.device("cpu"))
    finally:
        for part, mode in modes:
            part.training = mode


@contextlib.contextmanager
def _channels_last(network: nn.Module) -> Iterator[None]:
    """Lay the weights out as a CPU's convolutions read them quickest; afterwards as before.

    One by one, so that no second copy of them all lies in memory.
    """
    strides = [(p, p.stride()) for p in network.parameters() if p.ndim == 4]
    # a learner may be inside inference_mode, whose tensors would never take gradients again
    try:
        with torch.inference_mode(False):
            for parameter, _ in strides:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        yield
    finally:
        with torch.inference_mode(False):
            for parameter, stride in strides:
                weight = parameter.data
                if weight.stride() != stride:
                    parameter.data = weight.new_empty_strided(weight.shape, stride).copy_(weight)


def check_size(batch: Tensor, rules: Rules) -> None:
    """Raise PhotoError for photos (N, 3, H, W) that are too small for the network."""
    height, width = batch.shape[-2:]
    if min(height, width) < rules.min_px:
        advice = (
            "Upscale it first: me.upscale(photo, 4)."
            if max(rules.factors) == 1
            else ('Enlarge it plainly first: me.upscale(photo, 4, "bicubic").')
        )
        raise images.PhotoError(
            f"photo is {width} x {height} px; {rules.name} needs at least {rules.min_px} x "
            f"{rules.min_px}. {advice}"
        )


# ------------------------------------------------------------------------------------- memory


def check_budget(batch: Tensor, factor: int, options: Options, copies: int = 1) -> None:
    """Refuse an answer of which so many copies do not fit, before minutes are spent on it."""
    count, _, height, width = batch.shape
    need = copies * _answer_mb(batch, factor)
    if need > options.max_memory_mb:
        raise images.PhotoError(
            f"{factor}x of {count} photo(s) of {width} x {height} px are {width * factor} x "
            f"{height * factor} px each, {need:.0f} MB, more than max_memory_mb="
            f"{options.max_memory_mb:g}. Choose a smaller factor, cut a part out with "
            f"me.images.crop, or pass max_memory_mb={round_up(2 * need, 100)} if you have the "
            "memory."
        )


def _answer_mb(batch: Tensor, factor: int) -> float:
    return batch.numel() * factor**2 * 4 / _MB


def _tiles(
    batch: Tensor,
    size: tuple[int, int],
    rules: Rules,
    factor: int,
    shrink: int,
    options: Options,
    precision: str,
) -> list[list[Tile]]:
    """Where to cut the rows and the columns of a batch's photos, padded to this size."""
    ramp_px = max(_RAMP_PX // factor, 4)
    tiling = Tiling(rules.halo_px, ramp_px, rules.multiple_of, rules.min_px)
    smallest = tiling.smallest_px
    if options.tile_px is not None:
        if isinstance(options.tile_px, bool) or not isinstance(options.tile_px, int):
            raise ValueError(f"tile_px is {options.tile_px!r}; expected a whole number of pixels.")
        if options.tile_px < min(smallest, max(batch.shape[-2:])):
            raise ValueError(
                f"tile_px is {options.tile_px}; {rules.name} needs tiles of at least {smallest} "
                f"px, because each pixel's answer depends on {rules.halo_px} px around it."
            )
        tile_px = round_up(options.tile_px, rules.multiple_of)
        # a photo that fits into a tile is not cut for the sake of its mirrored rim
        sides = [max(size) if side <= tile_px else tile_px for side in batch.shape[-2:]]
    elif not rules.bytes_per_px:
        sides = [max(round_up(_UNKNOWN_TILE_PX, rules.multiple_of), smallest)] * 2
    else:
        whole_mb = _answer_mb(batch, factor // shrink) + 3 * 4 * math.prod(size) / _MB  # and padded
        spare = rules.spare if precision == "float32" else _SPARE
        per_px = (spare * rules.bytes_per_px + _COPIES_BYTES) * factor**2
        sides = tiling.choose(size, (options.max_memory_mb - whole_mb) * _MB / per_px)
        if sides is None:
            least = min(size[0], smallest) * min(size[1], smallest)
            need = round_up(whole_mb + least * per_px / _MB, 100)
            raise images.PhotoError(
                f"{rules.name} needs about {need} MB for this photo, even in its smallest tiles; "
                f"max_memory_mb is {options.max_memory_mb:g}. Pass max_memory_mb={need} if you "
                "have the memory, or cut a part out with me.images.crop."
            )
    return [tiling.cut(length, side) for length, side in zip(size, sides, strict=True)]


# ------------------------------------------------------------------------------------ one pass


def run(
    batch: Tensor,
    rules: Rules,
    factor: int,
    shrink: int,
    options: Options,
    label: str | None = None,
) -> Tensor:
    """Run one pass: `factor` times larger, then reduced `shrink` times by area averaging.

    batch: (N, 3, H, W) in [0, 1] -> (N, 3, H * factor // shrink, W * factor // shrink) in [0, 1].
    """
    count, _, height, width = batch.shape
    scale = factor // shrink
    size = padded_size((height, width), rules.multiple_of, rules.rim_px)
    network = rules.network
    # Not inside inference_mode: its tensors may not be changed by the learner afterwards.
    answer = torch.zeros(count, 3, height * scale, width * scale)
    with torch.inference_mode(), _channels_last(network), _eval_mode(network) as device:
        # what bfloat16 does was measured for networks with a card, on processors
        by_default = None if rules.has_card and device.type == "cpu" else "float32"
        precision = choose_precision(options.precision or by_default)
        rows, columns = _tiles(batch, size, rules, factor, shrink, options, precision)
        jobs = [(n, row, column) for n in range(count) for row in rows for column in columns]
        padded, noise = batch, None  # of the photo of the batch that is worked on
        for n, row, column in _progress(jobs, options.progress, label or rules.name):
            if (row, column) == (rows[0], columns[0]):
                photo = batch[n : n + 1].clamp(0, 1)
                padded = pad(photo, size, rules.rim_px)
                noise = _noise(photo, size, rules, factor, options.seed)
            tile = padded[..., row.start : row.end, column.start : column.end]
            tile = tile.to(device).contiguous(memory_format=torch.channels_last)
            extra: dict[str, Any] = {"factor": factor} if rules.takes_factor else {}
            if noise is not None:
                k = noise.shape[-1] // size[1]  # a network may want it at the answer's size
                part = slice(row.start * k, row.end * k), slice(column.start * k, column.end * k)
                extra["noise"] = noise[(..., *part)].to(device)
            elif rules.takes_seed:
                # The first tile, which may be the whole photo, has the seed itself: an answer in
                # one tile is what the network alone would give. 10,007 is prime: seeds 0, 1, 2
                # share no tile seed.
                extra["seed"] = options.seed + 10_007 * (row.index * len(columns) + column.index)
            with autocast(precision, device):
                result = network(tile, **extra)
            expected = (1, 3, tile.shape[-2] * factor, tile.shape[-1] * factor)
            if tuple(result.shape) != expected:
                raise ValueError(
                    f"{rules.name} gave shape {tuple(result.shape)}; expected {expected}."
                )
            result = result.float().clamp(0, 1)  # as seen, before it is averaged or blended
            if shrink > 1:
                result = F.avg_pool2d(result, shrink)
            result = result.to(answer.device)
            blend(answer[n : n + 1], result, row, column, scale, rules.rim_px)
    trim_heap()
    return answer.clamp_(0, 1).to(batch.device)  # blending may round to 1 + 1e-7


def _progress(jobs: list, progress: Progress, label: str) -> Iterator:
    if callable(progress):
        for number, job in enumerate(jobs):
            progress(number / len(jobs), label)
            yield job
        progress(1.0, label)
    elif progress:
        from tqdm.auto import tqdm

        yield from tqdm(jobs, desc=label, unit="tile")
    else:
        yield from jobs


def _noise(
    photo: Tensor, size: tuple[int, int], rules: Rules, factor: int, seed: int
) -> Tensor | None:
    """Random numbers for the whole photo at once, from a network that can draw them beforehand.

    Two tiles must see the same random numbers where they overlap, or two different inventions
    would be blended into a blur. So a network may offer `draw_noise(shape, factor, seed)`: noise
    for a photo of that shape, (N, C, k H, k W) with a whole k. It is mirrored as the photo is, and
    each tile is given its part, as `noise=`. Without it, each tile has a seed of its own:
    repeatable, but the ramps between tiles are softer than the rest.
    """
    draw_noise = getattr(rules.network, "draw_noise", None)
    if draw_noise is None or not rules.takes_seed:
        return None
    noise = draw_noise(tuple(photo.shape), factor=factor, seed=seed)
    k = noise.shape[-1] // photo.shape[-1]
    return pad(noise, (size[0] * k, size[1] * k), rules.rim_px * k)
