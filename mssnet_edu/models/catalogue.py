"""The catalogue of networks: what there is, where it came from, and the one loader.

A network called NAME is three files in ``data/weights``: ``NAME.json`` (a `ModelInfo`, the one
source of every fact), ``NAME.safetensors`` (the numbers, in shards when large) and ``NAME.md``
(the model card, rendered from the json). `save_model` writes them; `load_model` reads them, checks
size and SHA-256, and returns the network ready to use.
"""

import dataclasses
import functools
import hashlib
import importlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mssnet_edu import samples
from mssnet_edu.files import read_verified, replacing, write_text
from mssnet_edu.lazy import did_you_mean
from mssnet_edu.models import weights
from mssnet_edu.models.cards import TASKS, ModelInfo, WeightFile, render_card

__all__ = [
    "ARCHITECTURES",
    "CHECKPOINTS",
    "ModelInfo",
    "build",
    "card",
    "info",
    "load_model",
    "names",
    "save_model",
    "write_info",
]

# architecture -> "module:function"; the function takes the config and returns an untrained network.
# Imported only when asked for, so that `import mssnet_edu` stays quick.
ARCHITECTURES = {
    "rrdn": "mssnet_edu.models.rrdn:build",
    "realesrgan": "mssnet_edu.models.realesrgan:build",
    "maxim": "mssnet_edu.models.maxim:build",
    "efficientnet-lite0": "mssnet_edu.models.classifier:build",
    "st-lpips": "mssnet_edu.models.perceptual:build",
    "mssnet": "mssnet_edu.mssnet.network:build",
    "mssnet-upscaler": "mssnet_edu.models.mssnet_upscaler:build",
    "mssnet-ablation": "mssnet_edu.mssnet.ablation:build",
    "vit": "mssnet_edu.models.vit:build",
    "featsharp": "mssnet_edu.models.featsharp:build",
    "overexposure": "mssnet_edu.models.overexposure:build",
    "reference-policy": "mssnet_edu.models.reference_policy:build",
}

CHECKPOINTS = (".pt", ".pth", ".safetensors")  # how the names of checkpoint files end


# --- what there is ---------------------------------------------------------------------------


def names(task: str | None = None) -> list[str]:
    """Return the names of all networks in data/weights, sorted; those of one task if given.

    >>> "rrdn-x8" in names("upscale")
    True
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(TASKS)}.")
    listed = _listed(_folder(None))
    return [name for name in listed if task is None or info(name).task == task]


def info(name: str, folder: str | Path | None = None) -> ModelInfo:
    """Return the `ModelInfo` of a network.

    folder: where to look; None means the course's own data/weights.
    Raises ValueError, with the nearest names, when there is no such network.
    >>> info("rrdn-x8").factor
    8
    """
    folder = _folder(folder)
    known = _listed(folder)
    if name not in known:  # not path.is_file(): a name is no path, and "../x" no name
        raise ValueError(_unknown(name, known, folder))
    path = folder / f"{name}.json"
    try:
        model_info = ModelInfo(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a network: {error}") from error
    if model_info.name != name:
        raise ValueError(f"{path} describes {model_info.name!r}, not {name!r}. Rename one of them.")
    return model_info


def card(name: str, folder: str | Path | None = None) -> str:
    """Return the model card of a network as markdown.

    >>> card("rrdn-x8").splitlines()[0]
    '# rrdn-x8'
    """
    return render_card(info(name, folder))


def _folder(folder: str | Path | None) -> Path:
    return samples.find_data("weights") if folder is None else Path(folder)


def _listed(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json"))


def _unknown(name: str, known: list[str], folder: Path) -> str:
    if Path(name).suffix:
        endings = ", ".join(CHECKPOINTS)
        return f"there is no network {name!r}. A checkpoint file ends with {endings}."
    if near := did_you_mean(name, known):
        return f"there is no network {name!r}.{near}"
    if known:
        return f"there is no network {name!r}. There are: {', '.join(known)}."
    return f"there is no network {name!r}: {folder} holds none. Install the course with its data."


# --- loading ---------------------------------------------------------------------------------


def load_model(name: str | Path, folder: str | Path | None = None) -> nn.Module:
    """Return a trained network: on the CPU, fp32, eval mode, weights without gradients.

    The network carries its `ModelInfo` as ``.info``. The last eight are kept: asked for again, they
    are the same objects.
    name: of a network in the folder, or the path of a checkpoint file of the MSSNet authors
    (CHECKPOINTS; see `mssnet.load_official_checkpoint`). folder: where to look for names; None
    means the course's own data/weights.
    Raises ValueError for an unknown name, a damaged file or one of another network,
    FileNotFoundError for a missing one.
    >>> load_model("rrdn-x8")(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """
    if not isinstance(name, str | Path):
        raise TypeError(
            f"name is a {type(name).__name__}; load_model needs a text such as 'rrdn-x8'. "
            "List them with me.models.names()."
        )
    if Path(name).suffix.lower() in CHECKPOINTS:
        path = Path(name).expanduser().resolve()
        return _load_checkpoint(path, path.stat().st_mtime_ns if path.exists() else 0)
    folder = _folder(folder)
    model_info = info(str(name), folder)
    network = _load(model_info.name, folder, model_info.files)
    network.info = model_info  # pyright: ignore[reportArgumentType]: torch types tensors only
    return network


@functools.lru_cache(maxsize=2)
def _load_checkpoint(path: Path, mtime_ns: int) -> nn.Module:
    # mtime_ns is part of the key: a file that has changed is read again
    from mssnet_edu.mssnet import load_official_checkpoint

    with torch.inference_mode(False):  # as in _load
        network = load_official_checkpoint(path).requires_grad_(False)
    ours = info("mssnet-deblur")  # built alike: what tiles need is the same, but for the widths
    config = network.config.to_dict()
    network.info = dataclasses.replace(  # pyright: ignore[reportArgumentType]
        ours,
        name=path.name,
        summary="An MSSNet, loaded from a checkpoint file of its authors.",
        licence="not stated",
        author="Kim, Lee and Cho (2022)",
        source="https://github.com/kky7/MSSNet",
        made_by="the authors of MSSNet",
        trained_on="GoPro (Nah et al. 2017), by its paper",
        parameters=_count(network),
        config=config,
        bytes_per_px=ours.bytes_per_px * _features_per_px(config) / _features_per_px(ours.config),
        files=(),
        measured={},
        failures=(),
    )
    return network


def _features_per_px(config: Mapping[str, Any]) -> float:
    """Numbers of one U-Net's three levels for each pixel: what an MSSNet's memory grows with."""
    low = config["wf"] + config["scale"]
    return config["wf"] + low / 4 + (low + config["vscale"]) / 16


@functools.lru_cache(maxsize=8)
def _load(name: str, folder: Path, files: tuple[WeightFile, ...]) -> nn.Module:
    # files is part of the key: new weights of an old name have other SHA-256, and are read again
    model_info = info(name, folder)
    # A learner's first call may stand inside inference_mode; weights made there would refuse
    # gradients for ever after, in every notebook cell that gets this same object.
    with torch.inference_mode(False):
        network = build(model_info)
        state = weights.deserialise(_read(folder / file.name, file.sha256, name) for file in files)
        _load_state(network, state, f"the files of {name!r}")
    if _count(network) != model_info.parameters:
        raise ValueError(
            f"{name!r} has {_count(network):,} parameters, but its {name}.json says "
            f"{model_info.parameters:,}. Restore both from the course."
        )
    return network.eval().requires_grad_(False)


def _read(path: Path, sha256: str, name: str) -> bytes:
    try:
        return read_verified(path, sha256)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"the weights of {name!r} are not complete: {error} {samples.how_to_restore()}"
        ) from error


def build(model_info: ModelInfo) -> nn.Module:
    """Return an untrained network of this architecture and configuration.

    Raises ValueError for an unknown architecture.
    """
    if model_info.architecture not in ARCHITECTURES:
        raise ValueError(
            f"architecture is {model_info.architecture!r}; known are {', '.join(ARCHITECTURES)}. "
            "Add a new one to ARCHITECTURES in mssnet_edu/models/catalogue.py."
        )
    module, function = ARCHITECTURES[model_info.architecture].split(":")
    return getattr(importlib.import_module(module), function)(**model_info.config)


def _load_state(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    missing, unexpected = network.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"{what} do not fit this network: {len(missing)} missing (such as {missing[:2]}), "
            f"{len(unexpected)} too many (such as {unexpected[:2]})."
        )


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# --- saving ----------------------------------------------------------------------------------


def save_model(
    network_or_state: nn.Module | Mapping[str, Tensor],
    folder: str | Path | None = None,
    *,
    int8: bool | Collection[str] = False,
    **facts: Any,
) -> ModelInfo:
    """Write NAME.safetensors, NAME.json and NAME.md, each atomically; return the `ModelInfo`.

    network_or_state: an nn.Module or its state dict. int8: about one byte a weight, not two; True
    for all tensors with two or more dimensions, or the names of those that are to be stored so.
    facts: every field of `ModelInfo` but ``files`` and ``parameters``. ``measured`` is kept from an
    older NAME.json only when it is passed again: new weights make old measurements untrue.
    Raises ValueError if the numbers do not fit the network that ``config`` builds.
    """
    state = network_or_state
    if isinstance(state, nn.Module):
        state = state.state_dict()
    folder = _folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if unwanted := sorted({"files", "parameters"} & facts.keys()):
        raise TypeError(f"save_model works out {' and '.join(unwanted)} itself; leave it out.")
    draft = ModelInfo(parameters=0, **facts)
    network = build(draft)
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    _load_state(network, state, f"the numbers given for {draft.name!r}")  # before files are written

    blobs = weights.serialise(state, int8)
    files = []
    for number, blob in enumerate(blobs, start=1):
        shard = f".{number}of{len(blobs)}" if len(blobs) > 1 else ""
        path = folder / f"{draft.name}{shard}.safetensors"
        with replacing(path) as part:
            part.write_bytes(blob)
        files.append(WeightFile(path.name, hashlib.sha256(blob).hexdigest(), len(blob)))
    final = dataclasses.replace(draft, files=tuple(files), parameters=_count(network))
    write_info(final, folder)
    current = {file.name for file in files}
    for pattern in (f"{draft.name}.safetensors", f"{draft.name}.*of*.safetensors"):
        for old in folder.glob(pattern):
            if old.name not in current:  # shards of an earlier save
                old.unlink()
    return final


def write_info(model_info: ModelInfo, folder: str | Path | None = None) -> None:
    """Write NAME.json and its card, NAME.md: new facts or measurements for the same weights."""
    facts = dataclasses.asdict(model_info)
    facts["files"] = [list(f) for f in model_info.files]
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    folder = _folder(folder)
    write_text(folder / f"{model_info.name}.json", text)
    write_text(folder / f"{model_info.name}.md", render_card(model_info))
