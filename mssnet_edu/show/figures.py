"""Still figures: grids of photos, magnified details, spectra, kernels, charts and tables."""

import math
import struct

import torch

from mssnet_edu import images
from mssnet_edu.images.spectrum import power_spectrum
from mssnet_edu.show import look
from mssnet_edu.show.look import Figure

__all__ = ["axes", "beside", "figure", "kernel", "photos", "spectrum", "table", "zoom_in"]


def photos(photos, titles=None, captions=None, alt=None, columns=None, zoom=None, marks=None):
    """Show photos side by side, each with its title, caption and size.

    photos: one photo (3, H, W) or a list of them, sRGB in [0, 1]. titles, captions: a text each.
    alt: what the figure shows, in one sentence, for readers who cannot see it.
    columns: how many stand in a row. zoom: screen pixels per photo pixel, for the largest photo;
    None chooses. marks: "recorded", "invented" or None for each photo: a coloured tag.
    Small photos are enlarged by whole numbers, one square per pixel, never smoothed.
    Raises PhotoError for what is no photo, ValueError where the lists differ in length.

    >>> import torch
    >>> photos([torch.rand(3, 8, 8), torch.rand(3, 64, 64)], titles=["small", "large"])
    Figure: Photos side by side: small; large.
    """
    return laid_out(photos, titles, captions, alt, columns, zoom, marks)


def laid_out(photos, titles, captions, alt, columns=None, zoom=None, marks=None, max_px=1_500_000):
    """What `photos` does; max_px: photos with more pixels are averaged down to travel lighter."""
    photos = _list(photos)
    titles = _texts("titles", titles, photos)
    captions = _texts("captions", captions, photos)
    marks = _texts("marks", marks, photos)
    columns = _columns(columns, len(photos))
    room = (look.PAGE_PX - look.GAP_PX * (columns - 1)) // columns
    shown = look.widths(photos, room, zoom=zoom)
    alt = alt or _alt("Photo" if len(photos) == 1 else "Photos side by side", titles)
    cells = []
    for i, photo in enumerate(photos):
        light, averaged = look.reduced(photo, max_px)
        width, height = look.size_of(photo)
        name = titles[i] or f"photo {i + 1} of {len(photos)}"
        picture = look.img(
            look.data_url(light),
            alt if len(photos) == 1 else f"{name}. {captions[i] or ''}".strip(),
            shown[i],
            round(shown[i] * height / width),
            pixelated=shown[i] >= 2 * width,
        )
        note = look.size_note(photo, shown[i], averaged)
        cells.append(_cell(picture, shown[i], titles[i], captions[i], note, marks[i]))
    return Figure(look.card(_grid(cells, shown, columns), alt), alt)


def zoom_in(
    photos, box, titles=None, captions=None, alt=None, zoom=None, marks=None, overview=True
):
    """Show one place of several photos, magnified, all at the same scale.

    photos: photos of the same scene, of any sizes. box: (left, top, width, height) in pixels of the
    largest of them; in smaller ones the same place is cut out. zoom: screen pixels per pixel of the
    largest; None chooses. overview: also show where the place lies.
    Pixels stay squares. Raises PhotoError if the box leaves the photo.

    >>> import torch
    >>> pair = [torch.rand(3, 8, 8), torch.rand(3, 64, 64)]
    >>> zoom_in(pair, (16, 16, 32, 32), titles=["1/8", "8x"])
    Figure: The same place, magnified, in 2 photos: 1/8; 8x.
    """
    photos = _list(photos)
    titles = _texts("titles", titles, photos)
    captions = _texts("captions", captions, photos)
    marks = _texts("marks", marks, photos)
    largest = max(photos, key=lambda p: p.shape[-1])
    full_width, full_height = look.size_of(largest)
    images.crop(largest, box)  # raises when the box leaves the photo
    left, top, width, height = (int(v) for v in box)
    many = len(photos) + (1 if overview else 0)
    columns = _columns(None, many)
    room = (look.PAGE_PX - look.GAP_PX * (columns - 1)) // columns
    if zoom is None:
        zoom = max(1, min(room, 420) // max(width, height))
    alt = alt or _alt(f"The same place, magnified, in {len(photos)} photos", titles)
    cells, shown = [], []
    if overview:
        wide = min(look.widths([largest], room, tall_px=max(height * zoom, 200))[0], room)
        light, _ = look.reduced(largest)
        picture = look.img(
            look.data_url(light),
            "The whole photo, with a frame around the magnified place.",
            wide,
            round(wide * full_height / full_width),
            pixelated=wide >= 2 * full_width,
        )
        place = (
            f"left:{100 * left / full_width:.2f}%;top:{100 * top / full_height:.2f}%;"
            f"width:{100 * width / full_width:.2f}%;height:{100 * height / full_height:.2f}%"
        )
        frame = f'<div class="mss-over">{picture}<div class="mss-box" style="{place}"></div></div>'
        cells.append(_cell(frame, wide, "the place", None, f"{width} × {height} px", None))
        shown.append(wide)
    for i, photo in enumerate(photos):
        cut = _same_place(photo, box, (full_width, full_height), zoom)
        times = zoom * full_width / photo.shape[-1]
        name = titles[i] or f"photo {i + 1} of {len(photos)}"
        picture = look.img(
            look.data_url(cut),
            f"{name}, magnified. {captions[i] or ''}".strip(),
            width * zoom,
            height * zoom,
            pixelated=True,
        )
        each = f"{times:.0f}" if abs(times - round(times)) < 0.01 else f"{times:.1f}"
        note = f"each pixel shown {each} × {each}" if times >= 1.5 else "pixel for pixel"
        cells.append(_cell(picture, width * zoom, titles[i], captions[i], note, marks[i]))
        shown.append(width * zoom)
    return Figure(look.card(_grid(cells, shown, columns), alt), alt)


def _same_place(photo, box, full, zoom):
    """The screen pixels of a box: each takes the photo pixel it lies in, whatever the size."""
    left, top, width, height = (int(v) for v in box)
    own_width, own_height = look.size_of(photo)
    x = (left + (torch.arange(width * zoom) + 0.5) / zoom) * own_width / full[0]
    y = (top + (torch.arange(height * zoom) + 0.5) / zoom) * own_height / full[1]
    x, y = x.long().clamp(max=own_width - 1), y.long().clamp(max=own_height - 1)
    return photo[:, y][:, :, x]


def kernel(kernel, titles=None, captions=None, alt=None):
    """Show blur kernels: where the light of one point went. White is most, black is none.

    kernel: (k, k) or a list of them, numbers >= 0. Each is scaled to its own brightest pixel.
    Raises ValueError for anything else.

    >>> import torch
    >>> kernel(torch.eye(9) / 9, titles=["a diagonal line"])
    Figure: Blur kernel: a diagonal line.
    """
    kernels = list(kernel) if isinstance(kernel, list | tuple) else [kernel]
    titles = _texts("titles", titles, kernels)
    captions = _texts("captions", captions, kernels)
    for number, k in enumerate(kernels, start=1):
        if not isinstance(k, torch.Tensor) or k.ndim != 2 or k.numel() == 0 or float(k.min()) < 0:
            what = tuple(k.shape) if isinstance(k, torch.Tensor) else type(k).__name__
            raise ValueError(f"kernel {number} is {what}; expected a (k, k) tensor, no negatives")
    alt = alt or _alt("Blur kernel" if len(kernels) == 1 else "Blur kernels", titles)
    # black all around, or a kernel that is white everywhere would show no shape
    side = max(max(k.shape) for k in kernels) + 2
    columns = _columns(None, len(kernels))
    shown = side * max(1, min(300, look.PAGE_PX // columns - look.GAP_PX) // side)
    cells = []
    for k, title, caption in zip(kernels, titles, captions, strict=True):
        grey = (k / k.max().clamp(min=1e-12)).float().expand(3, -1, -1)
        name = f"Kernel: {title}." if title else "Kernel."
        picture = look.img(look.data_url(_centred(grey, side)), name, shown, shown, pixelated=True)
        note = f"{k.shape[1]} × {k.shape[0]} px, the numbers sum to {float(k.sum()):.3f}"
        cells.append(_cell(picture, shown, title, caption, note, None))
    return Figure(look.card(_grid(cells, [shown] * len(cells), columns), alt), alt)


def _centred(picture, side):
    down, right = side - picture.shape[-2], side - picture.shape[-1]
    around = (right // 2, right - right // 2, down // 2, down - down // 2)
    return torch.nn.functional.pad(picture, around)


def spectrum(photo, titles=None, alt=None, keep=None):
    """Show the 2-D spectrum of photos: how strong each fineness of detail is, in each direction.

    photo: one photo or a list. The centre is large soft shapes, the edge is the finest stripes a
    pixel grid can hold (half a cycle per pixel). Brightness is strength in dB, one scale for all.
    keep: a whole number f draws the square that is left after downscaling f times.
    A Hann window is applied first, or the photo's borders would draw a cross.

    >>> import torch
    >>> spectrum(torch.rand(3, 64, 64), alt="Spectrum of noise: equally bright everywhere.")
    Figure: Spectrum of noise: equally bright everywhere.
    """
    found = _list(photo)
    titles = _texts("titles", titles, found)
    strengths = [_strength_db(images.luma(p)[0]) for p in found]
    top = max(float(s.max()) for s in strengths)
    fig, grid = axes(columns=len(found), width_px=min(470, 940 // len(found)), height_px=None)
    picture = None
    for ax, strength, title in zip(_flat(grid), strengths, titles, strict=True):
        picture = ax.imshow(
            strength.numpy() - top,
            extent=(-0.5, 0.5, -0.5, 0.5),
            cmap="magma",
            vmin=-80,
            vmax=0,
            interpolation="nearest" if strength.shape[0] < 128 else "antialiased",
        )
        ax.set(title=title or "", xlabel="cycles per pixel, across", xticks=[-0.5, 0, 0.5])
        ax.set(yticks=[-0.5, 0, 0.5])
        ax.grid(False)
        if keep:
            from matplotlib.patches import Rectangle

            half = 0.5 / keep
            frame = Rectangle(
                (-half, -half), 2 * half, 2 * half, fill=False, edgecolor="#7cc4ff", linewidth=2
            )
            ax.add_patch(frame)
            words = ax.text(0, 0.47, f"left after 1/{keep}", color="#7cc4ff", ha="center", va="top")
            words.set_bbox({"facecolor": "#000000b0", "edgecolor": "none", "pad": 2})
    _flat(grid)[0].set_ylabel("cycles per pixel, down")
    bar = fig.colorbar(picture, ax=_flat(grid), shrink=0.75, pad=0.02, aspect=24)
    bar.set_label("strength (dB)")
    bar.outline.set_visible(False)
    alt = alt or _alt("Spectrum" if len(found) == 1 else "Spectra", titles)
    return figure(fig, alt=alt)


def _strength_db(grey):
    power = power_spectrum(grey - grey.mean())
    return 10 * torch.log10(torch.fft.fftshift(power) + 1e-9)


def axes(columns=1, rows=1, width_px=720, height_px=380):
    """Make a matplotlib figure in the look of the course: returns (figure, axes).

    width_px, height_px: of one panel, in screen pixels; height_px None makes panels square.
    axes: one Axes, or an array of them as `plt.subplots` gives. Show it with `figure`.

    >>> fig, ax = axes()
    >>> _ = ax.plot([1, 2, 3])
    >>> figure(fig, alt="A line that rises from 1 to 3.")
    Figure: A line that rises from 1 to 3.
    """
    import matplotlib
    from matplotlib.figure import Figure as Drawing

    height_px = height_px or width_px
    if columns > 1:
        width_px = min(width_px, look.PAGE_PX // columns)
    with matplotlib.rc_context(_rc()):
        size = (columns * width_px / 100, rows * height_px / 100)
        fig = Drawing(figsize=size, dpi=100, layout="constrained", facecolor=look.PAPER)
        grid = fig.subplots(rows, columns)
    return fig, grid


def figure(fig, alt, caption=None):
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
    _finish(fig)
    png = look.figure_png(fig)
    width, height = (side // 2 for side in struct.unpack(">II", png[16:24]))  # PNG's own header
    picture = look.img(look.png_url(png), alt, width, height)
    return Figure(look.card(picture, alt, caption), alt)


def _rc():
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


def _finish(fig):
    """Give texts and legends the look, which matplotlib takes from its settings only when made."""
    fig.set_facecolor(look.PAPER)
    for ax in fig.axes:
        title = ax.get_title("center")
        if title:
            ax.set_title("")
            ax.set_title(
                title, loc="left", fontsize=13.5, fontweight="bold", color=look.INK, pad=10
            )
        legend = ax.get_legend()
        if legend is not None:
            legend.set_frame_on(False)
            for text in legend.get_texts():
                text.set_color(look.INK)
        for line in ax.get_lines():
            line.set_linewidth(max(line.get_linewidth(), 2.2))


def beside(*figures, alt=None):
    """Put finished figures side by side as one figure; narrow pages stack them.

    figures: what `photos`, `spectrum`, `figure`, `table` and the others here return.
    alt: what they show together. Raises TypeError for anything else.

    >>> beside(table([["one", 1]], ["name", "value"]), Figure("<p>text</p>", alt="A text."))
    Figure: Table: 1 rows; columns name, value. A text.
    """
    for figure in figures:
        if not isinstance(figure, Figure):
            raise TypeError(f"beside got a {type(figure).__name__}; expected figures of me.show")
    alt = alt or " ".join(figure.alt for figure in figures)
    inner = "".join(figure.body for figure in figures)
    return Figure(
        f'<div class="mss-beside" role="group" aria-label="{look.escape(alt)}">{inner}</div>', alt
    )


def table(rows, columns, caption=None, alt=None, digits=2):
    """Show a table that screen readers can walk through.

    rows: a list of rows, each a list of cells; the first cell names its row. columns: the heads.
    Floats are written with `digits` decimals, numbers stand on the right.
    Raises ValueError where a row has another length than `columns`.

    >>> table([["bicubic", 24.318], ["network", 25.5]], ["method", "PSNR (dB)"], caption="Result")
    Figure: Result: 2 rows; columns method, PSNR (dB).
    """
    rows = [list(row) for row in rows]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise ValueError(f"row {number} has {len(row)} cells; there are {len(columns)} columns")
    numeric = [
        bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows)
        for i in range(len(columns))
    ]

    def cell(tag, value, i, scope=""):
        kind = ' class="mss-number"' if numeric[i] and i > 0 else ""
        return f"<{tag}{scope}{kind}>{look.escape(_number(value, digits))}</{tag}>"

    head = "".join(cell("th", c, i, ' scope="col"') for i, c in enumerate(columns))
    body = "".join(
        "<tr>"
        + cell("th", row[0], 0, ' scope="row"')
        + "".join(cell("td", v, i) for i, v in enumerate(row) if i > 0)
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{look.escape(caption)}</caption>" if caption else ""
    inner = f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    heads = ", ".join(map(str, columns))
    alt = alt or f"{caption or 'Table'}: {len(rows)} rows; columns {heads}."
    return Figure(look.card(inner, alt), alt)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value, digits):
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.{digits}f}" if math.isfinite(value) else "∞" if value > 0 else "not known"
    return f"{value:,}" if _is_number(value) else value


def _flat(grid):
    return list(grid.flat) if hasattr(grid, "flat") else [grid]


def _list(photos):
    many = list(photos) if isinstance(photos, list | tuple) else [photos]
    if not many:
        raise ValueError("photos is empty; give at least one photo")
    if len(many) == 1 and isinstance(many[0], torch.Tensor) and many[0].ndim == 4:
        many = list(many[0])
    name = "photo" if len(many) == 1 else "photos[{}]"
    return [look.one_photo(p, name.format(i)) for i, p in enumerate(many)]


def _texts(what, texts, photos):
    if texts is None:
        return [None] * len(photos)
    if isinstance(texts, str):
        texts = [texts]
    if len(texts) != len(photos):
        raise ValueError(
            f"{what} has {len(texts)} entries for {len(photos)} pictures; give one each"
        )
    return list(texts)


def _columns(columns, many):
    if columns is None:
        rows = math.ceil(many / 4)
        return math.ceil(many / rows)
    if int(columns) < 1:
        raise ValueError(f"columns is {columns}; expected 1 or more")
    return min(int(columns), many)


def _alt(what, titles):
    named = [t for t in titles if t]
    return f"{what}: {'; '.join(named)}." if named else f"{what}."


def _cell(picture, width, title, caption, note, mark):
    tag = look.mark_html(mark)
    head = f'<div class="mss-title">{look.escape(title or "")}{tag}</div>' if title or mark else ""
    text = f'<div class="mss-note">{look.escape(caption)}</div>' if caption else ""
    size = f'<div class="mss-size">{look.escape(note)}</div>'
    foot = f"<figcaption>{text}{size}</figcaption>"
    return f'<figure style="max-width:{width}px">{head}{picture}{foot}</figure>'


def _grid(cells, shown, columns):
    # one column as wide as its widest picture; all shrink together where the page is narrow
    widest = [max(shown[i::columns]) for i in range(columns)]
    template = " ".join(f"minmax(0,{width}px)" for width in widest)
    return f'<div class="mss-grid" style="grid-template-columns:{template}">{"".join(cells)}</div>'
