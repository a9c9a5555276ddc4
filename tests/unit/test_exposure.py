"""Light, camera, auto-exposure and video: against physics and against slow references."""

import dataclasses
import itertools
import math

import pytest
import torch

from mssnet_edu import exposure, images, metrics, samples
from mssnet_edu.exposure.video import choose_compensation

# --- the camera ----------------------------------------------------------------------------------


def light_of(height=24, width=32, seed=0, high=3.0):
    return high * torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_one_ev_doubles_the_light():
    light = light_of()
    assert torch.equal(exposure.expose(light, 1), 2 * light)
    pair = exposure.expose(torch.stack([light, light]), torch.tensor([0.0, -2.0]))
    assert torch.equal(pair[1], light / 4)
    # what is recorded without noise doubles, too, as long as nothing clips
    dark = light_of(high=0.4)
    one, two = (images.to_linear(exposure.capture(dark, ev, math.inf, 0.0)) for ev in (0.0, 1.0))
    assert torch.allclose(two, 2 * one, atol=0.02)
    assert exposure.clipped(exposure.capture(dark, 1.0, math.inf, 0.0)).sum() == 0


def test_only_what_is_too_bright_clips():
    light = torch.tensor([0.2, 0.99, 1.01, 50.0]).expand(3, 1, 4).contiguous()
    frame = exposure.capture(light, 0.0, math.inf, 0.0)
    assert exposure.clipped(frame)[0, 0].tolist() == [False, False, True, True]
    assert exposure.clipped(exposure.capture(light, -6.0, math.inf, 0.0)).sum() == 0


@pytest.mark.parametrize(("value", "photons", "read"), [(0.3, 500, 0.0), (0.0, 1e6, 0.02)])
def test_noise_has_the_stated_variance(value, photons, read):
    exposed = torch.full((3, 200, 200), value) + 0.2  # far from both ends of the sensor
    counted = exposure.sensor(exposed, photons, read, seed=3)
    wanted = (value + 0.2) / photons + read**2
    assert float(counted.var()) == pytest.approx(wanted, rel=0.03)
    assert float(counted.mean()) == pytest.approx(value + 0.2, abs=1e-3)


def test_the_same_seed_gives_the_same_frame():
    light = light_of()
    one, again, other = (exposure.capture(light, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.allclose(one * 255, (one * 255).round(), atol=1e-4)  # 8 bits


def test_masks_of_any_all_and_each():
    frame = torch.tensor([[1.0, 0.3], [1.0, 1.0], [1.0, 0.9]]).view(3, 1, 2)
    assert exposure.clipped(frame).flatten().tolist() == [True, True]
    assert exposure.clipped(frame, "all").flatten().tolist() == [True, False]
    each = exposure.clipped(frame[None], "each")
    assert each.shape == (1, 3, 1, 2)
    assert each[0, :, 0, 1].tolist() == [False, True, False]
    assert exposure.clipped(torch.full((3, 2, 2), 254 / 255)).sum() == 0


@pytest.mark.parametrize(
    ("light", "words"),
    [
        (torch.full((3, 4, 4), -0.1), r"clamp\(min=0\)"),
        (torch.full((3, 4, 4), math.nan), "finite"),
        (torch.zeros(4, 4), "expected a float32 tensor"),
        (torch.zeros(3, 4, 4).double(), "float64"),
        ("sky.exr", "str"),
    ],
)
def test_what_is_no_light_is_refused(light, words):
    with pytest.raises(images.PhotoError, match=words):
        exposure.capture(light)


def test_a_noise_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="at least 1 photon"):
        exposure.sensor(light_of(), photons=0)
    with pytest.raises(ValueError, match="channels is 'some'"):
        exposure.clipped(torch.rand(3, 4, 4), "some")


# --- auto-exposure -------------------------------------------------------------------------------


def follow(auto, light, frames):
    """The EV of a camera that looks at light of one level, frame by frame."""
    evs, ev = [], auto.start_ev
    for _ in range(frames):
        evs.append(ev)
        frame = exposure.capture(torch.full((3, 8, 8), light), ev, math.inf, 0.0)
        ev = auto.update(frame)
    return evs


def test_auto_exposure_finds_its_target():
    auto = exposure.AutoExposure()
    evs = follow(auto, 0.02, 80)
    assert evs[-1] == pytest.approx(math.log2(0.16 / 0.02), abs=0.1)
    brighter = exposure.AutoExposure(compensation_ev=1.0)
    assert follow(brighter, 0.02, 80)[-1] == pytest.approx(evs[-1] + 1, abs=0.15)


def test_it_lags_and_overshoots():
    auto = exposure.AutoExposure(delay=3)
    evs = follow(auto, 0.02, 80)
    assert evs[:3] == [0.0, 0.0, 0.0]  # no correction has arrived yet
    assert max(evs) > evs[-1] + 0.1
    calm = follow(exposure.AutoExposure(delay=1, speed=0.1), 0.02, 120)
    assert max(calm) <= calm[-1] + 0.05


def test_it_keeps_to_its_limits():
    auto = exposure.AutoExposure(limits_ev=(-1.0, 1.0), max_step_ev=0.25)
    evs = follow(auto, 1e-3, 30)
    assert max(evs) == 1.0
    steps = [b - a for a, b in itertools.pairwise(evs)]
    assert max(steps) <= 0.25 + 1e-9
    with pytest.raises(ValueError, match="within the limits"):
        exposure.AutoExposure(start_ev=30)
    with pytest.raises(ValueError, match="delay of 1 or more"):
        exposure.AutoExposure(delay=0)


def test_the_centre_counts_more():
    frame = torch.zeros(3, 33, 33)
    frame[:, 11:22, 11:22] = 1
    even, weighted = exposure.AutoExposure(centre_weight=1), exposure.AutoExposure()
    assert weighted.measure(frame) > 1.5 * even.measure(frame)


# --- the virtual camera --------------------------------------------------------------------------


def slow_view(panorama, pose, size, fov):
    """Each pixel by itself, in double precision: the reference for `view` without averaging."""
    yaw, pitch, roll = (math.radians(float(angle)) for angle in pose)
    rows, columns = panorama.shape[1:]
    height, width = size
    out = torch.zeros(3, height, width)
    focal = width / 2 / math.tan(math.radians(fov) / 2)
    for i in range(height):
        for j in range(width):
            x, y, z = j - (width - 1) / 2, i - (height - 1) / 2, focal
            x, y = x * math.cos(roll) - y * math.sin(roll), x * math.sin(roll) + y * math.cos(roll)
            y, z = (
                y * math.cos(pitch) - z * math.sin(pitch),
                y * math.sin(pitch) + z * math.cos(pitch),
            )
            x, z = x * math.cos(yaw) + z * math.sin(yaw), z * math.cos(yaw) - x * math.sin(yaw)
            longitude, latitude = math.atan2(x, z), math.atan2(-y, math.hypot(x, z))
            u = (longitude / (2 * math.pi) + 0.5) * columns - 0.5
            v = min(max((0.5 - latitude / math.pi) * rows - 0.5, 0), rows - 1)
            u0, v0 = math.floor(u), min(math.floor(v), rows - 2)
            for du, wu in ((0, 1 - (u - u0)), (1, u - u0)):
                for dv, wv in ((0, 1 - (v - v0)), (1, v - v0)):
                    out[:, i, j] += wu * wv * panorama[:, v0 + dv, (u0 + du) % columns]
    return out


@pytest.mark.parametrize(
    "pose", [(0, 0, 0), (178, 10, 0), (-60, -35, 20), (10, 88, -5), (100, -80, 90)]
)
def test_the_view_is_that_of_a_slow_camera(pose):
    panorama = light_of(16, 32, high=5)
    seen = exposure.view(panorama, pose, (12, 20), 70.0)
    assert torch.allclose(seen, slow_view(panorama, pose, (12, 20), 70.0), atol=2e-3)


def test_coarse_views_are_means_and_not_samples():
    stripes = torch.zeros(3, 128, 256)
    stripes[..., ::2] = 1
    seen = exposure.view(stripes, (0, 0, 0), (8, 16), 90.0)
    assert (seen[:, 2:6] - 0.5).abs().max() < 0.2  # without averaging it would be 0 and 1


def test_yaw_turns_right_and_pitch_up():
    panorama = torch.zeros(3, 64, 128)
    panorama[:, 32, 96] = 1  # 90 degrees to the right, at the horizon
    seen = exposure.view(panorama, (80.0, 0, 0), (41, 41), 60.0)
    assert int(seen[0].sum(0).argmax()) > 22  # not yet turned far enough: it is right of the middle
    seen = exposure.view(panorama, (90.0, 10.0, 0), (41, 41), 60.0)
    assert int(seen[0].sum(1).argmax()) > 24  # the camera looks up, so that it is low


def test_displacement_says_where_things_went():
    smooth = exposure.view(light_of(8, 16), (0, 0, 0), (1, 1))  # exercises the smallest view
    assert smooth.shape == (3, 1, 1)
    panorama = torch.nn.functional.interpolate(
        light_of(8, 16)[None], size=(256, 512), mode="bicubic"
    )[0].clamp(min=0)
    pose, other = torch.tensor([10.0, 5.0, 3.0]), torch.tensor([18.0, 1.0, -4.0])
    size, fov = (48, 64), 60.0
    moved = exposure.displacement(pose, other, size, fov)
    from mssnet_edu.models.overexposure import warp

    fetched = warp(exposure.view(panorama, other, size, fov)[None], moved[None])[0]
    here = exposure.view(panorama, pose, size, fov)
    inside = warp(torch.ones(1, 1, *size), moved[None])[0] > 0.999
    assert inside.float().mean() > 0.5
    assert ((fetched - here).abs() * inside).max() < 0.05
    behind = exposure.displacement(pose, pose + torch.tensor([180.0, 0, 0]), size, fov)
    assert torch.isnan(behind).all()


def test_what_is_no_panorama_is_refused():
    with pytest.raises(images.PhotoError, match="twice as wide"):
        exposure.view(light_of(16, 16), (0, 0, 0), (8, 8))
    with pytest.raises(ValueError, match="fov_deg"):
        exposure.view(light_of(16, 32), (0, 0, 0), (8, 8), fov_deg=170)


# --- video ---------------------------------------------------------------------------------------


def sunny():
    """A small panorama: a dark room with one window, ten times as bright."""
    panorama = 0.1 + 0.05 * light_of(32, 64, high=1)
    panorama[:, 12:16, 32:37] = 3 + light_of(4, 5, seed=1)
    return panorama


def small_clip(seed=0, **options):
    settings = {"frames": 12, "size_px": (24, 32), "start_deg": (-40.0, 5.0), "sweep_deg": 60.0}
    return exposure.film(sunny(), seed=seed, **{**settings, **options})


def test_a_clip_is_what_the_camera_saw():
    clip = small_clip()
    assert len(clip) == 12
    assert clip.frames.shape == clip.light.shape == (12, 3, 24, 32)
    assert clip.masks.shape == (12, 1, 24, 32)
    assert torch.equal(clip.masks, exposure.clipped(clip.frames))
    seen = images.to_linear(clip.frames)
    error = (seen - clip.exposed.clamp(max=1)).abs()
    assert error.mean() < 0.01  # noise and rounding only
    assert clip.ev.unique().numel() > 4  # the exposure moves
    assert clip.beyond.sum() == 0


def test_most_frames_of_a_clip_are_clipped_as_much_as_was_wanted():
    share = small_clip(frames=24).clipped_share
    assert ((share >= 0.02) & (share <= 0.30)).float().mean() > 0.5


def test_clips_are_the_same_for_the_same_seed():
    one, again, other = small_clip(4), small_clip(4), small_clip(5)
    for field in dataclasses.fields(one)[:4]:
        assert torch.equal(getattr(one, field.name), getattr(again, field.name))
    assert not torch.equal(one.light, other.light)


def test_the_future_does_not_change_the_past():
    """The exposure of a frame follows from the frames before it alone."""
    auto = exposure.AutoExposure(start_ev=-1.0)
    clip = small_clip(auto=auto, crossing=0)
    evs, ev = [], auto.start_ev
    again = dataclasses.replace(auto)
    for frame in clip.frames:
        evs.append(ev)
        ev = again.update(frame)
    assert clip.ev.tolist() == pytest.approx(evs)


def test_a_wandering_camera_goes_to_and_fro_and_begins_anywhere():
    pans = torch.stack([exposure.wander(24, seed) for seed in range(40)])
    assert ((pans >= 0) & (pans <= 1)).all()
    assert pans[:, 0].min() < 0.1
    assert pans[:, 0].max() > 0.9
    turns = (pans.diff().sign().diff().abs() > 0).sum(1)  # how often it turns back
    assert turns.max() >= 3 > turns.min()


def test_a_pan_leads_where_it_says_and_needs_a_number_for_each_frame():
    light = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(0))
    there = exposure.film(light, 3, (16, 24), pan=torch.tensor([0.0, 0.0, 1.0]), crossing=0)
    stays = exposure.film(light, 3, (16, 24), pan=torch.zeros(3), crossing=0)
    assert torch.equal(there.light[:2], stays.light[:2])
    assert not torch.equal(there.light[2], stays.light[2])
    with pytest.raises(ValueError, match="a number for each of 3 frames"):
        exposure.film(light, 3, (16, 24), pan=torch.zeros(2))


def test_things_cross_the_view():
    empty, crossed = small_clip(crossing=0), small_clip(crossing=3)
    changed = (empty.light != crossed.light).any(1).float().mean((1, 2))
    assert changed.max() > 0.02
    assert changed.max() < 0.9


def test_an_occluder_covers_what_lies_behind_it():
    pose = torch.tensor([20.0, 0.0, 0.0])
    wall = torch.full((3, 31, 31), 0.5)
    ball = exposure.Occluder(torch.tensor([[20.0, 0.0]]), (8.0, 8.0), torch.tensor([2.0, 0.0, 0.0]))
    seen, covered = exposure.paint(wall, ball, 0, pose, 60.0)
    assert torch.allclose(seen[:, 15, 15], torch.tensor([2.0, 0.0, 0.0]))
    assert torch.equal(seen[:, 0, 0], wall[:, 0, 0])
    assert 0.02 < float(covered.mean()) < 0.2
    behind = dataclasses.replace(ball, path_deg=torch.tensor([[200.0, 0.0]]))
    assert exposure.paint(wall, behind, 0, pose, 60.0)[1].sum() == 0


def test_a_hand_shakes_and_stays():
    shake = exposure.handheld(200, seed=2)
    assert 0.2 < float(shake[:, 0].std()) < 5
    assert (shake[1:] - shake[:-1]).abs().max() < 1.5


def test_compensation_brings_what_was_asked_for():
    light = exposure.expose(torch.stack([light_of(), light_of()]), -6)
    auto = exposure.AutoExposure(start_ev=math.log2(0.16 / float(light.mean())))
    few, many = (choose_compensation(light, auto, share) for share in ((0.01, 0.2), (0.6, 0.95)))
    assert few < many


# --- light that comes with the course, and its measure -------------------------------------------


@pytest.mark.parametrize("name", samples.panorama_names())
def test_the_bundled_panoramas_are_light(name):
    light = samples.panorama(name)
    assert light.shape == (3, 512, 1024)
    assert float(images.luma(light).median()) == pytest.approx(0.18, rel=0.01)
    assert light.max() > 50  # a photograph would end at 1
    exposure.as_light(light)


def test_an_unknown_panorama_is_refused():
    with pytest.raises(ValueError, match="courtyard, interior"):
        samples.panorama("interio")


def test_no_place_stands_on_two_sides_and_all_are_credited():
    import csv

    with samples.find_data("light/CREDITS.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    places = {}
    for row in rows:
        places.setdefault(row["place"], set()).add(row["split"])
        assert row["split"] in {"train", "validation", "test"}
        assert row["licence"] == "CC0-1.0"
        assert all(row[field] for field in ("author", "source", "scene"))
        assert len(row["sha256"]) == 64
    assert all(len(splits) == 1 for splits in places.values()), places
    of = {row["name"]: row["split"] for row in rows}
    assert len(of) == len(rows) == 27
    assert {of[name] for name in samples.panorama_names()} == {"test"}


def test_pu21_is_uniform_and_ends_where_it_should():
    # values of the authors' own encoder, version "banding and glare"
    assert float(metrics.pu21(torch.tensor(1.0))) == pytest.approx(256, abs=0.5)
    light = torch.logspace(-4, 2, 50)
    encoded = metrics.pu21(light)
    assert (encoded.diff() > 0).all()
    assert float(metrics.pu21(torch.tensor(1e4))) == float(metrics.pu21(torch.tensor(100.0)))


def test_psnr_pu_looks_at_the_mask_only():
    truth = light_of(8, 8, high=4)
    other = truth.clone()
    other[:, :4] *= 3
    upper = torch.zeros(1, 8, 8, dtype=torch.bool)
    upper[:, :4] = True
    assert metrics.psnr_pu(other, truth, ~upper) == math.inf
    error = metrics.pu21(other.double()) - metrics.pu21(truth.double())
    wanted = 10 * math.log10(256**2 / float(error[:, :4].square().mean()))
    assert metrics.psnr_pu(other, truth, upper) == pytest.approx(wanted)
    assert metrics.psnr_pu(other, truth) == pytest.approx(wanted + 10 * math.log10(2))
    batch = metrics.psnr_pu(other[None], truth[None], upper[None].expand(1, 3, 8, 8))
    assert batch.tolist() == pytest.approx([wanted])
    assert math.isnan(metrics.psnr_pu(other, truth, torch.zeros_like(upper)))
    with pytest.raises(images.PhotoError, match="one shape"):
        metrics.psnr_pu(other, truth[None])
    with pytest.raises(images.PhotoError, match="one or three channels"):
        metrics.psnr_pu(other, truth, upper.float())


def test_a_startled_camera_begins_too_dark_and_recovers():
    auto, size = exposure.AutoExposure(speed=0.4, delay=2), {"frames": 16, "size_px": (18, 32)}
    calm = exposure.film(sunny(), **size, seed=4, auto=auto, adjust=True)
    startled = exposure.film(sunny(), **size, seed=4, auto=auto, adjust=True, startle_ev=-3)
    assert float(startled.ev[0]) == pytest.approx(float(calm.ev[0]) - 3)
    assert float(startled.ev[8:].max()) > float(startled.ev[0]) + 1.5
    fixed = exposure.film(sunny(), **size, seed=4, auto=auto, startle_ev=-1)
    assert float(fixed.ev[0]) == -1  # as it was given, less one
