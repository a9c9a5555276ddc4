"""What is known about one network, and how its model card says it."""

import dataclasses
from typing import Any, NamedTuple

from mssnet_edu.images.provenance import SOURCE_TYPES

__all__ = ["TASKS", "ModelInfo", "WeightFile", "render_card"]

TASKS = ("deblur", "upscale", "features", "classify", "perceptual", "fill", "select")


class WeightFile(NamedTuple):
    """One file of weights: its name in data/weights, its SHA-256, its size in bytes."""

    name: str
    sha256: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """All that is known about one network. ``NAME.json`` holds exactly these fields.

    An upscaler enlarges ``factor`` times; every other network has factor 1. A photo must measure a
    multiple of ``multiple_of`` px and at least ``min_px`` on each side. ``halo_px`` is the context,
    in input pixels, that a tile needs on each side so that its middle comes out nearly as in the
    whole (see `tiling`, which blends what is left of the difference). ``rim_px`` is how far a photo
    is mirrored beyond its edges, in input pixels, so that its answer has no frame (measured by
    training/rim.py). ``bytes_per_px`` is the
    memory that all tensors hold at the worst moment, for each pixel of the answer; 0 if nobody
    measured it. ``spare`` is how many times as much a process takes in float32, with scratch space
    and gaps in the heap; 0 if nobody measured it. Both decide how large tiles may be (see
    `restore`). ``mends_px`` are the extents of GoPro-like motion at which a deblurring network
    gains 2 dB or more (training/report.py); they decide at which size it should work (see
    `working_size`). ``source_type`` is IPTC's term for a photo that the network has restored:
    "compositeWithTrainedAlgorithmicMedia" where it invents detail that looks real, else
    "algorithmicallyEnhanced"; "" if it restores nothing.
    ``measured`` holds what a script measured, never what somebody typed.
    """

    name: str
    task: str
    architecture: str
    summary: str
    licence: str
    author: str
    source: str
    made_by: str
    trained_on: str
    parameters: int
    config: dict = dataclasses.field(default_factory=dict)
    factor: int = 1
    multiple_of: int = 1
    min_px: int = 1
    halo_px: int = 0
    rim_px: int = 0
    bytes_per_px: float = 0
    spare: float = 0
    mends_px: tuple[float, ...] = ()
    source_type: str = ""
    files: tuple[WeightFile, ...] = ()
    measured: dict = dataclasses.field(default_factory=dict)
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task is {self.task!r}; expected one of {', '.join(TASKS)}.")
        if self.source_type and self.source_type not in SOURCE_TYPES:
            known = ", ".join(SOURCE_TYPES)
            raise ValueError(f"source_type is {self.source_type!r}; expected one of {known}.")
        object.__setattr__(self, "files", tuple(WeightFile(*f) for f in self.files))
        object.__setattr__(self, "failures", tuple(self.failures))
        object.__setattr__(self, "mends_px", tuple(self.mends_px))


def render_card(info: ModelInfo) -> str:
    """Return the model card of a network, as markdown."""
    config = ", ".join(f"{key} {value}" for key, value in info.config.items())
    size_mb = sum(file.bytes for file in info.files) / 1e6
    photo = f"at least {info.min_px} px a side"
    if info.multiple_of > 1:
        photo += f", a multiple of {info.multiple_of} px"
    if info.halo_px:
        photo += f"; a tile needs {info.halo_px} px of context"
    if info.rim_px:
        photo += f"; its edges are mirrored by {info.rim_px} px, which are cut off again"
    facts = {
        "task": info.task if info.factor == 1 else f"{info.task}, {info.factor}x",
        "architecture": f"{info.architecture} {config}".strip(),
        "parameters": f"{info.parameters:,}",
        "weights": f"{size_mb:.1f} MB",
        "licence": info.licence,
        "author": info.author,
        "source": info.source,
        "made by": f"`{info.made_by}`",
        "trained on": info.trained_on,
        "photo size": photo,
    }
    if info.bytes_per_px:
        facts["memory"] = f"{info.bytes_per_px:,.0f} bytes for each pixel of the answer"
    if info.spare:
        facts["memory"] += f"; in float32 a process takes {info.spare:g} times as much"
    if info.mends_px:
        extents = ", ".join(f"{px:g}" for px in info.mends_px)
        facts["mends"] = f"GoPro-like motion of {extents} px: it gains 2 dB or more"
    if info.source_type:
        facts["provenance"] = f"{info.source_type}: {SOURCE_TYPES[info.source_type]}"
    lines = [f"# {info.name}", "", info.summary, "", "| | |", "|---|---|"]
    lines += [f"| {key} | {_cell(value)} |" for key, value in facts.items()]
    lines += ["", "## Files", "", "| file | bytes | SHA-256 |", "|---|---|---|"]
    lines += [f"| {file.name} | {file.bytes:,} | `{file.sha256}` |" for file in info.files]
    lines += ["", "## Measured", ""]
    for title, table in info.measured.items():
        lines += _measured_table(title, table)
    lines += [] if info.measured else ["Nothing yet.", ""]
    lines += ["## Known failures", ""]
    lines += [f"- {failure}" for failure in info.failures] or ["None known yet."]
    note = f"rendered from {info.name}.json by tools/docs/render_cards.py; do not edit"
    return "\n".join([*lines, "", f"<!-- {note} -->"]) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 0.095 or value == 0 else f"{value:.4f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _measured_table(title: str, table: dict[str, Any]) -> list[str]:
    """One table: {row: {column: value}}; or a list of facts: {name: value}."""
    lines = [f"### {title}", ""]
    rows = {key: value for key, value in table.items() if isinstance(value, dict)}
    if rows:
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        lines += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for key, row in rows.items():
            cells = " | ".join(_cell(row.get(column, "")) for column in columns)
            lines.append(f"| {key} | {cells} |")
        lines.append("")
    facts = [f"- {key}: {_cell(v)}" for key, v in table.items() if not isinstance(v, dict)]
    return lines + facts + ([""] if facts else [])
