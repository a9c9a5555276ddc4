"""What a choice of references is worth: the quality of each frame with each reference, measured."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mssnet_edu import images, metrics
from mssnet_edu.exposure import Clip, capture, clipped
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.precision import autocast, choose_precision

__all__ = ["Qualities", "advantages", "best_view", "fill", "judged", "measure", "oracle", "score"]

JUDGED_SHARE = 0.002  # of a frame's values: with fewer that are clipped, there is nothing to judge


class Qualities(NamedTuple):
    """The quality of each frame of a clip with each reference, in dB; NaN where nothing is judged.

    pairs: (T, T), of frame t with reference s in pairs[t, s]; only s < t is ever used, the rest is
    NaN. none: (T,), without a reference. ideal: (T,), with the same view, well exposed. white:
    (T,), of the frame as it is.
    """

    pairs: Tensor
    none: Tensor
    ideal: Tensor
    white: Tensor


def judged(clip: Clip) -> Tensor:
    """The values of a clip that are judged: clipped, but no sun discs or bare lamps.

    Returns bool, (T, 3, H, W). Frames with next to nothing to judge have none at all.
    """
    counts = clipped(clip.frames, "each") & ~clip.beyond
    enough = counts.float().mean((1, 2, 3), keepdim=True) >= JUDGED_SHARE
    return counts & enough


def best_view(clip: Clip) -> tuple[Tensor, Tensor]:
    """The ideal references: the same views, exposed so that next to nothing is clipped.

    Returns frames (T, 3, H, W), sRGB, and their EV (T,): at most six stops below the clip's own.
    """
    brightest = torch.quantile(clip.light.amax(1).flatten(1), 0.999, dim=1)
    ev = -torch.log2(brightest.clamp(min=1e-6))
    ev = torch.minimum(torch.maximum(ev, clip.ev - 6), clip.ev)
    return capture(clip.light, ev), ev


@torch.inference_mode()
def _filled(
    network: Overexposure,
    clip: Clip,
    frames: Sequence[int],
    references: Tensor | None = None,
    reference_ev: Tensor | None = None,
    precision: str | None = None,
    batch: int = 16,
) -> Iterator[tuple[list[int], Tensor]]:
    """Fill these frames from these references, some at once: their numbers and exposed light."""
    mode = choose_precision(precision)
    for start in range(0, len(frames), batch):
        part = slice(start, start + batch)
        ids = list(frames[part])
        with autocast(mode, clip.frames.device):
            light = network(
                clip.frames[ids],
                clip.ev[ids],
                None if references is None else references[part],
                None if reference_ev is None else reference_ev[part],
            )
        yield ids, light.float()


def fill(
    network: Overexposure,
    clip: Clip,
    references: Sequence[int | None],
    precision: str | None = None,
) -> Tensor:
    """Fill each frame of a clip from its reference, as `run` gives them: (T, 3, H, W).

    Returns exposed light, as `clip.exposed` would be. precision: "float32" or "bfloat16"; None
    takes what the processor is fast at. Raises ValueError for a reference from the future.

    >>> still = Clip(torch.ones(1, 3, 16, 16), torch.zeros(1), torch.ones(1, 3, 16, 16), None)
    >>> fill(Overexposure(width=8, blocks=1).eval(), still, [None]).shape
    torch.Size([1, 3, 16, 16])
    """
    _check(references, len(clip))
    light = torch.empty_like(clip.frames)
    alone = [t for t, kept in enumerate(references) if kept is None]
    for ids, found in _filled(network, clip, alone, precision=precision):
        light[ids] = found
    pairs = [(t, kept) for t, kept in enumerate(references) if kept is not None]
    if pairs:
        frames, kept = map(list, zip(*pairs, strict=True))
        given = (clip.frames[kept], clip.ev[kept])
        for ids, found in _filled(network, clip, frames, *given, precision):
            light[ids] = found
    return light


def measure(
    network: Overexposure,
    clip: Clip,
    precision: str | None = None,
    batch: int = 16,
    every: int = 1,
) -> Qualities:
    """Fill each frame of a clip with each earlier one as its reference, and compare with the truth.

    Takes T^2 / 2 runs of the network. precision: see `fill`. batch: frames at once. every: 2 judges
    the frames 0, 2, 4, ... only, in half the time, and so on. Returns PSNR in PU21 over `judged`
    values.
    """
    truth, counts = clip.exposed, judged(clip)
    counts[torch.arange(len(clip)) % every > 0] = False

    def quality(
        frames: Sequence[int], references: Tensor | None = None, ev: Tensor | None = None
    ) -> Tensor:
        filled = _filled(network, clip, frames, references, ev, precision, batch)
        found = [metrics.psnr_pu(light, truth[ids], counts[ids]) for ids, light in filled]
        return torch.cat([torch.as_tensor(each) for each in found])

    length = len(clip)
    pairs = torch.full((length, length), torch.nan)
    for t in range(1, length):
        if counts[t].any():
            pairs[t, :t] = quality([t] * t, clip.frames[:t], clip.ev[:t])
    white = metrics.psnr_pu(images.to_linear(clip.frames), truth, counts)
    return Qualities(
        pairs,
        quality(range(length)),
        quality(range(length), *best_view(clip)),
        torch.as_tensor(white),
    )


def score(qualities: Qualities, references: Sequence[int | None]) -> Tensor:
    """The quality of each frame, (T,) in dB, with these references; NaN where nothing is judged.

    Its `nanmean()` is what a rule is worth. Raises ValueError for a reference from the future.

    >>> table = Qualities(torch.tensor([[9.0, 9], [20, 9]]), *torch.tensor([[9.0, 9]] * 3))
    >>> score(table, [None, 0])
    tensor([ 9., 20.])
    """
    _check(references, len(qualities.none))
    return torch.stack(
        [
            qualities.none[t] if kept is None else qualities.pairs[t, kept]
            for t, kept in enumerate(references)
        ]
    )


def _check(references: Sequence[int | None], length: int) -> None:
    if len(references) != length:
        raise ValueError(
            f"there are {len(references)} references for {length} frames; expected one for each "
            "frame, as run(rule, glances) gives them."
        )
    for number, kept in enumerate(references):
        if kept is not None and not 0 <= kept < number:
            raise ValueError(f"frame {number} cannot have frame {kept} as its reference.")


def advantages(qualities: Qualities) -> Tensor:
    """What adopting each frame is worth if all later decisions are the best: (T, T + 1), in dB.

    Adopting frame t while frame s is kept, in [t, s], or while none is, in [t, T], brings so many
    dB more than keeping, summed over the frames to come. Dynamic programming over the frame and the
    kept one: what is best from here on does not depend on how one got here.

    >>> table = Qualities(torch.tensor([[9.0, 9], [20, 9]]), *torch.tensor([[9.0, 9]] * 3))
    >>> advantages(table)[0, 2]  # the first frame serves the second
    tensor(11., dtype=torch.float64)
    """
    length = len(qualities.none)
    # column s is "frame s is kept", the last column is "none is"
    gain = torch.cat([qualities.pairs, qualities.none[:, None]], 1).double().nan_to_num(0)
    to_come = torch.zeros(length + 1, dtype=torch.double)  # best sum of frames t + 1 and later
    found = torch.zeros_like(gain)
    for t in reversed(range(length)):
        found[t] = to_come[t] - to_come  # to_come[t]: frame t was adopted
        to_come = gain[t] + torch.maximum(to_come, to_come[t])
    return found


def oracle(qualities: Qualities) -> list[int | None]:
    """The references that the best decisions give: adopt or keep, after each frame, knowing all.

    Where adopting gains nothing, it keeps (see `advantages`). Returns what `run` returns.

    >>> table = Qualities(torch.tensor([[9.0, 9], [20, 9]]), *torch.tensor([[9.0, 9]] * 3))
    >>> oracle(table)
    [None, 0]
    """
    worth, length = advantages(qualities), len(qualities.none)
    references: list[int | None] = []
    kept = length
    for t in range(length):
        references.append(None if kept == length else kept)
        kept = t if worth[t, kept] > 0 else kept
    return references
