"""Measure the converted networks of the catalogue; write the numbers into their jsons and cards.

python -m training.measure_models               all networks, a few minutes
python -m training.measure_models rrdn-x8       one
python -m training.measure_models --context rrdn-x8    also the context that a tile needs (slow)
python -m training.measure_models --memory      only the memory that tiles need, of all that restore
python -m training.measure_models --rim         only how far photos are mirrored beyond their edges

Each network is measured in a process of its own, so that its peak memory is its own. Seconds are
processor time on one core, the best of three; they tell the order of size, not more.
"""

import argparse
import dataclasses
import json
import math
import multiprocessing
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mssnet_edu import degrade, images, metrics, restore, samples
from mssnet_edu.models import ModelInfo, catalogue
from mssnet_edu.models.classifier import top_classes
from mssnet_edu.tiling import round_up
from training.rim import record_rim

__all__ = [
    "bytes_per_px",
    "classes",
    "context",
    "distances",
    "measure",
    "quality",
    "record_memory",
    "spare",
    "speed",
]

FACTOR = 8
PHOTOS = ("astronaut", "cat", "coffee")
SPEED_PHOTO, SPEED_PX = "astronaut", 64  # its top left corner
FACE = (160, 0, 128, 128)  # in the astronaut's photo
SPARE_PX = (128, 256, 384, 448)  # sides of the photos that `spare` is measured on
CONTEXTS_PX = (2, 4, 8, 12, 16, 24, 32, 48, 64, 80)

Row = Mapping[str, float | str]
# title of a table on the card -> its rows -> their cells, or the cells of its only row
Tables = dict[str, Mapping[str, Row] | Row]


def quality(name: str) -> Tables:
    """PSNR of photos reduced and enlarged back, beside bicubic's, and the consistency, in dB."""
    methods = ("area", "bicubic") if catalogue.info(name).factor == FACTOR else ("area",)
    title = "1/8 by {} in 8 bits, enlarged 8x; consistency: the answer at 1/8 against the input"
    return {title.format(m): {photo: _quality(name, photo, m) for photo in PHOTOS} for m in methods}


def _quality(name: str, photo: str, method: str) -> dict[str, float]:
    sharp = degrade.crop_to_multiple(samples.load(photo), FACTOR)
    small = images.quantize(degrade.downscale(sharp, FACTOR, method=method))
    bicubic_db = float(metrics.psnr(sharp, restore.upscale(small, FACTOR, "bicubic")))
    answer = restore.upscale(small, FACTOR, name)
    answer_db = float(metrics.psnr(sharp, answer))
    return {
        "bicubic, dB": bicubic_db,
        "this network, dB": answer_db,
        "gain, dB": answer_db - bicubic_db,
        "consistency, dB": float(metrics.consistency_db(answer, small, method)),
    }


def speed(name: str) -> Tables:
    """Processor time and peak memory (Linux only) of one small photo."""
    network = catalogue.load_model(name)
    small = samples.load(SPEED_PHOTO)[None, :, :SPEED_PX, :SPEED_PX]
    Path("/proc/self/clear_refs").write_text(
        "5", encoding="utf-8"
    )  # resets the peak of the memory in use
    before_mb, seconds = _memory_mb("VmRSS"), []
    for _ in range(3):
        start = time.process_time()  # not the clock on the wall: others may use the machine
        with torch.inference_mode():
            network(small)
        seconds.append(time.process_time() - start)
    peak_mb = _memory_mb("VmHWM")
    return {
        f"{SPEED_PX} x {SPEED_PX} px enlarged {catalogue.info(name).factor}x on one core": {
            "seconds of processor time": round(min(seconds), 1),
            "peak memory beyond the loaded network, MB": round(peak_mb - before_mb),
            "peak memory of the process, MB": round(peak_mb),
        }
    }


def _memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def bytes_per_px(network: nn.Module) -> float:
    """The most bytes that tensors hold at once while a network runs, per pixel of its answer.

    network: one that restores, with its `info`; of several factors, the worst counts. A small photo
    is sent through, and after every operation the tensors that are alive are counted; weights are
    not. Good for networks whose memory grows with the photo's area, as convolutions' does.
    """
    info = cast(ModelInfo, network.info)
    side = round_up(max(32, info.min_px), info.multiple_of)
    worst = 0.0
    for factor in info.config.get("factors") or (None,):
        extra = {} if factor is None else {"factor": factor}
        with torch.inference_mode(), _LiveBytes() as live:
            answer = network(torch.zeros(1, 3, side, side), **extra)
        worst = max(worst, live.peak / (answer.shape[-1] * answer.shape[-2]))
    return math.ceil(10 * worst) / 10


def spare(name: str, folder: Path | None = None) -> float:
    """How much memory a process takes in float32, over `bytes_per_px`, to deblur (Linux only).

    Of several sizes, the worst counts: whether the heap gets gaps depends on the size.
    """
    network = catalogue.load_model(name, folder)
    options = {"size": 1, "precision": "float32", "max_memory_mb": 1e6}  # in one piece
    worst = 0.0
    for side in SPARE_PX:
        photo = torch.rand(3, side, side)
        before_mb = _memory_mb("VmRSS")
        Path("/proc/self/clear_refs").write_text(
            "5", encoding="utf-8"
        )  # resets the peak of the memory in use
        restore.deblur(photo, network, **options)
        used = (_memory_mb("VmHWM") - before_mb) * 2**20 / side**2
        worst = max(worst, used / cast(ModelInfo, network.info).bytes_per_px)
    return math.ceil(10 * worst) / 10


def record_memory(name: str, folder: Path | None = None) -> ModelInfo:
    """Measure `bytes_per_px` of a network that restores, and `spare` of one that deblurs.

    Writes both into its json and card.
    """
    peak = bytes_per_px(catalogue.load_model(name, folder))
    info = dataclasses.replace(catalogue.info(name, folder), bytes_per_px=peak)
    catalogue.write_info(info, folder)
    if info.task == "deblur":
        with _process() as process:
            measured = process.submit(spare, name, folder).result()
        info = dataclasses.replace(info, spare=measured)
        catalogue.write_info(info, folder)
    return info


def _process() -> ProcessPoolExecutor:
    """Runs each task in a new process: its peak memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1)


class _LiveBytes(TorchFunctionMode):
    """Counts the bytes of all tensors alive, after each operation, and keeps the highest count."""

    def __init__(self):
        super().__init__()
        self.peak, self._tensors = 0, {}

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor) and not isinstance(tensor, nn.Parameter):
                self._tensors[id(tensor)] = weakref.ref(tensor)
        storages = {}
        for key, reference in list(self._tensors.items()):
            tensor = reference()
            if tensor is None:
                del self._tensors[key]
            else:  # views share their storage: count it once
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
        self.peak = max(self.peak, sum(storages.values()))
        return result


def context(name: str) -> Tables:
    """How far a tile's middle is from what the whole photo gives, by the context around it."""
    network, factor = catalogue.load_model(name), catalogue.info(name).factor
    # the middle of the astronaut's photo, halved: edges and texture, where context matters most
    photo = images.quantize(degrade.downscale(samples.load("astronaut"), 2))
    photo = photo[None, :, 24:232, 24:232]
    start, side = 96, 16
    errors = {}
    with torch.inference_mode():
        whole = _square(network(photo), start * factor, side * factor)
        for px in CONTEXTS_PX:
            tile = _square(photo, start - px, side + 2 * px)
            error = _square(network(tile), px * factor, side * factor) - whole
            errors[f"{px} px"] = round(float(error.abs().max() * 255), 2)
            if not errors[f"{px} px"]:
                break
    return {"largest error of a 16 x 16 px tile, in grey levels, by its context": {"error": errors}}


def _square(photo: Tensor, start: int, side: int) -> Tensor:
    return photo[..., start : start + side, start : start + side]


def classes(name: str) -> Tables:
    """The three most probable classes of the course's photos."""
    network = catalogue.load_model(name)
    rows = {}
    for photo in (*PHOTOS, "tesla_portrait"):
        with torch.inference_mode():
            best = top_classes(network(samples.load(photo)[None]), count=3)
        rows[photo] = {f"answer {i}": f"{c} {p:.2f}" for i, (c, p) in enumerate(best, start=1)}
    return {"what it calls the course's photos, with its probability": rows}


def distances(name: str) -> Tables:
    """The perceptual distance of several degradations of the astronaut's face."""
    network = catalogue.load_model(name)
    astronaut, (left, top, width, height) = samples.load("astronaut"), FACE
    face = images.crop(astronaut, FACE)
    small = images.quantize(degrade.downscale(face, 4, method="area"))
    degraded = {
        "the same": face,
        "moved by 1 px": images.crop(astronaut, (left + 1, top, width, height)),
        "noise, sigma 0.05": degrade.add_noise(face, 0.05, seed=0),
        "JPEG, quality 10": degrade.jpeg(face, 10),
        "1/4, enlarged by bicubic": restore.upscale(small, 4, "bicubic"),
        "1/4, enlarged by realesrgan-x4": restore.upscale(small, 4, "realesrgan-x4"),
    }
    with torch.inference_mode():
        rows = {
            title: {"distance": round(float(network(face[None], photo[None])), 4)}
            for title, photo in degraded.items()
        }
    return {"distance from the astronaut's face, 128 x 128 px": rows}


TASKS: dict[str, tuple[Callable[[str], Tables], ...]] = {
    "upscale": (speed, quality),
    "classify": (classes,),
    "perceptual": (distances,),
}


def measure(name: str, with_context: bool = False) -> Tables:
    """All tables for the card of one network, computed on one core."""
    torch.set_num_threads(1)
    parts = TASKS[catalogue.info(name).task] + ((context,) if with_context else ())
    return {title: table for part in parts for title, table in part(name).items()}


def main() -> None:
    """Measure, print, and write the cards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", default=catalogue.names(), metavar="NAME")
    parser.add_argument("--context", action="store_true", help="also what a tile needs (slow)")
    parser.add_argument(
        "--memory", action="store_true", help="only the memory of those that restore"
    )
    parser.add_argument("--rim", action="store_true", help="only the rim of those that restore")
    args = parser.parse_args()
    names = []
    for info in map(catalogue.info, args.names):
        restores = info.task in {"deblur", "upscale"}
        if restores and not args.memory:
            print(f"{info.name}: a photo's edges are mirrored by {record_rim(info.name).rim_px} px")
        if restores and not args.rim:
            found = record_memory(info.name)
            times = f", in float32 {found.spare} times as much" if found.spare else ""
            print(f"{info.name}: {found.bytes_per_px} bytes for each pixel of the answer{times}")
        if args.memory or args.rim:
            continue
        if info.task in TASKS and not info.architecture.startswith("mssnet"):
            names.append(info.name)
        else:
            print(f"{info.name}: not measured here. For MSSNet: python -m training.evaluate")
    with _process() as processes:
        measured = processes.map(partial(measure, with_context=args.context), names)
        for name, tables in zip(names, measured, strict=True):
            info = catalogue.info(name)
            catalogue.write_info(dataclasses.replace(info, measured={**info.measured, **tables}))
            print(name, json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
