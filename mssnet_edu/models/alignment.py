"""Where does a frame lie in another? A search for how the camera turned, without training.

    cost(s) = sum W(p) W'(p + s) |L(p) - L'(p + s)|^2 / sum W(p) W'(p + s)

for all shifts s of cells of 4 x 4 px at once, by the Fourier transform; W says where light was
recorded, and L is that light in stops, and apart from it its local contrast, both limited so that
one lamp or passer-by does not outweigh the rest. Around the best shift each neighbourhood is then
matched on its own, and a motion of second order, much like that of a camera that turns, is fitted
to what they say: it reaches into the white as well.

Sources: Padfield, "Masked Object Registration in the Fourier Domain" (2012), for the masks; Holland
and Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares" (1977), for the fit.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["camera_motion", "grid", "warp"]

CELL_PX = 4
REACH = (0.35, 0.8)  # of height and width: how far the camera may have turned
LEAST_OVERLAP = 0.06  # of all cells: fewer agree by chance
FLOOR = 0.02  # stops^2, below which shifts are equally good
BRIGHTNESS_STOPS, CONTRAST_STOPS, CONTRAST_CELLS = 1.5, 0.5, 9  # what is compared, and its limits
STEPS = 4  # of matching neighbourhoods and fitting
WINDOW = 7  # cells, of a neighbourhood
SHARPNESS = 30.0  # of the choice between neighbouring shifts, per stop^2
OUTLIER = 0.05  # cells^2, at which a neighbourhood counts half
RIDGE = 0.3  # how many cells a correction of the shift must be worth
BENDING = (0.5, 0.3)  # cells, and times the shift: so far a turn's motion differs within a frame


class _Cells(NamedTuple):
    """look: (N, 2, h, w), brightness and contrast; weight: (N, 1, h, w), share recorded."""

    look: Tensor
    weight: Tensor


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """The (x, y) of each cell, (2, H, W).

    >>> grid(1, 3, torch.zeros(()))[0]
    tensor([[0., 1., 2.]])
    """
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).to(like)


def warp(maps: Tensor, displacement: Tensor) -> Tensor:
    """Fetch each pixel from where its displacement points to, bilinearly; 0 beyond the edge.

    maps: (N, C, H, W); displacement: (N, 2, H, W), (x, y) in pixels. Returns (N, C, H, W).

    >>> one_left = torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    >>> warp(torch.tensor([[[[1.0, 2.0, 3.0]]]]), one_left)
    tensor([[[[0., 1., 2.]]]])
    """
    height, width = maps.shape[-2:]
    place = grid(height, width, displacement) + displacement
    size = torch.tensor([width, height]).view(2, 1, 1).to(place)
    place = (2 * place + 1) / size - 1  # grid_sample's units, with align_corners=False
    return F.grid_sample(maps, place.permute(0, 2, 3, 1).to(maps), align_corners=False)


def camera_motion(
    stops: Tensor, known: Tensor, reference_stops: Tensor, reference_known: Tensor
) -> Tensor:
    """How far each pixel lies from its match in the reference: (N, 2, H, W), (x, y) in px.

    stops, reference_stops: (N, 1, H, W), log2 of the light, both in the same exposure; known: bool,
    where it was recorded. Zero where nothing can be compared.

    >>> stops = torch.rand(1, 1, 32, 64).repeat_interleave(4, -1).repeat_interleave(4, -2)
    >>> known = torch.ones_like(stops, dtype=torch.bool)
    >>> moved = camera_motion(stops, known, stops.roll(8, -1), known)
    >>> moved[0, :, 64, 100].round().abs()  # two cells to the right
    tensor([8., 0.])
    """
    # float32: sums of thousands of squares, and places such as 31.4
    with torch.no_grad(), torch.autocast(stops.device.type, enabled=False):
        return _camera_motion(stops, known, reference_stops, reference_known)


def _camera_motion(
    stops: Tensor, known: Tensor, reference_stops: Tensor, reference_known: Tensor
) -> Tensor:
    height, width = stops.shape[-2:]
    here, share = _mean(stops.float(), known)
    there, other_share = _mean(reference_stops.float(), reference_known)
    middle = (here * share).sum((1, 2, 3), keepdim=True) / share.sum((1, 2, 3), keepdim=True).clamp(
        min=1
    )
    frame, other = _look(here - middle, share), _look(there - middle, other_share)
    rows, columns = here.shape[-2:]
    basis = _basis(grid(rows, columns, here).flatten(1), rows, columns)  # (h w, 6)
    fit = here.new_zeros(len(here), 6, 2)
    fit[:, 0] = shift = _best_shift(frame, other)
    # a camera that hardly turned moves all of the frame alike
    expected = BENDING[0] + BENDING[1] * shift.norm(dim=1)[:, None].expand(-1, 5)
    ridge = torch.cat([torch.full_like(expected[:, :1], RIDGE), expected**-2], 1).diag_embed()
    for _ in range(STEPS):
        fit = _refit(basis, fit, ridge, frame, other)
    place = (grid(height, width, here).flatten(1) + 0.5) / CELL_PX - 0.5  # of pixels, in cells
    motion = _basis(place, rows, columns) @ fit * CELL_PX  # (N, H W, 2)
    return motion.mT.unflatten(2, (height, width))


def _mean(stops: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Means over the recorded pixels of each cell, (N, 1, h, w), and the share that is recorded."""
    share = F.avg_pool2d(known.float(), CELL_PX)
    mean = F.avg_pool2d(stops * known, CELL_PX) / share.clamp(min=1e-3)
    return mean, share * (share > 0.5)


def _look(stops: Tensor, weight: Tensor) -> _Cells:
    local, near = (
        F.avg_pool2d(x, CONTRAST_CELLS, 1, CONTRAST_CELLS // 2) for x in (stops * weight, weight)
    )
    contrast = torch.tanh((stops - local / near.clamp(min=1e-3)) / CONTRAST_STOPS) * CONTRAST_STOPS
    brightness = torch.tanh(stops / BRIGHTNESS_STOPS) * BRIGHTNESS_STOPS
    return _Cells(torch.cat([brightness, contrast], 1), weight)


def _basis(place: Tensor, rows: int, columns: int) -> Tensor:
    """1, x, y, x^2, xy, y^2 of places (2, n) in cells, from the frame's middle: (n, 6)."""
    middle = place.new_tensor([columns - 1, rows - 1])[:, None] / 2
    x, y = (place - middle) / columns
    return torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], 1)


def _best_shift(frame: _Cells, other: _Cells) -> Tensor:
    """The (x, y) whole cells at which the other frame agrees best: (N, 2)."""
    (a, w), (b, v) = frame, other
    height, width = a.shape[-2:]
    reach = [max(1, int(share * n)) for share, n in zip(REACH, (height, width), strict=True)]
    size = [n + r for n, r in zip((height, width), reach, strict=True)]  # so that ends do not meet

    def products(x: Tensor, y: Tensor) -> Tensor:
        """Sum over p of x(p) y(p + s), for all shifts s."""
        return torch.fft.irfft2(
            torch.fft.rfft2(x, s=size).conj() * torch.fft.rfft2(y, s=size), size
        )

    weight = products(w, v)[:, 0]
    squares = products(w * a * a, v.expand_as(b)) + products(w.expand_as(a), v * b * b)
    squares = (squares - 2 * products(w * a, v * b)).sum(1)
    rows, columns = (
        torch.cat([torch.arange(r + 1), torch.arange(-(n - 1), 0)])
        for r, n in zip(reach, (height, width), strict=True)
    )
    inside = (rows.abs() <= reach[0])[:, None] & (columns.abs() <= reach[1])
    overlap = (1 - rows.abs() / height)[:, None] * (1 - columns.abs() / width)
    enough = inside & (weight >= LEAST_OVERLAP * height * width)
    # far shifts compare few cells, and few cells agree by chance
    cost = squares.clamp(min=0) / weight.clamp(min=1) + FLOOR
    cost = torch.where(enough, cost / overlap.clamp(min=0.01), torch.inf).flatten(1)
    best = cost.argmin(1)
    found = torch.stack([columns[best % len(columns)], rows[best // len(columns)]], 1).to(a)
    return found * cost.isfinite().any(1, keepdim=True)


def _refit(basis: Tensor, fit: Tensor, ridge: Tensor, frame: _Cells, other: _Cells) -> Tensor:
    """A better motion, (N, 6, 2): from where each neighbourhood agrees, one cell around `fit`."""
    size = frame.look.shape[-2:]
    field = (basis @ fit).mT.unflatten(2, size)  # (N, 2, h, w)
    turned = warp(torch.cat([*other], 1), field)
    moved, weight = _one_cell_around(frame, _Cells(turned[:, :2], turned[:, 2:]))
    target, found = moved.flatten(2).mT, torch.zeros_like(fit)
    weight = weight.flatten(1)[..., None]  # (N, h w, 1)
    for _ in range(3):
        error = (target - basis @ found).square().sum(-1, keepdim=True)
        weighted = basis * weight * OUTLIER / (OUTLIER + error)
        found = torch.linalg.solve(basis.T @ weighted + ridge, weighted.mT @ target)
    return fit + found


def _one_cell_around(frame: _Cells, other: _Cells) -> tuple[Tensor, Tensor]:
    """How far each neighbourhood has to go, (N, 2, h, w) in cells, and its weight (N, h, w)."""
    (a, w), (b, v) = frame, other
    height, width = a.shape[-2:]
    b, v = F.pad(b, (1,) * 4), F.pad(v * (v > 0.3), (1,) * 4)
    shifts = [(x, y) for y in range(3) for x in range(3)]
    costs, weights = [], []
    for x, y in shifts:
        there = (..., slice(y, y + height), slice(x, x + width))
        both = w * v[there]
        squares = both * (a - b[there]).square().sum(1, keepdim=True)
        both, squares = (F.avg_pool2d(z, WINDOW, 1, WINDOW // 2)[:, 0] for z in (both, squares))
        costs.append(squares / both.clamp(min=1e-3))
        weights.append(both)
    cost = torch.stack(costs, 1)
    choice = (-SHARPNESS * cost).softmax(1)
    moved = torch.einsum("nshw,sc->nchw", choice, torch.tensor(shifts).to(a) - 1)
    spread = cost.amax(1) - cost.amin(1)  # where nothing is to be seen, nothing is to be said
    return moved, torch.stack(weights, 1).amin(1) * spread / (spread + 0.05)
