"""Read the MSSNet authors' checkpoint files into our network, safely.

The authors publish `.pt` files at https://github.com/kky7/MSSNet. They carry the network's numbers
under other names than ours, and the one shared PReLU number many times over.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from mssnet_edu.mssnet.network import MSSNet, MSSNetConfig

__all__ = ["load_official_checkpoint"]

# The authors' names, and ours. s: scale; u: U-Net and n: level, counted from one there, from zero
# here; i: block; c: convolution, body.0 and body.2 there; x: a number that says nothing new.
_NAMES = {
    "E{s}_{u}.encoder_level{n}.{i}.body.{c}": "s{s}.unets.{u}.encoder.levels.{n}.{i}.{c}",
    "D{s}_{u}.decoder_level{n}.{i}.body.{c}": "s{s}.unets.{u}.decoder.levels.{n}.{i}.{c}",
    "D{s}_{u}.skip_attn{n}.body.{c}": "s{s}.unets.{u}.decoder.skip.{n}.{c}",
    "E{s}_{u}.csff_enc{n}": "s{s}.unets.{u}.encoder.from_encoder.{n}",
    "E{s}_{u}.csff_dec{n}": "s{s}.unets.{u}.encoder.from_decoder.{n}",
    "E{s}_{u}.down{n}{x}.down.1": "s{s}.unets.{u}.encoder.down.{n}",
    "D{s}_{u}.up{x}{n}.up.1": "s{s}.unets.{u}.decoder.up.{n}",
    "shallow_feat{s}.0": "s{s}.shallow.0",
    "shallow_feat{s}.1.body.{c}": "s{s}.shallow.1.{c}",
    "tail{s}_{u}": "s{s}.tails.{u}",
    "tail{s}_{u}.tail": "s{s}.tails.{u}",
    "up_scale1_feat.scaleUp.1": "s2.enlarge",
    "up_scale2_feat.scaleUp.1": "s3.enlarge",
    "fusion{x}{s}": "s{s}.merge",
}


def load_official_checkpoint(path: str | Path) -> MSSNet:
    """The network stored in one of the authors' checkpoint files, ready to run.

    path: their `.pt` or `.pth` file ({'model_state_dict': ...}), or a `.safetensors` of the same
    names.
    Any (wf, scale, vscale) is recognised from the shapes; it is printed, and kept in
    `model.config`. Pickled code in the file is never run. Raises FileNotFoundError, or ValueError
    if the file is not an MSSNet checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint at {path}. The authors publish theirs at "
            "https://github.com/kky7/MSSNet; download one and give its path."
        )
    official = _read(path)
    ours = _rename(official, path)
    config = _recognise(ours, path)
    model = MSSNet(config)
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    stored = {name: tuple(t.shape) for name, t in ours.items()}
    if expected != stored:
        odd = sorted(k for k in expected.keys() | stored.keys() if expected.get(k) != stored.get(k))
        raise ValueError(
            f"{path.name} looks like MSSNet ({config.wf}, {config.scale}, {config.vscale}), but "
            f"{len(odd)} of its tensors do not fit, the first is {odd[0]!r}. Is the file complete?"
        )
    model.load_state_dict(ours)
    count = sum(p.numel() for p in model.parameters()) / 1e6
    print(
        f"{path.name}: MSSNet with wf={config.wf}, scale={config.scale}, vscale={config.vscale} "
        f"({count:.2f} M parameters)"
    )
    return model.eval()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path.name} cannot be read as a checkpoint: {error}") from error
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f"{path.name} holds no 'model_state_dict', as MSSNet's files do")
    # DataParallel training prefixes every name; the golden file marks its weights with "state."
    if any(k.startswith("state.") for k in state):
        state = {k.removeprefix("state."): t for k, t in state.items() if k.startswith("state.")}
    return {k.removeprefix("module."): t.float() for k, t in state.items()}


def _rename(official: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    ours, act = {}, set()
    for name, tensor in official.items():
        if tensor.shape == (1,) and name.endswith("body.1.weight"):  # the shared PReLU, once more
            act.add(float(tensor))
            ours["act.weight"] = tensor
        elif our_name := _our_name(name.removesuffix(".weight")):
            ours[f"{our_name}.weight"] = tensor
        else:
            raise ValueError(f"{path.name} is not an MSSNet checkpoint: unknown tensor {name!r}")
    if len(act) != 1:
        raise ValueError(
            f"{path.name}: MSSNet shares one PReLU number; the file has {len(act)} values for it"
        )
    return ours


def _our_name(official: str) -> str | None:
    for theirs, ours in _NAMES.items():
        pattern = re.sub(r"\\{(\w)\\}", r"(?P<\1>\\d)", re.escape(theirs))
        if match := re.fullmatch(pattern, official):
            numbers = match.groupdict()
            numbers |= {key: int(numbers[key]) - 1 for key in "un" if key in numbers}
            if "c" in numbers:
                numbers["c"] = {"0": "conv1", "2": "conv2"}.get(numbers["c"])
            return ours.format(**numbers)
    return None


def _recognise(ours: dict[str, Tensor], path: Path) -> MSSNetConfig:
    try:
        w1, w2, w3 = (
            ours[f"s1.unets.0.encoder.levels.{level}.0.conv1.weight"].shape[0] for level in range(3)
        )
    except KeyError as missing:
        raise ValueError(f"{path.name} is not an MSSNet checkpoint: no {missing}") from None
    return MSSNetConfig(w1, w2 - w1, w3 - w2)
