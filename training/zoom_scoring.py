"""Classify photos by several views, and keep the answers in a file that survives being stopped."""

import csv
import functools
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
from torch import Tensor

from mssnet_edu import hallucination, zoom
from mssnet_edu.files import write_text
from mssnet_edu.models.classifier import class_names
from mssnet_edu.zoom import REDUCTIONS, Answer
from training.zoom_data import Photo

__all__ = [
    "CONSISTENT",
    "ORIGINALS",
    "VIEWS",
    "AnswerFile",
    "classify_photo",
    "enlarge_and_classify",
    "fixed_zoom",
    "read_answers",
]

TTA_CROPS = 16
EXPERIMENT_VIEWS = ("centre", "fixed zoom", "TTA")
CONSISTENT = "centre, consistent"  # the same crop of the answer after back-projection
ORIGINALS = {"1/8": "original", "32 px": "original at 256 px"}
HEADER = ",".join(Answer._fields) + "\n"


@functools.cache
def _recorded() -> zoom.Recorded:
    return zoom.recorded_zooms()


@functools.cache
def fixed_zoom(name: str) -> zoom.Zoom:
    """The zoom that is best for the course's labelled photos, without the one of this name."""
    others = _recorded().without([name])
    return zoom.best_fixed_zoom(others.right, others.right_probability)


def _fixed(photo: Tensor, name: str, labels: Sequence[int]) -> Tensor:
    return zoom.classify(zoom.crop(photo, *fixed_zoom(name))[None])[0]


def _oracle(photo: Tensor, name: str, labels: Sequence[int]) -> Tensor:
    """The answer of the zoom that is right, if any is: an upper limit, for it takes the labels."""
    answers = zoom.all_zooms(photo).flatten(0, 1)  # (324, classes)
    share = answers[:, list(labels)].sum(1)
    return answers[(zoom.is_right(answers, labels) + share).argmax()]


VIEWS: dict[str, Callable[[Tensor, str, Sequence[int]], Tensor]] = {
    "centre": lambda photo, name, labels: zoom.centre_crop(photo),
    "fixed zoom": _fixed,
    "TTA": lambda photo, name, labels: zoom.zoom_tta(photo, TTA_CROPS),
    "ten-crop": lambda photo, name, labels: zoom.ten_crop(photo),
    "oracle": _oracle,
}


def _answer(photo: Photo, enlarger: str, view: str, probabilities: Tensor) -> Answer:
    best = int(probabilities.argmax())
    right = best in photo.labels
    return Answer(
        photo.name, enlarger, view, class_names()[best], right, float(probabilities[best])
    )


def classify_photo(
    photo: Photo,
    views: Iterable[str],
    picture: Tensor | None = None,
    enlarger: str = "original",
) -> Iterator[Answer]:
    """What each of VIEWS says of a photo, or of one picture of it, (3, H, W), by an enlarger."""
    picture = photo.load() if picture is None else picture
    for view in views:
        yield _answer(photo, enlarger, view, VIEWS[view](picture, photo.name, photo.labels))


def enlarge_and_classify(photo: Photo) -> Iterator[Answer]:
    """The experiment on one photo: reduced in each way, enlarged in each way, seen in each view.

    Enlargements are also made consistent with the small photo (back-projected) and classified by
    their centre crop: two labels that differ there agree with the same recorded pixels.
    """
    whole = photo.load()
    for how in REDUCTIONS:
        large, small = zoom.reduce_photo(whole, how)
        extra = ("ten-crop",) if how == "1/8" else ()
        yield from classify_photo(photo, (*EXPERIMENT_VIEWS, *extra), large, ORIGINALS[how])
        yield from classify_photo(photo, EXPERIMENT_VIEWS, small, f"{how}: reduced")
        for name, answer in zoom.enlargements(small):
            enlarger = f"{how}: {name}"
            yield from classify_photo(photo, EXPERIMENT_VIEWS, answer, enlarger)
            consistent = hallucination.back_project(answer, small, eight_bit=True)
            yield _answer(photo, enlarger, CONSISTENT, zoom.centre_crop(consistent))


class AnswerFile:
    """A CSV of answers that grows photo by photo: columns as the fields of `Answer`.

    path: the file. resume: go on with what it holds; else it must not exist. The last photo of a
    run that was stopped may be there in part, so it is taken out and done again. Raises ValueError
    for a file that exists, or that holds something else.
    """

    def __init__(self, path: Path, resume: bool = False) -> None:
        self.path = path
        self._done: set[str] = set()
        if path.exists() and not resume:
            raise ValueError(
                f"{path} exists already. Add --resume to go on with it, or give another --csv."
            )
        if path.exists():
            self._repair()
        else:
            write_text(path, HEADER)

    def _repair(self) -> None:
        text = self.path.read_bytes().decode("utf-8", errors="replace")
        text = text[: text.rfind("\n") + 1]  # a line that was cut off is no answer
        if not text.startswith(HEADER):
            raise ValueError(
                f"{self.path} is no file of answers: its first line is not {HEADER.strip()!r}. "
                "Give another --csv."
            )
        rows = list(csv.reader(io.StringIO(text)))[1:]
        kept = [row for row in rows if row[0] != rows[-1][0]]
        write_text(self.path, HEADER + _csv(kept))
        self._done = {row[0] for row in kept}

    def __contains__(self, name: str) -> bool:
        return name in self._done

    def append(self, answers: Iterable[Answer]) -> None:
        """Add all answers about one photo, at once."""
        rows = [
            (*each._replace(right=int(each.right))[:-1], f"{each.confidence:.4f}")
            for each in answers
        ]
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            stream.write(_csv(rows))
            stream.flush()
            os.fsync(stream.fileno())
        self._done.add(rows[0][0])

    def read(self) -> pd.DataFrame:
        """All answers so far: columns photo, enlarger, view, top1, right (bool), confidence."""
        return read_answers(self.path)


def read_answers(path: Path) -> pd.DataFrame:
    """Read a file of answers, as `AnswerFile.read` does."""
    return pd.read_csv(path, dtype={"photo": str, "top1": str}).astype({"right": bool})


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
