"""degrade: the physics, held against numbers worked out by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from mssnet_edu import classical, degrade, images, metrics, samples
from mssnet_edu.degrade.film import add_shot_noise, old_photo
from mssnet_edu.degrade.motion import cosine_series, inertial_walk
from mssnet_edu.degrade.optics import convolve


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def close(a, b, tolerance=1e-6):
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


def centroid(kernel):
    y = torch.arange(kernel.shape[0]) - kernel.shape[0] // 2
    x = torch.arange(kernel.shape[1]) - kernel.shape[1] // 2
    return (kernel.sum(1) * y).sum().item(), (kernel.sum(0) * x).sum().item()


# ------------------------------------------------------------------------------------ kernels

KERNELS = {
    "line": degrade.line_kernel(15, 30),
    "short line": degrade.line_kernel(0.7, 110),
    "disc": degrade.defocus_kernel(6.3),
    "small disc": degrade.defocus_kernel(0.8),
    "gaussian": degrade.gaussian_kernel(1.7),
    "camera": degrade.kernel_from_path(degrade.motion_path("camera", 20, seed=3)),
    "shake": degrade.kernel_from_path(degrade.motion_path("shake", 20, seed=3)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_odd_not_negative_and_sum_to_one(name):
    kernel = KERNELS[name]
    assert kernel.dtype == torch.float32
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    assert kernel.min() >= 0
    close(kernel.double().sum(), 1.0)


@pytest.mark.parametrize("name", ["line", "short line", "disc", "small disc", "gaussian"])
def test_symmetric_kernels_have_their_centroid_in_the_middle(name):
    close(torch.tensor(centroid(KERNELS[name])), torch.zeros(2), 1e-5)


def test_centroid_of_a_path_kernel_is_the_mean_of_the_path():
    path = degrade.motion_path("shake", 17, seed=5)
    close(torch.tensor(centroid(degrade.kernel_from_path(path))), path.mean(0), 1e-4)


@pytest.mark.parametrize(
    "make", [degrade.line_kernel, degrade.defocus_kernel, degrade.gaussian_kernel]
)
def test_no_blur_is_a_single_pixel(make):
    close(make(0), torch.ones(1, 1))


def test_line_kernel_equals_the_integral_of_a_line():
    # by hand: a pixel at distance d sees the light within 1 px, weighed by 1 - distance; the line
    # ends at 1.5, so d = 0 sees all (1), d = 1 misses the outer half's 1/8, and d = 2 sees 1/8
    expected = torch.tensor([0.125, 0.875, 1.0, 0.875, 0.125]) / 3
    close(degrade.line_kernel(3)[2], expected, 1e-4)


def test_line_kernel_turns_counter_clockwise():
    upright = degrade.line_kernel(9, 90)
    close(upright, degrade.line_kernel(9, 0).T, 1e-6)
    rising = degrade.line_kernel(9, 45)
    assert rising[0, -1] + rising[1, -2] > 0.05  # upper right
    assert rising[0, 0] == 0  # upper left


def test_disc_covers_the_area_of_a_disc():
    for radius in (0.8, 2.0, 5.3):
        kernel = degrade.defocus_kernel(radius)
        # a pixel wholly inside holds 1 / area
        close(
            1 / kernel[kernel.shape[0] // 2, kernel.shape[0] // 2].item(), math.pi * radius**2, 0.01
        )
    close(degrade.defocus_kernel(5.3), degrade.defocus_kernel(5.3).flip(0), 1e-7)


def test_gaussian_equals_scipy():
    spot = torch.zeros(1, 1, 33, 33)
    spot[..., 16, 16] = 1
    ours = convolve(spot, degrade.gaussian_kernel(1.5))[0, 0]
    theirs = torch.from_numpy(ndimage.gaussian_filter(spot[0, 0].numpy(), 1.5, truncate=4.0))
    close(ours, theirs, 1e-6)


# -------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("kind", ["line", "camera", "shake"])
@pytest.mark.parametrize("seed", [0, 1])
def test_paths_have_their_length_their_direction_and_their_middle(kind, seed):
    path = degrade.motion_path(kind, 24, angle_deg=30, frames=257, seed=seed)
    assert path.shape == (257, 2)
    close(torch.cdist(path, path).max(), 24.0, 1e-3)
    close(path[128], torch.zeros(2), 1e-5)
    dy, dx = (path[-1] - path[0]).tolist()
    close(math.degrees(math.atan2(-dy, dx)), 30.0, 1e-3)


def test_paths_leave_no_dots():
    for kind in ("line", "camera", "shake"):
        path = degrade.motion_path(kind, 30, seed=2)
        steps = (path[1:] - path[:-1]).norm(dim=1)
        assert steps.mean() <= 0.5
        assert steps.max() < 3


def test_camera_is_smooth_and_shake_is_not():
    def bend(kind):
        bends = []
        for seed in range(5):
            path = degrade.motion_path(kind, 20, frames=129, seed=seed)
            bends.append((path[2:] - 2 * path[1:-1] + path[:-2]).norm(dim=1).mean())
        return torch.stack(bends).mean()

    assert bend("shake") > 4 * bend("camera")


def test_the_number_of_frames_does_not_change_the_path():
    few = degrade.motion_path("camera", 20, frames=17, seed=4)
    many = degrade.motion_path("camera", 20, frames=65, seed=4)
    close(few, many[::4], 1e-4)


def test_rotation_is_a_third_column_and_has_its_range():
    path = degrade.motion_path("camera", 5, seed=1, rotation_deg=4, frames=257)
    assert path.shape == (257, 3)
    close(path[:, 2].max() - path[:, 2].min(), 4.0, 1e-3)
    close(path[:, :2], degrade.motion_path("camera", 5, seed=1, frames=257), 1e-6)


def test_sway_and_shake_of_a_batch_are_those_of_each():
    generator = torch.Generator().manual_seed(1)
    time = torch.linspace(0, 1, 65)
    amplitudes = torch.randn(5, 4, 2, generator=generator)
    close(cosine_series(time, amplitudes)[3], cosine_series(time, amplitudes[3]))
    pushes = torch.randn(32, 5, 2, generator=generator)
    jerks = torch.rand(32, 5, 1, generator=generator) < 0.1
    walks = inertial_walk(pushes, jerks)
    assert walks.shape == (33, 5, 2)
    close(walks[:, 3], inertial_walk(pushes[:, 3], jerks[:, 3]))


def test_a_shaking_camera_comes_back_to_its_aim():
    pushes = torch.randn(2000, 20, 2, generator=torch.Generator().manual_seed(1))
    walks = inertial_walk(pushes, torch.zeros(2000, 20, 1, dtype=torch.bool))
    assert walks[1000:].std() < 1.5 * walks[100:200].std()  # it does not diffuse


def test_kernel_size_can_be_asked_for():
    path = degrade.motion_path("line", 8)
    small, large = degrade.kernel_from_path(path), degrade.kernel_from_path(path, size=15)
    assert small.shape == (9, 9)
    close(large[3:-3, 3:-3], small)


# ------------------------------------------------------------------------- motion blur and blur


def test_a_whole_pixel_shift_is_exact():
    photo = rand(3, 24, 30)
    moved = degrade.motion_blur(photo, torch.tensor([[2.0, -3.0]]), linear_light=False)
    close(moved[:, 2:, :-3], photo[:, :-2, 3:], 0)


def test_a_sub_pixel_shift_of_a_ramp_is_exact():
    ramp = torch.linspace(0.1, 0.9, 41).expand(3, 20, 41).contiguous()
    moved = degrade.motion_blur(ramp, torch.tensor([[0.0, 0.25]]), linear_light=False)
    close(moved[..., 2:-2], ramp[..., 2:-2] - 0.25 * 0.02, 1e-6)


def test_a_point_of_light_draws_the_path():
    point = torch.zeros(3, 41, 41)
    point[:, 20, 20] = 1
    path = degrade.motion_path("camera", 15, seed=6)
    drawn = images.to_linear(degrade.motion_blur(point, path))[0]
    kernel = degrade.kernel_from_path(path, size=41)
    close(drawn, kernel, 1e-5)


@pytest.mark.parametrize("linear_light", [True, False])
@pytest.mark.parametrize("length", [4, 22])  # a direct convolution and one by Fourier transform
def test_motion_blur_equals_blur_with_the_kernel_of_the_path(length, linear_light):
    photo = rand(2, 3, 60, 70)
    path = degrade.motion_path("shake", length, seed=8)
    averaged = degrade.motion_blur(photo, path, linear_light)
    convolved = degrade.blur(photo, degrade.kernel_from_path(path), linear_light)
    close(averaged, convolved, 5e-6)


def test_rotation_moves_places_as_path_at_says():
    photo = torch.zeros(3, 61, 61)
    photo[:, 30, 50] = 1
    path = torch.tensor([[1.0, -2.0, 0.0], [0.0, 3.0, 20.0]])
    blurred = images.to_linear(degrade.motion_blur(photo, path))[0]
    expected = degrade.path_at(path, (30, 50), (61, 61)).mean(0)
    y = (blurred.sum(1) * torch.arange(61)).sum() / blurred.sum() - 30
    x = (blurred.sum(0) * torch.arange(61)).sum() / blurred.sum() - 50
    close(torch.stack([y, x]), expected, 0.05)
    assert expected[0] < 0  # counter-clockwise: a place on the right goes up


def test_zoom_moves_places_away_from_the_middle():
    photo = torch.zeros(3, 61, 61)
    photo[:, 30, 50] = 1
    path = torch.tensor([[0.0, 0.0, 0.0, 20.0]])  # 20 px right of the middle become 24
    blurred = images.to_linear(degrade.motion_blur(photo, path))[0]
    x = (blurred.sum(0) * torch.arange(61)).sum() / blurred.sum() - 30
    assert x.item() == pytest.approx(24, abs=0.05)
    close(degrade.path_at(path, (30, 50), (61, 61)), torch.tensor([[0.0, 4.0]]), 1e-5)
    with pytest.raises(ValueError, match="a blur kernel of its own"):
        degrade.kernel_from_path(path)


def test_a_turn_by_nothing_is_a_shift():
    photo = rand(3, 40, 50)
    path = degrade.motion_path("camera", 9, seed=2)
    still = torch.cat([path, torch.full((len(path), 1), 1e-7)], 1)
    close(degrade.motion_blur(photo, still), degrade.motion_blur(photo, path), 1e-4)


def test_blur_is_a_convolution_not_a_correlation():
    point = torch.zeros(3, 9, 9)
    point[:, 4, 4] = 1
    kernel = torch.zeros(3, 5)
    kernel[0, 4] = 1.0
    assert degrade.blur(point, kernel)[0, 3, 6] == pytest.approx(1)
    large = torch.zeros(9, 9)
    large[1, 7] = 1.0
    photo = torch.zeros(3, 21, 21)
    photo[:, 10, 10] = 1
    assert degrade.blur(photo, large)[0, 7, 13] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("border", "scipy_mode"),
    [("reflect", "mirror"), ("replicate", "nearest"), ("wrap", "wrap"), ("black", "constant")],
)
@pytest.mark.parametrize("kernel", [degrade.line_kernel(4, 20), degrade.line_kernel(14, 20)])
def test_borders_equal_scipy(border, scipy_mode, kernel):
    photo = rand(3, 25, 31)
    ours = degrade.blur(photo, kernel, linear_light=False, border=border)
    theirs = ndimage.convolve(photo[1].numpy(), kernel.numpy(), mode=scipy_mode)
    close(ours[1], torch.from_numpy(theirs), 5e-6)


def test_blur_adds_light_not_srgb_values():
    edge = torch.zeros(3, 20, 20)
    edge[..., 10:] = 1
    kernel = torch.tensor([[0.5, 0.5, 0.0]])
    assert degrade.blur(edge, kernel)[0, 5, 9] == pytest.approx(0.7354, abs=1e-4)
    assert degrade.blur(edge, kernel, linear_light=False)[0, 5, 9] == pytest.approx(0.5)


def test_black_and_white_frames_average_to_the_grey_of_half_the_light():
    frames = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    close(degrade.average_frames(frames), torch.full((3, 8, 8), 0.735357), 1e-5)
    close(degrade.average_frames(frames, linear_light=False), torch.full((3, 8, 8), 0.5))
    close(degrade.average_frames(list(frames)), degrade.average_frames(frames), 0)


# --------------------------------------------------------------------------------------- sizes


def test_area_is_the_mean_of_blocks():
    photo = rand(2, 3, 24, 40)
    blocks = photo.reshape(2, 3, 3, 8, 5, 8).mean((3, 5))
    close(degrade.downscale(photo, 8), blocks, 1e-6)


def test_area_to_any_size_keeps_the_mean_and_weighs_by_overlap():
    row = torch.tensor([0.0, 0.3, 0.9]).expand(1, 1, 2, 3)
    close(degrade.resample(row, (2, 2))[0, 0, 0], torch.tensor([0.1, 0.7]), 1e-6)
    photo = rand(3, 37, 53)
    close(degrade.resample(photo, (11, 17)).mean(), photo.mean(), 1e-6)


def test_downscale_in_linear_light_averages_light():
    stripes = torch.zeros(3, 8, 8)
    stripes[..., ::2] = 1
    close(degrade.downscale(stripes, 2), torch.full((3, 4, 4), 0.5))
    close(degrade.downscale(stripes, 2, linear_light=True), torch.full((3, 4, 4), 0.735357), 1e-5)


def test_nearest_keeps_a_pixel_of_the_middle():
    photo = rand(3, 12, 12)
    close(degrade.downscale(photo, 3, "nearest"), photo[:, 1::3, 1::3], 0)
    close(
        degrade.enlarge(photo, 2, "nearest"),
        photo.repeat_interleave(2, 1).repeat_interleave(2, 2),
        0,
    )


@pytest.mark.parametrize("grow", [False, True])
def test_bicubic_equals_pillow(grow):
    photo = rand(3, 24, 32)
    size = (72, 96) if grow else (8, 8)
    ours = degrade.resample(photo, size, "bicubic")
    for channel, expected in zip(ours, photo, strict=True):
        theirs = Image.fromarray(expected.numpy()).resize(size[::-1], Image.Resampling.BICUBIC)
        close(channel, np.array(theirs), 1e-5)


def test_only_the_aliased_methods_turn_fine_stripes_into_coarse_ones():
    x = torch.arange(256)
    # 0.46 cycles per pixel: far too fine for a photo made 4 times smaller
    stripes = (0.5 + 0.4 * torch.sin(2 * math.pi * 0.46 * x)).expand(3, 64, 256).contiguous()
    spread = {m: degrade.downscale(stripes, 4, m).std().item()
              for m in ("area", "bicubic", "nearest", "bicubic-aliased")}  # fmt: skip
    assert spread["area"] < 0.06
    assert spread["bicubic"] < 0.02
    assert spread["nearest"] > 0.2
    assert spread["bicubic-aliased"] > spread["area"]


def test_resizing_does_not_move_the_picture():
    x = torch.arange(64, dtype=torch.float32)
    ramp = (0.2 + 0.6 * (x + 0.5) / 64).expand(3, 64, 64).contiguous()
    expected = 0.2 + 0.6 * (torch.arange(16) + 0.5) / 16
    for method in ("area", "bicubic", "bicubic-aliased"):
        close(degrade.downscale(ramp, 4, method)[0, 8, 3:-3], expected[3:-3], 1e-5)
    for method in ("bicubic", "bilinear"):
        small = expected.expand(3, 16, 16).contiguous()
        close(degrade.enlarge(small, 4, method)[0, 32, 12:-12], ramp[0, 32, 12:-12], 1e-5)


def test_resample_is_not_clamped_and_enlarge_is():
    x = 4 * rand(1, 3, 12, 12) - 2
    assert degrade.resample(x, (24, 24), "bicubic").min() < -1.5
    photo = (rand(3, 12, 12) > 0.5).float()
    assert degrade.enlarge(photo, 2).min() == 0
    assert degrade.enlarge(photo, 2).max() == 1


def test_crop_to_multiple():
    photo = rand(3, 45, 67)
    close(degrade.crop_to_multiple(photo, 8), photo[:, :40, :64], 0)


# ------------------------------------------------------------------------- noise, JPEG, old photo


def test_gaussian_noise_has_its_sigma():
    grey = torch.full((3, 128, 128), 0.5)
    noise = degrade.add_noise(grey, 0.05, seed=1) - grey
    assert noise.std().item() == pytest.approx(0.05, rel=0.02)
    assert abs(noise.mean().item()) < 1e-3


def test_shot_noise_has_the_spread_of_counted_photons():
    for value in (0.3, 0.8):
        grey = torch.full((3, 128, 128), value)
        light = images.to_linear(add_shot_noise(grey, 1000, seed=1))
        expected = images.to_linear(torch.tensor(value)).item()
        assert light.mean().item() == pytest.approx(expected, rel=0.01)
        assert light.std().item() == pytest.approx(math.sqrt(expected / 1000), rel=0.03)


def test_jpeg_gets_better_with_quality():
    photo = samples.load("cat")[:, :160, :160]
    quality = [metrics.psnr(degrade.jpeg(photo, q), photo) for q in (5, 20, 50, 80, 95)]
    assert quality == sorted(quality)
    assert quality[0] < 30 < quality[-1]
    assert degrade.jpeg(torch.stack([photo, photo]), 50).shape == (2, 3, 160, 160)


def test_old_photo_shows_every_step():
    photo = samples.load("astronaut")[:, 40:168, 160:288]
    old = old_photo(photo, seed=3)
    assert list(old.steps) == ["tone", "blur", "fade", "grain", "scratches", "small", "jpeg"]
    assert old.photo is old.steps["jpeg"]
    assert old.photo.shape == (3, 64, 64)
    close(old.kernel, degrade.defocus_kernel(1.2))
    steps = list(old.steps.values())
    for before, after in itertools.pairwise(steps):
        assert before.shape != after.shape or not torch.equal(before, after)
    assert all(step.min() >= 0 and step.max() <= 1 for step in steps)
    grey = old.steps["tone"]
    close(grey[0], images.luma(photo)[0])
    assert old.steps["fade"].std() < old.steps["blur"].std()  # contrast is lost
    close(old.steps["blur"], degrade.blur(grey, old.kernel))


def test_old_photo_with_nothing_done_is_the_photo():
    photo = samples.load("astronaut")[:, 40:168, 160:288]
    old = old_photo(
        photo, tone="colour", blur_px=0, fade=0, grain=0, scratches=0, factor=1, quality=95
    )
    close(old.steps["small"], photo, 1e-5)
    assert metrics.psnr(old.photo, photo) > 34  # colour at half size is all that is missing


def test_grain_has_its_strength_at_mid_grey_and_none_at_white():
    half = torch.cat([torch.full((3, 96, 96), 0.5), torch.ones(3, 96, 96)], 2)
    old = old_photo(half, blur_px=0, fade=0, grain=0.05, scratches=0)
    grain = old.steps["grain"] - old.steps["fade"]
    assert grain[..., :96].std().item() == pytest.approx(0.05, rel=0.05)
    assert grain[..., 96:].abs().max() < 0.01
    assert torch.equal(grain[0], grain[2])  # silver has no colour


def test_old_photo_takes_batches_and_odd_sizes():
    old = old_photo(rand(2, 3, 51, 67), seed=1, tone="sepia", factor=3)
    assert old.photo.shape == (2, 3, 17, 22)
    brown = old.steps["tone"].mean((0, 2, 3))
    assert brown[0] > brown[1] > brown[2]


RANDOM = {
    "camera": lambda p, s: degrade.motion_path("camera", 9, seed=s),
    "shake": lambda p, s: degrade.motion_path("shake", 9, seed=s),
    "turn": lambda p, s: degrade.motion_path("line", 9, seed=s, rotation_deg=3),
    "noise": lambda p, s: degrade.add_noise(p, 0.1, seed=s),
    "shot": lambda p, s: add_shot_noise(p, 50, seed=s),
    "old": lambda p, s: old_photo(p, seed=s).photo,
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_seed_gives_the_same_result(name):
    photo = rand(3, 32, 32)
    before = torch.random.get_rng_state()
    once, again, other = (RANDOM[name](photo, seed) for seed in (7, 7, 8))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(torch.random.get_rng_state(), before)  # torch's own generator is left alone
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(RANDOM[name](photo, generator), once)
    assert not torch.equal(RANDOM[name](photo, generator), once)  # a generator goes on


# --------------------------------------------------------------------------------- wrong arguments

PHOTO = rand(3, 32, 40)
WRONG = {
    "kind": (lambda: degrade.motion_path("zigzag"), "kind is 'zigzag'; choose one of 'line'"),
    "length": (
        lambda: degrade.motion_path(length_px=-1),
        "length_px is -1; expected",
    ),
    "length text": (lambda: degrade.motion_path(length_px="long"), "length_px is 'long'"),
    "length nan": (lambda: degrade.line_kernel(math.nan), "length_px is nan"),
    "frames": (lambda: degrade.motion_path(frames=0), "frames is 0"),
    "frames part": (lambda: degrade.motion_path(frames=2.5), "expected a whole number"),
    "frames nan": (lambda: degrade.motion_path(frames=math.nan), "expected a whole number"),
    "seed": (lambda: degrade.motion_path("camera", seed="x"), "seed is 'x'"),
    "rotation": (lambda: degrade.motion_path(rotation_deg=500), "from 0 to 90"),
    "path shape": (lambda: degrade.motion_blur(PHOTO, torch.zeros(4)), r"expected \(T, 2\)"),
    "path empty": (lambda: degrade.motion_blur(PHOTO, torch.zeros(0, 2)), r"expected \(T, 2\)"),
    "path nan": (lambda: degrade.kernel_from_path([[math.nan, 0]]), "NaN"),
    "path text": (lambda: degrade.motion_blur(PHOTO, "left"), "path_px is a str"),
    "path leaves": (lambda: degrade.motion_blur(PHOTO, [[0, 31.0]]), "only 40 x 32 px"),
    "path turns": (lambda: degrade.kernel_from_path(torch.zeros(3, 3)), "path_at"),
    "kernel too small": (lambda: degrade.kernel_from_path([[0, 3.0]], size=5), "at least 7"),
    "kernel even": (lambda: degrade.blur(PHOTO, torch.ones(2, 2) / 4), "2 x 2; expected two odd"),
    "kernel sum": (lambda: degrade.blur(PHOTO, torch.ones(3, 3)), "sums to 9.*Divide it"),
    "kernel large": (lambda: degrade.blur(PHOTO, degrade.line_kernel(80)), "too large"),
    "kernel text": (lambda: degrade.blur(PHOTO, "disc"), "kernel is a str"),
    "kernel nan": (lambda: degrade.blur(PHOTO, [[math.nan]]), "NaN"),
    "border": (lambda: degrade.blur(PHOTO, [[1.0]], border="mirror"), "border is 'mirror'"),
    "photo": (lambda: degrade.blur(PHOTO[0], [[1.0]]), "photo has shape"),
    "photo nan": (lambda: degrade.downscale(PHOTO * math.nan, 2), "NaN"),
    "frames empty": (lambda: degrade.average_frames([]), "frames is empty"),
    "frames unequal": (lambda: degrade.average_frames([PHOTO, PHOTO[..., :9]]), "different shapes"),
    "factor": (lambda: degrade.downscale(PHOTO, 7), r"crop_to_multiple\(photo, 7\)"),
    "factor part": (lambda: degrade.downscale(PHOTO, 1.5), "factor is 1.5"),
    "factor large": (lambda: degrade.downscale(PHOTO, 64), "Take a smaller factor"),
    "factor zero": (lambda: degrade.enlarge(PHOTO, 0), "factor is 0"),
    "method down": (lambda: degrade.downscale(PHOTO, 2, "lanczos"), "method is 'lanczos'"),
    "method up": (lambda: degrade.enlarge(PHOTO, 2, "area"), "method is 'area'"),
    "size": (lambda: degrade.resample(PHOTO, 4), r"expected \(height, width\)"),
    "resample": (lambda: degrade.resample("photo", (4, 4)), "float tensor"),
    "crop": (lambda: degrade.crop_to_multiple(PHOTO, 50), "smaller than the factor"),
    "sigma": (lambda: degrade.add_noise(PHOTO, -0.1), "sigma is -0.1"),
    "photons": (lambda: add_shot_noise(PHOTO, 0), "photons is 0"),
    "quality": (lambda: degrade.jpeg(PHOTO, 0), "from 1 to 95"),
    "tone": (lambda: old_photo(PHOTO, tone="blue"), "tone is 'blue'"),
    "fade": (lambda: old_photo(PHOTO, fade=2), "fade is 2"),
    "radius": (lambda: degrade.defocus_kernel(-2), "radius_px is -2"),
    "gauss": (lambda: degrade.gaussian_kernel(True), "sigma_px is True"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_with_a_sentence(name):
    call, sentence = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_batches_are_degraded_photo_by_photo():
    batch = rand(2, 3, 32, 40)
    path = degrade.motion_path("camera", 6, seed=1)
    for work in (
        lambda p: degrade.motion_blur(p, path),
        lambda p: degrade.blur(p, degrade.gaussian_kernel(3)),
        lambda p: degrade.downscale(p, 4, "bicubic"),
        lambda p: degrade.enlarge(p, 2),
        lambda p: degrade.jpeg(p, 40),
    ):
        close(work(batch), torch.stack([work(photo) for photo in batch]), 1e-5)


GREY = {
    "blur": lambda x: degrade.blur(x, degrade.defocus_kernel(2)),
    "motion_blur": lambda x: degrade.motion_blur(x, degrade.motion_path("line", 5, 20)),
    "add_noise": lambda x: degrade.add_noise(x, 0.05),
    "add_shot_noise": lambda x: add_shot_noise(x, 500),
    "jpeg": degrade.jpeg,
    "downscale": lambda x: degrade.downscale(x, 4),
    "enlarge": lambda x: degrade.enlarge(x, 2),
    "unsharp_mask": lambda x: classical.unsharp_mask(x, 2.0, 0.5),
    "wiener": lambda x: classical.wiener(x, degrade.line_kernel(5, 20), 0.01),
    "richardson_lucy": lambda x: classical.richardson_lucy(x, degrade.line_kernel(5, 20), 2),
}


@pytest.mark.parametrize("name", GREY)
def test_a_grey_photo_is_three_equal_channels(name):
    grey = torch.rand(1, 32, 48, generator=torch.Generator().manual_seed(0))
    wanted = GREY[name](grey.expand(3, -1, -1))
    torch.testing.assert_close(GREY[name](grey), wanted)
    torch.testing.assert_close(GREY[name](grey[None])[0], wanted)


def test_a_grey_small_photo_can_be_agreed_with():
    grey = torch.rand(1, 4, 6)
    answer = grey.expand(3, -1, -1).repeat_interleave(8, -1).repeat_interleave(8, -2)
    assert metrics.consistency_db(answer, grey) > 100
