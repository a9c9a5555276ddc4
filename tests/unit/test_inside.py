"""Inside MSSNet: feature maps, receptive fields, energies, the ablation set; and their figures."""

import importlib
import itertools
import json
import math

import pytest
import torch

from mssnet_edu import degrade, images, metrics, models, samples, show
from mssnet_edu.mssnet import (
    BANDS_PX,
    Ablation,
    MSSNet,
    MSSNetConfig,
    ReceptiveField,
    ablation,
    beyond_seed_noise,
    feature_maps,
    receptive_field,
    residual_energy,
)

STAGES = ["S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2", "S3-U3"]


def network(**changes):
    torch.manual_seed(1)
    return MSSNet(MSSNetConfig(4, 2, 2, **changes)).eval()


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def photo():
    return torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(2))


# --- feature maps --------------------------------------------------------------------------------


def test_features_have_the_sizes_of_their_levels(model, photo):
    found = feature_maps(model, photo)
    assert list(found) == STAGES
    for name, stage in found.items():
        shrink = {"S1": 4, "S2": 2, "S3": 1}[stage.scale]
        assert stage.name == name
        for side in (stage.encoder, stage.decoder):
            shapes = [tuple(level.shape) for level in side]
            assert shapes == [
                (width, 64 // shrink // 2**level, 80 // shrink // 2**level)
                for level, width in enumerate((4, 6, 8))
            ]


def test_features_are_those_that_the_stages_hand_on(model, photo):
    found = feature_maps(model, photo)
    with torch.no_grad():
        for result in model.stages(photo, features=True):
            assert torch.equal(found[result.name].decoder[0], result.features[0])


def test_looking_leaves_nothing_behind(model, photo):
    with torch.no_grad():
        before = model(photo)
    feature_maps(model, photo)
    receptive_field(model, photo)
    hooked = [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooked == []
    with torch.no_grad():
        assert torch.equal(model(photo), before)
    assert photo.grad is None


# --- receptive fields ----------------------------------------------------------------------------


def test_the_field_is_the_gradient(model, photo):
    """Moving one pixel of the photo moves the answer by what the field says."""
    at = (30, 41)
    field = receptive_field(model, photo, "S3-U3", at=at)
    y, x = 33, 40

    def residual(given):
        *_, last = model.stages(given)
        return last.residual[:, at[0], at[1]].double().sum()

    step, total = 1e-3, 0.0
    with torch.no_grad():
        for colour in range(3):
            up, down = photo.clone(), photo.clone()
            up[colour, y, x] += step
            down[colour, y, x] -= step
            total += abs(float(residual(up) - residual(down))) / (2 * step)
    assert total == pytest.approx(float(field.total[y, x]), rel=0.05)


@pytest.mark.parametrize(
    ("stage", "doors"),
    [("S1-U1", ["S1"]), ("S2-U2", ["S1", "S2"]), ("S3-U1", ["S1", "S2", "S3"])],
)
@pytest.mark.parametrize("change", [{}, {"pixel_unshuffle": False}, {"feature_propagation": False}])
def test_doors_open_one_after_another(photo, stage, doors, change):
    field = receptive_field(network(**change), photo, stage)
    assert list(field.by_scale) == doors
    assert field.at == (32, 40)
    for door in field.by_scale.values():
        assert door.shape == field.total.shape == (64, 80)
        assert float(door.sum()) > 0
    assert float(field.total.sum()) > 0


def test_a_coarser_door_sees_further(model, photo):
    field = receptive_field(model, photo, "S3-U3")
    assert field.reach_px("S1") > field.reach_px("S3")


def test_reach_counts_pixels():
    spot = torch.zeros(21, 31)
    spot[10, 15] = 8.0
    spot[10, 20] = 2.0
    field = ReceptiveField("S1-U1", (10, 15), spot, {"S1": spot})
    assert field.reach_px(share=0.8) == 0
    assert field.reach_px("S1", share=0.9) == 5
    assert field.reach_px(share=1.0) == 5
    nothing = ReceptiveField("S1-U1", (10, 15), torch.zeros(21, 31), {})
    assert nothing.reach_px() == 0
    with pytest.raises(ValueError, match="share is 0; expected a number above 0"):
        field.reach_px(share=0)
    with pytest.raises(ValueError, match="no door at 'S3'; it has S1"):
        field.reach_px("S3")


def test_a_field_can_be_measured_inside_inference_mode(model, photo):
    with torch.inference_mode():
        made_there = photo * 1.0
        field = receptive_field(model, made_there, "S1-U1")
    assert float(field.total.sum()) > 0


def test_places_and_stages_that_do_not_exist(model, photo):
    with pytest.raises(ValueError, match="stage is 'S4-U1'; expected one of S1-U1"):
        receptive_field(model, photo, "S4-U1")
    with pytest.raises(ValueError, match="the photo has 64 rows and 80 columns"):
        receptive_field(model, photo, at=(64, 0))


# --- energy --------------------------------------------------------------------------------------


def test_energies_are_those_of_the_changes(model, photo):
    found = residual_energy(model, photo)
    assert [one.scale for one in found] == ["S1", "S2", "S3"]
    with torch.no_grad():
        last = {r.scale: r.residual for r in model.stages(photo)}
    change = 255 * (last["S3"] - last["S2"])
    assert found[2].energy == pytest.approx(float(change.square().mean()), rel=1e-4)
    for one in found:
        assert len(one.bands) == len(BANDS_PX)
        assert sum(one.bands) == pytest.approx(one.energy, rel=1e-4)
        assert min(one.bands) >= 0


def test_bands_cover_all_wavelengths_once():
    edges = sorted(BANDS_PX)
    assert edges[0][0] == 0
    assert edges[-1][1] == math.inf
    assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("look", [feature_maps, receptive_field, residual_energy])
def test_what_cannot_be_looked_into(look, model, photo):
    with pytest.raises(TypeError, match="model is a Identity; expected an MSSNet"):
        look(torch.nn.Identity(), photo)
    with pytest.raises(images.PhotoError, match="batch of 2"):
        look(model, torch.rand(2, 3, 64, 64))
    with pytest.raises(images.PhotoError, match="batch of one"):
        look(model, photo[None])
    with pytest.raises(ValueError, match="random answers"):
        look(network(noise=True), photo)


# --- the ablation set ----------------------------------------------------------------------------


def test_the_set_holds_each_kind_once_a_seed():
    found = Ablation(wf=4, scale=2, vscale=2, seeds=[3, 5])
    assert found.kinds == ["full", "equal stages", "colours only", "bilinear"]
    assert len(found.networks) == 8
    assert [n.config.unets for n in found["equal stages"]] == [(2, 2, 2)] * 2
    assert not any(n.config.feature_propagation for n in found["colours only"])
    assert not any(n.config.pixel_unshuffle for n in found["bilinear"])
    assert found["full"][1] is found.networks["full-5"]
    photo = torch.rand(3, 32, 48)
    with torch.no_grad():
        assert torch.equal(found(photo), found["full"][0](photo))
    with pytest.raises(KeyError, match="no kind 'none'; there are full"):
        found["none"]
    with pytest.raises(ValueError, match="bilinear needs at least one seed"):
        ablation.build(seeds=[])


def test_the_full_network_may_have_more_seeds():
    seeds = {"full": [0, 1], "equal stages": [0], "colours only": [0], "bilinear": [0]}
    found = ablation.build(wf=4, scale=2, vscale=2, seeds=seeds)
    assert [len(found[kind]) for kind in found.kinds] == [2, 1, 1, 1]
    assert len(found.networks) == 5


@pytest.mark.parametrize(
    ("full", "without", "said"),
    [
        ([1.0, 1.1], [0.7, 0.6], "worse"),
        ([1.0, 1.1], [1.4, 1.3], "better"),
        ([1.0, 1.1], [0.95, 1.05], "luck"),
        ([1.0, 1.02], [1.2, 0.8], "luck"),
        ([1.0, 1.1], [0.8, 1.05], "luck"),
        ([1.0, 1.0], [1.0, 1.0], "luck"),
        ([1.0, 1.1], [0.8], "worse"),
        ([1.0, 1.1], [1.05], "luck"),
    ],
)
def test_beyond_seed_noise(full, without, said):
    assert beyond_seed_noise(full, without) == said


def test_luck_needs_two_seeds():
    for full, without in (([1.0], [0.5]), ([1.0, 1.1], []), ([1.0, 1.1], [0.5, 0.6, 0.7])):
        with pytest.raises(ValueError, match="expected at least two of the full network"):
            beyond_seed_noise(full, without)


def test_the_set_of_the_course_has_learned_its_kind_of_blur():
    found = models.load_model("mssnet-ablation")
    table = next(v for k, v in found.info.measured.items() if k.startswith("gain"))
    assert list(table) == found.kinds
    for kind in found.kinds:
        measured = [value for key, value in table[kind].items() if key.startswith("seed")]
        assert len(measured) == len(found[kind])
        for one in found[kind]:
            assert 2 * sum(p.numel() for p in one.parameters()) <= 1_000_000  # bytes, as fp16
    assert len(found["full"]) >= 2
    sharp = images.crop(samples.load("cat"), (150, 60, 128, 128))
    blurred = degrade.motion_blur(sharp, degrade.motion_path("line", 6, angle_deg=10))
    with torch.no_grad():
        answer = found(blurred).clamp(0, 1)
    assert metrics.psnr(answer, sharp) > metrics.psnr(blurred, sharp) + 0.5


@pytest.fixture
def export_ablation():
    """The script that makes the set; it comes with the repository only."""
    return importlib.import_module("training.export_ablation")


def trained(folder, names, steps=5):
    for name in names:
        (folder / name).mkdir()
        (folder / name / "run.json").write_text(json.dumps({"step": steps}), encoding="utf-8")
        (folder / name / "done").touch()


def test_only_networks_trained_alike_are_exported(export_ablation, tmp_path):
    first = ["full-0", "equal-stages-0", "rgb-only-0", "bilinear-0"]
    trained(tmp_path, first)
    with pytest.raises(SystemExit, match="holds 1 full networks; two are needed"):
        export_ablation.seeds_of(tmp_path)
    trained(tmp_path, ["full-1", "bilinear-1"])
    (tmp_path / "rgb-only-1").mkdir()  # begun, not done
    seeds = export_ablation.seeds_of(tmp_path)
    assert seeds == {"full": [0, 1], "equal stages": [0], "colours only": [0], "bilinear": [0, 1]}
    trained(tmp_path, ["full-2"], steps=4)
    with pytest.raises(SystemExit, match="not trained equally long"):
        export_ablation.seeds_of(tmp_path)


# --- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_unshuffle_tells_what_it_computed(factor):
    tiny = torch.rand(3, 8, 8)
    figure = show.unshuffle(tiny, factor, follow=factor**2 - 1)
    assert "0 of 192 numbers differ" in figure.html
    assert f"{3 * (8 // factor) ** 2} numbers" in figure.html
    assert figure.alt.endswith("come back unchanged.")
    assert figure.html.count('role="img"') == 6
    lost = "off by 0.0 grey levels" in figure.html
    assert lost == (factor == 1)


@pytest.mark.parametrize(
    ("side", "factor", "follow", "words"),
    [
        (40, 2, 0, "at most 32 x 32"),
        (8, 3, 0, "does not divide 8 x 8"),
        (8, 0, 0, "a whole number from 1"),
        (8, 2, 4, "expected 0 to 3 for factor 2"),
    ],
)
def test_unshuffle_refuses(side, factor, follow, words):
    with pytest.raises(ValueError, match=words):
        show.unshuffle(torch.rand(3, side, side), factor, follow)


def test_the_toys_handles_move_together():
    toy = show.unshuffle_toy(torch.rand(3, 16, 16))
    bright = toy.view.value
    toy.controls["follow"].value = 1
    assert toy.view.value != bright  # all but the followed pixels fade
    first = toy.view.value
    toy.controls["factor"].value = 4
    assert toy.controls["follow"].max == 16
    toy.controls["follow"].value = 16
    assert toy.view.value != first
    toy.controls["factor"].value = 1  # the followed pixel exists no more
    assert toy.controls["follow"].value == 1
    assert "mss-error" not in toy.view.value


def test_the_viewer_offers_the_channels_that_are_there(model, photo):
    viewer = show.feature_viewer(model, photo)
    assert viewer.controls["channel"].max == 4
    seen = {viewer.view.value}
    for name, value in (("level", 3), ("channel", 8), ("side", "encoder"), ("stage", "S3-U2")):
        viewer.controls[name].value = value
        assert "mss-error" not in viewer.view.value
        seen.add(viewer.view.value)
    assert viewer.controls["channel"].max == 8
    assert "S3-U2, encoder, level 3: channel 8 of 8" in viewer.view.value
    viewer.controls["level"].value = 1
    assert viewer.controls["channel"].value == 4
    assert len(seen) == 5


def test_fields_are_drawn_for_each_door(model, photo):
    field = receptive_field(model, photo, "S2-U1")
    figure = show.receptive_fields(photo, field)
    assert "through S1" in figure.alt
    assert "through S2" in figure.alt
    assert "S3" not in figure.alt
    with pytest.raises(ValueError, match="another size"):
        show.receptive_fields(torch.rand(3, 32, 32), field)


def test_left_out_says_what_the_numbers_show():
    gains = {"full": [1.0, 1.1], "a": [0.6, 0.7], "b": [1.0, 1.05], "c": [1.5, 1.5]}
    alt = show.ablation_chart(gains).alt
    assert "a: -0.40, -0.40 dB, worse, outside the band" in alt
    assert "b: +0.00, -0.05 dB, not all outside the band" in alt
    assert "c: +0.50, +0.40 dB, better, outside the band" in alt
    assert "Luck alone: 0.10 dB" in alt
    assert "a: -0.40 dB, worse" in show.ablation_chart({"full": [1.0, 1.1], "a": [0.6]}).alt
    with pytest.raises(ValueError, match="at least one that lacks something"):
        show.ablation_chart({"full": [1.0, 1.1]})
    with pytest.raises(ValueError, match="at least two"):
        show.ablation_chart({"full": [1.0], "a": [0.6]})


def test_handles_carry_their_alternative_text_in_the_page():
    """Not as the box's tooltip: JupyterLab shows a JavaScript error instead of such a widget."""
    toy = show.unshuffle_toy(torch.rand(3, 8, 8), alt='squares, "tiny" ones')
    assert toy.tooltip is None
    assert 'aria-label="squares, &#34;tiny&#34; ones"' in toy.view.value
