"""deblur() and upscale() for a photo of any size: pad, cut into tiles, run, blend, put together.

A network that sees a whole large photo needs gigabytes. So a large photo is cut into overlapping
tiles, each a little larger than the part of its answer that is kept: a pixel's answer depends on
its surroundings only as far as the network's *halo* (`ModelInfo.halo_px`). Neighbouring answers
are blended over a narrow ramp, because a halo that holds most of the context still leaves a trace.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import sys
import weakref
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from mssnet_edu import degrade, images

__all__ = ["FACTORS", "RECOMMENDED_UPSCALER", "deblur", "upscale"]

RECOMMENDED_UPSCALER = "rrdn-x8"
FACTORS = (2, 3, 4, 6, 8, 16)

_PLAIN = ("bicubic", "nearest")  # enlarging without a network
_RAMP_PX = 16  # how wide two tiles are blended, in pixels of the answer (at least 4 of the photo)
_SPARE = 1.3  # measured over counted memory: scratch space of convolutions, gaps in the heap
_MB = 1_000_000


# ------------------------------------------------------------------------ what learners call


def deblur(
    photo: torch.Tensor,
    model: str | nn.Module = "mssnet-deblur",
    *,
    tile_px: int | None = None,
    progress: bool = False,
    max_memory_mb: int = 1200,
) -> torch.Tensor:
    """Remove the blur of a photo with a network, at constant size.

    photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1], any H and W from the network's minimum up.
    model: a name from `me.models.names("deblur")`, or a network. tile_px: side of a tile, None to
    let the memory decide. progress: show a bar. max_memory_mb: what this call may use beside the
    photo itself; a larger photo is worked on in tiles.
    Returns the same shape, clamped to [0, 1]. Raises PhotoError (a ValueError) for a photo that is
    too small or too large, ValueError for a model that does not deblur.

    >>> class Half(torch.nn.Module):
    ...     def forward(self, photo):
    ...         return photo / 2
    >>> deblur(torch.ones(3, 40, 50), Half()).mean()
    tensor(0.5000)
    """
    batch = images.as_batch(photo)
    rules = _rules(model, "deblur")
    _check_size(batch, rules)
    answer = _apply(batch, rules, 1, 1, _Options(tile_px, progress, max_memory_mb))
    return images.like(answer, photo)


def upscale(
    photo: torch.Tensor,
    factor: int = 8,
    model: str | nn.Module | None = None,
    *,
    tile_px: int | None = None,
    progress: bool = False,
    max_memory_mb: int = 1200,
    seed: int = 0,
) -> torch.Tensor:
    """Enlarge a photo with a network, or plainly with model="bicubic" or "nearest".

    photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1]. factor: 2, 3, 4, 6, 8 or 16.
    model: a name from `me.models.names("upscale")`, a network, or None for the course's
    recommendation, RECOMMENDED_UPSCALER. A network made for another factor is applied again and
    again until its answer is at least `factor` times larger, and that answer is reduced: by area
    averaging where the ratio is whole (4x, twice, halved: 8x), else by bicubic with anti-aliasing.
    seed: for networks that draw one of many possible answers; the others ignore it. Each photo of a
    batch is drawn with the same seed. tile_px, progress, max_memory_mb: as for `deblur`.
    Returns (3, factor H, factor W) or (N, ...), clamped to [0, 1]. Raises PhotoError (a ValueError)
    for a photo that is too small or too large, ValueError for a wrong factor or model.

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
    options = _Options(tile_px, progress, max_memory_mb, seed)
    if isinstance(model, str) and model in _PLAIN:
        _check_budget(batch, factor, options)
        answer = degrade.enlarge(batch.detach(), factor, method=model)
    else:
        answer = _upscaled(batch, factor, _rules(model or RECOMMENDED_UPSCALER, "upscale"), options)
    return images.like(answer, photo)


def _upscaled(batch, factor, rules, options):
    _check_size(batch, rules)
    steps = _steps(factor, rules.factors)
    reduce = math.prod(steps) / factor  # 4x, twice, for 8x: 2
    # The last answer is reduced tile by tile as far as a whole number goes, so that the full
    # 16x picture on the way to 8x never lies in memory.
    shrink = max(d for d in range(1, steps[-1] + 1) if steps[-1] % d == 0 and d <= reduce)
    largest = math.prod(steps) // shrink
    _check_budget(batch, largest, options)
    height, width = (side * factor for side in batch.shape[-2:])
    for number, step in enumerate(steps, start=1):
        label = f"{rules.name}, pass {number} of {len(steps)}" if len(steps) > 1 else rules.name
        last = number == len(steps)
        batch = _apply(batch, rules, step, shrink if last else 1, options, label)
    if batch.shape[-2:] != (height, width):
        batch = degrade.resample(batch, (height, width), "bicubic").clamp(0, 1)
    return batch


def _steps(factor, offered):
    """Which of the network's own factors to apply one after another, to reach at least `factor`."""
    steps, reached = [], 1
    while reached < factor:
        enough = [f for f in offered if f * reached >= factor]
        steps.append(min(enough) if enough else max(offered))
        reached *= steps[-1]
    return steps


# --------------------------------------------------------------------------- what a network is


@dataclass(frozen=True)
class _Rules:
    """What a network declares about itself, with safe guesses for one that declares nothing."""

    network: nn.Module
    name: str
    factors: tuple[int, ...]
    multiple_of: int
    min_px: int
    halo_px: int
    takes_factor: bool
    takes_seed: bool


@dataclass(frozen=True)
class _Options:
    tile_px: int | None
    progress: bool
    max_memory_mb: float
    seed: int = 0

    def __post_init__(self):
        if not self.max_memory_mb > 0:
            raise ValueError(f"max_memory_mb is {self.max_memory_mb!r}; expected a number above 0.")


def load_model(name):
    from mssnet_edu import models

    return models.load_model(name)


def _rules(model, task):
    if isinstance(model, str):
        model = load_model(model)
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a name, such as those listed by "
            f'me.models.names("{task}"), or a torch network.'
        )
    info = getattr(model, "info", None)
    if info is None:  # a learner's own network
        factors = (1,) if task == "deblur" else (_native_factor(model),)
        return _Rules(model, type(model).__name__, factors, 1, 1, 32, False, False)
    if info.task != task:
        verb = "deblur" if task == "deblur" else "enlarge"
        raise ValueError(
            f"{info.name!r} is a network for the task {info.task!r}; it does not {verb}. "
            f'List those that do with me.models.names("{task}").'
        )
    offered = tuple(info.config.get("factors") or ())
    return _Rules(
        model,
        info.name,
        tuple(sorted(offered)) or (info.factor,),
        info.multiple_of,
        info.min_px,
        info.halo_px,
        takes_factor=bool(offered),
        takes_seed=bool(info.config.get("takes_seed")),
    )


def _native_factor(network):
    with torch.inference_mode(), _asked(network) as device:
        large = network(torch.zeros(1, 3, 32, 32, device=device)).shape[-1]
    if large % 32 or large < 64:
        raise ValueError(
            f"{type(network).__name__} turns 32 px into {large} px; a network that enlarges by a "
            "whole number was expected."
        )
    return large // 32


@contextlib.contextmanager
def _asked(network):
    """A learner's network answers here as it does after training, and is left as it was.

    Yields the device of its weights.
    """
    modes = [(part, part.training) for part in network.modules()]
    network.eval()  # or dropout would stay on, and each tile would change what BatchNorm knows
    try:
        yield next((p.device for p in network.parameters()), torch.device("cpu"))
    finally:
        for part, mode in modes:
            part.training = mode


def _check_size(batch, rules):
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


def _check_budget(batch, factor, options):
    """Refuse an answer that does not fit, before minutes are spent on it."""
    count, _, height, width = batch.shape
    need = _answer_mb(batch, factor)
    if need > options.max_memory_mb:
        raise images.PhotoError(
            f"{factor}x of {count} photo(s) of {width} x {height} px are {width * factor} x "
            f"{height * factor} px each, {need:.0f} MB, more than max_memory_mb="
            f"{options.max_memory_mb:g}. Choose a smaller factor, cut a part out with "
            f"me.images.crop, or pass max_memory_mb={_round_up(2 * need)} if you have the memory."
        )


def _answer_mb(batch, factor):
    return batch.numel() * factor**2 * 4 / _MB


def _round_up(mb):
    return math.ceil(mb / 100) * 100


_known_needs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _bytes_per_px(rules, factor):
    """How many bytes of memory a network holds at its worst moment, per pixel of its input.

    A small photo is sent through, and after every operation the tensors that are alive are
    counted. Good for networks whose memory grows with the photo's area, as convolutions' does.
    """
    needs = _known_needs.setdefault(rules.network, {})
    if factor not in needs:
        side = _up(max(32, rules.min_px), rules.multiple_of)
        extra = {"factor": factor} if rules.takes_factor else {}
        with torch.inference_mode(), _asked(rules.network) as device, _Watch() as watch:
            rules.network(torch.zeros(1, 3, side, side, device=device), **extra)
        # the answer is then clamped, reduced and blended, which takes copies of its own
        copies = 2 * 12 * factor**2
        needs[factor] = _SPARE * watch.peak / side**2 + copies
    return needs[factor]


class _Watch(TorchFunctionMode):
    """Counts the bytes of all tensors alive, after each operation, and keeps the highest count."""

    def __init__(self):
        super().__init__()
        self.peak, self._seen = 0, {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        for tensor in (*_tensors(args), *_tensors(answer)):
            if not isinstance(tensor, nn.Parameter):
                self._seen[id(tensor)] = weakref.ref(tensor)
        held = {}
        for key, reference in list(self._seen.items()):
            tensor = reference()
            if tensor is None:
                del self._seen[key]
            else:  # views share their storage: count it once
                held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        self.peak = max(self.peak, sum(held.values()))
        return answer


def _tensors(found):
    if isinstance(found, torch.Tensor):
        return [found]
    if isinstance(found, list | tuple):
        return [tensor for part in found for tensor in _tensors(part)]
    return []


def _tiles(size, batch, rules, factor, shrink, options):
    """Where to cut the rows and the columns of a photo: two lists of `_Cut`."""
    m, halo = rules.multiple_of, rules.halo_px
    ramp = max(_RAMP_PX // factor, 4)
    if options.tile_px is not None:
        smallest = _smallest(rules, ramp)
        if isinstance(options.tile_px, bool) or not isinstance(options.tile_px, int):
            raise ValueError(f"tile_px is {options.tile_px!r}; expected a whole number of pixels.")
        if options.tile_px < min(smallest, max(size)):
            raise ValueError(
                f"tile_px is {options.tile_px}; {rules.name} needs tiles of at least {smallest} "
                f"px, because each pixel's answer depends on {halo} px around it."
            )
        sides = [_up(options.tile_px, m)] * 2
    else:
        sides = _sides(size, batch, rules, factor, shrink, options, ramp)
    return [_cuts(*axis, halo, m, ramp) for axis in zip(size, sides, strict=True)]


def _smallest(rules, ramp):
    # context on both sides, two ramps, and something in the middle, so that tiles advance
    m = rules.multiple_of
    return _up(max(2 * rules.halo_px + ramp + max(2 * ramp, m), rules.min_px), m)


def _sides(size, batch, rules, factor, shrink, options, ramp):
    """Height and width of the tiles: of those that fit into the memory, the quickest."""
    m, halo = rules.multiple_of, rules.halo_px
    answer_mb, per_px = _answer_mb(batch, factor // shrink), _bytes_per_px(rules, factor)
    room_px = (options.max_memory_mb - answer_mb) * _MB / per_px
    smallest = _smallest(rules, ramp)
    best = None
    for across in range(1, size[1] + 1):
        width = _side(size[1], across, halo, m, ramp, smallest)
        for down in range(1, size[0] + 1):
            height = _side(size[0], down, halo, m, ramp, smallest)
            if height * width <= room_px:
                work = down * height * across * width  # overlaps are computed twice
                best = min(best or (work, height, width), (work, height, width))
                break
            if height <= smallest:
                break
        if width <= smallest:
            break
    if best is None:
        least = min(size[0], smallest) * min(size[1], smallest)
        need = _round_up(answer_mb + least * per_px / _MB)
        raise images.PhotoError(
            f"{rules.name} needs about {need} MB for this photo, even in its smallest tiles; "
            f"max_memory_mb is {options.max_memory_mb:g}. Pass max_memory_mb={need} if you have "
            "the memory, or cut a part out with me.images.crop."
        )
    return best[1:]


def _side(length, count, halo, multiple, ramp, smallest):
    """The smallest tile of which `count` cover the length, or `smallest` if that is larger."""
    shared = 2 * halo + ramp
    side = _up(math.ceil((length + (count - 1) * shared) / count), multiple)
    while side < length and _count(length, side, halo, multiple, ramp) > count:
        side += multiple  # tiles start on the network's own grid
    return min(max(side, smallest), length)


def _count(length, side, halo, multiple, ramp):
    """How many tiles of this side cover the length."""
    if side >= length:
        return 1
    stride = (side - 2 * halo - ramp) // multiple * multiple
    return math.ceil((length - side) / stride) + 1 if stride > 0 else length


def _up(value, multiple):
    return math.ceil(value / multiple) * multiple


# -------------------------------------------------------------------------------------- tiles


def _apply(batch, rules, factor, shrink, options, label=None):
    """Run one pass: `factor` times larger, then reduced `shrink` times by area averaging.

    batch: (N, 3, H, W) in [0, 1] -> (N, 3, H * factor // shrink, W * factor // shrink) in [0, 1].
    """
    count, _, height, width = batch.shape
    scale = factor // shrink
    size = _up(height, rules.multiple_of), _up(width, rules.multiple_of)
    rows, columns = _tiles(size, batch, rules, factor, shrink, options)
    network = rules.network
    network.to(memory_format=torch.channels_last)  # 1.4 times faster on a CPU; same numbers
    # Not inside inference_mode: its tensors may not be changed by the learner afterwards.
    answer = torch.zeros(count, 3, height * scale, width * scale)
    jobs = [(n, row, column) for n in range(count) for row in rows for column in columns]
    with torch.inference_mode(), _asked(network) as device:
        padded, noise = None, None
        for n, row, column in _watched(jobs, options.progress, label or rules.name):
            if (row, column) == (rows[0], columns[0]):
                padded = _pad(batch[n : n + 1].clamp(0, 1), size)
                noise = _noise(padded, rules, factor, options.seed)
            tile = padded[..., row.start : row.end, column.start : column.end]
            extra = _extra(rules, factor, options.seed, noise, size[1], row, column, len(columns))
            tile = tile.to(device).contiguous(memory_format=torch.channels_last)
            extra = {k: v.to(device) if torch.is_tensor(v) else v for k, v in extra.items()}
            result = network(tile, **extra)
            expected = (1, 3, tile.shape[-2] * factor, tile.shape[-1] * factor)
            if tuple(result.shape) != expected:
                raise ValueError(
                    f"{rules.name} gave shape {tuple(result.shape)}; expected {expected}."
                )
            result = result.float().clamp(0, 1)  # as seen, before it is averaged or blended
            if shrink > 1:
                result = F.avg_pool2d(result, shrink)
            _blend(answer[n : n + 1], result.to(answer.device), row, column, scale)
    _give_back()
    return answer.clamp_(0, 1).to(batch.device)  # blending may round to 1 + 1e-7


def _give_back():
    """Return freed memory to the machine, where the C library keeps it for itself (Linux).

    Measured: 170 MB after one 384 x 384 px photo, on notebooks that have 1.5 GB in all.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _watched(jobs, progress, label):
    if not progress:
        return jobs
    from tqdm.auto import tqdm

    return tqdm(jobs, desc=label, unit="tile")


def _pad(photo, size):
    """Mirror the right and lower edge to fill the size; repeat it where a mirror is too short."""
    height, width = photo.shape[-2:]
    down, right = size[0] - height, size[1] - width
    if not (down or right):
        return photo
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(photo, (0, right, 0, down), mode=mode)


def _noise(padded, rules, factor, seed):
    """Random numbers for the whole photo at once, from a network that can draw them beforehand.

    A network that invents draws random numbers; two tiles that overlap must see the same ones where
    they overlap, or two different inventions would be blended into a blur. So a network may offer
    `draw_noise(shape, factor, seed)`: noise for a photo of that shape, (N, C, k H, k W) with a
    whole k, of which each tile is then given its part, as `noise=`. Without it, `_extra` falls back
    to one seed per tile: repeatable, but the ramps between tiles are softer than the rest.
    """
    if not (rules.takes_seed and hasattr(rules.network, "draw_noise")):
        return None
    return rules.network.draw_noise(tuple(padded.shape), factor=factor, seed=seed)


def _extra(rules, factor, seed, noise, width, row, column, columns):
    extra = {"factor": factor} if rules.takes_factor else {}
    if noise is not None:
        k = noise.shape[-1] // width  # the network may want its noise at the answer's size
        extra["noise"] = noise[..., row.start * k : row.end * k, column.start * k : column.end * k]
    elif rules.takes_seed:
        # The first tile, which may be the whole photo, has the seed itself: an answer in one tile
        # is what the network alone would give. 10,007 is prime: seeds 0, 1, 2 share no tile seed.
        extra["seed"] = seed + 10_007 * (row.number * columns + column.number)
    return extra


@dataclass(frozen=True)
class _Cut:
    """One tile along one axis: it sees start to end, and counts from keep_from to keep_to."""

    number: int
    start: int
    end: int
    keep_from: int
    keep_to: int
    ramp_in: int  # width of the ramp at each end; 0 at the photo's own edges
    ramp_out: int


def _cuts(length, side, halo, multiple, ramp):
    """Cut an axis into overlapping tiles whose ramps add up to 1 everywhere.

    >>> [(c.start, c.end, c.keep_from, c.keep_to) for c in _cuts(100, 80, 8, 4, ramp=16)]
    [(0, 80, 0, 58), (20, 100, 42, 100)]
    """
    side = min(side, length)
    count = _count(length, side, halo, multiple, ramp)
    # spread evenly, on the network's own grid: the last tile ends at the photo's edge
    steps = (length - side) // multiple
    starts = [round(i * steps / max(count - 1, 1)) * multiple for i in range(count)]
    # two neighbours meet in the middle of what both see
    meet = [(b + a + side) // 2 for a, b in itertools.pairwise(starts)]
    cuts = []
    for i, start in enumerate(starts):
        first, last = i == 0, i == count - 1
        keep_from = 0 if first else meet[i - 1] - ramp // 2
        keep_to = length if last else meet[i] + ramp // 2
        ramps = 0 if first else ramp, 0 if last else ramp
        cuts.append(_Cut(i, start, start + side, keep_from, keep_to, *ramps))
    return cuts


def _blend(answer, result, row, column, scale):
    """Add a tile's kept part to the answer, fading in and out along the ramps."""
    height, width = answer.shape[-2:]
    for axis, cut in ((-2, row), (-1, column)):
        weight = _weight(cut, scale)
        offset = (cut.keep_from - cut.start) * scale
        part = result.narrow(axis, offset, weight.numel())
        result = (
            part
            if cut.ramp_in == cut.ramp_out == 0
            else part * (weight[:, None] if axis == -2 else weight)
        )
    top, left = row.keep_from * scale, column.keep_from * scale
    # the padding at the right and the bottom is not part of the photo
    rows, columns = min(result.shape[-2], height - top), min(result.shape[-1], width - left)
    if rows > 0 and columns > 0:
        answer[..., top : top + rows, left : left + columns] += result[..., :rows, :columns]


def _weight(cut, scale):
    """1 in the middle, straight ramps at the ends; a neighbour's ramp is exactly the rest."""
    weight = torch.ones((cut.keep_to - cut.keep_from) * scale)
    for width, flip in ((cut.ramp_in, False), (cut.ramp_out, True)):
        if width:
            ramp = (torch.arange(width * scale) + 0.5) / (width * scale)
            if flip:
                weight[-width * scale :] *= ramp.flip(0)
            else:
                weight[: width * scale] *= ramp
    return weight
