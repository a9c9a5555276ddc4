"""MSSNet against its golden reference, and everything a learner may feed it."""

import copy
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mssnet_edu import models, mssnet, restore, samples
from mssnet_edu.images import PhotoError
from mssnet_edu.mssnet import MSSNet, MSSNetConfig, load_official_checkpoint
from mssnet_edu.tiling import pad, padded_size

DATA = Path(__file__).parents[1] / "data"
NAMES = ["S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2", "S3-U3"]


@pytest.fixture(scope="module")
def golden():
    return load_file(DATA / "mssnet_reference.safetensors")


@pytest.fixture(scope="module")
def model():
    return load_official_checkpoint(DATA / "mssnet_reference.pt")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_all_six_outputs_equal_the_golden_ones(golden, suffix):
    model = load_official_checkpoint(DATA / f"mssnet_reference.{suffix}")
    with torch.no_grad():
        results = list(model.stages(golden["input"]))
    assert [r.name for r in results] == NAMES
    for r in results:
        expected = golden[f"output.{r.name.lower().replace('-', '_')}"]
        torch.testing.assert_close(r.photo, expected, atol=1e-5, rtol=0)


def test_it_says_which_network_it_found(capsys):
    model = load_official_checkpoint(DATA / "mssnet_reference.pt")
    assert "wf=8, scale=6, vscale=4" in capsys.readouterr().out
    assert model.config == MSSNetConfig(8, 6, 4)
    assert not model.training


@pytest.mark.parametrize(
    ("config", "millions"),
    [
        (MSSNetConfig.small(), 6.76),
        (MSSNetConfig.official(), 15.61),
        (MSSNetConfig.large(), 28.18),
    ],
)
def test_sizes_of_the_paper(config, millions):
    with torch.device("meta"):
        model = MSSNet(config)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_forward_is_the_last_stage(model, golden):
    with torch.no_grad():
        *_, last = model.stages(golden["input"])
        torch.testing.assert_close(model(golden["input"]), last.photo)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (50, 81), (64, 95)])
def test_any_size_from_32_px(model, height, width):
    photo = torch.rand(2, 3, height, width)
    with torch.no_grad():
        results = list(model.stages(photo))
        answer = model(photo)
    assert answer.shape == photo.shape
    assert results[0].photo.shape == (2, 3, (height + 1) // 2, (width + 1) // 2)
    for r in results[1:]:
        assert r.photo.shape == photo.shape == r.residual.shape
        torch.testing.assert_close(r.photo, photo + r.residual)
    assert [r.scale for r in results] == ["S1", "S2", "S2", "S3", "S3", "S3"]
    assert all(r.seconds > 0 and r.features is None for r in results)


def test_a_batch_gives_what_each_photo_gives(model):
    batch = torch.rand(3, 3, 48, 64)
    with torch.no_grad():
        together = model(batch)
        alone = torch.stack([model(photo) for photo in batch])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_dimensions_come_back_as_they_went_in(model):
    photo = torch.rand(3, 40, 40)
    with torch.no_grad():
        assert model(photo).shape == (3, 40, 40)
        assert next(iter(model.stages(photo))).photo.shape == (3, 20, 20)
        assert next(iter(model.stages(photo[None]))).photo.shape == (1, 3, 20, 20)


def test_grey_is_repeated_to_three_channels(model):
    grey = torch.rand(1, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(grey), model(grey.expand(3, -1, -1)))


def test_channels_last_is_the_same_network(model):
    photo = torch.rand(1, 3, 64, 64)
    twin = copy.deepcopy(model).to(memory_format=torch.channels_last)
    with torch.no_grad():
        a, b = model(photo), twin(photo.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_features_on_request(model):
    with torch.no_grad():
        found = [r.features.shape for r in model.stages(torch.rand(1, 3, 64, 64), features=True)]
    assert [tuple(s) for s in found] == [(1, 8, s, s) for s in (16, 32, 32, 64, 64, 64)]


def test_stages_come_one_by_one(model):
    calls = []
    handle = model.s3.unets[2].register_forward_hook(lambda *_: calls.append("S3-U3"))
    with torch.no_grad():
        stages = model.stages(torch.rand(3, 32, 32))
        next(stages)
        assert not calls, "the last U-Net ran before anybody asked for it"
        list(stages)
    handle.remove()
    assert calls == ["S3-U3"]


def test_no_grad_leaves_no_graph_and_grad_leaves_one(model):
    photo = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert not model(photo).requires_grad
    assert all(r.photo.requires_grad for r in model.stages(photo))


def test_one_prelu_for_the_whole_network(model):
    assert sum("act" in name for name in model.state_dict()) == 1
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.act.weight.fill_(1.0)  # a PReLU with slope 1 does nothing: the copy must feel it
        assert not torch.allclose(twin(torch.ones(3, 32, 32)), model(torch.ones(3, 32, 32)))
    assert twin.s3.unets[2].decoder.levels[0][1].act is twin.act


@pytest.mark.parametrize(
    "photo",
    [
        torch.full((3, 40, 40), torch.nan),
        torch.rand(3, 31, 40),
        torch.rand(2, 40, 40),
        torch.rand(40, 40),
        torch.rand(3, 40, 40) * 255,
    ],
    ids=["nan", "small", "two channels", "flat", "0-255"],
)
def test_bad_photos_are_refused(model, photo):
    with pytest.raises(PhotoError):
        next(model.stages(photo))
    with pytest.raises(PhotoError):
        model(photo)


@pytest.mark.parametrize(
    "config",
    [
        {"unets": (2, 2, 2)},
        {"feature_propagation": False},
        {"pixel_unshuffle": False},
        {"noise": True},
        {"noise": True, "pixel_unshuffle": False, "feature_propagation": False},
    ],
)
def test_every_remedy_can_be_switched_off(config):
    torch.manual_seed(0)
    model = MSSNet(MSSNetConfig(8, 4, 4, **config)).eval()
    with torch.no_grad():
        results = list(model.stages(torch.rand(1, 3, 40, 56)))
        assert model(torch.rand(3, 40, 56)).shape == (3, 40, 56)
    assert len(results) == 6
    used = {n for n, p in model.named_parameters() if p.requires_grad}
    sum(p.mean() for p in model.pictures(torch.rand(1, 3, 64, 64), None)).backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == used


def test_noise_changes_the_answer():
    torch.manual_seed(0)
    model = MSSNet(MSSNetConfig(8, 4, 4, noise=True)).eval()
    photo = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        one, other = (model(photo, torch.randn(1, 1, 48, 48)) for _ in range(2))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.pt", None, "authors publish"),
        ("text.pt", b"this is no checkpoint", "cannot be read"),
        ("text.safetensors", b"this is no checkpoint", "cannot be read"),
        ("empty.pt", b"", "cannot be read"),
    ],
)
def test_bad_checkpoint_files(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=says):
        load_official_checkpoint(path)


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    torch.save({"model_state_dict": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        load_official_checkpoint(tmp_path / "trap.pt")
    assert not (tmp_path / "sprung").exists()


def test_other_networks_and_broken_copies_are_refused(tmp_path, golden):
    torch.save({"model_state_dict": {"conv.weight": torch.zeros(3, 3)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"unknown tensor 'conv\.weight'"):
        load_official_checkpoint(tmp_path / "other.pt")
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    state.pop("tail3_3.weight")
    torch.save({"model_state_dict": state}, tmp_path / "short.pt")
    with pytest.raises(ValueError, match="do not fit"):
        load_official_checkpoint(tmp_path / "short.pt")


# --- a checkpoint file in the place of a name -----------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path, golden):
    """A file as the authors' training writes it: every name begins with `module.`"""
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    path = tmp_path / "MSSNet.pt"
    torch.save({"model_state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    return path


@pytest.mark.parametrize("as_type", [str, Path])
def test_deblur_takes_the_path_of_a_checkpoint(checkpoint, golden, as_type):
    photo, network = golden["input"], models.load_model(checkpoint)
    rim = network.info.rim_px
    height, width = photo.shape[-2:]
    padded = pad(photo, padded_size((height, width), network.info.multiple_of, rim), rim)
    expected = network(padded)[..., rim : rim + height, rim : rim + width].clamp(0, 1)
    answer = restore.deblur(photo, as_type(checkpoint), precision="float32")
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=0)


def test_a_checkpoint_is_loaded_as_a_network_by_name_is(checkpoint, model, capsys):
    loaded = models.load_model(str(checkpoint))
    assert "wf=8, scale=6, vscale=4" in capsys.readouterr().out
    assert models.load_model(str(checkpoint)) is loaded  # read once, and said once
    assert capsys.readouterr().out == ""
    assert (loaded.info.name, loaded.info.task) == ("MSSNet.pt", "deblur")
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    with pytest.raises(ValueError, match=r"'MSSNet\.pt' .* does not enlarge"):
        restore.upscale(torch.rand(3, 40, 40), 8, str(checkpoint))
    doubled = {"model_state_dict": torch.load(checkpoint)["model_state_dict"]}
    doubled["model_state_dict"]["module.tail3_3.weight"] *= 2
    torch.save(doubled, checkpoint)
    os.utime(checkpoint, ns=(1, 1))
    again = models.load_model(str(checkpoint))
    assert again is not loaded  # another file under the same name


@pytest.mark.parametrize("config", [(8, 6, 4), (20, 40, 40), (54, 42, 42)])
def test_tiles_of_a_checkpoint_know_what_memory_its_widths_take(config, monkeypatch, tmp_path):
    from training.measure_models import bytes_per_px

    network = MSSNet(MSSNetConfig(*config)).eval()
    monkeypatch.setattr(mssnet, "load_official_checkpoint", lambda path: network)
    loaded = models.load_model(tmp_path / "any.pt")
    assert 0.85 < loaded.info.bytes_per_px / bytes_per_px(loaded) < 1.15


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("MSSNet.pt", r"no checkpoint at \S+MSSNet\.pt"),
        ("mssnet-debler", "Did you mean 'mssnet-deblur'"),
        ("MSSNet.bin", r"no network 'MSSNet\.bin'\. A checkpoint file ends with \.pt"),
    ],
)
def test_what_is_neither_a_name_nor_a_file(name, says):
    with pytest.raises((FileNotFoundError, ValueError), match=says):
        restore.deblur(torch.rand(3, 40, 40), name)


def test_the_courses_own_weights_are_no_checkpoint_of_the_authors():
    path = samples.find_data("weights/rrdn-x8.safetensors")
    with pytest.raises(ValueError, match="is not an MSSNet checkpoint: unknown tensor"):
        restore.deblur(torch.rand(3, 40, 40), path)
