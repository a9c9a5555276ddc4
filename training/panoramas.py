"""HDR panoramas: real light, read from .exr and .hdr files, and who may be trained on.

`data/light/CREDITS.tsv` lists those of the project with their split, by place: no place stands on
two sides. Panoramas that it does not name are for training.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.samples import find_data

__all__ = ["SUFFIXES", "credits", "panorama_files", "read", "split_panoramas"]

SUFFIXES = {".exr", ".hdr"}
BRIGHTEST = 30_000.0  # the files hold no more; half precision holds 65,504
GREY = 0.18  # the median luminance of every panorama, so that EV 0 suits most of it


def credits() -> dict[str, dict[str, str]]:
    """The rows of data/light/CREDITS.tsv by the panorama's name."""
    with find_data("light/CREDITS.tsv").open(encoding="utf-8", newline="") as rows:
        return {row["name"]: row for row in csv.DictReader(rows, delimiter="\t")}


def panorama_files(folders: Sequence[str | Path]) -> dict[str, Path]:
    """The panoramas in some folders by name, sorted.

    Raises ValueError for a folder that is none or holds none, or a name that occurs twice.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder. Give one that holds .exr or .hdr files.")
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not files:
            raise ValueError(f"{folder} holds no panoramas (looked for .exr and .hdr).")
        for path in files:
            if path.stem in found:
                raise ValueError(f"{path} and {found[path.stem]} have the same name. Rename one.")
            found[path.stem] = path
    return dict(sorted(found.items()))


def split_panoramas(folders: Sequence[str | Path]) -> dict[str, dict[str, Path]]:
    """The panoramas in some folders, by split ("train", "validation", "test") and name."""
    listed = credits()
    parts: dict[str, dict[str, Path]] = {"train": {}, "validation": {}, "test": {}}
    for name, path in panorama_files(folders).items():
        parts[listed[name]["split"] if name in listed else "train"][name] = path
    return parts


def read(path: str | Path) -> Tensor:
    """Read a panorama as light: (3, H, 2H) float32, 0 and above, its median luminance 0.18.

    Small negative values, which lenses and compression leave, become 0; what is brighter than
    30,000 in the file is cut. Raises PhotoError for a file that cannot be read or is no panorama.
    """
    try:
        import OpenImageIO
    except ImportError:
        raise ImportError(
            "Reading .exr and .hdr needs OpenImageIO: pip install mssnet_edu[train]"
        ) from None
    buffer = OpenImageIO.ImageBuf(str(path))
    pixels = buffer.get_pixels(OpenImageIO.FLOAT)
    if buffer.has_error or pixels is None or pixels.ndim != 3:
        raise images.PhotoError(f"{path} cannot be read as a picture: {buffer.geterror()}")
    light = torch.from_numpy(pixels[..., :3]).permute(2, 0, 1).contiguous()
    if light.shape[0] != 3 or light.shape[2] != 2 * light.shape[1]:
        height, width = light.shape[1:]
        raise images.PhotoError(
            f"{path} is {width} x {height} px with {light.shape[0]} channels; an equirectangular "
            "panorama has three and is twice as wide as high."
        )
    light = light.nan_to_num(0, BRIGHTEST, 0).clamp(0, BRIGHTEST)
    median = float(images.luma(light).median())
    if not median > 0:
        raise images.PhotoError(f"{path} is black over half of its area: there is no light in it.")
    return light * (GREY / median)
