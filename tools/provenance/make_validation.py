"""Cut the validation crops out of the held-out photographs: data/validation, with credits.

    python -m tools.provenance.make_validation FOLDER    as tools.provenance.rebuild makes it

The same pixels for everybody: `python -m training.evaluate` measures on these crops. They come
from the photographs that training/dataset.tsv holds out, as far as their licence lets us pass them
on, and from where the photo has the most structure: in a sky there is nothing to restore.
"""

import csv
import hashlib
import io
import sys
from pathlib import Path

from mssnet_edu import images
from training.benchmark import SIDE_PX, textured_crops
from training.dataset import CORPUS_LIST

OUT = Path(__file__).resolve().parents[2] / "data" / "validation"
REDISTRIBUTABLE = ("CC0", "CC-BY", "BSD")  # may be passed on with a credit; GPL and LGPL may not
CROPS_PER_PHOTO = 2
# Where faces are, people look first; fur alone would win by structure. And one tower is enough.
CHOSEN = {
    "gcompris-qt-data__macaque.jpg": [(1024, 192)],
    "gcompris-qt-data__meerkats.jpg": [(800, 128), (1312, 64)],
}
ONLY_ONE = {"budgie-backgrounds__piazza-gae-aulenti.jpg"}


def main() -> None:
    """Write the crops and their credits."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    OUT.mkdir(parents=True, exist_ok=True)
    with CORPUS_LIST.open(newline="", encoding="utf-8") as table:
        listed = [r for r in csv.DictReader(table, delimiter="\t") if r["split"] == "validation"]
    rows = []
    for source in (r for r in listed if r["licence"].startswith(REDISTRIBUTABLE)):
        path = folder / source["file"]
        if not path.is_file():
            sys.exit(
                f"{path} is missing. Rebuild it: python -m tools.provenance.rebuild --out {folder}"
            )
        if hashlib.sha256(path.read_bytes()).hexdigest() != source["sha256"]:
            print(f"note: {path.name} was rebuilt with other bytes; its crops may differ a little")
        photo = images.load(path)
        count = 1 if source["file"] in ONLY_ONE else CROPS_PER_PHOTO
        corners = CHOSEN.get(source["file"]) or textured_crops(photo, (SIDE_PX, SIDE_PX), count)
        for number, (left, top) in enumerate(corners, start=1):
            title = source["file"].rsplit("__", 1)[-1].rsplit(".", 1)[0].split("_")[0].lower()
            name = f"{title}_{number}.webp"
            crop = images.to_pillow(images.crop(photo, (left, top, SIDE_PX, SIDE_PX)))
            blob = io.BytesIO()
            crop.save(blob, "WEBP", lossless=True, quality=100, method=5)
            (OUT / name).write_bytes(blob.getvalue())
            rows.append(
                {
                    "file": name,
                    "licence": source["licence"],
                    "attribution": source["attribution"],
                    "source": f"{source['package']}: {source['source_file']}",
                    "photo": source["file"],
                    "box": f"{left},{top},{SIDE_PX},{SIDE_PX}",
                    "changes": "reduced in size, cropped",
                    "sha256": hashlib.sha256(blob.getvalue()).hexdigest(),
                }
            )
            print(f"{name:28} {len(blob.getvalue()) / 1e3:6.0f} kB  at {left},{top}")
    with (OUT / "CREDITS.tsv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    size = sum(p.stat().st_size for p in OUT.glob("*.webp"))
    print(f"{len(rows)} crops, {size / 1e6:.2f} MB, in {OUT}")


if __name__ == "__main__":
    main()
