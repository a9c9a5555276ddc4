"""Score the networks and their rivals on the benchmark: every method's answer against the truth."""

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from timeit import repeat
from typing import cast

import torch
from torch import Tensor, nn

from mssnet_edu import classical, degrade, hallucination, images, metrics, restore
from mssnet_edu.models import ModelInfo
from mssnet_edu.mssnet import MSSNet
from training import benchmark, losses
from training.benchmark import Degraded

__all__ = ["Score", "deblur_all", "score", "seconds", "upscale_all"]

ALIGNED = ("gopro",)  # groups in which an answer may lie up to WITHIN_PX beside the truth
WITHIN_PX = 8
# (which kernel, noise for Wiener, steps of Richardson-Lucy): chosen on the validation crops, so
# the classical methods are seen at their best
DECONVOLUTIONS = (("true", 0.01, 30), ("estimated", 0.1, 10))
THREADS = 2
SECOND = ", other draw"  # the second sample of a network that samples its answers


@dataclass(frozen=True)
class Score:
    """One method's answer to one degraded photo, measured. NaN: does not apply, or not measured.

    photo, group, case: as in `benchmark.Degraded`. consistency_db: the answer made small again
    against its input; projected_db: the same after back-projection. apart_levels, apart_st_lpips:
    the distance of two samples of one network, in grey levels (mean absolute difference) and in
    looks.
    """

    photo: str
    group: str
    case: str
    method: str
    psnr_db: float
    ssim: float
    st_lpips: float = math.nan
    consistency_db: float = math.nan
    projected_db: float = math.nan
    apart_levels: float = math.nan
    apart_st_lpips: float = math.nan


METRICS = [field.name for field in fields(Score)][4:]


# --- answers --------------------------------------------------------------------------------------


def deblur_all(
    photos: dict[str, Tensor], networks: dict[str, nn.Module]
) -> Iterator[tuple[Degraded, dict[str, Tensor]]]:
    """Each photo of `benchmark.blurred` with all answers to it, {method: (3, H, W)}.

    Of an MSSNet each of the six outputs is an answer of its own, the S1 one at half size.
    """
    for case in benchmark.blurred(photos):
        answers = {"input": case.photo}
        answers |= {method: run() for method, run in _classical(case.photo, case.kernel).items()}
        for name, network in networks.items():
            answers |= _outputs(name, network, case.photo)
        yield case, answers


def _classical(photo: Tensor, kernel: Tensor | None) -> dict[str, Callable[[], Tensor]]:
    """The classical methods, ready to run; only those that need no kernel where there is none."""
    methods: dict[str, Callable[[], Tensor]] = {
        "unsharp mask": partial(classical.unsharp_mask, photo, 2.0, 0.5),
    }
    if kernel is None:
        return methods
    for which, noise, steps in DECONVOLUTIONS:
        psf = kernel if which == "true" else _estimated_kernel(photo, kernel)
        ratio = classical.noise_to_signal(noise)
        methods[f"Wiener, {which} kernel"] = partial(classical.wiener, photo, psf, ratio)
        lucy = partial(classical.richardson_lucy, photo, psf, steps)
        methods[f"Richardson-Lucy, {which} kernel"] = lucy
    return methods


def _estimated_kernel(photo: Tensor, truth: Tensor) -> Tensor:
    """The straight motion that explains the photo best, moved to the true kernel's centre of mass.

    Where the middle of the exposure was cannot be seen in the photo, only where most light fell;
    without this help the whole answer would be shifted, and PSNR would count that as an error.
    """
    longest = max(6.0, min(30.0, min(photo.shape[1:]) / 3))
    line = classical.estimate_line_kernel(photo, longest)
    y, x = (torch.arange(side) - side // 2 for side in truth.shape)
    centre = torch.stack([(truth.sum(1) * y).sum(), (truth.sum(0) * x).sum()])
    frames = 32 * math.ceil(line.length_px) + 1
    path = degrade.motion_path("line", line.length_px, line.angle_deg, frames)
    return degrade.kernel_from_path(path + centre)


def _outputs(name: str, network: nn.Module, photo: Tensor) -> dict[str, Tensor]:
    if not isinstance(network, MSSNet):
        return {name: restore.deblur(photo, network, size=1)}
    with torch.inference_mode():
        stages = list(network.stages(photo[None].contiguous(memory_format=torch.channels_last)))
    # the last stage is the network's answer
    return {f"{name} {s.name}": s.photo[0] for s in stages[:-1]} | {name: stages[-1].photo[0]}


def upscale_all(
    photos: dict[str, Tensor],
    networks: dict[str, nn.Module],
    factors: tuple[int, ...] = benchmark.FACTORS,
) -> Iterator[tuple[Degraded, dict[str, Tensor]]]:
    """Each photo of `benchmark.reduced` with all answers to it, {method: (3, H, W)}.

    Networks that sample their answers give a second one, "NAME, other draw".
    """
    for case in benchmark.reduced(photos, factors):
        answers = {"bicubic": degrade.enlarge(case.photo, case.factor)}
        for name, network in networks.items():
            info = cast(ModelInfo, network.info)
            if case.factor not in (8, *info.config.get("factors", [info.factor])):
                continue  # the 8x answer of a network, reduced to 2x, would be another contest
            enlarge = partial(restore.upscale, case.photo, case.factor, network)
            answers[name] = enlarge(seed=0)
            if info.config.get("takes_seed"):
                answers[name + SECOND] = enlarge(seed=1)
        yield case, answers


# --- scores ---------------------------------------------------------------------------------------


def score(case: Degraded, answers: dict[str, Tensor]) -> list[Score]:
    """The scores of all answers to one degraded photo, each rounded to 8 bits, as a file would be.

    In the groups ALIGNED they are those of the place, within 8 px, where an answer fits best: the
    middle of an exposure can be told from the photo only roughly.
    """
    answers = {method: images.quantize(answer) for method, answer in answers.items()}
    return [
        _score(case, method, answer, answers.get(method + SECOND))
        for method, answer in answers.items()
        if not method.endswith(SECOND)
    ]


def _score(case: Degraded, method: str, answer: Tensor, second: Tensor | None) -> Score:
    truth, more = case.sharp, {}
    whole = answer.shape == truth.shape
    if not whole:
        truth = losses.targets([answer[None]], truth[None])[0][0]
    if case.group in ALIGNED:
        answer, truth = metrics.align(answer, truth, WITHIN_PX if whole else WITHIN_PX // 2)
    if whole and "-U" not in method:  # the network that judges looks is slow: whole answers only
        more["st_lpips"] = metrics.perceptual_distance(answer, truth)
    if case.factor > 1:
        projected = hallucination.back_project(
            answer, case.photo, kind="bicubic", rounds=12, eight_bit=True, tol=0
        )
        more["consistency_db"] = metrics.consistency_db(answer, case.photo)
        more["projected_db"] = metrics.consistency_db(projected, case.photo)
    if second is not None:
        more["apart_levels"] = 255 * (answer - second).abs().mean().item()
        more["apart_st_lpips"] = metrics.perceptual_distance(answer, second)
    psnr_db, ssim = float(metrics.psnr(answer, truth)), float(metrics.ssim(answer, truth))
    return Score(case.name, case.group, case.case, method, psnr_db, ssim, **more)


def seconds(task: str, networks: dict[str, nn.Module], runs: int = 3) -> dict[str, float]:
    """Median seconds for one photo on two threads, by method; without the estimated kernels.

    task: "deblur", 512 x 512 px, or "upscale8", 128 x 128 px enlarged 8 times.
    """
    generator = torch.Generator().manual_seed(0)
    if task == "deblur":
        photo = torch.rand(3, 512, 512, generator=generator)
        methods = _classical(photo, degrade.line_kernel(20, 30))
        deblur = partial(restore.deblur, size=1)
        methods |= {name: partial(deblur, photo, net) for name, net in networks.items()}
    else:
        photo = torch.rand(3, 128, 128, generator=generator)
        methods = {"bicubic": partial(degrade.enlarge, photo, 8)}
        methods |= {name: partial(restore.upscale, photo, 8, net) for name, net in networks.items()}
    threads, medians = torch.get_num_threads(), {}
    torch.set_num_threads(THREADS)
    try:
        for name, run in methods.items():
            if "estimated" not in name:  # the first run warms up
                medians[name] = statistics.median(repeat(run, number=1, repeat=runs + 1)[1:])
    finally:
        torch.set_num_threads(threads)
    return medians
