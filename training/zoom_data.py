"""Labelled photos of any number, one after the other: ImageNet-Hard, ImageNet-1k, or a table.

Nothing but the photo in hand is in memory. A picture that cannot be read is named and left out.
"""

import functools
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.models.classifier import wordnet_ids

__all__ = ["Photo", "read_dataset"]

PICTURES = (".jpeg", ".jpg", ".png", ".webp")
ROWS_AT_ONCE = 8  # of a parquet file: it holds whole photos
COLUMNS = ["image", "label", "origin", "english_label"]
METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Photo:
    """One photo of a data set. name: "GROUP/NAME", unique; labels: its right classes.

    load: reads it, (3, H, W) in [0, 1]; raises PhotoError where that cannot be done.
    """

    name: str
    labels: tuple[int, ...]
    load: Callable[[], Tensor]


def read_dataset(path: Path) -> Iterator[Photo]:
    """The photos of a data set, in an order that is always the same.

    path: ImageNet-Hard as published, a parquet file or a folder of them, with the columns image,
    label (a list of classes), origin and english_label; or a folder of pictures with
    metadata.jsonl (one object a line: file_name, label, and origin if there is one); or a folder
    like ImageNet-1k's validation set, one folder for each class, named by its WordNet id.
    Raises ValueError for anything else.
    """
    if not path.exists():
        raise ValueError(f"there is no {path}. Give a parquet file, or a folder of photos.")
    parquet = [path] if path.suffix == ".parquet" else sorted(path.rglob("*.parquet"))
    if parquet:
        return _parquet(parquet)
    if (path / METADATA).is_file():
        return _metadata(path)
    classes = {name: number for number, name in enumerate(wordnet_ids())}
    folders = [f for f in sorted(path.iterdir()) if f.name in classes] if path.is_dir() else []
    if folders:
        return _class_folders(folders, classes)
    raise ValueError(
        f"{path} holds no data set: expected parquet files, {METADATA}, or folders named by "
        "WordNet ids, such as n02123045."
    )


def _labels(value: object, where: str) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    labels = tuple(v for v in values if isinstance(v, int) and v >= 0)  # -1 pads some lists
    if not labels or max(labels) > 999:
        raise ValueError(f"{where}: label is {value}; expected classes from 0 to 999.")
    return labels


def _parquet(files: Sequence[Path]) -> Iterator[Photo]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            'reading parquet files needs pyarrow: pip install -c constraints.txt -e ".[train]"'
        ) from None
    for file in files:
        with pyarrow.parquet.ParquetFile(file) as table:
            missing = {"image", "label"} - set(table.schema_arrow.names)
            if missing:
                raise ValueError(
                    f"{file} has no column {sorted(missing)[0]!r}; expected {', '.join(COLUMNS)}."
                )
            columns = [c for c in ("image", "label", "origin") if c in table.schema_arrow.names]
            number = 0
            for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    where = f"{file.stem} #{number}"
                    blob = (row["image"] or {}).get("bytes") or b""
                    number += 1
                    yield Photo(
                        f"{row.get('origin') or 'all'}/{where}",
                        _labels(row["label"], where),
                        functools.partial(_decoded, blob, where),
                    )


def _decoded(blob: bytes, where: str) -> Tensor:
    try:
        with Image.open(io.BytesIO(blob)) as image:
            return images.from_pillow(image)
    except Exception as error:  # Pillow's plugins raise many types on damaged files
        raise images.PhotoError(f"{where} cannot be read ({type(error).__name__}).") from error


def _metadata(folder: Path) -> Iterator[Photo]:
    with (folder / METADATA).open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{folder / METADATA}, line {number}"
            try:
                row = json.loads(line)
                file, label = row["file_name"], row["label"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{where}: expected file_name and label as JSON.") from error
            yield Photo(
                f"{row.get('origin') or 'all'}/{file}",
                _labels(label, where),
                functools.partial(images.load, folder / file),
            )


def _class_folders(folders: Sequence[Path], classes: dict[str, int]) -> Iterator[Photo]:
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() in PICTURES:
                yield Photo(
                    f"all/{folder.name}/{file.name}",
                    (classes[folder.name],),
                    functools.partial(images.load, file),
                )
