"""A student is shown what its teacher was asked, and is told how far it is from the answer."""

import pytest
import torch
from torch.nn import functional as F

from mssnet_edu import degrade, metrics, restore
from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training import distillation, losses
from training.dataset import Corpus, photo_files, turned
from training.distillation import DistillationLoss, DistilledPairs, make_shard

# --- pairs ---------------------------------------------------------------------------------------


def test_photo_noise_and_answer_lie_on_each_other_under_all_symmetries(pairs):
    made = DistilledPairs(pairs, 64)
    whole = [answer.float() / 255 for _, _, answer in made.pairs]
    enlarged, answers, noise = made.batch(300, seed=0)
    assert enlarged.shape == answers.shape == (300, 3, 64, 64)
    assert noise.shape == (300, 1, 64, 64)
    given = torch.cat([enlarged[:, :2], noise / 255], 1)
    assert (given - answers).abs().max() <= 0.51 / 255  # it was rounded
    seen = {
        (index, symmetry)
        for answer in answers
        for index, photo in enumerate(whole)
        for symmetry in range(8)
        if torch.equal(turned(photo, symmetry), answer)
    }
    assert seen == {(index, symmetry) for index in range(3) for symmetry in range(8)}


def test_patches_are_cut_on_the_small_photos_grid(pairs):
    enlarged, answers, noise = DistilledPairs(pairs, 32).batch(50, seed=1)
    assert answers.shape == (50, 3, 32, 32)
    given = torch.cat([enlarged[:, :2], noise / 255], 1)
    assert (given - answers).abs().max() <= 0.51 / 255
    assert len({tuple(x.flatten().tolist()) for x in noise[..., ::8, ::8]}) > 40


def test_the_student_is_trained_on_what_it_will_be_given(pairs):
    made = DistilledPairs(pairs, 64)
    student = MSSNetUpscaler(MSSNetConfig(4, 4, 4))
    wanted = torch.cat([student.enlarge(small[None] / 255, 8) for small, _, _ in made.pairs])
    for photo in made.batch(4, seed=2)[0]:
        assert any(
            torch.allclose(turned(x, symmetry), photo, atol=1e-6)
            for x in wanted
            for symmetry in range(8)
        )


def test_a_seed_is_a_batch(pairs):
    made = DistilledPairs(pairs, 32)
    batch, again, other = (made.batch(4, seed) for seed in (5, 5, 6))
    assert all(torch.equal(x, y) for x, y in zip(batch, again, strict=True))
    assert not torch.equal(batch[1], other[1])


@pytest.mark.parametrize("size_px", [8, 0, 80])
def test_other_sizes_are_refused(pairs, size_px):
    with pytest.raises(ValueError, match="a multiple of 16, at most 64"):
        DistilledPairs(pairs, size_px)


def test_a_folder_without_pairs_is_refused(folder):
    with pytest.raises(ValueError, match="holds no pairs"):
        DistilledPairs(folder, 32)


# --- making them ---------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """What a quick teacher was asked; it sharpens, and so makes noise and photo disagree."""
    questions = []

    def upscale(photo, factor, model):
        assert (factor, model) == (8, "rrdn-x8, then realesrgan-x4")
        questions.append(photo)
        large = degrade.enlarge(photo, 8)
        return (large + 2 * (large - F.avg_pool2d(large, 9, 1, 4))).clamp(0, 1)

    monkeypatch.setattr(restore, "upscale", upscale)
    monkeypatch.setattr(distillation, "SIDE_PX", 64)
    monkeypatch.setattr(distillation, "PAIRS_PER_SHARD", 4)
    return questions


def test_a_shard_agrees_with_its_small_photos(folder, asked):
    shard = make_shard(Corpus.load(photo_files(folder)), seed=3)
    small, answer = shard["small"] / 255, shard["answer"] / 255
    assert (small.shape, answer.shape) == ((4, 3, 8, 8), (4, 3, 64, 64))
    assert torch.as_tensor(metrics.consistency_db(answer, small)).min() >= 45
    # the teacher saw the noise, the same in all colours; the answer is to the photo without it
    added = torch.stack(asked) - small
    inside = (torch.stack(asked) > 0) & (torch.stack(asked) < 1)
    wanted = (4 / 255 * shard["noise"].float()).expand_as(added)
    torch.testing.assert_close(added[inside], wanted[inside], atol=1e-6, rtol=0)
    assert inside.float().mean() > 0.5
    assert float(shard["noise"].float().std()) == pytest.approx(1, abs=0.2)


def test_another_noise_asks_the_teacher_another_question(folder, asked, monkeypatch):
    corpus = Corpus.load(photo_files(folder))
    shard, again = make_shard(corpus, seed=3), make_shard(corpus, seed=3)
    assert all(torch.equal(shard[name], again[name]) for name in shard)
    draw = torch.randn

    def silent(*shape, **options):
        return 0 * draw(*shape, **options)

    monkeypatch.setattr(torch, "randn", silent)
    plain = make_shard(corpus, seed=3)
    assert torch.equal(plain["small"], shard["small"])
    assert not torch.equal(torch.stack(asked[:4]), torch.stack(asked[8:]))
    assert (plain["answer"].float() - shard["answer"].float()).abs().mean() > 0.5


def test_the_command_goes_on_where_it_was_stopped(folder, tmp_path, asked, monkeypatch, capsys):
    out = tmp_path / "pairs"
    command = ["--photos", str(folder), "--out", str(out), "--shards", "1", "4"]
    made = []

    def stopped_at_two(corpus, seed):
        made.append(seed)
        if made == [1, 2]:
            raise KeyboardInterrupt
        return make_shard(corpus, seed)

    monkeypatch.setattr(distillation, "make_shard", stopped_at_two)
    assert distillation.main(command) == 130
    [first] = out.iterdir()  # whole shards only
    before = first.read_bytes()
    assert distillation.main(command) == 0
    assert made == [1, 2, 2, 3]
    assert first.read_bytes() == before
    assert sorted(path.name for path in out.iterdir()) == [f"000{n}.safetensors" for n in (1, 2, 3)]
    assert len(DistilledPairs(out, 64).pairs) == 12
    assert capsys.readouterr().out.split() == [f"000{n}.safetensors" for n in (1, 2, 3)]


def test_a_command_that_can_make_nothing_is_refused(folder, tmp_path, capsys):
    for photos, shards, said in (
        (tmp_path / "nowhere", "0 1", "is not a folder"),
        (folder, "3 3", "makes none"),
        (folder, "0 1", "no photo is large enough: 384 px"),
    ):
        command = ["--photos", str(photos), "--out", str(tmp_path / "x"), "--shards"]
        assert distillation.main([*command, *shards.split()]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "x").exists()


# --- the loss ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loss():
    return DistillationLoss(torch.autocast("cpu", torch.bfloat16, enabled=False))


def all_stages(answer):
    return losses.targets([answer[..., ::2, ::2], *[answer] * 5], answer)


def test_the_loss_is_none_for_the_answer_and_more_for_what_is_farther(loss, pairs):
    enlarged, answer, _ = DistilledPairs(pairs, 64).batch(2, seed=0)
    soft = F.avg_pool2d(answer, 3, 1, 1)
    softer = F.avg_pool2d(soft, 3, 1, 1)
    none, some, more = (
        float(loss(all_stages(x), answer, enlarged)) for x in (answer, soft, softer)
    )
    assert abs(none) < 1e-5
    assert 0.1 < some < more


def test_a_wrong_level_costs_more_than_ten_times_its_size(loss, pairs):
    """It overrides what the small photo recorded, however well the detail fits."""
    enlarged, answer, _ = DistilledPairs(pairs, 64).batch(2, seed=0)
    brighter = [*all_stages(answer)[:-1], answer + 0.01]
    assert 0.3 < float(loss(brighter, answer, enlarged)) < 0.5


def test_gradients_reach_the_noise_channel(loss, pairs):
    enlarged, answer, noise = DistilledPairs(pairs, 32).batch(2, seed=0)
    model = MSSNet(MSSNetConfig(4, 4, 4, noise=True))
    loss(model.pictures(enlarged, noise / 128 - 1), answer, enlarged).backward()
    for scale in (model.s1, model.s2, model.s3):
        weight = scale.shallow[0].weight
        assert weight.grad[:, 3].abs().max() > 0
    assert all(p.grad is None for p in loss.feature_network.parameters())
