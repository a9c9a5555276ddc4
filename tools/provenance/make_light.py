"""Make data/light/NAME.safetensors, the course's panoramas of real light, from .exr files.

    python -m tools.provenance.make_light FOLDER [FOLDER ...]

data/light/CREDITS.tsv says where each file comes from, with its licence and SHA-256. Shipped are
three scenes of the test split, which no network of the course was trained on. They are written as
`training.panoramas.read` gives them, in half precision: linear light, the median luminance 0.18.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from safetensors.torch import save_file

from mssnet_edu.files import replacing
from training import panoramas

__all__ = ["SHIPPED", "main"]

SHIPPED = ("courtyard", "interior", "peppermint_powerplant")
HALF_MAX = 65_504.0
TARGET = Path(__file__).resolve().parents[2] / "data" / "light"


def main(argv: list[str] | None = None) -> None:
    """Write the panoramas."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, default=TARGET)
    arguments = parser.parse_args(argv)
    found, listed = panoramas.panorama_files(arguments.folders), panoramas.credits()
    for name in SHIPPED:
        if name not in found:
            sys.exit(f"{name} is in none of the folders. Get it: {listed[name]['source']}")
        digest = hashlib.sha256(found[name].read_bytes()).hexdigest()
        if digest != listed[name]["sha256"]:
            sys.exit(f"{found[name]} is not the file of CREDITS.tsv: its SHA-256 is {digest}.")
        light = panoramas.read(found[name]).clamp(max=HALF_MAX).half().contiguous()
        path = arguments.out / f"{name}.safetensors"
        with replacing(path) as part:
            save_file({"light": light}, part)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
