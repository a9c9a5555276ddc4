"""Training pairs are physics and repeatable, and patches come from held-out or training files."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from mssnet_edu import degrade, images
from mssnet_edu.images import to_linear
from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler
from mssnet_edu.mssnet import MSSNetConfig
from training import degradation
from training.dataset import Corpus, split_files
from training.jpeg import jpeg


@pytest.fixture(scope="module")
def corpus(folder):
    return Corpus.load(split_files(folder)[0])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- photographs and patches ---------------------------------------------------------------------


def test_photos_are_held_out_by_file(folder):
    train, held_out = split_files(folder)
    assert train
    assert held_out
    assert not set(train) & set(held_out)
    assert split_files(folder) == (train, held_out)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        split_files(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        split_files(tmp_path / "nowhere")


def test_patches_are_drawn_where_there_is_structure(tmp_path):
    photo = np.zeros((320, 320, 3), "uint8")
    photo[:160, :160] = np.random.default_rng(0).integers(0, 255, (160, 160, 3))
    Image.fromarray(photo).save(tmp_path / "half.png")
    corpus = Corpus.load([tmp_path / "half.png"], scales=(1.0,))
    busy = corpus.patches(200, 32, seeded()).float().std((1, 2, 3)) > 10
    assert 0.6 < busy.float().mean() < 1.0  # mostly structure, but a few smooth ones


def test_photos_are_read_as_everywhere_in_the_course(tmp_path):
    sideways = Image.fromarray(np.tile(np.arange(240, dtype="uint8"), (200, 1))).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    sideways.save(tmp_path / "phone.png", exif=exif)
    (copy,) = Corpus.load([tmp_path / "phone.png"], scales=(1.0,)).photos
    assert torch.equal(copy, (255 * images.load(tmp_path / "phone.png")).round().byte())
    assert copy.shape == (3, 240, 200)


# --- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["deblur", "upscale"])
def test_pairs_are_repeatable_8_bit_photos(corpus, task):
    make = degradation.PairMaker(corpus, task, 64)
    pair, again = make.batch(12, seed=3), make.batch(12, seed=3)
    for photo, same in zip(pair, again, strict=True):
        assert photo.shape == (12, 3, 64, 64)
        assert torch.equal(photo, same)
    assert not torch.equal(pair[0], make.batch(12, seed=4)[0])
    assert torch.allclose(pair[1], images.quantize(pair[1]), atol=1e-6)


def test_factors_say_how_the_batch_was_reduced(corpus):
    make = degradation.PairMaker(corpus, "upscale", 64, clean=1.0)
    factors = torch.cat([make.factors(4, seed) for seed in range(50)])
    assert 0.6 < (factors == 8).float().mean() < 0.8
    assert set(factors.tolist()) == {2, 4, 8}
    seed = next(s for s in range(50) if set(make.factors(4, s).tolist()) == {2, 4, 8})
    factors, (inputs, sharp) = make.factors(4, seed), make.batch(4, seed)
    upscaler = MSSNetUpscaler(MSSNetConfig(4, 4, 4))  # what is trained on is what will be given
    for factor in (2, 4, 8):
        one = sharp[factors == factor][:1]
        expected = [
            upscaler.enlarge(images.quantize(degrade.downscale(one, factor, method)), factor)
            for method in ("area", "bicubic")
        ]
        assert any(torch.allclose(x, inputs[factors == factor][:1], atol=1e-5) for x in expected)


def test_enlargement_pairs_are_sometimes_soft_and_noisy(corpus):
    clean, dirty = (degradation.PairMaker(corpus, "upscale", 64, clean=c) for c in (1.0, 0.0))
    (a, sharp), (b, same) = clean.batch(8, 1), dirty.batch(8, 1)
    assert torch.equal(sharp, same)
    assert ((a - b).abs().mean((1, 2, 3)) > 1e-3).all()


def test_about_one_pair_in_ten_has_no_blur_at_all(corpus):
    make = degradation.PairMaker(corpus, "deblur", 32)
    same = [torch.equal(b, s) for i in range(20) for b, s in zip(*make.batch(16, i), strict=True)]
    assert 0.07 < sum(same) / len(same) < 0.18


def test_easy_pairs_are_less_blurred_than_difficult_ones(corpus):
    make = degradation.PairMaker(corpus, "deblur", 64)

    def change(difficulty):
        pairs = [make.batch(16, i, difficulty) for i in range(6)]
        return float(torch.stack([(b - s).square().mean() for b, s in pairs]).mean())

    assert change(0.0) < 0.7 * change(1.0)
    easy, hard = degradation.Blur.of(0.0), degradation.Blur.of(1.0)
    assert (easy.objects, easy.jpeg) == (0, 0)
    assert (easy.longest_px, hard.longest_px) == (12, 36)
    assert hard.shortest_px == 2
    assert degradation.Blur.of(0.4).angle_range == degradation.Blur.of(0.7).angle_range == 1
    shares = [degradation.Blur.of(d, non_uniform=0.2).non_uniform for d in (0.4, 1.0)]
    assert shares == [0, 0.2]
    with pytest.raises(ValueError, match="difficulty"):
        make.batch(2, 0, 1.5)


def test_stretched_motions_are_longer():
    usual, stretched = degradation.Blur.of(0.5), degradation.Blur.of(0.5, 2.0)
    assert stretched.short_px == 2 * usual.short_px
    assert stretched.longest_px == 2 * usual.longest_px
    assert stretched.camera == usual.camera


def test_validation_pairs_are_the_same_in_every_run_and_all_degraded(folder):
    held_out = split_files(folder)[1]
    for task in ("deblur", "upscale"):
        pairs = degradation.validation_pairs(held_out, task, 64)
        again = degradation.validation_pairs(held_out, task, 64)
        assert 10 < len(pairs) <= 32
        assert all(torch.equal(a[0], b[0]) for a, b in zip(pairs, again, strict=True))
        assert all((blurry - sharp).abs().max() > 0 for blurry, sharp in pairs)
    assert degradation.validation_pairs([], "deblur", 64) == []


# --- motion --------------------------------------------------------------------------------------


def test_paths_pass_through_zero_and_have_the_length_asked_for():
    path = degradation.motion_paths(500, 25, 5.0, 30.0, seeded())
    assert path[:, 12].abs().max() < 1e-6
    extent = (path.amax(1) - path.amin(1)).norm(dim=-1)
    offset = path.mean(1).norm(dim=-1) / extent  # nobody can know where else the middle was
    assert offset.max() < 0.25
    assert (offset < degradation.MAX_CENTROID_OFFSET).float().mean() > 0.9
    assert extent.min() > 4.9
    assert extent.max() < 30.1


def test_most_camera_paths_are_nearly_straight_and_a_few_tremble():
    path = degradation.motion_paths(800, 25, 10.0, 10.0, seeded())
    travelled = path.diff(dim=1).norm(dim=-1).sum(1)
    chord = (path[:, -1] - path[:, 0]).norm(dim=-1)
    straightness = chord / travelled  # 1: a line
    assert 0.55 < (straightness > 0.98).float().mean() < 0.8
    assert 0.02 < (travelled > 1.7 * 10).float().mean() < 0.15  # back and forth
    share = sum(degradation.CAMERA_SHARES)
    assert share == pytest.approx(1)


def test_lines_are_straight_even_and_within_their_angle_range():
    path = degradation.motion_paths(64, 9, 5.0, 6.0, seeded(), camera=False, angle_range=0.1)
    steps = path.diff(dim=1)
    assert (steps - steps[:, :1]).abs().max() < 1e-4
    angle = torch.atan2(steps[:, 0, 0], steps[:, 0, 1]).rad2deg()
    assert 4 < angle.abs().max() <= 9


def test_uniform_blur_is_the_mean_over_the_path():
    """Against the slow way: each patch by itself, moment by moment."""
    light = torch.rand(2, 3, 96, 96, generator=seeded(2))
    path = degradation.motion_paths(2, 17, 8.0, 12.0, seeded(2))
    dense = F.interpolate(path.mT, 97, mode="linear", align_corners=True).mT
    pairs = zip(light, dense, strict=True)
    slow = torch.stack([degrade.motion_blur(x, p, linear_light=False) for x, p in pairs])
    inner = (..., slice(16, -16), slice(16, -16))
    assert (degradation.uniform_blur(light, path) - slow)[inner].abs().max() < 1e-4
    assert (light - slow)[inner].abs().max() > 0.05


def test_non_uniform_blur_is_a_mean_of_light(corpus):
    """The blurred patch holds as much light as the sharp one."""
    generator = seeded(1)
    light = to_linear(corpus.patches(6, 128, generator).float() / 255)
    path = degradation.motion_paths(6, 15, 3.0, 6.0, generator)
    mean, middle = degradation.average_subframes(light, path, 6.0, 0.2, generator)
    assert abs(float(mean.mean() / middle.mean()) - 1) < 0.02
    assert mean.std() < middle.std()


def test_without_parallax_roll_and_objects_both_blurs_agree(corpus):
    """Six in ten patches have no parallax, six in ten no roll: about nine of 24 have neither."""
    generator = seeded(1)
    light = to_linear(corpus.patches(24, 96, generator).float() / 255)
    time = torch.linspace(-6, 6, 97)
    corner = torch.stack([time.clamp(max=0), time.clamp(min=0)], -1)  # down, then to the right
    path = corner.expand(24, -1, -1)
    mean, middle = degradation.average_subframes(light, path, 6.0, 0.0, generator)
    inner = (..., slice(16, -16), slice(16, -16))
    difference = (mean - degradation.uniform_blur(light, path))[inner].abs().amax((1, 2, 3))
    assert torch.allclose(middle, light, atol=1e-4)
    assert 3 <= int((difference < 1e-3).sum()) <= 16


# --- JPEG ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (52, 70)])
def test_jpeg_is_close_to_the_real_one(size):
    lines = [torch.linspace(0, 6, side) for side in size]
    y, x = torch.meshgrid(*lines, indexing="ij")
    photo = torch.stack([y.sin(), x.cos(), (x * y).sin()]) * 0.4 + 0.5
    file = io.BytesIO()
    images.to_pillow(photo).save(file, "jpeg", quality=60)
    real = images.from_pillow(Image.open(file))
    ours = jpeg(photo[None], torch.tensor([60.0]))[0]
    lost = (real - photo).square().mean().sqrt()
    assert (ours - real).square().mean().sqrt() < 0.8 * lost
    worse = jpeg(photo[None], torch.tensor([10.0]))[0]
    assert (worse - photo).square().mean() > (ours - photo).square().mean()
