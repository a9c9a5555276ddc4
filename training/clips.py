"""Clips filmed in panoramas, with the quality of every frame with every reference, kept in a cache.

The policy is trained on them and the evaluation is made on them; a network has run once for each
pair of frames, and never runs again.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mssnet_edu import exposure
from mssnet_edu import reference_selection as selection
from mssnet_edu.exposure import Clip
from mssnet_edu.files import replacing
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.precision import choose_precision
from training import panoramas

__all__ = ["FRAMES", "SIZE_PX", "Play", "film_clip", "measured_plays", "observations"]

FRAMES, SIZE_PX = 24, (80, 128)
VERSION = 1  # part of a cache file's name: raise it when clips or observations change


class Play(NamedTuple):
    """A clip as a policy sees it.

    name: of the clip; scene: of the panorama. glances: at its frames. qualities: in dB.
    observations: (T, T + 1, F), what the policy looks at in frame t when frame s is kept, in
    [t, s], or none is, in [t, T].
    """

    name: str
    scene: str
    glances: list[selection.Glance]
    qualities: selection.Qualities
    observations: Tensor


def film_clip(panorama: Tensor, scene: str, number: int, frames: int = FRAMES) -> Clip:
    """The clip of a scene with this number: where the camera looks and how it pans is drawn.

    panorama: (3, H, 2H) light. The same scene and number give the same clip.
    """
    seed = int(hashlib.sha256(f"{scene} {number}".encode()).hexdigest()[:8], 16)
    generator = torch.Generator().manual_seed(seed)
    fov, sweep, side = torch.rand(3, generator=generator).tolist()
    return exposure.film(
        panorama,
        frames,
        SIZE_PX,
        fov_deg=45 + 30 * fov,
        sweep_deg=(35 + 35 * sweep) * (1 if side < 0.5 else -1),
        seed=seed,
        name=f"{scene}-{number}",
        scene=scene,
    )


def observations(seen: list[selection.Glance]) -> Tensor:
    """What the policy looks at in each frame with each kept frame: (T, T + 1, F); see `Play`."""
    length = len(seen)
    found = torch.zeros(length, length + 1, len(selection.FEATURES))
    for t, now in enumerate(seen):
        found[t, length] = selection.observe(now, None)
        for s in range(t):
            found[t, s] = selection.observe(now, seen[s])
    return found


def measured_plays(
    network: Overexposure,
    files: Mapping[str, Path],
    count: int,
    cache: Path,
    frames: int = FRAMES,
) -> Iterator[Play]:
    """So many clips of each panorama, measured with this network; a second run reads the cache.

    files: panoramas by name. The cache's names hold what the numbers depend on: the panorama, the
    weights, the precision.
    """
    precision = choose_precision()
    weights = hashlib.sha256()
    for value in network.state_dict().values():
        weights.update(value.float().numpy().tobytes())
    for scene, path in files.items():
        panorama = None
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        for number in range(count):
            settings = [VERSION, content, weights.hexdigest(), precision, frames, SIZE_PX]
            digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
            file = cache / f"{scene}-{number}-{digest[:12]}.safetensors"
            if not file.is_file():
                panorama = panoramas.read(path) if panorama is None else panorama
                clip = film_clip(panorama, scene, number, frames)
                table = selection.measure(network, clip, precision)._asdict()
                taken = (clip.frames * 255).round().byte()
                cache.mkdir(parents=True, exist_ok=True)
                with replacing(file) as part:
                    save_file(table | {"frames": taken, "ev": clip.ev}, part)
                print(f"measured {clip.name}", flush=True)
            stored = load_file(file)
            seen = selection.glances(stored.pop("frames").float() / 255, stored.pop("ev"))
            table = selection.Qualities(**stored)
            yield Play(f"{scene}-{number}", scene, seen, table, observations(seen))
