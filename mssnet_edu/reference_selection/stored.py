"""The lesson's clips: filmed anew from the panoramas, with qualities that were measured beforehand.

Only what takes long is stored, in `data/light/clips.json`: the quality of every frame with every
reference, by `python -m training.measure_lesson_clips`. Filming takes a second.
"""

import functools
import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mssnet_edu import samples
from mssnet_edu.exposure import Clip, film
from mssnet_edu.lazy import did_you_mean
from mssnet_edu.reference_selection.glances import glances
from mssnet_edu.reference_selection.rules import Rule, run
from mssnet_edu.reference_selection.worth import Qualities, oracle, score

__all__ = ["CLIPS", "FILE", "compare", "film_clip", "load_clip"]

FILE = "light/clips.json"  # below data/
SIZE_PX = (128, 224)
# the seed of each scene's clip: chosen by eye, so that what is white was seen before
CLIPS = {"interior": 2, "peppermint_powerplant": 0, "courtyard": 0}


def film_clip(name: str) -> Clip:
    """Film the lesson's clip of this scene: 24 frames of 224 x 128 px. Raises ValueError.

    >>> film_clip("kitchen")
    Traceback (most recent call last):
    ValueError: There is no clip 'kitchen'; there are interior, peppermint_powerplant, courtyard.
    """
    if name not in CLIPS:
        hint = did_you_mean(name, CLIPS)
        raise ValueError(f"There is no clip {name!r}; there are {', '.join(CLIPS)}.{hint}")
    return film(
        samples.panorama(name), 24, size_px=SIZE_PX, seed=CLIPS[name], name=name, scene=name
    )


@functools.lru_cache(maxsize=len(CLIPS))
def load_clip(name: str) -> tuple[Clip, Qualities]:
    """The lesson's clip of this scene, and what each frame is worth as a reference of each other.

    name: of CLIPS, panoramas that no network was trained on. Raises ValueError for another.
    Returns the clip, 24 frames of 224 x 128 px, and its `Qualities` with the course's own network.

    >>> clip, qualities = load_clip("interior")
    >>> clip.frames.shape, qualities.pairs.shape
    (torch.Size([24, 3, 128, 224]), torch.Size([24, 24]))
    """
    clip = film_clip(name)
    stored: dict[str, Any] = json.loads(samples.find_data(FILE).read_text(encoding="utf-8"))
    return clip, Qualities(**{key: _numbers(stored[name][key]) for key in Qualities._fields})


def compare(rules: Mapping[str, Rule]) -> dict[str, list[float]]:
    """Let rules play the lesson's clips: {name: the mean quality in each clip, in dB}.

    rules: {name: rule}; see `Rule`. Two more lines come last: "oracle", the best decisions that
    there are, and "ideal", with the same view, well exposed, as each frame's reference.

    >>> list(compare({"never": lambda now, kept: False}))
    ['never', 'oracle', 'ideal']
    """
    found: dict[str, list[float]] = {name: [] for name in (*rules, "oracle", "ideal")}
    for clip, qualities in map(load_clip, CLIPS):
        seen = glances(clip.frames, clip.ev)
        played = {name: run(rule, seen) for name, rule in rules.items()}
        for name, references in {**played, "oracle": oracle(qualities)}.items():
            found[name].append(float(score(qualities, references).nanmean()))
        found["ideal"].append(float(qualities.ideal.nanmean()))
    return found


def _numbers(values: list) -> Tensor:
    """A tensor of numbers that JSON holds; None, where nothing was judged, is NaN."""
    rows = values if isinstance(values[0], list) else [values]
    found = torch.tensor([[math.nan if v is None else v for v in row] for row in rows])
    return found if rows is values else found[0]
