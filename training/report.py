"""Turn scores into what people read: the table, the targets and the model cards."""

import dataclasses
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from torch import nn

from mssnet_edu.files import write_text
from mssnet_edu.models import ModelInfo, catalogue
from training.scoring import METRICS, THREADS

__all__ = [
    "CARD_TITLE",
    "GROUPS",
    "MENDS_DB",
    "TARGETS",
    "Target",
    "by_extent",
    "markdown",
    "render",
    "render_extents",
    "summarise",
    "update_cards",
    "write_table",
]

BASELINES = ("input", "bicubic")  # what gains are counted from
DEBLUR, FIDELITY, REALISM = "mssnet-deblur", "mssnet-x8-fidelity", "mssnet-x8-realism"
MAXIM = "maxim-gopro"
MENDS_DB = 2.0  # a network mends motions of an extent if it gains so much, on average
CARD_TITLE = "Validation photographs (python -m training.evaluate)"
GROUPS = {
    "gopro": "GoPro-like motion of 6 to 32 px",
    "motion": "Motion blur of 15 to 30 px: a line, a hand, a trembling hand",
    "defocus": "Defocus, a disc of 2 to 6 px radius",
    "sharp": "A sharp photo, which must come back unharmed",
    "clean 8x": "8x, from a clean small photo",
    "clean 4x": "4x, from a clean small photo",
    "clean 2x": "2x, from a clean small photo",
    "dirty 8x": "8x, from a small photo with blur, noise and JPEG",
}


@dataclass(frozen=True)
class Column:
    """How the numbers of a column are printed; sign "+": always with one."""

    heading: str
    digits: int = 0
    unit: str = ""
    sign: str = ""

    def text(self, value: float) -> str:
        """The number as people read it. An infinite PSNR means that nothing differs."""
        return "no error" if np.isinf(value) else f"{value:{self.sign},.{self.digits}f}"


COLUMNS = {
    "pictures": Column("pictures"),
    "psnr_db": Column("PSNR, dB", 2, " dB"),
    "gain_db": Column("gain, dB", 2, " dB", "+"),
    "ssim": Column("SSIM", 3),
    "st_lpips": Column("ST-LPIPS", 3),
    "consistency_db": Column("consistency, dB", 1, " dB"),
    "projected_db": Column("after projection, dB", 1, " dB"),
    "apart_levels": Column("two draws apart, grey levels", 1),
    "apart_st_lpips": Column("two draws apart, ST-LPIPS", 3),
    "seconds": Column("seconds", 2, " s"),
    "parameters": Column("parameters"),
    "weights_mb": Column("weights, MB", 2, " MB"),
}
QUALITY = {"psnr_db": operator.gt, "ssim": operator.gt, "st_lpips": operator.lt}
NOT_ON_PAGE = ("weights_mb",)
NOT_ON_CARDS = ("pictures", "apart_st_lpips", "parameters", "weights_mb")


# --- the table ------------------------------------------------------------------------------------


def summarise(
    scores: pd.DataFrame,
    networks: dict[str, nn.Module],
    seconds: dict[str, float],
) -> pd.DataFrame:
    """One row per group and method, in order of appearance: means over the pictures.

    scores: a row for each `scoring.Score`. The gain is the mean of the differences to the input (or
    to bicubic), picture by picture. Rounded as `write_table` does, so that a page rendered from the
    CSV is the same to the last digit.
    """
    table = _means(scores, "group")
    infos = {name: cast(ModelInfo, network.info) for name, network in networks.items()}
    parameters = {name: info.parameters for name, info in infos.items()}
    megabytes = {name: sum(f.bytes for f in info.files) / 1e6 for name, info in infos.items()}
    table["seconds"] = table.method.map(seconds).astype(float)
    table["parameters"] = table.method.map(parameters).astype("Int64")
    table["weights_mb"] = table.method.map(megabytes).astype(float)
    return table.round(4)


def by_extent(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per extent of the GoPro-like motions ("6 px") and whole answer, means as above."""
    gopro = scores.loc[(scores.group == "gopro") & scores.st_lpips.notna()]
    table = _means(gopro, "case").rename(columns={"case": "extent"})
    columns = ["extent", "method", "pictures", "psnr_db", "gain_db", "ssim", "st_lpips"]
    return table.filter(columns).round(4)


def _means(scores: pd.DataFrame, part: str) -> pd.DataFrame:
    """Means over the pictures, for each value of the column `part` and each method."""
    is_baseline = scores.method.isin(BASELINES)
    case = ["photo", "group", "case"]
    baseline = scores[is_baseline].set_index(case).psnr_db.rename("baseline_db")
    scores = scores.join(baseline, on=case)
    # a half-size answer is another task; an untouched photo has no error to gain upon
    gains = ~is_baseline & ~scores.method.str.contains("S1-U") & np.isfinite(scores.baseline_db)
    scores["gain_db"] = (scores.psnr_db - scores.baseline_db).where(gains)
    rows = scores.groupby([part, "method"], sort=False)
    table = rows[[METRICS[0], "gain_db", *METRICS[1:]]].agg("mean", skipna=False)
    table.insert(0, "pictures", rows.size())
    return table.reset_index()


def write_table(path: Path, table: pd.DataFrame) -> None:
    """The table as CSV, fractions with four decimals."""
    write_text(path, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


# --- targets --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """One target that the project set itself: what a number of `method` has to be.

    group, column: where in the table the number stands. met: called with the number and, where a
    rival is named, with that method's number. A target that is met also says in which of QUALITY
    the rival is better: to be ahead in one number is not to be ahead.
    """

    method: str
    title: str
    group: str
    column: str
    met: Callable[..., bool]
    rival: str | None = None

    def judge(self, table: pd.DataFrame) -> tuple[str, str, str]:
        """(target, numbers, "met" or "not met"); "not measured" where a number is missing."""
        rows = table[table.group == self.group].set_index("method")
        numbers = rows[self.column].dropna()
        methods = [self.method, self.rival] if self.rival else [self.method]
        title, column = f"{self.method}: {self.title}", COLUMNS[self.column]
        if not set(methods) <= set(numbers.index):
            return title, "–", "not measured"
        values = numbers[methods].tolist()
        text = " against ".join(column.text(value) + column.unit for value in values)
        if not self.met(*values):
            return title, text, "not met"
        ahead = self._rival_ahead(rows) if self.rival else []
        return title, "; ".join([text, *ahead]), "met"

    def _rival_ahead(self, rows: pd.DataFrame) -> list[str]:
        """["but RIVAL is ahead in SSIM (0.563 against 0.543)"], or [] if it is ahead in nothing."""
        won = []
        for key, better in QUALITY.items():
            own, rival = rows.loc[[self.method, self.rival], key]
            if key != self.column and better(rival, own):  # False where one was not measured
                text = COLUMNS[key].text
                heading = COLUMNS[key].heading.removesuffix(", dB")
                won.append(f"{heading} ({text(rival)} against {text(own)})")
        return [f"but {self.rival} is ahead in {' and '.join(won)}"] if won else []


def _size_targets(name: str, group: str) -> tuple[Target, Target]:
    return (
        Target(name, "at most 4 million parameters", group, "parameters", lambda n: n <= 4e6),
        Target(name, "at most 8 MB", group, "weights_mb", lambda mb: mb <= 8),
    )


# fmt: off
TARGETS = {
    "deblur": (
        Target(DEBLUR, "GoPro-like motion, gain of 3.0 dB or more", "gopro", "gain_db",
               lambda gain: gain >= 3),
        Target(DEBLUR, f"GoPro-like motion, more than {MAXIM}", "gopro", "gain_db",
               lambda own, rival: own > rival, MAXIM),
        Target(DEBLUR, f"GoPro-like motion, ST-LPIPS below {MAXIM}'s", "gopro", "st_lpips",
               lambda own, rival: own < rival, MAXIM),
        Target(DEBLUR, f"lines and hands, more than {MAXIM}", "motion", "gain_db",
               lambda own, rival: own > rival, MAXIM),
        Target(DEBLUR, "S3-U3 at least 0.2 dB above S2-U1", "gopro", "psnr_db",
               lambda last, early: last >= early + 0.2, f"{DEBLUR} S2-U1"),
        Target(DEBLUR, "a sharp photo comes back at 38 dB or more", "sharp", "psnr_db",
               lambda psnr: psnr >= 38),
        *_size_targets(DEBLUR, "gopro"),
        Target(DEBLUR, f"512 x 512 px in 3 s or less on {THREADS} threads", "gopro", "seconds",
               lambda seconds: seconds <= 3),
    ),
    "upscale8": (
        Target(FIDELITY, "0.2 dB or more above rrdn-x8", "clean 8x", "psnr_db",
               lambda own, rival: own >= rival + 0.2, "rrdn-x8"),
        Target(FIDELITY, "4x above bicubic", "clean 4x", "gain_db", lambda gain: gain > 0),
        Target(FIDELITY, "2x above bicubic", "clean 2x", "gain_db", lambda gain: gain > 0),
        Target(REALISM, "ST-LPIPS at most 0.75 of rrdn-x8's", "clean 8x", "st_lpips",
               lambda own, rival: own <= 0.75 * rival, "rrdn-x8"),
        Target(REALISM, "consistency of 30 dB or more before projection", "clean 8x",
               "consistency_db", lambda consistency: consistency >= 30),
        Target(REALISM, "consistency of 45 dB or more after projection", "clean 8x",
               "projected_db", lambda consistency: consistency >= 45),
        *_size_targets(FIDELITY, "clean 8x"),
        Target(FIDELITY, f"128 x 128 to 1024 x 1024 px in 12 s or less on {THREADS} threads",
               "clean 8x", "seconds", lambda seconds: seconds <= 12),
        *_size_targets(REALISM, "clean 8x"),
    ),
}
# fmt: on


# --- pages and cards ------------------------------------------------------------------------------


def render(task: str, table: pd.DataFrame) -> str:
    """The table as Markdown, one part per group, followed by the targets.

    table: as `summarise` returns it, or read back from its CSV: the same text either way.
    """
    parts = []
    for group, rows in table.groupby("group", sort=False):
        cells = {"": rows.method.map(method_title)}
        for key, column in COLUMNS.items():
            values = rows.loc[:, key]
            if key not in NOT_ON_PAGE and values.notna().any():
                cells[column.heading] = values.map(column.text, na_action="ignore").fillna("")
        alignment = ["left"] + ["right"] * (len(cells) - 1)
        parts += [f"### {GROUPS[str(group)]}", markdown(pd.DataFrame(cells), alignment)]
    judged = [target.judge(table) for target in TARGETS[task]]
    judged = pd.DataFrame(judged, columns=["target", "found", ""])
    return "\n\n".join([*parts, "### Targets", markdown(judged, ["left"] * 3)]) + "\n"


def render_extents(table: pd.DataFrame) -> str:
    """The means of `by_extent` as Markdown: a row an extent, gain and ST-LPIPS of each network."""
    networks = [m for m in table.method.unique() if m in (DEBLUR, MAXIM)]
    rows = {}
    for extent, group in table.groupby("extent", sort=False):
        group = group.set_index("method")
        gain, looks = COLUMNS["gain_db"], COLUMNS["st_lpips"]
        row = {"input, dB": COLUMNS["psnr_db"].text(group.psnr_db["input"])}
        row |= {f"{name}, dB": gain.text(group.gain_db[name]) for name in networks}
        row |= {
            f"ST-LPIPS of {name}": looks.text(group.st_lpips[name]) for name in ["input", *networks]
        }
        rows[extent] = {"extent": extent, **row}
    cells = pd.DataFrame(rows.values())
    heading = "### GoPro-like motion, by how far it reaches"
    alignment = ["right"] * len(cells.columns)
    return f"{heading}\n\n{markdown(cells, alignment)}\n"


def markdown(table: pd.DataFrame, alignment: list[str]) -> str:
    """A table of texts as Markdown. alignment: "left" or "right" for each column."""
    # the cells are formatted already: tabulate must not take them for numbers again
    return table.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def method_title(method: str) -> str:
    """The name of a method as tables and figures print it."""
    return method + " (half size)" if "S1-U" in method else method


def update_cards(
    table: pd.DataFrame,
    names: Iterable[str],
    folder: Path | None = None,
    extents: pd.DataFrame | None = None,
) -> None:
    """Write what was measured into the model cards of these networks.

    Numbers that others measured are kept; those of an earlier evaluation are replaced. extents:
    from `by_extent`; says which motions a deblurring network mends (`ModelInfo.mends_px`).
    """
    columns = {key: column for key, column in COLUMNS.items() if key not in NOT_ON_CARDS}
    for name in names:
        info = catalogue.info(name, folder)
        measured = {k: v for k, v in info.measured.items() if not k.startswith(CARD_TITLE)}
        facts = {} if extents is None else {"mends_px": _mended(extents, name)}
        shown = table.loc[[_on_card(method, name) for method in table.method]]
        for group, rows in shown.groupby("group", sort=False):
            measured[f"{CARD_TITLE}: {GROUPS[str(group)]}"] = {
                method_title(row["method"]): {
                    column.heading: round(row[key], column.digits)
                    for key, column in columns.items()
                    if np.isfinite(row[key])
                }
                for row in rows.to_dict(orient="records")
            }
        catalogue.write_info(dataclasses.replace(info, measured=measured, **facts), folder)


def _mended(extents: pd.DataFrame, name: str) -> tuple[int, ...]:
    """The extents, in px, at which a network gains at least MENDS_DB on average."""
    rows = extents.loc[(extents.method == name) & (extents.gain_db >= MENDS_DB)]
    return tuple(sorted(int(extent.removesuffix(" px")) for extent in rows.extent))


def _on_card(method: str, name: str) -> bool:
    """A card shows the network itself, its stages, and its rivals with networks."""
    rivals = (*BASELINES, DEBLUR, MAXIM, "rrdn-x8", "realesrgan-x4")
    return method in (*rivals, name) or method.startswith(f"{name} S")
