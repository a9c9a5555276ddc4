"""The figures of an evaluation: gains as bars, perception against distortion, grids of photos."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from mssnet_edu import degrade, images, restore, samples
from mssnet_edu.files import replacing
from mssnet_edu.show import look
from training.benchmark import Degraded, textured_crops
from training.report import GROUPS

__all__ = ["examples", "gain_bars", "gains_by_extent", "perception_distortion", "real_photos"]

EXAMPLES, EXAMPLE_PX, REAL_PX = 3, 176, 400
NOT_SHOWN = ("unsharp", "Richardson", "-U")  # too many columns would be too small to see
GAP_PX, GRID_DPI = 6, 200
PAGE_PX = 900  # about as wide as a page shows a figure: titles are sized for that
LOOKS = "← ST-LPIPS: looks more like the photo"  # turned upright, the arrow points down: to 0
OTHERS = "#98a5b1"  # the course's networks are drawn in ink, all others in this grey


def examples(
    path: Path,
    photos: dict[str, Tensor],
    answer_all: Callable[[dict[str, Tensor]], Iterable[tuple[Degraded, dict[str, Tensor]]]],
) -> None:
    """The most textured place of a few photos, a column a method, each pixel shown 2 x 2.

    answer_all: as `scoring.deblur_all`, of which the GoPro-like motion of 16 px is shown, or as
    `scoring.upscale_all`, of which 8x is.
    """
    names = list(photos)
    # spread over the list, so that two crops of one photo do not take two places
    spread = np.linspace(0, len(names) - 1, min(EXAMPLES, len(names))).round().astype(int)
    chosen = []
    for name in (names[i] for i in spread):
        degraded = answer_all({name: photos[name]})
        chosen.append(next(d for d in degraded if d[0].case in ("16 px", "8x")))
    side = min(EXAMPLE_PX, *(min(case.sharp.shape[1:]) for case, _ in chosen))
    rows = []
    for case, answers in chosen:
        [corner] = textured_crops(case.sharp, (side, side), stride=16)
        given = degrade.enlarge(case.photo, case.factor, "nearest")
        shown = {"input": given, **answers, "truth": case.sharp}
        crops = {
            _short(method): images.crop(photo, (*corner, side, side))
            for method, photo in shown.items()
            if not any(word in method for word in NOT_SHOWN)
        }
        rows.append({title: degrade.enlarge(crop, 2, "nearest") for title, crop in crops.items()})
    _save_grid(path, rows)


def _short(method: str) -> str:
    """The title of a column, broken where it would be too wide."""
    short = method.replace("Richardson-Lucy", "R.-L.").replace("kernel", "k.")
    return short.replace(", ", ",\n").replace("mssnet-x8-", "mssnet-x8-\n")


def real_photos(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """The course's really blurred photos: as given, and as networks answer at full and half size.

    Smaller answers are enlarged again, for comparison.
    """
    rows = []
    for name in samples.names("blurred"):
        photo = samples.load(name)
        size = round(REAL_PX * photo.shape[1] / photo.shape[2]), REAL_PX
        row = {"as given": photo}
        for title, network in networks.items():
            row[title] = restore.deblur(photo, network, size=1)
            row[f"{title}\nat half size"] = restore.deblur(photo, network, size=1 / 2)
        rows.append({title: _resized(each, size) for title, each in row.items()})
    _save_grid(path, rows)


def _resized(photo: Tensor, size: tuple[int, int]) -> Tensor:
    method = "area" if photo.shape[-1] >= size[1] else "bicubic"
    return degrade.resample(photo, size, method).clamp(0, 1)


def _save_grid(path: Path, rows: list[dict[str, Tensor]]) -> None:
    """Photos pixel for pixel, a row each dict, with its keys as the titles of the columns."""
    framed = [[F.pad(p, (GAP_PX,) * 4, value=1.0) for p in row.values()] for row in rows]
    photos = torch.cat([torch.cat(row, 2) for row in framed], 1)
    text_px = 13 * photos.shape[2] / PAGE_PX
    lines = 1 + max(title.count("\n") for title in rows[0])
    title_px = round(1.3 * lines * text_px) + 2 * GAP_PX
    grid = F.pad(photos, (0, 0, title_px, 0), value=1.0)
    height, width = grid.shape[1:]
    figure = Figure((width / GRID_DPI, height / GRID_DPI))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(grid.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.axis("off")
    for column, title in enumerate(rows[0]):
        middle = (column + 0.5) * width / len(rows[0])
        size = 72 * text_px / GRID_DPI
        axes.text(middle, title_px - GAP_PX, title, fontsize=size, ha="center", va="bottom")
    _save(figure, path, GRID_DPI)


def gain_bars(path: Path, table: pd.DataFrame, groups: list[str]) -> None:
    """How many dB each whole answer gains: a row a method, the same in all panels, one a group."""
    on_the_way = table.method.str.contains("-U")  # those of MSSNet's stages are in the table
    rows = table.loc[table.group.isin(groups) & table.gain_db.notna() & ~on_the_way]
    # the group with the most methods has them in the order of the table
    order = list(rows.method[rows.group == rows.group.mode()[0]])
    order += [method for method in rows.method.unique() if method not in order]
    figure, panels = _panels(len(order) * 0.34 + 1.2, groups, "gain in PSNR, dB →", sharey=True)
    for axes, group in zip(panels, groups, strict=True):
        methods = rows.loc[rows.group == group]
        places, colours = methods.method.map(order.index), methods.method.map(_colour)
        bars = axes.barh(places, methods.gain_db, color=colours, height=0.65)
        axes.bar_label(bars, fmt="{:+.2f}", padding=3, fontsize=9, color=look.INK)
        axes.axvline(0, color=look.MUTED, lw=0.8)
        axes.margins(x=0.25)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, pad=6)
        for place in sorted(set(range(len(order))) - set(places)):
            axes.text(0, place, " not measured", fontsize=8, va="center", color=look.MUTED)
    panels[0].set_yticks(range(len(order)), order, fontsize=9)
    panels[0].set_ylim(len(order) - 0.5, -0.5)
    _save(figure, path, 150)


def gains_by_extent(path: Path, table: pd.DataFrame) -> None:
    """What each network gains, and how its answers look, against how far the motion reaches.

    table: from `report.by_extent`.
    """
    figure = Figure((9.4, 3.4), layout="tight", facecolor=look.PAPER)
    columns = {"gain_db": "gain in PSNR, dB →", "st_lpips": LOOKS}
    for axes, (column, ylabel) in zip(figure.subplots(1, 2), columns.items(), strict=True):
        for method in ("input", "unsharp mask", "maxim-gopro", "mssnet-deblur"):
            rows = table.loc[table.method == method].dropna(subset=column)
            px = [int(extent.removesuffix(" px")) for extent in rows.extent]
            style = {"color": _colour(method), "marker": "s" if "maxim" in method else "o"}
            if method in ("input", "unsharp mask"):
                style |= {"marker": "", "linestyle": ":" if method == "input" else "--"}
            if px:
                axes.plot(px, rows[column], label=method, **style)
        _plain(axes)
        axes.set_xlabel("how far the motion reaches, px", fontsize=8, color=look.MUTED)
        axes.set_ylabel(ylabel, fontsize=8, color=look.MUTED)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, frameon=False)
    _save(figure, path, 150)


def perception_distortion(path: Path, table: pd.DataFrame, groups: list[str]) -> None:
    """Right on average, or real to the eye: each method in the plane of PSNR and ST-LPIPS."""
    figure, panels = _panels(4.2, groups, "PSNR, dB: right on average →")
    for axes, group in zip(panels, groups, strict=True):
        rows = table.loc[table.group == group]
        axes.scatter(rows.psnr_db, rows.st_lpips, color=rows.method.map(_colour), s=42, zorder=3)
        for row in rows.itertuples():
            # neighbours are often a rival and one of ours: their names go to opposite sides
            own = "mssnet" in row.method
            place = {"xytext": (0, -9 if own else 9), "textcoords": "offset points"}
            text = axes.annotate(row.method, (row.psnr_db, row.st_lpips), **place, fontsize=8.5)
            text.set(ha="center", va="top" if own else "bottom", color=look.INK)
        axes.margins(x=0.25, y=0.15)
        axes.set_ylabel(LOOKS, fontsize=8, color=look.MUTED)
        axes.grid(color=look.RULE, lw=0.6)
    _save(figure, path, 150)


def _colour(method: str) -> str:
    return look.INK if "mssnet" in method else OTHERS


def _panels(
    height_in: float, groups: list[str], xlabel: str, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per group of the table, side by side."""
    figure = Figure((9.4, height_in), layout="tight", facecolor=look.PAPER)
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=sharey)[0]
    for axes, group in zip(panels, groups, strict=True):
        title = fill(GROUPS[group], 72 // len(groups))
        axes.set_title(title, fontsize=9, color=look.INK)
        axes.set_xlabel(xlabel, fontsize=8, color=look.MUTED)
        _plain(axes)
    return figure, panels


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8, colors=look.INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_facecolor(look.PAPER)


def _save(figure: Figure, path: Path, dpi: int) -> None:
    options = {".jpg": {"pil_kwargs": {"quality": 90}}, ".png": {"metadata": {"Software": None}}}
    with replacing(path) as part:
        figure.savefig(part, dpi=dpi, **options[path.suffix])
