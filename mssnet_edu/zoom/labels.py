"""Photographs whose content is known: 78 of the course's own, or a folder of yours.

A table names each photo's file and its right ImageNet classes, often several: a photo of a tabby
is no mistake for a tiger cat. The course's own lie in data/labelled, with their credits.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.lazy import did_you_mean
from mssnet_edu.models.classifier import class_names
from mssnet_edu.samples import find_data

__all__ = [
    "Labelled",
    "Recorded",
    "labelled_photo",
    "labelled_photos",
    "read_labels",
    "recorded_zooms",
]

CLASSES = 1000
TABLE = "labelled/labelled.tsv"
RECORDED = "labelled/zooms.safetensors"
_REQUIRED = ("file", "imagenet_ids")


@dataclass(frozen=True)
class Labelled:
    """One photo with its right classes.

    labels: ImageNet-1k classes, 0 to 999, each of them right. box: of the object, (left, top,
    width, height) in pixels, None where nobody drew one. in_train: the course's own networks were
    trained on this photo, so they must not be judged on it (the classifier was not).
    """

    name: str
    file: Path
    labels: tuple[int, ...]
    box: tuple[int, int, int, int] | None = None
    in_train: bool = False
    hard: str = ""
    author: str = ""
    licence: str = ""
    source: str = ""

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.removesuffix("_gc").replace("_", " ")

    @property
    def right_names(self) -> list[str]:
        """The English names of the right classes."""
        names = class_names()
        return [names[label] for label in self.labels]

    def load(self) -> Tensor:
        """The photo: (3, H, W), sRGB in [0, 1]. Raises PhotoError if it cannot be read."""
        return images.load(self.file)


def labelled_photos() -> list[Labelled]:
    """The course's 78 labelled photographs, in the order of their names.

    >>> len(labelled_photos())
    78
    """
    table = find_data(TABLE)
    return read_labels(table, table.parent)


def labelled_photo(name: str) -> Labelled:
    """The course's labelled photograph of this name. Raises ValueError if there is none.

    >>> labelled_photo("snake").labels
    (57,)
    """
    photos = {photo.name: photo for photo in labelled_photos()}
    if name not in photos:
        hint = did_you_mean(name, photos) or f" There are: {', '.join(photos)}."
        raise ValueError(f"there is no labelled photo {name!r}.{hint}")
    return photos[name]


def read_labels(table: Path, folder: Path) -> list[Labelled]:
    """Read a table of labels: the photos it names, in its order.

    table: tab-separated, with a line of headings: `file` (a path within the folder) and
    `imagenet_ids` (classes from 0 to 999, with commas between) at least; `x0`, `y0`, `x1`, `y1`,
    `in_train` ("yes" or "no"), `hard`, `author`, `licence` and `source` are read where they stand.
    Raises ValueError that names the line for a table that is not so, and for a missing file.
    """
    table, folder = Path(table), Path(folder)
    if not table.is_file():
        raise ValueError(f"there is no table {table}. Give a tab-separated file of labels.")
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        try:
            rows = list(reader)
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{table} is not a table as text in UTF-8: {error}.") from error
    missing = [column for column in _REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(
            f"{table} has no column {missing[0]!r}. Its first line must name the columns, with "
            f"tabs between; {' and '.join(_REQUIRED)} are needed."
        )
    if not rows:
        raise ValueError(f"{table} names no photos: it has a line of headings only.")
    photos = [_read_row(row, f"{table}, line {n}", folder) for n, row in enumerate(rows, start=2)]
    names = [photo.name for photo in photos]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{table} names {sorted(twice)[0]!r} twice. Rename one of the files.")
    return photos


def _read_row(row: dict[str, str], where: str, folder: Path) -> Labelled:
    ids = (row["imagenet_ids"] or "").split(",")
    try:
        labels = tuple(int(each) for each in ids)
    except ValueError:
        labels = (-1,)
    if not all(0 <= each < CLASSES for each in labels):
        raise ValueError(
            f"{where}: imagenet_ids is {row['imagenet_ids']!r}; expected classes from 0 to "
            f"{CLASSES - 1}, with commas between, such as 281,282."
        )
    file = folder / (row["file"] or "")
    if not file.is_file():
        raise ValueError(f"{where}: there is no file {file}.")
    return Labelled(
        Path(row["file"]).stem,
        file,
        labels,
        _box(row, where),
        (row.get("in_train") or "no").strip().lower() in ("yes", "true", "1"),
        *((row.get(column) or "") for column in ("hard", "author", "licence", "source")),
    )


def _box(row: dict[str, str], where: str) -> tuple[int, int, int, int] | None:
    corners = [row.get(column) for column in ("x0", "y0", "x1", "y1")]
    if not all(corners):
        return None
    try:
        x0, y0, x1, y1 = (round(float(each or "")) for each in corners)
    except ValueError:
        raise ValueError(f"{where}: x0, y0, x1, y1 are {corners}; expected four numbers.") from None
    return x0, y0, x1 - x0, y1 - y0


@dataclass(frozen=True)
class Recorded:
    """What the classifier said of all 324 zooms, computed beforehand.

    names: of the photos. classes, probabilities: (photos, 36, 9, 5), the five most likely classes
    of each zoom and their probabilities (float16 in the file, 0.001 off at most), best first.
    right: (photos, 36, 9), bool; right_probability: the same, of the right classes together.
    """

    names: tuple[str, ...]
    classes: Tensor
    probabilities: Tensor
    right: Tensor
    right_probability: Tensor

    def answers(self, name: str) -> Tensor:
        """The answers to all zooms of one photo, (36, 9, 1000), as `all_zooms` gives them.

        Where a class was not among the five most likely of a zoom, its probability is 0 here.
        Raises ValueError for an unknown name.
        """
        if name not in self.names:
            raise ValueError(f"there are no stored answers for {name!r}. Use me.zoom.all_zooms.")
        i = self.names.index(name)
        answers = torch.zeros(*self.classes.shape[1:3], CLASSES)
        return answers.scatter_(-1, self.classes[i], self.probabilities[i])

    def without(self, names: Sequence[str]) -> "Recorded":
        """The same without these photos."""
        keep = torch.tensor([name not in names for name in self.names])
        kept = tuple(name for name in self.names if name not in names)
        parts = (self.classes, self.probabilities, self.right, self.right_probability)
        return Recorded(kept, *(part[keep] for part in parts))


def recorded_zooms() -> Recorded:
    """The classifier's answers to the 324 zooms of each labelled photo: minutes of work, stored.

    Made by tools/provenance/make_labelled.py; `all_zooms` computes the same for one photo.

    >>> recorded_zooms().classes.shape
    torch.Size([78, 36, 9, 5])
    """
    stored = safetensors.torch.load_file(find_data(RECORDED))
    photos = labelled_photos()
    classes = stored["classes"].long()
    right = torch.stack(
        [
            torch.isin(each[..., 0], torch.tensor(photo.labels))
            for each, photo in zip(classes, photos, strict=True)
        ]
    )
    return Recorded(
        tuple(photo.name for photo in photos),
        classes,
        stored["probabilities"].float(),
        right,
        stored["right_probability"].float(),
    )
