"""Build the two wheels to hand out: the course, and the weights that other people trained.

    python -m tools.notebooks.wheels          into dist/; `make wheels` calls this

`mssnet_edu` requires `mssnet_edu_weights` of the same version, so that both are installed together:
`pip install dist/*.whl`. They are two because many registries take no file above 100 MB. (A wheel
that pip builds itself, from a clone or from git, is one and holds everything.)
"""

import argparse
import copy
import tomllib
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS_PROJECT = "mssnet_edu_weights"
LIMIT_MB = 100


def other_peoples_weights() -> list[str]:
    """Return the files, relative to the clone, of networks that carry a licence of their own."""
    folder = ROOT / "data" / "weights"
    names = [path.stem for path in folder.glob("*.LICENSE")]
    found = [path for name in names for path in folder.glob(f"{name}.*safetensors")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def build(directory: Path) -> list[Path]:
    """Build both wheels into a folder; return their paths, the course's first.

    Raises ValueError if one is larger than LIMIT_MB.
    """
    weights = other_peoples_weights()
    course = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = WheelBuilder(str(ROOT), config=course).metadata.version

    second = copy.deepcopy(course)
    for key in ("readme", "license", "optional-dependencies", "scripts"):
        second["project"].pop(key)
    second["project"] |= {
        "name": WEIGHTS_PROJECT,
        "description": "The networks that others trained, for mssnet_edu; their cards are there",
        "dependencies": [],
        "license-files": sorted({f"{path.split('.')[0]}.LICENSE" for path in weights}),
    }
    second["tool"]["hatch"]["build"]["targets"]["wheel"]["include"] = [f"/{p}" for p in weights]

    course["project"]["dependencies"].append(f"{WEIGHTS_PROJECT}=={version}")
    course["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"] = [f"/{p}" for p in weights]

    wheels = []
    for config in (course, second):
        builder = WheelBuilder(str(ROOT), config=config)
        wheels += map(Path, builder.build(directory=str(directory), versions=["standard"]))
    for wheel in wheels:
        size_mb = wheel.stat().st_size / 1e6
        if size_mb > LIMIT_MB:
            raise ValueError(f"{wheel.name} has {size_mb:.0f} MB; {LIMIT_MB} MB are allowed")
    return wheels


def main() -> None:
    """Obey the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: dist")
    for wheel in build(parser.parse_args().out):
        print(f"{wheel}: {wheel.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
