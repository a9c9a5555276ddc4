"""Measure the converted networks of the catalogue; write the numbers into their jsons and cards.

python -m training.measure_models               all networks, a few minutes
python -m training.measure_models rrdn-x8       one
python -m training.measure_models --context rrdn-x8    also the context that a tile needs (slow)

Each network is measured in a process of its own, so that its peak memory is its own. Seconds are
processor time on one core, the best of three; they tell the order of size, not more.
"""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from mssnet_edu import degrade, images, metrics, restore, samples
from mssnet_edu.models import catalogue

FACTOR = 8
PHOTOS = ("astronaut", "cat", "coffee")
SECONDS_PHOTO = ("astronaut", 64)  # this photo's top left corner, so many px square, is enlarged
CONTEXTS = (2, 4, 8, 12, 16, 24, 32, 48, 64, 80)


def quality(name):
    """PSNR of the photo enlarged back to its size, beside bicubic's, and the consistency."""
    ways = ("area", "bicubic") if catalogue.info(name).factor == FACTOR else ("area",)
    return {
        f"1/8 by {way} in 8 bits, enlarged 8x; consistency: the answer at 1/8 against the input": {
            title: _quality(name, title, way) for title in PHOTOS
        }
        for way in ways
    }


def _quality(name, title, way):
    photo = degrade.crop_to_multiple(samples.load(title), FACTOR)
    small = images.quantize(degrade.downscale(photo, FACTOR, method=way))
    plain = metrics.psnr(photo, restore.upscale(small, FACTOR, "bicubic"))
    answer = restore.upscale(small, FACTOR, name)
    again = degrade.downscale(answer, FACTOR, method=way)
    return {
        "bicubic, dB": plain,
        "this network, dB": metrics.psnr(photo, answer),
        "gain, dB": metrics.psnr(photo, answer) - plain,
        "consistency, dB": metrics.psnr(small, again),
    }


def speed(name):
    title, side = SECONDS_PHOTO
    small = samples.load(title)[:, :side, :side]
    network = catalogue.load_model(name)
    seconds = []
    before = _reset_peak_mb()
    for _ in range(3):
        start = time.process_time()  # not the clock on the wall: others may use the machine
        with torch.inference_mode():
            network(small[None])
        seconds.append(time.process_time() - start)
    peak = _memory_mb("VmHWM")
    factor = network.info.factor
    return {
        f"{side} x {side} px enlarged {factor}x on one core": {
            "seconds of processor time": round(min(seconds), 1),
            "peak memory beyond the loaded network, MB": round(peak - before),
            "peak memory of the process, MB": round(peak),
        }
    }


def _reset_peak_mb():
    """Forget the highest memory use so far (Linux only); return the present one."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


def context(name):
    """How far a tile's middle is from what the whole photo gives, by the context around it."""
    network = catalogue.load_model(name)
    factor = network.info.factor
    # the middle of the astronaut's photo, halved: edges and texture, where context matters most
    photo = images.quantize(degrade.downscale(samples.load("astronaut"), 2))[
        None, :, 24:232, 24:232
    ]
    start, side = 96, 16
    row = {}
    with torch.inference_mode():
        whole = _cut(network(photo), start * factor, side * factor)
        for px in CONTEXTS:
            tile = _cut(photo, start - px, side + 2 * px)
            gap = _cut(network(tile), px * factor, side * factor) - whole
            row[f"{px} px"] = round(float(gap.abs().max() * 255), 2)
            if not row[f"{px} px"]:
                break
    return {"largest error of a 16 x 16 px tile, in grey levels, by its context": {"error": row}}


def _cut(photo, start, side):
    return photo[..., start : start + side, start : start + side]


def classes(_name):
    from mssnet_edu.models.classifier import top_classes

    network = catalogue.load_model("efficientnet-lite0")
    rows = {}
    for title in (*PHOTOS, "tesla_portrait"):
        with torch.inference_mode():
            best = top_classes(network(samples.load(title)[None]), count=3)
        rows[title] = {f"answer {i}": f"{c} {p:.2f}" for i, (c, p) in enumerate(best, start=1)}
    return {"what it calls the course's photos, with its probability": rows}


def distances(name):
    """Each kind of damage, all on the astronaut's 128 x 128 px; and the package's own numbers."""
    network = catalogue.load_model(name)
    photo = samples.load("astronaut")[:, 0:128, 160:288]
    small = images.quantize(degrade.downscale(photo, 4, method="area"))
    moved = samples.load("astronaut")[:, 0:128, 161:289]
    others = {
        "the same": photo,
        "moved by 1 px": moved,
        "noise, sigma 0.05": degrade.add_noise(photo, 0.05, seed=0),
        "JPEG, quality 10": degrade.jpeg(photo, 10),
        "1/4, enlarged by bicubic": restore.upscale(small, 4, "bicubic"),
        "1/4, enlarged by realesrgan-x4": restore.upscale(small, 4, "realesrgan-x4"),
    }
    with torch.inference_mode():
        rows = {
            k: {"distance": round(float(network(photo[None], v[None])), 4)}
            for k, v in others.items()
        }
    return {"distance from the astronaut's face, 128 x 128 px": rows}


TASKS = {
    "upscale": (speed, quality),
    "classify": (classes,),
    "perceptual": (distances,),
}


def measure(name, with_context):
    torch.set_num_threads(1)
    info = catalogue.info(name)
    found = {}
    for part in (*TASKS.get(info.task, ()), *([context] if with_context else [])):
        found.update(part(name))
    return found


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    with_context = "--context" in sys.argv
    if "--worker" in sys.argv:
        print(json.dumps(measure(arguments[0], with_context)))
        return
    for name in arguments or catalogue.names():
        info = catalogue.info(name)
        if info.task not in TASKS or info.architecture.startswith("mssnet"):
            print(f"{name}: not measured here. For MSSNet: python -m training.evaluate")
            continue
        extra = ["--context"] if with_context else []
        command = [sys.executable, __file__, "--worker", name, *extra]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        catalogue.write_info(dataclasses.replace(info, measured={**info.measured, **found}))
        print(name, json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
