"""metrics: each number held against one from elsewhere."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mssnet_edu import degrade, images, metrics, samples

REFERENCE = json.loads(
    (Path(__file__).resolve().parents[1] / "data" / "stlpips_reference.json").read_text(
        encoding="utf-8"
    )
)


def pair(size=96):
    photo = samples.load("astronaut")[:, 40 : 40 + size, 160 : 160 + size].contiguous()
    return photo, degrade.add_noise(degrade.blur(photo, degrade.gaussian_kernel(1)), 0.02, seed=1)


# ---------------------------------------------------------------------------------------- PSNR


def test_psnr_by_hand():
    grey = torch.full((3, 10, 10), 0.5)
    one_wrong = grey.clone()
    one_wrong[0, 0, 0] += 0.3  # mean squared error 0.09 / 300
    assert metrics.psnr(grey, one_wrong) == pytest.approx(10 * math.log10(300 / 0.09), abs=1e-4)
    assert metrics.psnr(grey, grey) == math.inf
    assert isinstance(metrics.psnr(grey, one_wrong), float)


def test_psnr_equals_scikit_image():
    a, b = pair()
    theirs = peak_signal_noise_ratio(images.to_numpy(a), images.to_numpy(b), data_range=1)
    assert metrics.psnr(a, b) == pytest.approx(theirs, abs=1e-3)


def test_psnr_of_a_batch_is_one_number_a_photo():
    a, b = pair()
    values = metrics.psnr(torch.stack([a, a]), torch.stack([b, a]))
    assert values.shape == (2,)
    assert values[0].item() == pytest.approx(metrics.psnr(a, b), abs=1e-4)
    assert values[1].item() == math.inf


def test_values_are_clipped_as_on_a_screen():
    white = torch.ones(3, 8, 8)
    assert metrics.psnr(white, white + 0.5) == math.inf


def test_border_is_left_out():
    a, b = pair()
    b = b.clone()
    b[:, :4] = b[:, -4:] = b[..., :4] = b[..., -4:] = 0
    inner = metrics.psnr(a[:, 4:-4, 4:-4], b[:, 4:-4, 4:-4])
    assert metrics.psnr(a, b, border_px=4) == pytest.approx(inner)
    assert metrics.psnr(a, b) < inner - 3


# ---------------------------------------------------------------------------------------- SSIM


def test_ssim_equals_scikit_image():
    a, b = pair()
    theirs = structural_similarity(
        images.to_numpy(a).astype("float64"),
        images.to_numpy(b).astype("float64"),
        data_range=1,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert metrics.ssim(a, b) == pytest.approx(theirs, abs=1e-5)
    assert theirs < 0.97


def test_ssim_of_flat_photos_by_hand():
    # without any structure only brightness remains: (2 ab + C) / (a^2 + b^2 + C), C = 0.01^2
    a, b = torch.full((3, 16, 16), 0.4), torch.full((3, 16, 16), 0.6)
    assert metrics.ssim(a, b) == pytest.approx(0.4801 / 0.5201, abs=1e-5)


def test_ssim_of_a_batch_and_of_equal_photos():
    a, b = pair()
    values = metrics.ssim(torch.stack([a, a]), torch.stack([b, a]))
    assert values.shape == (2,)
    assert values[0].item() == pytest.approx(metrics.ssim(a, b), abs=1e-6)
    assert values[1].item() == pytest.approx(1)


# ------------------------------------------------------------------------------ perceptual distance


def test_perceptual_distance_equals_the_packages_own_number():
    astronaut = samples.load("astronaut")[:, 0:128, 160:288]
    eighth = F.interpolate(F.avg_pool2d(astronaut[None], 8), scale_factor=8)[0]
    cat = samples.load("cat")[:, 60:160, 120:231]
    for name, one, other in (
        ("eighth", astronaut, eighth),
        ("shifted", cat[..., :-1], cat[..., 1:]),
    ):
        assert metrics.perceptual_distance(one, other) == pytest.approx(REFERENCE[name], abs=3e-5)


def test_perceptual_distance_of_a_batch_and_of_equal_photos():
    a, b = pair(64)
    values = metrics.perceptual_distance(torch.stack([a, a]), torch.stack([b, a]))
    assert values.shape == (2,)
    assert values[0].item() == pytest.approx(metrics.perceptual_distance(a, b), abs=1e-6)
    assert values[1].item() == 0
    assert not values.is_inference()


def test_perceptual_distance_forgives_a_shift_that_psnr_does_not():
    photo = samples.load("cat")[:, 60:160, 120:231]
    a, shifted = photo[..., :-1], photo[..., 1:]
    blurred = degrade.blur(a, degrade.gaussian_kernel(1.5))
    assert metrics.psnr(a, shifted) < metrics.psnr(a, blurred)
    assert metrics.perceptual_distance(a, shifted) < 0.05 * metrics.perceptual_distance(a, blurred)


# ------------------------------------------------------------------------------------ consistency


@pytest.mark.parametrize("method", ["area", "bicubic", "nearest", "bicubic-aliased"])
@pytest.mark.parametrize("linear_light", [False, True])
def test_the_original_is_consistent_with_its_small_photo(method, linear_light):
    photo, _ = pair()
    small = degrade.downscale(photo, 8, method, linear_light)
    assert metrics.consistency_db(photo, small, method, linear_light) > 100


def test_consistency_by_hand():
    small = torch.full((3, 4, 4), 0.5)
    large = torch.full((3, 32, 32), 0.5)
    large[0, 0, 0] = 1.0  # its block's mean is off by 0.5 / 64; one of 48 numbers
    expected = -10 * math.log10((0.5 / 64) ** 2 / 48)
    assert metrics.consistency_db(large, small) == pytest.approx(expected, abs=1e-3)


def test_invented_detail_may_be_consistent_and_a_soft_answer_may_not():
    photo, _ = pair()
    small = degrade.downscale(photo, 4)
    soft = degrade.blur(degrade.enlarge(small, 4), degrade.gaussian_kernel(3))
    squares = degrade.enlarge(small, 4, "nearest")
    assert metrics.consistency_db(squares, small) > 100
    assert metrics.consistency_db(soft, small) < 35


def test_consistency_of_a_batch():
    photo, _ = pair()
    batch = torch.stack([photo, photo.flip(-1)])
    values = metrics.consistency_db(batch, degrade.downscale(batch, 4))
    assert values.shape == (2,)


# --------------------------------------------------------------------------------- wrong arguments

A = torch.rand(3, 32, 40)
WRONG = {
    "shapes": (lambda: metrics.psnr(A, A[..., :-1]), "a is 40 x 32 px and b is 39 x 32 px"),
    "batch": (lambda: metrics.ssim(A[None], A), "1 photos of 40 x 32 px and b is 40 x 32 px"),
    "nan": (lambda: metrics.psnr(A, A * math.nan), "b holds NaN"),
    "scale": (lambda: metrics.psnr(A * 255, A), "a holds values"),
    "text": (lambda: metrics.ssim(A, "photo.png"), "b is a str"),
    "small": (lambda: metrics.ssim(A[..., :10], A[..., :10]), "at least 11 x 11 px"),
    "border": (lambda: metrics.psnr(A, A, border_px=16), "without a border of 16 px"),
    "border text": (lambda: metrics.psnr(A, A, border_px=0.5), "expected a whole number"),
    "tiny": (lambda: metrics.perceptual_distance(A[..., :9], A[..., :9]), "at least 21 x 21 px"),
    "huge": (lambda: metrics.perceptual_distance(*[torch.zeros(3, 1100, 1100)] * 2), "1,100,000"),
    "factor": (lambda: metrics.consistency_db(A, A[..., :7]), "whole number of times larger"),
    "stretched": (lambda: metrics.consistency_db(A, A[..., :10]), "the same number both ways"),
    "smaller": (lambda: metrics.consistency_db(A[..., :8, :10], A), "whole number of times larger"),
    "many": (lambda: metrics.consistency_db(A[None].repeat(2, 1, 1, 1), A), "whole number"),
    "method": (lambda: metrics.consistency_db(A, A, method="lanczos"), "method is 'lanczos'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_with_a_sentence(name):
    call, sentence = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()


# --- align ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [(0, 0), (4, -4), (-3, 2)])
def test_align_finds_the_shift_that_brute_force_finds(shift):
    generator = torch.Generator().manual_seed(1)
    truth = degrade.blur(torch.rand(3, 40, 52, generator=generator), degrade.gaussian_kernel(1))
    noisy = degrade.add_noise(truth.roll(shift, (1, 2)), 0.02, seed=1) * 0.9
    inner = truth[:, 4:-4, 4:-4]
    places = [(y, x) for y in range(9) for x in range(9)]
    windows = [noisy[:, y : y + 32, x : x + 44] for y, x in places]
    best = max(windows, key=lambda window: metrics.psnr(window, inner))
    found, still = metrics.align(noisy, truth, within_px=4)
    assert torch.equal(found, best)
    assert torch.equal(still, inner)


def test_align_refuses_what_it_cannot_align():
    photo = torch.rand(3, 40, 40)
    with pytest.raises(images.PhotoError, match="same shape"):
        metrics.align(photo, photo[:, 1:])
    with pytest.raises(images.PhotoError, match="expected one photo"):
        metrics.align(photo[None].repeat(2, 1, 1, 1), photo[None].repeat(2, 1, 1, 1))
    with pytest.raises(images.PhotoError, match="at least 41 x 41"):
        metrics.align(photo, photo, within_px=20)
