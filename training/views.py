"""Training views for the overexposure network, rendered once from panoramas and kept in a cache.

Each item is three views of one scene: the frame, one from a little earlier and one from longer ago,
each with things that move through the scene. Light is kept, not photographs: the camera, with its
exposure, noise and clipping, is part of each training step.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.exposure import displacement, occluders, paint, view
from mssnet_edu.files import replacing
from training import panoramas

__all__ = ["Views", "cached_views", "displacements", "render_item", "render_views"]

Views = dict[str, Tensor]  # what `render_views` returns
VERSION = 1  # part of a cache file's name: raise it when `render_item` changes
BRIGHTEST = 60_000.0  # in half precision


def cached_views(
    files: Mapping[str, Path], folder: Path, count: int, size_px: int, seed: int
) -> list[Views]:
    """`render_views` of each panorama; a second run reads them from the folder.

    files: panoramas by name; count: items of each. The views stay on the disk until they are used.
    """
    parts = []
    for name, path in files.items():
        settings = json.dumps([VERSION, name, count, size_px, seed])
        digest = hashlib.sha256(settings.encode() + path.read_bytes()).hexdigest()
        cached = folder / f"{name}-{digest[:12]}.safetensors"
        if not cached.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            light = panoramas.read(path)
            with replacing(cached) as part:
                save_file(render_views(light, count, size_px, seed + int(digest[:6], 16)), part)
            print(f"rendered {count} views of {name}", flush=True)
        parts.append(load_file(cached))
    return parts


def render_views(panorama: Tensor, count: int, size_px: int, seed: int) -> Views:
    """Render items of one panorama, (3, H, 2H) light.

    Returns light (N, 3, 3, S, S) in half precision, covered (N, 3, 1, S, S) bool, poses (N, 3, 3)
    and fov_deg (N,): of each item the frame, the one before and an older one.
    """
    generator = torch.Generator().manual_seed(seed)
    items = [render_item(panorama, size_px, generator) for _ in range(count)]
    return {key: torch.stack([item[key] for item in items]) for key in items[0]}


def render_item(panorama: Tensor, size_px: int, generator: torch.Generator) -> Views:
    """One item of `render_views`."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def normal(*deviations: float) -> Tensor:
        return torch.tensor(deviations) * torch.randn(len(deviations), generator=generator)

    fov_deg = uniform(35, 80)
    candidates = [
        torch.tensor([uniform(-180, 180), 0, 0]) + normal(0, 12, 3).clamp(-40, 40) for _ in range(3)
    ]
    # of three directions the one with the most to lose: the largest range of light
    pose = max(candidates, key=lambda p: _range(view(panorama, p, (24, 24), fov_deg)))
    before = pose + normal(2.0, 1.0, 0.7)
    away = fov_deg * uniform(0.05, 0.7) * (1 if uniform(0, 1) < 0.5 else -1)
    older = pose + torch.tensor([away, 0, 0]) + normal(0, 0.08 * fov_deg, 2)
    poses = torch.stack([pose, before, older])
    level = float(panorama.median())
    things = occluders(int(uniform(0, 4)), poses, fov_deg, level, generator)
    light, covered = [], []
    for i, each in enumerate(poses):
        seen = view(panorama, each, (size_px, size_px), fov_deg)
        cover = torch.zeros(1, size_px, size_px)
        for thing in things:
            seen, own = paint(seen, thing, i, each, fov_deg)
            cover = torch.maximum(cover, own)
        light.append(seen.clamp(max=BRIGHTEST).half())
        covered.append(cover > 0)
    return {
        "light": torch.stack(light),
        "covered": torch.stack(covered),
        "poses": poses,
        "fov_deg": torch.tensor(fov_deg),
    }


def _range(light: Tensor) -> float:
    luminance = images.luma(light).flatten().sort().values
    return float(luminance[int(0.97 * len(luminance))] / luminance[len(luminance) // 2].clamp(1e-6))


def displacements(poses: Tensor, others: Tensor, fov_deg: Tensor, size_px: int) -> Tensor:
    """`exposure.displacement` for a batch: poses, others (N, 3), fov_deg (N,) -> (N, 2, S, S)."""
    rows = zip(poses, others, fov_deg.tolist(), strict=True)
    return torch.stack([displacement(a, b, (size_px, size_px), fov) for a, b, fov in rows])
