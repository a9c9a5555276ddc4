"""See inside MSSNet: pixel-unshuffle, feature maps, how far it looks, what each idea is worth."""

import torch
from torch.nn import functional as F

from mssnet_edu.show import figures, look
from mssnet_edu.show.look import Figure
from mssnet_edu.show.widgets.stages import signed

__all__ = ["ablation_chart", "feature_viewer", "receptive_fields", "unshuffle", "unshuffle_toy"]

TOY_PX = 270  # how wide each part of the toy is drawn
TOY_FACTORS = (1, 2, 4, 8)
LARGE_PX, SHEET_PX = 430, 440


# -- pixel-unshuffle -----------------------------------------------------------------------------


def unshuffle(photo, factor, follow=0, alt=None):
    """Draw pixel-unshuffle, its way back, and what a bilinear reduction keeps instead.

    photo: a tiny one, (3, H, W), at most 32 px a side, sides divisible by factor. factor: whole, 1
    or more. follow: which pixel of each factor x factor square is followed, from 0 (upper left),
    row by row; its pixels stay bright, the others fade. Everything drawn is computed: the pixels
    are rearranged, brought back and compared. Raises ValueError for what does not fit.

    >>> unshuffle(torch.rand(3, 8, 8), 2, follow=3)
    Figure: Pixel-unshuffle by 2: 8 × 8 px become 4 pictures of 4 × 4, and come back unchanged.
    """
    photo = look.one_photo(photo)
    height, width = photo.shape[-2:]
    if max(height, width) > 32:
        raise ValueError(f"photo is {width} x {height} px; the toy draws at most 32 x 32.")
    if isinstance(factor, bool) or int(factor) != factor or factor < 1:
        raise ValueError(f"factor is {factor!r}; expected a whole number from 1.")
    if height % factor or width % factor:
        raise ValueError(f"factor {factor} does not divide {width} x {height} px.")
    if not 0 <= follow < factor**2:
        raise ValueError(f"follow is {follow}; expected 0 to {factor**2 - 1} for factor {factor}.")
    # torch's order: the pixels of one colour follow one another; here one small picture per pixel
    stacked = F.pixel_unshuffle(photo[None], factor)[0]
    parts = stacked.unflatten(0, (3, factor**2)).transpose(0, 1)  # (factor^2, 3, h, w)
    back = F.pixel_shuffle(stacked[None], factor)[0]
    changed = int((back != photo).sum())
    size = {"mode": "bilinear", "align_corners": False}
    small = F.interpolate(photo[None], scale_factor=1 / factor, **size)[0]
    again = F.interpolate(small[None], size=(height, width), **size)[0]
    lost = 255 * float((again - photo).abs().mean())
    row, column = divmod(follow, factor)
    bright = torch.zeros(height, width, dtype=torch.bool)
    bright[row::factor, column::factor] = True
    if factor == 1:
        bright[:] = True
    h, w, many = height // factor, width // factor, factor**2
    pieces = "1 picture" if many == 1 else f"{many} pictures"
    whole = f"{width} × {height} px: {photo.numel()} numbers"
    cells = [
        _drawn([photo], 1, "the picture", [bright], whole),
        _drawn(
            list(parts),
            factor,
            f"unshuffled: {pieces}",
            [torch.full((h, w), k == follow) for k in range(many)],
            f"{many} × {w} × {h} px: {stacked.numel()} numbers",
        ),
        _drawn([back], 1, "shuffled back", [bright], f"{changed} of {back.numel()} numbers differ"),
        _drawn(
            [small],
            1,
            f"bilinear, to 1/{factor}",
            None,
            f"{w} × {h} px: {small.numel()} numbers",
        ),
        _drawn([again], 1, "enlarged again", None, f"off by {lost:.1f} grey levels on average"),
        _drawn(
            [signed((again - photo).mean(0, keepdim=True), 0.25)],
            1,
            "what is lost",
            None,
            "violet: now too dark; green: too bright; grey: right",
        ),
    ]
    alt = alt or (
        f"Pixel-unshuffle by {factor}: {width} × {height} px become {many} pictures of "
        f"{w} × {h}, and come back {'unchanged' if changed == 0 else 'changed'}."
    )
    return Figure(look.card(figures._grid(cells, [TOY_PX] * 6, 3), alt), alt)


def _drawn(pictures, columns, title, bright, note):
    """Small pictures in a square of pixels drawn one by one; where `bright` is False they fade."""
    height, width = pictures[0].shape[-2:]
    gap = 0.0 if columns == 1 else 0.12 * width
    total = columns * width + (columns - 1) * gap
    down = columns * height + (columns - 1) * gap
    squares, frames = [], []
    for k, picture in enumerate(pictures):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        if bright is not None:
            picture = torch.where(bright[k], picture, 0.28 * picture + 0.72 * 0.967)
        colours = (picture.clamp(0, 1) * 255).round().int()
        for y in range(height):
            for x in range(width):
                red, green, blue = colours[:, y, x].tolist()
                squares.append(
                    f'<rect x="{left + x:.4g}" y="{top + y:.4g}" width="1.02" height="1.02" '
                    f'fill="#{red:02x}{green:02x}{blue:02x}"/>'  # 1.02: no seams between squares
                )
        if bright is not None and columns > 1 and bool(bright[k].all()):
            edge = 0.04 * total
            frames.append(
                f'<rect x="{left:.3g}" y="{top:.3g}" width="{width}" height="{height}" '
                f'fill="none" stroke="{look.INK}" stroke-width="{edge / 4:.3g}"/>'
            )
    rim = 0.01 * total
    svg = (
        f'<svg role="img" aria-label="{look.escape(title)}" width="{TOY_PX}" '
        f'height="{round(TOY_PX * down / total)}" viewBox="{-rim:.3g} {-rim:.3g} '
        f'{total + 2 * rim:.4g} {down + 2 * rim:.4g}" shape-rendering="crispEdges" '
        f'style="max-width:100%;height:auto">{"".join(squares + frames)}</svg>'
    )
    return figures._cell(svg, TOY_PX, title, None, note, None)


def unshuffle_toy(photo, alt=None):
    """`unshuffle` with two handles: the factor, and which pixel of each square is followed.

    photo: (3, H, W), at most 32 px a side, sides divisible by 8. Returns the widget, with
    `handles["factor"]` and `handles["follow"]`; counted from 1 for the learner.

    >>> toy = unshuffle_toy(torch.rand(3, 16, 16))
    >>> toy.handles["factor"].value, toy.handles["follow"].max
    (2, 4)
    """
    import ipywidgets

    from mssnet_edu.show.widgets.sliders import sliders

    def draw(factor=2, follow=1):
        return unshuffle(photo, factor, min(follow, factor**2) - 1)

    choice = ipywidgets.SelectionSlider(
        options=TOY_FACTORS, value=2, description="factor", layout={"width": "min(560px, 100%)"}
    )
    toy = sliders(draw, alt=alt, factor=choice, follow=(1, 4))

    def fit(change):
        toy.handles["follow"].max = change["new"] ** 2

    choice.observe(fit, names="value")
    return toy


# -- feature maps --------------------------------------------------------------------------------


def feature_viewer(model, photo, alt=None):
    """Choose a stage, a side of its U-Net, a level and a channel, and see that feature map.

    model: an MSSNet. photo: (3, H, W), sRGB in [0, 1]. Left the chosen map, right all maps of that
    level with the chosen one framed. Grey is zero, green above, violet below; each level has its
    own scale. Returns the widget, with its four `handles`.

    >>> from mssnet_edu.mssnet import MSSNet, MSSNetConfig
    >>> viewer = feature_viewer(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 32, 32))
    >>> list(viewer.handles)
    ['stage', 'side', 'level', 'channel']
    """
    from mssnet_edu.mssnet import feature_maps
    from mssnet_edu.show.widgets.sliders import sliders

    found = feature_maps(model, look.one_photo(photo))
    names = list(found)

    def maps(stage, side, level):
        return getattr(found[stage], side)[level - 1]

    def draw(stage=names[0], side="decoder", level=1, channel=1):
        every = maps(stage, side, level)
        return _map_figure(every, min(channel, len(every)) - 1, f"{stage}, {side}, level {level}")

    viewer = sliders(
        draw,
        alt=alt,
        stage=names,
        side=["encoder", "decoder"],
        level=(1, 3),
        channel=(1, len(maps(names[0], "decoder", 1))),
    )

    def fit(_change):
        chosen = {name: viewer.handles[name].value for name in ("stage", "side", "level")}
        viewer.handles["channel"].max = len(maps(**chosen))

    viewer.handles["level"].observe(fit, names="value")
    return viewer


def _map_figure(every, chosen, where):
    channels, height, width = every.shape
    span = max(float(every.abs().flatten().kthvalue(int(0.99 * every.numel())).values), 1e-6)
    large = signed(every[chosen][None], span)
    wide = max(1, LARGE_PX // width) * width if width <= LARGE_PX else LARGE_PX
    one = _cell_of(large, wide, f"channel {chosen + 1}", f"{width} × {height} px")
    columns = 1
    while columns * round(columns * height / width) < channels:  # about as wide as high
        columns += 1
    tile = max(16, SHEET_PX // columns - 3)
    tiles = []
    for k in range(channels):
        picture = F.interpolate(
            signed(every[k][None], span)[None],
            size=(round(tile * height / width), tile),
            mode="area" if width > tile else "nearest",
        )[0]
        ink = torch.tensor([int(look.INK[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        framed = (ink if k == chosen else torch.tensor([0.965, 0.969, 0.973]))[:, None, None]
        edged = framed.expand(3, picture.shape[1] + 6, picture.shape[2] + 6).clone()
        edged[:, 3:-3, 3:-3] = picture
        tiles.append(edged)
    tiles += [torch.full_like(tiles[0], 0.967)] * (-channels % columns)
    rows = [torch.cat(tiles[i : i + columns], 2) for i in range(0, len(tiles), columns)]
    sheet = torch.cat(rows, 1)
    wide_sheet = min(SHEET_PX + 40, sheet.shape[2])
    all_of_them = _cell_of(sheet, wide_sheet, f"all {channels} channels", where)
    alt = f"Feature maps of {where}: channel {chosen + 1} of {channels}, and all of them."
    grid = figures._grid([one, all_of_them], [wide, wide_sheet], 2)
    return Figure(look.card(grid, alt), alt)


def _cell_of(picture, wide, title, note):
    height = round(wide * picture.shape[1] / picture.shape[2])
    shown = look.img(look.data_url(picture), title, wide, height, wide >= 2 * picture.shape[2])
    return figures._cell(shown, wide, title, None, note, None)


# -- receptive fields ----------------------------------------------------------------------------


def receptive_fields(photo, field, alt=None, share=0.9):
    """Paint on a photo what one pixel of a stage listens to, for each scale's door.

    photo: the one measured, (3, H, W). field: from `me.mssnet.receptive_field`. Shown is the part
    around the place asked about. The stronger the violet, the more a pixel counts: from full to
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

    photo = look.one_photo(photo)
    if photo.shape[-2:] != field.total.shape:
        raise ValueError("field was measured on a photo of another size; pass that photo.")
    doors = list(field.doors)
    reaches = [field.reach_px(door, share) for door in doors]
    y, x = field.at
    half = max(2 * max(reaches), 16)
    fig, grid = figures.axes(columns=max(3, len(doors)), width_px=310, height_px=None)
    panels = figures._flat(grid)
    violet = torch.tensor([int(look.DARKER[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    pale = 0.45 * photo + 0.55
    for ax, door, reach in zip(panels, doors, reaches, strict=False):
        heat = field.doors[door]
        ink = (1 + torch.log10(heat / heat.max().clamp(min=1e-30) + 1e-12) / 3).clamp(0, 1)
        painted = pale + (violet[:, None, None] - pale) * 0.9 * ink
        ax.imshow(painted.permute(1, 2, 0).numpy(), interpolation="nearest")
        ax.add_patch(Circle((x, y), max(reach, 1), fill=False, edgecolor=look.INK, linewidth=2))
        height, width = heat.shape
        ax.set(xlim=(max(x - half, -0.5), min(x + half, width - 0.5)))
        ax.set(ylim=(min(y + half, height - 0.5), max(y - half, -0.5)))
        ax.set(xticks=[], yticks=[], title=f"through {door}")
        ax.set_xlabel(f"{100 * share:.0f} % within {reach:.0f} px")
        ax.grid(False)
        ax.spines[:].set_visible(False)
    for ax in panels[len(doors) :]:
        ax.set_axis_off()
    said = [
        f"{100 * share:.0f} % of it within {reach:.0f} px through {door}"
        for door, reach in zip(doors, reaches, strict=True)
    ]
    alt = alt or f"What one pixel of {field.stage} listens to: {'; '.join(said)}."
    return figures.figure(fig, alt=alt)


# -- what an idea is worth -----------------------------------------------------------------------

VERDICTS = {
    "worse": "worse, outside the band",
    "better": "better, outside the band",
    "luck": "inside the band",
}


def ablation_chart(gains, alt=None):
    """What is lost or won by leaving something out, beside what luck alone does.

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
    (_, full), *others = gains.items()
    luck = max(full) - min(full)
    found = {
        name: ([b - a for a, b in zip(full, scores, strict=False)], beyond_seed_noise(full, scores))
        for name, scores in others
    }
    fig, ax = figures.axes(width_px=860, height_px=90 + 66 * len(found))
    ax.axvspan(-luck, luck, color="#dfe4e8", label="what luck alone does", zorder=0)
    ax.axvline(0, color=look.MUTED)
    markers = "oDs^v"
    for i in range(len(full)):
        there = [(r, d[i]) for r, (d, _) in enumerate(found.values()) if i < len(d)]
        ax.plot(
            [difference for _, difference in there],
            [row + 0.24 * (i - (len(full) - 1) / 2) for row, _ in there],  # none hidden
            markers[i % len(markers)],
            color=look.INK,
            markersize=9,
            fillstyle="full" if i == 0 else "none",
            markeredgewidth=1.8,
            label=f"seed {i + 1}",
        )
    far = max(luck, *(abs(d) for differences, _ in found.values() for d in differences), 0.01)
    for row, (_, verdict) in enumerate(found.values()):
        words = ax.text(1.2 * far, row, VERDICTS[verdict], va="center", fontsize=12)
        words.set_bbox({"facecolor": look.PAPER, "edgecolor": "none", "pad": 3})
    ax.set(
        yticks=range(len(found)),
        yticklabels=list(found),
        ylim=(len(found) - 0.5, -0.5),
        xlim=(-1.12 * far, 2.25 * far),
        xlabel="gain without it, minus gain with it (dB)",
    )
    # no numbers below the words
    ax.set_xticks([t for t in ax.get_xticks() if abs(t) <= 1.12 * far])
    ax.tick_params(axis="y", labelsize=12.5, length=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1 + len(full))
    said = "; ".join(
        f"{name}: {', '.join(f'{d:+.2f}' for d in differences)} dB, {VERDICTS[verdict]}"
        for name, (differences, verdict) in found.items()
    )
    alt = alt or f"Left out, {said}. Luck alone: {luck:.2f} dB."
    return figures.figure(fig, alt=alt)
