"""What a classifier says about crops: every zoom of a photo, one crop, ten crops, random crops.

All answers are class probabilities, float32: they judge, so they are never computed in bfloat16
(`mssnet_edu.precision`).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from mssnet_edu.images import PhotoError
from mssnet_edu.models import load_model
from mssnet_edu.models.classifier import class_names
from mssnet_edu.zoom import crops as zooms

__all__ = [
    "CLASSIFIER",
    "all_zooms",
    "centre_crop",
    "classify",
    "each_size",
    "named",
    "ten_crop",
    "zoom_tta",
]

CLASSIFIER = "efficientnet-lite0"
BATCH = 9  # larger ones are no faster on a processor, and need more memory


def classify(crops: Tensor, network: nn.Module | None = None) -> Tensor:
    """The class probabilities of crops.

    crops: (N, 3, 224, 224), sRGB in [0, 1]. network: crops -> logits (N, classes); None for the
    course's classifier. Returns (N, classes), float32. Raises PhotoError for another shape.

    >>> classify(torch.rand(2, 3, 224, 224)).sum(1).round(decimals=3)
    tensor([1., 1.])
    """
    side = zooms.CROP_PX
    if crops.dim() != 4 or tuple(crops.shape[1:]) != (3, side, side):
        raise PhotoError(
            f"crops have shape {tuple(crops.shape)}; expected (N, 3, {side}, {side}). Cut them "
            "with me.zoom.crop, anchor_crops, ten_crops or random_resized_crops."
        )
    network = load_model(CLASSIFIER) if network is None else network
    with torch.no_grad():
        logits = [
            network(part.contiguous(memory_format=torch.channels_last))
            for part in crops.split(BATCH)
        ]
    return torch.cat(logits).float().softmax(1)


def each_size(
    photo: Tensor, sizes_px: Sequence[int] = zooms.SIZES_PX, network: nn.Module | None = None
) -> Iterator[tuple[int, Tensor]]:
    """Classify the nine crops of one size after the other: stop listening, and the work stops.

    photo: (3, H, W), sRGB in [0, 1]. sizes_px: in which order to go. Yields (size, (9, classes)).

    >>> next(each_size(torch.rand(3, 48, 64), [224]))[1].shape
    torch.Size([9, 1000])
    """
    for size_px, crops in zooms.crops_by_size(photo, sizes_px):
        yield size_px, classify(crops, network)


def all_zooms(
    photo: Tensor,
    sizes_px: Sequence[int] = zooms.SIZES_PX,
    *,
    network: nn.Module | None = None,
    progress: bool = False,
) -> Tensor:
    """Classify every zoom of a photo: 36 sizes with nine anchors each.

    photo: (3, H, W), sRGB in [0, 1]. progress: show a bar. Returns (sizes, 9, classes).
    `each_size` gives the same one by one, and can be stopped.

    >>> all_zooms(torch.rand(3, 48, 64), [224, 448]).shape
    torch.Size([2, 9, 1000])
    """
    answers = each_size(photo, sizes_px, network)
    if progress:
        from tqdm.auto import tqdm

        answers = tqdm(answers, desc="zooms", total=len(sizes_px), unit="size")
    return torch.stack([probabilities for _, probabilities in answers])


def centre_crop(photo: Tensor, network: nn.Module | None = None) -> Tensor:
    """The class probabilities of the usual crop, the middle of the photo: (classes,).

    >>> centre_crop(torch.rand(3, 48, 64)).shape
    torch.Size([1000])
    """
    return classify(zooms.crop(photo, zooms.CROP_PX)[None], network)[0]


def named(probabilities: Tensor, count: int = 1) -> list[tuple[str, float]]:
    """The most likely classes by name, best first: [(name, probability), ...].

    probabilities: (1000,), of ImageNet's classes.

    >>> named(torch.eye(1000)[309])
    [('bee', 1.0)]
    """
    names = class_names()
    best = probabilities.topk(count)
    return [(names[i], p) for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


def ten_crop(photo: Tensor, network: nn.Module | None = None) -> Tensor:
    """Mean class probabilities over `ten_crops`: (classes,)."""
    return classify(zooms.ten_crops(photo), network).mean(0)


def zoom_tta(
    photo: Tensor,
    count: int = 16,
    seed: int | torch.Generator = 0,
    scale: tuple[float, float] = (0.08, 1.0),
    network: nn.Module | None = None,
) -> Tensor:
    """Test-time augmentation by zooming: mean class probabilities over random resized crops.

    photo, count, seed, scale: as in `random_resized_crops`. Returns (classes,).
    Source: Taesiri et al. 2023.

    >>> zoom_tta(torch.rand(3, 48, 64), count=4).sum().round(decimals=3)
    tensor(1.)
    """
    crops = zooms.random_resized_crops(photo, count, seed, scale)
    return classify(crops, network).mean(0)
