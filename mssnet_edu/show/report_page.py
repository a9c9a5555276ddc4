"""A report on one enlarged photo: a page of its own, to keep, to print, to send along with it."""

from pathlib import Path

from mssnet_edu import hallucination, metrics, models
from mssnet_edu.files import replacing
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.trust import mask_doubtful

__all__ = ["Report", "report"]

MAX_PX = 128  # of a side, up to which a report takes less than a minute
AGREES_DB = 45
LIMIT = 8  # grey levels: an error that few would notice


class Report(look.Figure):
    """What `report` returns: a figure that shows itself. `page` is the whole file, as text.

    answer, candidates, trust_map: what was computed on the way. path: where it was written.
    """

    def __init__(self, body, alt, page, answer, candidates, trust_map, path):
        super().__init__(body, alt)
        self.page, self.path = page, path
        self.answer, self.candidates, self.trust_map = answer, candidates, trust_map


def report(photo, path=None, *, model=None, n=6, seed=0, title=None, progress=None):
    """Enlarge a photo 8x, and say in one page what was recorded, what was invented, what to trust.

    photo: (3, H, W), sRGB in [0, 1], sides from 16 to 256 px. path: an HTML file to write, None for
    none. model: which of the candidates is the answer: a name of `me.models`, a candidate's name,
    or None for the first. n: how many candidates are compared. progress: print a line for each;
    None does so for photos over 128 px, which take more than a minute.
    The page holds all its pictures and needs no network. Returns a `Report`.
    Raises PhotoError for a photo too small or too large, ValueError for an unknown model.

    >>> import torch
    >>> report(torch.rand(3, 16, 16), n=2).answer.shape
    torch.Size([3, 128, 128])
    """
    photo = look.one_photo(photo)
    if path is not None:
        path = _target(path)
    if progress is None:
        progress = max(photo.shape[-2:]) > MAX_PX
    found = hallucination.candidates(photo, n, seed=seed, progress=progress)
    name = _chosen(found, model)
    answer = found[name]
    if progress:
        print("comparing the answers", flush=True)
    doubt = hallucination.trust_map(found, answer)
    shares = hallucination.energy_shares(photo, answer)
    agreement = metrics.consistency_db(answer, photo)
    title = title or "An enlarged photo: what was recorded, and what was invented"
    reading = _reading(photo, answer, name, found, doubt, shares, agreement)
    body = _body(photo, answer, name, found, doubt, shares, agreement, title, reading)
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{look.escape(title)}</title><style>{look.css('figures')} body{{margin:24px auto;"
        f"max-width:{look.PAGE_PX + 60}px;padding:0 16px;font:16px/1.5 {look.FONT};"
        f"color:{look.INK};background:#fff}} details{{margin:.6em 0}} pre{{white-space:pre-wrap;"
        "font-size:12.5px} h2{margin-top:1.6em}</style></head><body>" + body + "</body></html>"
    )
    if path is not None:
        with replacing(path) as part:
            part.write_text(page, encoding="utf-8")
    alt = f"{title}. {reading}"
    # no card: figures within a figure would lose their margins
    style = (
        f"background:{look.PAPER};color:{look.INK};font:15px/1.5 {look.FONT};color-scheme:light;"
        f"border:1px solid {look.RULE};border-radius:10px;padding:8px 20px;max-width:fit-content"
    )
    for head in ("h1", "h2"):  # JupyterLab gives headings the colour of its theme
        body = body.replace(f"<{head}>", f'<{head} style="color:{look.INK}">')
    inner = f'<div role="group" aria-label="{look.escape(title)}" style="{style}">{body}</div>'
    return Report(inner, alt, page, answer, found, doubt, path)


def _chosen(found, model):
    if model is None:
        return next(iter(found))
    fitting = [each for each in found if each == model or each.startswith(f"{model}, seed")]
    if not fitting:
        raise ValueError(
            f"model is {model!r}; the answers compared here are {', '.join(map(repr, found))}. "
            "Choose one of them, or raise n."
        )
    return fitting[0]


def _reading(photo, answer, name, found, doubt, shares, agreement):
    """The whole report in one paragraph of plain words, each number computed."""
    width, height = look.size_of(photo)
    calm = 100 * float((doubt.expected <= LIMIT).float().mean())
    agrees = (
        "so it respects every recorded number"
        if agreement >= AGREES_DB
        else "so it contradicts the photo that it was made from"
    )
    return (
        f"The photo had {width} × {height} pixels. The enlargement has {answer.shape[-1]} × "
        f"{answer.shape[-2]}, made by {name}. {100 * shares.numbers_invented_share:.1f} % of its "
        f"numbers were not recorded but invented; they carry "
        f"{100 * shares.energy_invented_share:.1f} % of its energy. Made small again, it agrees "
        f"with the photo to {agreement:.0f} dB, {agrees}. So do {len(found) - 1} other answers, "
        f"which look different. From their disagreement, an error of up to {LIMIT} grey levels of "
        f"255 is to be expected in {calm:.0f} % of the picture: there, trust light, colour and "
        "large shapes. (This was measured on clean photographs; of an old or noisy one, expect "
        f"more.) The doubt is largest {_where(doubt.expected)}. Do not read letters, "
        "numbers or faces in what is covered below, and never use them as evidence."
    )


def _where(expected):
    """In words: where the mean expected error is largest, of nine parts."""
    bands = zip(("top", "middle", "bottom"), expected.tensor_split(3, 0), strict=True)
    means = {
        (row, column): float(part.mean())
        for row, band in bands
        for column, part in zip(("left", "centre", "right"), band.tensor_split(3, 1), strict=True)
        if part.numel()
    }
    row, column = max(means, key=means.get)
    if (row, column) == ("middle", "centre"):
        return "in the middle"
    place = {"top": "at the top", "middle": "half-way down", "bottom": "at the bottom"}[row]
    side = {"left": "on the left", "centre": "in the middle", "right": "on the right"}[column]
    return f"{place}, {side}"


def _body(photo, answer, name, found, doubt, shares, agreement, title, reading):
    recorded = hallucination.pseudo_inverse(photo).clamp(0, 1)
    invented = (0.5 + answer - hallucination.pseudo_inverse(photo)).clamp(0, 1)
    others = [each for each in found if each != name]
    agree = {each: metrics.consistency_db(picture, photo) for each, picture in found.items()}

    def pictures(all, **words):
        return figures.laid_out(all, **words, max_px=400_000).body

    parts = [
        f"<h1>{look.escape(title)}</h1><p><b>In short.</b> {look.escape(reading)}</p>",
        "<h2>In and out</h2>",
        pictures(
            [photo, answer],
            titles=["the photo", f"enlarged 8x by {name}"],
            captions=["all that was recorded", f"made small again: {agreement:.1f} dB"],
            marks=["recorded", None],
            alt="The small photo, and its enlargement.",
        ),
        "<h2>Taken apart</h2>",
        pictures(
            [recorded, invented],
            titles=["what follows from the photo", "what was added"],
            captions=[
                f"a smooth guess from {photo.numel():,} numbers",
                "grey: nothing added. (The energy above is counted from even squares.)",
            ],
            marks=[None, "invented"],
            alt="The smooth start, and the detail that was added to it, on grey.",
        ),
        f"<h2>{len(others)} other answers</h2>",
        "<p>Each of them becomes the same small photo. Where they differ, the photo does not "
        "decide.</p>",
        pictures(
            [found[each] for each in others],
            titles=others,
            captions=[f"{agree[each]:.1f} dB" for each in others],
            marks=["invented"] * len(others),
            alt="Other enlargements of the same photo.",
            columns=min(3, len(others)),
        ),
        "<h2>What to trust</h2>",
        pictures(
            [answer, mask_doubtful(doubt, LIMIT)],
            titles=["the answer", "doubtful cells covered"],
            captions=[None, f"hatched: an error of more than {LIMIT} grey levels is expected"],
            alt="The answer, and the answer with its doubtful cells hatched.",
        ),
        "<h2>The networks</h2>",
        *(_card(each) for each in models.names() if any(each in key for key in found)),
    ]
    return "".join(parts)


def _card(name):
    info = models.info(name)
    failures = "".join(f"<li>{look.escape(each)}</li>" for each in info.failures)
    return (
        f"<p><b>{look.escape(name)}</b>: {look.escape(info.summary)} Trained on: "
        f"{look.escape(info.trained_on)} Licence: {look.escape(info.licence)}.</p>"
        f"<ul>{failures}</ul><details><summary>the whole card</summary>"
        f"<pre>{look.escape(models.card(name))}</pre></details>"
    )


def _target(path):
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path is {str(path)!r}; expected a name that ends in .html")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}. Create it, or choose another.")
    return path
