"""The photographs, the video clip and the panoramas that come with the course, with their credits.

Pictures lie in `data/photos`, the clip in `data/video`; `data/photos/CREDITS.tsv` lists them all.
Panoramas of real light lie in `data/light`, with a `CREDITS.tsv` of their own.
"""

from __future__ import annotations

import csv
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from mssnet_edu import images

__all__ = ["clip", "how_to_restore", "info", "load", "names", "panorama", "panorama_names"]

_KINDS = ("old", "sharp", "blurred", "clip")


@dataclass(frozen=True)
class Sample:
    """One bundled photo or clip: its size in pixels, where it comes from and what it is for."""

    name: str
    width: int
    height: int
    licence: str
    author: str
    use: str
    source: str
    kind: str  # "old", "sharp", "blurred" or "clip"
    file: str  # relative to data/
    sha256: str


def find_data(relative: str | os.PathLike = "") -> Path:
    """Find a file of the course's data folder, in a clone and in an installed wheel alike.

    relative: a path below data/, such as "photos/cat.png". The folder is taken from the environment
    variable MSSNET_EDU_DATA if that is set, else from the installed package (mssnet_edu/_data),
    else from the clone (data/ beside the package). Raises FileNotFoundError.

    >>> find_data("photos/CREDITS.tsv").name
    'CREDITS.tsv'
    """
    package = Path(__file__).resolve().parent
    chosen = os.environ.get("MSSNET_EDU_DATA")
    # The credits file marks the folder as ours: beside an installed package, any "data" may lie.
    folders = [Path(chosen)] if chosen else [package / "_data", package.parent / "data"]
    root = next((f for f in folders if (f / "photos" / "CREDITS.tsv").is_file()), None)
    if root is None:
        places = " or ".join(str(f) for f in folders)
        advice = (
            "Correct or unset the variable MSSNET_EDU_DATA."
            if chosen
            else "Reinstall mssnet_edu, or set the variable MSSNET_EDU_DATA to the data folder."
        )
        raise FileNotFoundError(f"The course's data folder was not found at {places}. {advice}")
    path = root / relative
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing from the course's data. {how_to_restore()}")
    return path


def how_to_restore() -> str:
    """What to do about a missing or damaged file of the course's data, where this is installed.

    >>> how_to_restore().split()[0]
    'Get'
    """
    if (Path(__file__).resolve().parent / "_data").is_dir():
        return (
            "Get it again: install mssnet_edu and mssnet_edu_weights anew, both of one version "
            "(pip install --force-reinstall --no-deps with the same two files)."
        )
    return "Get it again: git checkout -- data in the course's folder."


@functools.lru_cache(maxsize=4)
def _credits(table: Path) -> dict[str, Sample]:
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {
        Path(row["file"]).stem: Sample(
            name=Path(row["file"]).stem,
            width=int(row["width"]),
            height=int(row["height"]),
            licence=row["licence"],
            author=row["author"],
            use=row["use"],
            source=row["source"],
            kind=row["kind"],
            file=row["file"],
            sha256=row["sha256"],
        )
        for row in rows
    }


def names(kind: str | None = None) -> list[str]:
    """The names of the bundled photos; of one kind ("old", "sharp", "blurred", "clip") if given.

    >>> "tesla_portrait" in names(), names("clip")
    (True, ['cockatoo'])
    """
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(_KINDS)}, or None for all")
    samples = _credits(find_data("photos/CREDITS.tsv")).values()
    return [s.name for s in samples if s.kind == kind or (kind is None and s.kind != "clip")]


def info(name: str) -> Sample:
    """What is known about a bundled photo or clip: size, licence, author, use, source.

    Raises ValueError for an unknown name.

    >>> info("astronaut").width
    512
    """
    samples = _credits(find_data("photos/CREDITS.tsv"))
    if name not in samples:
        raise ValueError(f"There is no sample {name!r}. Choose one of: {', '.join(samples)}.")
    return samples[name]


def load(name: str) -> torch.Tensor:
    """Load a bundled photo.

    Returns (3, H, W) float32, sRGB in [0, 1]. Raises ValueError for an unknown name.

    >>> load("astronaut").shape
    torch.Size([3, 512, 512])
    """
    sample = info(name)
    if sample.kind == "clip":
        raise ValueError(f"{name!r} is a video clip. Use me.samples.clip({name!r}).")
    return images.load(find_data(sample.file))


def clip(name: str = "cockatoo", start: int = 0, frames: int | None = None) -> torch.Tensor:
    """Load frames of a bundled video clip.

    start: first frame, from 0; frames: how many, None for all that follow.
    Returns (T, 3, H, W) float32, sRGB in [0, 1]. Raises ValueError for an unknown name, PhotoError
    for frames that do not exist.

    >>> clip("cockatoo", start=4, frames=2).shape
    torch.Size([2, 3, 360, 640])
    """
    sample = info(name)
    if sample.kind != "clip":
        clips = ", ".join(names("clip"))
        raise ValueError(f"{name!r} is a photo, not a clip. Clips: {clips}. Use me.samples.load.")
    return images.load_frames(find_data(sample.file), start, frames)


def panorama_names() -> list[str]:
    """The names of the bundled panoramas, sorted; `data/light/CREDITS.tsv` has their credits.

    >>> "interior" in panorama_names()
    True
    """
    return sorted(path.stem for path in find_data("light").glob("*.safetensors"))


def panorama(name: str) -> torch.Tensor:
    """Load a bundled panorama: real light, measured all around, of a scene no network trained on.

    Returns (3, 512, 1024) float32 linear light, 0 and above, equirectangular, its median luminance
    0.18; `me.exposure.view` looks into it. Raises ValueError for an unknown name.

    >>> light = panorama("interior")
    >>> light.shape, light.max() > 100
    (torch.Size([3, 512, 1024]), tensor(True))
    """
    if name not in (known := panorama_names()):
        raise ValueError(f"There is no panorama {name!r}. Choose one of: {', '.join(known)}.")
    from safetensors.torch import load_file

    return load_file(find_data(f"light/{name}.safetensors"))["light"].float()
