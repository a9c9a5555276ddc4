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

__all__ = [
    "EVERY",
    "FRAMES",
    "SIZE_PX",
    "SMALL_PX",
    "Play",
    "film_clip",
    "measured_plays",
    "observations",
]

FRAMES, SIZE_PX = 24, (80, 128)
# where many clips are wanted: small frames, one in three of them judged, cost a tenth
SMALL_PX, EVERY = (48, 80), 3
STARTS = 6  # directions that each clip chooses from
VERSION = 3  # part of a cache file's name: raise it when clips or observations change


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


def film_clip(
    panorama: Tensor,
    scene: str,
    number: int,
    frames: int = FRAMES,
    size_px: tuple[int, int] = SIZE_PX,
    wanders: bool = False,
) -> Clip:
    """The clip of a scene with this number: where the camera looks and how it pans is drawn.

    panorama: (3, H, 2H) light. wanders: the camera looks to and fro, beginning anywhere, and half
    of the clips begin well adjusted; else it pans there and back once, and most begin too dark, so
    that the first frame is often a good reference. The same arguments give the same clip.
    """
    seed = int(hashlib.sha256(f"{scene} {number}".encode()).hexdigest()[:8], 16)
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    fov_deg, sweep_deg = uniform(45, 75), uniform(35, 70) * (1 if uniform(0, 1) < 0.5 else -1)
    starts = [(uniform(-180, 180), uniform(-4, 12)) for _ in range(STARTS)]
    # the one in which the exposure has most to do: else nothing is ever recorded that gets lost
    start = max(starts, key=lambda start: _contrast(panorama, start, sweep_deg, fov_deg))
    # a nervous controller swings for a while; many begin too dark: they looked elsewhere before
    auto = exposure.AutoExposure(speed=uniform(0.2, 0.4), delay=round(uniform(2.5, 4.5)))
    if wanders:
        startle_ev = uniform(-3, 3) if uniform(0, 1) < 0.5 else 0.0
    else:
        startle_ev = min(0.5, uniform(-3.5, 1.5))
    return exposure.film(
        panorama,
        frames,
        size_px,
        fov_deg,
        start,
        sweep_deg,
        auto=auto,
        adjust=True,
        startle_ev=startle_ev,
        pan=exposure.wander(frames, generator) if wanders else None,
        seed=seed,
        name=f"{scene}-{number}",
        scene=scene,
    )


def _contrast(
    panorama: Tensor, start: tuple[float, float], sweep_deg: float, fov_deg: float
) -> float:
    """How many stops the mean light changes while the camera pans."""
    yaws = [start[0] + share * sweep_deg for share in (0, 0.25, 0.5, 0.75, 1)]
    levels = [exposure.view(panorama, (y, start[1], 0), (12, 20), fov_deg).mean() for y in yaws]
    stops = torch.stack(levels).clamp(min=1e-4).log2()
    return float(stops.max() - stops.min())


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
    size_px: tuple[int, int] = SIZE_PX,
    every: int = 1,
    wanders: bool = False,
) -> Iterator[Play]:
    """So many clips of each panorama, measured with this network; a second run reads the cache.

    files: panoramas by name. every: fill and judge only every so many frames; the others bring
    neither reward nor score, which makes more clips affordable. wanders: see `film_clip`. The
    cache's names hold what the numbers depend on: the panorama, the weights, the precision.
    """
    precision = choose_precision()
    weights = hashlib.sha256()
    for value in network.state_dict().values():
        weights.update(value.float().numpy().tobytes())
    for scene, path in files.items():
        panorama = None
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        for number in range(count):
            settings = [VERSION, content, weights.hexdigest(), precision, frames, size_px]
            settings += [every, wanders] if every > 1 or wanders else []
            digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
            file = cache / f"{scene}-{number}-{digest[:12]}.safetensors"
            if not file.is_file():
                panorama = panoramas.read(path) if panorama is None else panorama
                clip = film_clip(panorama, scene, number, frames, size_px, wanders)
                table = selection.measure(network, clip, precision, every=every)._asdict()
                taken = (clip.frames * 255).round().byte()
                cache.mkdir(parents=True, exist_ok=True)
                with replacing(file) as part:
                    save_file(table | {"frames": taken, "ev": clip.ev}, part)
                print(f"measured {clip.name}", flush=True)
            stored = load_file(file)
            seen = selection.glances(stored.pop("frames").float() / 255, stored.pop("ev"))
            table = selection.Qualities(**stored)
            yield Play(f"{scene}-{number}", scene, seen, table, observations(seen))
