"""The evaluation of filling clipped pixels as Markdown: by method, by scene, and the targets."""

from typing import Any

import pandas as pd

from training.evaluate_overexposure import METHODS

__all__ = ["TARGETS", "render"]

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
