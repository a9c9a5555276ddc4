"""ST-LPIPS (AlexNet) of PyPI stlpips-pytorch 0.0.2 -> data/weights.

pip download --no-deps stlpips-pytorch==0.0.2
python -m tools.provenance.convert_perceptual stlpips_pytorch-0.0.2-py3-none-any.whl
"""

import io

import torch

from mssnet_edu.models.catalogue import save_model
from tools.provenance import sources

NAME = "st-lpips"
PACKAGE = "stlpips_pytorch-0.0.2-py3-none-any.whl"
SHA256 = "a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645"
MEMBER = "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"
GET = "pip download --no-deps stlpips-pytorch==0.0.2"
CONVS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")


def rename(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict under our names."""
    renamed = {
        "mean": state["scaling_layer.shift"].view(3, 1, 1),
        "spread": state["scaling_layer.scale"].view(3, 1, 1),
    }
    for i, conv in enumerate(CONVS):
        renamed[f"convs.{i}.weight"] = state[f"net.{conv}.weight"]
        renamed[f"convs.{i}.bias"] = state[f"net.{conv}.bias"]
        renamed[f"judges.{i}.weight"] = state[f"lin{i}.model.1.weight"]
    return renamed


def main() -> None:
    """Write weights, card and licence."""
    package = sources.from_arguments(SHA256, GET)
    state = torch.load(io.BytesIO(package.read(MEMBER)), weights_only=True, map_location="cpu")
    sources.write_licence(
        NAME,
        package.read("stlpips_pytorch-0.0.2.dist-info/licenses/LICENSE"),
        f"{NAME}.safetensors was converted from {PACKAGE}:",
    )
    save_model(
        rename(state),
        sources.WEIGHTS,
        name=NAME,
        task="perceptual",
        architecture="st-lpips",
        summary="Says how different two photos look to people: 0 for the same, larger for more "
        "different. It reads an AlexNet's maps at five depths.",
        licence="BSD-2-Clause (package-wide; some of the package's code carries other notices, "
        "none of it is used here)",
        author="Abhijay Ghildyal and Feng Liu",
        source=f"PyPI stlpips-pytorch 0.0.2, {MEMBER} (wheel SHA-256 {SHA256})",
        made_by=f"python -m tools.provenance.convert_perceptual {PACKAGE}",
        trained_on="By its paper: the BAPPS data set (people said which of two distorted 64 x 64 "
        "patches is closer to the original), on top of an AlexNet. The package says no more.",
        min_px=21,
        failures=[
            "It judges likeness, not truth: a sharp wrong face may come out closer than a soft "
            "right one.",
            "It was trained on patches of 64 x 64 px. The number depends on the size at which two "
            "photos are compared; compare only numbers taken at the same size.",
            "It is a network: it can be fooled, and its numbers have no unit.",
        ],
    )


if __name__ == "__main__":
    main()
