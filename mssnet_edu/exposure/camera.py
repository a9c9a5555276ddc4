"""The camera: from light to the numbers in a file, and which of them are clipped.

*Light* is a tensor (3, H, W) or (N, 3, H, W), linear and not negative, of any height: a lamp may be
a thousand times as bright as a wall. *Exposed light* is light times 2^EV: 1 is where the sensor is
full. What lies above is recorded as 1, and the frame is white there.
"""

import math

import torch
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.degrade import arguments

__all__ = [
    "CEILING_STOPS",
    "as_light",
    "capture",
    "clipped",
    "develop",
    "expose",
    "is_beyond",
    "sensor",
]

CEILING_STOPS = 6.0  # above white: sun discs and bare lamps lie beyond; nobody judges those


def as_light(light: Tensor, name: str = "light") -> Tensor:
    """Return light as a batch (N, 3, H, W), or say what is wrong with it.

    Raises PhotoError for another shape or type, NaN, infinity, or negative values.

    >>> as_light(torch.tensor([2.0, 0.5, 7000.0]).view(3, 1, 1)).shape
    torch.Size([1, 3, 1, 1])
    """
    if not isinstance(light, Tensor) or light.ndim not in {3, 4} or light.shape[-3] != 3:
        what = tuple(light.shape) if isinstance(light, Tensor) else type(light).__name__
        raise images.PhotoError(
            f"{name} is {what}; expected a float32 tensor (3, H, W) or (N, 3, H, W)."
        )
    if light.dtype != torch.float32 or 0 in light.shape:
        raise images.PhotoError(
            f"{name} is {light.dtype} of shape {tuple(light.shape)}; expected float32, not empty."
        )
    low, high = (float(each) for each in torch.aminmax(light.detach()))
    if not (0 <= low <= high < float("inf")):  # false for NaN, too
        raise images.PhotoError(
            f"{name} goes from {low:.3g} to {high:.3g}; light is a finite number, 0 or more. "
            "For a panorama with small negative values: light.clamp(min=0)."
        )
    return light if light.ndim == 4 else light[None]


def expose(light: Tensor, ev: float | Tensor) -> Tensor:
    """Let in 2^EV times as much light: one EV (one stop) more is twice the light.

    light: (3, H, W) or (N, 3, H, W); ev: a number, or a tensor (N,), one per frame.
    Returns the same shape: exposed light, where 1 is white.

    >>> expose(torch.full((3, 1, 1), 0.25), ev=1).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """
    ev = torch.as_tensor(ev, dtype=light.dtype, device=light.device)
    return light * torch.exp2(ev.view(-1, 1, 1, 1) if ev.ndim else ev)


def sensor(
    exposed: Tensor,
    photons: float = 4000.0,
    read_noise: float = 0.002,
    seed: int | torch.Generator = 0,
) -> Tensor:
    """Count the light: shot noise, read noise, and a full well at 1.

    count = clip(x + sqrt(x / photons + read_noise^2) n, 0, 1), n normal, for exposed light x.
    exposed: (3, H, W) or (N, 3, H, W). photons: how many fill a pixel (infinity: no shot noise).
    read_noise: standard deviation in the dark, as a share of white. Returns the same shape.
    Shot noise is Poisson's; with hundreds of photons it is as good as normal.
    Source: Foi et al., "Practical Poissonian-Gaussian Noise Modeling", 2008.

    >>> sensor(torch.tensor([0.5, 9.0]).view(1, 2).expand(3, 1, 2))[0, 0, 1]  # twice nine is white
    tensor(1.)
    """
    if not (photons >= 1 and read_noise >= 0):
        raise ValueError(
            f"photons is {photons:g} and read_noise {read_noise:g}; expected at least 1 photon and "
            "a noise of 0 or more."
        )
    noise = torch.randn(exposed.shape, generator=arguments.generator(seed)).to(exposed)
    variance = exposed / photons + read_noise**2
    return (exposed + variance.sqrt() * noise).clamp(0, 1)


def capture(
    light: Tensor,
    ev: float | Tensor = 0.0,
    photons: float = 4000.0,
    read_noise: float = 0.002,
    seed: int | torch.Generator = 0,
) -> Tensor:
    """Take a picture: exposure, sensor, the camera's curve (sRGB), 8 bits.

    light: (3, H, W) or (N, 3, H, W). ev: a number or (N,). photons, read_noise: see `sensor`.
    Returns a photo of the same shape, sRGB in steps of 1/255. Raises PhotoError for bad light.

    >>> capture(torch.tensor([0.01, 0.5, 3.0]).view(3, 1, 1), ev=-1).flatten()[2]
    tensor(1.)
    """
    exposed = expose(as_light(light), ev)
    photo = images.quantize(images.to_srgb(sensor(exposed, photons, read_noise, seed)))
    return images.like(photo, light)


def develop(light: Tensor, ev: float | Tensor = 0.0) -> Tensor:
    """A picture of light to look at: as `capture` takes it, with a camera that has no noise.

    light: (3, H, W) or (N, 3, H, W); ev: a number or (N,). At -3 EV, what is up to eight times as
    bright as white can be seen. Returns a photo of the same shape.

    >>> develop(torch.full((3, 1, 1), 4.0), ev=-3).flatten()[0] < 1
    tensor(True)
    """
    return capture(light, ev, photons=math.inf, read_noise=0)


def clipped(frame: Tensor, channels: str = "any") -> Tensor:
    """Where a frame is white because the sensor was full: there, the light is lost.

    frame: (3, H, W) or (N, 3, H, W), sRGB in [0, 1]; 255 of 255 counts as clipped. channels: "any"
    of the three (something is missing), "all" (everything is), or "each" on its own.
    Returns bool, (1, H, W) or (N, 1, H, W); with "each" (3, H, W) or (N, 3, H, W).

    >>> frame = torch.tensor([1.0, 0.5, 0.5]).view(3, 1, 1)
    >>> clipped(frame).item(), clipped(frame, "all").item()
    (True, False)
    """
    arguments.choice(channels, "channels", ("any", "all", "each"))
    full = images.as_batch(frame, "frame") >= 1 - 0.5 / 255
    if channels == "any":
        full = full.any(1, keepdim=True)
    elif channels == "all":
        full = full.all(1, keepdim=True)
    return images.like(full, frame)


def is_beyond(exposed: Tensor) -> Tensor:
    """Where exposed light lies more than six stops above white: sun discs, bare lamps.

    exposed: (3, H, W) or (N, 3, H, W). Returns bool, (1, H, W) or (N, 1, H, W). A sun disc is
    thousands of times as bright as all else, so that an error there says nothing about the rest.

    >>> is_beyond(torch.tensor([60.0, 70.0]).view(1, 2).expand(3, 1, 2)).flatten()
    tensor([False,  True])
    """
    return (exposed > 2**CEILING_STOPS).any(-3, keepdim=True)
