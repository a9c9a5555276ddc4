"""Training photographs: from a folder to patches, with some files held out for validation.

Photographs are kept as bytes on the training device (a GPU holds the whole corpus), and patches are
drawn where the picture has structure: drawn evenly, most of them would be sky.
"""

import csv
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mssnet_edu import images

__all__ = ["CORPUS_LIST", "Corpus", "photo_files", "split_files"]

CORPUS_LIST = Path(__file__).with_name("dataset.tsv")  # one row a photograph, with its split
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
CELL_PX = 32  # structure is measured on cells of this size


def photo_files(folder: str | Path) -> list[Path]:
    """The photographs in a folder, sorted by name. Raises ValueError if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder. Give one that holds photographs.")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise ValueError(
            f"{folder} holds no photographs (looked for {', '.join(sorted(SUFFIXES))})"
        )
    return files


def split_files(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Training and validation files of a folder, held out by file and never by crop.

    Photographs named in the project's own list follow the list; of all others about one in ten is
    held out, chosen by a hash of its name, so the choice never changes when files are added.
    """
    listed = {}
    if CORPUS_LIST.is_file():
        with CORPUS_LIST.open(newline="") as rows:
            listed = {r["file"]: r["split"] for r in csv.DictReader(rows, delimiter="\t")}
    train, held_out = [], []
    for path in photo_files(folder):
        chosen = listed.get(path.name)
        if chosen is None:
            chosen = "validation" if _hash(path.name) % 10 == 0 else "train"
        (held_out if chosen == "validation" else train).append(path)
    if not held_out and len(train) > 1:  # a small folder: the last by hash, so there is always one
        held_out = [train.pop(max(range(len(train)), key=lambda i: _hash(train[i].name)))]
    return train, held_out


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


@dataclass
class Corpus:
    """Photographs as (3, H, W) byte tensors, and where in them to look.

    cells: (M, 3) photo, top, left of each cell; weight: (M,) how likely a patch is drawn there.
    """

    photos: list[Tensor]
    cells: Tensor
    weight: Tensor

    @classmethod
    def load(
        cls, files: list[Path], device: str = "cpu", scales=(1.0, 0.5), min_side: int = 160
    ) -> "Corpus":
        """Read the files once, at several sizes: smaller copies are sharper and show more.

        Raises ValueError if no photo is at least min_side pixels on its shorter side.
        """

        def read(path: Path) -> list[Tensor]:
            image = images.to_pillow(images.load(path))  # upright, in sRGB, without alpha
            copies = []
            for s in scales:
                width, height = round(image.width * s), round(image.height * s)
                if min(width, height) >= min_side:
                    small = image if s == 1 else image.resize((width, height), Image.BICUBIC)
                    copies.append(torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous())
            return copies

        with ThreadPoolExecutor(8) as pool:
            photos = [copy for copies in pool.map(read, files) for copy in copies]
        if not photos:
            raise ValueError(f"no photo is large enough: {min_side} px or more on the shorter side")
        photos = [p.to(device) for p in photos]
        cells, weight = [], []
        for i, photo in enumerate(photos):
            c, w = _structure(photo)
            cells.append(torch.cat([torch.full((len(c), 1), i, device=c.device), c], 1))
            weight.append(w)
        return cls(photos, torch.cat(cells).cpu(), torch.cat(weight).cpu())

    def patches(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """(count, 3, size, size) bytes, turned and mirrored at random; a CPU generator."""
        chosen = torch.multinomial(self.weight, count, replacement=True, generator=generator)
        shift = torch.rand(count, 2, generator=generator)
        turn = torch.randint(8, (count,), generator=generator).tolist()
        found = []
        for (photo, top, left), (dy, dx), t in zip(
            self.cells[chosen].tolist(), shift.tolist(), turn, strict=True
        ):
            p = self.photos[photo]
            if min(p.shape[1:]) < size:  # a small photo: mirror it until a patch fits
                p = _mirror(p, size)
            y = _place(top + CELL_PX * dy - size / 2, p.shape[1] - size)
            x = _place(left + CELL_PX * dx - size / 2, p.shape[2] - size)
            patch = torch.rot90(p[:, y : y + size, x : x + size], t % 4, (1, 2))
            found.append(patch.flip(2) if t >= 4 else patch)
        return torch.stack(found)


def _place(start: float, most: int) -> int:
    return max(0, min(int(start), most))


def _mirror(photo: Tensor, size: int) -> Tensor:
    while min(photo.shape[1:]) < size:
        photo = torch.cat([photo, photo.flip(1)], 1)
        photo = torch.cat([photo, photo.flip(2)], 2)
    return photo


def _structure(photo: Tensor) -> tuple[Tensor, Tensor]:
    """Top-left corners of the cells, and the square root of their mean gradient energy."""
    grey = photo.float().mean(0) / 255
    dy, dx = grey.diff(dim=0)[:, :-1], grey.diff(dim=1)[:-1]
    energy = F.avg_pool2d((dy**2 + dx**2)[None, None], CELL_PX, ceil_mode=True)[0, 0]
    weight = energy.sqrt()
    # the floor keeps a few smooth patches: a network must also learn to leave a sky alone
    weight = weight.clamp(max=weight.mean() * 4) + 0.1 * weight.mean() + 1e-6
    rows, columns = weight.shape
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    corners = torch.stack([y, x], -1).reshape(-1, 2).to(photo.device) * CELL_PX
    return corners, weight.flatten()
