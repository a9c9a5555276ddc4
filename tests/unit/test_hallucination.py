"""Recorded and invented: the operators behind it, the projection, and the dial."""

import math

import pytest
import torch
from scipy.stats import spearmanr

from mssnet_edu import degrade, hallucination, images, metrics, samples
from mssnet_edu.hallucination import (
    back_project,
    blockiness,
    energy_shares,
    pseudo_inverse,
    range_null_split,
)
from mssnet_edu.hallucination.candidates import borrow_detail, recipes
from mssnet_edu.hallucination.trust import cell_error, gradient_magnitude
from mssnet_edu.operators import Downscale, blend_invented
from training.calibrate_trust import calibrate


@pytest.fixture(scope="module")
def cat():
    return images.crop(samples.load("cat"), (150, 40, 128, 96))


def test_the_downscale_is_the_courses_own(cat):
    torch.testing.assert_close(Downscale(8)(cat), degrade.downscale(cat, 8), atol=1e-6, rtol=0)


def test_the_mosaic_is_the_pseudo_inverse(cat):
    small = degrade.downscale(cat, 8)
    squares = degrade.enlarge(small, 8, "nearest")
    torch.testing.assert_close(pseudo_inverse(small, kind="mosaic"), squares, atol=1e-6, rtol=0)


def test_split_sums_to_the_consistent_answer(cat):
    small = degrade.downscale(cat, 8)
    answer = degrade.enlarge(small, 8)
    recorded, invented = range_null_split(small, answer)
    torch.testing.assert_close(Downscale(8)(recorded + invented), small, atol=1e-6, rtol=0)
    assert Downscale(8)(invented).abs().max() < 1e-6
    assert abs((recorded.double() * invented.double()).sum()) < 1e-3
    recorded, invented = range_null_split(small, cat)  # the original is their sum
    torch.testing.assert_close(recorded + invented, cat, atol=1e-6, rtol=0)


def test_shares(cat):
    small = degrade.downscale(cat, 8)
    shares = energy_shares(small, cat)
    assert shares.numbers_invented_share == 63 / 64
    assert 0.01 < shares.energy_invented_share < 0.5
    assert math.isclose(10 ** (shares.invented_db / 10), shares.energy_invented_share)
    total = 10 ** (shares.recorded_db / 10) + 10 ** (shares.invented_db / 10)
    assert math.isclose(total, 1, abs_tol=1e-9)
    assert energy_shares(small, pseudo_inverse(small, kind="mosaic")).energy_invented_share < 1e-9


def hard_pairs():
    generator = torch.Generator().manual_seed(2)
    noise = torch.rand(3, 96, 128, generator=generator)
    snow = (torch.rand(3, 96, 128, generator=generator) > 0.5).float()  # all pixels at an end
    small = torch.rand(3, 12, 16, generator=generator)
    ends = (torch.rand(3, 12, 16, generator=generator) > 0.5).float()  # black and white wanted
    cat = images.crop(samples.load("cat"), (150, 40, 128, 96))
    lit = (2.5 * cat - 0.6).clamp(0, 1)  # half of it clipped
    pairs = {
        "noise to noise": (noise, small),
        "snow to noise": (snow, small),
        "noise to the ends": (noise, ends),
        "snow to the ends": (snow, ends),
        "a cat to itself": (degrade.enlarge(degrade.downscale(cat, 8), 8), cat),
        "clipped": (degrade.enlarge(degrade.downscale(lit, 8), 8), lit),
        "another cat": (cat.flip(-1), cat),
    }
    return {
        name: (large, goal if goal.shape[-1] == 16 else degrade.downscale(goal, 8))
        for name, (large, goal) in pairs.items()
    }


@pytest.mark.parametrize("kind", ["smooth", "mosaic"])
@pytest.mark.parametrize(("large", "small"), hard_pairs().values(), ids=hard_pairs())
def test_back_projection_reaches_50_db_and_45_in_a_file(large, small, kind):
    answer = back_project(large, small, kind=kind)
    assert answer.min() >= 0
    assert answer.max() <= 1
    assert metrics.consistency_db(answer, small) >= 50
    filed = back_project(large, small, kind=kind, eight_bit=True)
    torch.testing.assert_close((255 * filed).round() / 255, filed)
    assert metrics.consistency_db(filed, small) >= 45


@pytest.mark.parametrize("kind", ["bicubic", "bicubic-aliased"])
def test_plain_back_projection_repeats_one_correction(cat, kind):
    small, answer = degrade.downscale(cat, 8), cat.flip(-1)
    by_hand = answer
    for _ in range(3):
        residual = small - Downscale(8)(by_hand)
        by_hand = (by_hand + degrade.resample(residual, (96, 128), kind)).clamp(0, 1)
    torch.testing.assert_close(back_project(answer, small, kind, rounds=3), by_hand)
    assert metrics.consistency_db(back_project(answer, small, kind), small) > 45


def test_back_projection_goes_where_the_weight_is(cat):
    small = degrade.downscale(cat, 8)
    answer = 0.4 + 0.2 * cat.flip(-1)
    weight = torch.full((96, 128), 1e-3)
    weight[::8] = 1  # one line of each block
    answer_there = back_project(answer, small, "mosaic", rounds=200, weight=weight)
    assert metrics.consistency_db(answer_there, small) > 50
    change = (answer_there - answer).abs().mean((0, 2)).view(12, 8)
    assert change[:, 0].mean() > 3 * change[:, 1:].mean()
    with pytest.raises(ValueError, match="weight goes with kind='mosaic' only"):
        back_project(answer, small, weight=weight)


def test_back_projection_stops_where_it_is_told(cat):
    small, answer = degrade.downscale(cat, 8), cat.flip(-1)
    loose = back_project(answer, small, tol=0.02)
    worst = (degrade.downscale(loose, 8) - small).abs().max()
    assert 2e-4 < worst < 0.02
    once = back_project(answer, small, rounds=1)
    assert metrics.consistency_db(once, small) < metrics.consistency_db(loose, small)


def test_back_projection_leaves_a_consistent_answer_alone(cat):
    torch.testing.assert_close(back_project(cat, degrade.downscale(cat, 8)), cat, atol=1e-6, rtol=0)


def test_the_mosaic_back_projection_is_the_smallest_change(cat):
    small = degrade.downscale(cat, 8)
    other = 0.4 + 0.2 * cat.flip(-1)  # far from the ends: nothing is clamped
    least = (back_project(other, small, kind="mosaic") - other).square().sum()
    assert least <= (back_project(other, small) - other).square().sum()


def test_blend_invented(cat):
    small = degrade.downscale(cat, 8)
    answer = 0.2 + 0.5 * cat.flip(-1)
    for kind in ("smooth", "mosaic"):
        base = pseudo_inverse(small, kind=kind).clamp(0, 1)
        # projected, but not far
        assert (blend_invented(small, answer, 0, kind) - base).abs().mean() < 1e-3
        full = back_project(answer, small, kind=kind)
        torch.testing.assert_close(blend_invented(small, answer, 1, kind), full, atol=1e-6, rtol=0)
        for alpha in (0, 0.3, 0.5, 1):
            assert metrics.consistency_db(blend_invented(small, answer, alpha, kind), small) > 50
        added = (blend_invented(small, answer, 2, kind) - base).abs().mean()
        assert added > 1.5 * (full - base).abs().mean()
    with pytest.raises(ValueError, match="alpha is -1"):
        blend_invented(small, answer, -1)


@pytest.mark.parametrize("name", ["cat", "coffee", "astronaut", "tesla_portrait"])
def test_the_smooth_start_has_no_seams(name):
    photo = degrade.crop_to_multiple(samples.load(name), 8)
    small = degrade.downscale(photo, 8)
    assert blockiness(pseudo_inverse(small, kind="mosaic")) > 100
    assert blockiness(pseudo_inverse(small).clamp(0, 1)) < 1.15
    # not even where the photo is clipped at black and white
    assert blockiness(blend_invented(small, photo, 0)) < 1.15
    # ... and a projected answer does not get any either, not even one that was far off
    far = degrade.enlarge(small.flip(-1), 8)
    assert blockiness(back_project(far, small)) < 1.3


def test_wrong_sizes_are_explained(cat):
    with pytest.raises(images.PhotoError, match="whole number of times larger"):
        range_null_split(torch.rand(3, 10, 10), cat)
    with pytest.raises(images.PhotoError, match="crop_to_multiple"):
        Downscale(8)(torch.rand(3, 50, 64))
    with pytest.raises(ValueError, match="choose one of 'mosaic', 'smooth'"):
        back_project(cat, degrade.downscale(cat, 8), kind="soft")
    with pytest.raises(ValueError, match="factor is 0"):
        pseudo_inverse(cat, factor=0)


def test_the_frontier_keeps_what_no_other_answer_beats():
    points = {
        "a": (20.0, 0.3),
        "b": (22.0, 0.5),
        "c": (21.0, 0.5),
        "d": (19.0, 0.3),
        "e": (25.0, 0.9),
    }
    assert hallucination.pareto_front(points) == {k: points[k] for k in "abe"}
    assert list(hallucination.pareto_front(points)) == ["a", "b", "e"]  # the least faithful first
    assert len(hallucination.pareto_front({"one": (1.0, 1.0), "same": (1.0, 1.0)})) == 2


def test_the_public_names_exist():
    for name in hallucination.__all__:
        assert getattr(hallucination, name).__doc__


# --- letters that change ---------------------------------------------------------------------


@pytest.mark.parametrize("make", [hallucination.ambiguous_signs, hallucination.ambiguous_plates])
def test_other_letters_make_the_same_small_photo(make):
    lettering = make()
    assert lettering.letters_px <= 2
    assert len(lettering.answers) >= 4
    first, *others = lettering.answers.values()
    assert torch.equal(Downscale(8)(first), lettering.small)
    for other in others:
        assert metrics.consistency_db(other, lettering.small) > 60
        torch.testing.assert_close((255 * other).round() / 255, other)  # a file holds it
        # the small photo, as a file holds it, is the very same
        assert (Downscale(8)(other) - lettering.small).abs().max() < 0.5 / 255
        differ = (other - first).abs().amax(0)
        assert differ.max() > 0.4  # the letters
        assert (differ > 0.1).float().mean() < 0.15  # and little else
    texts = list(lettering.answers)
    if make is hallucination.ambiguous_plates:  # each character differs from the real one
        for text in texts[1:]:
            pairs = zip(text, texts[0], strict=True)
            assert all(a != b for a, b in pairs if b != "-")


def test_the_pictures_of_letters_are_the_learners_own():
    first = hallucination.ambiguous_signs(["TOLERATED"])
    first.small.zero_()
    first.answers["TOLERATED"].zero_()
    again = hallucination.ambiguous_signs(("TOLERATED",))
    assert again.small.mean() > 0.1
    assert again.answers["TOLERATED"].mean() > 0.1


def test_signs_say_what_they_cannot_write():
    with pytest.raises(ValueError, match="'QUICK' cannot be written"):
        hallucination.ambiguous_signs(("QUICK",))


# --- many answers ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rivals():
    """An original, its small photo of 16 x 16 px, and six answers."""
    original = images.crop(samples.load("raccoon"), (470, 230, 128, 128))
    small = degrade.downscale(original, 8)
    return original, small, hallucination.candidates(small, 6)


def test_candidates_agree_with_the_photo_and_not_with_each_other(rivals):
    original, small, answers = rivals
    assert len(answers) == 6
    photos = list(answers.values())
    for photo in photos:
        assert photo.shape == original.shape
        assert photo.min() >= 0
        assert photo.max() <= 1
        assert metrics.consistency_db(photo, small) >= 45
    sharp = [photo for name, photo in answers.items() if "realesrgan" in name]
    assert len(sharp) >= 3
    for i, one in enumerate(sharp):
        for other in sharp[:i]:
            assert metrics.psnr(one, other) < 30  # seen at a glance


def test_candidates_are_the_same_each_time_and_differ_by_seed():
    small = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3))
    first = dict(recipes())
    random = [name for name in first if "seed" in name or "noise" in name]
    assert random
    torch.testing.assert_close(first[random[0]](small), dict(recipes())[random[0]](small))
    assert not set(random) & set(dict(recipes(seed=7)))


def test_candidates_without_the_networks_that_sample(monkeypatch):
    from mssnet_edu import models

    monkeypatch.setattr(models, "names", lambda task=None: ["rrdn-x8"])
    names = [name for name, _ in recipes()]
    assert names[0] == "rrdn-x8"
    assert all(name == "rrdn-x8" or name.startswith("detail of") for name in names)


def test_a_large_photo_is_spared_what_takes_long():
    small, large = ([name for name, _ in recipes(large=large)] for large in (False, True))
    assert len(set(large)) == len(large) >= 12
    assert set(small) - set(large) == {
        "mssnet-x8-fidelity, then realesrgan-x4",
        "bicubic, then realesrgan-x4",
    }
    # one network's whole 8x answer, made small again, is all that the first six wait for
    assert not any("fidelity" in name for name in large[:6])


def test_candidates_refuses_what_it_cannot_do():
    with pytest.raises(images.PhotoError, match="sides from 16 to 256 px"):
        hallucination.candidates(torch.rand(3, 8, 8))
    with pytest.raises(images.PhotoError, match=r"Cut a part out of it: me\.images\.crop"):
        hallucination.candidates(torch.rand(3, 300, 100))
    with pytest.raises(ValueError, match="n is 1"):
        hallucination.candidates(torch.rand(3, 16, 16), n=1)


def test_borrowed_detail_is_the_exemplars_own(cat):
    small = degrade.downscale(cat, 8)
    borrowed = borrow_detail(small, cat)  # from itself: the right detail everywhere
    smooth = pseudo_inverse(small).clamp(0, 1)
    assert metrics.psnr(borrowed, cat) > metrics.psnr(smooth, cat) + 3
    other = borrow_detail(small, samples.load("raccoon")[:, :400, :400])
    assert metrics.psnr(other, borrowed) < 35
    assert metrics.consistency_db(back_project(other, small), small) > 50


# --- trust -------------------------------------------------------------------------------------


def test_the_trust_map_knows_more_than_the_gradient(rivals):
    original, _, found = rivals
    mine, plain = [], []
    for name, answer in found.items():
        error = cell_error(answer, original)
        doubt = hallucination.trust_map(found, name)
        assert doubt.expected.shape == doubt.spread.shape == (16, 16)
        gradient = gradient_magnitude(answer)
        mine.append(spearmanr(doubt.expected.flatten(), error.flatten()).statistic)
        plain.append(spearmanr(gradient.flatten(), error.flatten()).statistic)
    assert sum(mine) / 6 > sum(plain) / 6 - 0.05  # one small photo; twelve: the next test
    assert min(mine) > 0.2


def test_the_stored_calibration_meets_what_was_promised():
    rule = hallucination.calibration()
    assert len(rule.scores) >= 8
    for key in ("trust map", "gradient"):
        assert all(-1 <= score[key] <= 1 for score in rule.scores.values())
    means = {
        key: sum(score[key] for score in rule.scores.values()) / len(rule.scores)
        for key in ("trust map", "gradient")
    }
    assert means["trust map"] >= 0.5
    assert means["trust map"] > means["gradient"] + 0.02
    expected, found, _ = zip(*rule.reliability, strict=True)
    assert list(expected) == sorted(expected)
    for promised, real in zip(expected, found, strict=True):
        assert 0.6 < real / promised < 1.6


def test_calibrate_finds_a_rule_that_is_there():
    """Made-up photos whose error is their spread: the map must find that out."""
    generator = torch.Generator().manual_seed(4)
    photos = {}
    for number in range(8):
        truth = 0.5 * torch.ones(3, 64, 64)
        size = (0.3 * torch.rand(1, 8, 8, generator=generator)).repeat_interleave(8, -1)
        size = size.repeat_interleave(8, -2)
        answers = [truth + size * torch.randn(3, 64, 64, generator=generator) for _ in range(4)]
        photos[number] = (answers, truth)
    rule = calibrate(photos)
    assert all(score["trust map"] > 0.8 for score in rule.scores.values())
    for expected, found, _ in rule.reliability:
        assert found == pytest.approx(expected, rel=0.35)
    answers, truth = photos[0]
    doubt = hallucination.trust_map(answers, calibrated=rule)
    error = cell_error(answers[0], truth)
    assert float(doubt.expected.mean()) == pytest.approx(float(error.mean()), rel=0.2)
    with pytest.raises(ValueError, match="eight or more"):
        calibrate(dict(list(photos.items())[:3]))


def test_trust_map_explains_bad_input(rivals):
    _, _, found = rivals
    with pytest.raises(ValueError, match="two or more answers"):
        hallucination.trust_map([torch.rand(3, 8, 8)])
    with pytest.raises(ValueError, match="answer is 'mona lisa'; expected one of 'realesrgan-x4'"):
        hallucination.trust_map(found, "mona lisa")
    with pytest.raises(images.PhotoError, match="in one size"):
        hallucination.trust_map([torch.rand(3, 16, 16), torch.rand(3, 24, 24)])
    with pytest.raises(images.PhotoError, match="multiple of 8"):
        hallucination.trust_map([torch.rand(3, 20, 20)] * 2)


# --- habits of photographs -----------------------------------------------------------------------


def test_gradient_histogram(cat):
    differences, shares_of_all = hallucination.gradient_histogram(cat)
    assert 0.95 < shares_of_all.sum() <= 1 + 1e-6
    assert differences[shares_of_all.argmax()] == pytest.approx(0, abs=1e-6)
    soft = hallucination.gradient_histogram(degrade.enlarge(degrade.downscale(cat, 8), 8))[1]
    far = differences.abs() > 0.1
    assert soft[far].sum() < 0.5 * shares_of_all[far].sum()


def test_spectrum_slope(cat):
    slope = hallucination.spectrum_slope
    soft = degrade.enlarge(degrade.downscale(cat, 8), 8)
    assert slope(soft)[2] < slope(cat)[2] - 0.5
    assert -3.5 < slope(cat)[2] < -1
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(1))
    assert abs(slope(noise)[2]) < 0.2
