"""The labelled photographs and the classifier's answers to their zooms: data/labelled.

    python -m tools.provenance.make_labelled FOLDER    photos and labelled.tsv, from such a folder
    python -m tools.provenance.make_labelled           the answers anew, ten minutes and more

FOLDER holds the photographs that labelled.tsv lists, and that table. Each comes from the package or
repository that its row names (source, path_inside), was reduced to at most 640 px and saved as
JPEG; its row has the SHA-256 of the result. The files are copied as they are: saving a JPEG anew
would change the fine structure that the experiments are about.
"""

import csv
import hashlib
import shutil
import sys
from pathlib import Path

import safetensors.torch
import torch
from tqdm import tqdm

from mssnet_edu import zoom
from mssnet_edu.files import replacing
from tools.provenance import sources

OUT = sources.ROOT / "data" / "labelled"
TABLE, ANSWERS = OUT / "labelled.tsv", OUT / "zooms.safetensors"
CHANGES = "reduced to at most 640 px, saved as JPEG"
MOST_LIKELY = 5


def copy_photos(folder: Path) -> None:
    """Copy the photos and their table, after checking each SHA-256."""
    OUT.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE.name).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in rows:
        blob = (folder / row["file"]).read_bytes()
        if hashlib.sha256(blob).hexdigest() != row["sha256"]:
            sys.exit(f"{folder / row['file']} is not the file that {TABLE.name} lists.")
        shutil.copyfile(folder / row["file"], OUT / row["file"])
        row["changes"] = CHANGES
    with replacing(TABLE) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    size = sum(path.stat().st_size for path in OUT.glob("*.jpg"))
    print(f"{len(rows)} photos, {size / 1e6:.2f} MB, in {OUT}")


def answer_zooms() -> None:
    """Classify all zooms of all photos and keep the five most likely classes of each."""
    classes, probabilities, right = [], [], []
    for photo in tqdm(zoom.labelled_photos(), unit="photo", disable=None):
        answers = zoom.all_zooms(photo.load())
        best = answers.topk(MOST_LIKELY)
        classes.append(best.indices.short())
        probabilities.append(best.values.half())
        right.append(answers[..., list(photo.labels)].sum(-1).half())
    stored = {
        "classes": torch.stack(classes),
        "probabilities": torch.stack(probabilities),
        "right_probability": torch.stack(right),
    }
    with replacing(ANSWERS) as part:
        safetensors.torch.save_file(stored, part)
    print(f"{ANSWERS.stat().st_size / 1e6:.2f} MB: {ANSWERS}")


def main() -> None:
    """Copy the photos if a folder is named; else answer their zooms."""
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    if len(sys.argv) == 2:
        copy_photos(Path(sys.argv[1]))
    else:
        answer_zooms()


if __name__ == "__main__":
    main()
