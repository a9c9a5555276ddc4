"""What may be looked at in a frame, to decide which old frame to keep: cheap, and causal."""

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import images
from mssnet_edu.exposure import clipped

__all__ = ["FEATURES", "Glance", "Match", "glances", "match", "observe"]

GRID = (18, 32)  # cells of a frame, in which two frames are compared
STEP, DRIFT = (3, 12), (3, 4)  # cells up and down, left and right, that motions are looked for in
LEAST_OVERLAP = 0.1  # of a frame: with less, two frames have nothing in common
DARK = 1 / 256  # linear: below, eight bits tell nothing
FEATURES = (  # what the learned policy looks at
    "there is a kept frame",
    "age of the kept frame",
    "exposure now",
    "exposure now, less that of the kept frame",
    "change of the exposure since the frame before",
    "clipped share now",
    "clipped share of the kept frame",
    "clipped share now, less that of the kept frame",
    "nearly clipped share now",
    "brightness now",
    "shift to the kept frame, across",
    "shift to the kept frame, down",
    "motion since the frame before, across",
    "motion towards the kept frame",
    "overlap with the kept frame",
    "difference from the kept frame",
    "of what is clipped now, the kept frame shows",
    "of what the kept frame lost, now shows",
    "of what is clipped in both",
)


@dataclass(frozen=True)
class Glance:
    """What a rule may look at in one frame, known as soon as the frame is taken.

    number: of the frame, from 0. ev: its exposure. clipped_share: of its pixels, 0 to 1.
    nearly_clipped_share: of its pixels, those above three quarters of white, clipped or not.
    brightness: mean linear luminance, 0 to 1. ev_change: since the frame before. motion: (x, y) of
    the camera in shares of width and height, since the frame before; position: since the first
    frame, the sum of all motions. stops: (18, 32), log2 of the scene's
    light in each cell; recorded: (18, 32), the share of each cell that is not clipped; known: the
    share that is neither clipped nor black.
    """

    number: int
    ev: float
    clipped_share: float
    nearly_clipped_share: float
    brightness: float
    ev_change: float
    motion: tuple[float, float]
    position: tuple[float, float]
    stops: Tensor
    recorded: Tensor
    known: Tensor


class Match(NamedTuple):
    """Where a frame lies in another: see `match`."""

    shift: tuple[float, float]
    overlap: float
    difference: float
    recorded: Tensor


def glances(frames: Tensor, ev: Tensor) -> list[Glance]:
    """What a rule may look at, frame by frame; what comes later changes nothing of it.

    frames: (T, 3, H, W), sRGB in [0, 1]; ev: (T,). At least 18 x 32 px. Raises PhotoError for less.

    >>> [glance.clipped_share for glance in glances(torch.ones(2, 3, 36, 64), torch.zeros(2))]
    [1.0, 1.0]
    """
    frames = images.as_batch(frames, "frames")
    if frames.shape[-2] < GRID[0] or frames.shape[-1] < GRID[1] or len(ev) != len(frames):
        raise images.PhotoError(
            f"frames is {tuple(frames.shape)} and ev {tuple(ev.shape)}; expected frames of at "
            f"least {GRID[1]} x {GRID[0]} px, (T, 3, H, W), and one EV for each."
        )
    found: list[Glance] = []
    for number, (frame, own_ev) in enumerate(zip(frames, ev.tolist(), strict=True)):
        light = images.luma(images.to_linear(frame))
        recorded = ~clipped(frame)
        known = (recorded & (light > DARK)).float()
        stops = (light.clamp(min=DARK).log2() - own_ev) * known
        share = F.adaptive_avg_pool2d(known, GRID)
        glance = Glance(
            number,
            own_ev,
            1 - float(recorded.float().mean()),
            float((frame.amax(0) > 0.88).float().mean()),  # sRGB of three quarters
            float(light.mean()),
            own_ev - found[-1].ev if found else 0.0,
            (0.0, 0.0),
            found[-1].position if found else (0.0, 0.0),
            (F.adaptive_avg_pool2d(stops, GRID) / share.clamp(min=1e-3))[0],
            F.adaptive_avg_pool2d(recorded.float(), GRID)[0],
            share[0],
        )
        if found:
            x, y = match(glance, found[-1], STEP).shift
            glance = dataclasses.replace(
                glance, motion=(x, y), position=(glance.position[0] + x, glance.position[1] + y)
            )
        found.append(glance)
    return found


def match(now: Glance, kept: Glance, search: tuple[int, int] = DRIFT) -> Match:
    """Find a frame in another, by comparing their 18 x 32 cells under many shifts.

    It looks around where the sum of all motions says, so many cells up and down, left and right:
    search. Returns shift: (x, y), where now's
    content lies in the kept frame, in shares of its width and height. overlap: share of now that
    the kept frame shows at all, 0 to 1. difference: RMS difference in stops there. recorded: (18,
    32), the share of each of now's cells that the kept frame recorded.

    >>> glance = glances(torch.rand(1, 3, 18, 32), torch.zeros(1))[0]
    >>> match(glance, glance)[:2]
    ((0.0, 0.0), 1.0)
    """
    expected = (now.position[0] - kept.position[0], now.position[1] - kept.position[1])
    column, row = (round(e * n) for e, n in zip(expected, GRID[::-1], strict=True))
    ranges = [
        range(max(1 - n, at - far), min(n - 1, at + far) + 1)
        for at, far, n in zip((row, column), search, GRID, strict=True)
    ]
    nothing = Match(expected, 0.0, 0.0, torch.zeros(GRID))
    if not all(ranges):
        return nothing
    (top, bottom), (left, right) = ((each[0], each[-1]) for each in ranges)

    def shifted(cells: Tensor) -> Tensor:
        """The kept frame's cells wherever a shift may need them, 0 outside of it."""
        return F.pad(cells, (-left, right, -top, bottom))

    def products(kept_map: Tensor, now_map: Tensor) -> Tensor:
        """Sums of the products of two maps, for each shift."""
        return F.conv2d(shifted(kept_map)[None, None], now_map[None, None])[0, 0]

    a, b, there, here = kept.stops, now.stops, kept.known, now.known
    weight = products(there, here)
    squares = products(there * a * a, here) + products(there, here * b * b)
    squares = (squares - 2 * products(there * a, here * b)).clamp(min=0) / weight.clamp(min=1)
    rows, columns = (torch.tensor(each) for each in ranges)
    overlap = (1 - rows.abs() / GRID[0])[:, None] * (1 - columns.abs() / GRID[1])
    # far shifts compare few cells, and few cells agree by chance
    cost = torch.where(weight >= LEAST_OVERLAP * a.numel(), (squares + 0.1) / overlap, torch.inf)
    if not cost.isfinite().any():
        return nothing
    i, j = divmod(int(cost.argmin()), len(columns))
    recorded = shifted(kept.recorded)[i : i + GRID[0], j : j + GRID[1]]
    return Match(
        (ranges[1][j] / GRID[1], ranges[0][i] / GRID[0]),
        float(overlap[i, j]),
        math.sqrt(float(squares[i, j])),
        recorded,
    )


def observe(now: Glance, kept: Glance | None) -> Tensor:
    """The numbers that the learned policy looks at, (19,), each about -2 to 2: see FEATURES.

    >>> glance = glances(torch.rand(1, 3, 18, 32), torch.zeros(1))[0]
    >>> observe(glance, None).shape == (len(FEATURES),)
    True
    """
    age = shown = gained = both = x = y = overlap = difference = 0.0
    if kept is not None:
        (x, y), overlap, difference, recorded = match(now, kept)
        age = now.number - kept.number
        lost, lost_there = 1 - now.recorded, 1 - recorded  # what lies outside counts as lost
        shown = float((lost * recorded).sum() / lost.sum().clamp(min=1))
        gained = float((now.recorded * lost_there).mean())
        both = float((lost * lost_there).mean())
    kept_ev, kept_share = (0, 0) if kept is None else (kept.ev, kept.clipped_share)
    return torch.tensor(
        [
            float(kept is not None),
            math.log2(age + 1) / 3,
            now.ev / 3,
            now.ev - kept_ev,
            3 * now.ev_change,
            3 * now.clipped_share,
            3 * kept_share,
            5 * (now.clipped_share - kept_share),
            3 * now.nearly_clipped_share,
            3 * now.brightness,
            2 * x,
            3 * y,
            10 * now.motion[0],
            math.copysign(10, x) * now.motion[0] if x else 0.0,
            overlap,
            difference,
            shown,
            2 * gained,
            5 * both,
        ]
    )
