"""Pixel-unshuffle, drawn pixel by pixel, beside the bilinear reduction that it replaces."""

import torch
from torch.nn import functional as F

from mssnet_edu.show import look
from mssnet_edu.show.colormaps import diverging
from mssnet_edu.show.look import Figure
from mssnet_edu.show.widgets.sliders import Sliders, sliders

__all__ = ["unshuffle", "unshuffle_toy"]

PANEL_PX = 270
FACTORS = (1, 2, 4, 8)
FADED = 0.6  # share of the background in pixels that are not followed
GREY = 0.967  # the background's brightness
OVERLAP = 1.02  # no seams between squares of 1


def unshuffle(
    photo: torch.Tensor, factor: int, follow: int | None = None, alt: str | None = None
) -> Figure:
    """Draw pixel-unshuffle, its inverse, and what a bilinear reduction keeps instead.

    photo: a tiny one, (3, H, W), at most 32 px a side, sides divisible by factor. factor: whole, 1
    or more. follow: which pixel of each factor x factor square is followed, from 0 (upper left),
    row by row; its pixels stay bright, the others fade; None follows none. Everything drawn is
    computed: the pixels are rearranged, brought back and compared. Raises ValueError for what
    does not fit.

    >>> unshuffle(torch.rand(3, 8, 8), 2, follow=3)
    Figure: Pixel-unshuffle by 2: 8 × 8 px become 4 pictures of 4 × 4, and come back unchanged.
    """
    photo = look.single_photo(photo)
    height, width = photo.shape[-2:]
    if max(height, width) > 32:
        raise ValueError(f"photo is {width} x {height} px; the toy draws at most 32 x 32.")
    if isinstance(factor, bool) or int(factor) != factor or factor < 1:
        raise ValueError(f"factor is {factor!r}; expected a whole number from 1.")
    if height % factor or width % factor:
        raise ValueError(f"factor {factor} does not divide {width} x {height} px.")
    if follow is not None and not 0 <= follow < factor**2:
        raise ValueError(f"follow is {follow}; expected 0 to {factor**2 - 1} for factor {factor}.")
    count, h, w = factor**2, height // factor, width // factor
    channels = F.pixel_unshuffle(photo[None], factor)[0]  # (3 factor^2, h, w), colour by colour
    tiles = channels.unflatten(0, (3, count)).transpose(0, 1)  # (factor^2, 3, h, w)
    restored = F.pixel_shuffle(channels[None], factor)[0]
    changed = int((restored != photo).sum())
    bilinear = {"mode": "bilinear", "align_corners": False}
    small = F.interpolate(photo[None], scale_factor=1 / factor, **bilinear)[0]
    enlarged = F.interpolate(small[None], size=(height, width), **bilinear)[0]
    error = 255 * float((enlarged - photo).abs().mean())
    followed, followed_tile = None, None
    if follow is not None:
        row, column = divmod(follow, factor)
        followed = torch.zeros(height, width, dtype=torch.bool)
        followed[row::factor, column::factor] = True
        followed, followed_tile = (
            [followed],
            [torch.full((h, w), k == follow) for k in range(count)],
        )
    cells = [
        _panel(
            [photo], 1, "the picture", f"{width} × {height} px: {photo.numel()} numbers", followed
        ),
        _panel(
            list(tiles),
            factor,
            f"unshuffled: {'1 picture' if count == 1 else f'{count} pictures'}",
            f"{count} × {w} × {h} px: {channels.numel()} numbers",
            followed_tile,
        ),
        _panel(
            [restored],
            1,
            "shuffled back",
            f"{changed} of {restored.numel()} numbers differ",
            followed,
        ),
        _panel([small], 1, f"bilinear, to 1/{factor}", f"{w} × {h} px: {small.numel()} numbers"),
        _panel([enlarged], 1, "enlarged again", f"off by {error:.1f} grey levels on average"),
        _panel(
            [diverging((enlarged - photo).mean(0, keepdim=True), 0.25)],
            1,
            "what is lost",
            "violet: now too dark; green: too bright; grey: right",
        ),
    ]
    alt = alt or (
        f"Pixel-unshuffle by {factor}: {width} × {height} px become {count} pictures of "
        f"{w} × {h}, and come back {'unchanged' if changed == 0 else 'changed'}."
    )
    return look.grid(cells, 3, alt)


def _panel(tiles, columns, title, note, highlights=None):
    """Tiles (3, h, w) in a square, as an SVG of one square per pixel.

    highlights: for each tile, (h, w), where it keeps its colours; elsewhere it fades.
    """
    height, width = tiles[0].shape[-2:]
    gap = 0.0 if columns == 1 else 0.12 * width
    total_width = columns * width + (columns - 1) * gap
    total_height = columns * height + (columns - 1) * gap
    squares, frames = [], []
    for k, tile in enumerate(tiles):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        if highlights is not None:
            tile = torch.where(highlights[k], tile, (1 - FADED) * tile + FADED * GREY)
            if columns > 1 and bool(highlights[k].all()):
                frames.append((f"{left:.3g}", f"{top:.3g}", width, height))
        colours = (tile.clamp(0, 1) * 255).round().int()
        for y in range(height):
            for x in range(width):
                colour = "#{:02x}{:02x}{:02x}".format(*colours[:, y, x].tolist())
                squares.append((f"{left + x:.4g}", f"{top + y:.4g}", colour))
    rim = 0.01 * total_width
    corner, sides = f"{-rim:.3g}", [f"{s + 2 * rim:.4g}" for s in (total_width, total_height)]
    svg = look.macros("pixel_unshuffle").svg(
        title=title,
        size=(PANEL_PX, round(PANEL_PX * total_height / total_width)),
        view_box=" ".join([corner, corner, *sides]),
        squares=squares,
        square_px=OVERLAP,
        frames=frames,
        frame_px=f"{0.01 * total_width:.3g}",
    )
    return look.Cell(svg, PANEL_PX, note, title)


def unshuffle_toy(photo: torch.Tensor, alt: str | None = None) -> Sliders:
    """`unshuffle` with two controls: the factor, and which pixel of each square is followed.

    photo: (3, H, W), at most 32 px a side, sides divisible by 8. Returns the widget, with
    `controls["factor"]` and `controls["follow"]`; counted from 1 for the learner; 0 follows none.

    >>> toy = unshuffle_toy(torch.rand(3, 16, 16))
    >>> toy.controls["factor"].value, toy.controls["follow"].max
    (2, 4)
    """
    import ipywidgets

    def show(factor=2, follow=0):
        return unshuffle(photo, factor, min(follow, factor**2) - 1 if follow else None)

    choice = ipywidgets.SelectionSlider(
        options=FACTORS, value=2, description="factor", layout={"width": "min(560px, 100%)"}
    )
    toy = sliders(show, alt=alt, factor=choice, follow=(0, 4))

    def limit_follow(change):
        toy.controls["follow"].max = change["new"] ** 2

    choice.observe(limit_follow, names="value")
    return toy
