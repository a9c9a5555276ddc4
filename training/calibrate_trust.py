"""Measure how the error of an enlargement depends on how much its rivals disagree.

    python -m training.calibrate_trust    writes mssnet_edu/hallucination/trust.json; two minutes

Photographs whose original is known, none of which any of the course's networks was trained on, are
reduced 8x by area and enlarged by `candidates`. Needed again after new weights of an upscaler.
"""

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor
from tqdm import tqdm

from mssnet_edu import degrade, hallucination, images, samples
from mssnet_edu.files import write_text
from mssnet_edu.hallucination import trust
from mssnet_edu.hallucination.trust import Calibration

__all__ = ["calibrate", "photographs"]

ANSWERS = 6
BINS = 8  # of the reliability table
# name: (file in data/validation or a sample's name, (left, top, width, height))
PHOTOS = {
    "macaque": ("macaque_1.webp", (128, 128, 256, 256)),
    "meerkats": ("meerkats_1.webp", (128, 128, 256, 256)),
    "osprey": ("perched-osprey_1.webp", (128, 128, 256, 256)),
    "piazza": ("piazza-gae-aulenti_1.webp", (128, 128, 256, 256)),
    "mountains": ("picosdeeuropa_1.webp", (128, 128, 256, 256)),
    "lanterns": ("sea-of-lanterns_1.webp", (128, 128, 256, 256)),
    "skyline": ("singaporean-cityscape_1.webp", (128, 128, 256, 256)),
    "cat": ("cat", (96, 30, 256, 256)),
    "coffee": ("coffee", (160, 80, 256, 256)),
    "cameraman": ("cameraman", (130, 60, 256, 256)),
    "flower": ("flower", (400, 200, 256, 256)),
    "helmet": ("astronaut", (200, 256, 256, 256)),
}


def photographs() -> dict[str, Tensor]:
    """The originals by name, (3, 256, 256) each."""
    photos = {}
    for name, (source, box) in PHOTOS.items():
        if "." in source:
            photo = images.load(samples.find_data(f"validation/{source}"))
        else:
            photo = samples.load(source)
        photos[name] = images.crop(photo, box)
    return photos


def calibrate(photos: dict[str, tuple[Sequence[Tensor], Tensor]]) -> Calibration:
    """Learn how the error depends on the features, from photos with a known original.

    photos: {name: (candidates, truth)}, eight or more. Each candidate in turn is the answer. Every
    photo is scored by a fit to the others. Least squares on logarithms; the reliability is that of
    the left-out photos. Raises ValueError for fewer than eight photos.
    """
    if len(photos) < 8:
        raise ValueError(f"photos holds {len(photos)}; calibrate needs eight or more")
    cells = {name: _examples(torch.stack(list(c)), truth) for name, (c, truth) in photos.items()}
    scores, expected = {}, []
    for name, (features, errors, gradients) in cells.items():
        fitted = _fit([cells[other] for other in cells if other != name])
        log_error = fitted.log_error(features)
        scores[name] = {
            "trust map": _mean_spearman(log_error, errors),
            "spread": _mean_spearman(features[0], errors),
            "gradient": _mean_spearman(gradients, errors),
        }
        expected.append(log_error.exp().flatten())
    errors = torch.cat([each.flatten() for _, each, _ in cells.values()])
    reliability = _reliability(torch.cat(expected), errors)
    return _fit(list(cells.values()))._replace(reliability=reliability, scores=scores)


Examples = tuple[Tensor, Tensor, Tensor]


def _examples(stack: Tensor, truth: Tensor) -> Examples:
    """Of one photo: features (F, answers, cells), errors and gradients (answers, cells)."""
    features = torch.stack([trust.cell_features(stack, answer).flatten(1) for answer in stack], 1)
    errors = torch.stack([trust.cell_error(answer, truth).flatten() / 255 for answer in stack])
    gradients = torch.stack([trust.gradient_magnitude(answer).flatten() for answer in stack])
    return features, errors.clamp(min=trust.FLOOR), gradients


def _fit(photos: list[Examples]) -> Calibration:
    """Least squares on logarithms, each photo counting alike; without reliability and scores."""
    rows, targets = [], []
    for features, errors, _ in photos:
        logs = features.log().flatten(1).T.double()  # (answers * cells, F)
        weight = len(logs) ** -0.5
        rows.append(weight * torch.cat([logs, torch.ones(len(logs), 1).double()], 1))
        targets.append(weight * errors.log().flatten().double())
    solution = torch.linalg.lstsq(torch.cat(rows), torch.cat(targets)[:, None]).solution.float()
    *weights, offset = solution.flatten().tolist()
    fitted = Calibration(offset, tuple(weights), (), {})
    # a mean of logarithms lies below the logarithm of the mean: raise it
    ratios = [
        errors.mean() / fitted.log_error(features).exp().mean() for features, errors, _ in photos
    ]
    return fitted._replace(offset=offset + float(torch.stack(ratios).log().mean()))


def _mean_spearman(a: Tensor, b: Tensor) -> float:
    """The mean of Spearman's rank correlation over the rows of (answers, cells)."""
    # scipy makes the result's class at run time
    each = [spearmanr(*rows).statistic for rows in zip(a, b, strict=True)]  # pyright: ignore[reportAttributeAccessIssue]
    return float(np.mean(each))


def _reliability(expected: Tensor, errors: Tensor) -> tuple[tuple[float, float, int], ...]:
    """Mean errors in grey levels, expected and made, in bins of as many cells."""
    return tuple(
        (255 * float(expected[part].mean()), 255 * float(errors[part].mean()), len(part))
        for part in expected.argsort().tensor_split(BINS)
    )


def main() -> None:
    """Measure, print and write."""
    argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0]).parse_args()
    photos = {}
    for name, original in tqdm(photographs().items()):
        small = degrade.downscale(original, 8)
        photos[name] = hallucination.candidates(small, ANSWERS), original
    fitted = calibrate({name: (list(c.values()), truth) for name, (c, truth) in photos.items()})
    facts = {
        "made_by": "python -m training.calibrate_trust",
        "answers": list(next(iter(photos.values()))[0]),
        "offset": round(fitted.offset, 4),
        "weights": {
            name: round(w, 4) for name, w in zip(trust.FEATURES, fitted.weights, strict=True)
        },
        "reliability": [[round(x, 2), round(y, 2), n] for x, y, n in fitted.reliability],
        "scores": {
            name: {key: round(value, 3) for key, value in score.items()}
            for name, score in fitted.scores.items()
        },
    }
    write_text(trust.STORED, json.dumps(facts, indent=2) + "\n")
    for name, score in facts["scores"].items():
        print(f"{name:12}", *(f"{key} {value:.3f}" for key, value in score.items()))


if __name__ == "__main__":
    main()
