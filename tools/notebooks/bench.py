"""Time the networks against a fixed piece of work in the same run; results go to build/bench.json.

    python -m tools.notebooks.bench            everything
    python -m tools.notebooks.bench --repeat 9

Seconds differ between machines and between hours. The ratio to the reference, a stack of plain
convolutions that is timed right before each measurement, differs much less: compare ratios. Each
network is timed in both precisions; dB says how near bfloat16's answer is to float32's, "of peak"
compares with a matrix product. Where OpenVINO is installed (`pip install openvino`), it runs the
same networks in bfloat16; the seconds of `me.deblur` and `me.upscale` then include what surrounds a
network, OpenVINO's do not. "prepare" is what OpenVINO takes first, for each network and size.
"""

import argparse
import functools
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from mssnet_edu import (
    degrade,
    exposure,
    files,
    metrics,
    models,
    reference_selection,
    restore,
    samples,
    zoom,
)
from mssnet_edu.precision import PRECISIONS, autocast
from training.clips import Play, observations
from training.reference_env import ReferenceEnv

BUDGET_S = 60  # per task: a slow one is measured fewer times
ZOOMS_S = 25  # what the 324 zooms of one photo may take
TOO_LARGE = {"maxim-gopro"}  # for OpenVINO: converting it takes more than 24 GB
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


def tasks() -> Iterator[tuple[str, Callable[..., Tensor]]]:
    """Yield (name, work) for each restoring network; work takes a `precision`."""
    photo = samples.load("astronaut")[:, :512, :512]
    small = degrade.downscale(photo, 4)  # 128 x 128
    for name in models.names("deblur"):
        yield f"deblur 512x512 by {name}", functools.partial(restore.deblur, photo, name)
    for name in models.names("upscale"):
        # one pass: a network of factor 4 would need two for 8x, the second with 16 times the pixels
        factor = models.info(name).factor
        yield (
            f"upscale 128x128 to {128 * factor}x{128 * factor} by {name}",
            functools.partial(restore.upscale, small, factor, name),
        )
    yield "fill 256x256 from a reference by overexposure", _fill_one_frame()


def _fill_one_frame() -> Callable[..., Tensor]:
    """Fill the second frame of a film from the first: as photos, for metrics.psnr."""
    clip = exposure.film(samples.panorama("courtyard"), 2, (256, 256), startle_ev=-2, seed=3)
    network = models.load_model("overexposure").to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @torch.inference_mode()
    def work(precision: str) -> Tensor:
        with autocast(precision, clip.frames.device):
            light = network(clip.frames[1:], clip.ev[1], clip.frames[:1], clip.ev[0])
        return exposure.develop(light[0].float(), -3)

    return work


def decisions_per_s(episodes: int = 40) -> float:
    """How many decisions a second the environment in which the policy is trained takes and pays."""
    clip = exposure.film(samples.panorama("courtyard"), 24, (18, 32))
    seen, length = reference_selection.glances(clip.frames, clip.ev), len(clip)
    table = reference_selection.Qualities(torch.rand(length, length), *torch.rand(3, length))
    env = ReferenceEnv([Play("courtyard-0", "courtyard", seen, table, observations(seen))])
    network = models.load_model("reference-policy")

    def play() -> None:
        for _ in range(episodes):
            now, over = env.reset()[0], False
            while not over:
                with torch.inference_mode():
                    adopt = int(network(torch.from_numpy(now)) > 0)
                now, _, over, _, _ = env.step(adopt)

    return episodes * (length - 1) / seconds(play)


def all_zooms() -> Tensor:
    """Classify every zoom of one photo, as lesson 08 and ImageNet-Hard do."""
    return zoom.all_zooms(samples.load("astronaut"))


class Recorded(nn.Module):
    """A network with all but the photo fixed as in its last call: what can be traced."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.photo, self.rest = network, torch.empty(0), {}

    def record(self, work: Callable[[], object]) -> None:
        """Do a piece of work, and keep what it calls the network with."""

        def keep(_network, photos, rest):
            (self.photo,), self.rest = photos, rest

        with self.network.register_forward_pre_hook(keep, with_kwargs=True):
            work()

    def forward(self, photo: Tensor) -> Tensor:
        return self.network(photo, **self.rest)


def openvino_work(name: str, work: Callable[[], object]) -> Callable[[], Tensor]:
    """Return OpenVINO's run of the network `name`, in bfloat16, on what `work` calls it with."""
    import openvino  # pyright: ignore[reportMissingImports]: not one of the course's packages

    recorded = Recorded(models.load_model(name).eval())
    recorded.record(work)
    photo = recorded.photo.contiguous()
    # checks of values and sizes cannot be traced
    with mock.patch("mssnet_edu.images.as_batch", lambda photo, **_: photo):
        graph = openvino.convert_model(recorded, example_input=photo)
    hint = {"INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino.Core().compile_model(graph, "CPU", hint)
    return lambda: torch.from_numpy(compiled(photo.numpy())[0])


def gflop(work: Callable[[], object]) -> float:
    """Return how many billion additions and multiplications a piece of work takes."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def peak_gflop_per_s(precision: str, repeat: int, side: int = 1536) -> float:
    """Return the rate of a matrix product, which no network can exceed by much."""
    a = torch.rand(side, side, dtype=getattr(torch, precision))
    return 2e-9 * side**3 / min(seconds(lambda: a @ a) for _ in range(repeat + 1))


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

    restoring = {*models.names("deblur"), *models.names("upscale")}
    rows, peaks = {}, {p: peak_gflop_per_s(p, repeat) for p in PRECISIONS}
    print(f"{'':48} {'seconds':>8} {'ratio':>8} {'GFLOP/s':>8} {'of peak':>8} {'dB':>6}")
    for name, work in tasks():
        work_gflop, exact = gflop(functools.partial(work, precision="float32")), None
        for precision in PRECISIONS:
            in_precision = functools.partial(work, precision=precision)
            first = seconds(in_precision)  # warm up
            times = max(1, min(repeat, int(BUDGET_S / first)))
            pairs = [(seconds(reference_work), seconds(in_precision)) for _ in range(times)]
            own_s = statistics.median(own_s for _, own_s in pairs)
            answer = in_precision()
            exact = answer if exact is None else exact
            row = rows[f"{name}, {precision}"] = {
                "seconds": own_s,
                "ratio": statistics.median(own_s / reference_s for reference_s, own_s in pairs),
                "gflop_per_s": work_gflop / own_s,
                "of_peak": work_gflop / own_s / peaks[precision],
                "agreement_db": metrics.psnr(answer, exact),
                "runs": times,
            }
            cells = f"{row['seconds']:8.2f} {row['ratio']:8.2f} {row['gflop_per_s']:8.0f}"
            print(
                f"{name:48} {cells} {row['of_peak']:8.0%} {row['agreement_db']:6.1f}  {precision}"
            )
        network = name.rsplit(" ", 1)[1]
        if importlib.util.find_spec("openvino") and network in restoring - TOO_LARGE:
            begun = time.perf_counter()
            faster = openvino_work(network, functools.partial(work, precision="bfloat16"))
            faster()  # warm up
            row["openvino_prepare_s"] = time.perf_counter() - begun
            pairs = [(seconds(in_precision), seconds(faster)) for _ in range(times)]
            row["openvino_seconds"] = statistics.median(other_s for _, other_s in pairs)
            row["ratio_to_openvino"] = statistics.median(
                own_s / other_s for own_s, other_s in pairs
            )
            cells = f"{row['openvino_seconds']:8.2f} {row['ratio_to_openvino']:8.2f}"
            cells += f"   prepare: {row['openvino_prepare_s']:.0f} s"
            print(f"{'  OpenVINO, bfloat16; ours to it':48} {cells}")

    name = "classify all 324 zooms of a photo"
    pairs = [(seconds(reference_work), seconds(all_zooms)) for _ in range(min(repeat, 3))]
    own_s = statistics.median(own_s for _, own_s in pairs)
    ratio = statistics.median(own_s / reference_s for reference_s, own_s in pairs)
    rows[name] = {"seconds": own_s, "ratio": ratio, "runs": len(pairs)}
    print(f"{name:48} {own_s:8.2f} {ratio:8.2f}   (at most {ZOOMS_S} s on two cores)")

    torch_s = import_seconds("import torch", repeat)
    for what in ("import mssnet_edu", "import torch, mssnet_edu.images, mssnet_edu.restore"):
        own_s = import_seconds(what, repeat)
        rows[what] = {"seconds": own_s, "ratio": own_s / torch_s}
        print(f"{what:48} {own_s:8.2f} {own_s / torch_s:8.2f}   (ratio to `import torch`)")

    rate = statistics.median(decisions_per_s() for _ in range(repeat))
    rows["decisions of the reference policy, environment included"] = {"per_second": rate}
    print(f"{'decisions of the reference policy, with environment':48} {rate:8.0f} a second")

    report = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "peak_gflop_per_s": peaks,
        "reference_s": statistics.median(seconds(reference_work) for _ in range(repeat)),
        "repeat": repeat,
        "rows": rows,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(OUT, json.dumps(report, indent=2) + "\n")
    print(f"\n{OUT}")


if __name__ == "__main__":
    main()
