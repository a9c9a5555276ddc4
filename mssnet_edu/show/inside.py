"""See inside MSSNet: its feature maps, its receptive fields, and what each idea is worth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from mssnet_edu.show import charts, figures, look
from mssnet_edu.show.colormaps import diverging, rgb
from mssnet_edu.show.look import Figure
from mssnet_edu.show.widgets.sliders import Sliders, sliders

if TYPE_CHECKING:
    from mssnet_edu.mssnet import MSSNet, ReceptiveField

__all__ = ["ablation_chart", "feature_viewer", "receptive_fields"]

CHANNEL_PX, SHEET_PX = 430, 440
BORDER_PX = 3  # around each map of the sheet
BACKGROUND = (0.965, 0.969, 0.973)
VERDICTS = {
    "worse": "worse, outside the band",
    "better": "better, outside the band",
    "luck": "not all outside the band",
}


def feature_viewer(
    model: "MSSNet", photo: torch.Tensor, alt: str | None = None, channel: int = 1
) -> Sliders:
    """Choose a stage, a side of its U-Net, a level and a channel, and see that feature map.

    model: an MSSNet. photo: (3, H, W), sRGB in [0, 1]. Left the chosen map, right all maps of that
    level with the chosen one framed. Grey is zero, green above, violet below; each level has its
    own scale. channel: the one to begin with, from 1. Returns the widget, with its four `controls`.

    >>> from mssnet_edu.mssnet import MSSNet, MSSNetConfig
    >>> viewer = feature_viewer(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 32, 32))
    >>> list(viewer.controls)
    ['stage', 'side', 'level', 'channel']
    """
    from mssnet_edu.mssnet import feature_maps

    features = feature_maps(model, look.single_photo(photo))
    stages = list(features)

    def maps(stage, side, level):
        return getattr(features[stage], side)[level - 1]

    def show(stage=stages[0], side="decoder", level=1, channel=channel):
        channels = maps(stage, side, level)
        index = min(channel, len(channels)) - 1
        return _feature_figure(channels, index, f"{stage}, {side}, level {level}")

    viewer = sliders(
        show,
        alt=alt,
        stage=stages,
        side=["encoder", "decoder"],
        level=(1, 3),
        channel=(1, len(maps(stages[0], "decoder", 1))),
    )

    def limit_channel(_change):
        chosen = {name: viewer.controls[name].value for name in ("stage", "side", "level")}
        viewer.controls["channel"].max = len(maps(**chosen))

    viewer.controls["level"].observe(limit_channel, names="value")
    return viewer


def _feature_figure(features, chosen, where):
    """One channel of features (C, h, w) large, and all of them on a sheet."""
    channels, height, width = features.shape
    # one strong pixel must not make all others grey
    limit = float(features.abs().flatten().kthvalue(int(0.99 * features.numel())).values)
    maps = [diverging(channel[None], max(limit, 1e-6)) for channel in features]
    single_px = max(1, CHANNEL_PX // width) * width if width <= CHANNEL_PX else CHANNEL_PX
    sheet = _contact_sheet(maps, chosen)
    sheet_px = min(SHEET_PX + 40, sheet.shape[2])
    title, all_channels = f"channel {chosen + 1}", f"all {channels} channels"
    single = look.picture(maps[chosen], single_px, title)
    cells = [
        look.Cell(single, single_px, f"{width} × {height} px", title),
        look.Cell(look.picture(sheet, sheet_px, all_channels), sheet_px, where, all_channels),
    ]
    alt = f"Feature maps of {where}: channel {chosen + 1} of {channels}, and all of them."
    # beside, not one grid: a phone stacks them, and the sheet of small maps stays large
    parts = zip(cells, (title, all_channels), strict=True)
    return figures.beside(*(look.grid([cell], 1, name) for cell, name in parts), alt=alt)


def _contact_sheet(maps, chosen):
    """Maps (3, h, w) in rows on one picture that is about as wide as high; one has a frame."""
    height, width = maps[0].shape[1:]
    columns = 1
    while columns * round(columns * height / width) < len(maps):
        columns += 1
    tile_px = max(16, SHEET_PX // columns - BORDER_PX)
    size = (round(tile_px * height / width), tile_px)
    tiles = []
    for k, picture in enumerate(maps):
        mode = "area" if width > tile_px else "nearest"
        colour = rgb(look.INK) if k == chosen else torch.tensor(BACKGROUND)[:, None, None]
        tile = colour.repeat(1, size[0] + 2 * BORDER_PX, size[1] + 2 * BORDER_PX)
        inner = slice(BORDER_PX, -BORDER_PX)
        tile[:, inner, inner] = F.interpolate(picture[None], size=size, mode=mode)[0]
        tiles.append(tile)
    tiles += [torch.full_like(tiles[0], 0.967)] * (-len(maps) % columns)
    rows = [torch.cat(tiles[i : i + columns], 2) for i in range(0, len(tiles), columns)]
    return torch.cat(rows, 1)


def receptive_fields(
    photo: torch.Tensor, field: "ReceptiveField", alt: str | None = None, share: float = 0.9
) -> Figure:
    """Paint the receptive field of one pixel of a stage on the photo, for each scale's input.

    photo: the one measured, (3, H, W). field: from `me.mssnet.receptive_field`. Shown is the part
    around the place asked about. The stronger the violet, the larger the gradient: from full to
    nothing over three powers of ten. The circle holds `share` of it all. Raises ValueError if the
    two differ in size.

    >>> from mssnet_edu.mssnet import ReceptiveField
    >>> spot = torch.zeros(32, 32)
    >>> spot[16, 16] = 1
    >>> field = ReceptiveField("S1-U1", (16, 16), spot, {"S1": spot})
    >>> receptive_fields(torch.rand(3, 32, 32), field)
    Figure: What one pixel of S1-U1 listens to: 90 % of it within 0 px through S1.
    """
    from matplotlib.patches import Circle

    photo = look.single_photo(photo)
    if photo.shape[-2:] != field.total.shape:
        raise ValueError("field was measured on a photo of another size; pass that photo.")
    reaches = {scale: field.reach_px(scale, share) for scale in field.by_scale}
    y, x = field.at
    half = max(2 * max(reaches.values()), 16)
    height, width = field.total.shape
    fig, grid = charts.axes(columns=max(3, len(reaches)), width_px=310, height_px=None)
    panels = np.ravel(grid)
    pale = 0.45 * photo + 0.55
    for ax, (scale, reach) in zip(panels, reaches.items(), strict=False):
        gradient = field.by_scale[scale]
        relative = gradient / gradient.max().clamp(min=1e-30)
        opacity = (1 + torch.log10(relative + 1e-12) / 3).clamp(0, 1)
        painted = pale + (rgb(look.DARKER) - pale) * 0.9 * opacity
        ax.imshow(painted.permute(1, 2, 0).numpy(), interpolation="nearest")
        ax.add_patch(Circle((x, y), max(reach, 1), fill=False, edgecolor=look.INK, linewidth=2))
        ax.set(xlim=(max(x - half, -0.5), min(x + half, width - 0.5)))
        ax.set(ylim=(min(y + half, height - 0.5), max(y - half, -0.5)))
        ax.set(xticks=[], yticks=[], title=f"through {scale}")
        ax.set_xlabel(f"{100 * share:.0f} % within {reach:.0f} px")
        ax.grid(False)
        ax.spines[:].set_visible(False)
    for ax in panels[len(reaches) :]:
        ax.set_axis_off()
    texts = [
        f"{100 * share:.0f} % of it within {reach:.0f} px through {scale}"
        for scale, reach in reaches.items()
    ]
    alt = alt or f"What one pixel of {field.stage} listens to: {'; '.join(texts)}."
    return charts.figure(fig, alt=alt)


def ablation_chart(gains: Mapping[str, Sequence[float]], alt: str | None = None) -> Figure:
    """What is lost or won by leaving something out, beside the noise between seeds.

    gains: {"full": [...], "name of what is left out": [...], ...}, in dB, one number for each seed,
    in the same order; the first entry is the complete network, the others may have fewer seeds. A
    dot is the difference to the complete network of the same seed; the grey band is as wide as
    complete networks differ among themselves. The words follow `me.mssnet.beyond_seed_noise`.
    Raises ValueError for fewer than two entries, or fewer than two complete networks.

    >>> ablation_chart({"full": [1.0, 1.1], "without": [0.6, 0.7]})
    Figure: Left out, without: -0.40, -0.40 dB, worse, outside the band. Luck alone: 0.10 dB.
    """
    from mssnet_edu.mssnet import beyond_seed_noise

    if len(gains) < 2:
        raise ValueError("gains needs the complete network and at least one that lacks something")
    (_, full), *ablations = gains.items()
    names = [name for name, _ in ablations]
    differences = [[b - a for a, b in zip(full, g, strict=False)] for _, g in ablations]
    verdicts = [VERDICTS[beyond_seed_noise(full, g)] for _, g in ablations]
    seed_noise = max(full) - min(full)
    limit = max(seed_noise, *(abs(d) for row in differences for d in row), 0.01)
    fig, ax = charts.axes(width_px=860, height_px=90 + 66 * len(names))
    ax.axvspan(
        -seed_noise, seed_noise, color="#dfe4e8", label="between the full networks", zorder=0
    )
    ax.axvline(0, color=look.MUTED)
    markers = "oDs^v"
    for seed in range(len(full)):
        offset = 0.24 * (seed - (len(full) - 1) / 2)  # so that no dot hides another
        points = [(d[seed], row + offset) for row, d in enumerate(differences) if seed < len(d)]
        ax.plot(
            [x for x, _ in points],
            [y for _, y in points],
            markers[seed % len(markers)],
            color=look.INK,
            markersize=9,
            fillstyle="full" if seed == 0 else "none",
            markeredgewidth=1.8,
            label=f"seed {seed + 1}",
        )
    for row, verdict in enumerate(verdicts):
        label = ax.text(1.2 * limit, row, verdict, va="center", fontsize=12)
        label.set_bbox({"facecolor": look.PAPER, "edgecolor": "none", "pad": 3})
    ax.set(
        yticks=range(len(names)),
        yticklabels=names,
        ylim=(len(names) - 0.5, -0.5),
        xlim=(-1.12 * limit, 2.25 * limit),
        xlabel="gain without it, minus gain with it (dB)",
    )
    # no numbers below the verdicts
    ax.set_xticks([tick for tick in ax.get_xticks() if abs(tick) <= 1.12 * limit])
    ax.tick_params(axis="y", labelsize=12.5, length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 + len(full))
    texts = [
        f"{name}: {', '.join(f'{d:+.2f}' for d in row)} dB, {verdict}"
        for name, row, verdict in zip(names, differences, verdicts, strict=True)
    ]
    alt = alt or f"Left out, {'; '.join(texts)}. Luck alone: {seed_noise:.2f} dB."
    return charts.figure(fig, alt=alt)
