"""Still figures of pictures and words: grids of photos, magnified details, kernels and tables."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.show import look
from mssnet_edu.show.look import Figure

__all__ = ["beside", "kernel", "photos", "table", "zoom_in"]

Texts = str | Sequence[str | None] | None  # one for each picture
Photos = torch.Tensor | list[torch.Tensor] | tuple[torch.Tensor, ...]


def photos(
    photos: Photos,
    titles: Texts = None,
    captions: Texts = None,
    alt: str | None = None,
    columns: int | None = None,
    zoom: int | None = None,
    marks: Texts = None,
    max_px: int = look.MAX_PX,
) -> Figure:
    """Show photos side by side, each with its title, caption and size.

    photos: one photo (3, H, W) or a list of them, sRGB in [0, 1]. titles, captions: a text each.
    alt: what the figure shows, in one sentence, for readers who cannot see it.
    columns: how many stand in a row. zoom: screen pixels per photo pixel, for the largest photo;
    None chooses. marks: a coloured tag for each photo: "recorded", "invented",
    "partly invented", "original", "restored", or None.
    max_px: photos with more pixels are averaged down, so that the page stays light.
    Small photos are enlarged by whole numbers, one square per pixel, never smoothed.
    Raises PhotoError for what is no photo, ValueError where the lists differ in length.

    >>> import torch
    >>> photos([torch.rand(3, 8, 8), torch.rand(3, 64, 64)], titles=["small", "large"])
    Figure: Photos side by side: small; large.
    """
    photos = photo_list(photos)
    titles, captions, marks = one_each(len(photos), titles=titles, captions=captions, marks=marks)
    columns = _column_count(columns, len(photos))
    widths = look.display_widths(photos, _column_px(columns), scale=zoom)
    alt = alt or list_titles("Photo" if len(photos) == 1 else "Photos side by side", titles)
    cells = []
    for i, (photo, width) in enumerate(zip(photos, widths, strict=True)):
        name = titles[i] or f"photo {i + 1} of {len(photos)}"
        picture_alt = alt if len(photos) == 1 else f"{name}. {captions[i] or ''}".strip()
        picture = look.picture(photo, width, picture_alt, max_px)
        note, shown = look.size_texts(photo, width, max_px)
        cells.append(look.Cell(picture, width, note, titles[i], captions[i], marks[i], shown))
    return look.grid(cells, columns, alt)


def zoom_in(
    photos: Photos,
    box: tuple[int, int, int, int],
    titles: Texts = None,
    captions: Texts = None,
    alt: str | None = None,
    zoom: int | None = None,
    marks: Texts = None,
    overview: bool = True,
) -> Figure:
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
    photos = photo_list(photos)
    titles, captions, marks = one_each(len(photos), titles=titles, captions=captions, marks=marks)
    largest = max(photos, key=lambda photo: photo.shape[-1])
    images.crop(largest, box)  # raises when the box leaves the photo
    place = [int(value) for value in box]
    columns = _column_count(None, len(photos) + bool(overview))
    if zoom is None:
        zoom = max(1, min(_column_px(columns), 420) // max(place[2:]))
    width = place[2] * zoom
    cells = [_overview(largest, place, _column_px(columns), place[3] * zoom)] if overview else []
    for i, photo in enumerate(photos):
        name = titles[i] or f"photo {i + 1} of {len(photos)}"
        picture = look.picture(
            _sample_box(photo, place, look.size_of(largest), zoom),
            width,
            f"{name}, magnified. {captions[i] or ''}".strip(),
            pixelated=True,
        )
        scale = zoom * largest.shape[-1] / photo.shape[-1]
        text = look.scale_text(scale)
        shown = f"each pixel shown {text} × {text}" if scale >= 1.5 else "pixel for pixel"
        cells.append(look.Cell(picture, width, "", titles[i], captions[i], marks[i], shown))
    alt = alt or list_titles(f"The same place, magnified, in {len(photos)} photos", titles)
    return look.grid(cells, columns, alt)


def _overview(photo, box, max_width, detail_height):
    """The whole photo with a frame around the box."""
    width = min(look.display_widths([photo], max_width, max(detail_height, 200))[0], max_width)
    alt = "The whole photo, with a frame around the magnified place."
    per_cent = [
        f"{100 * value / side:.2f}"
        for value, side in zip(box, 2 * look.size_of(photo), strict=True)
    ]
    framed = look.html.framed(look.picture(photo, width, alt), per_cent)
    return look.Cell(framed, width, f"{box[2]} × {box[3]} px", "the place")


def _sample_box(photo, box, full_size, zoom):
    """The screen pixels of a box, nearest neighbour: the box counts in pixels of full_size."""
    left, top, width, height = box
    own_width, own_height = look.size_of(photo)
    x = (left + (torch.arange(width * zoom) + 0.5) / zoom) * own_width / full_size[0]
    y = (top + (torch.arange(height * zoom) + 0.5) / zoom) * own_height / full_size[1]
    x, y = x.long().clamp(max=own_width - 1), y.long().clamp(max=own_height - 1)
    return photo[:, y][:, :, x]


def kernel(
    kernel: torch.Tensor | list[torch.Tensor] | tuple[torch.Tensor, ...],
    titles: Texts = None,
    captions: Texts = None,
    alt: str | None = None,
) -> Figure:
    """Show blur kernels: where the light of one point went. White is most, black is none.

    kernel: (k, k) or a list of them, numbers >= 0. Each is scaled to its own brightest pixel.
    Raises ValueError for anything else.

    >>> import torch
    >>> kernel(torch.eye(9) / 9, titles=["a diagonal line"])
    Figure: Blur kernel: a diagonal line.
    """
    kernels = list(kernel) if isinstance(kernel, list | tuple) else [kernel]
    titles, captions = one_each(len(kernels), titles=titles, captions=captions)
    for number, k in enumerate(kernels, start=1):
        if not isinstance(k, torch.Tensor) or k.ndim != 2 or k.numel() == 0 or float(k.min()) < 0:
            what = tuple(k.shape) if isinstance(k, torch.Tensor) else type(k).__name__
            raise ValueError(f"kernel {number} is {what}; expected a (k, k) tensor, no negatives")
    alt = alt or list_titles("Blur kernel" if len(kernels) == 1 else "Blur kernels", titles)
    # black all around, or a kernel that is white everywhere would show no shape
    side = max(max(k.shape) for k in kernels) + 2
    columns = _column_count(None, len(kernels))
    width = side * max(1, min(300, look.PAGE_PX // columns - look.GAP_PX) // side)
    cells = []
    for k, title, caption in zip(kernels, titles, captions, strict=True):
        grey = (k / k.max().clamp(min=1e-12)).float().expand(3, -1, -1)
        name = f"Kernel: {title}." if title else "Kernel."
        picture = look.picture(_pad_to_square(grey, side), width, name, pixelated=True)
        note = f"{k.shape[1]} × {k.shape[0]} px, the numbers sum to {float(k.sum()):.3f}"
        cells.append(look.Cell(picture, width, note, title, caption))
    return look.grid(cells, columns, alt)


def _pad_to_square(photo, side):
    rows, columns = side - photo.shape[-2], side - photo.shape[-1]
    return F.pad(photo, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def beside(*figures: Figure, alt: str | None = None) -> Figure:
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
    return Figure(look.html.beside(figures, alt), alt)


def table(
    rows: Sequence[Sequence],
    columns: Sequence[str],
    caption: str | None = None,
    alt: str | None = None,
    digits: int = 2,
) -> Figure:
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
        i > 0 and bool(rows) and all(row[i] is None or _is_number(row[i]) for row in rows)
        for i in range(len(columns))
    ]
    texts = [[_cell_text(value, digits) for value in row] for row in rows]
    content = look.html.table(columns, texts, numeric, caption)
    heads = ", ".join(map(str, columns))
    alt = alt or f"{caption or 'Table'}: {len(rows)} rows; columns {heads}."
    return Figure(look.html.card(content, alt), alt)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell_text(value, digits):
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.{digits}f}" if math.isfinite(value) else "∞" if value > 0 else "not known"
    return f"{value:,}" if _is_number(value) else value


def photo_list(photos: Photos) -> list[torch.Tensor]:
    """Photos (3, H, W) from one photo, a list of them or a batch."""
    listed = list(photos) if isinstance(photos, list | tuple) else [photos]
    if not listed:
        raise ValueError("photos is empty; give at least one photo")
    if len(listed) == 1 and isinstance(listed[0], torch.Tensor) and listed[0].ndim == 4:
        listed = list(listed[0])
    name = "photo" if len(listed) == 1 else "photos[{}]"
    return [look.single_photo(photo, name.format(i)) for i, photo in enumerate(listed)]


def one_each(count: int, **arguments: Texts) -> list[list[str | None]]:
    """For each argument a list of `count` texts, or of None. Raises ValueError for other counts."""
    lists = []
    for name, texts in arguments.items():
        if texts is None:
            texts = [None] * count
        texts = [texts] if isinstance(texts, str) else list(texts)
        if len(texts) != count:
            raise ValueError(f"{name} has {len(texts)} entries for {count} pictures; give one each")
        if name == "marks":
            for mark in texts:
                look.check_mark(mark)
        lists.append(texts)
    return lists


def _column_count(columns, count):
    if columns is None:
        return math.ceil(count / math.ceil(count / 4))  # at most four, and rows of equal length
    if int(columns) < 1:
        raise ValueError(f"columns is {columns}; expected 1 or more")
    return min(int(columns), count)


def _column_px(columns):
    return (look.PAGE_PX - look.GAP_PX * (columns - 1)) // columns


def list_titles(what: str, titles: Sequence[str | None]) -> str:
    """'Photos: small; large.', an alternative text from the titles."""
    titles = [title for title in titles if title]
    return f"{what}: {'; '.join(titles)}." if titles else f"{what}."
