"""Turn a classifier's answers into tables: accuracies with intervals, and what flipped."""

from collections.abc import Sequence
from typing import cast

import pandas as pd
import torch

from mssnet_edu import zoom
from mssnet_edu.zoom import ENLARGERS, REDUCTIONS
from training.report import markdown
from training.zoom_scoring import CONSISTENT, ORIGINALS

__all__ = [
    "confident_flips",
    "dataset_page",
    "experiment_page",
    "seeds_apart",
    "summarise",
    "zooms_page",
]

SURE = 0.5
FLIPS_SHOWN = 12
# Top-1 on ImageNet-Hard, from the paper (Taesiri et al. 2023), in per cent
PUBLISHED = {
    "AlexNet": 7.34,
    "VGG-16": 12.00,
    "ResNet-18": 10.86,
    "ResNet-50": 14.74,
    "ViT-B/32": 18.52,
    "EfficientNet-B0": 16.57,
    "EfficientNet-B7": 23.20,
    "EfficientNet-L2-NS": 39.00,
    "CLIP ViT-L/14@336": 2.02,
}


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each enlarger and view: accuracy, and what changed against a reference.

    rows: answers, as `zoom_scoring.read_answers` gives them. The reference of a view of the
    original is its centre crop; that of an enlargement, bicubic of the same reduction and view,
    and for bicubic itself the original. Only photos that both have are compared. low, high:
    Wilson's 95 % interval; p_value: McNemar's exact test; difference_low, _high: paired bootstrap.
    """
    groups = rows.groupby(["enlarger", "view"], sort=False)
    rights = {
        cast(tuple[str, str], key): dict(zip(group.photo, group.right, strict=True))
        for key, group in groups
    }
    summary = []
    for (enlarger, view), correct in rights.items():
        count, total = sum(correct.values()), len(correct)
        low, high = zoom.wilson_interval(count, total)
        row = {
            "enlarger": enlarger,
            "view": view,
            "photos": total,
            "right": count,
            "accuracy": count / total,
            "low": low,
            "high": high,
        }
        reference = _reference(enlarger, view)
        before = rights.get(reference, {})
        both = [photo for photo in correct if photo in before]
        if reference != (enlarger, view) and both:
            change = zoom.paired(
                torch.tensor([before[photo] for photo in both]),
                torch.tensor([correct[photo] for photo in both]),
            )
            row |= {
                "against": ", ".join(reference),
                "fixed": change.fixed,
                "broken": change.broken,
                "p_value": change.p_value,
                "difference": change.difference,
                "difference_low": change.low,
                "difference_high": change.high,
            }
        summary.append(row)
    return pd.DataFrame(summary)


def _reference(enlarger: str, view: str) -> tuple[str, str]:
    how, _, name = enlarger.partition(": ")
    if not name:
        return enlarger, "centre"
    if name == "bicubic":
        return ORIGINALS[how], view
    return f"{how}: bicubic", view


def confident_flips(rows: pd.DataFrame, sure: float = SURE) -> pd.DataFrame:
    """Enlargements that are named wrongly with confidence, though the original is named rightly.

    Centre crops only. Columns photo, enlarger, original (its label), top1, confidence, and
    consistent: the label after the enlargement was made to agree with the small photo.
    """
    centre = rows.loc[rows.view == "centre"]
    originals = centre.loc[centre.enlarger.isin(list(ORIGINALS.values()))].set_index(
        ["photo", "enlarger"]
    )
    is_enlarged = centre.enlarger.str.contains(": (?!reduced)")
    enlarged = centre.loc[is_enlarged & ~centre.right & (centre.confidence >= sure)].copy()
    enlarged["of"] = [ORIGINALS[each.partition(": ")[0]] for each in enlarged.enlarger]
    known = originals.loc[:, ["top1", "right"]].rename(
        columns={"top1": "original", "right": "original_right"}
    )
    flips = enlarged.join(known, on=["photo", "of"])
    consistent = rows.loc[rows.view == CONSISTENT].set_index(["photo", "enlarger"]).top1
    flips = flips.join(consistent.rename("consistent"), on=["photo", "enlarger"])
    columns = ["photo", "enlarger", "original", "top1", "confidence", "consistent"]
    flips = flips.loc[flips.original_right.fillna(False).astype(bool), columns]
    return flips.sort_values(by="confidence", ascending=False, kind="stable")


def seeds_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Photos of which a network's three draws get different labels, though all are consistent.

    Consistent enlargements only. Columns photo, reduction, labels (of the draws, joined).
    """
    draws = rows.loc[(rows.view == CONSISTENT) & rows.enlarger.str.contains("seed ")].copy()
    draws["reduction"] = [each.partition(": ")[0] for each in draws.enlarger]
    labels = draws.groupby(["photo", "reduction"], sort=False).top1.unique()
    apart = [(*key, " | ".join(tops)) for key, tops in labels.items() if len(tops) > 1]
    return pd.DataFrame(apart, columns=["photo", "reduction", "labels"])


# --- pages ---------------------------------------------------------------------------------------


def experiment_page(rows: pd.DataFrame) -> str:
    """The experiment's tables as Markdown: originals, then each reduction, then flips."""
    summary = summarise(rows)
    cells = summary.set_index(["enlarger", "view"])
    parts = ["### The photos as they are", _originals(cells)]
    for how in REDUCTIONS:
        names = [ORIGINALS[how], f"{how}: reduced", *(f"{how}: {name}" for name in ENLARGERS)]
        present = [name for name in names if name in cells.index.get_level_values(0)]
        if len(present) > 1:
            parts += [_REDUCTION_TITLES[how], _accuracies(cells, present)]
            parts += [_FLIPS_TITLE, _changes(cells, present)]
    parts += [_conclusion(summary), *_flips(rows), *_confidence(rows)]
    return "\n\n".join(parts) + "\n"


_REDUCTION_TITLES = {
    "1/8": "### Reduced to 1/8 of their own size, and enlarged 8 times",
    "32 px": "### Reduced to 32 px, and enlarged 8 times",
}
_FLIPS_TITLE = (
    "Photos that one names rightly and the other does not: **fixed** against **broken**, and in "
    "brackets how often chance alone would split them so unevenly (McNemar's exact test). "
    "Enlargements are compared with bicubic, bicubic with the original."
)


def _per_cent(row: pd.Series) -> str:
    return f"{row.accuracy:.0%} ({row.low:.0%} to {row.high:.0%})"


def _originals(cells: pd.DataFrame) -> str:
    table = []
    for view, row in cells.loc[ORIGINALS["1/8"]].iterrows():
        changed = ""
        if pd.notna(row.get("against")):
            changed = f"{row.fixed:.0f} against {row.broken:.0f} (p = {row.p_value:.2g})"
        table.append((view, str(row.photos), _per_cent(row), changed))
    heads = ["view", "photos", "right (95 % interval)", "fixed against broken, to the centre crop"]
    return markdown(pd.DataFrame(table, columns=heads), ["left", "right", "right", "right"])


def _views(cells: pd.DataFrame, names: Sequence[str]) -> list[str]:
    found = cells.loc[list(names)].index.get_level_values(1)
    return [view for view in ("centre", "fixed zoom", "TTA", CONSISTENT) if view in found]


def _accuracies(cells: pd.DataFrame, names: Sequence[str]) -> str:
    views = _views(cells, names)
    table = {"": list(names)}
    for view in views:
        table[view] = [
            _per_cent(cast(pd.Series, cells.loc[(name, view)]))
            if (name, view) in cells.index
            else ""
            for name in names
        ]
    return markdown(pd.DataFrame(table), ["left", *["right"] * len(views)])


def _changes(cells: pd.DataFrame, names: Sequence[str]) -> str:
    views = _views(cells, names)
    table = {"": [name for name in names if ": " in name]}
    for view in views:
        table[view] = [_change(cells, name, view) for name in table[""]]
    return markdown(pd.DataFrame(table), ["left", *["right"] * len(views)])


def _change(cells: pd.DataFrame, name: str, view: str) -> str:
    if (name, view) not in cells.index or pd.isna(cells.loc[(name, view), "against"]):
        return ""
    row = cast(pd.Series, cells.loc[(name, view)])
    difference = f"{100 * row.difference:+.0f} ({100 * row.difference_low:+.0f} to "
    difference += f"{100 * row.difference_high:+.0f}) points"
    return f"{row.fixed:.0f} against {row.broken:.0f} (p = {row.p_value:.2g}); {difference}"


def _conclusion(summary: pd.DataFrame) -> str:
    """What the comparison of networks with bicubic shows, in words that follow from the numbers."""
    of_bicubic = summary.against.fillna("").str.contains("bicubic")
    networks = summary.loc[of_bicubic & ~summary.enlarger.str.endswith(": reduced")]
    level = 0.05 / max(len(networks), 1)
    sure = networks.loc[networks.p_value < level]
    better, worse = (int((sign * sure.difference > 0).sum()) for sign in (1, -1))
    text = (
        f"**What is shown.** Of {len(networks)} comparisons of a network with bicubic, "
        f"{int((networks.difference > 0).sum())} favour the network, "
        f"{int((networks.difference < 0).sum())} bicubic. By luck alone about "
        f"{0.05 * len(networks):.1g} of them would be below p = 0.05; so many comparisons ask for "
        f"p below {level:.2g} (Bonferroni). By that rule "
    )
    if sure.empty:
        return text + "no network helps or harms for certain."
    named = "; ".join(sure.enlarger + " (" + sure.view + ")")
    return text + f"{better} help and {worse} harm: {named}."


def _flips(rows: pd.DataFrame) -> list[str]:
    flips, apart = confident_flips(rows), seeds_apart(rows)
    parts = [
        "### Labels that flip with confidence",
        f"The original is named rightly, its enlargement wrongly, with {SURE:.0%} confidence or "
        f"more: {len(flips)} enlargements of {flips.photo.nunique()} photos. The surest ones; the "
        "last column is the label after the enlargement was made to agree with the small photo.",
    ]
    if len(flips):
        shown = flips.head(FLIPS_SHOWN).assign(
            confidence=lambda t: t.confidence.map("{:.2f}".format)
        )
        shown = shown.rename(columns={"top1": "enlarged", "consistent": "made consistent"})
        alignment = ["left"] * 4 + ["right", "left"]
        parts.append(markdown(shown.fillna(""), alignment))
    photos = rows.photo.nunique()
    for how in REDUCTIONS:
        if f"{how}: {ENLARGERS[3]}" in set(rows.enlarger):
            count = int((apart.reduction == how).sum())
            parts.append(
                f"Reduced to {how}: of {photos} photos, {count} are given two or three labels by "
                "three draws of mssnet-x8-realism, all of which agree with the same small photo."
            )
    return parts


def _confidence(rows: pd.DataFrame) -> list[str]:
    table = []
    for enlarger, answers in rows.loc[rows.view == "centre"].groupby("enlarger", sort=False):
        confidence, right = (torch.tensor(answers[c].to_numpy()) for c in ("confidence", "right"))
        curve = zoom.reliability(confidence, right)
        mean = f"{float(confidence.mean()):.2f}"
        ece = f"{curve.ece:.2f} ({curve.ece_low:.2f} to {curve.ece_high:.2f})"
        table.append((enlarger, mean, f"{float(right.double().mean()):.2f}", ece))
    heads = ["centre crop", "mean confidence", "right", "calibration error (95 % interval)"]
    return [
        "### How sure it is, and how often right",
        "The expected calibration error in five bins: how far confidence is from the share that is "
        "right. So few photos make it too large, for all alike.",
        markdown(pd.DataFrame(table, columns=heads), ["left", "right", "right", "right"]),
    ]


def zooms_page(recorded: zoom.Recorded) -> str:
    """What the 324 zooms of a set of photos show, as Markdown: the oracle and the center bias."""
    total = len(recorded.names)
    centre = recorded.right[:, zoom.SIZES_PX.index(zoom.CROP_PX), len(zoom.ANCHORS) // 2]
    best = zoom.best_fixed_zoom(recorded.right, recorded.right_probability)
    fixed = recorded.right[:, zoom.SIZES_PX.index(best.size_px), best.anchor]
    shares = {
        f"centre crop ({zoom.CROP_PX} px, centre)": centre,
        f"{best}: right most often, chosen on these very photos": fixed,
        "any of the 36 sizes at the centre": recorded.right[:, :, 4].any(1),
        "any of the 324 (oracle: told which)": recorded.right.flatten(1).any(1),
    }
    table = []
    for name, right in shares.items():
        low, high = zoom.wilson_interval(int(right.sum()), total)
        table.append((name, f"{int(right.sum())} of {total}", f"{low:.0%} to {high:.0%}"))
    heads = ["zoom", "photos right", "95 % interval"]
    bias = pd.DataFrame(
        [[f"{share:.0%}" for share in row] for row in zoom.center_bias(recorded.right).tolist()],
        columns=["left", "middle", "right"],
    )
    bias.insert(0, "", ["top", "middle", "bottom"])
    return "\n\n".join(
        [
            markdown(pd.DataFrame(table, columns=heads), ["left", "right", "right"]),
            "Photos that some size gets right at one anchor (center bias):",
            markdown(bias, ["left", "right", "right", "right"]),
        ]
    )


def dataset_page(rows: pd.DataFrame, name: str) -> str:
    """Accuracy by view and origin of the photos, with intervals, as Markdown.

    rows: answers, their photos named "ORIGIN/NAME". name: "imagenet_hard" or "imagenet".
    """
    rows = rows.assign(origin=rows.photo.str.partition("/")[0])
    origins = list(dict.fromkeys(rows.origin))
    table = []
    for origin in [None, *(origins if len(origins) > 1 else [])]:
        part = rows if origin is None else rows.loc[rows.origin == origin]
        for view, answers in part.groupby("view", sort=False):
            low, high = zoom.wilson_interval(int(answers.right.sum()), len(answers))
            table.append(
                (
                    origin or "all photos",
                    view,
                    f"{len(answers):,}",
                    f"{100 * answers.right.mean():.2f} ({100 * low:.2f} to {100 * high:.2f})",
                )
            )
    heads = ["photos of", "view", "count", f"{zoom.CLASSIFIER}, top-1 in % (95 % interval)"]
    parts = [markdown(pd.DataFrame(table, columns=heads), ["left", "left", "right", "right"])]
    if name == "imagenet_hard":
        quoted = [(model, f"{top1:.2f}") for model, top1 in PUBLISHED.items()]
        parts += [
            "Top-1 as published (Taesiri et al. 2023), not measured here:",
            markdown(pd.DataFrame(quoted, columns=["classifier", "top-1 in %"]), ["left", "right"]),
        ]
    return "\n\n".join(parts) + "\n"
