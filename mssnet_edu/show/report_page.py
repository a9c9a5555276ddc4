"""A report on one enlarged photo: a page of its own, to keep, to print, to send along with it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from mssnet_edu import hallucination, images, metrics, models, zoom
from mssnet_edu.files import replacing
from mssnet_edu.hallucination.trust import TrustMap
from mssnet_edu.inference import Progress
from mssnet_edu.precision import choose_precision
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.trust import mask_doubtful

__all__ = ["Report", "report"]

QUICK_PX = 128  # of a side, up to which a report takes less than a minute
AGREES_DB = 45
EXACT_DB = 60  # a quarter of a grey level: no file of 256 of them could hold the difference
SURE, NOT_SURE = 0.5, "a classifier is sure of no name"
THRESHOLD = 8  # grey levels: an error that few would notice
FIGURE_MAX_PX = 400_000  # of one picture; a report has many


class Report(look.Figure):
    """What `report` returns: a figure that shows itself. `page` is the whole file, as text.

    answer, candidates, trust_map: what was computed on the way. verdict: (kind, share, what it is)
    of what was recorded, what invented, and where the doubt is least. path: where it was written.
    """

    def __init__(
        self,
        body: str,
        alt: str,
        page: str,
        answer: torch.Tensor,
        candidates: dict[str, torch.Tensor],
        trust_map: TrustMap,
        verdict: list[tuple[str, str, str]],
        path: Path | None,
    ):
        super().__init__(body, alt)
        self.page, self.verdict, self.path = page, verdict, path
        self.answer, self.candidates, self.trust_map = answer, candidates, trust_map


def report(
    photo: torch.Tensor,
    path: str | os.PathLike | None = None,
    *,
    model: str | None = None,
    n: int = 6,
    seed: int = 0,
    answer: torch.Tensor | None = None,
    diagnosis: Iterable[Any] | None = None,
    title: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Enlarge a photo 8x, and say in one page what was recorded, what was invented, what to trust.

    photo: (3, H, W), sRGB in [0, 1], sides from 16 to 256 px. path: an HTML file to write, None for
    none. model: which of the candidates is the answer: a name of `me.models`, a candidate's name,
    or None for the first. n: how many candidates are compared. answer: (3, 8H, 8W), an enlargement
    of your own, made consistent here and compared with them; `model` is then its name.
    diagnosis: what `me.diagnose` found in the photo, for a chapter of its own. progress: as for
    `me.hallucination.candidates`; None prints for photos over 128 px, which take a while.
    The page holds all its pictures and needs no network. Returns a `Report`.
    Raises PhotoError for a photo too small or too large and for an answer of another size,
    ValueError for an unknown model.

    >>> import torch
    >>> report(torch.rand(3, 16, 16), n=2).answer.shape
    torch.Size([3, 128, 128])
    """
    photo = look.single_photo(photo)
    path = None if path is None else check_path(path)
    if progress is None:
        progress = max(photo.shape[-2:]) > QUICK_PX
    if answer is not None:
        model = model or "your answer"
        answer = hallucination.back_project(_check_answer(answer, photo), photo)
    candidates = hallucination.candidates(photo, n, seed=seed, progress=progress)
    if answer is not None:
        candidates = {model: answer, **candidates}
    name = _choose(candidates, model)
    if callable(progress):
        progress(1.0, "comparing the answers")
    elif progress:
        print("comparing the answers", flush=True)
    trust_map = hallucination.trust_map(candidates, candidates[name])
    title = title or "An enlarged photo: what was recorded, and what was invented"
    summary = _summarize(photo, name, candidates, trust_map)
    verdict = _verdict(photo, candidates[name], trust_map)
    html = look.macros("report_page")
    body = html.body(
        title=title,
        summary=summary,
        diagnosis=diagnosis,
        figures=_figures(photo, name, candidates, trust_map),
        others=len(candidates) - 1,
        verdict=verdict,
        precision=choose_precision(),
        cards=[
            {"info": models.info(network), "text": models.card(network)}
            for network in models.names()
            if any(network in candidate for candidate in candidates)
        ],
    )
    page = str(html.page(title, body))
    if path is not None:
        with replacing(path) as part:
            part.write_text(page, encoding="utf-8")
    figure, alt = html.figure(title, body), f"{title}. {summary}"
    return Report(figure, alt, page, candidates[name], candidates, trust_map, verdict, path)


def _check_answer(answer, photo):
    answer = look.single_photo(answer)
    height, width = (8 * side for side in photo.shape[-2:])
    if answer.shape[-2:] != (height, width):
        raise images.PhotoError(
            f"answer is {answer.shape[-1]} x {answer.shape[-2]} px; 8 times the photo are {width} "
            f"x {height} px. Enlarge the photo 8 times: me.upscale(photo, 8)"
        )
    return answer


def _choose(candidates, model):
    """The name of the candidate that `model` names."""
    if model is None:
        return next(iter(candidates))
    names = [name for name in candidates if name == model or name.startswith(f"{model}, seed")]
    if not names:
        raise ValueError(
            f"model is {model!r}; the answers compared here are "
            f"{', '.join(map(repr, candidates))}. Choose one of them, or raise n."
        )
    return names[0]


def _summarize(photo, name, candidates, trust_map):
    """The whole report in one paragraph of plain words, each number computed."""
    answer = candidates[name]
    width, height = look.size_of(photo)
    shares = hallucination.energy_shares(photo, answer)
    agreement_db = metrics.consistency_db(answer, photo)
    trusted = 100 * float((trust_map.expected <= THRESHOLD).float().mean())
    agrees = (
        "so it respects every recorded number"
        if agreement_db >= AGREES_DB
        else "so it contradicts the photo that it was made from"
    )
    return (
        f"The photo had {width} × {height} pixels. The enlargement has {answer.shape[-1]} × "
        f"{answer.shape[-2]}, made by {name}. {100 * shares.numbers_invented_share:.1f} % of its "
        f"numbers were not recorded but invented; they carry "
        f"{100 * shares.energy_invented_share:.1f} % of its energy. Made small again, it agrees "
        f"with the photo {_agreement(agreement_db)}, {agrees}. So do {len(candidates) - 1} other "
        f"answers, which look different. In {trusted:.0f} % of the picture they differ least: "
        f"there, an error of up to {THRESHOLD} grey levels of 255 is to be expected, elsewhere "
        "more. Trust light, colour and large shapes only. (This was measured on clean "
        "photographs; of an old or noisy one, expect more.) The doubt is largest "
        f"{_worst_place(trust_map.expected)}. Do not "
        "read letters, numbers or faces in it, least of all in what is covered below, and never "
        "use them as evidence."
    )


def _verdict(photo, answer, trust_map):
    """The answer to the course's question: (kind, its share, what it is) of three kinds."""
    shares = hallucination.energy_shares(photo, answer)
    recorded = 100 * (1 - shares.numbers_invented_share)
    agreed = 100 * float((trust_map.expected <= THRESHOLD).float().mean())
    size = photo.shape[-1], photo.shape[-2]
    return [
        ("recorded", f"{recorded:.1f} % of the numbers", f"those of {size[0]} × {size[1]} pixels"),
        (
            "invented",
            f"{100 - recorded:.1f} % of the numbers",
            f"they carry {100 * shares.energy_invented_share:.1f} % of the energy: fine detail",
        ),
        (
            "least doubtful",
            f"{agreed:.0f} % of the picture",
            f"there the answers differ so little that an error of up to {THRESHOLD} grey levels is "
            "expected: guessed all the same, and often further off than that",
        ),
    ]


def _named(photo):
    """What the course's classifier calls it, in words; nothing of which it is not half sure.

    It has no name for people, and its guesses at them can be insults.
    """
    [(name, share)] = zoom.named(zoom.centre_crop(photo))
    return f"a classifier says: {name} ({100 * share:.0f} %)" if share > SURE else NOT_SURE


def _agreement(db):
    return "exactly" if db > EXACT_DB else f"to {db:.0f} dB"


def _worst_place(expected):
    """In words: where the mean expected error is largest, of nine parts."""
    bands = zip(("top", "middle", "bottom"), expected.tensor_split(3, 0), strict=True)
    means = {
        (row, column): float(part.mean())
        for row, band in bands
        for column, part in zip(("left", "centre", "right"), band.tensor_split(3, 1), strict=True)
        if part.numel()
    }
    row, column = max(means, key=means.__getitem__)
    if (row, column) == ("middle", "centre"):
        return "in the middle"
    place = {"top": "at the top", "middle": "half-way down", "bottom": "at the bottom"}[row]
    side = {"left": "on the left", "centre": "in the middle", "right": "on the right"}[column]
    return f"{place}, {side}"


def _figures(photo, name, candidates, trust_map):
    """The figures of the page by name."""
    answer, start = candidates[name], hallucination.pseudo_inverse(photo)
    agreement_db = {n: metrics.consistency_db(other, photo) for n, other in candidates.items()}
    others = [other for other in candidates if other != name]
    limit = float(trust_map.expected.quantile(0.7))
    return {
        "in_and_out": figures.photos(
            [photo, answer],
            titles=["the photo", f"enlarged 8x: {name}"],
            captions=[
                f"all that was recorded; {_named(photo)}",
                f"agrees {_agreement(agreement_db[name])}; {_named(answer)}",
            ],
            marks=["recorded", "partly invented"],
            alt="The small photo, and its enlargement.",
            max_px=FIGURE_MAX_PX,
        ),
        "parts": figures.photos(
            [start.clamp(0, 1), (0.5 + answer - start).clamp(0, 1)],
            titles=["what follows from the photo", "what was added"],
            captions=[
                f"a smooth guess from {photo.numel():,} numbers",
                "grey: nothing added. (The energy above is counted from even squares.)",
            ],
            marks=[None, "invented"],
            alt="The smooth start, and the detail that was added to it, on grey.",
            max_px=FIGURE_MAX_PX,
        ),
        "others": figures.photos(
            [candidates[other] for other in others],
            titles=others,
            captions=[
                f"agrees {_agreement(agreement_db[other])}; {_named(candidates[other])}"
                for other in others
            ],
            marks=["partly invented"] * len(others),
            alt="Other enlargements of the same photo.",
            columns=min(3, len(others)),
            max_px=FIGURE_MAX_PX,
        ),
        "trust": figures.photos(
            [answer, mask_doubtful(trust_map, limit)],
            titles=["the answer", "the worst 30 % covered"],
            captions=[None, f"hatched: an error of more than {limit:.0f} grey levels is expected"],
            alt="The answer, and the answer with its doubtful cells hatched.",
            max_px=FIGURE_MAX_PX,
        ),
    }


def check_path(path: str | os.PathLike) -> Path:
    """The path of a page to write. Raises ValueError or FileNotFoundError for a wrong one."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path is {str(path)!r}; expected a name that ends in .html")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}. Create it, or choose another.")
    return path
