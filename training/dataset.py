"""Training photographs: from a folder to patches, with some files held out for validation.

Photographs are kept as bytes on the training device (a GPU holds the whole corpus), and patches are
sampled where the picture has structure: sampled evenly, most of them would be sky.
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

__all__ = ["CORPUS_LIST", "Corpus", "photo_files", "split_files", "turned"]

CORPUS_LIST = Path(__file__).with_name("dataset.tsv")  # one row a photograph, with its split
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
CELL_PX = 32  # gradient energy is measured on cells of this size


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
        with CORPUS_LIST.open(newline="", encoding="utf-8") as rows:
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
    """Photographs as (3, H, W) byte tensors, and how often each part of them is sampled.

    cells: (M, 3) photo, top, left of each cell; weight: (M,), proportional to the probability that
    a patch is centred there.
    """

    photos: list[Tensor]
    cells: Tensor
    weight: Tensor

    @classmethod
    def load(
        cls,
        files: list[Path],
        device: str = "cpu",
        scales: tuple[float, ...] = (1.0, 0.5),
        min_side: int = 160,
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
                    small = (
                        image if s == 1 else image.resize((width, height), Image.Resampling.BICUBIC)
                    )
                    copies.append(torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous())
            return copies

        with ThreadPoolExecutor(8) as pool:
            photos = [copy for copies in pool.map(read, files) for copy in copies]
        if not photos:
            raise ValueError(f"no photo is large enough: {min_side} px or more on the shorter side")
        photos = [p.to(device) for p in photos]
        cells, weight = [], []
        for i, photo in enumerate(photos):
            corners, energy = _gradient_energy(photo)
            index = torch.full((len(corners), 1), i, device=corners.device)
            cells.append(torch.cat([index, corners], 1))
            weight.append(energy)
        return cls(photos, torch.cat(cells).cpu(), torch.cat(weight).cpu())

    def patches(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """(count, 3, size, size) bytes, rotated and mirrored at random; a CPU generator."""
        chosen = torch.multinomial(self.weight, count, replacement=True, generator=generator)
        shift = torch.rand(count, 2, generator=generator)
        symmetry = torch.randint(8, (count,), generator=generator)
        patches = []
        for (index, top, left), (dy, dx), turns in zip(
            self.cells[chosen].tolist(), shift.tolist(), symmetry.tolist(), strict=True
        ):
            photo = self.photos[index]
            if min(photo.shape[1:]) < size:  # a small photo: mirror it until a patch fits
                photo = _mirror(photo, size)
            y = _clamped(top + CELL_PX * dy - size / 2, photo.shape[1] - size)
            x = _clamped(left + CELL_PX * dx - size / 2, photo.shape[2] - size)
            patches.append(turned(photo[:, y : y + size, x : x + size], turns))
        return torch.stack(patches)


def turned(photo: Tensor, symmetry: int) -> Tensor:
    """One of the eight symmetries of a square, 0 to 7: (C, S, S) turned, and from 4 on mirrored."""
    photo = torch.rot90(photo, symmetry % 4, (1, 2))
    return photo.flip(2) if symmetry >= 4 else photo


def _clamped(start: float, most: int) -> int:
    return max(0, min(int(start), most))


def _mirror(photo: Tensor, size: int) -> Tensor:
    while min(photo.shape[1:]) < size:
        photo = torch.cat([photo, photo.flip(1)], 1)
        photo = torch.cat([photo, photo.flip(2)], 2)
    return photo


def _gradient_energy(photo: Tensor) -> tuple[Tensor, Tensor]:
    """Top-left corners of the cells, and the RMS of the gradient in each."""
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
