"""The catalogue of networks: what there is, where it came from, and the one door to load it.

A network called NAME is three files in ``data/weights``: ``NAME.json`` (a `ModelInfo`, the one
source of every fact), ``NAME.safetensors`` (the numbers, in shards when large) and ``NAME.md``
(the model card, rendered from the json). `save_model` writes the first two; `load_model` reads
them, checks size and SHA-256, and returns the network ready to use.

How numbers are stored: tensors with two or more dimensions as fp16 (or as int8 with fp16 scales,
under ``KEY::scale``, see `_quantise`); vectors (biases, norms) stay fp32, as they are few.
"""

import dataclasses
import difflib
import functools
import hashlib
import importlib
import json
import math
from pathlib import Path
from typing import NamedTuple

import torch

from mssnet_edu.files import read_verified, replacing, write_text

__all__ = [
    "ARCHITECTURES",
    "TASKS",
    "ModelInfo",
    "WeightFile",
    "card",
    "info",
    "load_model",
    "names",
    "render_card",
    "save_model",
    "write_info",
]

# architecture -> "module:function"; the function takes the config and returns an untrained network.
# Imported only when asked for, so that `import mssnet_edu` stays quick.
ARCHITECTURES = {
    "rrdn": "mssnet_edu.models.rrdn:build",
    "realesrgan": "mssnet_edu.models.realesrgan:build",
    "efficientnet-lite0": "mssnet_edu.models.classifier:build",
    "st-lpips": "mssnet_edu.models.perceptual:build",
    "mssnet": "mssnet_edu.mssnet:build",
    "mssnet-upscaler": "mssnet_edu.models.mssnet_upscaler:build",
    "mssnet-ablation": "mssnet_edu.mssnet.ablation:build",
    "vit": "mssnet_edu.models.vit:build",
    "featsharp": "mssnet_edu.featsharp:build",
}
TASKS = ("deblur", "upscale", "features", "classify", "perceptual")
MAX_FILE_BYTES = 16_000_000
SCALE = "::scale"


class WeightFile(NamedTuple):
    """One file of weights: its name in data/weights, its SHA-256, its size in bytes."""

    name: str
    sha256: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """All that is known about one network. ``NAME.json`` holds exactly these fields.

    An upscaler enlarges ``factor`` times; every other network has factor 1. A photo must measure a
    multiple of ``multiple_of`` px and at least ``min_px`` on each side. ``halo_px`` is the context,
    in input pixels, that a tile needs on each side so that its middle comes out nearly as in the
    whole (see `restore`, which blends what is left of the difference).
    ``measured`` holds what a script measured, never what somebody typed.
    """

    name: str
    task: str
    architecture: str
    summary: str
    licence: str
    author: str
    source: str
    made_by: str
    trained_on: str
    parameters: int
    config: dict = dataclasses.field(default_factory=dict)
    factor: int = 1
    multiple_of: int = 1
    min_px: int = 1
    halo_px: int = 0
    files: tuple[WeightFile, ...] = ()
    measured: dict = dataclasses.field(default_factory=dict)
    failures: tuple[str, ...] = ()

    def __post_init__(self):
        if self.task not in TASKS:
            raise ValueError(f"task is {self.task!r}; expected one of {', '.join(TASKS)}.")
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture is {self.architecture!r}; known are {', '.join(ARCHITECTURES)}. "
                "Add a new one to ARCHITECTURES in mssnet_edu/models/catalogue.py."
            )
        object.__setattr__(self, "files", tuple(WeightFile(*f) for f in self.files))
        object.__setattr__(self, "failures", tuple(self.failures))


def names(task=None):
    """Return the names of all networks in data/weights, sorted; those of one task if given.

    >>> "rrdn-x8" in names("upscale")
    True
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"task is {task!r}; expected one of {', '.join(TASKS)}.")
    found = _listed(_folder(None))
    return [name for name in found if task is None or info(name).task == task]


def info(name, folder=None):
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
        found = ModelInfo(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a network: {error}") from error
    if found.name != name:
        raise ValueError(f"{path} describes {found.name!r}, not {name!r}. Rename one of them.")
    return found


def load_model(name, folder=None):
    """Return a trained network: on the CPU, fp32, eval mode, weights without gradients.

    The network carries its `ModelInfo` as ``.info``. The last eight are kept: asked for again, they
    are the same objects.
    folder: where to look; None means the course's own data/weights.
    Raises ValueError for an unknown name or a damaged file, FileNotFoundError for a missing one.
    >>> load_model("rrdn-x8")(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """
    if not isinstance(name, str):
        raise TypeError(
            f"name is a {type(name).__name__}; load_model needs a text such as 'rrdn-x8'. "
            "List them with me.models.names()."
        )
    folder = _folder(folder)
    model_info = info(name, folder)
    network = _load(name, folder, model_info.files)
    network.info = model_info
    return network


def card(name, folder=None):
    """Return the model card of a network as markdown.

    >>> card("rrdn-x8").splitlines()[0]
    '# rrdn-x8'
    """
    return render_card(info(name, folder))


def save_model(network_or_state, folder=None, *, int8=False, **facts):
    """Write NAME.safetensors and NAME.json, each atomically, and return the `ModelInfo`.

    network_or_state: an nn.Module or its state dict. int8: about one byte a weight, not two; True
    for all tensors with two or more dimensions, or the names of those that are to be stored so.
    facts: every field of `ModelInfo` but ``files`` and ``parameters``. ``measured`` is kept from an
    older NAME.json only when it is passed again: new weights make old measurements untrue.
    Raises ValueError if the numbers do not fit the network that ``config`` builds.
    """
    state = network_or_state
    if isinstance(state, torch.nn.Module):
        state = state.state_dict()
    folder = _folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if unwanted := sorted({"files", "parameters"} & facts.keys()):
        raise TypeError(f"save_model works out {' and '.join(unwanted)} itself; leave it out.")
    draft = ModelInfo(parameters=0, **facts)
    network = _build(draft)
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    _fill(network, state, f"the numbers given for {draft.name!r}")  # before anything is written

    if unknown := sorted(set() if isinstance(int8, bool) else set(int8) - state.keys()):
        raise ValueError(f"int8 names {unknown[:2]}, which the network does not have.")
    shards = _shards(_pack(state, int8))
    files = []
    for number, shard in enumerate(shards, start=1):
        part = f".{number}of{len(shards)}" if len(shards) > 1 else ""
        blob = _to_bytes(shard)
        path = folder / f"{draft.name}{part}.safetensors"
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


def write_info(model_info, folder=None):
    """Write NAME.json and its card, NAME.md: new facts or measurements for the same weights."""
    facts = dataclasses.asdict(model_info)
    facts["files"] = [list(f) for f in model_info.files]
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    folder = _folder(folder)
    write_text(folder / f"{model_info.name}.json", text)
    write_text(folder / f"{model_info.name}.md", render_card(model_info))


def render_card(model_info):
    """Return the model card, as markdown, of one `ModelInfo`."""
    i = model_info
    size_mb = sum(f.bytes for f in i.files) / 1e6
    rows = [
        ("task", i.task if i.factor == 1 else f"{i.task}, {i.factor}x"),
        ("architecture", f"{i.architecture} {_inline(i.config)}".strip()),
        ("parameters", f"{i.parameters:,}"),
        ("weights", f"{size_mb:.1f} MB"),
        ("licence", i.licence),
        ("author", i.author),
        ("source", i.source),
        ("made by", f"`{i.made_by}`"),
        ("trained on", i.trained_on),
        (
            "photo size",
            f"at least {i.min_px} px a side"
            + (f", a multiple of {i.multiple_of} px" if i.multiple_of > 1 else "")
            + (f"; a tile needs {i.halo_px} px of context" if i.halo_px else ""),
        ),
    ]
    lines = [f"# {i.name}", "", i.summary, "", "| | |", "|---|---|"]
    lines += [f"| {key} | {_cell(value)} |" for key, value in rows]
    lines += ["", "## Files", "", "| file | bytes | SHA-256 |", "|---|---|---|"]
    lines += [f"| {f.name} | {f.bytes:,} | `{f.sha256}` |" for f in i.files]
    lines += ["", "## Measured", ""]
    if i.measured:
        for title, table in i.measured.items():
            lines += _measured_table(title, table)
    else:
        lines += ["Nothing yet.", ""]
    lines += ["## Known failures", ""]
    lines += [f"- {failure}" for failure in i.failures] or ["None known yet."]
    lines += [
        "",
        f"<!-- rendered from {i.name}.json by tools/docs/render_cards.py; do not edit -->",
    ]
    return "\n".join(lines) + "\n"


# --- reading ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _load(name, folder, _files):
    # _files: new weights of an old name are read again, for they have other SHA-256
    model_info = info(name, folder)
    # A learner's first call may stand inside inference_mode; weights made there would refuse
    # gradients for ever after, in every notebook cell that gets this same object.
    with torch.inference_mode(False):
        network = _build(model_info)
        state = {}
        for file in model_info.files:
            state.update(_read(folder / file.name, file, name))
        _fill(network, _unpack(state), f"the files of {name!r}")
    if _count(network) != model_info.parameters:
        raise ValueError(
            f"{name!r} has {_count(network):,} parameters, but its {name}.json says "
            f"{model_info.parameters:,}. Restore both from the course."
        )
    return network.eval().requires_grad_(False)


def _folder(folder):
    if folder is not None:
        return Path(folder)
    from ..samples import find_data

    return find_data("weights")


def _listed(folder):
    return sorted(path.stem for path in folder.glob("*.json"))


def _unknown(name, known, folder):
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    if near:
        return f"there is no network {name!r}. Did you mean {' or '.join(map(repr, near))}?"
    if known:
        return f"there is no network {name!r}. There are: {', '.join(known)}."
    return f"there is no network {name!r}: {folder} holds none. Install the course with its data."


def _read(path, file, name):
    from safetensors.torch import load

    try:
        return load(read_verified(path, file.sha256))
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(
            f"the weights of {name!r} are not complete: {error} Get the file again: "
            "git checkout -- data/weights, or reinstall mssnet_edu."
        ) from error


def _build(model_info):
    module, function = ARCHITECTURES[model_info.architecture].split(":")
    return getattr(importlib.import_module(module), function)(**model_info.config)


def _fill(network, state, what):
    missing, unexpected = network.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"{what} do not fit this network: {len(missing)} missing (such as {missing[:2]}), "
            f"{len(unexpected)} too many (such as {unexpected[:2]})."
        )


def _count(network):
    return sum(p.numel() for p in network.parameters())


def _unpack(stored):
    state = {}
    for key, value in stored.items():
        if key.endswith(SCALE):
            continue
        value = value.float()
        if key + SCALE in stored:
            scale = stored[key + SCALE].float()  # (out, groups)
            value = (value.reshape(*scale.shape, -1) * scale[..., None]).view(value.shape)
        state[key] = value
    return state


# --- writing ---------------------------------------------------------------------------------


def _pack(state, int8):
    packed = {}
    for key, value in state.items():
        # clone: two names may share one tensor (MSSNet's only PReLU), which safetensors refuses
        value = value.detach().cpu().float().contiguous().clone()
        if value.ndim < 2:
            packed[key] = value
        elif int8 is True or (int8 and key in int8):
            packed[key], packed[key + SCALE] = _quantise(value)
        else:
            half = value.half()
            if not torch.isfinite(half).all():
                raise ValueError(f"{key} does not fit into fp16 (largest {value.abs().max():.3g}).")
            packed[key] = half
    return packed


def _quantise(weight):
    """Round weights to int8, four input channels of a convolution, or eight numbers of a linear
    layer, to a scale.

    weight: (out, in, kh, kw) -> int8 of the same shape, fp16 scales (out, in/4); or (out, in).
    Fine scales matter: one large weight would coarsen all that share its scale. And in each kernel
    the sum is kept: photos are smooth, so an error in the sum is seen, a ripple hardly.
    """
    out, inputs = weight.shape[:2]
    size = 4 if weight.ndim > 2 else 8
    groups = inputs // size if inputs % size == 0 else 1
    grouped = weight.reshape(out, groups, -1)
    scale = (grouped.abs().amax(2) / 127).clamp(min=1e-6).half()  # (out, groups)
    exact = (grouped / scale[..., None].float()).view(out, inputs, -1)  # (out, in, kh*kw)
    steps = exact.round()
    error = exact - steps
    short = error.sum(2, keepdim=True).round()  # by how many steps the kernel's sum is too small
    order = error.argsort(2)
    from_below, from_above = order.argsort(2), order.flip(2).argsort(2)
    steps += (from_above < short).float() - (from_below < -short).float()
    return steps.clamp(-127, 127).to(torch.int8).view(weight.shape), scale


def _shards(packed):
    total = sum(v.numel() * v.element_size() + 256 for v in packed.values())
    count = math.ceil(total / (MAX_FILE_BYTES * 0.99))
    shards, room = [{}], total / count
    for key, value in packed.items():
        size = value.numel() * value.element_size() + 256
        if room < size / 2 and len(shards) < count:
            shards.append({})
            room += total / count
        shards[-1][key] = value
        room -= size
    return shards


def _to_bytes(shard):
    from safetensors.torch import save

    blob = save(shard)
    if len(blob) > MAX_FILE_BYTES:
        raise ValueError(f"a shard of {len(blob):,} bytes is over {MAX_FILE_BYTES:,}.")
    return blob


# --- the card ----------------------------------------------------------------------------------


def _inline(config):
    return ", ".join(f"{key} {value}" for key, value in config.items())


def _cell(value):
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.4f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _measured_table(title, table):
    """One table: {row: {column: value}}; or a list of facts: {name: value}."""
    lines = [f"### {title}", ""]
    rows = {key: value for key, value in table.items() if isinstance(value, dict)}
    if rows:
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for key, row in rows.items():
            cells = " | ".join(_cell(row.get(column, "")) for column in columns)
            lines.append(f"| {key} | {cells} |")
        lines.append("")
    facts = [f"- {key}: {_cell(v)}" for key, v in table.items() if not isinstance(v, dict)]
    return lines + facts + ([""] if facts else [])
