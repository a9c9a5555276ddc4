"""The overexposure network: what it must keep whatever its weights are, and its training."""

import hashlib
import itertools
import json
import math

import pytest
import torch
from safetensors.torch import load_file

from mssnet_edu import exposure, images
from mssnet_edu.models import catalogue
from mssnet_edu.models import overexposure as model
from mssnet_edu.models.overexposure import Overexposure, build
from training import export_overexposure, overexposure, panoramas, train, views
from training.checkpoint import load_weights


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Overexposure(width=8, blocks=1).eval()
    with torch.no_grad():  # a trained one does not begin at the middle of its range
        network.head[-1].weight.mul_(30)
    return network


def frames(count=2, height=40, width=56, seed=0):
    generator = torch.Generator().manual_seed(seed)
    light = 1.5 * torch.rand(count, 3, height, width, generator=generator)
    return exposure.capture(light, seed=seed)


# --- what it keeps -------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, frames(seed=1)])
@pytest.mark.parametrize("seed", [None, 4])
def test_recorded_values_pass_through_bit_for_bit(network, reference, seed):
    frame = frames()
    with torch.inference_mode():
        light = network(frame, 1.0, reference, 0.0, seed)
    white = exposure.clipped(frame, "each")
    assert 0.1 < white.float().mean() < 0.9
    assert torch.equal(light[~white], images.to_linear(frame)[~white])
    assert light[white].min() >= 1  # the camera said: at least white
    assert light[white].max() <= 2**exposure.CEILING_STOPS
    assert light[white].std() > 0  # and it answers something


def test_the_answer_gives_the_same_frame_again(network):
    """What was filled in agrees with the camera: expose it again, and it is as white as before."""
    frame = frames(1)[0]
    with torch.inference_mode():
        light = network(frame[None])[0]
    assert torch.equal(exposure.capture(light, 0.0, math.inf, 0.0), frame)


def test_a_dark_frame_comes_back_unchanged(network):
    frame = frames() * 0.5
    with torch.inference_mode():
        assert torch.equal(network(frame, 0.0, frame, -1.0), images.to_linear(frame))


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 80)])
def test_any_size_will_do(network, size):
    frame = frames(1, *size)
    with torch.inference_mode():
        fill = network.fill(frame, 0.0, frame, -1.0)
    assert fill.light.shape == fill.remembered.shape == (1, 3, *size)
    assert fill.displacement.shape == (1, 2, *size)
    assert torch.isfinite(fill.light).all()


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_fewer_scales_for_the_ablation(scales):
    network = build(width=8, scales=scales, blocks=1).eval()
    frame = frames(1)
    with torch.inference_mode():
        assert network(frame, 0.0, frame, 0.0, seed=1).shape == frame.shape
        assert network(frame).shape == frame.shape


def test_it_is_small_enough():
    assert sum(p.numel() for p in build().parameters()) <= 3_000_000


# --- the reference -------------------------------------------------------------------------------


def test_only_the_difference_of_the_exposures_counts(network):
    frame, reference = frames(), frames(seed=1)
    with torch.inference_mode():
        one, same = (network(frame, ev, reference, ev - 2) for ev in (0.0, 1.5))
        other = network(frame, 0.0, reference, -1.0)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_what_is_remembered_is_the_references_light_in_the_frames_exposure(monkeypatch):
    """With the gate open and everything aligned, the answer is the true light."""
    light = exposure.expose(torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(5)), 2)
    frame = exposure.capture(light, 0.0, math.inf, 0.0)
    reference = exposure.capture(light, -2.5, math.inf, 0.0)
    torch.manual_seed(1)
    still = Overexposure(width=8, blocks=1).eval()
    monkeypatch.setattr(model, "camera_motion", lambda stops, *_: torch.zeros(1, 2, 32, 48))
    still.aligner._attend = lambda query, key, value: (
        value if value.dim() == 3 else value.expand(len(query), -1, -1)  # each place is itself
    )
    with torch.no_grad():
        still.refiner.body[-1].weight.zero_()
        still.refiner.body[-1].bias.zero_()
        still.head[-1].weight.zero_()
        still.head[-1].bias[12:] = 20.0
        fill = still.fill(frame, 0.0, reference, -2.5)
        away = still.fill(frame, 0.0, torch.ones_like(reference), -2.5)
    white = exposure.clipped(frame, "each")
    assert fill.displacement.abs().max() < 1e-4
    assert torch.allclose(fill.light[white], light[white].clamp(min=1), rtol=0.03)
    assert fill.remembered[white].mean() > 0.95
    assert fill.remembered[~white].sum() == 0
    assert away.remembered.sum() == 0  # a reference that is white everywhere remembers nothing


def test_without_a_reference_nothing_is_remembered(network):
    with torch.inference_mode():
        fill = network.fill(frames())
    assert fill.remembered.sum() == 0
    assert fill.displacement is None


def test_a_seed_draws_one_of_many(network):
    frame = frames(1)
    with torch.inference_mode():
        best, first, again, other = (network(frame, seed=seed) for seed in (None, 1, 1, 2))
    assert torch.equal(first, again)
    for one, two in itertools.combinations((best, first, other), 2):
        assert not torch.equal(one, two)


@pytest.mark.parametrize(
    ("reference", "ev", "words"),
    [
        (frames(2, 48, 56), 0.0, "two frames of one size"),
        (frames(2), None, "the EV of both"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(network, reference, ev, words):
    with pytest.raises(ValueError, match=words):
        network(frames(), 0.0, reference, ev)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="scales is 4"):
        build(scales=4)
    with pytest.raises(ValueError, match="multiple of 4"):
        build(width=10)
    with pytest.raises(images.PhotoError, match="0 to 255"):
        build(width=8)(255 * torch.eye(16).expand(1, 3, 16, 16))


# --- training ------------------------------------------------------------------------------------


def room(seed):
    """A panorama with a bright window and some structure in it."""
    generator = torch.Generator().manual_seed(seed)
    light = 0.1 + 0.2 * torch.rand(3, 8, 16, generator=generator)
    light = torch.nn.functional.interpolate(light[None], scale_factor=8, mode="bicubic")[0]
    light = light.clamp(min=0.01)
    light[:, 24:40, ::16] += 4
    light[:, 24:40, 3::16] += 2
    return light


@pytest.fixture(scope="module")
def scenes():
    return [views.render_views(room(seed), 3, 48, seed) for seed in (0, 1)]


def trainer(scenes, out, **options):
    settings = {"config": {"width": 8, "scales": 2}, "batch": 2, "size_px": 32, "rate": 2e-3}
    return overexposure.Trainer(scenes, scenes[:1], out, **{**settings, **options})


def test_views_show_what_the_poses_say(scenes):
    scene = scenes[0]
    assert scene["light"].shape == (3, 3, 3, 48, 48)
    assert scene["light"].dtype == torch.float16
    seen = exposure.view(room(0), scene["poses"][1, 2], (48, 48), float(scene["fov_deg"][1]))
    free = ~scene["covered"][1, 2].expand(3, -1, -1)
    assert torch.allclose(scene["light"][1, 2].float()[free], seen[free], rtol=2e-3)


def test_a_batch_is_clipped_as_much_as_was_wanted(scenes):
    generator = torch.Generator().manual_seed(3)
    batch = overexposure.make_batch(scenes, 16, 32, generator, overexposure.REFERENCES)
    white = exposure.clipped(batch.frame)
    share = white.float().mean((1, 2, 3))
    assert share.min() >= 0.015
    assert share.max() <= 0.33
    assert torch.equal(batch.weight > 0, exposure.clipped(batch.frame, "each"))
    dark = batch.weight == 0
    assert torch.isfinite(batch.displacement).float().mean() > 0.2
    assert batch.stops[~dark].mean() > batch.stops[dark].mean()
    alone = overexposure.make_batch(scenes, 2, 32, generator, None)
    assert alone.reference is None


def test_an_ideal_reference_holds_the_truth(scenes):
    generator = torch.Generator().manual_seed(4)
    batch = overexposure.make_batch(scenes, 4, 32, generator, {"ideal": 1.0})
    assert exposure.clipped(batch.reference).float().mean() < 0.01
    there = exposure.expose(images.to_linear(batch.reference), batch.gain_ev)
    white = batch.weight == 1
    error = torch.log2(there.clamp(min=1e-3))[white] - batch.stops[white]
    assert error.abs().median() < 0.1
    assert batch.displacement.nan_to_num().abs().max() < 1e-3


def test_the_energy_score_prefers_honest_spread():
    """Of a fair coin, drawing from it scores better than its mean, and than always heads."""
    generator = torch.Generator().manual_seed(0)
    shape = (400, 3, 16, 16)

    def coin():
        return (torch.rand(400, 1, 1, 1, generator=generator) < 0.5).float().expand(shape)

    truth, weight = coin(), torch.ones(shape)
    mean, heads = torch.full(shape, 0.5), torch.ones(shape)
    honest = overexposure.energy(coin(), coin(), truth, weight)
    assert honest < 0.7 * overexposure.energy(mean, mean, truth, weight)
    assert honest < 0.7 * overexposure.energy(heads, heads, truth, weight)
    exact = overexposure.energy(truth, truth, truth, weight)
    assert exact < 0.01


@pytest.mark.parametrize("loss", sorted(overexposure.LOSSES))
def test_training_lowers_the_loss(scenes, tmp_path, loss):
    t = trainer(scenes, tmp_path, loss=loss)
    before = t.validate()
    row = t.run(steps=40)
    assert row["none"] > before["none"]
    assert math.isfinite(row["draw"])
    assert row["white"] == pytest.approx(before["white"], abs=1e-2)  # the same frames each time


def test_a_run_resumes_to_the_last_bit(scenes, tmp_path):
    whole = trainer(scenes, tmp_path / "whole")
    whole.run(steps=4)
    first = trainer(scenes, tmp_path / "part")
    first.schedule = (0, 4)
    for _ in range(2):
        overexposure.set_learning_rates([first.optimiser], first.step / 4, (first.step + 1) / 100)
        first.train_step()
        first.step += 1
    first.save()
    trainer(scenes, tmp_path / "part", resume=True).run(steps=4)
    one, two = (load_weights(tmp_path / f / "ema.safetensors") for f in ("whole", "part"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    with pytest.raises(ValueError, match="another size"):
        trainer(scenes, tmp_path / "part", resume=True, config={"width": 16, "scales": 2})


def test_the_command_trains_and_the_run_is_exported(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "panoramas"
    folder.mkdir()
    for name in ("stranger", "thatch_chapel"):
        (folder / f"{name}.exr").write_bytes(name.encode())
    monkeypatch.setattr(panoramas, "read", lambda path: room(len(path.stem)))
    monkeypatch.setattr(overexposure, "RENDERED_PX", 32)
    monkeypatch.setattr(overexposure, "VALIDATION_ITEMS", 2)
    out = tmp_path / "runs" / "one"
    command = ["overexposure", "--panoramas", str(folder), "--out", str(out), "--steps", "2"]
    command += ["--batch", "2", "--size", "32", "--width", "8", "--items", "2", "--scales", "2"]
    assert train.main(command) == 0
    assert len(list((tmp_path / "runs" / "views").glob("*.safetensors"))) == 2
    about = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (about["recipe"], about["step"], about["config"]["scales"]) == ("overexposure", 2, 2)

    info = export_overexposure.export(out, tmp_path / "weights")
    network = catalogue.load_model("overexposure", tmp_path / "weights")
    assert info.task == "fill"
    frame = frames(1)
    assert network(frame).shape == frame.shape
    for kind, seed in itertools.product(("full", "single-scale"), (0, 1)):
        run = tmp_path / "ablation" / f"{kind}-{seed}"
        run.mkdir(parents=True)
        row = {"step": 7, **dict.fromkeys(export_overexposure.COLUMNS, 20.0 + seed)}
        (run / "log.csv").write_text(
            ",".join(row) + "\n" + ",".join(map(str, row.values())), encoding="utf-8"
        )
        (run / "done").touch()
    table = tmp_path / "ablation.csv"
    info = export_overexposure.write_ablation(tmp_path / "ablation", table, tmp_path / "weights")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 5
    lines = info.measured[export_overexposure.ABLATION_TITLE]
    assert lines["full"]["no reference"] == 20.5
    assert lines["full"]["± none"] == pytest.approx(12.71 / 2, abs=0.01)  # t of one degree
    apart = lines["single-scale less full, seed by seed"]
    assert (apart["no reference"], apart["± none"]) == (0, 0)  # the seeds move both alike
    (run / "done").unlink()
    with pytest.raises(ValueError, match="two finished seeds"):
        export_overexposure.write_ablation(tmp_path / "ablation", table, tmp_path / "weights")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["overexposure", "--photos", "x"], "give --panoramas"),
        (["deblur", "--panoramas", "x"], "give --photos"),
        (["overexposure", "--panoramas", "x", "--gain", "1"], "--gain"),
        (["overexposure", "--panoramas", "nowhere"], "nowhere is not a folder"),
        (["deblur", "--photos", "x", "--width", "8"], "--width"),
        (["deblur", "--photos", "x", "--loss", "pu"], "--loss pu is for overexposure"),
    ],
)
def test_options_that_do_not_fit_are_named(command, words, capsys):
    assert train.main([*command, "--steps", "1"]) == 2
    assert words in capsys.readouterr().err


# --- panoramas -----------------------------------------------------------------------------------


def write(path, pixels):
    """A picture file of float32 numbers (H, W, 3)."""
    oiio = pytest.importorskip("OpenImageIO")
    buffer = oiio.ImageBuf(oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, oiio.FLOAT))
    buffer.set_pixels(buffer.roi, pixels.numpy())
    assert buffer.write(str(path)), buffer.geterror()


@pytest.mark.parametrize("suffix", ["exr", "hdr"])
def test_panoramas_are_read_from_both_formats(tmp_path, suffix):
    pixels = 0.5 + torch.rand(16, 32, 3, generator=torch.Generator().manual_seed(2))
    pixels[3, 4] = 90_000
    if suffix == "exr":  # .hdr knows no negative numbers
        pixels[5, 6] = -0.01
    write(tmp_path / f"sky.{suffix}", pixels)
    light = panoramas.read(tmp_path / f"sky.{suffix}")
    assert light.shape == (3, 16, 32)
    assert float(images.luma(light).median()) == pytest.approx(0.18, rel=1e-3)
    wanted = pixels.clamp(0, 30_000).permute(2, 0, 1)
    gain = 0.18 / float(images.luma(wanted).median())
    assert torch.allclose(light, gain * wanted, rtol=0.02, atol=0.01)
    exposure.as_light(light)


def test_files_that_are_no_panoramas_are_refused(tmp_path):
    write(tmp_path / "square.exr", torch.ones(16, 16, 3))
    write(tmp_path / "black.exr", torch.zeros(8, 16, 3))
    (tmp_path / "broken.hdr").write_text("nothing", encoding="utf-8")
    for name, words in (
        ("square.exr", "twice as wide"),
        ("black.exr", "no light"),
        ("broken.hdr", "cannot be read"),
    ):
        with pytest.raises(images.PhotoError, match=words):
            panoramas.read(tmp_path / name)


def test_panoramas_are_split_by_the_projects_list(tmp_path):
    for name in ("interior.exr", "thatch_chapel.exr", "city.hdr", "stranger.exr", "note.txt"):
        (tmp_path / name).touch()
    parts = panoramas.split_panoramas([tmp_path])
    assert {split: sorted(files) for split, files in parts.items()} == {
        "train": ["city", "stranger"],
        "validation": ["thatch_chapel"],
        "test": ["interior"],
    }
    (tmp_path / "city.exr").touch()
    with pytest.raises(ValueError, match="the same name"):
        panoramas.panorama_files([tmp_path])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="holds no panoramas"):
        panoramas.panorama_files([empty])


def test_the_light_is_made_from_the_files_that_are_credited(tmp_path, monkeypatch):
    from tools.provenance import make_light

    (tmp_path / "other.exr").touch()
    with pytest.raises(SystemExit, match="courtyard is in none"):
        make_light.main([str(tmp_path)])
    (tmp_path / "courtyard.exr").write_bytes(b"another")
    with pytest.raises(SystemExit, match="not the file of CREDITS"):
        make_light.main([str(tmp_path)])
    monkeypatch.setattr(make_light, "SHIPPED", ("courtyard",))
    listed = {"courtyard": {"sha256": hashlib.sha256(b"another").hexdigest()}}
    monkeypatch.setattr(panoramas, "credits", lambda: listed)
    monkeypatch.setattr(panoramas, "read", lambda path: room(0))
    make_light.main([str(tmp_path), "--out", str(tmp_path)])
    stored = load_file(tmp_path / "courtyard.safetensors")["light"]
    assert torch.allclose(stored.float(), room(0), rtol=1e-3)
