"""Run TensorFlow.js graph models with PyTorch, operation by operation; read their weights.

Such a model is a model.json, which lists small operations and the weights by name, and shards of
raw numbers. Photos are (N, H, W, C) in TensorFlow.
"""

import base64
import json
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

NUMPY_TYPES = {"float32": "<f4", "int32": "<i4", "bool": "?"}
TORCH_TYPES = {"DT_FLOAT": torch.float32, "DT_INT32": torch.int32, "DT_BOOL": torch.bool}


def read_weights(files: dict[str, bytes]) -> dict[str, torch.Tensor]:
    """Return the weights of a model by name. files: model.json and its shards, by file name."""
    weights = {}
    for group in json.loads(files["model.json"])["weightsManifest"]:
        raw, offset = b"".join(files[path] for path in group["paths"]), 0
        for weight in group["weights"]:
            count = int(np.prod(weight["shape"]))
            array = np.frombuffer(raw, NUMPY_TYPES[weight["dtype"]], count, offset)
            weights[weight["name"]] = torch.from_numpy(array.reshape(weight["shape"]).copy())
            offset += array.nbytes
        assert offset == len(raw), "the shards hold more than the json names"
    return weights


# --- TensorFlow's operations; each takes its input tensors and the node's attributes -------------


def _ints(tensor):
    return [int(n) for n in tensor.flatten().tolist()]


def _conv(x, kernel, *, strides, padding, dilations, **_):
    assert set(dilations) == {1}, dilations
    stride, (kernel_h, kernel_w) = strides[1:3], kernel.shape[:2]
    x = x.permute(0, 3, 1, 2)
    if (
        padding == "SAME"
    ):  # ceil(size / stride) output pixels; an odd pixel of padding is at the end
        bottom, right = (
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[2:], stride, (kernel_h, kernel_w), strict=True)
        )
        x = F.pad(x, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
    return F.conv2d(x, kernel.permute(3, 2, 0, 1), stride=stride).permute(0, 2, 3, 1)


def _conv_transposed(size, kernel, x, *, strides, padding, **_):
    assert padding == "VALID", padding
    x = F.conv_transpose2d(
        x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), stride=strides[1:3]
    ).permute(0, 2, 3, 1)
    assert list(x.shape[1:3]) == _ints(size)[1:3], (x.shape, size)
    return x


def _strided_slice(x, begin, end, strides, *, shrink_axis_mask=0, **masks):
    assert not any(masks[m] for m in masks if m.endswith("_mask")), masks
    for axis, bounds in enumerate(zip(*map(_ints, (begin, end, strides)), strict=True)):
        start, stop, step = slice(*bounds).indices(x.shape[axis])
        if step > 0:
            x = x[(slice(None),) * axis + (slice(start, stop, step),)]
        else:  # torch's own slices cannot go backwards
            x = x.index_select(axis, torch.tensor(range(start, stop, step)))
    shrink = [axis for axis in range(x.dim()) if shrink_axis_mask >> axis & 1]
    return x.squeeze(tuple(shrink)) if shrink else x


def _sum(x, axes, *, keep_dims=False, **_):
    return x.sum(_ints(axes), keepdim=keep_dims) if axes.numel() else x


def _gather(x, index, axis, **_):
    axis = int(axis)
    flat = x.index_select(axis, index.flatten().long())
    return flat.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _no_attributes(function):
    """An operation that needs none of its attributes."""
    return lambda *inputs, **_: function(*inputs)


OPERATIONS: dict[str, Callable] = {
    "Abs": _no_attributes(torch.abs),
    "AddV2": _no_attributes(torch.add),
    "BroadcastTo": _no_attributes(lambda x, shape: x.expand(_ints(shape))),
    "Cast": lambda x, **attributes: x.to(TORCH_TYPES[attributes["DstT"]]),
    "ConcatV2": _no_attributes(lambda *xs: torch.cat(xs[:-1], int(xs[-1]))),
    "Conv2D": _conv,
    "Conv2DBackpropInput": _conv_transposed,
    "Einsum": lambda *xs, equation, **_: torch.einsum(equation, *xs),
    "Exp": _no_attributes(torch.exp),
    "ExpandDims": _no_attributes(lambda x, axis: x.unsqueeze(int(axis))),
    "Floor": _no_attributes(torch.floor),
    "FloorDiv": _no_attributes(lambda a, b: torch.div(a, b, rounding_mode="floor")),
    "FloorMod": _no_attributes(torch.remainder),
    "GatherV2": _gather,
    "Greater": _no_attributes(torch.gt),
    "GreaterEqual": _no_attributes(torch.ge),
    "Identity": _no_attributes(lambda x: x),
    "Less": _no_attributes(torch.lt),
    "LessEqual": _no_attributes(torch.le),
    "LogicalAnd": _no_attributes(torch.logical_and),
    "Maximum": _no_attributes(torch.maximum),
    "Minimum": _no_attributes(torch.minimum),
    "Mul": _no_attributes(torch.mul),
    "Neg": _no_attributes(torch.neg),
    "NotEqual": _no_attributes(torch.ne),
    "Pack": lambda *xs, axis=0, **_: torch.stack(xs, axis),
    "Range": _no_attributes(
        lambda a, b, step: torch.arange(a.item(), b.item(), step.item(), dtype=a.dtype)
    ),
    "RealDiv": _no_attributes(torch.div),
    "Reciprocal": _no_attributes(torch.reciprocal),
    "Reshape": _no_attributes(lambda x, shape: x.reshape(_ints(shape))),
    "Rsqrt": _no_attributes(torch.rsqrt),
    "SelectV2": _no_attributes(torch.where),
    "Shape": _no_attributes(lambda x: torch.tensor(x.shape, dtype=torch.int32)),
    "Sign": _no_attributes(torch.sign),
    "Square": _no_attributes(torch.square),
    "Squeeze": lambda x, *, squeeze_dims=(), **_: x.squeeze(tuple(squeeze_dims) or None),
    "StridedSlice": _strided_slice,
    "Sub": _no_attributes(torch.sub),
    "Sum": _sum,
    "Tanh": _no_attributes(torch.tanh),
    "Transpose": _no_attributes(lambda x, order: x.permute(_ints(order))),
}


def _attributes(node: dict) -> dict:
    """Return the node's attributes as plain Python values."""
    values = {}
    for key, typed in node.get("attr", {}).items():
        [(kind, content)] = typed.items()
        if kind == "s":
            values[key] = base64.b64decode(content).decode()
        elif kind == "i":
            values[key] = int(content)
        elif kind == "list":
            values[key] = [int(n) for n in content.get("i", [])]
        elif kind in ("b", "type"):
            values[key] = content
    return values


def _inputs(node: dict) -> list[str]:
    return [name.split(":")[0] for name in node.get("input", []) if not name.startswith("^")]


def _topological_order(nodes: dict[str, dict], output: str) -> list[str]:
    """Return all that the output depends on, each after its inputs (no recursion: it is deep)."""
    order, visited, stack = [], set(), [(output, False)]
    while stack:
        name, inputs_done = stack.pop()
        if inputs_done:
            order.append(name)
        elif name not in visited:
            visited.add(name)
            stack.append((name, True))
            stack += [(i, False) for i in _inputs(nodes[name]) if i not in visited]
    return order


class Graph:
    """A TensorFlow.js graph model with one input and one output, both photos.

    files: model.json and its shards, by file name. graph(photo): (N, 3, H, W) in [0, 1] -> the
    same shape, for sizes that the network takes (MAXIM: multiples of 64).
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.weights = read_weights(files)
        topology = json.loads(files["model.json"])["modelTopology"]
        nodes = {node["name"]: node for node in topology["node"]}
        [self.input] = [name for name, node in nodes.items() if node["op"] == "Placeholder"]
        self.steps = []  # (operation, attributes, names of inputs, own name)
        for name in _topological_order(nodes, "Identity"):
            node = nodes[name]
            if node["op"] not in ("Const", "Placeholder"):
                operation = OPERATIONS[node["op"]]
                self.steps.append((operation, _attributes(node), _inputs(node), name))
        last_use = {name: i for i, step in enumerate(self.steps) for name in step[2]}
        self.freed_after = [[] for _ in self.steps]
        for name, i in last_use.items():
            if name not in self.weights:
                self.freed_after[i].append(name)

    def parameter_count(self) -> int:
        """Return how many numbers the network has learned."""
        return sum(w.numel() for w in self.weights.values() if w.is_floating_point())

    @torch.inference_mode()
    def __call__(self, photo: torch.Tensor) -> torch.Tensor:
        values = {self.input: photo.permute(0, 2, 3, 1)}
        for (operation, attributes, names, output), freed in zip(
            self.steps, self.freed_after, strict=True
        ):
            inputs = [self.weights[n] if n in self.weights else values[n] for n in names]
            values[output] = operation(*inputs, **attributes)
            for name in freed:
                del values[name]
        return values["Identity"].permute(0, 3, 1, 2)
