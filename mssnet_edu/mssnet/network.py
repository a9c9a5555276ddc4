"""MSSNet: a multi-scale-stage network for single-image deblurring.

Written from the paper: Kim, Lee, Cho, "MSSNet: Multi-Scale-Stage Network for Single Image
Deblurring", ECCV Workshops (AIM) 2022, https://cg.postech.ac.kr/Research/MSSNet/MSSNet.pdf

The network looks at a photo three times, from coarse to fine. Each look is a *scale*, each U-Net in
it a *stage*:

    S1, a quarter of the size   1 U-Net    -> S1-U1
    S2, half of the size        2 U-Nets   -> S2-U1, S2-U2
    S3, full size               3 U-Nets   -> S3-U1, S3-U2, S3-U3   (the last one is the answer)

Three remedies make it work, and each can be switched off in `MSSNetConfig` to see what it does:
more U-Nets where the picture is larger, features (not only colours) handed to the next scale, and
pixel-unshuffle, which shrinks a picture without throwing one pixel away.

MSSNet removes blur at constant size. It does not enlarge.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mssnet_edu import images

__all__ = ["MSSNet", "MSSNetConfig", "Stage", "StageResult", "build"]

Features = tuple[list[Tensor], list[Tensor]]  # a U-Net's maps, fine to coarse: encoder, decoder

MULTIPLE_OF = 16  # S1 starts at a quarter of the size, and its U-Net halves that twice more
MIN_PX = 32  # below this the coarsest level is a single pixel and nothing is left to look at


@dataclass(frozen=True)
class MSSNetConfig:
    """Widths and remedies of an MSSNet.

    wf, scale, vscale: the U-Nets have wf, wf + scale and wf + scale + vscale channels at their
    three levels. unets: how many U-Nets at S1, S2, S3. feature_propagation: hand features to the
    next scale (False: only its image). pixel_unshuffle: S1 sees every pixel of the half-size
    photo and S2 every pixel of the photo, rearranged into channels (False: a bilinear reduction).
    noise: one more input channel that carries random numbers, for networks that draw one answer of
    many.

    >>> MSSNetConfig.small()
    MSSNetConfig(wf=20, scale=40, vscale=40, unets=(1, 2, 3), feature_propagation=True, \
pixel_unshuffle=True, noise=False)
    """

    wf: int = 54
    scale: int = 42
    vscale: int = 42
    unets: tuple[int, int, int] = (1, 2, 3)
    feature_propagation: bool = True
    pixel_unshuffle: bool = True
    noise: bool = False

    def __post_init__(self) -> None:
        if min(self.wf, self.wf + self.scale, self.wf + self.scale + self.vscale) < 1:
            raise ValueError(f"every width must be at least 1, got {self.widths}")
        if len(self.unets) != 3 or min(self.unets) < 1:
            raise ValueError(f"unets must name at least one U-Net per scale, got {self.unets}")
        object.__setattr__(self, "unets", tuple(self.unets))  # JSON gives a list

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels at the three levels of every U-Net."""
        return self.wf, self.wf + self.scale, self.wf + self.scale + self.vscale

    @classmethod
    def small(cls) -> "MSSNetConfig":
        """The paper's small network, 6.76 M parameters."""
        return cls(20, 40, 40)

    @classmethod
    def official(cls) -> "MSSNetConfig":
        """The paper's MSSNet, 15.61 M parameters."""
        return cls(54, 42, 42)

    @classmethod
    def large(cls) -> "MSSNetConfig":
        """The paper's MSSNet-large, 28.18 M parameters."""
        return cls(80, 50, 50)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain data, for model cards."""
        return asdict(self)


@dataclass(frozen=True)
class StageResult:
    """What one U-Net of MSSNet says.

    name: "S1-U1" to "S3-U3". scale: "S1", "S2" or "S3". photo: (N, 3, h, w), raw, not clamped, at
    the stage's own size (S1: half of the photo's, although it computes at a quarter; S2, S3: the
    photo's). residual: what the stage added to the blurred photo, same shape. seconds: time since
    the previous stage was done. features: (N, wf, ., .) the decoder's finest features, on request.
    """

    name: str
    scale: str
    photo: Tensor
    residual: Tensor
    seconds: float
    features: Tensor | None = None


def conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def conv1(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def resize(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def add(new: Tensor, x: Tensor) -> Tensor:
    """new + x, in the memory of `new`: a large photo's features fill 100 MB each.

    In bfloat16 training `new` may be coarser than x; then the sum is kept as fine as x.
    """
    return new.add_(x) if new.dtype == x.dtype else new + x


# A 1x1 convolution mixes channels, a bilinear resize mixes pixels: they may be swapped without
# changing the result. So `up` and the fusion convolve first, where pixels are four times fewer.


class ResBlock(nn.Module):
    """x + conv(PReLU(conv(x)))"""

    act: nn.PReLU

    def __init__(self, width: int, act: nn.PReLU):
        super().__init__()
        self.conv1, self.conv2 = conv3(width, width), conv3(width, width)
        # not registered here: the network owns it, once, and saves it under one name
        object.__setattr__(self, "act", act)

    def forward(self, x: Tensor) -> Tensor:
        return add(self.conv2(self.act(self.conv1(x))), x)


def two_blocks(width: int, act: nn.PReLU) -> nn.Sequential:
    return nn.Sequential(ResBlock(width, act), ResBlock(width, act))


class Encoder(nn.Module):
    """Three levels, each half the size of the last; may add the features of an earlier U-Net.

    Cross-stage fusion: level by level, what the earlier encoder and decoder found goes through a
    1x1 convolution and is added. The maps are taken out of the lists that hold them, so that their
    memory is free for this encoder's own.
    """

    def __init__(self, widths: tuple[int, int, int], act: nn.PReLU, fused: bool):
        super().__init__()
        self.levels = nn.ModuleList(two_blocks(w, act) for w in widths)
        self.down = nn.ModuleList(conv1(a, b) for a, b in pairwise(widths))
        if fused:
            self.from_encoder = nn.ModuleList(conv1(w, w) for w in widths)
            self.from_decoder = nn.ModuleList(conv1(w, w) for w in widths)

    def forward(
        self, x: Tensor, earlier: Features | None = None, enlarge: bool = False
    ) -> list[Tensor]:
        encoded = []
        for level, blocks in enumerate(self.levels):
            x = blocks(x)  # (N, width[level], H / 2**level, W / 2**level)
            if earlier is not None:
                e, d = (maps.pop(0) for maps in earlier)
                fused = add(self.from_encoder[level](e), self.from_decoder[level](d))
                del e, d
                x = add(resize(fused, 2) if enlarge else fused, x)
            encoded.append(x)
            if level < 2:
                x = self.down[level](resize(x, 0.5))
        return encoded


class Decoder(nn.Module):
    """From the coarsest level back to the finest, with a skip from the encoder at each."""

    def __init__(self, widths: tuple[int, int, int], act: nn.PReLU):
        super().__init__()
        self.levels = nn.ModuleList(two_blocks(w, act) for w in widths)
        self.up = nn.ModuleList(conv1(b, a) for a, b in pairwise(widths))
        self.skip = nn.ModuleList(ResBlock(w, act) for w in widths[:2])

    def forward(self, encoded: list[Tensor]) -> list[Tensor]:
        e1, e2, e3 = encoded
        d3 = self.levels[2](e3)
        d2 = self.levels[1](resize(self.up[1](d3), 2) + self.skip[1](e2))
        d1 = self.levels[0](resize(self.up[0](d2), 2) + self.skip[0](e1))
        return [d1, d2, d3]


class UNet(nn.Module):
    """One stage: an encoder and a decoder."""

    def __init__(self, widths: tuple[int, int, int], act: nn.PReLU, fused: bool):
        super().__init__()
        self.encoder, self.decoder = Encoder(widths, act, fused), Decoder(widths, act)

    def forward(
        self, x: Tensor, earlier: Features | None = None, enlarge: bool = False
    ) -> Features:
        encoded = self.encoder(x, earlier, enlarge)
        return encoded, self.decoder(encoded)


class Scale(nn.Module):
    """All that happens at one size: shallow features, a run of U-Nets, and a residual from each.

    takes_features: whether the coarser scale hands its features up to this one.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        unets: int,
        takes_features: bool,
        cfg: MSSNetConfig,
        act: nn.PReLU,
    ):
        super().__init__()
        w = cfg.wf
        self.shallow = nn.Sequential(conv3(inputs, w), ResBlock(w, act))
        if takes_features:
            self.enlarge, self.merge = conv1(w, w), conv3(2 * w, w)
        self.unets = nn.ModuleList(
            UNet(cfg.widths, act, fused=i > 0 or takes_features) for i in range(unets)
        )
        self.tails = nn.ModuleList(conv3(w, outputs) for _ in range(unets))


@dataclass
class Stage:
    """A stage that has run: its features (N, wf, h, w), from which its image can be computed.

    base: the blurred photo at the stage's own size. tail: the convolution that makes the residual.
    """

    name: str
    scale: str
    base: Tensor
    features: Tensor
    tail: nn.Module

    def residual(self) -> Tensor:
        """What the stage adds to the blurred photo: (N, 3, H, W), half as large at S1."""
        r = self.tail(self.features)  # (N, 12, ., .) at S1 and S2, (N, 3, H, W) at S3
        return F.pixel_shuffle(r, 2) if r.shape[1] == 12 else r

    def image(self) -> Tensor:
        """The deblurred photo of this stage, raw."""
        return self.base + self.residual()


class MSSNet(nn.Module):
    """MSSNet, ready to be trained or run.

    `model(photo)` gives the deblurred photo, `model.stages(photo)` the six results one after
    another. Photos: (3, H, W) or (N, 3, H, W), sRGB in [0, 1], H and W at least 32 px and otherwise
    free; grey photos (one channel) are repeated to three. Results are raw, not clamped.

    >>> model = MSSNet(MSSNetConfig(8, 8, 8)).eval()
    >>> with torch.no_grad():
    ...     [s.name for s in model.stages(torch.rand(3, 48, 70))]
    ['S1-U1', 'S2-U1', 'S2-U2', 'S3-U1', 'S3-U2', 'S3-U3']
    """

    def __init__(self, config: MSSNetConfig | None = None):
        super().__init__()
        self.config = cfg = config or MSSNetConfig.official()
        self.act = act = nn.PReLU()  # one module, one number, shared by every block
        channels = 3 + cfg.noise
        unshuffled = 4 * channels if cfg.pixel_unshuffle else channels
        propagate = cfg.feature_propagation
        image = 0 if propagate else 3  # the coarser scale's image joins the input instead
        self.s1 = Scale(unshuffled, 12, cfg.unets[0], False, cfg, act)
        self.s2 = Scale(unshuffled + image, 12, cfg.unets[1], propagate, cfg, act)
        self.s3 = Scale(channels + image, 3, cfg.unets[2], propagate, cfg, act)

    # -- what the learner calls ---------------------------------------------------------------

    def forward(self, photo: Tensor, noise: Tensor | None = None) -> Tensor:
        """The last stage's image, in the shape of `photo` (grey comes back with 3 channels)."""
        batch = self.prepare(photo)
        noise = self._pad(noise) if noise is not None else None
        # each holds features of the photo's size, so only the last is kept
        [last] = deque(self.run_stages(batch, noise), maxlen=1)
        image = last.image()[..., : photo.shape[-2], : photo.shape[-1]]
        return image if photo.ndim == 4 else image[0]

    def stages(
        self, photo: Tensor, features: bool = False, noise: Tensor | None = None
    ) -> Iterator[StageResult]:
        """Yield the six results as `StageResult`, each as soon as it is computed."""
        batch = self.prepare(photo)
        noise = self._pad(noise) if noise is not None else None
        start = time.perf_counter()
        for stage in self.run_stages(batch, noise):
            residual = stage.residual()
            image = stage.base + residual
            half = 2 if stage.scale == "S1" else 1
            h, w = (-(-side // half) for side in photo.shape[-2:])  # rounded up: odd photos
            image, residual = (t[..., :h, :w] for t in (image, residual))
            if photo.ndim == 3:
                image, residual = image[0], residual[0]
            seconds = time.perf_counter() - start
            kept = stage.features if features else None
            yield StageResult(stage.name, stage.scale, image, residual, seconds, kept)
            start = time.perf_counter()  # the reader's own work between two stages does not count

    # -- what training and `inspect` call -----------------------------------------------------

    def pictures(self, batch: Tensor, noise: Tensor | None = None, scales: int = 3) -> list[Tensor]:
        """The images of the first `scales` scales. Sides must be multiples of 16: no checks."""
        stages = islice(self.run_stages(batch, noise), sum(self.config.unets[:scales]))
        return [stage.image() for stage in stages]

    def prepare(self, photo: Tensor) -> Tensor:
        """A photo as `run_stages` takes it: checked, and mirrored up to a multiple of 16."""
        return self._pad(images.as_batch(photo, min_px=MIN_PX))

    def run_stages(self, blurred: Tensor, noise: Tensor | None = None) -> Iterator[Stage]:
        """Yield the stages, S1-U1 first; a stage's image is computed only if somebody asks for it.

        blurred: (N, 3, H, W), sides multiples of 16. noise: (N, 1, H, W), for `config.noise` only.
        """
        cfg = self.config
        # align_corners=True for the photo itself, as in the paper's code; features use False
        blurred_half = F.interpolate(blurred, scale_factor=0.5, mode="bilinear", align_corners=True)
        full, half = blurred, blurred_half
        if cfg.noise:
            noise = torch.zeros_like(blurred[:, :1]) if noise is None else noise
            full = torch.cat([full, noise], 1)
            # every second number: averaging would make the noise quieter at the coarse scale
            half = torch.cat([half, noise[..., ::2, ::2]], 1)
        if cfg.pixel_unshuffle:
            inputs = F.pixel_unshuffle(half, 2), F.pixel_unshuffle(full, 2), full
        else:
            inputs = resize(half, 0.5), resize(full, 0.5), full
        scales = ("S1", self.s1, blurred_half), ("S2", self.s2, blurred), ("S3", self.s3, blurred)
        stage, maps = None, None  # the stage before, and its U-Net's maps
        for (name, scale, base), x in zip(scales, inputs, strict=True):
            if stage is not None and not cfg.feature_propagation:
                x = torch.cat([x, stage.image()], 1)  # S1's image has the size S2 works at
                maps = None
            x = scale.shallow(x)  # (N, wf, H/4, W/4), then H/2, then H
            if maps is not None:
                x = scale.merge(torch.cat([x, resize(scale.enlarge(maps[1][0]), 2)], 1))
            for i, (unet, tail) in enumerate(zip(scale.unets, scale.tails, strict=True)):
                maps = unet(x, maps, enlarge=i == 0)
                x = maps[1][0]  # the decoder's finest map
                stage = Stage(f"{name}-U{i + 1}", name, base, x, tail)
                yield stage

    @staticmethod
    def _pad(batch: Tensor) -> Tensor:
        height, width = batch.shape[-2:]
        return F.pad(batch, (0, -width % MULTIPLE_OF, 0, -height % MULTIPLE_OF), mode="reflect")


def build(**config: Any) -> MSSNet:
    """The network that a model card's `config` describes, with random weights."""
    return MSSNet(MSSNetConfig(**config))
