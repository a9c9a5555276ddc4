"""Charts by matplotlib in the look of the course, and the spectra of photos."""

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mssnet_edu import images
from mssnet_edu.images.spectrum import power_spectrum
from mssnet_edu.show import figures, look
from mssnet_edu.show.look import Figure

if TYPE_CHECKING:  # matplotlib is slow to import, and most figures do without
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["axes", "figure", "spectrum"]

LEAST = 0.6  # of its width, on a phone: there a chart scrolls, and its letters stay readable


def axes(
    columns: int = 1, rows: int = 1, width_px: int = 720, height_px: int | None = 380
) -> tuple["MatplotlibFigure", Any]:
    """Make a matplotlib figure in the look of the course: returns (figure, axes).

    width_px, height_px: of one panel, in screen pixels; height_px None makes panels square.
    axes: one Axes, or an array of them as `plt.subplots` gives. Show it with `figure`.

    >>> fig, ax = axes()
    >>> _ = ax.plot([1, 2, 3])
    >>> figure(fig, alt="A line that rises from 1 to 3.")
    Figure: A line that rises from 1 to 3.
    """
    import matplotlib.figure

    height_px = height_px or width_px
    if columns > 1:
        width_px = min(width_px, look.PAGE_PX // columns)
    with matplotlib.rc_context(rc_params()):
        size = (columns * width_px / 100, rows * height_px / 100)
        fig = matplotlib.figure.Figure(
            figsize=size, dpi=100, layout="constrained", facecolor=look.PAPER
        )
        grid = fig.subplots(rows, columns)
    return fig, grid


def figure(fig: "MatplotlibFigure", alt: str, caption: str | None = None) -> Figure:
    """Turn a matplotlib figure into one with a description and an opaque background.

    fig: from `axes`, or any matplotlib Figure. alt: what it shows, in one sentence; required.
    caption: a line below. Raises TypeError for anything but a matplotlib Figure.

    >>> import matplotlib.figure
    >>> fig = matplotlib.figure.Figure()
    >>> _ = fig.subplots().plot([3, 1])
    >>> figure(fig, alt="A line that falls.")
    Figure: A line that falls.
    """
    if not hasattr(fig, "savefig"):
        raise TypeError(f"fig is a {type(fig).__name__}; expected a matplotlib Figure")
    _restyle(fig)
    stream = io.BytesIO()
    # twice the pixels, for sharp text on dense screens; tight, since square panels leave margins
    fig.savefig(stream, format="png", dpi=2 * fig.dpi, bbox_inches="tight", pad_inches=0.06)
    png = stream.getvalue()
    width, height = (side // 2 for side in struct.unpack(">II", png[16:24]))  # PNG's own header
    content = look.html.img(look.png_url(png), alt, width, height, least=round(LEAST * width))
    return Figure(look.html.card(content, alt, caption), alt)


def spectrum(
    photo: figures.Photos,
    titles: figures.Texts = None,
    alt: str | None = None,
    keep: int | None = None,
) -> Figure:
    """Show the 2-D power spectrum of photos: how strong each frequency is, in each direction.

    photo: one photo or a list. The centre is large soft shapes, the edge is the finest stripes a
    pixel grid can hold (half a cycle per pixel). Brightness is power in dB, one scale for all.
    keep: a whole number f draws the square that is left after downscaling f times.
    A Hann window is applied first, or the photo's borders would draw a cross.

    >>> import torch
    >>> spectrum(torch.rand(3, 64, 64), alt="Spectrum of noise: equally bright everywhere.")
    Figure: Spectrum of noise: equally bright everywhere.
    """
    photos = figures.photo_list(photo)
    (titles,) = figures.one_each(len(photos), titles=titles)
    powers = [power_spectrum_db(images.luma(p)[0]) for p in photos]
    strongest = max(float(power.max()) for power in powers)
    fig, grid = axes(columns=len(photos), width_px=min(470, 940 // len(photos)), height_px=None)
    panels = list(np.ravel(grid))
    for ax, power, title in zip(panels, powers, titles, strict=True):
        mesh = ax.imshow(
            power.numpy() - strongest,
            extent=(-0.5, 0.5, -0.5, 0.5),
            cmap="magma",
            vmin=-80,
            vmax=0,
            interpolation="nearest" if power.shape[0] < 128 else "antialiased",
        )
        ax.set(title=title or "", xlabel="cycles per pixel, across", xticks=[-0.5, 0, 0.5])
        ax.set(yticks=[-0.5, 0, 0.5])
        ax.grid(False)
        if keep:
            _draw_kept_band(ax, keep)
    panels[0].set_ylabel("cycles per pixel, down")
    bar = fig.colorbar(mesh, ax=panels, shrink=0.75, pad=0.02, aspect=24)
    bar.set_label("strength (dB)")
    bar.outline.set_visible(False)
    alt = alt or figures.list_titles("Spectrum" if len(photos) == 1 else "Spectra", titles)
    return figure(fig, alt=alt)


def power_spectrum_db(grey: torch.Tensor) -> torch.Tensor:
    """The power spectrum of (H, W) in dB, frequency 0 in the middle, after a Hann window.

    >>> power_spectrum_db(torch.rand(8, 8)).shape
    torch.Size([8, 8])
    """
    power = power_spectrum(grey - grey.mean())
    return 10 * torch.log10(torch.fft.fftshift(power) + 1e-9)


def _draw_kept_band(ax, factor):
    """The frequencies below the Nyquist limit of a photo that is `factor` times smaller."""
    from matplotlib.patches import Rectangle

    side = 1 / factor
    corner = (-side / 2, -side / 2)
    ax.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="#7cc4ff", linewidth=2))
    label = ax.text(
        0, side / 2 + 0.02, f"left after 1/{factor}", color="#7cc4ff", ha="center", va="bottom"
    )
    label.set_bbox({"facecolor": "#000000b0", "edgecolor": "none", "pad": 2})


def rc_params() -> Any:
    """matplotlib's settings for the look of the course."""
    from cycler import cycler

    return {
        "font.size": 12,
        "axes.facecolor": look.PAPER,
        "axes.edgecolor": look.MUTED,
        "axes.labelcolor": look.INK,
        "axes.labelsize": 12,
        "axes.titlesize": 13.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": look.INK,
        "axes.titlepad": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=look.SERIES),
        "grid.color": look.RULE,
        "grid.linewidth": 0.8,
        "xtick.color": look.MUTED,
        "ytick.color": look.MUTED,
        "xtick.labelcolor": look.INK,
        "ytick.labelcolor": look.INK,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
    }


def _restyle(fig):
    """Style titles, legends and lines, which take matplotlib's settings only when they are made."""
    fig.set_facecolor(look.PAPER)
    for ax in fig.axes:
        title = ax.get_title("center")
        if title:
            ax.set_title("")
            style = {"fontsize": 13.5, "fontweight": "bold", "color": look.INK, "pad": 10}
            ax.set_title(title, loc="left", **style)
        legend = ax.get_legend()
        if legend is not None:
            legend.set_frame_on(False)
            for text in legend.get_texts():
                text.set_color(look.INK)
        for line in ax.get_lines():
            line.set_linewidth(max(line.get_linewidth(), 2.2))
