"""Measure the networks and their rivals on photographs that none of ours was trained on.

    python -m training.evaluate deblur
    python -m training.evaluate upscale8 --photos DIR

For each task: one table (CSV and Markdown), one line per picture (CSV), figures, and one line per
target that the project set itself: met or not. The photographs are the validation crops, or those
of a folder. All but the seconds comes out the same every time.
"""

import csv
import dataclasses
import io
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from mssnet_edu import classical, cli, degrade, images, metrics, models, restore
from mssnet_edu.files import replacing
from training import benchmark, losses

__all__ = [
    "TASKS",
    "Measured",
    "load_network",
    "measure_deblur",
    "measure_upscale",
    "project",
    "render",
    "run_command",
    "summarise",
    "targets",
]

TASKS = ("deblur", "upscale8")
OURS = {
    "deblur": ("mssnet-deblur",),
    "upscale8": ("rrdn-x8", "realesrgan-x4", "mssnet-x8-fidelity", "mssnet-x8-realism"),
}
MAXIM = "MAXIM-GoPro"
# Chosen on the validation crops, so the classical methods are seen at their best.
NOISE_TRUE, NOISE_ESTIMATED, STEPS_TRUE, STEPS_ESTIMATED = 0.01, 0.1, 30, 10
THREADS = 2
SEEDS = (0, 1)
EXAMPLES = 3
EXAMPLE_PX = 176
OTHERS = "#98a5b1"  # the course's networks are drawn in ink, all others in this grey


@dataclasses.dataclass(frozen=True)
class Measured:
    """One method's answer to one trial, measured. None: does not apply, or was not measured.

    photo, group, case: which trial. consistency_db: the answer made small again against its input;
    projected_db: the same after `project`. apart_levels, apart_st_lpips: how far two draws of one
    network are from each other, in grey levels (mean absolute difference) and in looks.
    """

    photo: str
    group: str
    case: str
    method: str
    psnr_db: float
    ssim: float
    st_lpips: float | None = None
    consistency_db: float | None = None
    projected_db: float | None = None
    apart_levels: float | None = None
    apart_st_lpips: float | None = None


NUMBERS = [f.name for f in dataclasses.fields(Measured)][4:]
COLUMNS = [
    "group",
    "method",
    "pictures",
    "psnr_db",
    "gain_db",
    *NUMBERS[1:],
    "seconds",
    "parameters",
    "weights_mb",
]
HEADS = {
    "method": "",
    "pictures": "pictures",
    "psnr_db": "PSNR, dB",
    "gain_db": "gain, dB",
    "ssim": "SSIM",
    "st_lpips": "ST-LPIPS",
    "consistency_db": "consistency, dB",
    "projected_db": "after projection, dB",
    "apart_levels": "two draws apart, grey levels",
    "apart_st_lpips": "two draws apart, ST-LPIPS",
    "seconds": "seconds",
    "parameters": "parameters",
    "weights_mb": "weights, MB",
}
DIGITS = {
    "psnr_db": 2,
    "gain_db": 2,
    "ssim": 3,
    "st_lpips": 3,
    "consistency_db": 1,
    "projected_db": 1,
    "apart_levels": 1,
    "apart_st_lpips": 3,
    "seconds": 2,
    "weights_mb": 1,
}


# ---------------------------------------------------------------------------------------- deblur


def measure_deblur(
    photos: dict[str, Tensor],
    networks: dict[str, nn.Module],
    maxim: dict | None = None,
    keep: Callable | None = None,
) -> Iterator[Measured]:
    """Every method on every blurred photo of `trials.blurred`.

    networks: name -> network; of an MSSNet each of the six outputs is a row of its own, the S1 one
    compared at half size. maxim: (photo, case) -> scores, see `read_maxim`. keep: called with each
    trial and its answers {method: photo}, for figures.
    """
    for trial in benchmark.blurred(photos):
        say(f"{trial.name}: {trial.group}, {trial.blur}")
        answers = {"input": trial.photo} | _classical(trial)
        for name, network in networks.items():
            answers |= _stages(name, network, trial.photo)
        for method, answer in answers.items():
            yield _scored(trial, trial.group, trial.blur, method, answer)
        known = (maxim or {}).get((trial.name, trial.blur))
        if known and known["sha256"] == benchmark.fingerprint(trial.sharp):
            numbers = {key: float(known[key]) for key in NUMBERS[:3]}
            yield Measured(trial.name, trial.group, trial.blur, MAXIM, **numbers)
        if keep:
            keep(trial, answers)


def _classical(trial: benchmark.Blurred) -> dict[str, Tensor]:
    found = {"unsharp mask": classical.unsharp_mask(trial.photo, 2.0, 0.5)}
    if trial.kernel is None:
        return found
    photo, kernel = trial.photo, trial.kernel
    noise = classical.noise_to_signal(NOISE_TRUE)
    found["Wiener, true kernel"] = classical.wiener(photo, kernel, noise)
    found["Richardson-Lucy, true kernel"] = classical.richardson_lucy(photo, kernel, STEPS_TRUE)
    guess = _estimated_kernel(photo, kernel)
    noise = classical.noise_to_signal(NOISE_ESTIMATED)
    found["Wiener, estimated kernel"] = classical.wiener(photo, guess, noise)
    found["Richardson-Lucy, estimated kernel"] = classical.richardson_lucy(
        photo, guess, STEPS_ESTIMATED
    )
    return found


def _estimated_kernel(photo: Tensor, truth: Tensor) -> Tensor:
    """The best straight motion that explains the photo, laid over the true kernel's centre of mass.

    Where the middle of the exposure was cannot be seen in the photo, only where most light fell;
    without this help the whole answer would be shifted, and PSNR would count that as an error.
    """
    longest = max(6.0, min(30.0, min(photo.shape[1:]) / 3))
    found = classical.estimate_line_kernel(photo, longest)
    axis = [torch.arange(side) - side // 2 for side in truth.shape]
    centre = torch.stack([(truth.sum(1) * axis[0]).sum(), (truth.sum(0) * axis[1]).sum()])
    frames = 32 * math.ceil(found.length_px) + 1
    path = degrade.motion_path("line", found.length_px, found.angle_deg, frames)
    return degrade.kernel_from_path(path + centre)


def _stages(name: str, network: nn.Module, photo: Tensor) -> dict[str, Tensor]:
    if not hasattr(network, "stages"):
        return {name: restore.deblur(photo, network)}
    with torch.inference_mode():
        results = list(network.stages(photo[None].contiguous(memory_format=torch.channels_last)))
    found = {f"{name} {r.name}": r.photo[0] for r in results[:-1]}
    return found | {name: results[-1].photo[0]}  # the last stage is the network's answer


def _scored(trial, group, case, method, answer: Tensor, **more) -> Measured:
    """PSNR, SSIM and ST-LPIPS of an answer, as a file would keep it."""
    answer, truth = images.quantize(answer), trial.sharp
    half = answer.shape != truth.shape
    if half:
        [truth] = losses.targets([answer[None]], truth[None])
        truth = truth[0]
    # looks are judged at full size, and only of whole answers: the network that judges is slow
    looks = not half and "-U" not in method
    return Measured(
        trial.name,
        group,
        case,
        method,
        metrics.psnr(answer, truth),
        metrics.ssim(answer, truth),
        metrics.perceptual_distance(answer, truth) if looks else None,
        **more,
    )


def read_maxim(path: Path | None) -> tuple[dict, dict]:
    """MAXIM's cached scores by (photo, case), and what is known of it; both empty without a file.

    path: None for the course's own, data/maxim/scores.csv. Made by tools/provenance/run_maxim.py.
    """
    from mssnet_edu.samples import find_data

    try:
        path = path or find_data("maxim/scores.csv")
        about = json.loads(find_data("maxim/about.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        about = {}
        if path is None:
            return {}, about
    with Path(path).open(newline="", encoding="utf-8") as table:
        return {(r["photo"], r["blur"]): r for r in csv.DictReader(table)}, about


# --------------------------------------------------------------------------------------- upscale


def measure_upscale(
    photos: dict[str, Tensor],
    networks: dict[str, nn.Module],
    keep: Callable | None = None,
    factors=(8, 4, 2),
) -> Iterator[Measured]:
    """Every method on every reduced photo of `trials.reduced`; as `measure_deblur`.

    Of a network that draws its answers two draws are made: the numbers are those of the first.
    """
    for trial in benchmark.reduced(photos, factors):
        say(f"{trial.name}: {trial.group}")
        small, factor = trial.small, trial.factor
        answers = {"bicubic": degrade.enlarge(small, factor)}
        others = {}
        for name, network in networks.items():
            info = getattr(network, "info", None)
            offered = info.config.get("factors", [info.factor]) if info else [factor]
            if factor != 8 and factor not in offered:
                continue  # a network for 8x, reduced to 2x, would be another contest
            answers[name] = restore.upscale(small, factor, network, seed=SEEDS[0])
            if info and info.config.get("takes_seed"):
                others[name] = restore.upscale(small, factor, network, seed=SEEDS[1])
        for method, answer in answers.items():
            answer = images.quantize(answer)
            apart = {}
            if method in others:
                other = images.quantize(others[method])
                apart["apart_levels"] = 255 * (answer - other).abs().mean().item()
                apart["apart_st_lpips"] = metrics.perceptual_distance(answer, other)
            yield _scored(
                trial,
                trial.group,
                f"{factor}x",
                method,
                answer,
                consistency_db=metrics.consistency_db(answer, small),
                projected_db=metrics.consistency_db(project(answer, small), small),
                **apart,
            )
        if keep:
            keep(trial, answers | {f"{name}, other draw": x for name, x in others.items()})


def project(answer: Tensor, small: Tensor, steps: int = 12) -> Tensor:
    """A picture near to the answer, in 8 bits, that gives the small photo when reduced.

    What the answer lacks or has too much of at the small size is enlarged smoothly and added, again
    and again (iterative back-projection, Irani and Peleg 1991), without the care for clipped pixels
    and seams that `hallucination.back_project` takes. answer: (3, fH, fW); small: (3, H, W), made
    by area averaging.

    >>> small = torch.rand(3, 8, 8) * 0.6 + 0.2
    >>> metrics.consistency_db(project(torch.full((3, 64, 64), 0.5), small), small) > 45
    True
    """
    size, small_size = answer.shape[1:], small.shape[1:]
    answer = answer.clamp(0, 1)
    for _ in range(steps):
        missing = small - degrade.resample(answer, small_size, "area")
        answer = (answer + degrade.resample(missing, size, "bicubic")).clamp(0, 1)
    return images.quantize(answer)


# ---------------------------------------------------------------------------- seconds and numbers


def time_deblur(networks: dict[str, nn.Module], side_px: int = 512, runs: int = 3) -> dict:
    """Seconds for one photo, by method; whole answers only."""
    photo = torch.rand(3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    kernel = degrade.line_kernel(20, 30)
    noise = classical.noise_to_signal(NOISE_TRUE)
    work = {
        "unsharp mask": lambda: classical.unsharp_mask(photo, 2.0, 0.5),
        "Wiener, true kernel": lambda: classical.wiener(photo, kernel, noise),
        "Richardson-Lucy, true kernel": lambda: classical.richardson_lucy(
            photo, kernel, STEPS_TRUE
        ),
    }
    for name, network in networks.items():
        work[name] = lambda network=network: restore.deblur(photo, network)
    return {name: _seconds(one, runs) for name, one in work.items()}


def time_upscale(networks: dict[str, nn.Module], side_px: int = 128, runs: int = 3) -> dict:
    """Seconds for one small photo, 8 times enlarged, by method."""
    small = torch.rand(3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    work = {"bicubic": lambda: degrade.enlarge(small, 8)}
    for name, network in networks.items():
        work[name] = lambda network=network: restore.upscale(small, 8, network)
    return {name: _seconds(one, runs) for name, one in work.items()}


def _seconds(work: Callable, runs: int) -> float:
    """The median of `runs`, on two threads, after one run that does not count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        took = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            work()
            took.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(took[1:])


def load_network(name: str) -> nn.Module:
    """A network by its name in the catalogue, or by the folder of a training run.

    Raises ValueError if there is neither.
    """
    run = Path(name) / "run.json"
    if not run.is_file():
        return models.load_model(name)
    from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler
    from mssnet_edu.mssnet import MSSNet, MSSNetConfig
    from training.checkpoint import load_weights
    from training.recipes import RECIPES

    about = json.loads(run.read_text(encoding="utf-8"))
    config, task = MSSNetConfig(**about["config"]), RECIPES[about["recipe"]].task
    network = MSSNet(config)
    network.load_state_dict(load_weights(Path(name) / "ema.safetensors"))
    settings = {"halo_px": 64, "multiple_of": 16, "min_px": 32}
    if task == "upscale":
        upscaler = MSSNetUpscaler(config)
        upscaler.network = network
        network = upscaler
        settings = {"halo_px": 16, "multiple_of": 8, "min_px": 16}
        settings["config"] = {"factors": [2, 4, 8], "takes_seed": config.noise}
    network.info = models.ModelInfo(
        name=name,
        task=task,
        architecture="mssnet-upscaler" if task == "upscale" else "mssnet",
        summary="A training run.",
        licence="",
        author="",
        source=name,
        made_by="",
        trained_on="",
        parameters=sum(p.numel() for p in network.parameters()),
        factor=8 if task == "upscale" else 1,
        **settings,
    )
    return network.eval().requires_grad_(False)


# ------------------------------------------------------------------------------------- the table


def summarise(
    measured: Iterable[Measured], seconds: dict, networks: dict, maxim_about: dict | None = None
) -> list[dict]:
    """One row per group and method, in order of appearance: means over the pictures.

    The gain is the mean of the differences to the input (or to bicubic), picture by picture.
    """
    measured = list(measured)
    base = {(m.photo, m.group, m.case): m.psnr_db for m in measured if m.method in BASE}
    rows = {}
    for m in measured:
        rows.setdefault((m.group, m.method), []).append(m)
    for group, method in list(rows):
        if method == MAXIM:  # it is so slow that only some of its scores may be known
            rows |= _same_pictures(rows, group, OURS["deblur"][0])
    groups = list(dict.fromkeys(m.group for m in measured))
    table = []
    for (group, method), its in sorted(rows.items(), key=lambda item: groups.index(item[0][0])):
        row = {"group": group, "method": method, "pictures": len(its)}
        for key in NUMBERS:
            values = [getattr(m, key) for m in its]
            row[key] = None if None in values else statistics.fmean(values)
        before = [base[m.photo, m.group, m.case] for m in its]
        # a half-size answer is another task; an untouched photo has no error to gain upon
        if "S1-U" not in method and all(map(math.isfinite, before)) and method not in BASE:
            row["gain_db"] = row["psnr_db"] - statistics.fmean(before)
        row["seconds"] = seconds.get(method)
        if (info := getattr(networks.get(method), "info", None)) is not None:
            row["parameters"] = info.parameters
            row["weights_mb"] = sum(f.bytes for f in info.files) / 1e6 or None
        elif method == MAXIM and maxim_about:
            row["parameters"] = maxim_about["parameters"]
        # as the CSV keeps them: a page rendered from it is then the same to the last digit
        kept = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
        table.append({key: kept.get(key) for key in COLUMNS})
    return table


BASE = ("input", "bicubic")
SAME = ", the same pictures"


def _same_pictures(rows: dict, group: str, ours: str) -> dict:
    """Our own answers once more, on the pictures that MAXIM was asked for, if they are fewer."""
    asked = {(m.photo, m.case) for m in rows[group, MAXIM]}
    own = rows.get((group, ours), [])
    same = [m for m in own if (m.photo, m.case) in asked]
    return {(group, ours + SAME): same} if 0 < len(same) < len(own) else {}


def targets(task: str, table: list[dict]) -> list[tuple[str, str, str]]:
    """What the project set itself, and what was found: (target, found, "met" or "not met").

    table: as `summarise` returns it. A target whose numbers are missing is "not measured".
    """

    def get(method, key, group):
        rows = [r for r in table if (r["group"], r["method"]) == (group, method)]
        return rows[0][key] if rows else None

    found = []

    def judge(title, condition, numbers, text):
        if any(n is None for n in numbers):
            found.append((title, "–", "not measured"))
        else:
            verdict = "met" if condition(*numbers) else "not met"
            found.append((title, text.format(*numbers), verdict))

    if task == "deblur":
        [name] = OURS[task]
        own = [get(name, key, "motion") for key in ("gain_db", "psnr_db", "pictures")]
        rival = [get(MAXIM, key, "motion") for key in ("gain_db", "pictures")]
        title, ours = f"{name}: more than {MAXIM} on the same pictures", own[0]
        if rival[1] != own[2]:
            ours = get(name + SAME, "gain_db", "motion")
            title += f" ({rival[1]:.0f} of {own[2]:.0f})" if ours is not None else ""
        judge(f"{name}: gain of 3.0 dB or more", lambda g: g >= 3, own[:1], "{:+.2f} dB")
        judge(
            title,
            lambda a, b: a > b,
            [ours, rival[0]],
            "{:+.2f} dB against {:+.2f} dB",
        )
        judge(
            f"{name}: S3-U3 at least 0.2 dB above S2-U1",
            lambda a, b: a >= b + 0.2,
            [own[1], get(f"{name} S2-U1", "psnr_db", "motion")],
            "{:.2f} dB against {:.2f} dB",
        )
        judge(
            f"{name}: a sharp photo comes back at 38 dB or more",
            lambda a: a >= 38,
            [get(name, "psnr_db", "sharp")],
            "{:.2f} dB",
        )
        _judge_size(judge, get, name, "motion", 3, "512 x 512 px")
        return found
    fidelity, realism = "mssnet-x8-fidelity", "mssnet-x8-realism"
    judge(
        f"{fidelity}: 0.2 dB or more above rrdn-x8",
        lambda a, b: a >= b + 0.2,
        [get(fidelity, "psnr_db", "clean 8x"), get("rrdn-x8", "psnr_db", "clean 8x")],
        "{:.2f} dB against {:.2f} dB",
    )
    for factor in (4, 2):
        judge(
            f"{fidelity}: {factor}x above bicubic",
            lambda a: a > 0,
            [get(fidelity, "gain_db", f"clean {factor}x")],
            "{:+.2f} dB",
        )
    judge(
        f"{realism}: ST-LPIPS at most 0.75 of rrdn-x8's",
        lambda a, b: a <= 0.75 * b,
        [get(realism, "st_lpips", "clean 8x"), get("rrdn-x8", "st_lpips", "clean 8x")],
        "{:.3f} against {:.3f}",
    )
    for key, least, when in (("consistency_db", 30, "before"), ("projected_db", 45, "after")):
        judge(
            f"{realism}: consistency of {least} dB or more {when} projection",
            lambda a, least=least: a >= least,
            [get(realism, key, "clean 8x")],
            "{:.1f} dB",
        )
    _judge_size(judge, get, fidelity, "clean 8x", 12, "128 x 128 to 1024 x 1024 px")
    _judge_size(judge, get, realism, "clean 8x", None, "")
    return found


def _judge_size(judge, get, name, group, seconds, what):
    judge(
        f"{name}: at most 4 million parameters",
        lambda n: n <= 4e6,
        [get(name, "parameters", group)],
        "{:,.0f}",
    )
    judge(f"{name}: at most 8 MB", lambda n: n <= 8, [get(name, "weights_mb", group)], "{:.2f} MB")
    if seconds:
        judge(
            f"{name}: {what} in {seconds} s or less on {THREADS} threads",
            lambda s: s <= seconds,
            [get(name, "seconds", group)],
            "{:.2f} s",
        )


# ------------------------------------------------------------------------------------- the files


def render(task: str, table: list[dict]) -> str:
    """The table as Markdown, one part per group, followed by the targets.

    table: as `summarise` returns it, or as `read_table` reads it back: the same text either way.
    """
    lines = []
    for group in dict.fromkeys(row["group"] for row in table):
        rows = [row for row in table if row["group"] == group]
        shown = [
            k for k in COLUMNS[1:] if k != "weights_mb" and any(r[k] is not None for r in rows)
        ]
        lines += [f"### {GROUPS.get(group, group)}", ""]
        lines.append("| " + " | ".join(HEADS[k] for k in shown) + " |")
        lines.append("|---" + "|--:" * (len(shown) - 1) + "|")
        for row in rows:
            lines.append("| " + " | ".join(_cell(k, row[k]) for k in shown) + " |")
        lines.append("")
    lines += ["### Targets", "", "| target | found | |", "|---|---|---|"]
    lines += [
        f"| {title} | {found} | {verdict} |" for title, found, verdict in targets(task, table)
    ]
    return "\n".join(lines) + "\n"


GROUPS = {
    "motion": "Motion blur of 15 to 30 px: a line, a hand, a trembling hand",
    "defocus": "Defocus, a disc of 2 to 6 px radius",
    "sharp": "A sharp photo, which must come back unharmed",
    "clean 8x": "8x, from a clean small photo",
    "clean 4x": "4x, from a clean small photo",
    "clean 2x": "2x, from a clean small photo",
    "dirty 8x": "8x, from a small photo with blur, noise and JPEG",
}


def _cell(key: str, value) -> str:
    if value is None:
        return ""
    if key == "method":
        half = " (half size)" if "S1-U" in value else ""
        return value + half
    if key in ("pictures", "parameters"):
        return f"{value:,.0f}"
    if math.isinf(value):
        return "no error"
    sign = "+" if key == "gain_db" else ""
    return f"{value:{sign}.{DIGITS[key]}f}"


def write_table(path: Path, table: list[dict]) -> None:
    """The table as CSV, every number with four decimals."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table[0]), lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow(
            {
                k: f"{v:.4f}" if isinstance(v, float) else "" if v is None else v
                for k, v in row.items()
            }
        )
    _write(path, out.getvalue())


def read_table(path: Path) -> list[dict]:
    """What `write_table` wrote, as rows again."""
    with path.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    texts = ("photo", "group", "case", "method")
    return [
        {k: v if k in texts else float(v) if v else None for k, v in row.items()} for row in rows
    ]


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def say(text: str) -> None:
    """What is being done, on one line that the next replaces; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r{text:<78.78}", end="", file=sys.stderr, flush=True)


# --------------------------------------------------------------------------------------- figures


class Examples:
    """Keeps the answers for a few trials, so that they can be shown."""

    def __init__(self, photos: Iterable[str], groups: dict[str, str]):
        names = list(photos)
        count = min(EXAMPLES, len(names))
        # spread over the list, so that two crops of one photo do not take two places
        self.chosen = {names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)}
        self.groups, self.rows = groups, []

    def __call__(self, trial, answers: dict[str, Tensor]) -> None:
        case = self.groups.get(trial.group)
        if trial.name not in self.chosen or case is None:
            return
        if case and not getattr(trial, "blur", "").startswith(case):
            return
        small = getattr(trial, "small", None)
        if small is not None:
            factor = trial.factor
            answers = {"input": degrade.enlarge(small, factor, "nearest")} | answers
        pictures = {m: a for m, a in answers.items() if a.shape == trial.sharp.shape}
        self.rows.append((trial.name, pictures | {"truth": trial.sharp}))

    def draw(self, path: Path, methods: list[str]) -> None:
        """Write a grid: one row a photo, one column a method, the busiest place of each at 1:1."""
        if not self.rows:
            return
        import matplotlib.figure
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        methods = [m for m in ("input", *methods, "truth") if m in self.rows[0][1]]
        side = min(EXAMPLE_PX, *(min(r["truth"].shape[1:]) for _, r in self.rows))
        dpi, gap, head = 100, 6, 22
        wide = len(methods) * (side + gap) + gap
        high = len(self.rows) * (side + gap) + gap + head
        figure = matplotlib.figure.Figure((wide / dpi, high / dpi), dpi=dpi, facecolor="white")
        FigureCanvasAgg(figure)
        for r, (_, pictures) in enumerate(self.rows):
            [(left, top)] = benchmark.busiest(pictures["truth"], (side, side), 1, grid=16)
            for c, method in enumerate(methods):
                x, y = gap + c * (side + gap), high - head - (r + 1) * (side + gap) + gap
                axes = figure.add_axes((x / wide, y / high, side / wide, side / high))
                part = pictures[method][:, top : top + side, left : left + side]
                axes.imshow(part.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
                axes.axis("off")
                if r == 0:
                    axes.set_title(_short(method), fontsize=7.5, pad=3)
        _save(figure, path, dpi=2 * dpi)


def _short(method: str) -> str:
    return method.replace("mssnet-", "").replace("Richardson-Lucy", "R.-L.").replace("kernel", "k.")


def draw_bars(path: Path, table: list[dict], groups: list[str]) -> None:
    """How many dB each method gains, one panel per group."""
    import matplotlib.figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mssnet_edu.show import look

    groups = [g for g in groups if any(r["group"] == g for r in table)]
    rows = {g: [r for r in table if r["group"] == g and r["gain_db"] is not None] for g in groups}
    high = max(len(r) for r in rows.values()) * 0.28 + 1
    figure = matplotlib.figure.Figure((9.4, high), dpi=100, facecolor=look.PAPER)
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, group in zip(all_axes, groups, strict=True):
        most = max(r["pictures"] for r in rows[group])
        names = [_bar_name(r, most) for r in rows[group]]
        gains = [r["gain_db"] for r in rows[group]]
        colours = [look.INK if "mssnet" in n else OTHERS for n in names]
        bars = axes.barh(range(len(names)), gains, color=colours, height=0.65)
        axes.bar_label(bars, [f" {g:+.2f} " for g in gains], fontsize=8, color=look.INK)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.axvline(0, color=look.MUTED, lw=0.8)
        axes.margins(x=0.22)
        axes.set_title(GROUPS.get(group, group), fontsize=9, color=look.INK)
        axes.set_xlabel("gain in PSNR, dB", fontsize=8, color=look.MUTED)
        axes.tick_params(labelsize=8, colors=look.INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_facecolor(look.PAPER)
    figure.tight_layout()
    _save(figure, path, dpi=150)


def _bar_name(row: dict, most: float) -> str:
    """The mean over other pictures is another number, so a bar says of how many it is."""
    name = _cell("method", row["method"])
    if row["pictures"] == most:
        return name
    name = name.removesuffix(" pictures") if name.endswith(SAME) else f"{name},"
    return f"{name} {row['pictures']:.0f} of {most:.0f} pictures"


def draw_plane(path: Path, table: list[dict], groups: list[str]) -> None:
    """Right on average, or real to the eye: each method in the plane of PSNR and ST-LPIPS."""
    import matplotlib.figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mssnet_edu.show import look

    groups = [g for g in groups if any(r["group"] == g for r in table)]
    figure = matplotlib.figure.Figure((9.4, 4.2), dpi=100, facecolor=look.PAPER)
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, group in zip(all_axes, groups, strict=True):
        for row in (r for r in table if r["group"] == group):
            ours = "mssnet" in row["method"]
            colour = look.INK if ours else OTHERS
            axes.scatter(row["psnr_db"], row["st_lpips"], color=colour, s=42, zorder=3)
            axes.annotate(
                row["method"],
                (row["psnr_db"], row["st_lpips"]),
                xytext=(-7 if ours else 7, 0),  # neighbours are often a rival and one of ours
                textcoords="offset points",
                ha="right" if ours else "left",
                va="center",
                fontsize=8,
                color=look.INK,
            )
        axes.margins(x=0.35, y=0.15)
        axes.invert_yaxis()
        axes.set_title(GROUPS.get(group, group), fontsize=9, color=look.INK)
        axes.set_xlabel("PSNR, dB: right on average →", fontsize=8, color=look.MUTED)
        axes.set_ylabel("ST-LPIPS: looks like the photo →", fontsize=8, color=look.MUTED)
        axes.tick_params(labelsize=8, colors=look.INK)
        axes.grid(color=look.RULE, lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_facecolor(look.PAPER)
    figure.tight_layout()
    _save(figure, path, dpi=150)


def draw_real(path: Path, network: nn.Module, width_px: int = 380) -> None:
    """The course's really blurred photos: as given, as MAXIM answered, as the network answers."""
    import matplotlib.figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mssnet_edu import images, samples

    rows = []
    for name in samples.names("blurred"):
        photo = samples.load(name)
        row = {"as given": photo}
        try:
            row[f"{MAXIM} (computed beforehand)"] = images.load(
                samples.find_data(f"maxim/{name}.webp")
            )
        except FileNotFoundError:
            row[f"{MAXIM} (not there)"] = torch.ones_like(photo)
        rows.append(row | {"mssnet-deblur": restore.deblur(photo, network)})
    dpi, gap, head = 100, 6, 22
    heights = [round(width_px * r["as given"].shape[1] / r["as given"].shape[2]) for r in rows]
    wide = 3 * (width_px + gap) + gap
    high = sum(heights) + gap * (len(rows) + 1) + head
    figure = matplotlib.figure.Figure((wide / dpi, high / dpi), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    bottom = high - head
    for r, (row, height) in enumerate(zip(rows, heights, strict=True)):
        bottom -= height + gap
        for c, (title, photo) in enumerate(row.items()):
            box = (gap + c * (width_px + gap)) / wide, (bottom + gap) / high
            axes = figure.add_axes((*box, width_px / wide, height / high))
            axes.imshow(photo.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="lanczos")
            axes.axis("off")
            if r == 0:
                axes.set_title(title, fontsize=8, pad=3)
    _save(figure, path, dpi=2 * dpi)


def _save(figure, path: Path, dpi: float) -> None:
    kind = path.suffix[1:]
    options = {"pil_kwargs": {"quality": 90}} if kind == "jpg" else {"metadata": {"Software": None}}
    with replacing(path) as part:
        figure.savefig(part, format=kind, dpi=dpi, facecolor=figure.get_facecolor(), **options)


# ----------------------------------------------------------------------------------------- cards


def update_cards(task: str, table: list[dict], names: Iterable[str], folder=None) -> list[str]:
    """Write what was measured into each network's json, and render its card; returns the names.

    Numbers that others measured are kept; those of an earlier evaluation are replaced.
    """
    from mssnet_edu.models import catalogue

    written = []
    for name in names:
        if name not in catalogue.names(OUR_TASK[task]) and folder is None:
            continue
        info = catalogue.info(name, folder)
        kept = {k: v for k, v in info.measured.items() if not k.startswith(CARD_TITLE)}
        shown = [r for r in table if _on_card(r["method"], name)]
        for group in dict.fromkeys(r["group"] for r in shown):
            rows = {
                _cell("method", r["method"]): {
                    HEADS[k]: round(r[k], DIGITS[k])
                    for k in CARD_COLUMNS
                    if r[k] is not None and math.isfinite(r[k])
                }
                for r in shown
                if r["group"] == group
            }
            kept[f"{CARD_TITLE}: {GROUPS.get(group, group)}"] = rows
        new = dataclasses.replace(info, measured=kept)
        catalogue.write_info(new, folder)
        _write(_cards_folder(folder) / f"{name}.md", catalogue.render_card(new))
        written.append(name)
    return written


OUR_TASK = {"deblur": "deblur", "upscale8": "upscale"}
CARD_TITLE = "Validation photographs (python -m training.evaluate)"
CARD_COLUMNS = [
    "psnr_db",
    "gain_db",
    "ssim",
    "st_lpips",
    "consistency_db",
    "projected_db",
    "apart_levels",
    "seconds",
]


def _on_card(method: str, name: str) -> bool:
    others = (*BASE, MAXIM, "rrdn-x8", "realesrgan-x4")
    return method in (*others, name + SAME) or method.split(" S")[0] == name


def _cards_folder(folder):
    from mssnet_edu.samples import find_data

    return Path(folder) if folder else find_data("weights")


# ---------------------------------------------------------------------------------- command line


def main(argv: list[str] | None = None) -> int:
    """Run `python -m training.evaluate`; returns the exit code."""
    return cli.run(_parser(), argv)


def _parser() -> cli.ArgumentParser:
    parser = cli.ArgumentParser("python -m training.evaluate", description=__doc__.split("\n\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--photos", type=Path, help="a folder of sharp photographs of your own")
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"), help="%(default)s")
    parser.add_argument("--models", default="", help="more networks or runs, with commas between")
    parser.add_argument("--limit", type=int, help="only the first so many photographs")
    parser.add_argument("--quick", action="store_true", help="two small pictures: does it run?")
    parser.add_argument(
        "--maxim", type=Path, help="scores made by tools/provenance/run_maxim.py --scores"
    )
    parser.add_argument(
        "--seconds",
        action="store_true",
        help="measure only the seconds anew, on an idle machine; the rest is read from --out",
    )
    parser.add_argument(
        "--update-cards", action="store_true", help="write the numbers into the model cards"
    )
    parser.set_defaults(run=run_command)
    return parser


def run_command(args) -> int:
    """Run `python -m training.evaluate`; returns 0 whether targets are met or not."""
    partly = args.photos or args.limit or args.quick
    if args.update_cards and partly:
        raise ValueError(
            "--update-cards needs the whole set of validation photographs: leave out --photos, "
            "--limit and --quick."
        )
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"--limit is {args.limit}; expected 1 or more.")
    photos = benchmark.load_photos(args.photos, 2 if args.quick else args.limit)
    if args.quick:
        side = 192 if args.task == "deblur" else 128
        photos = {name: _part(photo, side) for name, photo in photos.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    extra = [name.strip() for name in args.models.split(",") if name.strip()]
    networks = {name: load_network(name) for name in (*_present(args.task), *extra)}
    pictures = args.out / f"{args.task}_pictures.csv"
    if args.seconds:
        table = _timed(args, networks, pictures, photos)
    else:
        run = _run_deblur if args.task == "deblur" else _run_upscale
        table, measured = run(args, photos, networks)
        say("")
        write_table(pictures, [dataclasses.asdict(m) for m in measured])
    write_table(args.out / f"{args.task}.csv", table)
    where = f"photographs of {args.photos}" if args.photos else "validation photographs"
    text = f"# {args.task}: {len(photos)} {where}\n\n{render(args.task, table)}"
    _write(args.out / f"{args.task}.md", text)
    print(text)
    if args.update_cards:
        names = [n for n in networks if n.startswith("mssnet-")]
        for name in update_cards(args.task, table, names):
            print(f"card of {name}: written")
    print(f"tables and figures: {args.out}")
    return 0


def _timed(args, networks, pictures, photos):
    """The table once more, with seconds measured now."""
    if not pictures.is_file():
        raise ValueError(f"there is no {pictures}: run the same without --seconds first.")
    measured = [Measured(**row) for row in read_table(pictures)]
    if {m.photo for m in measured} != set(photos):
        raise ValueError(f"{pictures} is of other photographs: run the same without --seconds.")
    deblur = args.task == "deblur"
    seconds = (time_deblur if deblur else time_upscale)(networks)
    return summarise(measured, seconds, networks, read_maxim(args.maxim)[1] if deblur else None)


def _run_deblur(args, photos, networks):
    scores, about = read_maxim(args.maxim)
    if not scores:
        print(f"left out: {MAXIM}, whose answers are made by tools/provenance/run_maxim.py")
    examples = Examples(photos, {"motion": "camera"})
    measured = list(measure_deblur(photos, networks, scores, examples))
    seconds = {} if args.quick else time_deblur(networks)
    table = summarise(measured, seconds, networks, about)
    draw_bars(args.out / "deblur.png", table, ["motion", "defocus"])
    shown = ["Wiener, estimated kernel", "Wiener, true kernel", *networks]
    examples.draw(args.out / "deblur_examples.jpg", shown)
    if (own := networks.get(OURS["deblur"][0])) is not None and not args.quick:
        draw_real(args.out / "deblur_real.jpg", own)
    return table, measured


def _run_upscale(args, photos, networks):
    examples = Examples(photos, {"clean 8x": ""})
    factors = (8,) if args.quick else (8, 4, 2)
    measured = list(measure_upscale(photos, networks, examples, factors))
    seconds = {} if args.quick else time_upscale(networks)
    table = summarise(measured, seconds, networks)
    draw_plane(args.out / "upscale8.png", table, ["clean 8x", "dirty 8x"])
    shown = [m for _, row in examples.rows[:1] for m in row if m not in ("input", "truth")]
    examples.draw(args.out / "upscale8_examples.jpg", shown)
    return table, measured


def _present(task: str) -> list[str]:
    there = models.names(OUR_TASK[task])
    for name in OURS[task]:
        if name not in there:
            print(f"left out: {name}, which is not in data/weights")
    return [name for name in OURS[task] if name in there]


def _part(photo: Tensor, side: int) -> Tensor:
    size = tuple(min(side, s) for s in photo.shape[1:])
    [(left, top)] = benchmark.busiest(photo, size, 1)
    return photo[:, top : top + size[0], left : left + size[1]]


if __name__ == "__main__":
    sys.exit(main())
