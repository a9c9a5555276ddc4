"""classical: a known blur undone on real photographs, and an unknown line found."""

import math

import pytest
import torch
from scipy import ndimage
from skimage.restoration import richardson_lucy as skimage_richardson_lucy

from mssnet_edu import classical, degrade, images, metrics, samples

CAMERA = degrade.kernel_from_path(degrade.motion_path("camera", 20, seed=3))


def blurred(name, kernel, sigma=0.0, edge=24, size=200):
    """A sharp photo and its blurred version as a camera sees it: the border's light from beyond."""
    large = samples.load(name)[:, : size + 2 * edge, : size + 2 * edge]
    inner = (slice(None), slice(edge, -edge), slice(edge, -edge))
    y = degrade.add_noise(degrade.blur(large, kernel), sigma, seed=1)[inner]
    return large[inner], (y * 255).round() / 255


def gain_db(answer, y, photo):
    return metrics.psnr(answer, photo) - metrics.psnr(y, photo)


# ------------------------------------------------------------------------------------- sharpening


def test_unsharp_mask_by_hand():
    edge = torch.zeros(3, 21, 41)
    edge[..., :20], edge[..., 20:] = 0.25, 0.5
    sharp = classical.unsharp_mask(edge, radius_px=2, amount=1, linear_light=False)
    # beside the step the blurred photo is off by (1/2 - the middle weight / 2) of the step
    middle = degrade.gaussian_kernel(2).sum(0)[8].item()
    off = 0.25 * (0.5 - middle / 2)
    assert sharp[0, 10, 20].item() == pytest.approx(0.5 + off, abs=1e-5)
    assert sharp[0, 10, 19].item() == pytest.approx(0.25 - off, abs=1e-5)
    torch.testing.assert_close(sharp[..., :8], edge[..., :8])


def test_unsharp_mask_of_amount_zero_is_the_photo():
    photo = samples.load("cat")[:, :60, :70]
    torch.testing.assert_close(classical.unsharp_mask(photo, amount=0), photo, atol=1e-5, rtol=0)


def test_unsharp_mask_does_not_undo_a_blur():
    photo, y = blurred("street_sign", CAMERA)
    assert gain_db(classical.unsharp_mask(y), y, photo) < 1


# ----------------------------------------------------------------------------------------- Wiener


@pytest.mark.parametrize("name", ["astronaut", "cat"])
def test_wiener_undoes_a_known_blur_by_5_db(name):
    photo, y = blurred(name, CAMERA)
    assert gain_db(classical.wiener(y, CAMERA, noise=0.003), y, photo) > 5


@pytest.mark.parametrize("wrong", [CAMERA.T, CAMERA.flip(0), degrade.line_kernel(25, 90)])
def test_wiener_with_a_wrong_kernel_makes_it_worse(wrong):
    photo, y = blurred("astronaut", CAMERA)
    assert gain_db(classical.wiener(y, wrong, noise=0.003), y, photo) < -1


def test_noise_drowns_the_answer_and_the_ratio_saves_some():
    photo, y = blurred("astronaut", CAMERA, sigma=0.02)
    assert gain_db(classical.wiener(y, CAMERA, noise=0.0003), y, photo) < 0
    flat = gain_db(classical.wiener(y, CAMERA, noise=0.03), y, photo)
    natural = gain_db(classical.wiener(y, CAMERA, classical.noise_to_signal(0.03)), y, photo)
    assert flat > 2
    assert natural > flat + 0.5


def test_wiener_equals_the_formula_where_the_photo_repeats():
    # a photo of one wave, far from the border: X = Y K / (K^2 + noise)
    x = torch.arange(240)
    wave = 0.1 * torch.cos(2 * math.pi * x / 12)
    kernel = degrade.gaussian_kernel(2)
    light = (0.5 + wave).expand(3, 200, 240).contiguous()
    answer = images.to_linear(classical.wiener(images.to_srgb(light), kernel, noise=0.05))
    weight = (kernel.sum(0) * torch.cos(2 * math.pi * (torch.arange(17) - 8) / 12)).sum().item()
    expected = 0.5 / 1.05 + wave * weight / (weight**2 + 0.05)
    torch.testing.assert_close(answer[0, 100, 60:180], expected[60:180], atol=2e-3, rtol=0)


def test_a_constant_function_is_the_same_as_its_number():
    _, y = blurred("cat", CAMERA, size=96)
    number = classical.wiener(y, CAMERA, noise=0.02)
    function = classical.wiener(y, CAMERA, noise=lambda f: torch.full_like(f, 0.02))
    torch.testing.assert_close(number, function)


def test_the_function_gets_cycles_per_pixel():
    _, y = blurred("cat", CAMERA, size=96)
    got = []
    classical.wiener(y, CAMERA, noise=lambda f: got.append(f) or 0.01 + f)
    assert got[0].min() == 0
    assert got[0].max() == pytest.approx(math.hypot(0.5, 0.5), abs=1e-3)


def test_the_border_does_not_ring():
    # against the formula alone, which takes the photo for a tile that repeats
    photo, y = blurred("astronaut", CAMERA)
    light = images.to_linear(y)
    canvas = torch.zeros(light.shape[-2:])
    canvas[: CAMERA.shape[0], : CAMERA.shape[1]] = CAMERA
    canvas = canvas.roll((-(CAMERA.shape[0] // 2), -(CAMERA.shape[1] // 2)), (0, 1))
    waves = torch.fft.fft2(canvas)
    plain = torch.fft.ifft2(torch.fft.fft2(light) * waves.conj() / (waves.abs() ** 2 + 0.01)).real
    plain = images.to_srgb(plain.clamp(0, 1))
    assert metrics.psnr(classical.wiener(y, CAMERA), photo) > metrics.psnr(plain, photo) + 3


def test_guessing_what_lies_beyond_the_border_helps():
    photo, y = blurred("astronaut", CAMERA)
    once = classical.wiener(y, CAMERA, noise=0.003, steps=0)
    often = classical.wiener(y, CAMERA, noise=0.003)
    assert metrics.psnr(often, photo) > metrics.psnr(once, photo) + 0.5


# -------------------------------------------------------------------------------- Richardson-Lucy


def test_richardson_lucy_undoes_a_known_blur_by_5_db():
    photo, y = blurred("astronaut", CAMERA)
    gains = [gain_db(classical.richardson_lucy(y, CAMERA, n), y, photo) for n in (2, 8, 25)]
    assert gains == sorted(gains)
    assert gains[-1] > 5


def test_richardson_lucy_with_a_wrong_kernel_makes_it_worse():
    photo, y = blurred("astronaut", CAMERA)
    assert gain_db(classical.richardson_lucy(y, CAMERA.T, 10), y, photo) < 0


def test_richardson_lucy_equals_scikit_image_away_from_the_border():
    # theirs starts from flat grey, ours from the photo: after many steps the start is forgotten
    kernel = degrade.gaussian_kernel(0.8)
    _, y = blurred("astronaut", kernel, size=80)
    ours = images.to_linear(classical.richardson_lucy(y, kernel, steps=40))[1]
    light = images.to_linear(y)[1].numpy()
    theirs = torch.from_numpy(skimage_richardson_lucy(light, kernel.numpy(), num_iter=41))
    middle = (slice(16, -16), slice(16, -16))
    change = (ours - images.to_linear(y)[1])[middle].norm()
    assert (ours - theirs)[middle].norm() < 0.15 * change


def test_richardson_lucy_steps_by_hand():
    kernel = degrade.gaussian_kernel(1.5)
    _, y = blurred("cat", kernel, size=80)
    light = images.to_linear(y)[1].numpy()
    guess = light
    for _ in range(3):
        guess = guess * ndimage.convolve(light / ndimage.convolve(guess, kernel), kernel)
    ours = images.to_linear(classical.richardson_lucy(y, kernel, steps=3))[1]
    middle = (slice(24, -24), slice(24, -24))
    torch.testing.assert_close(ours[middle], torch.from_numpy(guess)[middle], atol=2e-4, rtol=0)


def test_no_steps_and_no_blur_give_the_photo_back():
    photo = samples.load("cat")[:, :60, :70]
    for answer in (
        classical.richardson_lucy(photo, CAMERA, steps=0),
        classical.richardson_lucy(photo, torch.ones(1, 1), steps=5),
        classical.wiener(photo, torch.ones(1, 1), noise=1e-8),
    ):
        torch.testing.assert_close(answer, photo, atol=2e-3, rtol=0)


def test_batches_are_restored_photo_by_photo():
    _, y = blurred("cat", CAMERA, size=80)
    batch = torch.stack([y, y.flip(-1)])
    for work in (
        classical.unsharp_mask,
        lambda p: classical.wiener(p, CAMERA),
        lambda p: classical.richardson_lucy(p, CAMERA, 2),
    ):
        torch.testing.assert_close(work(batch)[1], work(batch[1]), atol=1e-4, rtol=0)


def test_kernels_need_not_be_square():
    photo, y = blurred("cat", torch.ones(1, 9) / 9, size=120)
    flat = torch.ones(1, 9) / 9
    assert gain_db(classical.wiener(y, flat), y, photo) > 2
    assert gain_db(classical.richardson_lucy(y, flat, 20), y, photo) > 2


# ---------------------------------------------------------------------------------- a line found


@pytest.mark.parametrize(
    ("name", "length", "angle", "sigma"),
    [
        ("astronaut", 10, 20, 0.01),
        ("street_sign", 45, 0, 0.0),  # half of it fits nearly as well
        ("tesla_portrait", 25, 90, 0.0),
    ],
)
def test_a_line_is_found(name, length, angle, sigma):
    y = degrade.blur(samples.load(name), degrade.line_kernel(length, angle))
    y = degrade.add_noise(y, sigma, seed=1)
    motion = classical.estimate_line_kernel(y)
    assert motion.length_px == pytest.approx(length, abs=0.5)
    assert abs((motion.angle_deg - angle + 90) % 180 - 90) <= 3
    assert motion.score > 0.65
    torch.testing.assert_close(
        motion.kernel, degrade.line_kernel(motion.length_px, motion.angle_deg), atol=0, rtol=0
    )


def test_a_found_line_undoes_the_blur():
    photo, y = blurred("shop_front", degrade.line_kernel(15, 30), size=256)
    motion = classical.estimate_line_kernel(y, max_length_px=30)
    assert gain_db(classical.wiener(y, motion.kernel, noise=0.003), y, photo) > 3


@pytest.mark.parametrize("name", ["astronaut", "real_defocus_text"])
def test_no_line_is_trusted_where_there_is_none(name):
    assert classical.estimate_line_kernel(samples.load(name), max_length_px=30).score < 0.65


# --------------------------------------------------------------------------------- wrong arguments

PHOTO = torch.rand(3, 70, 80)
LINE = degrade.line_kernel(9)
WRONG = {
    "amount": (lambda: classical.unsharp_mask(PHOTO, amount=-1), "amount is -1"),
    "radius": (lambda: classical.unsharp_mask(PHOTO, radius_px=50), "radius_px makes a kernel"),
    "kernel large": (lambda: classical.wiener(PHOTO, degrade.line_kernel(75)), "too large"),
    "kernel sum": (lambda: classical.wiener(PHOTO, LINE * 2), "sums to 2"),
    "kernel even": (lambda: classical.richardson_lucy(PHOTO, torch.ones(2, 2) / 4), "odd sides"),
    "noise": (lambda: classical.wiener(PHOTO, LINE, noise=0), "noise is 0"),
    "noise text": (lambda: classical.wiener(PHOTO, LINE, noise="low"), "noise is 'low'"),
    "noise function": (lambda: classical.wiener(PHOTO, LINE, lambda f: -f), "noise gives negative"),
    "steps": (lambda: classical.wiener(PHOTO, LINE, steps=-1), "steps is -1"),
    "rl steps": (lambda: classical.richardson_lucy(PHOTO, LINE, steps=1.5), "steps is 1.5"),
    "rl large": (lambda: classical.richardson_lucy(PHOTO, degrade.line_kernel(75)), "too large"),
    "rl negative": (
        lambda: classical.richardson_lucy(PHOTO, [[-0.5, 2.0, -0.5]]),
        "negative numbers.*Use wiener",
    ),
    "level": (lambda: classical.noise_to_signal(-1), "level is -1"),
    "photo": (lambda: classical.wiener(PHOTO[0], LINE), "photo has shape"),
    "flat": (lambda: classical.estimate_line_kernel(torch.ones(3, 70, 80)), "photo is flat"),
    "tiny": (lambda: classical.estimate_line_kernel(PHOTO[..., :60]), "at least 64 x 64"),
    "batch": (lambda: classical.estimate_line_kernel(PHOTO[None].repeat(2, 1, 1, 1)), "batch of 2"),
    "length": (lambda: classical.estimate_line_kernel(PHOTO, max_length_px=2), "max_length_px"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_with_a_sentence(name):
    call, sentence = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()
