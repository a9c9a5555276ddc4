"""FeatSharp: give the features of a photo more resolution than the network that made them has.

A vision transformer describes a photo of 224 px by 16 x 16 vectors. Five ways to get more of them:

    nearest, bilinear   enlarge the map as if it were a picture
    jbu                 enlarge it along the photo's own edges: *borrowed* detail
    tiles               enlarge the photo, cut it up, describe each piece: *measured* detail
    featsharp           put both side by side, and let a small network decide

The last was trained without labels: what it says of a photo must agree with what the encoder says
of zoomed, shifted and mirrored views of the same photo.

Sources: Ranzinger et al., "FeatSharp: Your Vision Model Features, Sharper" (ICML 2025), from the
paper alone; Fu et al., "FeatUp" (ICLR 2024) for joint bilateral upsampling and for the idea of
views; Ranzinger et al., "PHI-S" (2024) for the standardisation. The weights are this course's own.
Unlike the paper: views are zoomed, shifted and mirrored, without the small homography; JBU and the
fixed pattern are trained first and then kept, the fusions after them; the pattern begins with the
mean over all views.
"""

import copy
import dataclasses
import functools
import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from mssnet_edu import images
from mssnet_edu.models import encoders
from mssnet_edu.models.catalogue import load_model, names

__all__ = [
    "JBU",
    "METHODS",
    "DownSampler",
    "FeatSharp",
    "Fit",
    "Fusion",
    "argmax_px",
    "build",
    "cosine_similarity",
    "draw_views",
    "encode",
    "encoder",
    "fidelity",
    "fit",
    "grid_px",
    "hadamard",
    "mean_features",
    "pca_colours",
    "phi_s",
    "resize",
    "take_view",
    "tiles",
    "trained_for",
    "upsample",
    "view_loss",
    "view_of",
]

METHODS = ("nearest", "bilinear", "jbu", "tiles", "featsharp")
FACTORS = (2, 4)
RADIUS = 3  # a window of 7 x 7
BAND = 4  # rows that are worked on at once

encoder = encoders.encoder


# --- looking around -----------------------------------------------------------------------------


def _look_around(question, address, content, fade):
    """Each cell takes a weighted mean of the 7 x 7 cells around it; outside the map there is none.

    question, address: (N, H, W, K, d); content: (N, H, W, K, c), for K heads. The weight of a cell
    is the softmax of question . address / sqrt(d) + fade(distance in cells). Returns
    (N, H, W, K, c). A band of rows at a time: memory grows with the width of the map only.
    """
    height, width = question.shape[1:3]
    found = []
    for top in range(0, height, BAND):
        rows, around = slice(top, top + BAND), slice(max(0, top - RADIUS), top + BAND + RADIUS)
        q = question[:, rows].flatten(1, 2).transpose(1, 2)  # (N, K, cells, d)
        k = address[:, around].flatten(1, 2).permute(0, 2, 3, 1)  # (N, K, d, cells around)
        v = content[:, around].flatten(1, 2).transpose(1, 2)  # (N, K, cells around, c)
        bottom = min(top + BAND, height)
        inside, distance = _distances(
            bottom - top, top - around.start, min(around.stop, height) - around.start, width
        )
        scores = q @ k / math.sqrt(q.shape[3]) + fade(distance)
        mean = scores.masked_fill(~inside, -torch.inf).softmax(-1) @ v  # (N, K, cells, c)
        found.append(mean.transpose(1, 2).unflatten(1, (bottom - top, width)))
    return torch.cat(found, 1)


@functools.lru_cache(maxsize=16)
def _distances(rows, offset, rows_around, width):
    """For a band of rows: which cells around lie in a cell's window, and how far each is."""
    with torch.inference_mode(False):
        y = torch.arange(rows)[:, None, None, None] + offset - torch.arange(rows_around)[:, None]
        x = torch.arange(width)[:, None, None] - torch.arange(width)
        inside = (y.abs() <= RADIUS) & (x.abs() <= RADIUS)  # (rows, width, rows around, width)
        distance = (y**2 + x**2).float().sqrt()
        shape = (rows * width, rows_around * width)
        return inside.reshape(shape), distance.reshape(shape)


# --- borrowed detail: joint bilateral upsampling ------------------------------------------------


class JBU(nn.Module):
    """Enlarge a map twice, as the colours of the photo suggest.

    The map is enlarged smoothly; then each cell becomes a mean of the 7 x 7 around it. A neighbour
    counts the more, the nearer it is and the more alike the photo is there: across an edge of the
    photo nothing is mixed. The weights sum to 1, so a constant stays what it is, and nothing can
    come out that was not in the map.
    """

    def __init__(self, keys=32):
        super().__init__()
        self.look = nn.Sequential(nn.Conv2d(3, keys, 1), nn.GELU(), nn.Conv2d(keys, keys, 1))
        self.log_sharpness = nn.Parameter(torch.tensor(0.0))
        self.log_reach = nn.Parameter(torch.tensor(0.0))  # of the Gaussian, in cells

    def fade(self, distance):
        """The Gaussian's part of the scores, for distances in cells."""
        return -0.5 * (distance * torch.exp(-self.log_reach)) ** 2

    def forward(self, features, photo):
        """features: (N, C, h, w), photo: (N, 3, any size) -> (N, C, 2h, 2w)."""
        enlarged = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        guide = F.interpolate(photo, enlarged.shape[2:], mode="area")
        keys = self.look(guide).permute(0, 2, 3, 1)[..., None, :]  # (N, 2h, 2w, 1, keys)
        cells = enlarged.permute(0, 2, 3, 1)[..., None, :]  # (N, 2h, 2w, 1, C)
        # a softmax times a Gaussian, made to sum to 1, is the softmax of the sum of the scores
        mixed = _look_around(keys * self.log_sharpness.exp(), keys, cells, self.fade)
        return mixed.squeeze(3).permute(0, 3, 1, 2)


# --- the fusion -----------------------------------------------------------------------------------


class Fusion(nn.Module):
    """One transformer block that reads [borrowed ; measured] and decides, cell by cell.

    A cell asks the 7 x 7 cells around it; the farther a cell, the less it counts, in each head by
    another rate (or no cell could tell its neighbours apart). Then a gated MLP. Both add to the
    input, by scales that begin at one millionth: an untrained fusion passes on the borrowed map.
    """

    def __init__(self, channels, heads=6, key=32, hidden=384):
        super().__init__()
        if channels % heads:
            heads = next(h for h in range(heads, 0, -1) if channels % h == 0)
        self.channels, self.heads = channels, heads
        both = 2 * channels
        self.norm1, self.norm2 = nn.LayerNorm(both), nn.LayerNorm(both)
        self.question = nn.Linear(both, heads * key)
        self.address = nn.Linear(both, heads * key)
        self.content = nn.Linear(both, channels)
        self.out = nn.Linear(channels, both)
        self.log_slope = nn.Parameter(torch.linspace(1.5, -1.5, heads))
        self.gate, self.value = nn.Linear(both, hidden), nn.Linear(both, hidden)
        self.squeeze = nn.Linear(hidden, channels)  # only these C channels are kept
        self.scale1 = nn.Parameter(torch.full((both,), 1e-6))
        self.scale2 = nn.Parameter(torch.full((channels,), 1e-6))

    def attend(self, x):
        """Attention in the window: x (N, H, W, 2C) -> (N, H, W, 2C)."""
        heads = (self.heads, -1)
        question, address = (
            self.question(x).unflatten(3, heads),
            self.address(x).unflatten(3, heads),
        )
        content = self.content(x).unflatten(3, heads)  # (N, H, W, heads, C / heads)
        slope = self.log_slope.exp()[:, None, None]
        heard = _look_around(question, address, content, lambda distance: -slope * distance)
        return self.out(heard.flatten(3))

    def forward(self, borrowed, measured):
        """borrowed, measured: (N, C, H, W), standardised -> (N, C, H, W)."""
        x = torch.cat([borrowed, measured], 1).permute(0, 2, 3, 1)  # (N, H, W, 2C)
        x = x + self.scale1 * self.attend(self.norm1(x))
        y = self.norm2(x)
        thought = self.squeeze(F.silu(self.gate(y)) * self.value(y))
        return (x[..., : self.channels] + self.scale2 * thought).permute(0, 3, 1, 2)


class DownSampler(nn.Module):
    """Average a map down by a learned window of three by three patches, the same for all channels.

    It says how a patch of the encoder sees the finer cells: (N, C, f h, f w) -> (N, C, h, w). The
    window is the same down and across, so all of it is two small matrix products, and a view can
    be cut out in the same step.
    """

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        at = (torch.arange(3 * factor) + 0.5) / factor - 1.5  # in patches, from the middle
        self.window = nn.Parameter(-2 * at**2)

    def matrix(self, cells):
        """(cells / f, cells): row i holds how much patch i sees of each cell; rows sum to 1."""
        f, seen = self.factor, self.window.softmax(0)
        patches = cells // f
        padded = seen.new_zeros(patches, cells + 2 * f)
        columns = torch.arange(patches)[:, None] * f + torch.arange(3 * f)
        padded = padded.scatter(1, columns, seen.expand(patches, -1))
        left, right = padded[:, :f].sum(1), padded[:, -f:].sum(1)  # beyond the rim: as at the rim
        inner = padded[:, f:-f]
        return torch.cat(
            [inner[:, :1] + left[:, None], inner[:, 1:-1], inner[:, -1:] + right[:, None]], 1
        )

    def forward(self, maps):
        down, across = self.matrix(maps.shape[2]), self.matrix(maps.shape[3])
        return down @ maps @ across.T

    def view(self, maps, box, size):
        """What `forward(view_of(maps, box, size))` gives, at a fraction of the cost."""
        down, across = _cut(box, maps.shape[2:], size)
        return (self.matrix(size[0]) @ down) @ maps @ (self.matrix(size[1]) @ across).T


# --- standardisation ------------------------------------------------------------------------------


def hadamard(size):
    """Return a Hadamard matrix: entries +1 and -1, rows at right angles to each other.

    size: 1, 2 or a multiple of 4 that Paley's and Sylvester's constructions reach (all widths of
    this course's encoders). Returns (size, size). Raises ValueError for another size.
    >>> hadamard(2)
    tensor([[ 1.,  1.],
            [ 1., -1.]])
    """
    if size == 1:
        return torch.ones(1, 1)
    if size == 2:
        return torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    if size % 4 == 0 and _is_prime(size - 1):  # Paley I
        q = _jacobsthal(size - 1)
        found = torch.ones(size, size)
        found[1:, 1:] = q - torch.eye(size - 1)
        return found
    half = size // 2 - 1
    if size % 4 == 0 and half % 4 == 1 and _is_prime(half):  # Paley II
        core = F.pad(_jacobsthal(half), (1, 0, 1, 0), value=1.0)
        core[0, 0] = 0
        one, two = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([[1.0, -1.0], [-1, -1]])
        return torch.kron(core, one) + torch.kron(torch.eye(half + 1), two)
    if size % 4 == 0:  # Sylvester
        return torch.kron(hadamard(2), hadamard(size // 2))
    raise ValueError(f"there is no Hadamard matrix of size {size} here; use a multiple of 4")


def _is_prime(n):
    return n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))


def _jacobsthal(q):
    """Entry (i, j) is 1 if i - j is a square modulo the prime q, -1 if not, 0 on the diagonal."""
    squares = {i * i % q for i in range(1, q)}
    kind = torch.tensor([0.0] + [1.0 if i in squares else -1.0 for i in range(1, q)])
    at = torch.arange(q)
    return kind[(at[:, None] - at) % q]


def phi_s(tokens):
    """PHI-S: the rotation after which every channel varies equally, by one.

    tokens: (T, C), many feature vectors. Returns mean (C,), rotation (C, C) orthogonal, scale: the
    standardised vector is rotation @ (x - mean) / scale. Angles and relative distances stay.
    Where C has no Hadamard matrix, the rotation is left out: the spread is 1 on average only.
    >>> mean, rotation, scale = phi_s(torch.randn(500, 8) * torch.arange(1, 9))
    >>> ((torch.randn(9, 8) * torch.arange(1, 9) - mean) @ rotation.T / scale).shape
    torch.Size([9, 8])
    """
    mean = tokens.mean(0)
    centred = (tokens - mean).double()
    covariance = centred.T @ centred / len(tokens)
    spread, axes = torch.linalg.eigh(covariance)
    width = len(mean)
    try:
        turn = hadamard(width).double() / math.sqrt(width)
    except ValueError:
        turn = axes
    return mean, (turn @ axes.T).float(), float(spread.mean().clamp(min=1e-12).sqrt())


# --- the whole ------------------------------------------------------------------------------------


class FeatSharp(nn.Module):
    """All that FeatSharp learns for one encoder; ``me.load_model("featsharp-vit-s14")`` is one.

    channels: C of the encoder. cells: patches on a side at its native size. encoder, layer: its
    name, and its stage if it is a classifier. ``forward``: photo (N, 3, H, W) -> (N, C, 2h, 2w).
    """

    def __init__(self, channels=384, cells=16, encoder="vit-s14", layer=5, hidden=384, heads=6):
        super().__init__()
        self.encoder, self.layer, self.cells = encoder, layer, cells
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("rotation", torch.eye(channels))
        self.register_buffer("scale", torch.ones(()))
        # what the encoder adds to each place, whatever the photo shows; standardised
        self.bias = nn.Parameter(torch.zeros(1, channels, cells, cells))
        self.jbu = nn.ModuleList(JBU() for _ in range(2))  # to twice, and on to four times
        self.places = nn.ParameterDict()
        self.fusion, self.down = nn.ModuleDict(), nn.ModuleDict()
        for factor in FACTORS:
            key = str(factor)
            self.places[key] = nn.Parameter(torch.zeros(factor * factor, channels))
            self.fusion[key] = Fusion(channels, heads, hidden=hidden)
            self.down[key] = DownSampler(factor)

    def standardise(self, features):
        """The encoder's units -> every channel with spread 1 (PHI-S); (N, C, h, w)."""
        moved = features - self.mean[:, None, None]
        return torch.einsum("dc,nchw->ndhw", self.rotation, moved) / self.scale

    def restore(self, features):
        """The way back, to the encoder's units."""
        back = torch.einsum("dc,ndhw->nchw", self.rotation, features * self.scale)
        return back + self.mean[:, None, None]

    def bias_for(self, height, width, factor=1):
        """The fixed pattern for a map of this size; for tiles, once in each tile."""
        size = (height // factor, width // factor)
        bias = self.bias
        if bias.shape[2:] != size:
            bias = F.interpolate(bias, size, mode="bicubic", align_corners=False)
        return bias.repeat(1, 1, factor, factor)

    def pattern(self, height, width):
        """The fixed pattern in the encoder's units, for a map of this size: (C, height, width)."""
        with torch.no_grad():
            return (self.restore(self.bias_for(height, width)) - self.mean[:, None, None])[0]

    def borrow(self, low, photo, factor):
        """JBU to this factor: low (N, C, h, w), photo (N, 3, any size) -> (N, C, f h, f w)."""
        for step in self.jbu[: int(math.log2(factor))]:
            low = step(low, photo)
        return low

    def place_for(self, height, width, factor):
        """A learned vector for each tile, all over that tile: (1, C, height, width)."""
        where = self.places[str(factor)].T.reshape(1, -1, factor, factor)
        where = where.repeat_interleave(height // factor, 2)
        return where.repeat_interleave(width // factor, 3)

    def fuse(self, borrowed, measured, factor):
        """Both maps standardised and without the fixed pattern: (N, C, f h, f w) -> the same."""
        where = self.place_for(*measured.shape[2:], factor)
        return self.fusion[str(factor)](borrowed, measured + where)

    def sharpen(self, low, tiled, photo, factor):
        """Everything: the encoder's maps (N, C, h, w) and (N, C, f h, f w), and the photo.

        Returns (N, C, f h, f w), standardised and without the fixed pattern.
        """
        low, tiled = self.standardise(low), self.standardise(tiled)
        low = low - self.bias_for(*low.shape[2:])
        tiled = tiled - self.bias_for(*tiled.shape[2:], factor)
        return self.fuse(self.borrow(low, photo, factor), tiled, factor)

    def forward(self, photo):
        one = encoders.encoder(self.encoder, self.layer)
        batch = images.as_batch(photo)
        return torch.stack([_upsampled(one, p[None], 2, "featsharp", self)[0] for p in batch])


def build(**config):
    """Return an untrained FeatSharp; its output is the JBU map."""
    return FeatSharp(**config)


def trained_for(encoder):
    """Return the course's trained FeatSharp for an encoder, or None if there is none."""
    network, stage = getattr(encoder, "network", encoder), getattr(encoder, "stage", None)
    known = getattr(getattr(network, "info", None), "name", None)
    for name in names("features"):
        if name.startswith("featsharp-") and known:
            model = load_model(name)
            if model.encoder == known and stage in (None, model.layer):
                return model
    return None


# --- the one call ---------------------------------------------------------------------------------


def grid_px(encoder, photo):
    """At which size the encoder sees a photo: (height, width) in px, the shorter side native.

    The longer side is rounded to whole patches. Raises PhotoError for more than 4 to 1.
    >>> grid_px(encoder("efficientnet-lite0"), torch.rand(3, 300, 410))
    (224, 304)
    """
    height, width = photo.shape[-2:]
    short = min(height, width)
    if max(height, width) > 4 * short:
        raise images.PhotoError(
            f"photo is {width} x {height} px; one side is more than 4 times the other. Crop it: "
            "me.images.crop(photo, box)"
        )
    patch, native = encoder.patch_px, encoder.native_px
    return tuple(round(side / short * native / patch) * patch for side in (height, width))


def resize(photo, size):
    """Resize photos to (height, width), or to a square of so many px; bicubic, anti-aliased."""
    size = (size, size) if isinstance(size, int) else tuple(size)
    if tuple(photo.shape[-2:]) == size:
        return photo
    batch = photo if photo.ndim == 4 else photo[None]
    smaller = size[0] < photo.shape[-2]
    found = F.interpolate(batch, size, mode="bicubic", antialias=smaller).clamp(0, 1)
    return found if photo.ndim == 4 else found[0]


def encode(encoder, photo, factor=1):
    """Describe a photo at its native size, or run the encoder itself on one `factor` times larger.

    photo: (3, H, W), any size. Returns (C, factor h, factor w). Costs factor^2 times the memory;
    an encoder that never saw such sizes may answer differently.
    >>> encode(encoder("efficientnet-lite0"), torch.rand(3, 64, 64)).shape
    torch.Size([112, 14, 14])
    """
    batch = _one(photo)
    size = [factor * side for side in grid_px(encoder, batch)]
    with torch.inference_mode():
        return encoder.encode(resize(batch, size))[0]


def tiles(encoder, photo, factor):
    """Cut a photo into factor x factor tiles, describe each by itself, and put them together.

    photo: (N, 3, factor H, factor W), already enlarged. Returns (N, C, factor h, factor w).
    """
    height, width = (side // factor for side in photo.shape[-2:])
    rows = []
    for i in range(factor):
        row = [
            encoder.encode(
                photo[..., i * height : (i + 1) * height, j * width : (j + 1) * width].contiguous()
            )
            for j in range(factor)
        ]
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


def upsample(encoder, photo, factor=2, method="featsharp", model=None):
    """Return the features of a photo at `factor` times the encoder's own resolution.

    encoder: of `encoder(...)`, or `me.load_model("vit-s14")`. photo: (3, H, W), sRGB in [0, 1]; its
    shorter side is resized to the encoder's 224 px, and for tiles to factor times that.
    factor: 2 or 4. method: one of METHODS. model: a FeatSharp, such as `fit` returns; None takes
    the trained one. All methods answer in the encoder's own units; "featsharp" leaves the
    encoder's fixed pattern out.
    Returns (C, factor h, factor w). Raises ValueError for another factor or method, or where
    "featsharp" was not trained for the encoder; PhotoError for what is no photo.
    >>> upsample(encoder("efficientnet-lite0"), torch.rand(3, 64, 64), 2, "bilinear").shape
    torch.Size([112, 28, 28])
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(METHODS)}.")
    if factor not in FACTORS:
        raise ValueError(f"factor is {factor!r}; expected 2 or 4.")
    if not all(hasattr(encoder, name) for name in ("encode", "native_px", "patch_px")):
        raise TypeError(
            f"encoder is a {type(encoder).__name__}; use me.featsharp.encoder('vit-s14')."
        )
    return _upsampled(encoder, _one(photo), int(factor), method, model)[0]


def _upsampled(encoder, batch, factor, method, model=None):
    size = grid_px(encoder, batch)
    with torch.inference_mode():
        low = tiled = None
        if method != "tiles":
            low = encoder.encode(resize(batch, size))
        if method in ("tiles", "featsharp"):
            large = resize(batch, [factor * side for side in size])
            tiled = tiles(encoder, large, factor)
        if method == "tiles":
            return tiled
        if method in ("nearest", "bilinear"):
            how = {} if method == "nearest" else {"align_corners": False}
            return F.interpolate(low, scale_factor=factor, mode=method, **how)
        model = model or trained_for(encoder)
        if method == "jbu":  # its weights look at the photo only, so they serve any encoder
            model = model or load_model("featsharp-vit-s14")
            return model.borrow(low, batch, factor)
        if model is None:
            raise ValueError(
                "there is no trained FeatSharp for this encoder. Fit one to your photo: "
                "me.featsharp.fit(encoder, photo).model"
            )
        return model.restore(model.sharpen(low, tiled, batch, factor))


def _one(photo):
    batch = images.as_batch(photo, min_px=32)
    if len(batch) != 1:
        raise images.PhotoError(f"photo is a batch of {len(batch)}; give one: photo[0].")
    return batch


# --- views ----------------------------------------------------------------------------------------


def draw_views(count, generator, max_zoom=4.0):
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


def _cut(box, cells, size):
    """Two matrices, (size, cells) each, that cut a view out of rows and columns: bilinear."""
    top, left, side, mirrored = (float(v) for v in box)
    found = []
    for start, n, m in zip((top, left), cells, size, strict=True):
        at = ((start + side * (torch.arange(m) + 0.5) / m) * n - 0.5).clamp(0, n - 1)
        found.append((1 - (at[:, None] - torch.arange(n)).abs()).clamp(min=0))
    down, across = found
    return down, across.flip(0) if mirrored else across


def view_of(maps, box, size):
    """Cut a view out of maps and resample it to `size` (height, width): bilinear.

    maps: (N, C, H, W), features or photos; box: a row of `draw_views`. The same box means the same
    place in both.
    """
    down, across = _cut(box, maps.shape[2:], size)
    return down @ maps @ across.T


def take_view(photo, box, size):
    """Cut a view out of a photo (N, 3, H, W), at `size` px: (height, width), or one number."""
    size = (size, size) if isinstance(size, int) else tuple(size)
    # first at about the photo's own resolution, then averaged down: no aliasing
    times = max(1, math.ceil(float(box[2]) * photo.shape[-1] / size[1]))
    return resize(view_of(photo, box, [times * side for side in size]), size)


def fidelity(predicted, target):
    """How well features are predicted: the target's variance over the mean squared error.

    predicted, target: (N, C, h, w). The variance is that of each channel within each map; 1 means
    no better than the map's own mean. Returns (N,): higher is better.
    >>> fidelity(torch.zeros(1, 2, 4, 4), torch.randn(1, 2, 4, 4)).shape
    torch.Size([1])
    """
    variance = (target - target.mean((2, 3), keepdim=True)).square().mean((1, 2, 3))
    return variance / (predicted - target).square().mean((1, 2, 3)).clamp(min=1e-12)


def view_loss(sharp, views, boxes, down, bias, size=None):
    """The multi-view loss: does the map, cut out like the view and averaged, say what it should?

    sharp: (1, C, H, W), without the fixed pattern; views: (V, C, h, w), what the encoder says of
    each view; boxes: (V, 4); down: a DownSampler; bias: (1, C, h, w), what the encoder adds to any
    view. size: at which the cut is averaged down, (f h, f w); None takes that of `sharp`.
    Returns mean squared error over variance, and the predictions (V, C, h, w).
    """
    size = size or sharp.shape[2:]
    predicted = torch.cat([down.view(sharp, box, size) for box in boxes]) + bias
    variance = (views - views.mean((2, 3), keepdim=True)).square().mean()
    return (predicted - views).square().mean() / variance, predicted


# --- the live version ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Fit:
    """What `fit` found: the model, and how the training went.

    losses: one number a step. before, after: fidelity on views that it never trained on.
    """

    model: FeatSharp
    losses: list
    before: float
    after: float
    seconds: float


def fit(encoder, photo, factor=2, steps=80, views=18, seed=0, progress=True):
    """Train the fusion for one photo, on views of that photo alone.

    encoder, photo, factor: as for `upsample`. steps: of training; views: how many views are
    described (a sixth of them only tests). seed: the same gives the same answer. progress: a bar.
    JBU, bias and standardisation come from the trained model where there is one; the fusion begins
    untrained, as the JBU map. Returns a `Fit`; use it: upsample(..., model=fit.model).
    """
    if factor not in FACTORS:
        raise ValueError(f"factor is {factor!r}; expected 2 or 4.")
    if steps < 1 or views < 6:
        raise ValueError(f"steps is {steps}, views is {views}; at least 1 and 6 are needed.")
    began = time.perf_counter()
    batch = _one(photo)
    generator = torch.Generator().manual_seed(seed)
    size = grid_px(encoder, batch)
    boxes = draw_views(views, generator, max_zoom=factor)
    boxes = boxes[torch.randperm(views, generator=generator)]
    with torch.inference_mode():
        low = encoder.encode(resize(batch, size))
        tiled = tiles(encoder, resize(batch, [factor * side for side in size]), factor)
        seen = torch.cat([encoder.encode(take_view(batch, box, size)) for box in boxes])
    low, tiled, seen = (maps.clone() for maps in (low, tiled, seen))  # out of inference mode
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = _fresh(encoder, torch.cat([low, seen]))
    with torch.no_grad():
        seen = model.standardise(seen)
        cells = model.standardise(low) - model.bias_for(*low.shape[2:])
        borrowed = model.borrow(cells, batch, factor)
        measured = model.standardise(tiled) - model.bias_for(*tiled.shape[2:], factor)
    tests = slice(0, views // 6)
    key = str(factor)
    down, bias = model.down[key], model.bias_for(*low.shape[2:]).detach()
    learned = [*model.fusion[key].parameters(), *model.down[key].parameters(), model.places[key]]

    def score():
        with torch.no_grad():
            sharp = model.fuse(borrowed, measured, factor)
            _, predicted = view_loss(sharp, seen[tests], boxes[tests], down, bias)
            return float(fidelity(predicted, seen[tests]).mean())

    before = score()
    losses = []
    optimiser = torch.optim.AdamW(learned, lr=2e-3, weight_decay=0.0)
    count = range(steps)
    if progress:
        from tqdm.auto import tqdm

        count = tqdm(count, desc="fitting", unit="step")
    with torch.enable_grad():
        for step in count:
            optimiser.param_groups[0]["lr"] = 2e-3 * min(1, 4 * (1 - step / steps), (step + 1) / 5)
            chosen = tests.stop + torch.randperm(views - tests.stop, generator=generator)[:5]
            sharp = model.fuse(borrowed, measured, factor)
            loss, _ = view_loss(sharp, seen[chosen], boxes[chosen], down, bias)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
    model = model.eval().requires_grad_(False)
    return Fit(model, losses, before, score(), time.perf_counter() - began)


def _fresh(encoder, maps):
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
        trained = load_model("featsharp-vit-s14")
    else:
        with torch.no_grad():
            for name in ("mean", "rotation", "scale", "bias"):
                getattr(model, name).copy_(getattr(trained, name))
    model.jbu = copy.deepcopy(trained.jbu)
    model.down = copy.deepcopy(trained.down)
    return model.requires_grad_(True)


# --- looking at features ------------------------------------------------------------------------


def mean_features(encoder, photos):
    """Average the features of many photos, cell by cell: what is left does not come from any.

    photos: a list of (3, H, W), each seen as a middle square. Returns (C, h, w), minus each
    channel's own mean: the encoder's fixed pattern, the clearer the more photos there are.
    """
    total = 0
    for photo in photos:
        side = min(photo.shape[-2:])
        top, left = ((n - side) // 2 for n in photo.shape[-2:])
        total = total + encode(encoder, photo[:, top : top + side, left : left + side])
    mean = total / len(photos)
    return mean - mean.mean((1, 2), keepdim=True)


def cosine_similarity(features, row, column, centre=None):
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


def argmax_px(score, size_px):
    """Return (x, y), in px: the middle of the brightest cell of a map (n, n) of a square photo.

    size_px: the photo's side.

    >>> argmax_px(torch.eye(4)[[1, 0, 0, 0]] * torch.tensor([0, 1, 0, 0]), 80)
    (30.0, 10.0)
    """
    row, column = divmod(int(score.argmax()), score.shape[1])
    cell_px = size_px / score.shape[1]
    return (column + 0.5) * cell_px, (row + 0.5) * cell_px


def pca_colours(maps, like=None):
    """Show maps as colours: the three directions in which features vary most, as red, green, blue.

    maps: a list of (C, h, w), of any sizes. like: the map that the directions are taken from; None
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
    seen = (cells - mean) @ axes
    low, high = seen.quantile(0.02, 0), seen.quantile(0.98, 0)
    found = []
    for one in maps:
        values = (one.flatten(1).T.double() - mean) @ axes
        values = ((values - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
        found.append((0.05 + 0.9 * values).T.reshape(3, *one.shape[1:]).float())
    return found
