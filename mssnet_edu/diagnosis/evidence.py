"""Pictures of what each finding rests on."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.classical import LineBlur
from mssnet_edu.diagnosis import estimators
from mssnet_edu.show import charts, figures, film, look
from mssnet_edu.show.look import Figure

__all__ = ["clipping", "contrast", "detail", "motion", "noise", "seams"]


def motion(photo: Tensor, found: LineBlur) -> Figure:
    """The photo's spectrum, crossed by dark stripes, and the path that would draw them."""
    words = f"{found.length_px:.0f} px at {found.angle_deg:.0f}°"
    return figures.beside(
        charts.spectrum(photo, alt="Spectrum of the photo. A motion draws dark stripes across it."),
        figures.kernel(found.kernel, titles=[f"motion of {words}"]),
    )


def detail(found: estimators.Detail) -> Figure:
    """How strong ever finer detail is (f^3 power), beside what noise and JPEG explain of it."""
    fig, ax = charts.axes(width_px=620, height_px=300)
    at = (torch.arange(len(found.power)) + 0.5) / len(found.power)
    told = found.power > 0  # rings where JPEG's seams lie are left out
    weighted = found.power * at**3
    most = weighted.max()
    ax.plot((100 * at[told]).numpy(), (weighted[told] / most).numpy(), label="the photo")
    explained = (found.floor * at**3 / most).numpy()
    ax.plot((100 * at).numpy(), explained, "--", label="what noise and JPEG explain")
    where = f"detail ends: {100 * found.share:.0f} %"
    ax.axvline(100 * found.share, color=look.INVENTED, label=where)
    ax.set(xlabel="fineness f, % of the finest that pixels can hold", ylabel="power times f³")
    ax.set_ylim(0, 1.05)
    _legend(ax)
    alt = (
        f"How strong detail is against how fine it is. The detail ends at {100 * found.share:.0f} "
        "% of the finest that pixels can hold."
    )
    caption = (
        "Left of the line, times 1.2, lie 97 % of the detail: interpolation leaves a little beyond "
        "the edge of what it was given."
    )
    return charts.figure(fig, alt, caption)


def noise(photo: Tensor, side: int = 24) -> Figure:
    """The flattest place of the photo, and the same with its contrast raised."""
    top, left = _flattest(photo, side)
    tile = photo[:, top : top + side, left : left + side]
    mean = tile.mean((1, 2), keepdim=True)
    raised = (0.5 + 8 * (tile - mean)).clamp(0, 1)
    return figures.photos(
        [tile, raised],
        titles=["the flattest place", "contrast raised 8 times"],
        alt=f"A flat place of the photo, {left} px from the left and {top} px from the top; beside "
        "it the same with its contrast raised 8 times, so that noise shows.",
    )


def seams(grid: estimators.Grid) -> Figure:
    """How much brightness steps at each place within a period: a seam stands out."""
    fig, ax = charts.axes(width_px=620, height_px=300)
    period = max(2, round(grid.period_px))
    place = torch.arange(1, len(grid.profile) + 1) * period / grid.period_px % period
    place = place.long().clamp(max=period - 1)
    total = torch.zeros(period).index_add_(0, place, grid.profile)
    mean = total / torch.bincount(place, minlength=period).clamp(min=1)
    ax.bar(range(period), mean.numpy(), color=look.RECORDED)
    ax.set(xlabel=f"column within {grid.period_px:g} px", ylabel="excess step, grey levels")
    alt = (
        f"Bars: how much brightness steps at each of {period} columns, in the mean over the photo. "
        f"Column {int(mean.argmax())} steps most."
    )
    return charts.figure(fig, alt)


def clipping(photo: Tensor) -> Figure:
    """The photo with a hatch wherever it is white, and another wherever it is black."""
    black = (photo < 0.5 / 255).all(0, keepdim=True)
    hatch = 1 - film.mark_clipped(torch.ones_like(photo))
    return figures.photos(
        [photo, torch.where(black, hatch, film.mark_clipped(photo))],
        titles=["the photo", "hatched: clipped"],
        captions=[None, "Where a colour is at 255, and where all are at 0."],
        alt="The photo, and the same with a hatch wherever it is clipped.",
    )


def contrast(photo: Tensor, black: float, white: float) -> Figure:
    """The histogram of luma, with the 1st and the 99th percentile."""
    fig, ax = charts.axes(width_px=620, height_px=300)
    luma = (images.luma(photo) * 255).flatten().numpy()
    ax.hist(luma, bins=range(0, 257, 4), color=look.MUTED)
    for level, name in ((black, "1 % are darker"), (white, "1 % are lighter")):
        ax.axvline(level, color=look.INVENTED, label=f"{name} than {level:.0f}")
    ax.set(xlabel="grey level", ylabel="pixels", xlim=(0, 255))
    _legend(ax)
    return charts.figure(
        fig, f"Histogram: nearly all grey levels lie from {black:.0f} to {white:.0f}."
    )


def _flattest(photo: Tensor, side: int) -> tuple[int, int]:
    """Top and left of the tile that varies least, when smoothed, and is neither black nor white."""
    side = min(side, *photo.shape[-2:])
    smooth = F.avg_pool2d(images.luma(photo)[None], 4, ceil_mode=True)[0, 0]
    window = max(side // 4, 1)
    tiles = smooth.unfold(0, window, window).unfold(1, window, window)
    mean, spread = tiles.mean((-2, -1)), tiles.std((-2, -1), correction=0)
    spread = spread + ((mean < 0.03) | (mean > 0.97))  # they clip the noise
    row, column = divmod(int(spread.argmin()), spread.shape[1])
    return row * window * 4, column * window * 4


def _legend(ax):
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=10)
