"""RRDN x8 of npm @upscalerjs/esrgan-thick 1.0.0 -> data/weights, and a patch for the test.

npm pack @upscalerjs/esrgan-thick@1.0.0
python -m tools.provenance.convert_rrdn upscalerjs-esrgan-thick-1.0.0.tgz
"""

import io

import torch
from PIL import Image

from mssnet_edu.models.catalogue import save_model
from tools.provenance import sources
from tools.provenance.tfjs import read_weights

NAME = "rrdn-x8"
PACKAGE = "upscalerjs-esrgan-thick-1.0.0.tgz"
SHA256 = "3d38971084d8281bf68da443085c7eb65355fb28aa81b33b54f950cca6328a15"
GET = "npm pack @upscalerjs/esrgan-thick@1.0.0"
MODEL = "package/models/x8/"
CONFIG = {"c": 4, "d": 3, "g": 32, "g0": 64, "t": 10, "factor": 8}
OUTER = {
    "Pre_blocks_conv": "first",
    "post_blocks_conv": "last",
    "PreShuffle": "spread",
    "SR": "smooth",
}
PATCH_PX = 16  # of the package's own sample output, divided by 8
TOP_LEFT = (56, 56)


def rename(layer: str) -> str:
    """Return our name of a layer.

    F_t_d_c is a dense block's convolution c, LFF_t_d the one that fuses; both count from 1.
    """
    kind, *place = layer.split("_")
    if layer in OUTER:
        return OUTER[layer]
    t, d, *c = (int(p) - 1 for p in place)
    return f"groups.{t}.blocks.{d}." + {"F": f"grow.{c[0]}" if c else "", "LFF": "fuse"}[kind]


def to_torch(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict of our network from the weights of TensorFlow's."""
    state = {}
    for key, value in weights.items():
        layer, part = key.split("/")
        if part == "kernel":
            value = value.permute(3, 2, 0, 1)  # (h, w, in, out) -> (out, in, h, w)
        if layer == "PreShuffle":
            # TensorFlow unfolds channel (dy, dx, colour); torch wants (colour, dy, dx)
            value = value.unflatten(0, (64, 3)).transpose(0, 1).flatten(0, 1)
        state[f"{rename(layer)}.{ {'kernel': 'weight', 'bias': 'bias'}[part] }"] = value
    return state


def write_test_patch(package: sources.Package) -> None:
    """Write the whole small input of the package's sample, and a patch of its output, as PNG."""
    photo = Image.open(io.BytesIO(package.read("package/assets/fixture.png"))).convert("RGB")
    answer = Image.open(io.BytesIO(package.read("package/assets/samples/8x/result.png")))
    assert answer.size == (8 * photo.width, 8 * photo.height), (photo.size, answer.size)
    left, top = (8 * v for v in TOP_LEFT)
    box = (left, top, left + 8 * PATCH_PX, top + 8 * PATCH_PX)
    photo.save(sources.TEST_DATA / "rrdn_input.png", optimize=True)
    answer.convert("RGB").crop(box).save(sources.TEST_DATA / "rrdn_output_patch.png", optimize=True)


def main() -> None:
    """Write weights, card, licence, and the pictures for the test."""
    package = sources.from_arguments(SHA256, GET)
    sources.write_licence(
        NAME,
        package.read("package/LICENSE"),
        f"{NAME}.safetensors and tests/data/rrdn_*.png were made from {PACKAGE} (npm):",
    )
    model_files = package.read_tarball((MODEL,))
    weights = read_weights({name.removeprefix(MODEL): blob for name, blob in model_files.items()})
    save_model(
        to_torch(weights),
        sources.WEIGHTS,
        name=NAME,
        task="upscale",
        architecture="rrdn",
        config=CONFIG,
        summary="Enlarges a photo 8 times in one pass. It was trained with a pixel loss, so it "
        "is faithful to the small photo, and soft where that does not say.",
        licence="MIT",
        author="Kevin Scott (UpscalerJS: training and package), with the network code of idealo "
        "image-super-resolution (Francesco Cardinale and others)",
        source=f"npm @upscalerjs/esrgan-thick 1.0.0, package/models/x8 (tarball SHA-256 {SHA256})",
        made_by=f"python -m tools.provenance.convert_rrdn {PACKAGE}",
        trained_on="DIV2K, patches of 128 px, epoch 494: so says the name of the training run in "
        "the package (rrdn-C4-D3-G32-G064-T10-x8-patchsize128-compress100-sharpen0-datadiv2k-"
        "vary_cFalse_epoch494). How the pictures were reduced is not documented.",
        factor=8,
        halo_px=12,
        rim_px=6,
        source_type="algorithmicallyEnhanced",
        failures=[
            "Faces, fur and letters stay soft: what 8x8 pixels averaged away does not come back. "
            "At edges it leaves a faint halo, and on fur a weave that is not there.",
            "It was trained on clean, reduced photographs. Noise, film grain and JPEG blocks of an "
            "old photo are taken for detail and enlarged with it.",
            "It gains less on photos reduced by averaging than on those reduced by bicubic: it was "
            "probably trained on the latter.",
            "It knows no blur: a blurred photo comes back as a large blurred photo.",
        ],
    )
    write_test_patch(package)


if __name__ == "__main__":
    main()
