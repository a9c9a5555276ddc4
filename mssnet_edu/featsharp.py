"""Features of a photo at more resolution than the network that made them has.

A vision transformer describes a photo of 224 px by 16 x 16 vectors. Five ways to get more of them:

    nearest, bilinear   enlarge the map as if it were a picture
    jbu                 enlarge it along the photo's own edges (joint bilateral upsampling)
    tiles               enlarge the photo, cut it up, encode each piece
    featsharp           fuse the last two by a small network, `models.featsharp`

`upsample` does each of them; `fit` trains the fusion for one photo; the rest makes maps visible.
Sources: see `mssnet_edu.models.featsharp`.
"""

import copy
import dataclasses
import math
import time
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mssnet_edu import images
from mssnet_edu.models.catalogue import load_model, names
from mssnet_edu.models.encoders import Encoder, encode_tiles, encoder
from mssnet_edu.models.featsharp import FACTORS, DownSampler, FeatSharp, phi_s, view_loss, view_of

__all__ = [
    "METHODS",
    "Fit",
    "argmax_px",
    "cosine_similarity",
    "draw_views",
    "encode",
    "encoder",
    "fidelity",
    "fit",
    "grid_px",
    "mean_features",
    "pca_colours",
    "resize",
    "take_view",
    "upsample",
]

METHODS = ("nearest", "bilinear", "jbu", "tiles", "featsharp")


# --- encode and upsample --------------------------------------------------------------------------


def grid_px(encoder: Encoder, photo: Tensor) -> tuple[int, int]:
    """At which size the encoder sees a photo: (height, width) in px, the shorter side native.

    The longer side is rounded to whole patches. Raises PhotoError for more than 4 to 1.
    >>> grid_px(encoder("vit-s14"), torch.rand(3, 300, 410))
    (224, 308)
    """
    height, width = photo.shape[-2:]
    short = min(height, width)
    if max(height, width) > 4 * short:
        raise images.PhotoError(
            f"photo is {width} x {height} px; one side is more than 4 times the other. Crop it: "
            "me.images.crop(photo, box)"
        )
    patch, native = encoder.patch_px, encoder.native_px
    height, width = (round(side / short * native / patch) * patch for side in (height, width))
    return height, width


def resize(photo: Tensor, size: int | Sequence[int]) -> Tensor:
    """Resize photos to (height, width), or to a square of so many px; bicubic, anti-aliased.

    photo: (3, H, W) or (N, 3, H, W), sRGB in [0, 1]. Returns the same with that size, in [0, 1].
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    if tuple(photo.shape[-2:]) == size:
        return photo
    batch = photo if photo.ndim == 4 else photo[None]
    smaller = size[0] < photo.shape[-2]
    resized = F.interpolate(batch, size, mode="bicubic", antialias=smaller).clamp(0, 1)
    return resized if photo.ndim == 4 else resized[0]


def encode(encoder: Encoder, photo: Tensor, factor: int = 1) -> Tensor:
    """Describe a photo at its native size, or run the encoder itself on one `factor` times larger.

    photo: (3, H, W), any size. Returns (C, factor h, factor w). Costs factor^2 times the memory;
    an encoder that never saw such sizes may answer differently.
    >>> encode(encoder("vit-s14"), torch.rand(3, 64, 64)).shape
    torch.Size([384, 16, 16])
    """
    batch = _single(photo)
    size = [factor * side for side in grid_px(encoder, batch)]
    with torch.inference_mode():
        return encoder.encode(resize(batch, size))[0]


def upsample(
    encoder: Encoder,
    photo: Tensor,
    factor: int = 2,
    method: str = "featsharp",
    model: FeatSharp | None = None,
) -> Tensor:
    """Return the features of a photo at `factor` times the encoder's own resolution.

    encoder: of `encoder(...)`, or `me.load_model("vit-s14")`. photo: (3, H, W), sRGB in [0, 1]; its
    shorter side is resized to the encoder's 224 px, and for tiles to factor times that.
    factor: 2 or 4. method: one of METHODS. model: a FeatSharp, such as `fit` returns; None takes
    the trained one. All methods answer in the encoder's own units; "featsharp" leaves the
    encoder's fixed pattern out.
    Returns (C, factor h, factor w). Raises ValueError for another factor or method, or where
    "featsharp" was not trained for the encoder; PhotoError for what is no photo.
    >>> upsample(encoder("vit-s14"), torch.rand(3, 64, 64), 2, "bilinear").shape
    torch.Size([384, 32, 32])
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(METHODS)}.")
    if factor not in FACTORS:
        raise ValueError(f"factor is {factor!r}; expected 2 or 4.")
    if not isinstance(encoder, Encoder):
        raise TypeError(
            f"encoder is a {type(encoder).__name__}; use me.featsharp.encoder('vit-s14')."
        )
    batch, factor = _single(photo), int(factor)
    size = grid_px(encoder, batch)
    with torch.inference_mode():
        if method == "tiles":
            return _encode_tiles(encoder, batch, size, factor)[0]
        low = encoder.encode(resize(batch, size))
        if method == "nearest":
            return F.interpolate(low, scale_factor=factor)[0]
        if method == "bilinear":
            return F.interpolate(low, scale_factor=factor, mode="bilinear")[0]
        model = model or trained_for(encoder)
        if method == "jbu":  # its weights look at the photo only, so they serve any encoder
            model = model or cast(FeatSharp, load_model("featsharp-vit-s14"))
            return model.upsample_jbu(low, batch, factor)[0]
        if model is None:
            raise ValueError(
                "there is no trained FeatSharp for this encoder. Fit one to your photo: "
                "me.featsharp.fit(encoder, photo).model"
            )
        tiled = _encode_tiles(encoder, batch, size, factor)
        return model.unstandardise(model(low, tiled, batch, factor))[0]


def _encode_tiles(encoder: Encoder, batch: Tensor, size: tuple[int, int], factor: int) -> Tensor:
    return encode_tiles(encoder, resize(batch, [factor * side for side in size]), factor)


def _single(photo: Tensor) -> Tensor:
    batch = images.as_batch(photo, min_px=32)
    if len(batch) != 1:
        raise images.PhotoError(f"photo is a batch of {len(batch)}; give one: photo[0].")
    return batch


def trained_for(encoder: Encoder) -> FeatSharp | None:
    """Return the course's trained FeatSharp for an encoder, or None if there is none."""
    known = getattr(getattr(encoder, "info", None), "name", None)
    for name in names("features"):
        if name.startswith("featsharp-") and known:
            model = load_model(name)
            if isinstance(model, FeatSharp) and model.encoder == known:
                return model
    return None


# --- views ----------------------------------------------------------------------------------------


def draw_views(count: int, generator: torch.Generator, max_zoom: float = 4.0) -> Tensor:
    """Draw views of a photo: (count, 4), each (top, left, side, mirrored) in shares of its sides.

    Zooms are spread over 1 to max_zoom, evenly on a logarithmic scale; half are mirrored.
    >>> draw_views(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 4])
    """
    steps = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    side = max_zoom**-steps
    corner = torch.rand(count, 2, generator=generator) * (1 - side)[:, None]
    mirrored = (torch.rand(count, generator=generator) < 0.5).float()
    return torch.stack([corner[:, 0], corner[:, 1], side, mirrored], 1)


def take_view(photo: Tensor, box: Tensor, size: int | Sequence[int]) -> Tensor:
    """Cut a view out of a photo (N, 3, H, W), at `size` px: (height, width), or one number.

    box: a row of `draw_views`. Returns (N, 3, *size).
    """
    size = (size, size) if isinstance(size, int) else tuple(size)
    # first at about the photo's own resolution, then averaged down: no aliasing
    oversample = max(1, math.ceil(float(box[2]) * photo.shape[-1] / size[1]))
    return resize(view_of(photo, box, [oversample * side for side in size]), size)


def fidelity(predicted: Tensor, target: Tensor) -> Tensor:
    """How well features are predicted: the target's variance over the mean squared error.

    predicted, target: (N, C, h, w). The variance is that of each channel within each map; 1 means
    no better than the map's own mean. Returns (N,): higher is better.
    >>> fidelity(torch.zeros(1, 2, 4, 4), torch.randn(1, 2, 4, 4)).shape
    torch.Size([1])
    """
    variance = (target - target.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    return variance / (predicted - target).square().mean((1, 2, 3)).clamp(min=1e-12)


# --- training for one photo -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Fit:
    """What `fit` returns: the model, and how the training went.

    losses: one number a step. before, after: fidelity on views that it never trained on.
    """

    model: FeatSharp
    losses: list[float]
    before: float
    after: float
    seconds: float


def fit(
    encoder: Encoder,
    photo: Tensor,
    factor: int = 2,
    steps: int = 80,
    views: int = 18,
    seed: int = 0,
    progress: bool = True,
) -> Fit:
    """Train the fusion for one photo, on views of that photo alone.

    encoder, photo, factor: as for `upsample`. steps: of training; views: how many views are
    described (a sixth of them only tests). seed: the same gives the same answer. progress: a bar.
    JBU, bias and standardisation come from the trained model where there is one; the fusion begins
    untrained, as the JBU map. Returns a `Fit`; use it: upsample(..., model=fit.model).
    Raises ValueError for another factor, or too few steps or views.
    """
    if factor not in FACTORS:
        raise ValueError(f"factor is {factor!r}; expected 2 or 4.")
    if steps < 1 or views < 6:
        raise ValueError(f"steps is {steps}, views is {views}; at least 1 and 6 are needed.")
    start = time.perf_counter()
    batch = _single(photo)
    generator = torch.Generator().manual_seed(seed)
    size = grid_px(encoder, batch)
    boxes = draw_views(views, generator, max_zoom=factor)
    boxes = boxes[torch.randperm(views, generator=generator)]
    with torch.inference_mode():
        low = encoder.encode(resize(batch, size))
        tiled = _encode_tiles(encoder, batch, size, factor)
        targets = torch.cat([encoder.encode(take_view(batch, box, size)) for box in boxes])
    low, tiled, targets = (maps.clone() for maps in (low, tiled, targets))  # out of inference mode
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = _untrained(encoder, torch.cat([low, targets]))
    bias = model.bias_for(*low.shape[2:]).detach()
    with torch.no_grad():
        targets = model.standardise(targets)
        jbu = model.upsample_jbu(model.standardise(low) - bias, batch, factor)
        tiled = model.standardise(tiled) - model.bias_for(*tiled.shape[2:], factor=factor)
    held_out = slice(0, views // 6)
    fusion, down = model.fusion[str(factor)], cast(DownSampler, model.down[str(factor)])
    embedding = model.tile_embedding[str(factor)]
    parameters = [*fusion.parameters(), *down.parameters(), embedding]

    def held_out_fidelity() -> float:
        with torch.no_grad():
            sharp = model.fuse(jbu, tiled, factor)
            _, predicted = view_loss(sharp, targets[held_out], boxes[held_out], down, bias)
            return float(fidelity(predicted, targets[held_out]).mean())

    before = held_out_fidelity()
    losses = []
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.0)
    count = range(steps)
    if progress:
        from tqdm.auto import tqdm

        count = tqdm(count, desc="fitting", unit="step")
    with torch.enable_grad():
        for step in count:
            optimiser.param_groups[0]["lr"] = 2e-3 * min(1, 4 * (1 - step / steps), (step + 1) / 5)
            order = torch.randperm(views - held_out.stop, generator=generator)
            chosen = held_out.stop + order[:5]
            sharp = model.fuse(jbu, tiled, factor)
            loss, _ = view_loss(sharp, targets[chosen], boxes[chosen], down, bias)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
    model = model.eval().requires_grad_(False)
    return Fit(model, losses, before, held_out_fidelity(), time.perf_counter() - start)


def _untrained(encoder: Encoder, maps: Tensor) -> FeatSharp:
    """A model whose fusion is untrained; the rest from the trained one, or from these maps."""
    trained = trained_for(encoder)
    cells = encoder.native_px // encoder.patch_px
    channels = maps.shape[1]
    model = FeatSharp(channels, cells, heads=6 if channels >= 96 else 4)
    if trained is None:
        mean, rotation, scale = phi_s(maps.permute(0, 2, 3, 1).flatten(0, 2))
        model.mean.copy_(mean)
        model.rotation.copy_(rotation)
        model.scale.fill_(scale)
        trained = cast(FeatSharp, load_model("featsharp-vit-s14"))
    else:
        with torch.no_grad():
            for name in ("mean", "rotation", "scale", "bias"):
                getattr(model, name).copy_(getattr(trained, name))
    model.jbu = copy.deepcopy(trained.jbu)
    model.down = copy.deepcopy(trained.down)
    return model.requires_grad_(True)


# --- looking at features ------------------------------------------------------------------------


def mean_features(encoder: Encoder, photos: Sequence[Tensor]) -> Tensor:
    """Average the features of many photos, cell by cell: what is left does not come from any.

    photos: a list of (3, H, W), each seen as a middle square. Returns (C, h, w), minus each
    channel's own mean: the encoder's fixed pattern, the clearer the more photos there are.
    """
    total = torch.zeros(())
    for photo in photos:
        side = min(photo.shape[-2:])
        top, left = ((n - side) // 2 for n in photo.shape[-2:])
        total = total + encode(encoder, photo[:, top : top + side, left : left + side])
    mean = total / len(photos)
    return mean - mean.mean((1, 2), keepdim=True)


def cosine_similarity(
    features: Tensor, row: int, column: int, centre: Tensor | None = None
) -> Tensor:
    """Cosine similarity of one cell's vector with every cell's: 1 the same, 0 unrelated.

    features: (C, H, W). row, column: a cell. centre: (C,) is subtracted first; None takes the
    map's own mean, since all vectors of a network share a direction that tells nothing.
    Returns (H, W) in [-1, 1]. Raises ValueError for a cell outside.
    >>> cosine_similarity(torch.randn(8, 4, 5), 1, 2).shape
    torch.Size([4, 5])
    """
    _, height, width = features.shape
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"cell ({row}, {column}) is outside the map of {height} rows and {width} columns"
        )
    centre = features.mean((1, 2)) if centre is None else centre
    unit = F.normalize(features - centre[:, None, None], dim=0)
    return torch.einsum("c,chw->hw", unit[:, row, column], unit)


def argmax_px(score: Tensor, size_px: float) -> tuple[float, float]:
    """Return (x, y), in px: the middle of the brightest cell of a map (n, n) of a square photo.

    size_px: the photo's side.

    >>> argmax_px(torch.eye(4)[[1, 0, 0, 0]] * torch.tensor([0, 1, 0, 0]), 80)
    (30.0, 10.0)
    """
    row, column = divmod(int(score.argmax()), score.shape[1])
    cell_px = size_px / score.shape[1]
    return (column + 0.5) * cell_px, (row + 0.5) * cell_px


def pca_colours(maps: Sequence[Tensor], like: Tensor | None = None) -> list[Tensor]:
    """Show maps as colours: their first three principal components as red, green and blue.

    maps: a list of (C, h, w), of any sizes. like: the map that the components are taken from; None
    takes the first. One basis and one scale serve all, so equal colours mean equal features.
    Returns a list of photos (3, h, w) in [0, 1].
    >>> [tuple(p.shape) for p in pca_colours([torch.randn(8, 4, 4), torch.randn(8, 9, 9)])]
    [(3, 4, 4), (3, 9, 9)]
    """
    maps = list(maps)
    like = maps[0] if like is None else like
    cells = like.flatten(1).T.double()  # (h w, C)
    mean = cells.mean(0)
    covariance = (cells - mean).T @ (cells - mean)
    axes = torch.linalg.eigh(covariance)[1][:, -3:].flip(1)  # (C, 3), the strongest first
    axes = axes * torch.where(axes.sum(0) < 0, -1.0, 1.0)  # a direction has no sign of its own
    components = (cells - mean) @ axes
    low, high = components.quantile(0.02, 0), components.quantile(0.98, 0)
    colours = []
    for features in maps:
        components = (features.flatten(1).T.double() - mean) @ axes
        unit = ((components - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
        colours.append((0.05 + 0.9 * unit).T.reshape(3, *features.shape[1:]).float())
    return colours
