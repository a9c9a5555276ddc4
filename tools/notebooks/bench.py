"""Time the networks against a fixed piece of work in the same run; results go to build/bench.json.

    python -m tools.notebooks.bench            everything
    python -m tools.notebooks.bench --repeat 9

Seconds differ between machines and between hours. The ratio to the reference, a stack of plain
convolutions that is timed right before each measurement, differs much less: compare ratios.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.nn import functional as F

from mssnet_edu import degrade, files, models, restore, samples

BUDGET_S = 60  # per task: a slow one is measured fewer times
OUT = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def reference() -> Callable[[], object]:
    """Return the fixed piece of work: eight 3x3 convolutions, 64 channels, 256 x 256."""
    generator = torch.Generator().manual_seed(0)
    photo = torch.rand(1, 64, 256, 256, generator=generator)
    weight = torch.rand(64, 64, 3, 3, generator=generator) / 576
    photo = photo.contiguous(memory_format=torch.channels_last)

    def convolve():
        x = photo
        with torch.no_grad():
            for _ in range(8):
                x = F.conv2d(x, weight, padding=1)
        return x

    return convolve


def tasks() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield (name, work): what the course does most; a network that is not there is left out."""
    photo = samples.load("astronaut")[:, :512, :512]
    small = degrade.downscale(photo, 4)  # 128 x 128
    if "mssnet-deblur" in models.names("deblur"):
        yield "deblur 512x512 by mssnet-deblur", lambda: restore.deblur(photo)
    else:
        print("left out: deblur 512x512, since mssnet-deblur is not in data/weights")
    for name in models.names("upscale"):
        # one pass: a network of factor 4 would need two for 8x, the second with 16 times the pixels
        factor = models.info(name).factor
        yield (
            f"upscale 128x128 to {128 * factor}x{128 * factor} by {name}",
            lambda name=name, factor=factor: restore.upscale(small, factor, model=name),
        )


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def import_seconds(statement: str, repeat: int) -> float:
    """Return the median time of a fresh Python that runs one statement."""
    command = [sys.executable, "-c", statement]
    return statistics.median(
        seconds(lambda: subprocess.run(command, check=True)) for _ in range(repeat)
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="runs per measurement (default: 5)")
    repeat = parser.parse_args().repeat
    reference_work = reference()
    seconds(reference_work)  # warm up

    rows = {}
    print(f"{'':48} {'seconds':>8} {'ratio':>8}")
    for name, work in tasks():
        first = seconds(work)  # load the weights, warm up
        times = max(1, min(repeat, int(BUDGET_S / first)))
        pairs = [(seconds(reference_work), seconds(work)) for _ in range(times)]
        rows[name] = {
            "seconds": statistics.median(own_s for _, own_s in pairs),
            "ratio": statistics.median(own_s / reference_s for reference_s, own_s in pairs),
            "runs": times,
        }
        print(f"{name:48} {rows[name]['seconds']:8.2f} {rows[name]['ratio']:8.2f}", flush=True)

    torch_s = import_seconds("import torch", repeat)
    for what in ("import mssnet_edu", "import torch, mssnet_edu.images, mssnet_edu.restore"):
        own_s = import_seconds(what, repeat)
        rows[what] = {"seconds": own_s, "ratio": own_s / torch_s}
        print(f"{what:48} {own_s:8.2f} {own_s / torch_s:8.2f}   (ratio to `import torch`)")

    report = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "reference_s": statistics.median(seconds(reference_work) for _ in range(repeat)),
        "repeat": repeat,
        "rows": rows,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(OUT, json.dumps(report, indent=2) + "\n")
    print(f"\n{OUT}")


if __name__ == "__main__":
    main()
