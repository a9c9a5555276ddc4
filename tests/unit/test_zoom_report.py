"""zoom_report: accuracies, flips and the words that follow from them, worked out by hand."""

import pandas as pd
import pytest
import torch

from mssnet_edu import zoom
from training import zoom_report, zoom_scoring
from training.zoom_scoring import CONSISTENT, Answer


def table(*groups):
    """Answers from (enlarger, view, rights as a text of 0 and 1) for photos a, b, c and so on."""
    return pd.DataFrame(
        [
            Answer(
                chr(97 + n), enlarger, view, f"class {n}" if r == "1" else "wrong", r == "1", 0.8
            )
            for enlarger, view, rights in groups
            for n, r in enumerate(rights)
        ]
    )


def test_summary_by_hand():
    rows = table(
        ("original", "centre", "11111111"),
        ("original", "TTA", "11111110"),
        ("1/8: bicubic", "centre", "11110000"),
        ("1/8: rrdn-x8", "centre", "00001000"),
    )
    summary = zoom_report.summarise(rows).set_index(["enlarger", "view"])
    rrdn = summary.loc[("1/8: rrdn-x8", "centre")]
    assert (rrdn.right, rrdn.photos, rrdn.fixed, rrdn.broken) == (1, 8, 1, 4)
    assert rrdn.against == "1/8: bicubic, centre"
    assert rrdn.p_value == pytest.approx(0.375)  # 2 (1 + 5) / 32
    assert rrdn.difference == pytest.approx(-3 / 8)
    assert (rrdn.low, rrdn.high) == pytest.approx(zoom.wilson_interval(1, 8))
    assert rrdn.difference_low < -3 / 8 < rrdn.difference_high
    assert summary.loc[("original", "TTA"), "broken"] == 1
    assert summary.loc[("original", "TTA"), "against"] == "original, centre"
    assert summary.loc[("1/8: bicubic", "centre"), "against"] == "original, centre"
    assert pd.isna(summary.loc[("original", "centre"), "against"])


def test_only_photos_that_both_have_are_compared():
    rows = table(("1/8: bicubic", "centre", "111"), ("1/8: rrdn-x8", "centre", "00000"))
    last = zoom_report.summarise(rows).iloc[-1]
    assert (last.photos, last.broken) == (5, 3)


def test_the_words_follow_from_the_numbers():
    same = table(
        ("original", "centre", "1" * 20),
        ("1/8: bicubic", "centre", "1" * 10 + "0" * 10),
        ("1/8: rrdn-x8", "centre", "1" * 9 + "0" * 11),
    )
    assert "no network helps or harms for certain" in zoom_report.experiment_page(same)
    worse = table(
        ("original", "centre", "1" * 20),
        ("1/8: bicubic", "centre", "1" * 20),
        ("1/8: rrdn-x8", "centre", "0" * 20),
    )
    page = zoom_report.experiment_page(worse)
    assert "0 help and 1 harm: 1/8: rrdn-x8 (centre)." in page
    assert "0 against 20 (p = 1.9e-06); -100 (-100 to -100) points" in page


def test_flips_need_confidence_and_a_right_original():
    rows = table(
        ("original", "centre", "110"),
        ("1/8: rrdn-x8", "centre", "000"),
        ("1/8: rrdn-x8", CONSISTENT, "100"),
    )
    rows.loc[4, "confidence"] = 0.4  # photo b
    flips = zoom_report.confident_flips(rows)
    assert flips.photo.tolist() == ["a"]
    assert flips.iloc[0][["original", "top1", "consistent"]].tolist() == [
        "class 0",
        "wrong",
        "class 0",
    ]
    assert zoom_report.confident_flips(rows, sure=0.3).photo.tolist() == ["a", "b"]


def test_seeds_that_disagree():
    draws = [
        (f"1/8: mssnet-x8-realism, seed {n}", CONSISTENT, r)
        for n, r in enumerate(("11", "10", "11"))
    ]
    apart = zoom_report.seeds_apart(table(*draws))
    assert apart.to_dict("records") == [
        {"photo": "b", "reduction": "1/8", "labels": "class 1 | wrong"}
    ]


def test_lesson_08_says_of_the_stored_answers_what_they_show():
    """Its prose: all enlargements lose against the original; no network certainly beats bicubic."""
    answers = zoom.recorded_enlargements()

    def rights(picture, view="centre"):
        return torch.tensor([a.right for a in answers if (a.enlarger, a.view) == (picture, view)])

    total = len(rights("original"))
    for how, whole in zoom_scoring.ORIGINALS.items():
        original, _ = zoom.wilson_interval(int(rights(whole).sum()), total)
        small, bicubic = (int(rights(f"{how}: {n}").sum()) for n in ("reduced", "bicubic"))
        assert abs(small - bicubic) <= 1  # "lies where bicubic lies"
        for name in ("reduced", *zoom.ENLARGERS):
            _, high = zoom.wilson_interval(int(rights(f"{how}: {name}").sum()), total)
            assert high < original, name  # "touches none of theirs"
        for name in zoom.ENLARGERS[1:]:
            for view in (*zoom_scoring.EXPERIMENT_VIEWS, CONSISTENT):
                before, after = (rights(f"{how}: {n}", view) for n in ("bicubic", name))
                flips = zoom.paired(before, after)
                assert flips.difference < 0 or flips.p_value > 0.05 / 48, (how, name, view)
