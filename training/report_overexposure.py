"""The evaluation of filling clipped pixels as Markdown: by method, by scene, and the targets."""

from typing import Any

import pandas as pd

from training.evaluate_overexposure import METHODS
from training.export_overexposure import COLUMNS, COMPARED, ablation_table

__all__ = ["TARGETS", "render", "render_ablation", "render_imitation", "render_real_clip"]

TITLES = {
    "white": "white, as it is",
    "inpaint": "inpainting (scikit-image)",
    "none": "network, no reference",
    "previous": "… the frame before",
    "first": "… the first frame",
    "every-kth": "… every 8th frame",
    "least-clipped": "… the least clipped so far",
    "policy": "… the policy's choice",
    "oracle": "… the oracle's choice",
    "ideal": "… the ideal reference",
}
TARGETS = (  # what is compared, what is wanted of it
    ("ideal - none", "an ideal reference gains 4 dB over none", 4.0),
    ("none - white", "the network alone gains 1.5 dB over clipped white", 1.5),
    ("none - inpaint", "the network alone gains 1.5 dB over inpainting", 1.5),
)


def render(about: dict[str, Any]) -> str:
    """Tables of what `python -m training.evaluate_overexposure --details` wrote."""
    closer, pooled = about["closer"]["all"], about["all"]
    rows = [
        {
            "method": TITLES[name],
            "PSNR-PU, dB": _text(pooled[name]),
            "ST-LPIPS": _number(closer[name]["st_lpips"], 3),
            "flicker": _number(closer[name]["flicker"], 0),
            "suns and lamps, dB": _number(closer[name]["sun_db"], 1),
        }
        for name in METHODS
    ]
    scenes = [
        {"scene": scene} | {name: f"{found[name]['mean']:.1f}" for name in METHODS}
        for scene, found in about["scenes"].items()
    ]
    spread = [
        {"scene": scene}
        | {name: _text(found[name]) for name in ("none", "policy", "oracle", "ideal")}
        for scene, found in about["scenes"].items()
    ]
    gap = {name: about["differences_db"][name] for name in about["differences_db"]}
    judged = [
        {"target": title, "found": _text(gap[key]), "": _verdict(gap[key]["mean"] >= least)}
        for key, title, least in TARGETS
    ]
    best = TITLES[about["best_fixed_rule"]].removeprefix("… ")
    judged.append(
        {
            "target": "the policy goes 70 % of the way from the best fixed rule "
            f"({best}) to the oracle",
            "found": _text(about["gap"], 2),
            "": _verdict(about["gap"]["mean"] >= 0.7),
        }
    )
    differences = [
        {"difference": name.replace(" - ", " − "), "dB": _text(value, 2)}
        for name, value in gap.items()
    ]
    parts = [
        _table(rows),
        "### By scene, dB",
        _table(scenes),
        "The same with 95 % intervals:",
        _table(spread),
        "### Differences",
        _table(differences),
        "### Targets",
        _table(judged),
    ]
    return "\n\n".join(parts) + "\n"


def render_ablation(rows: pd.DataFrame) -> str:
    """The table of docs/training/overexposure-ablation.csv: means and 95 % intervals over seeds."""
    lines = [
        {"trained": name}
        | {
            COLUMNS[key]: f"{line[COLUMNS[key]]:.2f} ± {line[f'± {key}']:.2f}".replace("-", "−")
            for key in COMPARED
        }
        for name, line in ablation_table(rows).items()
    ]
    differences = {n: line for n, line in ablation_table(rows).items() if "less full" in n}
    sure = [
        f"{name.removesuffix(' less full, seed by seed')} ({COLUMNS[key]})"
        for name, line in differences.items()
        for key in COMPARED
        if abs(line[COLUMNS[key]]) > line[f"± {key}"]
    ]
    verdict = (
        "The intervals of these differences leave out zero: " + ", ".join(sure) + "."
        if sure
        else "The interval of each difference holds zero: with so few seeds and steps, neither the "
        "scales nor the loss are shown to matter here, whatever the means say."
    )
    return f"{_table(lines)}\n\n{verdict}\n"


def render_real_clip(about: dict[str, Any]) -> str:
    """What `python -m tools.docs.render_real_clip` found, in words."""
    ev, clipped, now, before = (about[key] for key in ("ev", "clipped", "now", "before"))
    number = [about["every"] * each + 1 for each in (before, now)]
    text = (
        f"From frame to frame the exposure goes from {min(ev):.1f} to {max(ev):.1f} EV, the first "
        f"being 0, as far as it can be followed. Frame {number[1]} was taken "
        f"{ev[now] - ev[before]:.1f} EV brighter than frame {number[0]}, and "
        f"{clipped[now]:.1%} of it are white. From frame {number[0]} the network remembers "
        f"{about['remembered']:.0%} of these values; the rest it invents.\n"
    )
    return text.replace("-", "−").replace("%", " %")


def render_imitation(about: dict[str, Any]) -> str:
    """The table of what `python -m training.imitate_oracle --json` wrote, and what it says."""
    best = TITLES[about["best"]].removeprefix("… ")
    whole = about["gains"]["oracle"]
    lines = [
        {
            f"less the best fixed rule ({best})": name,
            "dB": _text(gain, 2),
            "share of the oracle's lead": f"{gain['mean'] / whole['mean']:.0%}".replace("-", "−"),
        }
        for name, gain in about["gains"].items()
    ]
    seeds = [gain for name, gain in about["gains"].items() if "left out" in name]
    most = max(gain["high"] for gain in seeds)
    proven = any(gain["low"] > 0 for gain in seeds)
    verdict = (
        "Without the future, the imitator gains on scenes that it has not seen."
        if proven
        else "On scenes that it has not seen, the imitator is not shown to gain anything: every "
        "interval holds zero."
    )
    verdict += (
        f" The upper ends of its intervals reach {most:.2f} dB; 70 % of the oracle's lead would be "
        f"{0.7 * whole['mean']:.2f} dB."
    )
    return f"{_table(lines)}\n\n{verdict}\n"


def _number(value: float | None, digits: int) -> str:
    """None: there was none in any clip."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _verdict(met: bool) -> str:
    return "met" if met else "not met"


def _text(value: dict[str, float], digits: int = 1) -> str:
    low, high = (f"{value[key]:.{digits}f}".replace("-", "−") for key in ("low", "high"))
    return f"{value['mean']:.{digits}f} ({low} to {high})".replace("-", "−")


def _table(rows: list[dict[str, str]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
