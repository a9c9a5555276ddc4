"""The downscale as a linear operator A, and what follows from it: recorded, invented, consistent.

A small photo y was made from a large one x by y = A x. A has far fewer rows than columns, so many
large photos explain one small one. Every large photo splits into two parts:

    x  =  A⁺ A x  +  (I - A⁺ A) x

The first part follows from the small photo alone: it is *recorded*. The second becomes zero when it
is made small: nothing of it was recorded, so in an answer it is *invented*.
"""

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from mssnet_edu import degrade, images
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.optics import convolve

__all__ = [
    "Downscale",
    "Shares",
    "back_project",
    "blend_invented",
    "blockiness",
    "energy_shares",
    "pseudo_inverse",
    "range_null_split",
]

METHODS = ("area", "bicubic")
STARTS = ("mosaic", "smooth")
SMOOTH_ROUNDS = 24
START_ROUNDS = 2  # enough for 50 dB


class Downscale:
    """A linear downscale A, its transpose Aᵀ and its pseudo-inverse A⁺, for photos of any size.

    factor: how many times smaller. method: "area" (means of blocks) or "bicubic" (with
    anti-aliasing), as in `degrade.downscale`. kernel: a blur that comes first, (k, l), odd sides,
    sum 1; None for none. It is applied to the stored numbers, not to light, or A would not be
    linear; the photo is mirrored at its border.
    Photos are (3, H, W) or (N, 3, H, W), any numbers: nothing is clamped.

    >>> a = Downscale(8)
    >>> small = torch.rand(3, 4, 6)
    >>> torch.allclose(a(a.pinv(small)), small, atol=1e-5)
    True
    """

    def __init__(self, factor=8, method="area", kernel=None):
        self.factor = arguments.whole(factor, "factor", low=1, high=64)
        self.method = arguments.choice(method, "method", METHODS)
        self.kernel = None if kernel is None else arguments.kernel(kernel).double()
        keep = functools.lru_cache(maxsize=8)  # with the operator, and no longer than it
        self._rows = keep(self._row_matrix)
        self._inverse = keep(self._inverse_matrix)
        self._smooth_inverse = keep(self._smooth_inverse_matrix)

    def __repr__(self):
        blur = "" if self.kernel is None else f", after a blur of {tuple(self.kernel.shape)}"
        return f"Downscale({self.factor}, {self.method!r}{blur})"

    def __call__(self, large):
        """A x: (..., fH, fW) -> (..., H, W)."""
        height, width = self._small_size(large)
        if self._blocks:
            return F.avg_pool2d(large, self.factor)
        if self._lines is None:
            return self._down(large, (height, width))
        down, across = self._rows(height, 0), self._rows(width, 1)
        return (down @ large.double() @ across.mT).to(large)

    def adjoint(self, small):
        """Aᵀ y: (..., H, W) -> (..., fH, fW), with <A x, y> = <x, Aᵀ y> for all x and y."""
        height, width = small.shape[-2:]
        if self._blocks:
            return self._mosaic(small) / self.factor**2
        if self._lines is None:
            return self._transposed(small.double()).to(small)
        down, across = self._rows(height, 0), self._rows(width, 1)
        return (down.mT @ small.double() @ across).to(small)

    def pinv(self, small):
        """A⁺ y: of all large photos that become y, the one with the least energy.

        Area: the mosaic of even squares. Found by small matrices where A works on rows and columns
        separately, else by conjugate gradients on A Aᵀ z = y.
        """
        if self._blocks:
            return self._mosaic(small)
        height, width = small.shape[-2:]
        if self._lines is None:
            found = _solve(lambda z: self(self._transposed(z)), small.double())
            return self._transposed(found).to(small)
        down, across = self._inverse(height, 0), self._inverse(width, 1)
        return (down @ small.double() @ across.mT).to(small)

    def smooth(self, small):
        """K (A K)⁻¹ y: the smooth enlargement of a picture chosen so that A gives y again."""
        height, width = small.shape[-2:]
        if self._lines is not None:
            down, across = self._smooth_inverse(height, 0), self._smooth_inverse(width, 1)
            return (down @ small.double() @ across.mT).to(small)
        down, across = self._enlarging(height), self._enlarging(width)  # K

        def widened(z):  # K Kᵀ Aᵀ z
            coarse = down.mT @ self._transposed(z) @ across
            return down @ coarse @ across.mT

        return widened(_solve(lambda z: self(widened(z)), small.double())).to(small)

    # --- how it is done ---------------------------------------------------------------------------

    @property
    def _blocks(self):
        """Means of whole blocks, the default: four times faster than the matrices."""
        return self.method == "area" and self.kernel is None

    def _mosaic(self, small):
        return small.repeat_interleave(self.factor, -2).repeat_interleave(self.factor, -1)

    @functools.cached_property
    def _lines(self):
        """The kernel as a column and a row, ((k,), (l,)); None if it is no such product."""
        if self.kernel is None:
            return torch.ones(1).double(), torch.ones(1).double()
        left, strength, right = torch.linalg.svd(self.kernel)
        if len(strength) > 1 and strength[1] > 1e-7 * strength[0]:
            return None
        column, row = left[:, 0], right[0] * strength[0]
        return column / column.sum(), row / row.sum()

    def _row_matrix(self, size, axis):
        """A along one axis: (size, factor * size)."""
        large = size * self.factor
        unit = torch.eye(large, dtype=torch.float64)[None, None]
        if self.kernel is not None:
            line = (self._lines or (torch.ones(1), torch.ones(1)))[axis][:, None]
            unit = convolve(unit, line)
        return degrade.resample(unit, (size, large), self.method)[0, 0]

    def _inverse_matrix(self, size, axis):
        return torch.linalg.pinv(self._rows(size, axis))

    def _smooth_inverse_matrix(self, size, axis):
        """K (A K)⁻¹ along one axis: (factor * size, size)."""
        enlarge = self._enlarging(size)
        return enlarge @ torch.linalg.pinv(self._rows(size, axis) @ enlarge)

    def _enlarging(self, size):
        """K along one axis, bicubic: (factor * size, size)."""
        unit = torch.eye(size, dtype=torch.float64)[None, None]
        return degrade.resample(unit, (size * self.factor, size), "bicubic")[0, 0]

    def _down(self, large, size):
        batch = large.double().reshape(-1, 1, *large.shape[-2:])
        small = degrade.resample(convolve(batch, self.kernel), size, self.method)
        return small.reshape(*large.shape[:-2], *size).to(large)

    def _transposed(self, small):
        """Aᵀ of a linear A: its gradient, which is exact and the same everywhere."""
        height, width = small.shape[-2:]
        size = (*small.shape[:-2], height * self.factor, width * self.factor)
        with torch.inference_mode(False), torch.enable_grad():
            large = torch.zeros(size, dtype=torch.float64, requires_grad=True)
            again = self._down(large, (height, width))
            return torch.autograd.grad(again, large, small.clone())[0]

    def _small_size(self, large):
        height, width = large.shape[-2:]
        if height % self.factor or width % self.factor:
            raise images.PhotoError(
                f"the large photo is {width} x {height} px, and {self.factor} does not divide both "
                f"sides. Crop it first: me.degrade.crop_to_multiple(photo, {self.factor})"
            )
        return height // self.factor, width // self.factor


def _solve(square, goal, tolerance=1e-9, most=500):
    """z with M z = goal, for a symmetric positive M given as a function: conjugate gradients."""
    found = torch.zeros_like(goal)
    rest = goal.clone()
    way, size = rest.clone(), rest.square().sum()
    enough = tolerance**2 * size
    for _ in range(most):
        if size <= enough:
            break
        bent = square(way)
        step = size / (way * bent).sum()
        found, rest = found + step * way, rest - step * bent
        size, before = rest.square().sum(), size
        way = rest + (size / before) * way
    return found


def range_null_split(photo_small, answer, downscale="area"):
    """Take an answer apart: what the small photo recorded, and what was invented.

    photo_small: (3, H, W) or (N, 3, H, W); answer: the same, a whole number of times larger.
    downscale: how the small photo was made: "area", "bicubic" or a `Downscale`.
    Returns (recorded, invented) = (A⁺ y, (I - A⁺ A) x), both as large as the answer and not
    clamped; invented is signed. Their sum is the answer made consistent; invented, made small, is
    zero, and the two are orthogonal, so their energies add up.
    Raises PhotoError where the sizes do not fit.

    >>> small = torch.rand(3, 4, 4)
    >>> recorded, invented = range_null_split(small, torch.rand(3, 32, 32))
    >>> bool(Downscale(8)(invented).abs().max() < 1e-6)
    True
    """
    a = operator(photo_small, answer, downscale)
    answer = answer.detach()
    return a.pinv(photo_small.detach()), answer - a.pinv(a(answer))


def pseudo_inverse(photo_small, factor=8, kind="smooth", downscale="area"):
    """A large photo made from the recorded numbers alone, which downscales to them exactly.

    kind: "mosaic", A⁺ y: the one with the least energy; for area downscales, even squares.
    "smooth", K (A K)⁻¹ y: a bicubic enlargement, corrected. Not clamped.

    >>> pseudo_inverse(torch.rand(3, 4, 6)).shape
    torch.Size([3, 32, 48])
    """
    images.as_batch(photo_small, "photo_small")
    arguments.choice(kind, "kind", STARTS)
    a = downscale if isinstance(downscale, Downscale) else _plain(factor, downscale)
    return a.pinv(photo_small) if kind == "mosaic" else a.smooth(photo_small)


def back_project(answer, photo_small, downscale="area", kind="smooth", rounds=40, eight_bit=False):
    """Make an answer consistent: change it as little as needed, until it downscales to the photo.

    answer: (3, fH, fW) or (N, 3, fH, fW), sRGB in [0, 1]; photo_small: (3, H, W) or a batch.
    kind: "smooth" adds smooth corrections, K (A K)⁻¹ (y - A x): no block seams. "mosaic" adds
    A⁺ (y - A x), the smallest correction; for area downscales it shifts each block as a whole.
    A photo cannot leave [0, 1]. What clamping takes away in one place, the pixels that are still
    free have to give, so correcting and clamping are repeated, up to `rounds` times.
    eight_bit: round to the 256 levels of a file at the end.
    Returns the answer's shape, in [0, 1], at least 50 dB consistent where that is possible at all
    (45 dB after rounding). Raises PhotoError where the sizes do not fit.

    >>> small = torch.rand(3, 8, 8)
    >>> from mssnet_edu.metrics import consistency_db
    >>> consistency_db(back_project(torch.rand(3, 64, 64), small), small) > 50
    True
    """
    a = operator(photo_small, answer, downscale)
    arguments.choice(kind, "kind", STARTS)
    rounds = arguments.whole(rounds, "rounds", low=1)
    goal = photo_small.detach().clamp(0, 1)
    photo = answer.detach().clamp(0, 1)
    for number in range(rounds):
        error = goal - a(photo)
        if float(error.abs().max()) < 2e-4:
            break
        # smooth corrections first; what clamping then leaves over is local, and so is its repair
        push = a.smooth if kind == "smooth" and number < SMOOTH_ROUNDS else a.pinv
        photo = _push_free(photo, error, a, push)
    return images.quantize(photo) if eight_bit else photo


def _push_free(photo, error, a, push):
    """Correct harder where only some pixels can still move in the direction that is needed."""
    way = a.pinv(error)
    free = torch.where(way > 0, photo < 1, photo > 0).to(photo)
    harder = 1 / a(free).clamp(min=0.25)
    return (photo + push(error * harder)).clamp(0, 1)


def blend_invented(photo_small, answer, alpha, kind="smooth", downscale="area"):
    """Turn the invented part down or up: the start plus alpha times all that the answer adds to it.

    alpha: 0 is what was recorded and nothing else, 1 the whole (consistent) answer, 2 twice as much
    invention. kind: what 0 looks like, as in `pseudo_inverse`. Both ends, 0 and 1, are projected
    and lie in [0, 1], so every position between them agrees with the small photo; beyond 1,
    clamping can spoil it. Returns the answer's shape, in [0, 1].

    >>> small = torch.rand(3, 4, 4)
    >>> blend_invented(small, torch.rand(3, 32, 32), 0.5).shape
    torch.Size([3, 32, 32])
    """
    alpha = arguments.number(alpha, "alpha", low=0, high=4)
    a = operator(photo_small, answer, downscale)
    # more rounds would press a clipped area's blocks apart: they agree better and show as seams
    base = back_project(
        pseudo_inverse(photo_small, a.factor, kind, a), photo_small, a, kind, START_ROUNDS
    )
    full = back_project(answer, photo_small, a, kind)
    return (base + alpha * (full - base)).clamp(0, 1)


class Shares(NamedTuple):
    """How much of an answer is invented: counted in numbers, and in energy.

    Energy is the sum of squares after each colour's mean was taken away; *_db compare it with the
    energy of the whole, 10 log10(part / whole).
    """

    numbers: int
    numbers_recorded: int
    numbers_invented_share: float
    energy_invented_share: float
    recorded_db: float
    invented_db: float


def energy_shares(photo_small, answer, downscale="area"):
    """Count what was recorded and what was invented, in numbers and in energy: a `Shares`.

    As in `range_null_split`. The share of numbers depends on the factor alone: 63/64 at 8x.

    >>> shares = energy_shares(torch.rand(3, 4, 4), torch.rand(3, 32, 32))
    >>> print(f"{shares.numbers_invented_share:.4f}")
    0.9844
    """
    recorded, invented = range_null_split(photo_small, answer, downscale)
    flat = recorded - recorded.mean((-2, -1), keepdim=True)
    known, made = float(flat.double().square().sum()), float(invented.double().square().sum())
    whole = max(known + made, 1e-30)
    return Shares(
        numbers=answer.numel(),
        numbers_recorded=photo_small.numel(),
        numbers_invented_share=1 - photo_small.numel() / answer.numel(),
        energy_invented_share=made / whole,
        recorded_db=_db(known / whole),
        invented_db=_db(made / whole),
    )


def _db(share):
    return 10 * math.log10(share) if share > 0 else -math.inf


def blockiness(photo, factor=8):
    """How much stronger the jumps between blocks are than those inside them. 1: no seams.

    A jump is how far a step from pixel to pixel differs from the mean of the steps beside it, so a
    steep but even slope is none. Their mean over the lines of a grid of factor x factor blocks,
    divided by the mean over the places between. A mosaic has no jumps inside and gives infinity.

    >>> blockiness(torch.rand(3, 64, 64)) < 1.2
    True
    """
    batch = images.as_batch(photo)
    factor = arguments.whole(factor, "factor", low=4)
    across, within = [], []
    for grid in (batch, batch.mT):
        step = grid[..., 1:] - grid[..., :-1]
        jump = (step[..., 1:-1] - (step[..., :-2] + step[..., 2:]) / 2).abs().mean((0, 1, 2))
        place = torch.arange(2, grid.shape[-1] - 1) % factor  # of the pixel behind the step
        across.append(jump[place == 0])
        within.append(jump[(place > 1) & (place < factor - 1)])  # beside a seam is not inside
    inside = float(torch.cat(within).mean())
    return float(torch.cat(across).mean()) / inside if inside > 1e-9 else math.inf


def operator(photo_small, answer, downscale="area"):
    """The `Downscale` that leads from an answer's size to the small photo's, or a PhotoError."""
    small = images.as_batch(photo_small, "photo_small")
    large = images.as_batch(answer, "answer")
    factor = max(1, large.shape[-1] // small.shape[-1])
    if isinstance(downscale, Downscale):
        factor = downscale.factor
    fits = tuple(side * factor for side in small.shape[-2:]) == tuple(large.shape[-2:])
    if not fits or photo_small.dim() != answer.dim() or len(small) != len(large):
        sizes = [f"{p.shape[-1]} x {p.shape[-2]} px" for p in (answer, photo_small)]
        raise images.PhotoError(
            f"answer is {sizes[0]} and photo_small {sizes[1]}; expected an answer that is a whole "
            "number of times larger, the same number both ways."
        )
    return downscale if isinstance(downscale, Downscale) else _plain(factor, downscale)


@functools.lru_cache(maxsize=4)
def _plain(factor, method):
    """One operator for all calls: its matrices take longer to invert than to use."""
    return Downscale(factor, method)
