"""restore: any size, tiles without seams, a memory cap that says what to do."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mssnet_edu import images, inference, metrics, models, restore, samples
from mssnet_edu.tiling import pad, round_up


def rules(task, factor=1, **changes):
    facts = {
        "name": "small-net",
        "task": task,
        "factor": factor,
        "multiple_of": 1,
        "min_px": 1,
        "halo_px": 4,
        "rim_px": 0,
        "bytes_per_px": 100,
        "spare": 0,
        "mends_px": (),
        "config": {},
    }
    return SimpleNamespace(**{**facts, **changes})


class Convolutions(nn.Module):
    """Four random 3x3 convolutions: each answer depends on exactly 4 px around it."""

    def __init__(self, factor=1, task="upscale", **changes):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(8, 3 * factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        )
        self.factor, self.shapes = factor, []
        self.info = rules(task, factor, **changes)
        self.requires_grad_(False).eval()

    def forward(self, photo):
        self.shapes.append(tuple(photo.shape))
        m = self.info.multiple_of
        assert photo.shape[-1] % m == 0
        assert photo.shape[-2] % m == 0
        large = F.interpolate(photo, scale_factor=self.factor, mode="nearest")
        return large * 0.7 + 0.15 + 2 * self.layers(photo)


class Repeat(nn.Module):
    """Enlarges by repeating pixels; counts how often."""

    def __init__(self, factor, **changes):
        super().__init__()
        self.info, self.calls = rules("upscale", factor, **changes), []

    def forward(self, photo):
        self.calls.append(tuple(photo.shape))
        return F.interpolate(photo, scale_factor=self.info.factor, mode="nearest")


# ----------------------------------------------------------------------------------- the tiles


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("multiple", [1, 8])
def test_tiled_equals_whole(factor, multiple):
    task = "deblur" if factor == 1 else "upscale"
    network = Convolutions(factor, task, multiple_of=multiple)
    photo = torch.rand(3, 150, 217, generator=torch.Generator().manual_seed(1))
    call = restore.deblur if factor == 1 else lambda p, m, **k: restore.upscale(p, factor, m, **k)
    whole = call(photo, network)
    assert network.shapes == [(1, 3, round_up(150, multiple), round_up(217, multiple))]
    tiled = call(photo, network, tile_px=64)
    assert len(network.shapes) > 10
    assert whole.shape == tiled.shape == (3, 150 * factor, 217 * factor)
    assert float((whole - tiled).abs().max()) < 1e-5  # 1e-3 is asked for; a full halo is exact
    assert float(whole.std()) > 0.05


def test_a_halo_too_small_shows_where_a_full_one_does_not():
    """The comparison above can fail: without context, tiles differ from the whole."""
    photo = torch.rand(3, 150, 217)
    short = Convolutions(1, "deblur", halo_px=0)
    whole, tiled = restore.deblur(photo, short), restore.deblur(photo, short, tile_px=48)
    assert float((whole - tiled).abs().max()) > 1e-3
    inner = Convolutions(1, "deblur", halo_px=4)
    assert float((restore.deblur(photo, inner, tile_px=64) - whole).abs().max()) < 1e-5


def test_memory_cap_makes_tiles_and_keeps_the_answer():
    network = Convolutions(2)
    photo = torch.rand(3, 200, 160)
    whole = restore.upscale(photo, 2, network)
    before = len(network.shapes)
    tiled = restore.upscale(photo, 2, network, max_memory_mb=7)
    areas = [shape[-1] * shape[-2] for shape in network.shapes[before:]]
    assert len(areas) > 3
    assert 4 * 100 * max(areas) < 7e6  # four pixels of answer for one of the photo
    assert float((whole - tiled).abs().max()) < 1e-5


def test_tiles_are_smaller_in_float32_where_a_process_takes_more_than_was_counted():
    photo, largest = torch.rand(3, 200, 160), {}
    for precision in ("float32", "bfloat16"):
        network = Convolutions(1, "deblur", spare=4)
        restore.deblur(photo, network, max_memory_mb=5, precision=precision)
        largest[precision] = max(shape[-1] * shape[-2] for shape in network.shapes)
    # of 5 MB, the answer and the padded photo take 0.8
    assert 4 * 100 * largest["float32"] < 4.3e6
    assert largest["float32"] < 0.6 * largest["bfloat16"]


def test_memory_cap_too_small_says_how_much_is_needed():
    network = Convolutions(1, "deblur", halo_px=60)
    with pytest.raises(images.PhotoError, match=r"needs about \d+ MB .* Pass max_memory_mb=\d+"):
        restore.deblur(torch.rand(3, 300, 300), network, max_memory_mb=2)


def test_answer_too_large_is_refused_before_any_work():
    network = Repeat(4)
    with pytest.raises(images.PhotoError, match="Choose a smaller factor"):
        restore.upscale(torch.zeros(3, 1000, 1000), 16, network)
    with pytest.raises(images.PhotoError, match="6400 x 8000 px each"):
        restore.upscale(torch.zeros(3, 1000, 800), 8, "bicubic", max_memory_mb=100)
    assert network.calls == []


def test_tile_px_too_small_or_odd_is_refused():
    network = Convolutions(1, "deblur", halo_px=20)
    with pytest.raises(ValueError, match="tiles of at least 88 px"):
        restore.deblur(torch.rand(3, 300, 300), network, tile_px=60)
    with pytest.raises(ValueError, match="whole number of pixels"):
        restore.deblur(torch.rand(3, 300, 300), network, tile_px=100.5)


# ------------------------------------------------------------------------------------- the rim


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("multiple", [1, 8])
@pytest.mark.parametrize("tile_px", [None, 56])
def test_a_rim_is_as_good_as_mirror_images_all_around(factor, multiple, tile_px):
    task = "deblur" if factor == 1 else "upscale"
    call = restore.deblur if factor == 1 else lambda p, m, **k: restore.upscale(p, factor, m, **k)
    photo = torch.rand(3, 60, 77, generator=torch.Generator().manual_seed(1))
    # laid beside its mirror images: more than the network sees, and on its grid
    around = pad(photo[None], (60 + 56, 80 + 56), 24)[0]
    middle = slice(24 * factor, 84 * factor), slice(24 * factor, 101 * factor)
    wanted = call(around, Convolutions(factor, task, multiple_of=multiple))[:, *middle]
    network = Convolutions(factor, task, multiple_of=multiple, rim_px=4)
    answer = call(photo, network, tile_px=tile_px)
    torch.testing.assert_close(answer, wanted, rtol=0, atol=1e-5)
    assert len(network.shapes) > 1 or tile_px is None
    framed = call(photo, Convolutions(factor, task, multiple_of=multiple), tile_px=tile_px)
    assert float((framed - wanted).abs().max()) > 0.01  # without a rim, the edges are seen


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (3, 2), (40, 3)])
def test_a_photo_smaller_than_its_rim(height, width):
    photo = torch.rand(3, height, width)
    answer = restore.upscale(photo, 2, Repeat(2, rim_px=8, multiple_of=16))
    assert torch.equal(answer, photo.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_a_photo_that_fits_into_a_tile_is_not_cut_for_its_rim():
    network = Convolutions(2, rim_px=8)
    restore.upscale(torch.rand(3, 40, 64), 2, network, tile_px=64)
    assert network.shapes == [(1, 3, 56, 80)]


RESTORING = [*models.names("deblur"), *models.names("upscale")]

# MAXIM has none: it keeps flat colours, and on its grid of 64 px a rim would cost half as much more
WITH_RIM = [name for name in RESTORING if models.info(name).rim_px]


def restored(name, photo):
    """A photo as a network restores it, in levels: deblurred, or enlarged by its least factor."""
    info = models.info(name)
    if info.task == "deblur":
        return 255 * restore.deblur(photo, name, size=1, precision="float32")
    factor = min(info.config.get("factors") or (info.factor,))
    return 255 * restore.upscale(photo, factor, name, precision="float32")


def invents(name):
    """Other surroundings, other inventions: at the edges, only the mean can be compared."""
    return models.info(name).source_type == "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize("name", RESTORING)
def test_flat_colours_keep_their_colour_to_the_edge(name):
    side = max(24, models.info(name).min_px)
    for levels in ((115, 166, 242), (200, 60, 60)):
        answer = restored(name, torch.tensor(levels).view(3, 1, 1).expand(3, side, side) / 255)
        third = answer.shape[-1] // 3
        middle = answer[:, third:-third, third:-third].mean((1, 2))
        for turns in range(4):
            line = answer.rot90(turns, (1, 2))[:, 0]
            line = line.mean(1, keepdim=True) if invents(name) else line
            assert float((line - middle[:, None]).abs().max()) < 2


@pytest.mark.parametrize("name", WITH_RIM)
def test_a_photo_and_its_mirror_image_meet_without_a_seam(name):
    info = models.info(name)
    side = round_up(max(24, info.min_px), info.multiple_of)
    photo = samples.load("cat")[:, 100 : 100 + side, 150 : 150 + side]
    alone = restored(name, photo)
    both = restored(name, torch.cat([photo, photo.flip(-1)], -1))
    gap = alone[..., -1] - both[..., alone.shape[-1] - 1]
    gap = gap.mean(-1) if invents(name) else gap
    assert float(gap.abs().max()) < (3 if invents(name) else 2)  # its grain is another draw


def test_a_sky_enlarged_by_default_is_that_sky_to_its_corners():
    sky = images.load(Path(__file__).with_name("cases") / "flat_sky.png")
    answer = 255 * restore.upscale(sky, 8)
    assert float((answer - torch.tensor([115, 166, 242]).view(3, 1, 1)).abs().max()) < 2


# ---------------------------------------------------------------------------- sizes and shapes


def test_padding_reaches_the_multiple_and_is_cut_off_again():
    network = Convolutions(1, "deblur", multiple_of=16, min_px=32)
    assert restore.deblur(torch.rand(3, 33, 47), network).shape == (3, 33, 47)
    assert network.shapes[-1] == (1, 3, 48, 48)


def test_photo_smaller_than_its_padding():
    network = Convolutions(2, multiple_of=16)
    assert restore.upscale(torch.rand(3, 1, 5), 2, network).shape == (3, 2, 10)


def test_batch_gives_what_single_photos_give():
    network = Convolutions(2)
    batch = torch.rand(3, 3, 40, 30)
    together = restore.upscale(batch, 2, network)
    assert together.shape == (3, 3, 80, 60)
    for one, photo in zip(together, batch, strict=True):
        torch.testing.assert_close(restore.upscale(photo, 2, network), one)


def test_answer_is_clamped_free_of_gradients_and_may_be_changed():
    class Loud(nn.Module):
        info = rules("deblur")

        def forward(self, photo):
            return photo * 3 - 1

    photo = torch.rand(3, 20, 20).requires_grad_()
    answer = restore.deblur(photo, Loud())
    assert float(answer.min()) == 0
    assert float(answer.max()) == 1
    assert not answer.requires_grad
    answer[0] += 1  # an inference-mode tensor would refuse this
    answer.requires_grad_()


def test_input_is_left_as_it_was():
    photo = torch.rand(3, 40, 40)
    before = photo.clone()
    restore.upscale(photo, 2, Convolutions(2))
    restore.upscale(photo, 2, "bicubic")
    torch.testing.assert_close(photo, before, rtol=0, atol=0)


# ------------------------------------------------------------------------------------- factors


class Factors(nn.Module):
    """Enlarges by the factor that it is asked for; notes which."""

    def __init__(self, offered):
        super().__init__()
        self.info, self.asked = rules("upscale", max(offered), config={"factors": offered}), []

    def forward(self, photo, factor):
        self.asked.append(factor)
        return F.interpolate(photo, scale_factor=factor, mode="nearest")


@pytest.mark.parametrize(
    ("offered", "factor", "passes"),
    [
        ([8], 8, [8]),
        ([8], 2, [8]),
        ([8], 16, [8, 8]),
        ([4], 3, [4]),
        ([4], 8, [4, 4]),
        ([4], 6, [4, 4]),
        ([4], 16, [4, 4]),
        ([2, 4, 8], 2, [2]),
        ([2, 4, 8], 3, [4]),
        ([2, 4, 8], 6, [8]),
        ([2, 4, 8], 16, [8, 2]),
    ],
)
def test_passes_to_a_factor(offered, factor, passes):
    network = Factors(offered)
    restore.upscale(torch.rand(3, 4, 5), factor, network)
    assert network.asked == passes


@pytest.mark.parametrize("native", [2, 4, 8])
@pytest.mark.parametrize("factor", restore.FACTORS)
def test_every_factor_from_every_network(native, factor):
    """Repeating pixels commutes with area averaging, so the true answer is known."""
    photo = torch.rand(3, 11, 14)
    answer = restore.upscale(photo, factor, Repeat(native))
    assert answer.shape == (3, 11 * factor, 14 * factor)
    expected = F.interpolate(photo[None], scale_factor=factor, mode="nearest")[0]
    if factor in {3, 6}:  # no whole ratio: bicubic, which rings a little at the pixels' edges
        middle = slice(factor // 2, None, factor)
        assert float((answer - expected)[:, middle, middle].abs().max()) < 0.25
    else:
        torch.testing.assert_close(answer, expected)


def test_reducing_inside_tiles_equals_reducing_the_whole():
    """4x, twice, halved: the reduced tiles must meet where the full ones would."""
    network = Convolutions(4)
    photo = torch.rand(3, 40, 30)
    once = restore.upscale(photo, 4, network)
    twice = restore.upscale(once, 4, network)
    expected = F.avg_pool2d(twice[None], 2)[0]
    torch.testing.assert_close(restore.upscale(photo, 8, network), expected, rtol=0, atol=1e-5)
    tiled = restore.upscale(photo, 8, network, tile_px=57)
    torch.testing.assert_close(tiled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [0, 1, 5, 32, 2.5, "8", True, None])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match="expected one of 2, 3, 4, 6, 8, 16"):
        restore.upscale(torch.rand(3, 8, 8), factor, "bicubic")


def test_plain_enlargements():
    photo = torch.rand(3, 4, 5)
    nearest = restore.upscale(photo, 2, "nearest")
    torch.testing.assert_close(nearest, photo.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert restore.upscale(photo[None], 8, "bicubic").shape == (1, 3, 32, 40)


# ------------------------------------------------------------------------------ seeds and noise


class Dreamer(nn.Module):
    """Adds noise that depends on its seed, like a network that draws one answer of many."""

    def __init__(self):
        super().__init__()
        config = {"factors": [2, 4], "takes_seed": True}
        self.info, self.seen = rules("upscale", 4, config=config, halo_px=0), []

    def forward(self, photo, factor=4, seed=0, noise=None):
        self.seen.append((factor, seed))
        large = F.interpolate(photo, scale_factor=factor, mode="nearest")
        if noise is None:
            generator = torch.Generator().manual_seed(seed)
            noise = torch.randn(large.shape, generator=generator)
        return large + 0.05 * noise


class Planner(Dreamer):
    """The same, able to draw its noise for the whole photo."""

    def draw_noise(self, shape, factor, seed):
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(shape[0], 1, *shape[2:], generator=generator)
        return F.interpolate(numbers, scale_factor=factor)


def test_seed_is_repeatable_and_matters():
    photo = torch.full((3, 20, 20), 0.5)
    one, same = (restore.upscale(photo, 4, Dreamer(), seed=3) for _ in range(2))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert float((one - restore.upscale(photo, 4, Dreamer(), seed=4)).abs().mean()) > 0.01
    network = Dreamer()
    restore.upscale(photo, 2, network, seed=3)
    assert network.seen[-1] == (2, 3)  # in one tile, the network gets the learner's own seed
    with pytest.raises(ValueError, match="whole number"):
        restore.upscale(photo, 4, Dreamer(), seed=1.5)


def test_tiles_without_a_plan_have_different_seeds():
    network = Dreamer()
    restore.upscale(torch.rand(3, 100, 100), 2, network, tile_px=64)
    seeds = [seed for _, seed in network.seen]
    assert len(seeds) == len(set(seeds)) == 4


def test_noise_drawn_for_the_whole_photo_makes_tiles_equal_the_whole():
    photo = torch.full((3, 100, 90), 0.5)
    whole = restore.upscale(photo, 4, Planner(), seed=5)
    tiled = restore.upscale(photo, 4, Planner(), seed=5, tile_px=64)
    torch.testing.assert_close(whole, tiled, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tile_px", [None, 64])
def test_noise_is_mirrored_and_cut_as_the_photo_is(tile_px):
    photo = torch.rand(3, 50, 110)

    class Twin(Planner):
        def draw_noise(self, shape, factor, seed):
            return F.interpolate(photo[None, :1], scale_factor=factor)

        def forward(self, photo, factor=4, seed=0, noise=None):
            self.seen.append(photo.shape)
            large = F.interpolate(photo, scale_factor=factor)
            assert torch.equal(noise, large[:, :1])
            return large

    network = Twin()
    vars(network.info).update(rim_px=3, multiple_of=8, halo_px=8)
    restore.upscale(photo, 4, network, tile_px=tile_px)
    assert (len(network.seen) == 1) == (tile_px is None)
    assert network.seen[0][-2] == 56  # mirrored beyond its edges


# -------------------------------------------------------------------------------------- refusals


def test_tiny_photo_for_a_deblurring_network():
    network = Convolutions(1, "deblur", min_px=32, name="mssnet-deblur")
    with pytest.raises(images.PhotoError) as caught:
        restore.deblur(torch.rand(3, 8, 8), network)
    assert str(caught.value) == (
        "photo is 8 x 8 px; mssnet-deblur needs at least 32 x 32. "
        "Upscale it first: me.upscale(photo, 4)."
    )


@pytest.mark.parametrize("call", [restore.deblur, restore.upscale])
@pytest.mark.parametrize(
    "photo",
    [
        torch.full((3, 40, 40), float("nan")),
        torch.rand(40, 40, 3),
        torch.rand(2, 40, 40),
        torch.zeros(3, 40, 40, dtype=torch.uint8),
        torch.full((3, 40, 40), 200.0),
        np.zeros((40, 40, 3), np.float32),
        "photo.jpg",
    ],
)
def test_bad_photos_are_refused(call, photo):
    with pytest.raises(images.PhotoError, match=r"^photo "):
        call(photo)


def test_wrong_kind_of_network():
    with pytest.raises(ValueError, match="does not deblur"):
        restore.deblur(torch.rand(3, 40, 40), Convolutions(2))
    with pytest.raises(ValueError, match="does not enlarge"):
        restore.upscale(torch.rand(3, 40, 40), 2, Convolutions(1, "deblur"))
    with pytest.raises(TypeError, match="expected a name"):
        restore.deblur(torch.rand(3, 40, 40), 7)
    with pytest.raises(ValueError, match="above 0"):
        restore.upscale(torch.rand(3, 8, 8), 2, "bicubic", max_memory_mb=0)


def test_network_by_name(monkeypatch):
    asked = []

    def load_model(name):
        asked.append(name)
        return Convolutions(8)

    monkeypatch.setattr(inference, "load_model", load_model)
    assert restore.upscale(torch.rand(3, 8, 8)).shape == (3, 64, 64)
    assert asked == [restore.RECOMMENDED_UPSCALER]


def test_network_without_info():
    class Plain(nn.Module):
        def forward(self, photo):
            return F.interpolate(photo, scale_factor=3, mode="nearest")

    assert restore.upscale(torch.rand(3, 40, 40), 3, Plain()).shape == (3, 120, 120)
    with pytest.raises(ValueError, match="enlarges by a whole number"):
        restore.upscale(torch.rand(3, 40, 40), 3, nn.Identity())


def test_wrong_answer_of_a_network_is_named():
    network = Repeat(2)
    network.info.factor = 2
    network.forward = lambda photo: photo
    with pytest.raises(ValueError, match=r"gave shape .* expected"):
        restore.upscale(torch.rand(3, 40, 40), 2, network)


def test_a_network_whose_memory_nobody_knows_gets_small_tiles():
    network = Convolutions(1, "deblur", bytes_per_px=0)
    photo = torch.rand(3, 300, 600)
    answer = restore.deblur(photo, network)
    assert all(max(shape) <= 256 for shape in network.shapes)
    torch.testing.assert_close(answer, restore.deblur(photo, Convolutions(1, "deblur")))


def test_progress_counts_tiles(capsys):
    restore.upscale(torch.rand(3, 100, 100), 2, Convolutions(2), tile_px=64, progress=True)
    assert "4/4" in capsys.readouterr().err
    restore.upscale(torch.rand(3, 100, 100), 2, Convolutions(2), tile_px=64)
    assert capsys.readouterr().err == ""


class Lesson(nn.Module):
    """What learners build: BatchNorm and dropout, and it was trained a moment ago."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5)
        )

    def forward(self, photo):
        return self.layers(photo)


def test_a_learners_network_answers_as_after_training_and_is_left_as_it_was():
    torch.manual_seed(0)
    network = Lesson()
    network.layers[0].eval()  # frozen, say
    known = {k: v.clone() for k, v in network.state_dict().items()}
    photo = torch.rand(3, 40, 48)
    first, again = restore.deblur(photo, network), restore.deblur(photo, network)
    assert torch.equal(first, again)  # no dropout
    assert all(torch.equal(v, known[k]) for k, v in network.state_dict().items())
    assert [part.training for part in network.layers] == [False, True, True]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_network_is_left_as_it_was(layout):
    network = Lesson().to(memory_format=layout)
    network.layers[0].weight.requires_grad_(False)

    def state():
        return {
            key: (p.tolist(), p.stride(), p.dtype, p.device, p.requires_grad, p.is_inference())
            for key, p in [*network.named_parameters(), *network.named_buffers()]
        } | {"training": [part.training for part in network.modules()]}

    before = state()
    restore.deblur(torch.rand(3, 40, 48), network)
    with torch.inference_mode():
        restore.deblur(torch.rand(3, 40, 48), network)
    with pytest.raises(ValueError, match="whole number"):  # nor by a call that failed
        restore.deblur(torch.rand(3, 40, 48), network, tile_px=0.5)
    network.layers.append(nn.Conv2d(3, 4, 1))
    with pytest.raises(ValueError, match="gave shape"):
        restore.deblur(torch.rand(3, 40, 48), network)
    del network.layers[-1]
    assert state() == before


@pytest.mark.parametrize("name", RESTORING)
def test_the_cards_memory_is_the_measured_one(name):
    from training.measure_models import bytes_per_px

    network = models.load_model(name)
    assert network.info.bytes_per_px == bytes_per_px(network)


def test_measured_memory_is_near_what_four_convolutions_hold():
    from training.measure_models import bytes_per_px

    # input (3) and two layers of 8 channels are alive at once, plus what forward() holds (3)
    assert 4 * (3 + 8 + 8) <= bytes_per_px(Convolutions(1, "deblur")) <= 4 * (3 + 3 + 8 + 8 + 3)


class Elsewhere(nn.Module):
    """Its weights are not on the CPU ("meta" stands for a GPU), and it wants the photo there."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device="meta"))
        self.info = rules("upscale", 2, config={"takes_seed": True})

    def draw_noise(self, shape, factor, seed):
        return torch.zeros(shape)

    def forward(self, photo, noise=None):
        devices = {p.device.type for p in (photo, noise) if p is not None}
        assert devices == {"meta"}
        return torch.ones(1, 3, 2 * photo.shape[-2], 2 * photo.shape[-1])


def test_a_network_on_another_device_gets_all_it_needs_there():
    assert restore.upscale(torch.rand(3, 40, 48), 2, Elsewhere()).mean() == 1


@pytest.mark.parametrize("shape", [(3, 16, 21), (1, 17, 16), (2, 3, 16, 16)], ids=str)
@pytest.mark.parametrize("model", [None, "mssnet-x8-fidelity"])
def test_invented_is_a_share_that_agrees_with_the_photo(shape, model):
    photo = torch.rand(shape, generator=torch.Generator().manual_seed(4)) * 0.8 + 0.1
    answers = [restore.upscale(photo, 8, model, invented=share) for share in (0, 0.5, 1)]
    for answer in answers:
        assert answer.shape == (*shape[:-3], 3, 8 * shape[-2], 8 * shape[-1])
        assert answer.min() >= 0
        assert answer.max() <= 1
        assert torch.as_tensor(metrics.consistency_db(answer, photo)).min() > 45
    smooth, half, whole = answers
    torch.testing.assert_close(half, (smooth + whole) / 2, atol=2e-3, rtol=0)
    assert (whole - smooth).abs().mean() > 0.01
    steps = [answer.diff(dim=-1).abs().mean() for answer in answers]
    if model is None:  # the realistic one: more detail with each step
        assert steps == sorted(steps)


def test_nothing_invented_needs_no_network(monkeypatch):
    def load_model(name):
        raise AssertionError("no network is needed")

    monkeypatch.setattr(inference, "load_model", load_model)
    photo = samples.load("astronaut")[:, 40:52, 190:199]
    for factor in (2, 3, 8):
        answer = restore.upscale(photo, factor, invented=0)
        assert metrics.consistency_db(answer, photo) > 45


@pytest.mark.parametrize("share", [-0.1, 1.5, "half", True, float("nan")])
def test_a_wrong_share_is_refused(share):
    with pytest.raises((ValueError, TypeError), match="invented"):
        restore.upscale(torch.rand(3, 16, 16), 8, invented=share)


def test_two_networks_in_turn():
    photo = samples.load("astronaut")[:, 40:60, 190:214]
    answer = restore.upscale(photo, 8, "rrdn-x8, then realesrgan-x4")
    halfway = restore.upscale(photo, 8, "rrdn-x8")
    halfway = F.interpolate(halfway[None], scale_factor=1 / 4, mode="bicubic", antialias=True)
    by_hand = restore.upscale(halfway[0].clamp(0, 1), 4, "realesrgan-x4")
    assert metrics.psnr(answer, by_hand) > 45
    with pytest.raises(ValueError, match="Choose 8 or another multiple of 4"):
        restore.upscale(photo, 4, "rrdn-x8, then realesrgan-x4")
    with pytest.raises(ValueError, match="does not enlarge"):
        restore.upscale(photo, 8, "rrdn-x8, then mssnet-deblur")


def test_progress_can_be_watched_and_end_the_work():
    network, seen = Convolutions(2), []
    photo = torch.rand(3, 70, 70)
    whole = restore.upscale(photo, 2, network, tile_px=40, progress=lambda *at: seen.append(at))
    shares = [share for share, _ in seen]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert len(shares) > 4
    assert {what for _, what in seen} == {"small-net"}

    class StopWorkError(Exception):
        pass

    def cancel(share, what):
        if share > 0.3:
            raise StopWorkError

    network.train()
    with pytest.raises(StopWorkError):
        restore.upscale(photo, 2, network, tile_px=40, progress=cancel)
    assert network.training  # it is left as it was
    torch.testing.assert_close(restore.upscale(photo, 2, network, tile_px=40), whole)
