"""What the estimators say of a photo, in plain words, with an interval and advice.

An interval holds the truth in nine of ten cases like those of the accuracy table: held-out
photographs, degraded by known amounts. A photo unlike them may be misjudged by more.
"""

import functools
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mssnet_edu import classical, images, models, restore, working_size
from mssnet_edu.diagnosis import estimators, evidence
from mssnet_edu.images.files import opened
from mssnet_edu.show import figures
from mssnet_edu.show.look import Figure

__all__ = ["Diagnosis", "Finding", "accuracy", "diagnose"]

NOISY_SIGMA = 1.5  # grey levels; below, nobody sees it
POOR_QUALITY = 70
CLIPPED_SHARE = 0.01
FADED_RANGE, CAST = 180, 25  # grey levels
# up to here, ours is as good as the larger network (docs/evaluation.md, by how far motion reaches)
MOST_PX = 2048  # of a side: to measure 50 megapixels would take 4 GB
OURS_MENDS_PX = 8
SHORT_PX = 10
OURS, LARGER = "mssnet-deblur", "maxim-gopro"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for in a photo.

    name: "motion", "detail", "noise", "jpeg", "grid", "clipping", "contrast" or "cast". value: what
    was measured, in `unit`; None where the photo cannot tell. interval: holds the truth in nine of
    ten cases of the accuracy table; None where the value was counted or read, not estimated.
    is_fault: worth a remark. sentence: what it means. advice: what to do about it; "" for nothing.
    """

    name: str
    value: float | None
    unit: str
    sentence: str
    is_fault: bool = False
    interval: tuple[float, float] | None = None
    advice: str = ""
    draw: Callable[[], Figure] | None = field(default=None, repr=False, compare=False)

    def evidence(self) -> Figure:
        """A figure of what the finding rests on. Raises ValueError where it has none."""
        if self.draw is None:
            raise ValueError(f"the photo is too small or too flat to show its {self.name}.")
        return self.draw()

    @property
    def measured(self) -> str:
        """The value with its unit and interval, as people read it."""
        if self.value is None:
            return "not known"
        text = f"{_number(self.value)} {self.unit}".strip()
        if self.interval is None:
            return text
        low, high = map(_number, self.interval)
        return f"{text} ({low} to {high})" if low != high else text

    def __str__(self) -> str:
        return f"{self.name}: {self.measured}. {self.sentence} {self.advice}".strip()


@dataclass(frozen=True)
class Diagnosis:
    """All findings of one photo, faults first. It shows itself as a table, and prints as text.

    diagnosis["noise"] is a finding by name; iterating gives them all.
    """

    width: int
    height: int
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are worth a remark."""
        return tuple(finding for finding in self.findings if finding.is_fault)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.name == name:
                return finding
        known = ", ".join(finding.name for finding in self.findings)
        raise KeyError(f"no finding is called {name!r}; there are {known}.")

    @property
    def summary(self) -> str:
        """One sentence."""
        names = ", ".join(finding.name for finding in self.faults)
        size = f"{self.width} x {self.height} px"
        return f"{size}: worth a look: {names}." if names else f"{size}: nothing found."

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"- {finding}" for finding in self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            [("!\u00a0" if f.is_fault else "") + f.name, f.measured, f.sentence, f.advice or "–"]
            for f in self.findings
        ]
        columns = ["", "measured (9 of 10 cases lie within)", "what it means", "what to do"]
        return figures.table(rows, columns, caption=self.summary, alt=str(self)).html


def diagnose(photo: Tensor, file: str | os.PathLike | None = None) -> Diagnosis:
    """Measure what is wrong with a photo: motion, detail, noise, JPEG, clipping, contrast.

    photo: (3, H, W), sRGB in [0, 1], of any size; of sides over 2,048 px the middle is measured,
    and for clipping and contrast every k-th pixel of the whole. file: where it was read from, if it
    is a JPEG: then its quality is read, not estimated. No network is used; a second or two.
    Returns a `Diagnosis`. Raises PhotoError (a ValueError) for a batch, and for a file that holds
    a picture of another size.

    >>> from mssnet_edu import degrade, samples
    >>> blurred = degrade.blur(samples.load("astronaut"), degrade.line_kernel(20, angle_deg=40))
    >>> round(diagnose(blurred)["motion"].value)
    20
    """
    height, width = images.as_batch(photo).shape[-2:]
    if file is not None and sorted(opened(file).size) != sorted((width, height)):
        w, h = opened(file).size
        raise images.PhotoError(
            f"photo is {width} x {height} px, {Path(file).name} is {w} x {h} px. "
            "Give the photo as the file holds it, or leave file out."
        )
    k = math.ceil(max(height, width) / MOST_PX)
    thinned = estimators.single(photo[..., ::k, ::k])
    photo = estimators.single(_middle(photo))
    jpeg, grid = _jpeg(photo, file)
    motion = _motion(photo)
    found = [
        motion,
        _detail(photo, None if jpeg.value is None else int(jpeg.value), motion.is_fault),
        _noise(photo, jpeg.value is not None),
        jpeg,
        grid,
        _clipping(thinned),
        *_contrast(thinned),
    ]
    ordered = sorted((f for f in found if f), key=lambda f: not f.is_fault)
    return Diagnosis(width, height, tuple(ordered))


def _middle(photo: Tensor) -> Tensor:
    """At most MOST_PX of each side; cut between JPEG's blocks, so that their grid stays."""
    top, left = (max(0, side - MOST_PX) // 16 * 8 for side in photo.shape[-2:])
    return photo[..., top : top + MOST_PX, left : left + MOST_PX]


@functools.cache
def accuracy() -> dict[str, Any]:
    """How far off the estimators are: accuracy.json, by `python -m training.evaluate_diagnosis`.

    >>> sorted(accuracy()["motion"])[:2]
    ['false_alarms', 'ratio']
    """
    path = Path(__file__).with_name("accuracy.json")
    return json.loads(path.read_text(encoding="utf-8"))


def _interval(name: str, value: float, most: float = float("inf")) -> tuple[float, float]:
    """Where the truth lies in nine of ten cases: by its ratio or its difference to the value."""
    about = accuracy()[name]
    if "ratio" in about:
        low, high = (value * ratio for ratio in about["ratio"])
    else:
        low, high = (value + difference for difference in about["difference"])
    return max(0.0, min(low, value)), min(most, max(high, value))


def _number(value: float) -> str:
    value = round(value, 1)
    return f"{value:.0f}" if abs(value) >= 10 or float(value).is_integer() else f"{value:.1f}"


def _motion(photo: Tensor) -> Finding:
    extent_px = classical.motion_extent_px(photo)
    if not extent_px:
        small = min(photo.shape[-2:]) < 64
        sentence = (
            "Too small to tell: sides of 64 px are needed."
            if small
            else f"No even motion is seen. A trembling hand would not show; {_seen()}."
        )
        return Finding("motion", None if small else 0.0, "px", sentence)
    motion = classical.estimate_line_kernel(photo, classical.MAX_EXTENT_PX)
    mends_px = models.info(LARGER).mends_px
    size = working_size.advise(photo, mends_px, models.info(LARGER).min_px).size
    name = OURS if extent_px * size <= OURS_MENDS_PX else LARGER
    at = {1: "", 1 / 2: ", size=1/2", 1 / 4: ", size=1/4"}[size]
    mended = f'me.deblur(photo, "{name}"{at})'
    advice = {
        1: f"{name} mends this length: {mended}.",
        1 / 2: f"Too long for full size; {name} mends it at half size: {mended}.",
        1 / 4: f"Too long for half size; {name} mends it at a quarter of the size: {mended}.",
    }[size]
    doubt = ""
    if extent_px <= SHORT_PX:
        share = 100 * accuracy()["motion"]["false_alarms"]
        doubt = f" Of sharp photographs, {share:.0f} % seem to have moved as little as this."
    if extent_px * size > max(mends_px):
        advice = "Longer than the course's networks mend, and the photo is too small to reduce."
    return Finding(
        "motion",
        extent_px,
        "px",
        f"Things moved about {extent_px:.0f} px at {motion.angle_deg:.0f}°, evenly.{doubt}",
        True,
        _interval("motion", extent_px),
        advice,
        functools.partial(evidence.motion, photo, motion),
    )


def _seen() -> str:
    """How often even motions are seen: "of even motions of 6 px, 75 % are seen, of 10 px ..."."""
    shares = accuracy()["motion"]["seen"]
    sure = next((px for px, share in shares.items() if share >= 0.995), None)
    short = [f"of {px} px, {100 * share:.0f} %" for px, share in shares.items() if share < 0.995]
    words = [*short, f"of {sure} px and more, nearly all"] if sure else short
    return f"even motions would: {'; '.join(words)}"


def _detail(photo: Tensor, quality: int | None, moved: bool) -> Finding:
    found = estimators.detail(photo, quality)
    if found is None:
        sentence = "Too small or too flat to tell where its detail ends."
        return Finding("detail", None, "%", sentence)
    height, width = (max(1, round(found.share * side)) for side in photo.shape[-2:])
    least, most = (100 * share for share in accuracy()["detail"]["originals"])
    per_cent = 100 * found.share
    soft = per_cent < least
    if soft:
        factor = min(restore.FACTORS, key=lambda f: abs(f - 1 / found.share))
        sentence = (
            f"Detail ends at {per_cent:.0f} % of what the pixels could hold: a picture of "
            f"{width} x {height} px would hold it all. It was enlarged, is out of focus, or moved: "
            "this number cannot tell which."
        )
        advice = (
            "The motion explains it: see there."
            if moved
            else f"To enlarge it, start from what it holds: small = me.degrade.resample(photo, "
            f"({height}, {width})); me.upscale(small, {factor}). If it is out of focus, "
            "me.deblur(photo) was trained on that, too."
        )
    else:
        sentence = (
            f"Detail reaches {per_cent:.0f} % of what the pixels could hold; photographs that were "
            f"never enlarged reach {least:.0f} to {most:.0f} %. So there is no sign of it; less "
            "than 2x would not show."
        )
        advice = ""
    draw = functools.partial(evidence.detail, found)
    interval = _interval("detail", per_cent, most=100)
    return Finding("detail", per_cent, "%", sentence, soft, interval, advice, draw)


def _noise(photo: Tensor, compressed: bool) -> Finding:
    sigma = estimators.noise_sigma(photo)
    if sigma is None:
        return Finding("noise", None, "grey levels", "Too small, too dark or too white to tell.")
    noisy = sigma >= NOISY_SIGMA
    sentence = (
        f"Noise of about {_number(sigma)} grey levels, or a fine texture all over."
        if noisy
        else "Flat places have no noise that one sees."
    )
    if compressed:
        sentence += " JPEG smooths flat places: there may have been more."
    advice = (
        "No network of the course is made for noise alone. At half size it is half as strong: "
        "me.degrade.downscale(photo, 2)."
    )
    return Finding(
        "noise",
        sigma,
        "grey levels",
        sentence,
        noisy,
        _interval("noise", sigma),
        advice if noisy else "",
        functools.partial(evidence.noise, photo),
    )


def _jpeg(photo: Tensor, file: str | os.PathLike | None) -> tuple[Finding, Finding | None]:
    """The quality, and the pattern of a photo that was resized, if there is one."""
    grids = estimators.seams(photo)
    grid = grids[0] if grids else estimators.block_grid(photo)
    quality = estimators.file_quality(Path(file)) if file is not None else None
    how, interval = "The file says so.", None
    if quality is None:
        top, left = estimators.block_corner(photo)
        found = estimators.compression(photo)
        if found is None and (top, left) != (0, 0):
            found = estimators.compression(photo[:, top:, left:])
        if found:
            quality, interval = found.quality, _interval("jpeg", found.quality, most=100)
            how = "Its pixels are multiples of JPEG's steps, as such a file leaves them."
    if quality is not None and not grids:  # weak seams, where they have to be
        grid = estimators.block_grid(photo, (8.0,))
    draw = functools.partial(evidence.seams, grid) if grid else None
    pattern = None
    if quality is None and grids and grid:
        pattern = Finding(
            "grid",
            grid.period_px,
            "px",
            f"Something repeats every {_number(grid.period_px)} px, across and down: the blocks of "
            "a JPEG, the interpolation of an enlargement, or a pattern in the scene.",
            True,
            None,
            "If it is no pattern in the scene, look for an earlier copy of the file.",
            draw,
        )
    if quality is None:
        sentence = "No sign of JPEG of quality 15 to 95 at this size."
        return Finding("jpeg", None, "of 100", sentence, draw=draw), pattern
    poor = quality <= POOR_QUALITY
    advice = "What JPEG dropped is gone. Look for an earlier copy of the file." if poor else ""
    return Finding("jpeg", quality, "of 100", how, poor, interval, advice, draw), pattern


def _clipping(photo: Tensor) -> Finding:
    white, black = (100 * share for share in estimators.clipping(photo))
    fault = max(white, black) > 100 * CLIPPED_SHARE
    sentence = f"{white:.1f} % of the pixels are white in a colour or more, {black:.1f} % black."
    advice = (
        "What was there is lost; a frame with another exposure may hold it (lesson 07)."
        if fault
        else ""
    )
    draw = functools.partial(evidence.clipping, photo)
    return Finding("clipping", max(white, black), "%", sentence, fault, None, advice, draw)


def _contrast(photo: Tensor) -> tuple[Finding, Finding]:
    black, white, cast = estimators.contrast(photo)
    draw = functools.partial(evidence.contrast, photo, black, white)
    faded = white - black < FADED_RANGE
    flat = white - black < 1
    advice = (
        f"Stretch it before anything else: ((photo - {black / 255:.2f}) / "
        f"{(white - black) / 255:.2f}).clamp(0, 1)."
        if faded and not flat
        else ""
    )
    sentence = f"Grey levels reach from {black:.0f} to {white:.0f} (all but 1 % at either end)."
    if faded:
        sentence += " A faded print, mist, or a scene without black and white."
    tinted = cast > CAST
    tint = f"Its darkest or lightest parts differ by {cast:.0f} grey levels between colours" + (
        ": an aged print, a toned one, or coloured light." if tinted else "."
    )
    return (
        Finding("contrast", white - black, "grey levels", sentence, faded, None, advice, draw),
        Finding("cast", cast, "grey levels", tint, tinted, draw=draw),
    )
