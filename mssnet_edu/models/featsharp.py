"""FeatSharp: a network that enlarges the feature map of a vision encoder two or four times.

It is given the encoder's map of a photo, the encoder's maps of the photo's tiles put together, and
the photo. The map is enlarged along the photo's own edges (joint bilateral upsampling, JBU), and a
transformer block fuses the result with the tiles' map. It was trained without labels: what it says
of a photo must agree with what the encoder says of zoomed, shifted and mirrored views of it
(`view_loss`). `mssnet_edu.featsharp` is the course's use of it.

Sources: Ranzinger et al., "FeatSharp: Your Vision Model Features, Sharper" (ICML 2025), from the
paper alone; Fu et al., "FeatUp" (ICLR 2024) for joint bilateral upsampling and for the idea of
views; Ranzinger et al., "PHI-S" (2024) for the standardisation. The weights are this course's own.
Unlike the paper: views are zoomed, shifted and mirrored, without the small homography; JBU and the
fixed pattern are trained first and then frozen, the fusions after them; the pattern begins with the
mean over all views.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "FACTORS",
    "JBU",
    "DownSampler",
    "FeatSharp",
    "Fusion",
    "build",
    "hadamard",
    "phi_s",
    "view_loss",
    "view_of",
    "windowed_attention",
]

FACTORS = (2, 4)
RADIUS = 3  # of the attention window: 7 x 7 cells
BAND = 4  # rows of the map that attention works on at once


# --- attention in a window ----------------------------------------------------------------------


def windowed_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Callable[[Tensor], Tensor]
) -> Tensor:
    """Attention of each cell over the 7 x 7 cells around it; there are none outside the map.

    softmax(query . key / sqrt(d) + bias(distance)) value, with K heads.
    query, key: (N, H, W, K, d); value: (N, H, W, K, c); bias: from distances in cells to what is
    added to the scores, for all heads alike or (K, 1, 1) of them. Returns (N, H, W, K, c). A band
    of rows at a time: memory grows with the width of the map only.
    """
    height, width = query.shape[1:3]
    bands = []
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        above, below = max(0, top - RADIUS), min(bottom + RADIUS, height)
        q = query[:, top:bottom].flatten(1, 2).transpose(1, 2)  # (N, K, cells, d)
        k = key[:, above:below].flatten(1, 2).permute(0, 2, 3, 1)  # (N, K, d, cells around)
        v = value[:, above:below].flatten(1, 2).transpose(1, 2)  # (N, K, cells around, c)
        inside, distance = _window(bottom - top, top - above, below - above, width)
        scores = q @ k / math.sqrt(q.shape[3]) + bias(distance)
        attended = scores.masked_fill(~inside, -torch.inf).softmax(-1) @ v  # (N, K, cells, c)
        bands.append(attended.transpose(1, 2).unflatten(1, (bottom - top, width)))
    return torch.cat(bands, 1)


@functools.lru_cache(maxsize=16)
def _window(rows: int, offset: int, rows_around: int, width: int) -> tuple[Tensor, Tensor]:
    """For a band of rows: which cells around lie in a cell's window, and how far each is."""
    with torch.inference_mode(False):
        y = torch.arange(rows)[:, None, None, None] + offset - torch.arange(rows_around)[:, None]
        x = torch.arange(width)[:, None, None] - torch.arange(width)
        inside = (y.abs() <= RADIUS) & (x.abs() <= RADIUS)  # (rows, width, rows around, width)
        distance = (y**2 + x**2).float().sqrt()
        shape = (rows * width, rows_around * width)
        return inside.reshape(shape), distance.reshape(shape)


# --- the parts ------------------------------------------------------------------------------------


class JBU(nn.Module):
    """Joint bilateral upsampling: enlarge a map twice, as the colours of the photo suggest.

    The map is enlarged bilinearly; then each cell becomes a mean of the 7 x 7 around it, weighted
    by a spatial Gaussian and by a range kernel, the similarity of the photo's projected colours:
    across an edge of the photo nothing is mixed. The weights sum to 1, so a constant stays what it
    is, and nothing can come out that was not in the map.
    """

    def __init__(self, keys: int = 32):
        super().__init__()
        self.range_projection = nn.Sequential(
            nn.Conv2d(3, keys, 1), nn.GELU(), nn.Conv2d(keys, keys, 1)
        )
        self.log_range_scale = nn.Parameter(torch.tensor(0.0))
        self.log_sigma = nn.Parameter(torch.tensor(0.0))  # of the spatial Gaussian, in cells

    def spatial_bias(self, distance: Tensor) -> Tensor:
        """The logarithm of the spatial Gaussian, for distances in cells."""
        return -0.5 * (distance * torch.exp(-self.log_sigma)) ** 2

    def forward(self, features: Tensor, photo: Tensor) -> Tensor:
        """features: (N, C, h, w), photo: (N, 3, any size) -> (N, C, 2h, 2w)."""
        enlarged = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
        guide = F.interpolate(photo, enlarged.shape[2:], mode="area")
        keys = self.range_projection(guide).permute(0, 2, 3, 1)[..., None, :]  # (N, 2h, 2w, 1, k)
        values = enlarged.permute(0, 2, 3, 1)[..., None, :]  # (N, 2h, 2w, 1, C)
        # a softmax times a Gaussian, made to sum to 1, is the softmax of the sum of the scores
        query = keys * self.log_range_scale.exp()
        filtered = windowed_attention(query, keys, values, self.spatial_bias)
        return filtered.squeeze(3).permute(0, 3, 1, 2)


class Fusion(nn.Module):
    """A transformer block: attention over concatenated JBU and tile features, then a gated MLP.

    The bias grows with the distance, with a slope of its own in each head (as in ALiBi), or no cell
    could tell its neighbours apart. Both branches are scaled by factors that begin at one
    millionth (LayerScale): an untrained fusion passes the JBU map on.
    """

    def __init__(self, channels: int, heads: int = 6, key: int = 32, hidden: int = 384):
        super().__init__()
        if channels % heads:
            heads = next(h for h in range(heads, 0, -1) if channels % h == 0)
        self.channels, self.heads = channels, heads
        both = 2 * channels
        self.norm1, self.norm2 = nn.LayerNorm(both), nn.LayerNorm(both)
        self.query = nn.Linear(both, heads * key)
        self.key = nn.Linear(both, heads * key)
        self.value = nn.Linear(both, channels)
        self.out = nn.Linear(channels, both)
        self.log_slope = nn.Parameter(torch.linspace(1.5, -1.5, heads))
        self.mlp_gate, self.mlp_in = nn.Linear(both, hidden), nn.Linear(both, hidden)
        self.mlp_out = nn.Linear(hidden, channels)  # only these C channels are kept
        self.scale1 = nn.Parameter(torch.full((both,), 1e-6))
        self.scale2 = nn.Parameter(torch.full((channels,), 1e-6))

    def attend(self, x: Tensor) -> Tensor:
        """Multi-head attention in the window: x (N, H, W, 2C) -> (N, H, W, 2C)."""
        heads = (self.heads, -1)
        query, key = self.query(x).unflatten(3, heads), self.key(x).unflatten(3, heads)
        value = self.value(x).unflatten(3, heads)  # (N, H, W, heads, C / heads)
        slope = self.log_slope.exp()[:, None, None]
        attended = windowed_attention(query, key, value, lambda distance: -slope * distance)
        return self.out(attended.flatten(3))

    def forward(self, jbu: Tensor, tiled: Tensor) -> Tensor:
        """jbu, tiled: (N, C, H, W), standardised -> (N, C, H, W)."""
        x = torch.cat([jbu, tiled], 1).permute(0, 2, 3, 1)  # (N, H, W, 2C)
        x = x + self.scale1 * self.attend(self.norm1(x))
        y = self.norm2(x)
        mlp_out = self.mlp_out(F.silu(self.mlp_gate(y)) * self.mlp_in(y))
        return (x[..., : self.channels] + self.scale2 * mlp_out).permute(0, 3, 1, 2)


class DownSampler(nn.Module):
    """Average a map down by a learned window of three by three patches, the same for all channels.

    It says how a patch of the encoder sees the finer cells: (N, C, f h, f w) -> (N, C, h, w). The
    window is separable, the same down and across, so all of it is two small matrix products, and a
    view can be cut out in the same step.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor
        offset = (torch.arange(3 * factor) + 0.5) / factor - 1.5  # in patches, from the middle
        self.window = nn.Parameter(-2 * offset**2)

    def matrix(self, cells: int) -> Tensor:
        """(cells / f, cells): row i holds how much patch i sees of each cell; rows sum to 1."""
        f, window = self.factor, self.window.softmax(0)
        patches = cells // f
        padded = window.new_zeros(patches, cells + 2 * f)
        columns = torch.arange(patches)[:, None] * f + torch.arange(3 * f)
        padded = padded.scatter(1, columns, window.expand(patches, -1))
        left, right = padded[:, :f].sum(1), padded[:, -f:].sum(1)  # beyond the rim: as at the rim
        inner = padded[:, f:-f]
        return torch.cat(
            [inner[:, :1] + left[:, None], inner[:, 1:-1], inner[:, -1:] + right[:, None]], 1
        )

    def forward(self, maps: Tensor) -> Tensor:
        down, across = self.matrix(maps.shape[2]), self.matrix(maps.shape[3])
        return down @ maps @ across.T

    def view(self, maps: Tensor, box: Tensor, size: Sequence[int]) -> Tensor:
        """What `forward(view_of(maps, box, size))` gives, at a fraction of the cost."""
        down, across = _crop_matrices(box, maps.shape[2:], size)
        return (self.matrix(size[0]) @ down) @ maps @ (self.matrix(size[1]) @ across).T


# --- standardisation ------------------------------------------------------------------------------


def hadamard(size: int) -> Tensor:
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
        matrix = torch.ones(size, size)
        matrix[1:, 1:] = _jacobsthal(size - 1) - torch.eye(size - 1)
        return matrix
    half = size // 2 - 1
    if size % 4 == 0 and half % 4 == 1 and _is_prime(half):  # Paley II
        core = F.pad(_jacobsthal(half), (1, 0, 1, 0), value=1.0)
        core[0, 0] = 0
        one, two = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([[1.0, -1.0], [-1, -1]])
        return torch.kron(core, one) + torch.kron(torch.eye(half + 1), two)
    if size % 4 == 0:  # Sylvester
        return torch.kron(hadamard(2), hadamard(size // 2))
    raise ValueError(f"there is no Hadamard matrix of size {size} here; use a multiple of 4")


def _is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1))


def _jacobsthal(q: int) -> Tensor:
    """Entry (i, j) is 1 if i - j is a square modulo the prime q, -1 if not, 0 on the diagonal."""
    squares = {i * i % q for i in range(1, q)}
    legendre = torch.tensor([0.0] + [1.0 if i in squares else -1.0 for i in range(1, q)])
    index = torch.arange(q)
    return legendre[(index[:, None] - index) % q]


def phi_s(tokens: Tensor) -> tuple[Tensor, Tensor, float]:
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
    variances, axes = torch.linalg.eigh(covariance)
    width = len(mean)
    try:
        rotation = hadamard(width).double() / math.sqrt(width)
    except ValueError:
        rotation = axes
    scale = float(variances.mean().clamp(min=1e-12).sqrt())
    return mean, (rotation @ axes.T).float(), scale


# --- the whole ------------------------------------------------------------------------------------


# layers in data/weights/featsharp-vit-s14.safetensors -> here
LAYER_NAMES = {
    "look": "range_projection",
    "log_sharpness": "log_range_scale",
    "log_reach": "log_sigma",
    "question": "query",
    "address": "key",
    "content": "value",
    "gate": "mlp_gate",
    "value": "mlp_in",
    "squeeze": "mlp_out",
    "places": "tile_embedding",
}


class FeatSharp(nn.Module):
    """All that FeatSharp learns for one encoder; ``me.load_model("featsharp-vit-s14")`` is one.

    encoder: its name. channels: C of the encoder. cells: patches on a side at its native size.
    """

    mean: Tensor
    rotation: Tensor
    scale: Tensor

    def __init__(
        self,
        channels: int = 384,
        cells: int = 16,
        encoder: str = "vit-s14",
        hidden: int = 384,
        heads: int = 6,
    ):
        super().__init__()
        self.encoder, self.cells = encoder, cells
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("rotation", torch.eye(channels))
        self.register_buffer("scale", torch.ones(()))
        # what the encoder adds to each place, whatever the photo shows; standardised
        self.bias = nn.Parameter(torch.zeros(1, channels, cells, cells))
        self.jbu = nn.ModuleList(JBU() for _ in range(2))  # to twice, and on to four times
        self.tile_embedding = nn.ParameterDict()
        self.fusion, self.down = nn.ModuleDict(), nn.ModuleDict()
        for factor in FACTORS:
            key = str(factor)
            self.tile_embedding[key] = nn.Parameter(torch.zeros(factor * factor, channels))
            self.fusion[key] = Fusion(channels, heads, hidden=hidden)
            self.down[key] = DownSampler(factor)

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> Any:
        """As of any network; also takes the names of the course's file of weights (LAYER_NAMES)."""
        if any(key.startswith("places.") for key in state_dict):
            state_dict = {
                ".".join(LAYER_NAMES.get(part, part) for part in key.split(".")): tensor
                for key, tensor in state_dict.items()
            }
        return super().load_state_dict(state_dict, strict, assign)

    def standardise(self, features: Tensor) -> Tensor:
        """The encoder's units -> every channel with spread 1 (PHI-S); (N, C, h, w)."""
        centred = features - self.mean[:, None, None]
        return torch.einsum("dc,nchw->ndhw", self.rotation, centred) / self.scale

    def unstandardise(self, features: Tensor) -> Tensor:
        """The inverse of `standardise`: back to the encoder's units."""
        centred = torch.einsum("dc,ndhw->nchw", self.rotation, features * self.scale)
        return centred + self.mean[:, None, None]

    def bias_for(self, height: int, width: int, factor: int = 1) -> Tensor:
        """The fixed pattern for a map of this size; for tiles, once in each tile."""
        size = (height // factor, width // factor)
        bias = self.bias
        if bias.shape[2:] != size:
            bias = F.interpolate(bias, size, mode="bicubic", align_corners=False)
        return bias.repeat(1, 1, factor, factor)

    def pattern(self, height: int, width: int) -> Tensor:
        """The fixed pattern in the encoder's units, for a map of this size: (C, height, width)."""
        with torch.no_grad():
            bias = self.bias_for(height, width)
            return (self.unstandardise(bias) - self.mean[:, None, None])[0]

    def upsample_jbu(self, low: Tensor, photo: Tensor, factor: int) -> Tensor:
        """JBU to this factor: low (N, C, h, w), photo (N, 3, any size) -> (N, C, f h, f w)."""
        for jbu in self.jbu[: int(math.log2(factor))]:
            low = jbu(low, photo)
        return low

    def tile_embedding_for(self, height: int, width: int, factor: int) -> Tensor:
        """A learned vector for each tile, all over that tile: (1, C, height, width)."""
        embedding = self.tile_embedding[str(factor)].T.reshape(1, -1, factor, factor)
        embedding = embedding.repeat_interleave(height // factor, 2)
        return embedding.repeat_interleave(width // factor, 3)

    def fuse(self, jbu: Tensor, tiled: Tensor, factor: int) -> Tensor:
        """Both maps standardised and without the fixed pattern: (N, C, f h, f w) -> the same."""
        embedding = self.tile_embedding_for(*tiled.shape[2:], factor=factor)
        return self.fusion[str(factor)](jbu, tiled + embedding)

    def forward(self, low: Tensor, tiled: Tensor, photo: Tensor, factor: int = 2) -> Tensor:
        """The encoder's maps (N, C, h, w) and (N, C, f h, f w), and the photo (N, 3, any size).

        Returns (N, C, f h, f w), standardised and without the fixed pattern.
        """
        low, tiled = self.standardise(low), self.standardise(tiled)
        low = low - self.bias_for(*low.shape[2:])
        tiled = tiled - self.bias_for(*tiled.shape[2:], factor=factor)
        return self.fuse(self.upsample_jbu(low, photo, factor), tiled, factor)


def build(**config: Any) -> FeatSharp:
    """Return an untrained FeatSharp; its output is the JBU map."""
    return FeatSharp(**config)


# --- views and the loss ---------------------------------------------------------------------------


def _crop_matrices(box: Tensor, cells: Sequence[int], size: Sequence[int]) -> list[Tensor]:
    """Two matrices, (size, cells) each, that cut a view out of rows and columns: bilinear."""
    top, left, side, mirrored = (float(v) for v in box)
    matrices = []
    for start, n, m in zip((top, left), cells, size, strict=True):
        at = ((start + side * (torch.arange(m) + 0.5) / m) * n - 0.5).clamp(0, n - 1)
        matrices.append((1 - (at[:, None] - torch.arange(n)).abs()).clamp(min=0))
    if mirrored:
        matrices[1] = matrices[1].flip(0)
    return matrices


def view_of(maps: Tensor, box: Tensor, size: Sequence[int]) -> Tensor:
    """Cut a view out of maps and resample it to `size` (height, width): bilinear.

    maps: (N, C, H, W), features or photos; box: (4,), top, left, side and mirrored (0 or 1), in
    shares of the sides. The same box means the same place in both.
    """
    down, across = _crop_matrices(box, maps.shape[2:], size)
    return down @ maps @ across.T


def view_loss(
    sharp: Tensor,
    views: Tensor,
    boxes: Tensor,
    down: DownSampler,
    bias: Tensor | float,
    size: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
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
