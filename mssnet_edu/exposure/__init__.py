"""What a camera does to light: exposure, noise, clipping, auto-exposure, and video from real light.

*Light* is linear and has no upper limit; a *frame* is a photo, sRGB in [0, 1]. EV counts stops: one
more is twice the light. Everything random takes a `seed`: the same seed gives the same result.

>>> import torch
>>> from mssnet_edu import exposure
>>> light = torch.rand(3, 32, 48) * 2
>>> frame = exposure.capture(light, ev=-0.5)
>>> exposure.clipped(frame).shape  # where it is white, and the light is lost
torch.Size([1, 32, 48])
"""

from mssnet_edu.exposure.autoexposure import AutoExposure
from mssnet_edu.exposure.camera import (
    CEILING_STOPS,
    as_light,
    capture,
    clipped,
    develop,
    expose,
    is_beyond,
    sensor,
)
from mssnet_edu.exposure.panorama import displacement, rays, rotation, to_pixels, view
from mssnet_edu.exposure.video import Clip, Occluder, film, handheld, occluders, paint, wander

__all__ = [
    "CEILING_STOPS",
    "AutoExposure",
    "Clip",
    "Occluder",
    "as_light",
    "capture",
    "clipped",
    "develop",
    "displacement",
    "expose",
    "film",
    "handheld",
    "is_beyond",
    "occluders",
    "paint",
    "rays",
    "rotation",
    "sensor",
    "to_pixels",
    "view",
    "wander",
]
