"""The lesson's clips: what is stored belongs to the weights, and rules are scored on it."""

import json

import pytest
import torch

from mssnet_edu import models, samples
from mssnet_edu import reference_selection as selection


def test_the_qualities_were_measured_with_these_weights():
    stored = json.loads(samples.find_data(selection.FILE).read_text(encoding="utf-8"))
    weights = models.info("overexposure").files[0].sha256
    assert stored["weights"] == weights, "run: python -m training.measure_lesson_clips"


@pytest.mark.parametrize("name", selection.CLIPS)
def test_only_the_past_can_be_a_reference(name):
    clip, qualities = selection.load_clip(name)
    assert len(clip) == len(qualities.none) == 24
    assert qualities.pairs.isnan()[torch.ones(24, 24).triu().bool()].all()
    judged = selection.judged(clip).flatten(1).any(1)
    assert torch.equal(qualities.none.isfinite(), judged)  # it is still the same film
    assert float(clip.clipped_share.max()) > 0.1


def test_rules_are_compared_on_all_clips():
    scores = selection.compare({**selection.RULES, "mine": lambda now, kept: kept is None})
    assert list(scores) == [*selection.RULES, "mine", "oracle", "ideal"]
    assert scores["mine"] == scores["first"]
    for number in range(len(selection.CLIPS)):
        best = max(each[number] for name, each in scores.items() if name != "ideal")
        assert scores["oracle"][number] == best


def test_an_unknown_clip_is_refused():
    with pytest.raises(ValueError, match=r"There is no clip 'interoir'.*Did you mean 'interior'"):
        selection.load_clip("interoir")
