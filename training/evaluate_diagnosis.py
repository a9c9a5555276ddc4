"""How far off `me.diagnose` is, on held-out photographs degraded by known amounts.

python -m training.evaluate_diagnosis                 the crops in data/validation
python -m training.evaluate_diagnosis --photos DIR    and the held-out files of DIR, at half size

Writes docs/evaluation-diagnosis.csv, a row for each photo and case, and the intervals that
`me.diagnose` states, mssnet_edu/diagnosis/accuracy.json. A few minutes; no network is used. The
estimators were made by looking at training photographs only. What is asked of JPEG is asked at half
size, where no trace is left of the files' own.
"""

import argparse
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from mssnet_edu import classical, degrade, images
from mssnet_edu.diagnosis import estimators
from mssnet_edu.files import write_text
from training.benchmark import gopro_path, load_photos, textured_crops
from training.dataset import split_files

__all__ = ["intervals", "measure", "photographs"]

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "evaluation-diagnosis.csv"
ACCURACY = ROOT / "mssnet_edu" / "diagnosis" / "accuracy.json"
SIDE_PX = 512
HALF = ", half size"
MOTION_PX = (0, 6, 10, 16, 24, 32)
ENLARGED = (1, 2, 3, 4, 8)
NOISE = (0, 2, 5, 10)  # grey levels
QUALITIES = (0, 30, 50, 75, 90)  # 0: no JPEG
RESIZED = (1.5, 2, 3)
NINE_OF_TEN = (0.05, 0.95)


def photographs(folder: Path | None = None) -> dict[str, Tensor]:
    """Name -> (3, H, W): the crops of data/validation and those of a folder's held-out files."""
    photos = load_photos()
    for file in split_files(folder)[1] if folder else ():
        photo = images.load(file)
        photo = degrade.downscale(degrade.crop_to_multiple(photo, 2), 2)
        size = tuple(min(side, SIDE_PX) // 24 * 24 for side in photo.shape[1:])  # 2, 3, 4, 8
        [(left, top)] = textured_crops(photo, (size[0], size[1]))
        crop = images.crop(photo, (left, top, size[1], size[0]))
        photos[f"{file.stem}{HALF}"] = images.quantize(crop)
    return photos


def measure(name: str, photo: Tensor) -> Iterator[dict[str, Any]]:
    """Every case of one photo: what was done to it (truth), and what is measured.

    name: of the photograph; it seeds motion and noise. photo: (3, H, W), 8 bits.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    for px in MOTION_PX:
        moved = degrade.motion_blur(photo, gopro_path(px, generator)) if px else photo
        found = classical.motion_extent_px(images.quantize(moved))
        yield _row("motion", f"{px} px", px, found)
    for factor in ENLARGED:
        small = degrade.downscale(degrade.crop_to_multiple(photo, factor), factor)
        large = images.quantize(degrade.enlarge(small, factor))
        for kind, quality in (("PNG", 0), ("JPEG 90", 90), ("JPEG 75", 75)):
            file = degrade.jpeg(large, quality) if quality else large
            known = estimators.compression(file)
            found = estimators.detail(file, known.quality if known else None)
            share = 100 * found.share if found else float("nan")
            yield _row("detail", f"{factor}x, {kind}", 100 / factor, share)
    for sigma in NOISE:
        noisy = images.quantize(degrade.add_noise(photo, sigma / 255, generator))
        yield _row("noise", f"{sigma}", sigma, estimators.noise_sigma(noisy))
    # the crops of data/validation came out of JPEG files, and still show it
    clean = photo if name.endswith(HALF) else images.quantize(degrade.downscale(photo, 2))
    for quality in QUALITIES:
        file = degrade.jpeg(clean, quality) if quality else clean
        known = estimators.compression(file)
        case = f"quality {quality}" if quality else "no JPEG"
        yield _row("jpeg", case, quality, known.quality if known else 0)
    yield _row("grid", "PNG, not resized", 0, _period(clean))
    for factor in RESIZED:
        for kind, part in (("PNG", clean), ("JPEG 75", degrade.jpeg(clean, 75))):
            part = part[:, :256, :256]
            size = [round(side * factor) for side in part.shape[1:]]
            large = images.quantize(degrade.resample(part, size, "bicubic").clamp(0, 1))
            yield _row("grid", f"{kind}, then {factor}x", 8 * factor, _period(large))


def _row(test: str, case: str, truth: float, measured: float | None) -> dict[str, Any]:
    return {"test": test, "case": case, "truth": truth, "measured": measured}


def _period(photo: Tensor) -> float:
    grids = estimators.seams(photo)
    return grids[0].period_px if grids else 0.0


def intervals(table: pd.DataFrame) -> dict[str, Any]:
    """What accuracy.json holds: where the truth lies in nine of ten cases, beside what is measured.

    table: rows as `measure` gives them. "ratio" is truth over measured, "difference" truth minus
    measured, both from the 5th to the 95th percentile. "originals": what untouched photographs
    measure. "seen": the share of motions of each extent that are found at all.
    """

    def spread(values: pd.Series) -> list[float]:
        return [round(float(v), 3) for v in values.quantile(NINE_OF_TEN)]

    rows = {name: part.dropna() for name, part in table.groupby("test")}
    motion, detail, noise, jpeg = (rows[name] for name in ("motion", "detail", "noise", "jpeg"))
    found = motion[(motion.truth > 0) & (motion.measured > 0)]
    moved = motion[motion.truth > 0].groupby("truth").measured
    enlarged = detail[detail.truth < 100]
    known = jpeg[(jpeg.truth > 0) & (jpeg.measured > 0)]
    return {
        "made_by": "python -m training.evaluate_diagnosis",
        "photographs": int(table.photo.nunique()),
        "motion": {
            "ratio": spread(found.truth / found.measured),
            "false_alarms": round(float((motion[motion.truth == 0].measured > 0).mean()), 3),
            "seen": {f"{px:g}": round(float((m > 0).mean()), 3) for px, m in moved},
        },
        "detail": {
            "ratio": spread(enlarged.truth / enlarged.measured),
            "originals": spread(detail[detail.truth == 100].measured / 100),
        },
        "noise": {"difference": spread(noise.truth - noise.measured)},
        "jpeg": {"difference": spread(known.truth - known.measured)},
    }


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description="Measure how far off me.diagnose is.")
    parser.add_argument("--photos", type=Path, help="a folder of photographs, as for training")
    arguments = parser.parse_args()
    photos = photographs(arguments.photos)
    rows = [
        {"photo": name} | row
        for name, photo in tqdm(photos.items(), unit="photo")
        for row in measure(name, photo)
    ]
    table = pd.DataFrame(rows).round({"truth": 2, "measured": 2})
    write_text(TABLE, table.to_csv(index=False, lineterminator="\n"))
    write_text(ACCURACY, json.dumps(intervals(table), indent=2) + "\n")


if __name__ == "__main__":
    main()
