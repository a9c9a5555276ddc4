"""The downscale as a linear operator A, and what follows from it: recorded, invented, consistent.

A small photo y was made from a large one x by y = A x. A has far fewer rows than columns, so many
large photos explain one small one. Every large photo splits into two parts, one in the range of A⁺
and one in the null space of A:

    x  =  A⁺ A x  +  (I - A⁺ A) x

The first part follows from the small photo alone: it is *recorded*. The second becomes zero when it
is made small: nothing of it was recorded, so in an answer it is *invented*.
"""

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import degrade, images
from mssnet_edu.degrade import arguments

__all__ = [
    "Downscale",
    "Shares",
    "back_project",
    "blend_invented",
    "blockiness",
    "energy_shares",
    "operator",
    "pseudo_inverse",
    "range_null_split",
]

PSEUDO_INVERSES = ("mosaic", "smooth")
BACK_PROJECTIONS = (*PSEUDO_INVERSES, "bicubic", "bicubic-aliased")
SMOOTH_ROUNDS = 24
BASE_ROUNDS = 2  # enough for 50 dB; more would press clipped blocks apart, and seams would show


class Downscale:
    """Block averaging as a linear operator A, with its transpose and its pseudo-inverse.

    factor: how many times smaller. Photos are (3, H, W) or (N, 3, H, W) of any size that the factor
    divides, any numbers: nothing is clamped. The names are those of deepinv's operators.

    >>> a = Downscale(8)
    >>> small = torch.rand(3, 4, 6)
    >>> torch.allclose(a.A(a.A_dagger(small)), small, atol=1e-5)
    True
    """

    def __init__(self, factor: int = 8) -> None:
        self.factor = arguments.whole(factor, "factor", low=1, high=64)

    def __repr__(self) -> str:
        return f"Downscale({self.factor})"

    def A(self, x: Tensor) -> Tensor:
        """A x, the means of blocks: (..., fH, fW) -> (..., H, W)."""
        height, width = x.shape[-2:]
        if height % self.factor or width % self.factor:
            raise images.PhotoError(
                f"the large photo is {width} x {height} px, and {self.factor} does not divide both "
                f"sides. Crop it first: me.degrade.crop_to_multiple(photo, {self.factor})"
            )
        return F.avg_pool2d(x, self.factor)

    __call__ = A

    def A_adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: (..., H, W) -> (..., fH, fW), with <A x, y> = <x, Aᵀ y> for all x and y."""
        return self.A_dagger(y) / self.factor**2

    def A_dagger(self, y: Tensor) -> Tensor:
        """A⁺ y: of all x with A x = y, the one of least energy: a mosaic of even squares."""
        return y.repeat_interleave(self.factor, -2).repeat_interleave(self.factor, -1)

    def smooth(self, y: Tensor) -> Tensor:
        """K (A K)⁻¹ y, K being bicubic: the smooth enlargement that A maps to y exactly."""
        down, across = (_smooth_matrix(self.factor, side) for side in y.shape[-2:])
        return (down @ y.double() @ across.mT).to(y)


@functools.lru_cache(maxsize=16)  # an inverse takes longer to compute than to use
def _smooth_matrix(factor, size):
    """K (A K)⁻¹ along one axis: (factor * size, size)."""
    large = factor * size
    small_unit, large_unit = (torch.eye(n, dtype=torch.float64)[None, None] for n in (size, large))
    reduce = degrade.resample(large_unit, (size, large), "area")[0, 0]  # A
    enlarge = degrade.resample(small_unit, (large, size), "bicubic")[0, 0]  # K
    return enlarge @ torch.linalg.pinv(reduce @ enlarge)


def operator(photo_small: Tensor, answer: Tensor) -> Downscale:
    """The `Downscale` that leads from an answer's size to the small photo's.

    Raises PhotoError if there is none.

    >>> operator(torch.rand(3, 4, 6), torch.rand(3, 32, 48))
    Downscale(8)
    """
    small = images.as_batch(photo_small, "photo_small")
    large = images.as_batch(answer, "answer")
    factor = max(1, large.shape[-1] // small.shape[-1])
    fits = tuple(side * factor for side in small.shape[-2:]) == tuple(large.shape[-2:])
    if not fits or photo_small.dim() != answer.dim() or len(small) != len(large):
        sizes = [f"{p.shape[-1]} x {p.shape[-2]} px" for p in (answer, photo_small)]
        raise images.PhotoError(
            f"answer is {sizes[0]} and photo_small {sizes[1]}; expected an answer that is a whole "
            "number of times larger, the same number both ways."
        )
    return Downscale(factor)


def range_null_split(photo_small: Tensor, answer: Tensor) -> tuple[Tensor, Tensor]:
    """Take an answer apart: what the small photo recorded, and what was invented.

    photo_small: (3, H, W) or (N, 3, H, W); answer: the same, a whole number of times larger.
    Returns (recorded, invented) = (A⁺ y, (I - A⁺ A) x), both as large as the answer and not
    clamped; invented is signed. Their sum is the answer made consistent; invented, made small, is
    zero, and the two are orthogonal, so their energies add up.
    Raises PhotoError where the sizes do not fit.

    >>> small = torch.rand(3, 4, 4)
    >>> recorded, invented = range_null_split(small, torch.rand(3, 32, 32))
    >>> bool(Downscale(8)(invented).abs().max() < 1e-6)
    True
    """
    a = operator(photo_small, answer)
    x = answer.detach()
    return a.A_dagger(photo_small.detach()), x - a.A_dagger(a.A(x))


def pseudo_inverse(photo_small: Tensor, factor: int = 8, kind: str = "smooth") -> Tensor:
    """A large photo made from the recorded numbers alone, which downscales to them exactly.

    kind: "mosaic", A⁺ y: the one with the least energy, even squares. "smooth", K (A K)⁻¹ y: a
    bicubic enlargement, corrected. Not clamped.

    >>> pseudo_inverse(torch.rand(3, 4, 6)).shape
    torch.Size([3, 32, 48])
    """
    images.as_batch(photo_small, "photo_small")
    arguments.choice(kind, "kind", PSEUDO_INVERSES)
    a = Downscale(factor)
    return a.A_dagger(photo_small) if kind == "mosaic" else a.smooth(photo_small)


def back_project(
    answer: Tensor,
    photo_small: Tensor,
    kind: str = "smooth",
    rounds: int = 40,
    tol: float = 2e-4,
    weight: Tensor | None = None,
    eight_bit: bool = False,
) -> Tensor:
    """Make an answer consistent by iterative back-projection: x <- clamp(x + B (y - A x)).

    answer: (3, fH, fW) or (N, 3, fH, fW), sRGB in [0, 1]; photo_small: (3, H, W) or a batch.
    kind: the back-projection kernel B. "smooth", K (A K)⁻¹: smooth corrections, no block seams.
    "mosaic", A⁺: the smallest correction, which shifts each block as a whole. With these two, the
    pixels that are still free give what clamping to [0, 1] takes away elsewhere. "bicubic" and
    "bicubic-aliased" (as in `degrade.resample`): interpolation and no more, as in the source.
    weight: (1, fH, fW) or (fH, fW), only with "mosaic": where changes are to go, above 0.
    It stops after `rounds`, or when no pixel of A x is off by `tol`.
    eight_bit: round to the 256 levels of a file at the end.
    Returns the answer's shape, in [0, 1], with "smooth" and "mosaic" at least 50 dB consistent
    where that is possible at all (45 dB after rounding). Raises PhotoError where the sizes do not
    fit. Source: Irani and Peleg, "Improving resolution by image registration", 1991.

    >>> small = torch.rand(3, 8, 8)
    >>> from mssnet_edu.metrics import consistency_db
    >>> consistency_db(back_project(torch.rand(3, 64, 64), small), small) > 50
    True
    """
    a = operator(photo_small, answer)
    arguments.choice(kind, "kind", BACK_PROJECTIONS)
    rounds = arguments.whole(rounds, "rounds", low=1)
    if weight is not None and kind != "mosaic":
        raise ValueError(f"weight goes with kind='mosaic' only, and kind is {kind!r}.")
    y = photo_small.detach().clamp(0, 1)
    x = answer.detach().clamp(0, 1)
    for number in range(rounds):
        residual = y - a.A(x)
        if float(residual.abs().max()) < tol:
            break
        least = a.A_dagger(residual)
        if kind not in PSEUDO_INVERSES:
            step = degrade.resample(residual, x.shape[-2:], kind)
        elif weight is not None:
            free = weight * torch.where(least > 0, x < 0.99, x > 0.01)
            step = (least * free / a.A_dagger(a.A(free)).clamp(min=1e-4)).clamp(-0.25, 0.25)
        else:
            # more where only some pixels can still move in the direction that is needed
            free = torch.where(least > 0, x < 1, x > 0).to(x)
            raised = residual * (1 / a.A(free).clamp(min=0.25))
            # smooth corrections first; what clamping then leaves over is local, so is its repair
            smooth = kind == "smooth" and number < SMOOTH_ROUNDS
            step = a.smooth(raised) if smooth else a.A_dagger(raised)
        x = (x + step).clamp(0, 1)
    return images.quantize(x) if eight_bit else x


def blend_invented(
    photo_small: Tensor, answer: Tensor, alpha: float, kind: str = "smooth"
) -> Tensor:
    """Scale the invented part: base + alpha (answer - base), base being the pseudo-inverse.

    alpha: 0 is what was recorded and nothing else, 1 the whole (consistent) answer, 2 twice as much
    invention. kind: the base, as in `pseudo_inverse`. Both ends, 0 and 1, are back-projected and
    lie in [0, 1], so every position between them agrees with the small photo; beyond 1, clamping
    can spoil it. Returns the answer's shape, in [0, 1].

    >>> small = torch.rand(3, 4, 4)
    >>> blend_invented(small, torch.rand(3, 32, 32), 0.5).shape
    torch.Size([3, 32, 32])
    """
    alpha = arguments.number(alpha, "alpha", low=0, high=4)
    factor = operator(photo_small, answer).factor
    base = pseudo_inverse(photo_small, factor, kind)
    base = back_project(base, photo_small, kind, BASE_ROUNDS)
    full = back_project(answer, photo_small, kind)
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


def energy_shares(photo_small: Tensor, answer: Tensor) -> Shares:
    """Count what was recorded and what was invented, in numbers and in energy: a `Shares`.

    As in `range_null_split`. The share of numbers depends on the factor alone: 63/64 at 8x.

    >>> shares = energy_shares(torch.rand(3, 4, 4), torch.rand(3, 32, 32))
    >>> print(f"{shares.numbers_invented_share:.4f}")
    0.9844
    """
    recorded, invented = range_null_split(photo_small, answer)
    centred = recorded - recorded.mean((-2, -1), keepdim=True)
    recorded_energy, invented_energy = (
        float(part.double().square().sum()) for part in (centred, invented)
    )
    whole = max(recorded_energy + invented_energy, 1e-30)
    return Shares(
        numbers=answer.numel(),
        numbers_recorded=photo_small.numel(),
        numbers_invented_share=1 - photo_small.numel() / answer.numel(),
        energy_invented_share=invented_energy / whole,
        recorded_db=_db(recorded_energy / whole),
        invented_db=_db(invented_energy / whole),
    )


def _db(share):
    return 10 * math.log10(share) if share > 0 else -math.inf


def blockiness(photo: Tensor, factor: int = 8) -> float:
    """How much stronger the jumps between blocks are than those inside them. 1: no seams.

    A jump is how far a difference of neighbours departs from the mean of the differences beside it,
    so a steep but even slope is none. Their mean over the lines of a grid of factor x factor
    blocks, divided by the mean over the places between. A mosaic has no jumps inside and gives
    infinity.

    >>> blockiness(torch.rand(3, 64, 64)) < 1.2
    True
    """
    batch = images.as_batch(photo)
    factor = arguments.whole(factor, "factor", low=4)
    between, within = [], []
    for grid in (batch, batch.mT):
        step = grid[..., 1:] - grid[..., :-1]
        jump = (step[..., 1:-1] - (step[..., :-2] + step[..., 2:]) / 2).abs().mean((0, 1, 2))
        column = torch.arange(2, grid.shape[-1] - 1) % factor  # of the pixel behind the step
        between.append(jump[column == 0])
        within.append(jump[(column > 1) & (column < factor - 1)])  # a seam's neighbours are neither
    inside = float(torch.cat(within).mean())
    return float(torch.cat(between).mean()) / inside if inside > 1e-9 else math.inf
