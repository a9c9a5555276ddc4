"""The physics of image degradation: motion, defocus, downscaling, noise, JPEG, age.

Every function takes a photo, (3, H, W) or (N, 3, H, W), sRGB in [0, 1], and gives one back.
Physics that adds up light (blur, the mean of video frames, photon noise) works in linear light;
resizing and added noise work on sRGB values, as the field's benchmarks and networks do. Each
docstring says which. Everything random takes a `seed`: the same seed gives the same result.

>>> import torch
>>> from mssnet_edu import degrade
>>> photo = torch.rand(3, 64, 96)
>>> path = degrade.motion_path("camera", length_px=9, seed=4)
>>> blurred = degrade.motion_blur(photo, path)      # what the camera recorded
>>> kernel = degrade.kernel_from_path(path)         # its point spread function
>>> small = degrade.downscale(blurred, 8)
>>> small.shape
torch.Size([3, 8, 12])
"""

from mssnet_edu.degrade.film import add_noise, jpeg
from mssnet_edu.degrade.motion import (
    average_frames,
    kernel_from_path,
    motion_blur,
    motion_path,
    path_at,
)
from mssnet_edu.degrade.optics import blur, defocus_kernel, gaussian_kernel, line_kernel
from mssnet_edu.degrade.sizes import crop_to_multiple, downscale, enlarge, resample

__all__ = [
    "add_noise",
    "average_frames",
    "blur",
    "crop_to_multiple",
    "defocus_kernel",
    "downscale",
    "enlarge",
    "gaussian_kernel",
    "jpeg",
    "kernel_from_path",
    "line_kernel",
    "motion_blur",
    "motion_path",
    "path_at",
    "resample",
]
