"""Figures of overexposed film: what is clipped, and who remembered which frame."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from mssnet_edu import exposure, images
from mssnet_edu.show import charts, look
from mssnet_edu.show.colormaps import rgb
from mssnet_edu.show.look import Figure

__all__ = ["decisions", "mark_clipped"]

HATCH_PX = 6
THUMBNAILS = 8
TRACK_PX, CURVE_PX = 40, 100


def mark_clipped(frames: torch.Tensor) -> torch.Tensor:
    """Frames with a hatch wherever they are clipped: there, everything is still to be found.

    frames: (3, H, W) or (N, 3, H, W), sRGB in [0, 1]. Returns the same shape. Any clipped channel
    counts (`exposure.clipped`).

    >>> mark_clipped(torch.ones(3, 12, 12)).amin() < 1
    tensor(True)
    """
    batch = images.as_batch(frames, "frames")
    height, width = batch.shape[-2:]
    diagonal = torch.arange(height)[:, None] + torch.arange(width)
    lines = (diagonal % HATCH_PX < HATCH_PX // 3) & exposure.clipped(batch)
    return images.like(torch.where(lines, rgb(look.INVENTED), batch), frames)


def decisions(
    frames: torch.Tensor,
    runs: Mapping[str, Sequence[int | None]],
    looked_at: Mapping[str, Sequence[float] | torch.Tensor] | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw on one timeline which frames were adopted as the reference, and what was looked at.

    frames: (T, 3, H, W), some of which stand above. runs: {name: T references}, each as
    `me.reference_selection.run` gives them: a bar for each frame in memory, from its adoption (the
    dot) until the next. looked_at: {name: T numbers}, a curve each. alt: what there is to see.
    Raises ValueError where a length differs from T.

    >>> film = torch.rand(3, 3, 16, 24)
    >>> decisions(film, {"first": [None, 0, 0]}, {"brightness": [0.2, 0.5, 0.4]})
    Figure: Which frames were adopted: first 1 time. Below: brightness.
    """
    frames = images.as_batch(frames, "frames")
    count, looked_at = len(frames), looked_at or {}
    for name, values in [*runs.items(), *looked_at.items()]:
        if len(values) != count:
            raise ValueError(
                f"{name!r} has {len(values)} entries for {count} frames; give one each"
            )
    import matplotlib.figure

    thumbnails = min(THUMBNAILS, count)
    thumbnail_px = (look.PAGE_PX - 130) / thumbnails
    heights = [thumbnail_px * frames.shape[-2] / frames.shape[-1], TRACK_PX * len(runs) + 20]
    heights += [CURVE_PX] * len(looked_at)
    with matplotlib.rc_context(charts.rc_params()):
        fig = matplotlib.figure.Figure(
            figsize=(look.PAGE_PX / 100, (sum(heights) + 60) / 100), dpi=100, layout="constrained"
        )
        rows = fig.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    strip, tracks, *curves = rows[:, 0]
    wide = count / thumbnails  # of a thumbnail, in frames
    for left in (i * wide - 0.5 for i in range(thumbnails)):
        frame = images.to_numpy(frames[int(left + wide / 2)])
        strip.imshow(frame, extent=(left + 0.04 * wide, left + wide, 0, 1), aspect="auto")
    strip.set(ylim=(0, 1), yticks=[])
    strip.grid(False)
    strip.tick_params(bottom=False)
    strip.spines[:].set_visible(False)
    _draw_tracks(tracks, runs)
    for ax, (name, values) in zip(curves, looked_at.items(), strict=True):
        ax.plot(np.arange(count), torch.as_tensor(values).float(), color=look.INK)
        ax.set_title(name)
        ax.margins(y=0.15)
    ticks = range(0, count, max(1, count // 8))
    rows[-1, 0].set_xticks(list(ticks), [str(t + 1) for t in ticks])
    rows[-1, 0].set(xlabel="frame", xlim=(-0.5, count - 0.5))
    times = {name: len(set(each) - {None}) for name, each in runs.items()}
    listed = ", ".join(f"{name} {n} time{'s' * (n != 1)}" for name, n in times.items())
    below = f" Below: {', '.join(looked_at)}." if looked_at else ""
    return charts.figure(fig, alt or f"Which frames were adopted: {listed}.{below}")


def _draw_tracks(ax, runs):
    """A line for each run: a dot where a frame was adopted, a bar as long as it was in memory."""
    for row, references in enumerate(runs.values()):
        for kept in sorted(set(references) - {None}):
            served = [t for t, reference in enumerate(references) if reference == kept]
            ax.plot([kept, served[-1]], [row, row], color=look.RECORDED, alpha=0.45)
            ax.plot(kept, row, "o", color=look.RECORDED, markersize=7)
    ax.set_yticks(range(len(runs)), list(runs))
    ax.set(ylim=(len(runs) - 0.4, -0.6))
    ax.grid(False, axis="y")
