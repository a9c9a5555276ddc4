"""Other photographs behind the same small picture."""

import pytest
import torch

import mssnet_edu as me

BOX = (6, 8, 4, 4)  # the cat's eye, in the small photo


@pytest.fixture(scope="module")
def cat():
    return me.images.crop(me.samples.load("cat"), (96, 20, 256, 256))


@pytest.fixture(scope="module")
def small(cat):
    return me.images.crop(me.degrade.downscale(cat, 8), BOX)


@pytest.fixture(scope="module")
def answers(small):
    return me.hallucination.lookalikes(small, 8, 6, photos=["cat", "coffee"])


def test_all_give_the_same_small_picture(answers, small):
    assert answers.shape == (6, 3, 32, 32)
    for answer in answers:
        assert float((me.degrade.downscale(answer, 8) - small).abs().max()) < 0.5 / 255


def test_all_are_different(answers):
    pairs = torch.combinations(torch.arange(len(answers)))
    assert min(float((answers[a] - answers[b]).abs().mean()) for a, b in pairs) > 2 / 255


def test_the_place_itself_comes_first(answers, cat):
    truth = me.images.crop(cat, tuple(8 * side for side in BOX))
    luma = me.images.luma
    assert me.metrics.psnr(luma(answers[0]).expand(3, -1, -1), luma(truth).expand(3, -1, -1)) > 35


def test_other_factors_and_shapes():
    small = torch.full((3, 2, 3), 0.4)
    assert me.hallucination.lookalikes(small, 4, 2, photos=["coffee"]).shape == (2, 3, 8, 12)


def test_what_cannot_be_found_is_said():
    with pytest.raises(me.images.PhotoError, match="at most 8 x 8"):
        me.hallucination.lookalikes(torch.rand(3, 9, 4))
    with pytest.raises(ValueError, match="Ask for fewer"):
        me.hallucination.lookalikes(torch.rand(3, 8, 8), 16, 500, photos=["cat"])
    with pytest.raises(ValueError, match="factor"):
        me.hallucination.lookalikes(torch.rand(3, 4, 4), 1)
