"""The accuracy of `me.diagnose` as Markdown, from docs/evaluation-diagnosis.csv."""

from collections.abc import Callable

import pandas as pd

from training import evaluate_diagnosis

__all__ = ["render"]

TEXT = """\
## What is wrong with this photo?

```
python -m training.evaluate_diagnosis --photos DIR
```

degrades {photos} crops by known amounts and asks `me.diagnose`: the twelve above, and of DIR's
held-out files the crop with the most structure, reduced to half size. They are {files} photographs
in all. The estimators were made by looking at others. *Found* is the median, and in brackets where
nine of ten answers lie. The intervals that `me.diagnose` states come from this table, and hold for
photos like these.

### Motion

GoPro-like motion. *Seen*: how often any motion is reported.

{motion}

Below 10 px, silence says little, and sharp photos are sometimes taken for moved (the row of 0 px).
Hands that tremble were not tried.

### Where detail ends

Photos reduced and enlarged again (bicubic), saved as PNG or JPEG; the quality of the JPEG is
estimated, not told. 4x should give 25 %.

{detail}

Untouched photographs do not reach 100 %, because lenses and sensors do not. Less than 2x was not
tried; it cannot be told from none. These are the crops with the most structure: of a soft photo,
which holds less than its pixels could, less is found. Blur, too, lowers the share.

### Noise

Gaussian, in grey levels.

{noise}

A fine texture all over, and the camera's own noise, count as noise: see the row of 0.

### JPEG

Quality from the pixels alone; a file tells its own. Asked at half size: the crops of
`data/validation` came out of JPEG files of quality 89, and `me.diagnose` says so. *Right*: within 2
of the truth.

{jpeg}

### Something repeats

JPEG's blocks in a photo that was resized after it was compressed repeat, and so does interpolation.
*Reported*: how often a period is found across and down.

{grid}

It tells a resized photo from an untouched one, and not whether it was a JPEG: photos without JPEG
show the periods of interpolation just as well. Nor does it tell the factor: the period found is
mostly twice that of the interpolation.
"""


def render(table: pd.DataFrame) -> str:
    """The section of the page. table: as `training.evaluate_diagnosis` writes it."""
    crops = table.photo.unique()
    files = {
        name.removesuffix(evaluate_diagnosis.HALF).split("__")[-1].split("_")[0].lower()
        for name in crops
    }
    seen = ("seen", lambda part: f"{(part.measured > 0).mean():.0%}")
    near = ("right", lambda part: f"{((part.measured - part.truth).abs() <= 2).mean():.0%}")
    reported = ("reported", seen[1])
    return TEXT.format(
        photos=len(crops),
        files=len(files),
        motion=_table(table, "motion", "px", (seen,), known=True),
        detail=_table(table, "detail", "%"),
        noise=_table(table, "noise", "grey levels", digits=1),
        jpeg=_table(table, "jpeg", "quality", (("seen", seen[1]), near), known=True),
        grid=_table(table, "grid", "px", (reported,), known=True),
    )


def _table(
    table: pd.DataFrame,
    test: str,
    unit: str,
    shares: tuple[tuple[str, Callable[[pd.DataFrame], str]], ...] = (),
    known: bool = False,
    digits: int = 0,
) -> str:
    """One row a case; known: the median is that of the photos in which something was found."""
    rows = []
    for case, part in table.loc[table.test == test].groupby("case", sort=False):
        row = {"case": case, "photos": len(part)} | {name: share(part) for name, share in shares}
        found = part.measured[part.measured > 0] if known else part.measured.dropna()
        low, middle, high = found.quantile([0.05, 0.5, 0.95])
        text = f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
        rows.append(row | {f"found, {unit}": text if len(found) else ""})
    return pd.DataFrame(rows).to_markdown(index=False)
