"""How the numbers of a network are stored: safetensors files of at most 16 MB.

Tensors with two or more dimensions are stored as fp16, or as int8 with fp16 scales under
``KEY::scale`` (see `_quantise_int8`); vectors (biases, norms) stay fp32, as they are few.
"""

import math
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor

__all__ = ["MAX_FILE_BYTES", "deserialise", "serialise"]

MAX_FILE_BYTES = 16_000_000
SCALE = "::scale"


def serialise(state: Mapping[str, Tensor], int8: bool | Collection[str] = False) -> list[bytes]:
    """A state dict as the contents of one or more safetensors files.

    int8: True for all tensors with two or more dimensions, or the names of those.
    Raises ValueError for a number that does not fit into fp16, and for an unknown name.
    """
    from safetensors.torch import save

    if unknown := sorted(set() if isinstance(int8, bool) else set(int8) - state.keys()):
        raise ValueError(f"int8 names {unknown[:2]}, which the network does not have.")
    blobs = [save(shard) for shard in _shards(_pack(state, int8))]
    if (largest := max(map(len, blobs))) > MAX_FILE_BYTES:
        raise ValueError(f"a shard of {largest:,} bytes is over {MAX_FILE_BYTES:,}.")
    return blobs


def deserialise(blobs: Iterable[bytes]) -> dict[str, Tensor]:
    """The state dict, in fp32, of what `serialise` made. Raises ValueError if it is none."""
    from safetensors.torch import load

    stored = {key: value for blob in blobs for key, value in load(blob).items()}
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


def _pack(state: Mapping[str, Tensor], int8: bool | Collection[str]) -> dict[str, Tensor]:
    packed = {}
    for key, value in state.items():
        # clone: two names may share one tensor (MSSNet's only PReLU), which safetensors refuses
        value = value.detach().cpu().float().contiguous().clone()
        if value.ndim < 2:
            packed[key] = value
        elif int8 is True or (int8 and key in int8):
            packed[key], packed[key + SCALE] = _quantise_int8(value)
        else:
            half = value.half()
            if not torch.isfinite(half).all():
                raise ValueError(f"{key} does not fit into fp16 (largest {value.abs().max():.3g}).")
            packed[key] = half
    return packed


def _quantise_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round weights to int8, with one scale for four input channels of a convolution, or for
    eight inputs of a linear layer.

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


def _shards(packed: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Parts of about equal size, each for one file."""
    sizes = {key: value.numel() * value.element_size() + 256 for key, value in packed.items()}
    total = sum(sizes.values())
    count = math.ceil(total / (MAX_FILE_BYTES * 0.99))
    parts, room = [{}], total / count
    for key, value in packed.items():
        if room < sizes[key] / 2 and len(parts) < count:
            parts.append({})
            room += total / count
        parts[-1][key] = value
        room -= sizes[key]
    return parts
