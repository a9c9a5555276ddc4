"""Pictures of what each finding rests on. Imported figures are loaded when they are drawn."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.classical import LineBlur
from mssnet_edu.diagnosis import estimators

if TYPE_CHECKING:
    from mssnet_edu.show import Figure

__all__ = ["clipping", "contrast", "detail", "motion", "noise", "seams"]


def motion(photo: Tensor, found: LineBlur) -> "Figure":
    """The photo's spectrum, crossed by dark stripes, and the path that would draw them."""
    from mssnet_edu import show

    words = f"{found.length_px:.0f} px at {found.angle_deg:.0f}°"
    return show.beside(
        show.spectrum(photo, alt="Spectrum of the photo. A motion draws dark stripes across it."),
        show.kernel(found.kernel, titles=[f"motion of {words}"]),
    )


def detail(found: estimators.Detail) -> "Figure":
    """The power of ever finer detail, and where it sinks into what noise and JPEG explain."""
    fig, ax = _axes()
    at = (torch.arange(len(found.power)) + 0.5) / len(found.power) * 100
    told = found.power > 0  # rings where JPEG's seams lie are left out
    ax.semilogy(at[told].numpy(), found.power[told].numpy(), label="the photo")
    ax.semilogy(at.numpy(), found.floor.numpy(), "--", label="what noise and JPEG explain")
    ax.axvline(100 * found.share, color="#c2410c", label=f"detail ends: {100 * found.share:.0f} %")
    ax.set(xlabel="fineness, % of the finest that pixels can hold", ylabel="power, grey levels²")
    ax.legend()
    alt = (
        f"Power against fineness: it falls, and from {100 * found.share:.0f} % on next to no "
        "detail is left."
    )
    return _figure(fig, alt)


def noise(photo: Tensor, side: int = 48) -> "Figure":
    """The flattest place of the photo, and the same with its contrast raised."""
    from mssnet_edu import show

    top, left = _flattest(photo, side)
    tile = photo[:, top : top + side, left : left + side]
    mean = tile.mean((1, 2), keepdim=True)
    raised = (0.5 + 8 * (tile - mean)).clamp(0, 1)
    return show.photos(
        [tile, raised],
        titles=["the flattest place", "contrast raised 8 times"],
        alt=f"A flat place of the photo, {left} px from the left and {top} px from the top; beside "
        "it the same with its contrast raised 8 times, so that noise shows.",
    )


def seams(grid: estimators.Grid) -> "Figure":
    """How much brightness steps at each place within a period: a seam stands out."""
    fig, ax = _axes()
    period = max(2, round(grid.period_px))
    place = torch.arange(1, len(grid.profile) + 1) * period / grid.period_px % period
    place = place.long().clamp(max=period - 1)
    total = torch.zeros(period).index_add_(0, place, grid.profile)
    mean = total / torch.bincount(place, minlength=period).clamp(min=1)
    ax.bar(range(period), mean.numpy(), color="#0b5fae")
    ax.set(xlabel=f"column within {grid.period_px:g} px", ylabel="excess step, grey levels")
    alt = (
        f"Bars: how much brightness steps at each of {period} columns, in the mean over the photo. "
        f"Column {int(mean.argmax())} steps most."
    )
    return _figure(fig, alt)


def clipping(photo: Tensor) -> "Figure":
    """The photo with a hatch wherever it is white."""
    from mssnet_edu import show

    return show.photos(
        [photo, show.mark_clipped(photo)],
        titles=["the photo", "hatched: white in a colour or more"],
        alt="The photo, and the same with a hatch wherever a colour is at its end.",
    )


def contrast(photo: Tensor, black: float, white: float) -> "Figure":
    """The histogram of luma, with the 1st and the 99th percentile."""
    fig, ax = _axes()
    luma = (images.luma(photo) * 255).flatten().numpy()
    ax.hist(luma, bins=range(0, 257, 4), color="#51606e")
    for level, name in ((black, "1 % are darker"), (white, "1 % are lighter")):
        ax.axvline(level, color="#c2410c", label=f"{name} than {level:.0f}")
    ax.set(xlabel="grey level", ylabel="pixels", xlim=(0, 255))
    ax.legend()
    return _figure(fig, f"Histogram: nearly all grey levels lie from {black:.0f} to {white:.0f}.")


def _flattest(photo: Tensor, side: int) -> tuple[int, int]:
    """Top and left of the tile that varies least, when smoothed, and is neither black nor white."""
    side = min(side, *photo.shape[-2:])
    smooth = torch.nn.functional.avg_pool2d(images.luma(photo)[None], 4, ceil_mode=True)[0, 0]
    window = max(side // 4, 1)
    tiles = smooth.unfold(0, window, window).unfold(1, window, window)
    mean, spread = tiles.mean((-2, -1)), tiles.std((-2, -1), correction=0)
    spread = spread + ((mean < 0.03) | (mean > 0.97))  # they clip the noise
    row, column = divmod(int(spread.argmin()), spread.shape[1])
    return row * window * 4, column * window * 4


def _axes() -> Any:
    from mssnet_edu import show

    return show.axes(width_px=620, height_px=300)


def _figure(fig: Any, alt: str) -> "Figure":
    from mssnet_edu import show

    return show.figure(fig, alt)
