"""Every part against a slow loop, and the promises of the lesson on small encoders."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from mssnet_edu import featsharp as fs
from mssnet_edu import images, samples
from mssnet_edu.models import featsharp as network
from mssnet_edu.models import load_model
from mssnet_edu.models.encoders import encode_tiles


class Colours:
    """A tiny encoder: each 4 x 4 px patch by its mean colours, their products, and its place."""

    native_px, patch_px, channels = 32, 4, 8

    def encode(self, photo):
        batch = photo if photo.ndim == 4 else photo[None]
        c = F.avg_pool2d(batch, 4)
        r, g, b = c.unbind(1)
        y = torch.linspace(-1, 1, c.shape[2])[:, None].expand_as(r)
        found = torch.stack([r, g, b, r * g, g * b, r - b, (r - 0.5) ** 2, g + 0.3 * y], 1)
        return found if photo.ndim == 4 else found[0]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return network.FeatSharp(8, 8, heads=2, hidden=16)


@pytest.fixture(scope="module")
def photo():
    """Discs on a ground, whose rims lie between the cells."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 128), torch.linspace(0, 1, 128), indexing="ij")
    found = torch.stack([0.2 + 0.3 * x, 0.3 + 0.2 * y, torch.full_like(x, 0.6)])
    for cy, cx, radius, colour in ((0.3, 0.35, 0.17, 0), (0.7, 0.6, 0.23, 1), (0.75, 0.2, 0.1, 2)):
        inside = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        found[colour][inside], found[(colour + 1) % 3][inside] = 0.95, 0.1
    return found


def slow_attention(query, key, value, bias):
    n, height, width, heads, d = query.shape
    attended = torch.zeros_like(value)
    for i, y, x in itertools.product(range(n), range(height), range(width)):
        window = [
            (v, u)
            for v in range(max(0, y - 3), min(height, y + 4))
            for u in range(max(0, x - 3), min(width, x + 4))
        ]
        distance = torch.tensor([math.hypot(v - y, u - x) for v, u in window])
        for h in range(heads):
            scores = torch.stack([query[i, y, x, h] @ key[i, v, u, h] for v, u in window])
            weights = (scores / math.sqrt(d) + bias(distance)[h, 0]).softmax(0)
            values = torch.stack([value[i, v, u, h] for v, u in window])
            attended[i, y, x, h] = weights @ values
    return attended


@pytest.mark.parametrize("size", [(5, 6), (9, 4)])
def test_windowed_attention_equals_a_slow_loop(size):
    torch.manual_seed(1)
    query, key, value = (torch.randn(2, *size, 2, c) for c in (4, 4, 3))
    slope = torch.tensor([0.3, 2.0])[:, None, None]

    def bias(distance):
        return -slope * distance

    fast = network.windowed_attention(query, key, value, bias)
    assert torch.allclose(fast, slow_attention(query, key, value, bias), atol=1e-5)


def test_jbu_equals_a_slow_loop():
    torch.manual_seed(2)
    jbu = network.JBU(keys=4)
    jbu.log_sigma.data.fill_(0.4)
    features, photo = torch.randn(1, 3, 3, 4), torch.rand(1, 3, 12, 16)
    enlarged = F.interpolate(features, scale_factor=2, mode="bilinear")
    keys = jbu.range_projection(F.avg_pool2d(photo, 2))[0]
    fast = jbu(features, photo)[0]
    for y, x in ((0, 0), (2, 5), (5, 7), (3, 3)):
        total = norm = 0
        for v in range(max(0, y - 3), min(6, y + 4)):
            for u in range(max(0, x - 3), min(8, x + 4)):
                alike = (keys[:, y, x] @ keys[:, v, u] / 2).exp()
                weight = alike * math.exp(-((v - y) ** 2 + (u - x) ** 2) / 2 / math.exp(0.8))
                total, norm = total + weight * enlarged[0, :, v, u], norm + weight
        assert torch.allclose(fast[:, y, x], total / norm, atol=1e-5)


def test_jbu_of_a_constant_is_constant(model):
    features = torch.arange(8.0)[None, :, None, None].expand(1, 8, 5, 7)
    for factor in (2, 4):
        found = model.upsample_jbu(features, torch.rand(1, 3, 50, 70), factor)
        assert found.shape == (1, 8, 5 * factor, 7 * factor)
        assert torch.allclose(
            found, torch.arange(8.0)[None, :, None, None].expand_as(found), atol=1e-5
        )


def test_jbu_stays_between_the_values_it_got(model):
    features = torch.rand(1, 8, 6, 6)
    found = model.upsample_jbu(features, torch.rand(1, 3, 24, 24), 4)
    assert found.min() >= features.min() - 1e-6
    assert found.max() <= features.max() + 1e-6


def test_jbu_mixes_nothing_across_an_edge_that_it_sees():
    class Sides(torch.nn.Module):
        def forward(self, photo):  # keys at right angles on the two sides
            return torch.cat([photo[:, :1], 1 - photo[:, :1]], 1) * 10

    jbu = network.JBU()
    jbu.range_projection = Sides()
    photo = torch.zeros(1, 3, 16, 16)
    photo[..., 8:] = 1
    features = torch.zeros(1, 1, 8, 8)
    features[..., 4:] = 1
    found, enlarged = jbu(features, photo), F.interpolate(features, scale_factor=2, mode="bilinear")
    step = found[..., 8] - found[..., 7]
    assert (step > 0.7).all()
    assert (enlarged[..., 8] - enlarged[..., 7] < 0.6).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_an_untrained_fusion_is_jbu(model, factor):
    low, photo = torch.randn(1, 8, 8, 8), torch.rand(1, 3, 32, 32)
    tiled = torch.randn(1, 8, 8 * factor, 8 * factor)
    wanted = model.upsample_jbu(model.standardise(low), photo, factor)
    assert torch.allclose(model(low, tiled, photo, factor), wanted, atol=1e-5)


def test_the_fusion_can_reproduce_tiles_that_are_true():
    torch.manual_seed(3)
    fusion = network.Fusion(8, heads=2, key=8, hidden=32)
    optimiser = torch.optim.Adam(fusion.parameters(), lr=2e-2)
    error = None
    for step in range(150):
        truth = torch.randn(4, 8, 8, 8)
        smooth = F.interpolate(F.avg_pool2d(truth, 2), scale_factor=2, mode="bilinear")
        optimiser.param_groups[0]["lr"] = 2e-2 * (1 - step / 150)
        error = (fusion(smooth, truth) - truth).square().mean() / (smooth - truth).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert error < 0.05


def test_the_distance_tells_neighbours_apart():
    """With all scores equal, a head with a steep slope attends to the cell itself."""
    fusion = network.Fusion(4, heads=2, key=4, hidden=4)
    fusion.log_slope.data = torch.tensor([4.0, -20.0])
    for layer in (fusion.query, fusion.key):
        layer.weight.data.zero_()
        layer.bias.data.zero_()
    fusion.value.weight.data = torch.eye(8)[:4]
    fusion.value.bias.data.zero_()
    fusion.out.weight.data = torch.eye(8)[:, :4]
    fusion.out.bias.data.zero_()
    x = torch.randn(1, 9, 9, 8)
    found = fusion.attend(x)
    assert torch.allclose(found[..., :2], x[..., :2], atol=1e-5)
    assert torch.allclose(found[0, 4, 4, 2:4], x[0, 1:8, 1:8, 2:4].mean((0, 1)), atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4])
def test_the_down_sampler_is_a_mean_and_equals_a_convolution(factor):
    down = network.DownSampler(factor)
    down.window.data = torch.randn(3 * factor)
    maps = torch.randn(2, 3, 4 * factor, 5 * factor)
    one = down.window.softmax(0)
    f = factor
    padded = F.pad(maps, (f, f, f, f), mode="replicate")
    kernel = (one[:, None] * one).expand(3, 1, 3 * f, 3 * f)
    assert torch.allclose(down(maps), F.conv2d(padded, kernel, stride=f, groups=3), atol=1e-5)
    assert torch.allclose(down(torch.ones_like(maps)), torch.ones(2, 3, 4, 5))


def test_a_view_of_features_lies_where_the_view_of_the_photo_does(photo):
    encoder = Colours()
    boxes = fs.draw_views(6, torch.Generator().manual_seed(0), max_zoom=2)
    assert boxes[:, 2].min() >= 0.5
    assert (boxes[:, :2] + boxes[:, 2:3]).max() <= 1
    large = fs.encode(encoder, photo, 4)[None]  # (1, C, 32, 32)
    for box in boxes:
        seen = encoder.encode(fs.take_view(photo[None], box, 32))[:, :7]
        cut = F.avg_pool2d(network.view_of(large, box, (32, 32)), 4)[:, :7]
        assert (cut - seen).abs().mean() < 0.03
        flipped = network.view_of(large, torch.tensor([*box[:3], 1 - box[3]]), (32, 32))
        assert torch.allclose(F.avg_pool2d(flipped, 4)[:, :7].flip(3), cut, atol=1e-5)


def test_cutting_and_averaging_in_one_step_is_the_same(photo):
    down, maps = network.DownSampler(2), torch.randn(1, 3, 16, 12)
    for box in fs.draw_views(4, torch.Generator().manual_seed(1)):
        wanted = down(network.view_of(maps, box, (16, 12)))
        assert torch.allclose(down.view(maps, box, (16, 12)), wanted, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 4, 12, 16, 24, 40, 80, 112, 192, 320, 384])
def test_hadamard(size):
    found = network.hadamard(size)
    assert (found.abs() == 1).all()
    assert torch.equal(found @ found.T, size * torch.eye(size))


def test_no_hadamard_is_said():
    with pytest.raises(ValueError, match="multiple of 4"):
        network.hadamard(6)


def test_phi_s_makes_all_channels_vary_alike_and_keeps_angles():
    torch.manual_seed(4)
    tokens = torch.randn(3000, 12) @ torch.randn(12, 12) + 3
    mean, rotation, scale = network.phi_s(tokens)
    found = (tokens - mean) @ rotation.T / scale
    assert torch.allclose(found.var(0, unbiased=False), torch.ones(12), atol=1e-3)
    assert torch.allclose(rotation @ rotation.T, torch.eye(12), atol=1e-5)
    model = network.FeatSharp(12, 4, heads=2, hidden=8)
    model.mean.copy_(mean)
    model.rotation.copy_(rotation)
    model.scale.fill_(scale)
    maps = tokens[:16].T.reshape(1, 12, 4, 4)
    assert torch.allclose(model.unstandardise(model.standardise(maps)), maps, atol=1e-4)


def test_tiles_are_the_encoder_on_each_piece(photo):
    encoder = Colours()
    large = fs.resize(photo[None], 64)
    found = encode_tiles(encoder, large, 2)
    assert found.shape == (1, 8, 16, 16)
    assert torch.equal(found[..., 8:, :8], encoder.encode(large[..., 32:, :32]))


def test_the_fixed_pattern_repeats_in_every_tile(model):
    model.bias.data.normal_()
    bias = model.bias_for(16, 16, 2)
    assert torch.equal(bias[..., :8, :8], bias[..., 8:, 8:])
    assert torch.equal(bias[..., :8, :8], model.bias)
    assert model.bias_for(8, 12).shape == (1, 8, 8, 12)
    model.bias.data.zero_()


def test_each_tile_has_a_place(model):
    place = model.tile_embedding_for(8, 12, 2)
    assert place.shape == (1, 8, 8, 12)
    model.tile_embedding["2"].data = torch.arange(4.0)[:, None].expand(4, 8).clone()
    assert (
        model.tile_embedding_for(4, 4, 2)[0, 0].tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2
    )
    model.tile_embedding["2"].data.zero_()


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("method", fs.METHODS)
def test_upsample_gives_factor_times_the_resolution(model, photo, method, factor):
    oblong = photo[:, :96]  # 128 x 96 px -> 32 x 44 px: 8 x 11 patches
    found = fs.upsample(Colours(), oblong, factor, method, model)
    assert found.shape == (8, 8 * factor, 11 * factor)
    assert torch.isfinite(found).all()


def test_fidelity_by_hand():
    target = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]])  # variance 1
    assert fs.fidelity(target + 0.5, target) == pytest.approx(4)
    assert fs.fidelity(torch.ones_like(target), target) == pytest.approx(1)


def test_training_lowers_the_loss_and_beats_bilinear_on_photos_it_never_saw(tmp_path):
    """The trainer of the course, with a tiny encoder, on scenes drawn here; two are held out."""
    from training.featsharp import Trainer, collect

    scenes = []
    generator = torch.Generator().manual_seed(5)
    for number in range(8):
        y, x = torch.meshgrid(*[torch.linspace(0, 1, 160)] * 2, indexing="ij")
        found = torch.rand(3, 1, 1, generator=generator).expand(3, 160, 160).clone()
        for _ in range(25):
            cy, cx, r = torch.rand(3, generator=generator).tolist()
            inside = (y - cy) ** 2 + (x - cx) ** 2 < (0.03 + 0.12 * r) ** 2
            found[:, inside] = torch.rand(3, 1, generator=generator)
        path = images.save(found, tmp_path / f"{number}.png")
        scenes.append(collect(Colours(), path, seed=number))
    torch.manual_seed(0)
    rows = []
    model = network.FeatSharp(8, 8, heads=2, hidden=32)
    trainer = Trainer(model, scenes[:6], scenes[6:], log=rows.append)
    trainer.train_jbu(steps=100, every=10)
    trainer.train_fusion(2, steps=400, every=10)
    trainer.train_fusion(4, start_from=2, steps=60, every=10)
    fused = [row["loss"] for row in rows if row["part"] == "2x"]
    assert fused[-1] < 0.9 * fused[0]  # running means: the first steps weigh in both
    for factor in (2, 4):
        found = trainer.fidelities(factor)
        assert found["featsharp"] > max(found["bilinear"], found["jbu"]), found


def test_a_kept_scene_is_read_only_for_what_it_was_made_of(tmp_path, monkeypatch):
    from training import featsharp as training

    calls = []

    def collect(encoder, path, seed, factors, bf16):
        calls.append((path.parent.name, factors, bf16))
        return {"photo": torch.rand(1, generator=torch.Generator().manual_seed(seed))}

    monkeypatch.setattr(training, "collect", collect)
    files = []
    for folder in ("one", "other"):  # two photos of one name
        (tmp_path / folder).mkdir()
        files.append(images.save(torch.rand(3, 8, 8), tmp_path / folder / "a.png"))

    def scenes(order, bf16=False):
        cached = training.cached_scenes(None, order, tmp_path / "cache", 0, bf16, 1)
        return [scene["photo"].item() for scene in cached]

    first = scenes(files)
    assert calls == [("one", (2, 4), False), ("other", (2,), False)]
    assert first[0] != first[1]
    assert scenes(files) == first
    assert len(calls) == 2  # read again
    scenes(files[::-1])
    assert calls[2:] == [("other", (2, 4), False), ("one", (2,), False)]  # the other one has 4x now
    scenes(files, bf16=True)
    assert len(calls) == 6


def test_fit_is_the_same_for_the_same_seed_and_lowers_the_loss(photo):
    fits = [fs.fit(Colours(), photo, steps=25, views=12, seed=s, progress=False) for s in (1, 1, 2)]
    assert fits[0].losses == fits[1].losses != fits[2].losses
    assert sum(fits[0].losses[-5:]) < sum(fits[0].losses[:5])
    assert fits[0].after > fits[0].before
    found = fs.upsample(Colours(), photo, 2, "featsharp", fits[0].model)
    assert found.shape == (8, 16, 16)


def test_similarity_of_a_cell_with_itself_is_one():
    torch.manual_seed(6)
    maps = torch.randn(8, 5, 6)
    found = fs.cosine_similarity(maps, 2, 4)
    assert found[2, 4] == pytest.approx(1, abs=1e-5)
    assert found.abs().max() <= 1 + 1e-5
    with pytest.raises(ValueError, match="outside the map of 5 rows and 6 columns"):
        fs.cosine_similarity(maps, 5, 0)


def test_equal_features_get_equal_colours_in_maps_of_any_size():
    torch.manual_seed(7)
    maps = torch.randn(8, 6, 6)
    small, large = fs.pca_colours([maps, maps.repeat_interleave(2, 1).repeat_interleave(2, 2)])
    assert torch.allclose(small.repeat_interleave(2, 1).repeat_interleave(2, 2), large, atol=1e-5)
    assert 0 <= small.min() <= small.max() <= 1


def test_the_mean_over_photos_keeps_what_all_share():
    generator = torch.Generator().manual_seed(8)
    photos = [torch.rand(3, 32, 40, generator=generator) for _ in range(40)]
    mean = fs.mean_features(Colours(), photos)
    slope = mean[7, -1] - mean[7, 0]  # the last channel knows its place
    assert (slope - 0.6).abs().max() < 0.1
    assert mean[0].abs().max() < 0.1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"method": "bicubic"}, ValueError, "expected one of nearest"),
        ({"factor": 3}, ValueError, "expected 2 or 4"),
        ({"photo": torch.rand(2, 3, 64, 64)}, ValueError, r"photo\[0\]"),
        ({"photo": torch.rand(3, 32, 200)}, ValueError, "more than 4 times"),
        ({"encoder": "vit-s14"}, TypeError, "featsharp.encoder"),
        ({}, ValueError, "me.featsharp.fit"),
    ],
)
def test_what_is_wrong_is_said(change, error, words):
    given = {"encoder": Colours(), "photo": torch.rand(3, 64, 64), "method": "featsharp", **change}
    with pytest.raises(error, match=words):
        fs.upsample(**given)


@pytest.mark.parametrize("factor", [2, 4])
def test_the_courses_own_has_a_lower_loss_than_bilinear_and_jbu_on_a_photo_it_never_saw(factor):
    encoder, model = fs.encoder("vit-s14"), load_model("featsharp-vit-s14")
    photo = images.load(samples.find_data("validation/piazza-gae-aulenti_1.webp"))[None]
    boxes = fs.draw_views(3, torch.Generator().manual_seed(0), max_zoom=factor)
    with torch.inference_mode():
        views = torch.cat([encoder.encode(fs.take_view(photo, box, 224)) for box in boxes])
        views = model.standardise(views)
        scores = {}
        for method in ("bilinear", "jbu", "featsharp"):
            maps = model.standardise(fs.upsample(encoder, photo, factor, method)[None])
            if method != "featsharp":  # all are judged without the fixed pattern
                low = model.pattern(16, 16)[None]
                low = F.interpolate(low, scale_factor=factor, mode="bilinear")
                maps = maps - torch.einsum("dc,nchw->ndhw", model.rotation, low) / model.scale
            down, bias = model.down[str(factor)], model.bias
            scores[method] = float(network.view_loss(maps, views, boxes, down, bias)[0])
    assert scores["featsharp"] < 0.97 * min(scores["bilinear"], scores["jbu"]), scores


def test_the_trained_one_is_found_by_its_encoder():
    assert fs.trained_for(fs.encoder("vit-s14")) is load_model("featsharp-vit-s14")
    assert fs.trained_for(Colours()) is None
