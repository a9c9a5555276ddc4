"""Look inside an MSSNet: its feature maps, how far it looks, and where it spends its changes.

All functions take an `MSSNet` and one photo (3, H, W), sRGB in [0, 1], and leave both as they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.memory import trim_heap
from mssnet_edu.mssnet.network import Features, MSSNet

__all__ = [
    "BANDS_PX",
    "ReceptiveField",
    "ScaleEnergy",
    "StageFeatures",
    "feature_maps",
    "receptive_field",
    "residual_energy",
]

# Wavelengths in pixels, from broad shapes to the finest stripes that a pixel grid can hold.
BANDS_PX = ((16.0, math.inf), (8.0, 16.0), (4.0, 8.0), (0.0, 4.0))


@dataclass(frozen=True)
class StageFeatures:
    """What one U-Net computed: three levels each, from fine to coarse, (channels, h, w).

    name: "S1-U1" to "S3-U3". scale: "S1", "S2" or "S3".
    """

    name: str
    scale: str
    encoder: tuple[Tensor, ...]
    decoder: tuple[Tensor, ...]


@dataclass(frozen=True)
class ReceptiveField:
    """How strongly each pixel of the photo moves one pixel of a stage's residual.

    stage: its name. at: (y, x), the pixel asked about. total: (H, W), through all scales together.
    by_scale: scale -> (H, W): only what entered at that scale. The photo enters MSSNet three times,
    as a small copy at S1, and as it is at S2 and S3.
    """

    stage: str
    at: tuple[int, int]
    total: Tensor
    by_scale: dict[str, Tensor]

    def reach_px(self, scale: str | None = None, share: float = 0.9) -> float:
        """Radius in pixels of the disc around `at` that holds this share of the field.

        scale: only what entered there; None takes the whole field. Raises ValueError for a share
        outside (0, 1], or a scale that the stage does not see.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share is {share!r}; expected a number above 0 and up to 1.")
        if scale is not None and scale not in self.by_scale:
            known = ", ".join(self.by_scale)
            raise ValueError(f"{self.stage} has no door at {scale!r}; it has {known}.")
        field = self.total if scale is None else self.by_scale[scale]
        height, width = field.shape
        y = torch.arange(height)[:, None] - self.at[0]
        x = torch.arange(width)[None] - self.at[1]
        radius, order = (y**2 + x**2).double().sqrt().flatten().sort()
        within = field.double().flatten()[order].cumsum(0)
        if float(within[-1]) == 0:
            return 0.0
        first = int((within >= share * within[-1] * (1 - 1e-12)).nonzero()[0])
        return float(radius[first])


@dataclass(frozen=True)
class ScaleEnergy:
    """What one scale added to the answer of the scale before it.

    energy: mean squared change, in grey levels (of 255) squared. bands: how much of it lies in each
    of BANDS_PX; they sum to energy.
    """

    scale: str
    energy: float
    bands: tuple[float, ...]


def feature_maps(model: MSSNet, photo: Tensor) -> dict[str, StageFeatures]:
    """All features of all stages, by the stage's name.

    photo: (3, H, W). Level l has half the width of level l - 1; level 1 of S3 has the photo's size
    (rounded up to a multiple of 16). Raises PhotoError for a photo below 32 px, TypeError for
    another network.

    >>> from mssnet_edu.mssnet import MSSNetConfig
    >>> maps = feature_maps(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 32, 48))
    >>> [tuple(level.shape) for level in maps["S1-U1"].decoder]
    [(4, 8, 12), (8, 4, 6), (12, 2, 3)]
    """
    _check(model, photo)
    maps, hooks = {}, []

    def recorder(name: str) -> Callable:
        def record(_unet: nn.Module, _inputs: object, output: Features) -> None:
            maps[name] = tuple(map(list, output))  # the next U-Net empties its own lists

        return record

    for scale in ("s1", "s2", "s3"):
        for i, unet in enumerate(getattr(model, scale).unets):
            name = f"{scale.upper()}-U{i + 1}"
            hooks.append(unet.register_forward_hook(recorder(name)))
    try:
        with torch.no_grad():
            model(photo)
    finally:
        for hook in hooks:
            hook.remove()
    found = {
        name: StageFeatures(
            name,
            name[:2],
            tuple(level[0].clone() for level in encoded),
            tuple(level[0].clone() for level in decoded),
        )
        for name, (encoded, decoded) in maps.items()
    }
    maps.clear()
    trim_heap()
    return found


def receptive_field(
    model: MSSNet, photo: Tensor, stage: str = "S3-U3", at: tuple[int, int] | None = None
) -> ReceptiveField:
    """Which pixels of the photo one pixel of a stage's answer listens to, measured by gradients.

    photo: (3, H, W). stage: "S1-U1" to "S3-U3". at: (y, x) in the photo; None takes the middle.
    The gradient is that of the residual (what the stage adds to the photo), its three colours
    summed; its size, summed over the photo's colours, is the field. The field depends on the photo:
    another one gives another. Raises ValueError for a stage or a place that does not exist.
    Source of the idea: Luo et al., "Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks", 2016.

    >>> from mssnet_edu.mssnet import MSSNetConfig
    >>> field = receptive_field(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 64, 64), "S2-U1")
    >>> sorted(field.by_scale), field.total.shape
    (['S1', 'S2'], torch.Size([64, 64]))
    """
    _check(model, photo)
    height, width = photo.shape[-2:]
    y, x = (height // 2, width // 2) if at is None else (int(at[0]), int(at[1]))
    if not (0 <= y < height and 0 <= x < width):
        raise ValueError(f"at is {(y, x)}; the photo has {height} rows and {width} columns.")
    names = [
        f"{s}-U{u + 1}" for s, n in zip(("S1", "S2", "S3"), model.config.unets, strict=True)
        for u in range(n)
    ]  # fmt: skip
    if stage not in names:
        raise ValueError(f"stage is {stage!r}; expected one of {', '.join(names)}.")
    # a learner's photo may come out of inference_mode, where nothing can have a gradient
    with torch.inference_mode(False), torch.enable_grad():
        batch = model.prepare(photo.detach().clone()).clone().requires_grad_()
        inputs, hooks = {}, []

        def recorder(scale: str) -> Callable:
            def record(_layers: nn.Module, given: tuple[Tensor, ...]) -> Tensor:
                inputs[scale] = given[0].clone()  # a copy: S3 is given the photo itself
                return inputs[scale]

            return record

        for scale in ("S1", "S2", "S3"):
            shallow = getattr(model, scale.lower()).shallow
            hooks.append(shallow.register_forward_pre_hook(recorder(scale)))
        try:
            asked = next(s for s in model.run_stages(batch) if s.name == stage)
            residual = asked.residual()
        finally:
            for hook in hooks:
                hook.remove()
        half = 2 if stage.startswith("S1") else 1
        pixel = residual[0, :, y // half, x // half].sum()
        photo_gradient, *gradients = torch.autograd.grad(pixel, [batch, *inputs.values()])
    del asked, residual, pixel  # with them go the features that gradients need, 11 kB a pixel
    trim_heap()
    by_scale = {
        scale: _on_photo(gradient, batch.shape[-1])[:height, :width]
        for scale, gradient in zip(inputs, gradients, strict=True)
    }
    total = photo_gradient[0].abs().sum(0)[:height, :width]
    return ReceptiveField(stage, (y, x), total, by_scale)


def _on_photo(gradient: Tensor, width: int) -> Tensor:
    """(H, W): the size of a gradient at the input of one scale, laid on the photo."""
    channels = gradient.shape[1]
    if channels >= 12:  # unshuffled: four pixels of three colours; the coarser image may follow
        gradient = F.pixel_shuffle(gradient[:, :12], 2)
    size = gradient[:, :3].abs().sum(1, keepdim=True)
    factor = width // size.shape[-1]
    # spread over the pixels that it stands for, so that the sum stays
    return F.interpolate(size, scale_factor=factor, mode="nearest")[0, 0] / factor**2


def residual_energy(model: MSSNet, photo: Tensor) -> list[ScaleEnergy]:
    """How much each scale changed, and how fine its changes are.

    photo: (3, H, W). Of each scale the last stage counts; S1's change is enlarged by two, as S2
    sees it. The changes of the scales may point against each other, so their energies need not sum
    to the energy of the whole change.

    >>> from mssnet_edu.mssnet import MSSNetConfig
    >>> energies = residual_energy(MSSNet(MSSNetConfig(4, 4, 4)), torch.rand(3, 64, 64))
    >>> [energy.scale for energy in energies]
    ['S1', 'S2', 'S3']
    """
    _check(model, photo)
    with torch.no_grad():
        last = {result.scale: result.residual for result in model.stages(photo)}
    height, width = photo.shape[-2:]
    energies, coarser = [], torch.zeros(3, height, width)
    for scale, residual in last.items():
        if residual.shape[-2:] != (height, width):
            residual = F.interpolate(
                residual[None], size=(height, width), mode="bilinear", align_corners=True
            )[0]
        change = 255 * (residual - coarser)
        coarser = residual
        # Parseval: the squares of the waves sum to the squares of the pixels
        power = torch.fft.fft2(change.double()).abs().square().sum(0) / (3 * (height * width) ** 2)
        fy, fx = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
        wavelength_px = 1 / (fy**2 + fx**2).sqrt().clamp(min=1e-9)
        bands = tuple(
            float(power[(wavelength_px > low) & (wavelength_px <= high)].sum())
            for low, high in BANDS_PX
        )
        energies.append(ScaleEnergy(scale, float(change.double().square().mean()), bands))
    return energies


def _check(model: MSSNet, photo: Tensor) -> None:
    if not isinstance(model, MSSNet):
        raise TypeError(f"model is a {type(model).__name__}; expected an MSSNet.")
    if model.config.noise:
        raise ValueError("this MSSNet draws random answers; expected one that deblurs.")
    if len(images.as_batch(photo)) != 1:
        raise images.PhotoError(f"photo is a batch of {len(photo)}; choose one of it: photo[0].")
    if photo.ndim != 3:
        raise images.PhotoError("photo is a batch of one; expected (3, H, W): photo[0].")
