"""A virtual pinhole camera inside an equirectangular panorama.

A panorama is light (3, H, 2H): columns are longitudes from -180° to 180°, rows latitudes from 90°
(up) to -90°. A *pose* is (yaw, pitch, roll) in degrees: yaw turns to the right, pitch up, roll
clockwise; (0, 0, 0) looks at the panorama's centre. Camera axes: x right, y down, z forward.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments
from mssnet_edu.exposure.camera import as_light

__all__ = ["displacement", "rays", "rotation", "to_pixels", "view"]


def rotation(pose: Tensor) -> Tensor:
    """The rotation from camera to world, (..., 3, 3), of poses (..., 3) in degrees.

    >>> rotation(torch.tensor([90.0, 0.0, 0.0])) @ torch.tensor([0.0, 0.0, 1.0])  # looks right
    tensor([ 1.0000e+00,  0.0000e+00, -4.3711e-08])
    """
    yaw, pitch, roll = torch.deg2rad(torch.as_tensor(pose, dtype=torch.float32)).unbind(-1)
    one, zero = torch.ones_like(yaw), torch.zeros_like(yaw)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, -1).unflatten(-1, (3, 3))

    cos, sin = yaw.cos(), yaw.sin()
    turn = matrix(cos, zero, sin, zero, one, zero, -sin, zero, cos)
    cos, sin = pitch.cos(), pitch.sin()
    tilt = matrix(one, zero, zero, zero, cos, -sin, zero, sin, cos)
    cos, sin = roll.cos(), roll.sin()
    lean = matrix(cos, -sin, zero, sin, cos, zero, zero, zero, one)
    return turn @ tilt @ lean


def rays(pose: Tensor, size_px: tuple[int, int], fov_deg: float) -> Tensor:
    """The direction in the world that each pixel's centre looks at: (H, W, 3), of length 1.

    pose: (3,); size_px: (H, W); fov_deg: the horizontal field of view, 1 to 150 degrees.

    >>> rays(torch.zeros(3), (1, 1), 60.0)
    tensor([[[0., 0., 1.]]])
    """
    height, width = (arguments.whole(side, "size_px", low=1) for side in size_px)
    fov_deg = arguments.number(fov_deg, "fov_deg", low=1, high=150)
    half = math.tan(math.radians(fov_deg) / 2)
    x = (2 * torch.arange(width) + 1 - width) / width * half
    y = (2 * torch.arange(height) + 1 - height) / width * half
    x, y = torch.broadcast_tensors(x, y[:, None])
    direction = F.normalize(torch.stack([x, y, torch.ones_like(x)], -1), dim=-1)
    return direction @ rotation(pose).T


def to_pixels(direction: Tensor, pose: Tensor, size_px: tuple[int, int], fov_deg: float) -> Tensor:
    """Where directions in the world, (..., 3), appear in a view: (..., 2) as (x, y) in pixels.

    Pixel centres are whole numbers, from (0, 0). NaN for what lies behind the camera.

    >>> to_pixels(torch.tensor([0.0, 0.0, 1.0]), torch.zeros(3), (3, 5), 60.0)
    tensor([2., 1.])
    """
    height, width = size_px
    x, y, z = (direction @ rotation(pose)).unbind(-1)  # the transpose turns world to camera
    scale = width / 2 / math.tan(math.radians(fov_deg) / 2)
    z = torch.where(z > 1e-6, z, torch.nan)
    return torch.stack([scale * x / z + (width - 1) / 2, scale * y / z + (height - 1) / 2], -1)


def displacement(pose: Tensor, other: Tensor, size_px: tuple[int, int], fov_deg: float) -> Tensor:
    """How far each pixel of one view has to go to the same place of another: (2, H, W), (x, y) px.

    The optical flow of a camera that only turns. NaN where the other view looks away.

    >>> turned = displacement(torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]), (3, 59), 60.0)
    >>> turned[0, 1, 29] < -0.8  # the camera turned right, so things moved left
    tensor(True)
    """
    there = to_pixels(rays(pose, size_px, fov_deg), other, size_px, fov_deg)
    height, width = size_px
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (there - torch.stack([x, y], -1)).permute(2, 0, 1)


def view(
    panorama: Tensor,
    pose: Tensor | tuple[float, float, float],
    size_px: tuple[int, int],
    fov_deg: float = 60.0,
) -> Tensor:
    """The light that a pinhole camera sees inside a panorama.

    panorama: (3, H, 2H) light. pose: (yaw, pitch, roll) in degrees. size_px: (h, w) of the view.
    fov_deg: horizontal field of view, 1 to 150. Returns (3, h, w) light.
    Sampling is bilinear in linear light; where the view's pixels are wider than the panorama's,
    each is the mean of n x n samples (n up to 8), so that nothing flickers between them.
    Raises PhotoError for what is not a panorama.

    >>> view(torch.ones(3, 32, 64), (0, 0, 0), (6, 8)).shape
    torch.Size([3, 6, 8])
    """
    light = as_light(panorama, "panorama")[0]
    if panorama.ndim != 3 or light.shape[2] != 2 * light.shape[1]:
        raise images.PhotoError(
            f"panorama has shape {tuple(panorama.shape)}; an equirectangular one is twice as wide "
            "as high: (3, H, 2H)."
        )
    height, width = (arguments.whole(side, "size_px", low=1) for side in size_px)
    widest_rad = 2 * math.tan(math.radians(fov_deg) / 2) / width  # the middle pixel's angle
    n = max(1, min(8, math.ceil(widest_rad / (2 * math.pi / light.shape[2]))))
    pose = torch.as_tensor(pose, dtype=torch.float32)
    sampled = _sample(light, rays(pose, (n * height, n * width), fov_deg))
    return F.avg_pool2d(sampled, n)


def _sample(light: Tensor, direction: Tensor) -> Tensor:
    """Bilinear samples (3, H, W) of a panorama in directions (H, W, 3); longitudes wrap around."""
    x, y, z = direction.unbind(-1)
    rows, columns = light.shape[1:]
    column = (torch.atan2(x, z) / (2 * math.pi) + 0.5) * columns - 0.5
    row = (torch.asin(y.clamp(-1, 1)) / math.pi + 0.5) * rows - 0.5
    wrapped = torch.cat([light[..., -1:], light, light[..., :1]], -1)  # its ends meet
    grid = torch.stack([(column + 1) / (columns + 1) * 2 - 1, row / (rows - 1) * 2 - 1], -1)
    return F.grid_sample(
        wrapped[None], grid[None], mode="bilinear", padding_mode="border", align_corners=True
    )[0]
