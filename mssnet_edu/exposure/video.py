"""Video from real light: a camera turns inside a panorama, its exposure lagging behind the scene.

Since the light is a measurement and not a photograph, what the camera lost is known.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.motion import cosine_series, inertial_walk
from mssnet_edu.exposure.autoexposure import AutoExposure
from mssnet_edu.exposure.camera import as_light, capture, clipped, expose, is_beyond
from mssnet_edu.exposure.panorama import rays, rotation, view

__all__ = [
    "Clip",
    "Occluder",
    "choose_compensation",
    "film",
    "handheld",
    "occluders",
    "paint",
    "wander",
]

CLIPPED_SHARE = (0.02, 0.30)  # of a frame: below, nothing is lost; above, nothing is left
COMPENSATIONS_EV = tuple(0.5 * i for i in range(-8, 13))


@dataclass(frozen=True)
class Clip:
    """A video clip with its truth.

    frames: (T, 3, H, W) as the camera wrote them: sRGB in [0, 1], steps of 1/255. ev: (T,). light:
    (T, 3, H, W), linear, the scene's own; `expose(light, ev)` is what reached the sensor, 1 is
    white. masks: (T, 1, H, W) bool, where any channel is clipped. name: of the clip; scene: of the
    panorama.
    """

    frames: Tensor
    ev: Tensor
    light: Tensor
    masks: Tensor
    name: str = ""
    scene: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def exposed(self) -> Tensor:
        """What reached the sensor, without the sensor's limit: (T, 3, H, W), 1 is white."""
        return expose(self.light, self.ev)

    @property
    def beyond(self) -> Tensor:
        """Where the light is more than six stops above white (see `is_beyond`): (T, 1, H, W)."""
        return is_beyond(self.exposed)

    @property
    def clipped_share(self) -> Tensor:
        """The share of each frame that is clipped: (T,)."""
        return self.masks.float().mean((1, 2, 3))


@dataclass(frozen=True)
class Occluder:
    """Something nearer than the panorama that moves through the scene, such as a passer-by.

    path_deg: (T, 2), its yaw and pitch in each frame. radius_deg: half its width and half its
    height. light: (3,) of it. lean_deg: its roll. stripes: light and dark ones across.
    """

    path_deg: Tensor
    radius_deg: tuple[float, float]
    light: Tensor
    lean_deg: float = 0.0
    stripes: float = 0.0


def paint(
    light: Tensor, occluder: Occluder, frame: int, pose: Tensor, fov_deg: float
) -> tuple[Tensor, Tensor]:
    """Put an occluder in front of a view.

    light: (3, H, W) as `view` gives it for this pose and field of view; frame: index into the
    occluder's path. Returns the light, (3, H, W), and how much is covered, (1, H, W) in [0, 1].

    >>> ball = Occluder(torch.zeros(1, 2), (10.0, 10.0), torch.zeros(3))
    >>> seen, covered = paint(torch.ones(3, 9, 9), ball, 0, torch.zeros(3), 60.0)
    >>> seen[0, 4, 4].item(), covered[0, 0, 0].item()
    (0.0, 0.0)
    """
    size = (light.shape[1], light.shape[2])
    own = torch.cat([occluder.path_deg[frame], torch.tensor([occluder.lean_deg])])
    x, y, z = (rays(pose, size, fov_deg) @ rotation(own)).unbind(-1)
    ahead, z = z > 0.05, z.clamp(min=0.05)
    width, height = (math.tan(math.radians(radius)) for radius in occluder.radius_deg)
    x, y = x / z / width, y / z / height
    # a superellipse: between an ellipse and a box
    distance = (x**4 + y**4) ** 0.25
    radius_px = min(width, height) * size[1] / 2 / math.tan(math.radians(fov_deg) / 2)
    covered = (((1 - distance) * radius_px + 0.5).clamp(0, 1) * ahead)[None]
    shade = 1 + 0.4 * torch.sin(math.pi * occluder.stripes * (x + 0.3 * y))
    own_light = occluder.light.view(3, 1, 1) * shade
    return light + covered * (own_light - light), covered


def handheld(
    frames: int, seed: int | torch.Generator = 0, sway_deg: float = 1.0, tremor_deg: float = 0.12
) -> Tensor:
    """The shake of a hand: poses (T, 3), yaw, pitch and roll in degrees, to add to others.

    sway_deg: of the slow sway; tremor_deg: of the trembling, a random walk with inertia that is
    pulled back (Boracchi and Foi 2012). Roll is half as much.

    >>> handheld(24, seed=1).shape
    torch.Size([24, 3])
    """
    frames = arguments.whole(frames, "frames", low=1)
    generator = arguments.generator(seed)
    sway = cosine_series(torch.linspace(0, 2, frames), torch.randn(4, 3, generator=generator))
    pushes = torch.randn(frames, 2, 2, generator=generator)
    jerks = torch.rand(frames, 2, 1, generator=generator) < 0.1
    tremor = inertial_walk(pushes, jerks)[1:].flatten(1)[:, :3]
    return (sway_deg * sway + tremor_deg * tremor) * torch.tensor([1.0, 1.0, 0.5])


def wander(frames: int, seed: int | torch.Generator = 0) -> Tensor:
    """How somebody pans who looks to and fro, again and again, beginning at any moment of it.

    Returns (T,), which share of the way the camera has gone in each frame: 0 is one end, 1 the
    other. One look there and back takes between half the clip and twice the clip; at both ends the
    camera stays for a while, sometimes hardly, sometimes long.

    >>> pan = wander(24, seed=3)
    >>> pan.shape, bool((pan >= 0).all() and (pan <= 1).all())
    (torch.Size([24]), True)
    """
    frames = arguments.whole(frames, "frames", low=1)
    turns, phase, stay = torch.rand(3, generator=arguments.generator(seed)).tolist()
    turns, stay = 0.5 * 4**turns, 0.3 + 2.2 * stay
    angle = 2 * math.pi * (phase + turns * torch.linspace(0, 1, frames))
    return (1 + torch.tanh(stay * torch.cos(angle)) / math.tanh(stay)) / 2


def occluders(
    count: int, poses: Tensor, fov_deg: float, level: float, seed: int | torch.Generator = 0
) -> list[Occluder]:
    """Draw things that cross the view at some moment of a clip.

    poses: (T, 3) of the camera; level: light of the scene, about its median; theirs is from a
    sixteenth to twice that.

    >>> [one.path_deg.shape for one in occluders(1, torch.zeros(5, 3), 60.0, 0.2)]
    [torch.Size([5, 2])]
    """
    generator = arguments.generator(seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    found, time = [], torch.arange(len(poses), dtype=torch.float32)
    for _ in range(arguments.whole(count, "count", low=0)):
        meets = int(uniform(0, len(poses)))
        per_frame = fov_deg * uniform(0.02, 0.08) * (1 if uniform(0, 1) < 0.5 else -1)
        yaw = poses[meets, 0] + uniform(-0.4, 0.4) * fov_deg + per_frame * (time - meets)
        pitch = poses[meets, 1] + uniform(-0.25, 0.25) * fov_deg + 0 * time
        width = fov_deg * uniform(0.03, 0.12)
        colour = torch.rand(3, generator=generator) * 0.6 + 0.7
        found.append(
            Occluder(
                torch.stack([yaw, pitch], 1),
                (width, width * uniform(0.8, 3.0)),
                level * 2 ** uniform(-4, 1) * colour,
                uniform(-30, 30),
                uniform(0, 4),
            )
        )
    return found


def choose_compensation(
    light: Tensor, auto: AutoExposure, share: tuple[float, float] = CLIPPED_SHARE
) -> float:
    """The exposure compensation, in EV, with which most frames are clipped as much as is wanted.

    light: (T, 3, H, W), a small copy will do. auto: the controller, rightly set for the first frame
    (its start_ev is compensated as well). share: the least and the most of a frame that may be
    clipped. Among equals, the one whose mean share lies nearest to the middle of the two on a
    logarithmic scale.
    """
    middle = math.log(share[0] * share[1]) / 2

    def badness(compensation_ev: float) -> tuple[float, float]:
        _, ev = _run(light, _compensated(auto, compensation_ev), seed=0)
        clip_share = (expose(light, ev) >= 1).any(1).float().mean((1, 2))
        outside = float(((clip_share < share[0]) | (clip_share > share[1])).float().mean())
        return outside, abs(math.log(float(clip_share.mean()) + 1e-4) - middle)

    return min(COMPENSATIONS_EV, key=badness)


def _compensated(auto: AutoExposure, compensation_ev: float) -> AutoExposure:
    """The same controller, set brighter or darker; it begins where it would settle."""
    low, high = auto.limits_ev
    start_ev = max(low, min(high, auto.start_ev + compensation_ev))
    return dataclasses.replace(auto, start_ev=start_ev, compensation_ev=compensation_ev)


def _run(light: Tensor, auto: AutoExposure, seed: int | torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames (T, 3, H, W) and EV (T,) of a camera with this controller."""
    generator = arguments.generator(seed)
    auto = dataclasses.replace(auto)  # as it was given: not in the middle of another clip
    frames, evs, ev = [], [], auto.start_ev
    for each in light:
        frames.append(capture(each, ev, seed=generator))
        evs.append(ev)
        ev = auto.update(frames[-1])
    return torch.stack(frames), torch.tensor(evs)


def film(
    panorama: Tensor,
    frames: int = 48,
    size_px: tuple[int, int] = (144, 256),
    fov_deg: float = 60.0,
    start_deg: tuple[float, float] | None = None,
    sweep_deg: float = 70.0,
    crossing: int = 2,
    auto: AutoExposure | None = None,
    seed: int = 0,
    name: str = "",
    scene: str = "",
    *,
    adjust: bool | None = None,
    startle_ev: float = 0.0,
    pan: Tensor | None = None,
) -> Clip:
    """Film a panorama with a hand-held camera that pans there and back, under auto-exposure.

    panorama: (3, H, 2H) light. frames: T. size_px: (h, w). fov_deg: horizontal. start_deg: (yaw,
    pitch) of the first frame; None draws it. sweep_deg: how far it pans. crossing: how many things
    cross the view. auto: the controller; None takes the default. adjust: begin well adjusted, and
    choose the compensation with which 2 to 30 % of most frames are clipped; None does so where no
    auto is given. startle_ev: how much too bright the first frame is, below 0 too dark, as in a
    camera that looked elsewhere just before. pan: (T,), which share of the sweep it has panned in
    each frame, in place of once there and back; see `wander`. seed: of all that is random.
    Returns a `Clip`. Raises PhotoError for what is not a panorama, ValueError for other arguments.

    >>> sky = torch.linspace(0, 4, 16).view(16, 1).flip(0).expand(3, 16, 32).contiguous()
    >>> clip = film(sky, frames=5, size_px=(16, 24))
    >>> clip.frames.shape, clip.ev.shape
    (torch.Size([5, 3, 16, 24]), torch.Size([5]))
    """
    frames = arguments.whole(frames, "frames", low=1)
    generator = arguments.generator(seed)
    yaw, pitch = torch.rand(2, generator=generator).tolist()
    yaw, pitch = start_deg or (360 * yaw - 180, 16 * pitch - 4)
    if pan is None:  # once there and back
        pan = (1 - torch.cos(torch.linspace(0, 2 * math.pi, frames))) / 2
    if pan.shape != (frames,):
        raise ValueError(
            f"pan is {tuple(pan.shape)}; expected a number for each of {frames} frames."
        )
    poses = torch.stack(
        [yaw + sweep_deg * pan, torch.full((frames,), pitch), torch.zeros(frames)], 1
    )
    poses = poses + handheld(frames, generator)
    level = float(as_light(panorama, "panorama").median())
    things = occluders(crossing, poses, fov_deg, level, generator)
    light = torch.stack(
        [_seen(panorama, poses, things, t, size_px, fov_deg) for t in range(frames)]
    )
    if adjust or (adjust is None and auto is None):
        auto = _adjusted(light, auto or AutoExposure())
    auto = auto or AutoExposure()
    low, high = auto.limits_ev
    start_ev = max(low, min(high, auto.start_ev + startle_ev))
    auto = dataclasses.replace(auto, start_ev=start_ev)
    taken, ev = _run(light, auto, generator)
    return Clip(taken, ev, light, clipped(taken), name, scene)


def _seen(
    panorama: Tensor,
    poses: Tensor,
    things: Sequence[Occluder],
    frame: int,
    size_px: tuple[int, int],
    fov_deg: float,
) -> Tensor:
    light = view(panorama, poses[frame], size_px, fov_deg)
    for each in things:
        light, _ = paint(light, each, frame, poses[frame], fov_deg)
    return light


def _adjusted(light: Tensor, auto: AutoExposure) -> AutoExposure:
    """This controller, its first frame rightly exposed, its compensation one that fits the clip."""
    factor = max(1, light.shape[-1] // 64)
    small = F.avg_pool2d(light, factor) if factor > 1 else light
    level = float(images.luma(small[:1]).mean().clamp(min=1e-6))
    low, high = auto.limits_ev
    start = max(low, min(high, math.log2(auto.target / level)))
    auto = dataclasses.replace(auto, start_ev=start)
    return _compensated(auto, choose_compensation(small, auto))
