"""Make stlpips_reference.json: what the package stlpips-pytorch itself answers on fixed pairs.

pip download --no-deps stlpips-pytorch==0.0.2
python -m tools.provenance.make_stlpips_reference stlpips_pytorch-0.0.2-py3-none-any.whl

The package imports torchvision, torchsummary and others that its AlexNet never uses; empty
stand-ins take their place, so that its own code runs beside any torch. The pairs are the bundled
photos and what the test can make again from them: see `pairs`.
"""

import importlib
import json
import sys
import tempfile
import types
import zipfile

import torch
import torch.nn.functional as F

from mssnet_edu import samples
from tools.provenance.sources import TEST_DATA


def pairs() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return {name: (photo, other)}, each (1, 3, H, W) in [0, 1]; the test makes the same."""
    astronaut = samples.load("astronaut")[None, :, 0:128, 160:288]
    cat = samples.load("cat")[None, :, 60:160, 120:231]
    return {
        "noise": (astronaut, (astronaut + 0.1 * torch.sin(torch.arange(128.0) * 2.3)).clamp(0, 1)),
        "eighth": (astronaut, F.interpolate(F.avg_pool2d(astronaut, 8), scale_factor=8)),
        "shifted": (cat[..., :-1], cat[..., 1:]),
        "equal": (cat, cat),
    }


class StandIn(types.ModuleType):
    """An empty module that has every name."""

    def __getattr__(self, name: str) -> "StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(name)

    def __call__(self, *args: object, **kwargs: object) -> "StandIn":
        return StandIn("answer")


def main() -> None:
    """Write the distances of all pairs."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(sys.argv[1]) as archive:
            archive.extractall(folder)
        sys.path.insert(0, folder)
        for name in ("torchvision", "torchsummary", "IPython", "skimage", "cv2"):
            sys.modules[name] = StandIn(name)
            for part in ("models", "metrics", "transforms", "io", "utils"):
                sys.modules[f"{name}.{part}"] = StandIn(part)
        package = importlib.import_module("stlpips_pytorch.stlpips")
        metric = package.LPIPS(net="alex", variant="shift_tolerant", verbose=False)
        with torch.inference_mode():
            distances = {
                name: metric(a, b, normalize=True).item()  # normalize: photos are in [0, 1]
                for name, (a, b) in pairs().items()
            }
    (TEST_DATA / "stlpips_reference.json").write_text(
        json.dumps(distances, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
