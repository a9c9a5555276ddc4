"""A network that fills in clipped pixels: from one reference frame where it can, else by invention.

Each clipped value was at least white, so the network says how many stops above white it was. For
that it has two answers, and a gate that chooses between them, pixel by pixel: what the reference
frame recorded at the same place of the scene, once aligned (*remembered*), and what usually lies
behind such a white (*invented*). What the camera did record passes through unchanged.

The reference is first turned as the camera turned, which an exhaustive search finds (alignment.py).
The network works at three scales: 1/4, 1/8 and 1/16 of the frame's size. At 1/8 a transformer lets
each place of the frame look at all of the frame (self-attention) and at all of the reference
(cross-attention); the softmax over all places of the reference, and a finer search, correct the
alignment. Random numbers at
each scale of the decoder draw one of many fills; without them it gives its best guess.

Sources: Xing et al., "Online Overexposed Pixels Hallucination in Videos with Adaptive Reference
Frame Selection" (2023), from the paper alone, for the task, the reference and the multi-scale
transformer; Xu et al., "GMFlow" (CVPR 2022) for alignment as a softmax over all places and its
propagation by self-attention. The gate and the noise are this course's, and so are the weights.
"""

import itertools
import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mssnet_edu import images
from mssnet_edu.exposure.camera import CEILING_STOPS, clipped, expose
from mssnet_edu.models.alignment import camera_motion, grid, warp

__all__ = ["Fill", "Overexposure", "build"]

STRIDES = {1: (8,), 2: (4, 8), 3: (4, 8, 16)}  # of the feature maps, by the number of scales
ALIGN_STRIDE = 8  # where the transformer is: 1024 places for a frame of 256 x 256 px
NOISE = 4  # random channels per scale
DARKEST = 1 / 64  # of white: below, 8 bits and noise leave nothing to compare
SEARCH = 3  # cells around each match in which the finest scale refines it


class Fill(NamedTuple):
    """A filled frame and where it came from.

    light: (N, 3, H, W) exposed light, 1 is white. remembered: (N, 3, H, W), the share taken from
    the reference, 0 (invented) to 1; 0 where nothing was clipped. displacement: (N, 2, H, W), how
    far each pixel lies from its match in the reference, (x, y) in px; None without a reference.
    """

    light: Tensor
    remembered: Tensor
    displacement: Tensor | None


class Features(NamedTuple):
    """What the decoder needs to know: of the frame, and of the aligned reference if there is one.

    known: (N, 9, H, W) encoded frame, clipped, encoded reference. available: (N, 3, H, W).
    maps: per scale, the finest first. displacement: see `Fill`.
    """

    known: Tensor
    recorded: Tensor
    available: Tensor
    maps: list[Tensor]
    displacement: Tensor | None


def _encode(exposed: Tensor) -> Tensor:
    """Exposed light in thirds of a stop-like unit: log2 above the darkest, about -2 to 2."""
    return torch.log2(exposed + DARKEST) / 3


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


class ResBlock(nn.Module):
    """x + conv(gelu(conv(gelu(x)))): (N, C, h, w) -> the same."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(nn.GELU(), _conv(width, width), nn.GELU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Attention(nn.Module):
    """Multi-head attention of tokens (N, T, C) over others (N, S, C), with a norm and a residual.

    Source: Vaswani et al. 2017, with the norm first.
    """

    def __init__(self, width: int, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        query = self.query(self.norm(tokens))
        key, value = self.key_value(self.norm(others)).chunk(2, -1)
        split = [x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)]
        attended = F.scaled_dot_product_attention(*split)  # (N, heads, T, C / heads)
        return tokens + self.out(attended.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Look at oneself, then at the other frame if there is one, then think (MLP): (N, T, C)."""

    def __init__(self, width: int, cross: bool = True):
        super().__init__()
        self.itself = Attention(width)
        self.other = Attention(width) if cross else None
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor, others: Tensor | None = None) -> Tensor:
        tokens = self.itself(tokens, tokens)
        if self.other is not None and others is not None:
            tokens = self.other(tokens, others)
        return tokens + self.mlp(tokens)


def _positions(width: int, height: int, columns: int) -> Tensor:
    """Sines and cosines of a cell's row and column, (height * columns, width)."""
    rate = torch.exp2(-torch.arange(width // 4) * 24.0 / width)  # wavelengths of 6 to 400 cells
    y, x = (torch.arange(n)[:, None] * rate for n in (height, columns))
    y, x = (torch.cat([each.sin(), each.cos()], -1) for each in (y, x))
    y, x = y[:, None].expand(-1, columns, -1), x[None].expand(height, -1, -1)
    return torch.cat([y, x], -1).flatten(0, 1)


def _camera_motion(frame: Tensor, reference: Tensor, there: Tensor, gain_ev: Tensor) -> Tensor:
    """`camera_motion` from frame to reference; there: its light in the frame's exposure."""
    here = images.luma(images.to_linear(frame))
    there = images.luma(there)
    # what was darker than the other's black cannot be compared
    dark = DARKEST * torch.exp2(gain_ev.clamp(min=0)).view(-1, 1, 1, 1) / 4
    compared = (~clipped(frame) & (here > dark), ~clipped(reference) & (there > dark))
    stops = (x.clamp(min=DARKEST / 64).log2() for x in (here, there))
    (a, b), (w, v) = stops, compared
    return camera_motion(a, w, b, v)


class Aligner(nn.Module):
    """Where is each place of the frame in the reference? Attention over all places of it.

    displacement = softmax(q k^T / sqrt(C)) positions - position, then a mean of the displacements
    of similar places of the frame, because within the white there is nothing to match.
    """

    def __init__(self, width: int, blocks: int):
        super().__init__()
        self.blocks = nn.ModuleList([TransformerBlock(width) for _ in range(blocks)])
        self.match_query, self.match_key = nn.Linear(width, width), nn.Linear(width, width)
        self.spread_query, self.spread_key = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, frame: Tensor, reference: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Maps (N, C, h, w) -> the frame's map, and the displacement (N, 2, h, w) in cells."""
        height, width = frame.shape[-2:]
        position = _positions(frame.shape[1], height, width).to(frame)
        tokens = frame.flatten(2).mT + position  # (N, h w, C)
        others = None if reference is None else reference.flatten(2).mT + position
        for block in self.blocks:
            # both frames go through the same block, each looking at the other
            tokens, others = (
                block(tokens, others),
                None if others is None else block(others, tokens),
            )
        mapped = tokens.mT.unflatten(2, (height, width))
        if others is None:
            return mapped, None
        place = grid(height, width, tokens).float().flatten(1).T  # (h w, 2)
        found = self._attend(self.match_query(tokens), self.match_key(others), place)
        moved = self._attend(self.spread_query(tokens), self.spread_key(tokens), found - place)
        return mapped, moved.mT.unflatten(2, (height, width))

    @staticmethod
    def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # float32: a place is a number such as 31.4, and bfloat16 would make it 31.5
        scores = (query / math.sqrt(query.shape[-1]) @ key.mT).float()
        with torch.autocast(query.device.type, enabled=False):
            return scores.softmax(-1) @ value


class Refiner(nn.Module):
    """Correct a displacement at a finer scale, by comparing each cell with 7 x 7 around its match.

    Source: the local correlation of Dosovitskiy et al., "FlowNet" (2015).
    """

    def __init__(self, width: int, keys: int = 16):
        super().__init__()
        self.key = nn.Conv2d(width, keys, 1)
        self.first = _conv((2 * SEARCH + 1) ** 2 + width + 2, width)
        self.body = nn.Sequential(ResBlock(width), nn.GELU(), _conv(width, 2))

    def forward(self, frame: Tensor, reference: Tensor, displacement: Tensor) -> Tensor:
        """frame, reference: (N, C, h, w); displacement: (N, 2, h, w) in cells -> a better one."""
        height, width = frame.shape[-2:]
        key = self.key(frame)
        around = F.pad(warp(self.key(reference), displacement), (SEARCH,) * 4)
        shifts = itertools.product(range(2 * SEARCH + 1), repeat=2)
        similar = [(key * around[..., y : y + height, x : x + width]).mean(1) for y, x in shifts]
        known = [torch.stack(similar, 1), frame, displacement.to(frame) / 8]
        return displacement + self.body(self.first(torch.cat(known, 1))).float()


class Overexposure(nn.Module):
    """A clipped frame, and a reference frame if there is one -> exposed light without clipping.

    width: channels at 1/4 of the size (twice as many at 1/8, three times at 1/16). scales: 3, or
    fewer for the paper's ablation: 2 leaves out 1/16, 1 has nothing but 1/8. blocks: of the
    transformer. Called with

        frame, reference: (N, 3, H, W), sRGB in [0, 1], as the camera wrote them;
        ev, reference_ev: their exposures, numbers or (N,); only the difference counts;
        seed: None for the best guess, a whole number for one of many fills.

    Returns (N, 3, H, W) exposed light in the frame's exposure: the frame's own linear values where
    nothing was clipped, bit for bit, and 1 to 64 (six stops above white) where something was.
    Multiply by 2^-EV for the light of the scene. `fill` also says what was remembered.
    Raises ValueError if the sizes of frame and reference differ, PhotoError for what is no photo.

    >>> network = Overexposure(width=8, blocks=1).eval()
    >>> network(torch.rand(1, 3, 40, 56)).shape
    torch.Size([1, 3, 40, 56])
    """

    def __init__(self, width: int = 40, scales: int = 3, blocks: int = 2):
        super().__init__()
        if scales not in STRIDES:
            raise ValueError(f"scales is {scales!r}; expected 1, 2 or 3.")
        if width % 4 or width < 4:  # heads; sines and cosines of rows and columns
            raise ValueError(f"width is {width!r}; expected a multiple of 4.")
        self.strides = STRIDES[scales]
        widths = [{4: width, 8: 2 * width, 16: 3 * width}[stride] for stride in self.strides]
        first, align = self.strides[0], self.strides.index(ALIGN_STRIDE)
        self.align = align  # which of the scales has the transformer

        # encoder, the same for both frames
        self.stem = nn.Sequential(nn.PixelUnshuffle(first), _conv(6 * first**2, widths[0]))
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList([_conv(a, b, stride=2) for a, b in pairs])
        self.encoder = nn.ModuleList(
            [nn.Sequential(ResBlock(w), ResBlock(w)) for w in widths[: align + 1]]
        )
        self.aligner = Aligner(widths[align], blocks)
        self.refiner = Refiner(widths[0]) if align else None

        # decoder
        self.merge = nn.ModuleList([_conv(2 * w + 1, w) for w in widths[: align + 1]])
        self.noise = nn.ModuleList([nn.Conv2d(NOISE, w, 1, bias=False) for w in widths])
        self.up = nn.ModuleList([_conv(b, a) for a, b in pairs])
        self.decoder = nn.ModuleList([nn.Sequential(ResBlock(w), ResBlock(w)) for w in widths])
        self.context = nn.ModuleList([TransformerBlock(widths[-1], cross=False) for _ in range(2)])
        # squares of 2 x 2 px at last: wide layers on a coarse grid are quicker
        self.to_squares = nn.Sequential(
            _conv(widths[0], 24 * (first // 2) ** 2), nn.PixelShuffle(first // 2)
        )
        self.head = nn.Sequential(
            _conv(24 + 4 * 12, 40), nn.GELU(), _conv(40, 40), nn.GELU(), _conv(40, 4 * 4)
        )
        last = cast(nn.Conv2d, self.head[-1])
        nn.init.normal_(last.weight, std=0.01)
        # begin a little above white, the gate half open
        last.bias = nn.Parameter(torch.tensor([-2.0, -2.0, -2.0, 0.0]).repeat_interleave(4))

    def forward(
        self,
        frame: Tensor,
        ev: float | Tensor = 0.0,
        reference: Tensor | None = None,
        reference_ev: float | Tensor | None = None,
        seed: int | None = None,
    ) -> Tensor:
        return self.fill(frame, ev, reference, reference_ev, seed).light

    def fill(
        self,
        frame: Tensor,
        ev: float | Tensor = 0.0,
        reference: Tensor | None = None,
        reference_ev: float | Tensor | None = None,
        seed: int | None = None,
    ) -> Fill:
        """What `forward` gives, and where it came from. Arguments: see the class."""
        frame = images.as_batch(frame, "frame")
        if reference is not None:
            reference = images.as_batch(reference, "reference")
            if reference.shape != frame.shape or reference_ev is None:
                raise ValueError(
                    f"frame is {tuple(frame.shape)}, reference {tuple(reference.shape)} with "
                    f"reference_ev {reference_ev}; expected two frames of one size, and the EV of "
                    "both: network(frame, ev, reference, reference_ev)."
                )
            reference_ev = torch.as_tensor(ev) - torch.as_tensor(reference_ev)
        height, width = frame.shape[-2:]
        multiple = self.strides[-1]
        pad = (0, -width % multiple, 0, -height % multiple)

        def padded(photo: Tensor) -> Tensor:
            return F.pad(photo, pad, mode="replicate")

        features = self.features(
            padded(frame), None if reference is None else padded(reference), reference_ev
        )
        noise = None if seed is None else self.draw_noise(features, seed)
        stops, remembered = self.decode(features, noise)
        stops, remembered = (x[..., :height, :width] for x in (stops, remembered))
        white = clipped(frame, "each")
        light = torch.where(white, torch.exp2(stops), images.to_linear(frame))
        moved = features.displacement
        return Fill(
            light, remembered * white, None if moved is None else moved[..., :height, :width]
        )

    def features(
        self, frame: Tensor, reference: Tensor | None = None, gain_ev: float | Tensor | None = None
    ) -> Features:
        """Encode the frame, and align the reference with it.

        frame, reference: (N, 3, H, W) whose sides are multiples of the largest stride. gain_ev: EV
        of the frame less that of the reference: so much brighter its light would have come out.
        """
        white = clipped(frame, "each").to(frame)
        known = torch.cat([_encode(images.to_linear(frame)), white], 1)
        maps = self._encoded(known)
        nothing = torch.zeros_like(frame)
        if reference is None:
            maps[-1], _ = self.aligner(maps[-1], None)
            maps = [self._merged(i, x, 0 * x, 0 * x[:, :1]) for i, x in enumerate(maps)]
            return Features(torch.cat([known, nothing], 1), nothing, nothing, maps, None)
        gain_ev = torch.as_tensor(0.0 if gain_ev is None else gain_ev).to(frame)
        there = expose(images.to_linear(reference), gain_ev)
        lost = clipped(reference, "each").to(frame)
        motion = _camera_motion(frame, reference, there, gain_ev)
        # the network sees it as if the camera had not turned; beyond its edge all is lost
        turned = warp(torch.cat([_encode(there), 1 - lost], 1), motion)
        others = self._encoded(torch.cat([turned[:, :3], 1 - turned[:, 3:]], 1))
        maps[-1], moved = self.aligner(maps[-1], others[-1])
        assert moved is not None
        displacements = [moved]
        if self.refiner is not None:
            finer = 2 * F.interpolate(moved, scale_factor=2, mode="bilinear")
            displacements.insert(0, self.refiner(maps[0], others[0], finer))
        full = motion + self.strides[0] * F.interpolate(
            displacements[0], scale_factor=self.strides[0], mode="bilinear"
        )
        # stops above white, and not beyond what the network answers
        stops = torch.log2(there.clamp(min=DARKEST)).clamp(max=CEILING_STOPS)
        fetched = warp(torch.cat([stops, 1 - lost], 1), full)
        recorded, available = fetched.split(3, 1)
        # a pixel that is partly fetched from a clipped neighbour is not a recorded one
        available = (available - 0.5).clamp(min=0) * 2
        inside = F.avg_pool2d(available.mean(1, keepdim=True), self.strides[0])
        for i, (x, y, d) in enumerate(zip(maps, others, displacements, strict=True)):
            maps[i] = self._merged(i, x, warp(y, d), inside)
            inside = F.avg_pool2d(inside, 2)
        known = torch.cat([known, recorded / 3], 1)
        return Features(known, recorded, available, maps, full)

    def _encoded(self, known: Tensor) -> list[Tensor]:
        x, maps = self.stem(known), []
        for i, encoder in enumerate(self.encoder):
            x = encoder(self.down[i - 1](x) if i else x)
            maps.append(x)  # (N, width, H / stride, W / stride)
        return maps

    def _merged(self, scale: int, frame: Tensor, reference: Tensor, inside: Tensor) -> Tensor:
        return self.merge[scale](torch.cat([frame, reference, inside.to(frame)], 1))

    def draw_noise(self, features: Features, seed: int | torch.Generator) -> list[Tensor]:
        """Standard normal numbers for each scale, (N, 4, h, w); the same seed gives the same."""
        generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
        count, _, height, width = features.known.shape
        return [
            torch.randn(count, NOISE, height // s, width // s, generator=generator).to(
                features.known
            )
            for s in self.strides
        ]

    def decode(
        self, features: Features, noise: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Stops above white, (N, 3, H, W), 0 to 6, and the share of them that is remembered."""
        maps = list(features.maps)
        if len(maps) < len(self.strides):  # 1/16 is only the decoder's
            maps.append(self.down[-1](maps[-1]))
        x = None
        for i in reversed(range(len(maps))):
            here = maps[i]
            if noise is not None:
                here = here + self.noise[i](noise[i])
            if x is not None:
                below = F.interpolate(x, scale_factor=2, mode="bilinear")
                here = here + self.up[i](below)
            x = self.decoder[i](here)
            if i == len(maps) - 1:
                x = self._look_around(x)
        assert x is not None
        pixels = F.pixel_unshuffle(torch.cat([features.known, features.available], 1), 2)
        answer = self.head(torch.cat([self.to_squares(x), pixels], 1))
        answer = F.pixel_shuffle(answer, 2).float()  # (N, 4, H, W)
        invented = CEILING_STOPS * answer[:, :3].sigmoid()
        remembered = answer[:, 3:].sigmoid() * features.available
        recorded = features.recorded.clamp(min=0)  # white means: at least as bright as white
        return remembered * recorded + (1 - remembered) * invented, remembered

    def _look_around(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        tokens = x.flatten(2).mT + _positions(x.shape[1], height, width).to(x)
        for block in self.context:
            tokens = block(tokens)
        return tokens.mT.unflatten(2, (height, width))


def build(width: int = 40, scales: int = 3, blocks: int = 2) -> Overexposure:
    """The network that a model card's `config` describes, with random weights."""
    return Overexposure(width, scales, blocks)
