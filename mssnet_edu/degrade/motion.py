"""Motion blur: camera trajectories, their point spread functions (PSF), and frame averaging.

A path (trajectory) is a tensor (T, 2): for T moments of the exposure, how far the picture has moved
on the sensor, (dy, dx) in pixels, y downwards. A third column, if there is one, is a rotation about
the photo's centre in degrees, counter-clockwise; a fourth one is a zoom, by how many percent the
picture has grown about the same centre.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments

__all__ = [
    "average_frames",
    "cosine_series",
    "inertial_walk",
    "kernel_from_path",
    "motion_blur",
    "motion_path",
    "path_at",
]

_DENSE = 257  # samples of a path while its length is measured and scaled


def motion_path(
    kind: str = "line",
    length_px: float = 20.0,
    angle_deg: float | None = None,
    frames: int | None = None,
    seed: int | torch.Generator = 0,
    rotation_deg: float = 0.0,
) -> Tensor:
    """Sample a trajectory of the camera during one exposure.

    kind: "line" (even, straight), "camera" (a hand: smooth and curved) or "shake" (a trembling
    hand: a random walk). length_px: the largest distance between two positions.
    angle_deg: direction from the first to the last position, counter-clockwise from "to the
    right"; None means 0 for a line, and a random one otherwise. frames: number of moments; None
    takes about two per pixel travelled, so that the path leaves no dots. rotation_deg: range of
    a smooth turn of the camera.

    Returns (T, 2), or (T, 3) if rotation_deg is not 0, float32. Offsets count from the middle of
    the exposure, as in GoPro, where the sharp photo is the middle frame (Nah et al. 2017).
    The random walk follows the idea of Boracchi and Foi (2012).
    Raises ValueError or TypeError for an argument out of range.

    >>> motion_path("line", length_px=8, frames=5)[:, 1]
    tensor([-4., -2.,  0.,  2.,  4.])
    >>> motion_path("camera", length_px=12, seed=1).shape[1]
    2
    """
    arguments.choice(kind, "kind", ("line", "camera", "shake"))
    length_px = arguments.number(length_px, "length_px", low=0)
    rotation_deg = arguments.number(rotation_deg, "rotation_deg", low=0, high=90)
    if angle_deg is not None:
        angle_deg = arguments.number(angle_deg, "angle_deg")
    if frames is not None:
        frames = arguments.whole(frames, "frames", low=1)
    generator = arguments.generator(seed)

    time = torch.linspace(0, 1, _DENSE, dtype=torch.float64)
    if kind == "line":
        dense = torch.stack([torch.zeros_like(time), time - 0.5], 1)
        angle_deg = angle_deg or 0.0
    elif kind == "camera":
        dense = cosine_series(time, _normal(4, 2, generator=generator))
    else:
        dense = _sample(_shake(generator), _DENSE)
    if angle_deg is None:
        angle_deg = 360 * torch.rand((), generator=generator, dtype=torch.float64).item()

    dense = dense * (length_px / torch.cdist(dense, dense).max().clamp(min=1e-12))
    travelled = (dense[1:] - dense[:-1]).norm(dim=1).sum().item()
    dense = _aim(dense, angle_deg)
    if rotation_deg:
        angle = cosine_series(time, _normal(4, 1, generator=generator))
        dense = torch.cat([dense, angle * (rotation_deg / (angle.max() - angle.min()))], 1)
    if frames is None:
        frames = 2 * math.ceil(travelled) + 1
        if rotation_deg:
            frames = max(frames, 33)  # corners move even where the centre does not
    dense = dense - dense[_DENSE // 2]  # the middle of the exposure is where the photo is sharp
    return _sample(dense, frames).float()


def cosine_series(time: Tensor, amplitudes: Tensor) -> Tensor:
    """Smooth motion, such as a hand that sways: sum over k of amplitude_k cos(pi k t) / k^2.

    time: (T,) from 0 to 1; amplitudes: (..., K, C), for k = 1 to K, usually normal random numbers.
    Returns (..., T, C).

    >>> cosine_series(torch.tensor([0.0, 1.0]), torch.ones(2, 1)).T  # 1 + 1/4, -1 + 1/4
    tensor([[ 1.2500, -0.7500]])
    """
    curve = torch.zeros((), dtype=amplitudes.dtype)
    for k in range(1, amplitudes.shape[-2] + 1):
        wave = torch.cos(math.pi * k * time)[:, None]
        curve = curve + wave * amplitudes[..., None, k - 1, :] / k**2
    return curve


def inertial_walk(pushes: Tensor, jerks: Tensor) -> Tensor:
    """Camera shake: a random walk with inertia that is pulled back to its origin.

    pushes: (K, ..., 2) random accelerations; jerks: (K, ..., 1) bool, where the velocity is
    reversed as well. Returns the positions (K + 1, ..., 2), the first of them zero.
    Source: the idea of Boracchi and Foi 2012.

    >>> inertial_walk(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.zeros(2, 1, dtype=bool))
    tensor([[0.0000, 0.0000],
            [0.0000, 1.0000],
            [0.0000, 1.6000]])
    """
    position = velocity = torch.zeros_like(pushes[0])
    positions = [position]
    for push, jerk in zip(pushes, jerks, strict=True):
        velocity = 0.7 * velocity + torch.where(jerk, push - 2 * velocity, push)
        position = position + velocity - 0.1 * position
        positions.append(position)
    return torch.stack(positions)


def _shake(generator, steps=32, jerk_probability=0.1):
    """The positions of one `inertial_walk`, (steps + 1, 2)."""
    random = [
        (_normal(2, generator=generator), torch.rand(1, generator=generator) < jerk_probability)
        for _ in range(steps)
    ]
    return inertial_walk(*(torch.stack(each) for each in zip(*random, strict=True)))


def _normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _aim(offsets, angle_deg):
    """Rotate a path so that it leads from its first to its last position in this direction."""
    dy, dx = (offsets[-1] - offsets[0]).tolist()
    turn = math.radians(angle_deg) - math.atan2(-dy, dx)
    y, x = offsets.unbind(1)
    cos, sin = math.cos(turn), math.sin(turn)
    return torch.stack([y * cos - x * sin, y * sin + x * cos], 1)


def _sample(rows, frames):
    """Interpolate a path linearly at `frames` evenly spaced moments."""
    if frames == 1:
        return rows[len(rows) // 2][None]
    return F.interpolate(rows.T[None], size=frames, mode="linear", align_corners=True)[0].T


def path_at(path_px: Tensor, point_px: tuple[float, float], size_px: tuple[int, int]) -> Tensor:
    """The path seen at one place of the photo by a camera that also rotates.

    path_px: (T, 3) or (T, 4) with rows (dy, dx, degrees, percent). point_px: (y, x). size_px:
    (H, W) of the photo. Returns (T, 2), as kernel_from_path takes it. Where the camera turns or
    zooms, the blur is spatially variant: this is why one kernel cannot undo real camera shake.

    >>> turn = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 90.0]])
    >>> path_at(turn, point_px=(5, 9), size_px=(11, 11))[1].round()  # from the right to the top
    tensor([-4., -4.])
    """
    path = arguments.path(path_px)
    height, width = (arguments.whole(side, "size_px", low=1) for side in size_px)
    y, x = (arguments.number(c, "point_px") for c in point_px)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    cos, sin = _turn_and_zoom(path)
    rotated = torch.stack([y * cos - x * sin - y, y * sin + x * cos - x], 1)
    return (rotated + path[:, :2]).float()


def _turn_and_zoom(path):
    """(T,) each: zoom times the cosine, and times the sine, of the rotation at every moment."""
    columns = F.pad(path, (0, 4 - path.shape[1]))  # no third, no fourth column: no turn, no zoom
    angle, zoom = torch.deg2rad(columns[:, 2]), 1 + columns[:, 3] / 100
    return zoom * angle.cos(), zoom * angle.sin()


def kernel_from_path(path_px: Tensor, size: int | None = None) -> Tensor:
    """The blur kernel of a path (its PSF): the picture of one point of light.

    path_px: (T, 2) offsets (dy, dx). size: odd side of the kernel; None takes the smallest that
    holds the path. Returns (k, k), float32, not negative, sum 1; its middle is the offset (0, 0).
    A position between pixels is shared among its four neighbours.
    Raises ValueError if the path turns the camera or does not fit into `size`.

    >>> kernel_from_path(torch.tensor([[0.0, -1.0], [0.0, 0.5]]))[1]
    tensor([0.5000, 0.2500, 0.2500])
    """
    path = arguments.path(path_px, rotation=False)
    radius = math.ceil(path.abs().max().item() - 1e-6)
    if size is not None:
        size = arguments.whole(size, "size", low=1)
        if size % 2 == 0 or size < 2 * radius + 1:
            raise ValueError(
                f"size is {size}; this path reaches {radius} px from its origin and "
                f"needs an odd size of at least {2 * radius + 1}."
            )
        radius = size // 2
    kernel = torch.zeros(2 * radius + 3, 2 * radius + 3, dtype=torch.float64)
    corner = path.floor()
    fraction = path - corner
    corner = corner.long() + radius + 1  # one spare pixel on each side, cut off below
    for down in (0, 1):
        for right in (0, 1):
            weight = (fraction[:, 0] - (1 - down)).abs() * (fraction[:, 1] - (1 - right)).abs()
            kernel.index_put_((corner[:, 0] + down, corner[:, 1] + right), weight, accumulate=True)
    kernel = kernel[1:-1, 1:-1]
    return (kernel / kernel.sum()).float()


def motion_blur(photo: Tensor, path_px: Tensor, linear_light: bool = True) -> Tensor:
    """Average a photo along a camera path: what the sensor integrates while the shutter is open.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; path_px: (T, 2), or (T, 3) with a rotation,
    or (T, 4) with a rotation and a zoom.
    Moment t contributes the photo moved by its offset, with sub-pixel precision (bilinear: a
    pixel collects light over its area). Beyond the border the photo is mirrored.
    linear_light=False averages the sRGB values instead: wrong, and shown for comparison.
    Returns the same shape in [0, 1]. Without rotation and zoom,
    blur(photo, kernel_from_path(path_px)) gives the same picture faster.
    Raises ValueError if the path leaves the photo.
    Source: the GoPro protocol (Nah et al. 2017).

    >>> motion_blur(torch.rand(3, 32, 32), torch.zeros(4, 2)).shape
    torch.Size([3, 32, 32])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    path = arguments.path(path_px)
    height, width = batch.shape[-2:]
    extent = math.ceil(path[:, :2].abs().max().item())
    if extent + 1 >= min(height, width):
        raise ValueError(
            f"path_px moves the photo by {extent} px, but the photo is only {width} x "
            f"{height} px. Take a shorter path or a larger photo."
        )
    light = images.to_linear(batch) if linear_light else batch
    if path[:, 2:].any():
        mean = _mean_rotated(light, path)
    else:
        mean = _mean_shifted(light, path[:, :2], extent + 1)
    mean = mean.clamp(0, 1)
    return images.like(images.to_srgb(mean) if linear_light else mean, photo)


def _mean_shifted(light, offsets, pad):
    """The mean of bilinear shifts by (T, 2) offsets, the border mirrored."""
    height, width = light.shape[-2:]
    padded = F.pad(light, (pad,) * 4, mode="reflect")
    total = torch.zeros_like(light)
    for dy, dx in offsets.tolist():
        top, left = math.floor(-dy), math.floor(-dx)  # a shift by +d reads from -d
        down, right = -dy - top, -dx - left
        for y, weight_y in ((top, 1 - down), (top + 1, down)):
            for x, weight_x in ((left, 1 - right), (left + 1, right)):
                if weight_y * weight_x:
                    rows = slice(pad + y, pad + y + height)
                    columns = slice(pad + x, pad + x + width)
                    total.add_(padded[..., rows, columns], alpha=weight_y * weight_x)
    return total / len(offsets)


def _mean_rotated(light, path):
    """The mean of bilinear rotations, zooms and shifts by (T, 3) or (T, 4) rows."""
    height, width = light.shape[-2:]
    y = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64)[None] - (width - 1) / 2
    total = torch.zeros_like(light)
    for (dy, dx), cos, sin in zip(path[:, :2].tolist(), *_turn_and_zoom(path), strict=True):
        back_y, back_x = y - dy, x - dx  # inverse mapping: undo the shift, then rotation and zoom
        square = cos**2 + sin**2  # of the zoom
        source_y = (back_y * cos + back_x * sin) / square
        source_x = (back_x * cos - back_y * sin) / square
        grid = torch.stack([source_x * 2 / (width - 1), source_y * 2 / (height - 1)], -1)
        grid = grid.to(light)[None].expand(len(light), -1, -1, -1)
        total += F.grid_sample(
            light, grid, mode="bilinear", padding_mode="reflection", align_corners=True
        )
    return total / len(path)


def average_frames(
    frames: Tensor | list[Tensor] | tuple[Tensor, ...], linear_light: bool = True
) -> Tensor:
    """The mean of video frames: blur as a slow shutter would have recorded it.

    frames: (T, 3, H, W), consecutive frames of a video, or a list of T photos, sRGB in [0, 1].
    Returns (3, H, W). The mean is taken in linear light, because a sensor adds up light;
    linear_light=False averages sRGB values instead, for comparison. Black and white average to
    the grey 0.735, not 0.5. Source: the GoPro protocol (Nah et al. 2017).

    >>> black_and_white = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    >>> print(f"{average_frames(black_and_white)[0, 0, 0].item():.3f}")
    0.735
    """
    if isinstance(frames, (list, tuple)):
        if not frames:
            raise ValueError("frames is empty; expected at least one photo.")
        shapes = {tuple(getattr(frame, "shape", ())) for frame in frames}
        if len(shapes) > 1:
            raise ValueError(
                f"frames have different shapes, {sorted(shapes)}; a mean needs equal ones."
            )
        frames = torch.stack([images.as_batch(frame, "frame")[0] for frame in frames])
    batch = images.as_batch(frames, "frames").clamp(0, 1)
    if not linear_light:
        return batch.mean(0)
    return images.to_srgb(images.to_linear(batch).mean(0))
