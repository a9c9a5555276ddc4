import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from mssnet_edu.models import catalogue, weights
from mssnet_edu.models.cards import render_card
from mssnet_edu.samples import find_data

ALL = catalogue.names()


def facts(**changes):
    """The facts of a tiny upscaler, for save_model."""
    return {
        "name": "tiny",
        "task": "upscale",
        "architecture": "rrdn",
        "config": {"c": 1, "d": 1, "g": 4, "g0": 8, "t": 1, "factor": 2},
        "summary": "A tiny network for the tests.",
        "licence": "MIT",
        "author": "the tests",
        "source": "random numbers",
        "made_by": "pytest",
        "trained_on": "nothing",
        "factor": 2,
        **changes,
    }


@pytest.fixture
def tiny(tmp_path):
    torch.manual_seed(0)
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    catalogue.save_model(network, tmp_path, **facts())
    return tmp_path, network


# --- what is in data/weights ---------------------------------------------------------------------


def test_the_networks_of_the_course_are_there():
    assert {"rrdn-x8", "realesrgan-x4", "efficientnet-lite0", "st-lpips"} <= set(ALL)
    assert {"rrdn-x8", "realesrgan-x4"} <= set(catalogue.names("upscale"))
    assert "rrdn-x8" not in catalogue.names("deblur")


def sides(info):
    """The smallest allowed photo, and a larger, oblong one; both as the network's rules allow."""
    m = info.multiple_of
    least = max(-(-info.min_px // m) * m, m)
    return (least, least), (least + m, least + 3 * m)


@pytest.mark.parametrize("name", ALL)
def test_every_network_keeps_the_rules_it_declares(name):
    network = catalogue.load_model(name)
    info = network.info
    assert info == catalogue.info(name)
    assert not network.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) == info.parameters
    for batch, (height, width) in zip((2, 1), sides(info), strict=True):
        photo = torch.rand(batch, 3, height, width)
        with torch.inference_mode():
            if info.task == "perceptual":
                shape, wanted = network(photo, photo).shape, (batch,)
            elif info.task == "classify":
                shape, wanted = network(photo).shape, (batch, 1000)
            elif info.architecture == "featsharp":
                maps = (torch.rand(batch, info.config["channels"], 4 * f, 6 * f) for f in (1, 2))
                shape, wanted = network(*maps, photo).shape, (batch, 384, 8, 12)
            elif info.task == "features":
                shape, wanted = network(photo).shape[:1], (batch,)
            elif info.task == "select":
                numbers = torch.rand(batch, info.config["features"])
                shape, wanted = network(numbers).shape, (batch,)
            else:
                answer = network(photo)
                wanted = (batch, 3, info.factor * height, info.factor * width)
                shape = answer.shape
                assert torch.isfinite(answer).all()
        assert tuple(shape) == wanted, (height, width)


def test_upscalers_with_several_factors_or_a_seed_keep_to_them():
    """config["factors"] promises a keyword `factor`, config["takes_seed"] a keyword `seed`."""
    for name in catalogue.names("upscale"):
        network = catalogue.load_model(name)
        height, width = (max(side, network.info.min_px) for side in (16, 24))
        photo = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            for factor in network.info.config.get("factors", ()):
                assert network(photo, factor=factor).shape[2:] == (factor * height, factor * width)
            if network.info.config.get("takes_seed"):
                first, again, other = (network(photo, seed=seed) for seed in (1, 1, 2))
                assert torch.equal(first, again)
                assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ALL)
def test_every_network_says_where_it_comes_from(name):
    info = catalogue.info(name)
    for field in ("summary", "licence", "author", "source", "made_by", "trained_on"):
        assert len(getattr(info, field)) > 2, field
    assert info.failures, "a network without known failures has not been looked at"
    assert info.measured, "run training/measure_models.py"
    restores = info.task in {"deblur", "upscale"}
    assert (info.bytes_per_px > 0) == restores, "python -m training.measure_models --memory"
    assert all(file.bytes <= weights.MAX_FILE_BYTES for file in info.files)


def test_every_file_of_weights_belongs_to_a_network():
    named = {file.name for name in ALL for file in catalogue.info(name).files}
    assert {path.name for path in find_data("weights").glob("*.safetensors")} == named


@pytest.mark.parametrize("name", ALL)
def test_the_card_is_rendered_from_the_json(name):
    stored = find_data(f"weights/{name}.md").read_text(encoding="utf-8")
    assert stored == catalogue.card(name), "run: python -m tools.docs.render_cards"


def test_render_cards_check_sees_a_stale_card(tiny, monkeypatch):
    folder, _ = tiny
    from tools.docs import render_cards as script

    monkeypatch.setattr(script, "WEIGHTS", folder)
    script.main()
    script.main(check=True)  # just written: no complaint
    (folder / "tiny.md").write_text("old", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"tiny\.md"):
        script.main(check=True)


# --- saving and loading --------------------------------------------------------------------------


def test_saved_and_loaded_is_the_same_to_half_precision(tiny):
    folder, network = tiny
    photo = torch.rand(1, 3, 7, 9)
    loaded = catalogue.load_model("tiny", folder)
    assert torch.allclose(loaded(photo), network(photo), atol=1e-3)
    assert loaded.info.factor == 2
    assert catalogue.load_model("tiny", folder) is loaded  # kept
    assert sorted(p.name for p in folder.iterdir()) == ["tiny.json", "tiny.md", "tiny.safetensors"]


def test_vectors_are_kept_in_full_precision(tiny):
    folder, _ = tiny
    stored = load_file(folder / "tiny.safetensors")
    assert stored["first.weight"].dtype == torch.float16
    assert stored["first.bias"].dtype == torch.float32


def test_int8_halves_the_file_and_keeps_each_kernels_sum(tmp_path):
    torch.manual_seed(0)
    config = {"c": 4, "d": 1, "g": 32, "g0": 64, "t": 1, "factor": 2}
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts(config=config)))
    half = catalogue.save_model(network, tmp_path / "half", **facts(config=config))
    small = catalogue.save_model(network, tmp_path / "int8", int8=True, **facts(config=config))
    assert small.files[0].bytes < 0.6 * half.files[0].bytes
    exact = network.groups[0].blocks[0].fuse.weight  # (64, 192, 3, 3)
    loaded = catalogue.load_model("tiny", tmp_path / "int8").groups[0].blocks[0].fuse.weight
    step = exact.abs().max() / 127
    assert (loaded - exact).abs().max() < 1.5 * step
    sums = (loaded - exact).sum(dim=(2, 3))
    assert sums.abs().max() < 0.51 * step  # rounding alone is off by up to 1.5 steps
    plain = ((exact / step).round() * step - exact).sum(dim=(2, 3))
    assert sums.std() < 0.7 * plain.std()


def test_int8_for_some_weights_only(tmp_path):
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    catalogue.save_model(network, tmp_path, int8={"first.weight"}, **facts())
    stored = load_file(tmp_path / "tiny.safetensors")
    assert stored["first.weight"].dtype == torch.int8
    assert stored["last.weight"].dtype == torch.float16
    loaded = catalogue.load_model("tiny", tmp_path)
    assert torch.allclose(loaded.first.weight, network.first.weight, atol=0.01)
    with pytest.raises(ValueError, match=r"int8 names \['first'\]"):
        catalogue.save_model(network, tmp_path, int8={"first"}, **facts())


def test_large_weights_are_cut_into_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "MAX_FILE_BYTES", 6000)
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    info = catalogue.save_model(network, tmp_path, **facts())
    count = len(info.files)
    assert count > 1
    assert info.files[0].name == f"tiny.1of{count}.safetensors"
    assert all(file.bytes <= 6000 for file in info.files)
    loaded = catalogue.load_model("tiny", tmp_path)
    assert torch.allclose(loaded.smooth.weight, network.smooth.weight, atol=1e-3)


def test_new_weights_leave_no_old_shards(tmp_path, monkeypatch):
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    with monkeypatch.context() as patch:
        patch.setattr(weights, "MAX_FILE_BYTES", 6000)
        catalogue.save_model(network, tmp_path, **facts())
    catalogue.save_model(network, tmp_path, **facts())
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == ["tiny.safetensors"]


def test_new_weights_are_loaded_although_the_old_ones_are_kept(tiny):
    folder, network = tiny
    old = catalogue.load_model("tiny", folder)
    with torch.no_grad():
        network.smooth.bias += 1
    catalogue.save_model(network, folder, **facts())
    assert not torch.equal(catalogue.load_model("tiny", folder).smooth.bias, old.smooth.bias)


def test_a_network_first_loaded_in_inference_mode_still_takes_gradients(tiny):
    folder, _ = tiny
    with torch.inference_mode():
        network = catalogue.load_model("tiny", folder)
    photo = torch.rand(1, 3, 4, 4, requires_grad=True)
    network(photo).sum().backward()
    assert photo.grad.abs().sum() > 0


def test_shared_tensors_are_saved(tmp_path):
    # MSSNet's only PReLU appears under many names; safetensors refuses such a state dict
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    state = network.state_dict()
    state["last.bias"] = state["first.bias"]
    catalogue.save_model(state, tmp_path, **facts())
    loaded = catalogue.load_model("tiny", tmp_path)
    assert torch.equal(loaded.last.bias, loaded.first.bias)


def test_a_number_too_large_for_fp16_is_refused_and_nothing_written(tmp_path):
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    with torch.no_grad():
        network.first.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(ValueError, match=r"first\.weight does not fit into fp16"):
        catalogue.save_model(network, tmp_path, **facts())
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_do_not_fit_the_config_are_refused(tmp_path):
    network = catalogue.build(catalogue.ModelInfo(parameters=0, **facts()))
    state = network.state_dict()
    del state["first.bias"]
    with pytest.raises(ValueError, match="1 missing"):
        catalogue.save_model(state, tmp_path, **facts())
    assert list(tmp_path.iterdir()) == []


def test_files_and_parameters_are_not_to_be_given(tmp_path):
    with pytest.raises(TypeError, match="files and parameters itself"):
        catalogue.save_model({}, tmp_path, files=[], **facts(parameters=3))


# --- errors for learners -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [("rrdn", "Did you mean 'rrdn-x8'"), ("rrdn_x8", "rrdn-x8"), ("qqqq", "There are: ")],
)
def test_an_unknown_name_gets_the_nearest_ones(name, words):
    with pytest.raises(ValueError, match=words):
        catalogue.load_model(name)


def test_a_name_that_is_no_text():
    with pytest.raises(TypeError, match="needs a text such as 'rrdn-x8'"):
        catalogue.load_model(torch.rand(3))


def test_a_name_cannot_leave_the_folder(tiny):
    folder, _ = tiny
    (folder / "inner").mkdir()
    with pytest.raises(ValueError, match="there is no network"):
        catalogue.load_model("../tiny", folder / "inner")


def test_a_folder_without_networks(tmp_path):
    with pytest.raises(ValueError, match="holds none"):
        catalogue.load_model("tiny", tmp_path)


def test_a_missing_file(tiny):
    folder, _ = tiny
    (folder / "tiny.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"tiny\.safetensors is missing\. Get it again"):
        catalogue.load_model("tiny", folder)


def test_a_cut_off_file(tiny):
    folder, _ = tiny
    path = folder / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"not the file it should be \([\d,]+ bytes\)"):
        catalogue.load_model("tiny", folder)


def test_a_changed_file(tiny):
    folder, _ = tiny
    path = folder / "tiny.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    with pytest.raises(ValueError, match="not the file it should be"):
        catalogue.load_model("tiny", folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "cook"}, "task is 'cook'"),
        ({"architecture": "vgg"}, "architecture is 'vgg'"),
        ({"surprise": 1}, "surprise"),
        ({"name": "other"}, "describes 'other'"),
        ({"parameters": 3}, "its tiny.json says 3"),
        ({"config": {"c": 1, "d": 1, "g": 4, "g0": 8, "t": 2, "factor": 2}}, "do not fit"),
    ],
)
def test_a_json_that_is_wrong(tiny, change, words):
    folder, _ = tiny
    path = folder / "tiny.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=words):
        catalogue.load_model("tiny", folder)


def test_a_json_that_is_no_json(tiny):
    folder, _ = tiny
    (folder / "tiny.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="does not describe a network"):
        catalogue.info("tiny", folder)


def test_an_unknown_task():
    with pytest.raises(ValueError, match="task is 'upscaling'; expected one of deblur, upscale"):
        catalogue.names("upscaling")


def test_names_follow_the_folder_that_the_environment_names(tmp_path, monkeypatch, tiny):
    folder, _ = tiny
    data = tmp_path / "data"
    (data / "photos").mkdir(parents=True)
    shutil.copy(find_data("photos/CREDITS.tsv"), data / "photos")
    shutil.copytree(folder, data / "weights", ignore=shutil.ignore_patterns("data"))
    monkeypatch.setenv("MSSNET_EDU_DATA", str(data))
    assert catalogue.names() == ["tiny"]
    assert catalogue.load_model("tiny").info.name == "tiny"


def test_the_card_holds_what_is_measured(tiny):
    folder, _ = tiny
    info = catalogue.info("tiny", folder)
    measured = {
        "quality": {"cat": {"dB": 1.234, "s": 2}, "coffee": {"dB": 5.0}},
        "odd": {"px": 7, "far": 0.0035},
    }
    changed = dataclasses.replace(info, measured=measured, failures=("It is tiny.",))
    text = render_card(changed)
    assert "| | dB | s |\n|---|---|---|\n| cat | 1.23 | 2 |\n| coffee | 5.00 |  |" in text
    assert "- px: 7\n- far: 0.0035" in text
    assert "- It is tiny." in text
    assert info.files[0].sha256 in text
    assert "Nothing yet" in render_card(info)
