"""The files of a run, and weights to start another one from.

A run's folder holds run.json (recipe, configuration, steps, seconds, runs before it), state.pt
(everything: it continues exactly), weights.safetensors and ema.safetensors (the weights and their
exponential moving average, named as in MSSNet), and log.csv.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mssnet_edu.files import replacing, write_text

__all__ = [
    "append_row",
    "load_run",
    "load_weights",
    "load_widened",
    "previous_runs",
    "save_run",
    "save_weights",
    "starting_weights",
]


def append_row(folder: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a run's log.csv, which begins with the names of the columns, and print it."""
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)


def save_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors as float32 safetensors, whole or not at all."""
    from safetensors.torch import save_file

    with replacing(path) as part:
        save_file({k: v.detach().float().cpu().contiguous() for k, v in state.items()}, part)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from safetensors, as float32."""
    from safetensors.torch import load_file

    return {k: v.float() for k, v in load_file(path).items()}


def starting_weights(start: Path) -> dict[str, Tensor]:
    """Read the weights to start from: a .safetensors file, or the averaged ones of a run's folder.

    The file may be an exported upscaler's, whose names begin with "network.".
    Raises ValueError if there are none.
    """
    if start.is_dir():
        start = start / "ema.safetensors"
    if not start.is_file():
        raise ValueError(f"there are no weights at {start} to start from")
    return {name.removeprefix("network."): value for name, value in load_weights(start).items()}


@torch.no_grad()
def load_widened(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy weights into a network that may be wider, or have the noise channel.

    It begins with the narrower network's outputs: weights from new to old channels start at zero
    (from the noise channel small); those to new channels stay random, so that gradients reach them.
    Raises ValueError if the network is narrower anywhere, or has other U-Nets.
    """
    for name, parameter in model.named_parameters():
        if name not in state:
            raise ValueError(f"the starting weights lack {name}")
        weight = state[name].to(parameter)
        if weight.shape == parameter.shape:
            parameter.copy_(weight)
            continue
        if any(old > new for old, new in zip(weight.shape, parameter.shape, strict=True)):
            raise ValueError(
                f"{name} is {tuple(weight.shape)} in the starting weights and "
                f"{tuple(parameter.shape)} in this network, which must not be narrower"
            )
        old_outputs = slice(len(weight))
        parameter[old_outputs] *= 0.1 if name.endswith("shallow.0.weight") else 0
        # `merge` reads two concatenated maps, and each has become wider
        maps = 2 if ".merge." in name else 1
        for old, new in zip(weight.chunk(maps, 1), parameter.chunk(maps, 1), strict=True):
            new[old_outputs, : old.shape[1]] = old


def save_run(
    folder: Path,
    about: dict[str, Any],
    state: dict[str, Any],
    weights: Mapping[str, Tensor],
    ema: Mapping[str, Tensor],
) -> None:
    """Write a run's files, each whole or not at all. run.json comes first: all others need it."""
    write_text(folder / "run.json", json.dumps(about, indent=1) + "\n")
    with replacing(folder / "state.pt") as part:
        torch.save(state, part)
    save_weights(weights, folder / "weights.safetensors")
    save_weights(ema, folder / "ema.safetensors")


def load_run(folder: Path, device: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Read run.json and state.pt; None for the state where only the weights were kept.

    Raises ValueError if the folder holds neither.
    """
    state = folder / "state.pt"
    if not state.is_file() and not (folder / "weights.safetensors").is_file():
        raise ValueError(f"{folder} holds no run to resume; leave --resume out to start one")
    about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if not state.is_file():
        return about, None
    return about, torch.load(state, map_location=device, weights_only=True)


def previous_runs(start: Path) -> list[dict[str, Any]]:
    """What led to the weights in this folder: [{recipe, step, seconds}], the first run first."""
    path = start / "run.json"
    if not path.is_file():
        return []
    about = json.loads(path.read_text(encoding="utf-8"))
    return [*about.get("before", []), {k: about[k] for k in ("recipe", "step", "seconds")}]
