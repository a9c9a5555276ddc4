"""Where does a frame lie in another? An exhaustive search for the camera's turn, without training.

    cost(s) = sum W(p) W'(p + s) (L(p) - L'(p + s))^2 / sum W(p) W'(p + s)

for every shift s of cells of 4 x 4 px at once (by the Fourier transform), L the scene's light in
stops and W where it was recorded. Around the best shift each neighbourhood is matched on its own,
and an affine motion is fitted to what they say, so that it reaches into the white. Sources: the
masked correlation of Padfield, "Masked Object Registration in the Fourier Domain" (2012); the
robust fit by iteratively reweighted least squares (Holland and Welsch 1977).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["CELL_PX", "camera_motion", "grid"]

CELL_PX = 4
REACH = (0.35, 0.8)  # of height and width: how far the camera may have turned
LEAST_OVERLAP = 0.06  # of all cells: fewer agree by chance
NEAR = 2  # cells around the best shift in which each neighbourhood looks
WINDOW = 7  # cells, of a neighbourhood
SHARPNESS = 30.0  # of the choice among near shifts, per stop^2
TRUST = 0.05  # a cell at which a fit has this error, in cells^2, counts half


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """The (x, y) of each cell, (2, H, W)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).to(like)


def camera_motion(
    stops: Tensor, known: Tensor, reference_stops: Tensor, reference_known: Tensor
) -> Tensor:
    """How far each pixel lies from its match in the reference: (N, 2, H, W), (x, y) in px.

    stops, reference_stops: (N, 1, H, W), log2 of the light, both in the same exposure; known: bool,
    where it was recorded. Zero where nothing can be compared.

    >>> stops = torch.rand(1, 1, 32, 64).repeat_interleave(4, -1).repeat_interleave(4, -2)
    >>> known = torch.ones_like(stops, dtype=torch.bool)
    >>> moved = camera_motion(stops, known, stops.roll(8, -1), known)
    >>> moved.mean((0, 2, 3)).round().abs()  # two cells to the right
    tensor([8., 0.])
    """
    # float32: sums of thousands of squares, and places such as 31.4
    with torch.no_grad(), torch.autocast(stops.device.type, enabled=False):
        return _camera_motion(stops, known, reference_stops, reference_known)


def _camera_motion(
    stops: Tensor, known: Tensor, reference_stops: Tensor, reference_known: Tensor
) -> Tensor:
    height, width = stops.shape[-2:]
    a, w = _cells(stops.float(), known)
    b, v = _cells(reference_stops.float(), reference_known)
    shift = _best_shift(a, w, b, v)  # (N, 2) whole cells
    moved, weight = _near_shifts(a, w, b, v, shift)  # (N, 2, h, w) cells
    rows, columns = a.shape[-2:]
    place = grid(rows, columns, a).flatten(1)
    place = (place - place.mean(1, keepdim=True)) / columns
    basis = torch.cat([torch.ones_like(place[:1]), place]).T  # (h w, 3)
    target = (moved - shift[..., None, None]).flatten(2).mT  # (N, h w, 2)
    weight = weight.flatten(1)
    fit = weight.new_zeros(len(weight), 3, 2)
    for _ in range(4):
        error = (target - basis @ fit).square().sum(-1)
        robust = weight * TRUST / (TRUST + error)
        scaled = basis * robust[..., None]  # (N, h w, 3)
        ridge = torch.diag(basis.new_tensor([0.5, 0.5, 0.5]))
        fit = torch.linalg.solve(basis.T @ scaled + ridge, scaled.mT @ target)
    # the same motion, at every pixel
    place = (grid(height, width, a).flatten(1) + 0.5) / CELL_PX - 0.5
    middle = a.new_tensor([columns - 1, rows - 1])[:, None] / 2
    basis = torch.cat([torch.ones_like(place[:1]), (place - middle) / columns]).T
    motion = (basis @ fit + shift[:, None]) * CELL_PX  # (N, H W, 2)
    return motion.mT.unflatten(2, (height, width))


def _cells(stops: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Means over the recorded pixels of each cell, (N, h, w), and the share that is recorded."""
    share = F.avg_pool2d(known.float(), CELL_PX)
    mean = F.avg_pool2d(stops * known, CELL_PX) / share.clamp(min=1e-3)
    return mean[:, 0], share[:, 0] * (share[:, 0] > 0.5)


def _best_shift(a: Tensor, w: Tensor, b: Tensor, v: Tensor) -> Tensor:
    """The (x, y) whole cells by which b has to be looked up to agree with a: (N, 2)."""
    height, width = a.shape[-2:]
    reach = [max(1, int(share * n)) for share, n in zip(REACH, (height, width), strict=True)]
    size = [n + r for n, r in zip((height, width), reach, strict=True)]

    def spectrum(x: Tensor) -> Tensor:
        return torch.fft.rfft2(x, s=size)

    frame = [spectrum(x).conj() for x in (w, w * a, w * a * a)]
    other = [spectrum(x) for x in (v, v * b, v * b * b)]
    sums = torch.fft.irfft2(
        torch.stack(
            [
                frame[0] * other[0],
                frame[0] * other[2] + frame[2] * other[0] - 2 * frame[1] * other[1],
            ]
        ),
        s=size,
    )
    weight, squares = sums.clamp(min=0)
    rows, columns = (
        torch.cat([torch.arange(r + 1), torch.arange(-(n - 1), 0)])
        for r, n in zip(reach, (height, width), strict=True)
    )
    inside = (rows.abs() <= reach[0])[:, None] & (columns.abs() <= reach[1])
    overlap = (1 - rows.abs() / height)[:, None] * (1 - columns.abs() / width)
    enough = inside & (weight >= LEAST_OVERLAP * height * width)
    # far shifts compare few cells, and few cells agree by chance
    cost = (squares / weight.clamp(min=1) + 0.05) / overlap.clamp(min=0.01)
    cost = torch.where(enough, cost, torch.inf).flatten(1)
    best = cost.argmin(1)
    found = torch.stack([columns[best % len(columns)], rows[best // len(columns)]], 1).to(a)
    return found * cost.isfinite().any(1, keepdim=True)


def _near_shifts(
    a: Tensor, w: Tensor, b: Tensor, v: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    """What each cell's neighbourhood says: displacement (N, 2, h, w) in cells, and its weight."""
    height, width = a.shape[-2:]
    costs, shifts, weights = [], [], []
    offset = shift.long()
    # fetch the neighbourhood of the shifted cells once, NEAR wider on each side
    y = torch.arange(-NEAR, height + NEAR) + offset[:, 1:]  # (N, h + 2 NEAR)
    x = torch.arange(-NEAR, width + NEAR) + offset[:, :1]
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    index = y.clamp(0, height - 1)[:, :, None] * width + x.clamp(0, width - 1)[:, None]
    b = b.flatten(1).gather(1, index.flatten(1)).unflatten(1, index.shape[1:])
    v = v.flatten(1).gather(1, index.flatten(1)).unflatten(1, index.shape[1:]) * inside
    for dy in range(2 * NEAR + 1):
        for dx in range(2 * NEAR + 1):
            there = (slice(None), slice(dy, dy + height), slice(dx, dx + width))
            both = w * v[there]
            squares = both * (a - b[there]).square()
            both, squares = (
                F.avg_pool2d(z[:, None], WINDOW, 1, WINDOW // 2)[:, 0] for z in (both, squares)
            )
            costs.append(squares / both.clamp(min=1e-3))
            weights.append(both)
            shifts.append([dx - NEAR, dy - NEAR])
    cost = torch.stack(costs, 1)  # (N, 25, h, w)
    weight = torch.stack(weights, 1).amin(1)
    choice = (-SHARPNESS * cost).softmax(1)
    moved = torch.einsum("nshw,sc->nchw", choice, torch.tensor(shifts).to(a))
    spread = cost.amax(1) - cost.amin(1)  # flat neighbourhoods say nothing
    return moved + shift[..., None, None], weight * (spread / (spread + 0.05))
