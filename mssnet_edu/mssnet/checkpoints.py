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

_LEVEL = r"level(\d)\.(\d)\.body\."
_RULES = (  # (authors' name, our name); {n} is "a number counted from one becomes from zero"
    (rf"E(\d)_(\d)\.encoder_{_LEVEL}(\d)", "s{0}.unets.{n1}.encoder.levels.{n2}.{3}.{b4}"),
    (rf"D(\d)_(\d)\.decoder_{_LEVEL}(\d)", "s{0}.unets.{n1}.decoder.levels.{n2}.{3}.{b4}"),
    (r"D(\d)_(\d)\.skip_attn(\d)\.body\.(\d)", "s{0}.unets.{n1}.decoder.skip.{n2}.{b3}"),
    (r"E(\d)_(\d)\.csff_enc(\d)", "s{0}.unets.{n1}.encoder.from_encoder.{n2}"),
    (r"E(\d)_(\d)\.csff_dec(\d)", "s{0}.unets.{n1}.encoder.from_decoder.{n2}"),
    (r"E(\d)_(\d)\.down(\d)\d\.down\.1", "s{0}.unets.{n1}.encoder.down.{n2}"),
    (r"D(\d)_(\d)\.up\d(\d)\.up\.1", "s{0}.unets.{n1}.decoder.up.{n2}"),
    (r"shallow_feat(\d)\.0", "s{0}.shallow.0"),
    (r"shallow_feat(\d)\.1\.body\.(\d)", "s{0}.shallow.1.{b1}"),
    (r"tail(\d)_(\d)(?:\.tail)?", "s{0}.tails.{n1}"),
    (r"up_scale(\d)_feat\.scaleUp\.1", "s{p0}.enlarge"),
    (r"fusion\d(\d)", "s{0}.merge"),
)


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
            continue
        for pattern, target in _RULES:
            match = re.fullmatch(pattern + r"\.weight", name)
            if match:
                ours[_fill(target, match.groups()) + ".weight"] = tensor
                break
        else:
            raise ValueError(f"{path.name} is not an MSSNet checkpoint: unknown tensor {name!r}")
    if len(act) != 1:
        raise ValueError(
            f"{path.name}: MSSNet shares one PReLU number; the file has {len(act)} values for it"
        )
    return ours


def _fill(target: str, groups: tuple[str, ...]) -> str:
    def one(match: re.Match) -> str:
        kind, number = match.group(1), int(groups[int(match.group(2))])
        if kind == "n":  # counted from one there, from zero here
            return str(number - 1)
        if kind == "p":  # the scale that receives: S1's features go up into S2
            return str(number + 1)
        if kind == "b":  # body.0 and body.2 are the two convolutions of a ResBlock
            return {0: "conv1", 2: "conv2"}.get(number, f"body{number}")
        return str(number)

    return re.sub(r"\{([npb]?)(\d)\}", one, target)


def _recognise(ours: dict[str, Tensor], path: Path) -> MSSNetConfig:
    try:
        w1, w2, w3 = (
            ours[f"s1.unets.0.encoder.levels.{level}.0.conv1.weight"].shape[0] for level in range(3)
        )
    except KeyError as missing:
        raise ValueError(f"{path.name} is not an MSSNet checkpoint: no {missing}") from None
    return MSSNetConfig(w1, w2 - w1, w3 - w2)
