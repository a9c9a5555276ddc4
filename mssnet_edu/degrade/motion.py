"""Motion: a camera that moves while the shutter is open draws every point of light as a path.

A path is a tensor (T, 2): for T moments of the exposure, how far the picture has moved on the
sensor, (dy, dx) in pixels, y downwards. A third column, if there is one, is a rotation about the
photo's centre in degrees, counter-clockwise.
"""

import math

import torch
import torch.nn.functional as F

from mssnet_edu import images
from mssnet_edu.degrade import arguments

__all__ = ["average_frames", "kernel_from_path", "motion_blur", "motion_path", "path_at"]

_DENSE = 257  # moments at which a random path is drawn before it is measured and scaled


def motion_path(kind="line", length_px=20.0, angle_deg=None, frames=None, seed=0, rotation_deg=0.0):
    """A path of the camera during one exposure.

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
    rng = arguments.generator(seed)

    time = torch.linspace(0, 1, _DENSE, dtype=torch.float64)
    if kind == "line":
        dense = torch.stack([torch.zeros_like(time), time - 0.5], 1)
        angle_deg = angle_deg or 0.0
    elif kind == "camera":
        dense = _smooth(time, 2, rng)
    else:
        dense = _walk(time, rng)
    if angle_deg is None:
        angle_deg = 360 * torch.rand((), generator=rng, dtype=torch.float64).item()

    dense = dense * (length_px / torch.cdist(dense, dense).max().clamp(min=1e-12))
    travelled = (dense[1:] - dense[:-1]).norm(dim=1).sum().item()
    dense = _turn(dense, angle_deg)
    if rotation_deg:
        angle = _smooth(time, 1, rng)
        dense = torch.cat([dense, angle * (rotation_deg / (angle.max() - angle.min()))], 1)
    if frames is None:
        frames = 2 * math.ceil(travelled) + 1
        if rotation_deg:
            frames = max(frames, 33)  # corners move even where the centre does not
    dense = dense - dense[_DENSE // 2]  # the middle of the exposure is where the photo is sharp
    return _sample(dense, frames).float()


def _smooth(time, columns, rng):
    """A smooth random curve: a few slow cosines, the slowest the strongest."""
    curve = torch.zeros(len(time), columns, dtype=torch.float64)
    for k in range(1, 5):
        wave = torch.cos(math.pi * k * time)[:, None]
        curve += wave * torch.randn(columns, generator=rng, dtype=torch.float64) / k**2
    return curve


def _walk(time, rng, knots=33):
    """A random walk with some inertia, and now and then a jerk the other way."""
    position = velocity = torch.zeros(2, dtype=torch.float64)
    places = [position]
    for _ in range(knots - 1):
        push = torch.randn(2, generator=rng, dtype=torch.float64)
        if torch.rand((), generator=rng) < 0.1:
            push = push - 2 * velocity
        velocity = 0.7 * velocity + push
        position = position + velocity - 0.1 * position  # the hand pulls back to its aim
        places.append(position)
    return _sample(torch.stack(places), len(time))


def _turn(offsets, angle_deg):
    """Turn a path so that it leads from its first to its last position in this direction."""
    dy, dx = (offsets[-1] - offsets[0]).tolist()
    turn = math.radians(angle_deg) - math.atan2(-dy, dx)
    y, x = offsets.unbind(1)
    cos, sin = math.cos(turn), math.sin(turn)
    return torch.stack([y * cos - x * sin, y * sin + x * cos], 1)


def _sample(rows, frames):
    """The rows at `frames` evenly spaced moments, linearly interpolated."""
    if frames == 1:
        return rows[len(rows) // 2][None]
    return F.interpolate(rows.T[None], size=frames, mode="linear", align_corners=True)[0].T


def path_at(path_px, point_px, size_px):
    """The path seen at one place of the photo by a camera that also turns.

    path_px: (T, 3) with rows (dy, dx, degrees). point_px: (y, x). size_px: (H, W) of the photo.
    Returns (T, 2), which kernel_from_path can draw. Where the camera turns, every place has its
    own: this is why one kernel cannot undo real camera shake.

    >>> turn = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 90.0]])
    >>> path_at(turn, point_px=(5, 9), size_px=(11, 11))[1].round()  # from the right to the top
    tensor([-4., -4.])
    """
    rows = arguments.path(path_px)
    height, width = (arguments.whole(side, "size_px", low=1) for side in size_px)
    y, x = (arguments.number(c, "point_px") for c in point_px)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    angle = torch.deg2rad(rows[:, 2]) if rows.shape[1] == 3 else torch.zeros(len(rows))
    cos, sin = angle.cos(), angle.sin()
    moved = torch.stack([y * cos - x * sin - y, y * sin + x * cos - x], 1)
    return (moved + rows[:, :2]).float()


def kernel_from_path(path_px, size=None):
    """The blur kernel of a path: the picture of one point of light.

    path_px: (T, 2) offsets (dy, dx). size: odd side of the kernel; None takes the smallest that
    holds the path. Returns (k, k), float32, not negative, sum 1; its middle is the offset (0, 0).
    A position between pixels is shared among its four neighbours.
    Raises ValueError if the path turns the camera or does not fit into `size`.

    >>> kernel_from_path(torch.tensor([[0.0, -1.0], [0.0, 0.5]]))[1]
    tensor([0.5000, 0.2500, 0.2500])
    """
    rows = arguments.path(path_px, rotation=False)
    reach = math.ceil(rows.abs().max().item() - 1e-6)
    if size is not None:
        size = arguments.whole(size, "size", low=1)
        if size % 2 == 0 or size < 2 * reach + 1:
            raise ValueError(
                f"size is {size}; this path reaches {reach} px from its origin and "
                f"needs an odd size of at least {2 * reach + 1}."
            )
        reach = size // 2
    kernel = torch.zeros(2 * reach + 3, 2 * reach + 3, dtype=torch.float64)
    corner = rows.floor()
    part = rows - corner
    corner = corner.long() + reach + 1  # one spare pixel on each side, cut off below
    for down in (0, 1):
        for right in (0, 1):
            weight = (part[:, 0] - (1 - down)).abs() * (part[:, 1] - (1 - right)).abs()
            kernel.index_put_((corner[:, 0] + down, corner[:, 1] + right), weight, accumulate=True)
    kernel = kernel[1:-1, 1:-1]
    return (kernel / kernel.sum()).float()


def motion_blur(photo, path_px, linear_light=True):
    """Average a photo along a camera path: what the sensor adds up while the shutter is open.

    photo: (3, H, W) or (N, 3, H, W) in [0, 1]; path_px: (T, 2), or (T, 3) with a rotation.
    Moment t contributes the photo moved by its offset, with sub-pixel precision (bilinear: a
    pixel collects light over its area). Beyond the border the photo is mirrored.
    linear_light=False averages the sRGB values instead: wrong, and shown for comparison.
    Returns the same shape in [0, 1]. Without rotation, blur(photo, kernel_from_path(path_px))
    gives the same picture faster. Raises ValueError if the path leaves the photo.
    Source: the GoPro protocol (Nah et al. 2017).

    >>> motion_blur(torch.rand(3, 32, 32), torch.zeros(4, 2)).shape
    torch.Size([3, 32, 32])
    """
    batch = images.as_batch(photo).clamp(0, 1)
    rows = arguments.path(path_px)
    height, width = batch.shape[-2:]
    reach = math.ceil(rows[:, :2].abs().max().item())
    if reach + 1 >= min(height, width):
        raise ValueError(
            f"path_px moves the photo by {reach} px, but the photo is only {width} x "
            f"{height} px. Take a shorter path or a larger photo."
        )
    light = images.to_linear(batch) if linear_light else batch
    if rows.shape[1] == 3 and rows[:, 2].any():
        mean = _mean_turned(light, rows)
    else:
        mean = _mean_moved(light, rows[:, :2], reach + 1)
    mean = mean.clamp(0, 1)
    return images.like(images.to_srgb(mean) if linear_light else mean, photo)


def _mean_moved(light, offsets, pad):
    height, width = light.shape[-2:]
    padded = F.pad(light, (pad,) * 4, mode="reflect")
    total = torch.zeros_like(light)
    for dy, dx in offsets.tolist():
        top, left = math.floor(-dy), math.floor(-dx)  # moved by +d: look back by d
        down, right = -dy - top, -dx - left
        for y, by_y in ((top, 1 - down), (top + 1, down)):
            for x, by_x in ((left, 1 - right), (left + 1, right)):
                if by_y * by_x:
                    rows = slice(pad + y, pad + y + height)
                    columns = slice(pad + x, pad + x + width)
                    total.add_(padded[..., rows, columns], alpha=by_y * by_x)
    return total / len(offsets)


def _mean_turned(light, rows):
    height, width = light.shape[-2:]
    y = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64)[None] - (width - 1) / 2
    total = torch.zeros_like(light)
    for dy, dx, degrees in rows.tolist():
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        back_y, back_x = y - dy, x - dx  # undo the shift, then the turn
        from_y, from_x = back_y * cos + back_x * sin, back_x * cos - back_y * sin
        grid = torch.stack([from_x * 2 / (width - 1), from_y * 2 / (height - 1)], -1)
        grid = grid.to(light)[None].expand(len(light), -1, -1, -1)
        total += F.grid_sample(
            light, grid, mode="bilinear", padding_mode="reflection", align_corners=True
        )
    return total / len(rows)


def average_frames(frames, linear_light=True):
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
