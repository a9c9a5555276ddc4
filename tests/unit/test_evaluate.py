"""Evaluation: the same benchmark for everybody, honest rows, and cards with what was measured."""

import dataclasses
import json
import math
import re
import shutil

import pandas as pd
import pytest
import torch

from mssnet_edu import classical, degrade, featsharp, images, metrics, models
from mssnet_edu.models.mssnet_upscaler import MSSNetUpscaler
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from mssnet_edu.samples import find_data
from tools.docs import render_evaluation
from training import benchmark, evaluate, evaluate_featsharp, export_mssnet, report, scoring
from training.scoring import Score

SIDE = 192


def stamp(network, name, task, **more):
    """Give a network the facts that the catalogue would."""
    network.info = models.ModelInfo(
        name=name,
        task=task,
        architecture="mssnet",
        summary="",
        licence="",
        author="",
        source="",
        made_by="",
        trained_on="",
        parameters=sum(p.numel() for p in network.parameters()),
        **more,
    )
    return network.eval()


@pytest.fixture(scope="module")
def photos():
    generator = torch.Generator().manual_seed(0)
    blocks = torch.rand(2, 3, SIDE // 8, SIDE // 8, generator=generator)
    large = degrade.enlarge(blocks, 8, "bicubic")
    return {f"photo{i}": images.quantize(p) for i, p in enumerate(large)}


@pytest.fixture(scope="module")
def deblurrer():
    torch.manual_seed(0)
    return stamp(MSSNet(MSSNetConfig(4, 4, 4)), "mssnet-deblur", "deblur")


@pytest.fixture(scope="module")
def measured(photos, deblurrer):
    """The scores of one photo, and each of its degraded versions with the answers to it."""
    one = {"photo0": photos["photo0"]}
    answered = list(scoring.deblur_all(one, {"mssnet-deblur": deblurrer}))
    return [s for case, answers in answered for s in scoring.score(case, answers)], answered


# --- the benchmark ----------------------------------------------------------------------------


def test_a_photo_meets_the_same_blurs_in_any_company(photos):
    alone = list(benchmark.blurred({"photo1": photos["photo1"]}))
    among = [t for t in benchmark.blurred(photos) if t.name == "photo1"]
    assert [t.case for t in alone] == [t.case for t in among]
    assert all(torch.equal(a.photo, b.photo) for a, b in zip(alone, among, strict=True))
    groups = [t.group for t in alone]
    assert groups == [*["gopro"] * 5, *["motion"] * 3, "defocus", "sharp"]


def test_the_truth_is_where_it_can_be_known(photos):
    for case in benchmark.blurred(photos):
        assert case.photo.shape == case.sharp.shape == (3, SIDE - 64, SIDE - 64)
        assert torch.equal(case.photo, images.quantize(case.photo))
        if case.kernel is None:
            assert torch.equal(case.photo, case.sharp)
            continue
        axis = torch.arange(len(case.kernel)) - len(case.kernel) // 2
        centre = torch.stack([(case.kernel.sum(d) * axis).sum() for d in (1, 0)])
        assert centre.norm() < benchmark.MAX_SHIFT_PX + 0.1
        if case.group == "gopro":
            continue  # each place has a kernel of its own there: see below
        # undone with the kernel, the photo lies on the truth: moved by a pixel it fits worse
        again = classical.wiener(case.photo, case.kernel)
        here = metrics.psnr(again, case.sharp, border_px=16)
        moved = metrics.psnr(again.roll(1, 2), case.sharp, border_px=16)
        assert here > moved


@pytest.mark.parametrize("extent_px", benchmark.GOPRO_PX)
def test_a_gopro_like_exposure_is_nearly_straight_even_and_seen_from_its_middle(extent_px):
    path = benchmark.gopro_path(extent_px, torch.Generator().manual_seed(extent_px))
    middle = len(path) // 2
    assert path[middle].abs().max() < 1e-9
    across = path[-1, :2] - path[0, :2]
    assert across.norm() == pytest.approx(extent_px, rel=1e-6)
    steps = path[:, :2].diff(dim=0).norm(dim=1)
    assert steps.max() / steps.mean() < 1.4
    assert steps.min() / steps.mean() > 0.6
    normal = torch.stack([-across[1], across[0]]) / across.norm()
    assert ((path[:, :2] @ normal).abs() <= extent_px / 20 + 1e-9).all()
    span = path[:, 2:].amax(0) - path[:, 2:].amin(0)
    limits = torch.tensor([benchmark.GOPRO_TURN_DEG, benchmark.GOPRO_ZOOM_PERCENT])
    assert (span <= limits).all()
    assert (span > 0).all()


def test_gopro_like_blur_grows_with_its_extent_and_has_no_noise(photos):
    cases = [c for c in benchmark.blurred({"photo1": photos["photo1"]}) if c.group == "gopro"]
    assert [c.case for c in cases] == [f"{px} px" for px in benchmark.GOPRO_PX]
    scores = [metrics.psnr(*metrics.align(c.photo, c.sharp)) for c in cases]
    assert scores == sorted(scores, reverse=True)
    flat = next(benchmark.blurred({"grey": torch.full((3, SIDE, SIDE), 128 / 255)}))
    assert torch.equal(flat.photo, flat.sharp)


def test_the_validation_set_is_strict():
    crops = benchmark.load_photos()
    assert len(crops) == 12
    motions = [t for t in benchmark.blurred(crops) if t.group == "motion"]
    mean = sum(metrics.psnr(t.photo, t.sharp) for t in motions) / len(motions)
    assert 20 < mean < 21


def test_strangers_pictures_are_cut_to_the_busiest_place(tmp_path):
    picture = torch.full((3, 700, 900), 0.5)
    picture[:, 120:500, 330:800] = torch.rand(3, 380, 470)
    images.save(picture, tmp_path / "a.png")
    images.save(torch.rand(3, 150, 200), tmp_path / "b.png")
    crops = benchmark.load_photos(tmp_path)
    assert {name: tuple(p.shape) for name, p in crops.items()} == {
        "a": (3, 512, 512),
        "b": (3, 128, 192),
    }
    assert crops["a"].std() > 0.2
    images.save(torch.rand(3, 100, 300), tmp_path / "c.png")
    with pytest.raises(images.PhotoError, match="100 px"):
        benchmark.load_photos(tmp_path)


# --- the methods ------------------------------------------------------------------------------


def test_every_method_and_every_stage_has_its_row(measured):
    rows, _ = measured
    motion = [m.method for m in rows if m.case.startswith("line")]
    assert motion[0] == "input"
    assert "Wiener, true kernel" in motion
    assert "Richardson-Lucy, estimated kernel" in motion
    stages = [m for m in motion if m.startswith("mssnet-deblur")]
    names = ["S1-U1", "S2-U1", "S2-U2", "S3-U1", "S3-U2"]
    assert stages == [*(f"mssnet-deblur {n}" for n in names), "mssnet-deblur"]
    sharp = [m.method for m in rows if m.group == "sharp"]
    assert not [m for m in sharp if "kernel" in m]  # there is no blur to be told
    assert next(m for m in rows if m.group == "sharp").psnr_db == math.inf


def test_the_true_kernel_helps_and_its_answer_is_not_shifted(measured):
    rows, _ = measured
    for case in {m.case for m in rows if m.group == "motion"}:
        psnr_db = {m.method: m.psnr_db for m in rows if m.case == case}
        assert psnr_db["Wiener, true kernel"] > psnr_db["input"] + 2


def test_a_half_size_output_is_compared_at_half_size(measured):
    rows, answered = measured
    case, answers = next(pair for pair in answered if pair[0].group == "motion")
    half = answers["mssnet-deblur S1-U1"]
    assert half.shape[1] * 2 == case.sharp.shape[1]
    small = torch.nn.functional.interpolate(
        case.sharp[None], scale_factor=0.5, mode="bilinear", align_corners=True
    )[0]
    wanted = metrics.psnr(images.quantize(half), small)
    row = next(m for m in rows if m.method == "mssnet-deblur S1-U1" and m.case == case.case)
    assert row.psnr_db == pytest.approx(wanted)
    assert math.isnan(row.st_lpips)


def test_only_gopro_like_answers_may_lie_beside_the_truth(photos):
    by_group = {c.group: c for c in benchmark.blurred({"photo0": photos["photo0"]})}
    for group, allowed in (("gopro", True), ("motion", False)):
        case = by_group[group]
        moved = {"moved": case.sharp.roll((5, -7), (1, 2))}  # right, but for the place
        [score] = scoring.score(case, moved)
        assert (score.psnr_db == math.inf) == allowed, group
        assert (score.ssim > 0.999) == allowed, group


class Draws(torch.nn.Module):
    """An 8x 'network' that adds as many grey levels as its seed says."""

    def __init__(self):
        super().__init__()
        self.threads = []

    def forward(self, photo, factor=8, seed=0):
        self.threads.append(torch.get_num_threads())
        return degrade.enlarge(photo, factor) + seed * 10 / 255


def test_upscalers_are_measured_where_they_apply(photos):
    one = {"photo0": photos["photo0"] * 0.8}
    config = {"factors": [2, 4, 8], "takes_seed": True}
    networks = {
        "draws": stamp(Draws(), "draws", "upscale", factor=8, config=config),
        "only8": stamp(MSSNetUpscaler(MSSNetConfig(4, 4, 4), (8,)), "only8", "upscale", factor=8),
    }
    networks["only8"].forward = lambda photo: degrade.enlarge(photo, 8, "nearest")
    answered = scoring.upscale_all(one, networks, factors=(8, 2))
    rows = [s for case, answers in answered for s in scoring.score(case, answers)]
    methods = {g: [m.method for m in rows if m.group == g] for g in {m.group for m in rows}}
    assert methods["clean 8x"] == methods["dirty 8x"] == ["bicubic", "draws", "only8"]
    assert methods["clean 2x"] == ["bicubic", "draws"]
    sampled = next(m for m in rows if m.method == "draws")
    assert sampled.apart_levels == pytest.approx(10, abs=0.5)
    assert sampled.projected_db > 45
    squares = next(m for m in rows if m.method == "only8")
    assert squares.consistency_db > 60  # squares say what the small photo says, and no more
    assert math.isnan(squares.apart_levels)


def test_seconds_are_measured_on_two_threads():
    threads = torch.get_num_threads()
    network = stamp(Draws(), "draws", "upscale", factor=8, config={"factors": [8]})
    seconds = scoring.seconds("upscale8", {"draws": network}, runs=2)
    assert list(seconds) == ["bicubic", "draws"]
    assert min(seconds.values()) > 0
    assert set(network.threads) == {scoring.THREADS}
    assert torch.get_num_threads() == threads


# --- the table --------------------------------------------------------------------------------


def rows_of(method, group, values, **more):
    return [
        Score(f"photo{i}", group, "x", method, psnr_db=v, ssim=0.5, **more)
        for i, v in enumerate(values)
    ]


def summary(scores, networks=(), seconds=()):
    return report.summarise(pd.DataFrame(scores), dict(networks), dict(seconds))


def verdicts(task, table):
    judged = (target.judge(table) for target in report.TARGETS[task])
    return {title: (numbers, verdict) for title, numbers, verdict in judged}


def test_gains_are_means_of_differences_on_the_same_pictures():
    scores = [
        *rows_of("input", "gopro", [20, 24]),
        *rows_of("mssnet-deblur", "gopro", [23, 29]),
        *rows_of(report.MAXIM, "gopro", [21, 26]),
    ]
    table = summary(scores, seconds={"mssnet-deblur": 2.5})
    gains = table.set_index("method").gain_db
    assert gains["mssnet-deblur"] == pytest.approx(4)
    assert gains[report.MAXIM] == pytest.approx(1.5)
    assert math.isnan(gains["input"])
    verdict_of = verdicts("deblur", table)
    assert verdict_of["mssnet-deblur: GoPro-like motion, gain of 3.0 dB or more"] == (
        "+4.00 dB",
        "met",
    )
    beaten = verdict_of["mssnet-deblur: GoPro-like motion, more than maxim-gopro"]
    assert beaten == ("+4.00 dB against +1.50 dB", "met")
    sharp = verdict_of["mssnet-deblur: a sharp photo comes back at 38 dB or more"]
    assert sharp == ("–", "not measured")
    assert verdict_of["mssnet-deblur: 512 x 512 px in 3 s or less on 2 threads"] == (
        "2.50 s",
        "met",
    )


def gains_at(extents):
    """Scores of two pictures an extent: 20 dB as given, and what a network gains there."""
    scores = []
    for px, gain in extents.items():
        for method, psnr in (("input", 20.0), (report.DEBLUR, 20.0 + gain)):
            rows = rows_of(method, "gopro", [psnr - 1, psnr + 1], st_lpips=0.3)
            scores += [dataclasses.replace(row, case=f"{px} px") for row in rows]
    return pd.DataFrame([*scores, *rows_of("input", "motion", [25.0], st_lpips=0.2)])


def test_gopro_like_motion_is_told_extent_by_extent():
    table = report.by_extent(gains_at({6: 3.0, 24: -0.5}))
    assert list(table.extent.unique()) == ["6 px", "24 px"]
    assert set(table.pictures) == {2}
    text = report.render_extents(table)
    assert re.search(r"\| +6 px \| +20.00 \| +\+3.00 \| +0.300 \| +0.300 \|", text)
    assert re.search(r"\| +24 px \| +20.00 \| +-0.50 ", text)


def test_a_card_learns_which_motions_its_network_mends(tmp_path):
    shutil.copyfile(find_data("weights/mssnet-deblur.json"), tmp_path / "mssnet-deblur.json")
    scores = gains_at({6: 3.0, 10: report.MENDS_DB, 16: report.MENDS_DB - 0.1, 24: 0.0})
    extents = report.by_extent(scores)
    report.update_cards(summary(scores), [report.DEBLUR], tmp_path, extents)
    assert models.info(report.DEBLUR, tmp_path).mends_px == (6, 10)
    assert "GoPro-like motion of 6, 10 px" in (tmp_path / "mssnet-deblur.md").read_text(
        encoding="utf-8"
    )


def test_targets_say_what_is_missed():
    names = ("mssnet-x8-fidelity", "rrdn-x8", "mssnet-x8-realism")
    values = ((25.1, 0.4, 40.0), (25.0, 0.4, 40.0), (23.0, 0.29, 35.0))
    scores = rows_of("bicubic", "clean 8x", [24.0])
    for name, (psnr, looks, agrees) in zip(names, values, strict=True):
        more = {"st_lpips": looks, "consistency_db": agrees, "projected_db": 60.0}
        scores += rows_of(name, "clean 8x", [psnr], **more)
    verdict_of = verdicts("upscale8", summary(scores))
    assert verdict_of["mssnet-x8-fidelity: 0.2 dB or more above rrdn-x8"] == (
        "25.10 dB against 25.00 dB",
        "not met",
    )
    assert verdict_of["mssnet-x8-realism: ST-LPIPS at most 0.75 of rrdn-x8's"] == (
        "0.290 against 0.400; but rrdn-x8 is ahead in PSNR (25.00 against 23.00)",
        "met",
    )
    assert verdict_of["mssnet-x8-fidelity: 4x above bicubic"][1] == "not measured"


def test_a_target_that_is_met_says_what_the_rival_wins():
    rival = rows_of(report.MAXIM, "motion", [21.0], st_lpips=0.2)
    scores = [
        *rows_of("input", "motion", [20.0], st_lpips=0.4),
        *rows_of(report.DEBLUR, "motion", [22.0], st_lpips=0.3),
        *[dataclasses.replace(score, ssim=0.6) for score in rival],
    ]
    title = f"{report.DEBLUR}: lines and hands, more than {report.MAXIM}"
    assert verdicts("deblur", summary(scores))[title] == (
        "+2.00 dB against +1.00 dB; but maxim-gopro is ahead in SSIM (0.600 against 0.500) and "
        "ST-LPIPS (0.200 against 0.300)",
        "met",
    )


def test_a_table_reads_back_to_the_same_page(measured, deblurrer, tmp_path):
    table = summary(measured[0], {"mssnet-deblur": deblurrer}, {"mssnet-deblur": 1.234})
    report.write_table(tmp_path / "t.csv", table)
    text = report.render("deblur", pd.read_csv(tmp_path / "t.csv"))
    assert text == report.render("deblur", table)
    assert "| mssnet-deblur S1-U1 (half size) |" in text
    assert "no error" in text
    assert "not met" in text


def test_cards_get_the_numbers_and_keep_the_others(tmp_path):
    name = "rrdn-x8"
    shutil.copyfile(find_data(f"weights/{name}.json"), tmp_path / f"{name}.json")
    facts = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    facts["measured"] = {"Before": {"a": 1.0}, f"{report.CARD_TITLE}: old": {"b": 2.0}}
    (tmp_path / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    scores = [*rows_of("bicubic", "clean 8x", [24]), *rows_of("mssnet-x8-realism", "clean 8x", [9])]
    report.update_cards(summary(scores), [name], tmp_path)
    after = models.info(name, tmp_path).measured
    assert after["Before"] == {"a": 1.0}
    [title] = [t for t in after if t != "Before"]
    assert title.endswith("8x, from a clean small photo")
    assert after[title] == {"bicubic": {"PSNR, dB": 24, "SSIM": 0.5}}  # not the other network
    assert (tmp_path / f"{name}.md").read_text(encoding="utf-8") == models.card(name, tmp_path)


# --- the command ------------------------------------------------------------------------------


def test_the_command_measures_strangers_pictures(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "NETWORKS", {"deblur": (), "upscale8": ()})
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    images.save(photos["photo0"], folder / "one.png")
    command = ["--photos", str(folder), "--out", str(out), "--quick"]
    assert evaluate.main(["deblur", *command]) == 0
    assert "Wiener, true kernel" in capsys.readouterr().out
    ends = (".csv", "_pictures.csv", "_extents.csv", ".md", ".png", "_extents.png", "_examples.jpg")
    files = {f"deblur{end}" for end in ends}
    assert files == {p.name for p in out.iterdir()}
    assert evaluate.main(["upscale8", *command]) == 0
    assert {p.name for p in out.iterdir()} - files == {
        "upscale8.csv",
        "upscale8_pictures.csv",
        "upscale8.md",
        "upscale8.png",
        "upscale8_examples.jpg",
    }
    before = pd.read_csv(out / "deblur.csv")
    monkeypatch.setattr(scoring, "seconds", lambda task, networks: {"unsharp mask": 1.5})
    assert evaluate.main(["deblur", *command, "--seconds"]) == 0
    after = pd.read_csv(out / "deblur.csv")
    assert set(after.seconds[after.method == "unsharp mask"]) == {1.5}
    assert after.seconds[after.method != "unsharp mask"].isna().all()
    same = before.columns.drop("seconds")
    pd.testing.assert_frame_equal(before[same], after[same], atol=1e-3)
    (out / "deblur_pictures.csv").unlink()
    assert evaluate.main(["deblur", *command, "--seconds"]) == 2
    assert "deblur_pictures.csv" in capsys.readouterr().err


def test_cards_are_not_written_from_a_part(tmp_path, capsys):
    command = ["deblur", "--quick", "--update-cards", "--out", str(tmp_path)]
    assert evaluate.main(command) == 2
    assert "--update-cards" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "cls"), [("deblur", MSSNet), ("upscale8-realism", MSSNetUpscaler)]
)
def test_a_training_run_is_evaluated_as_it_would_be_exported(tmp_path, recipe, cls):
    from training.checkpoint import save_weights

    config = MSSNetConfig(4, 4, 4, noise="realism" in recipe)
    network = MSSNet(config)
    save_weights(dict(network.named_parameters()), tmp_path / "ema.safetensors")
    about = {"recipe": recipe, "config": config.to_dict(), "step": 1, "seconds": 1}
    (tmp_path / "run.json").write_text(json.dumps(about), encoding="utf-8")
    (tmp_path / "log.csv").write_text("step,input,S3-U3\n1,20.0,21.0\n", encoding="utf-8")
    loaded = evaluate.load_network(str(tmp_path))
    assert isinstance(loaded, cls)
    torch.testing.assert_close(
        next(loaded.parameters()), next(network.parameters()), atol=1e-3, rtol=1e-3
    )
    shipped = models.info(export_mssnet.CARDS[recipe]["name"])
    for setting in ("task", "factor", "multiple_of", "min_px", "halo_px", "rim_px", "source_type"):
        assert getattr(loaded.info, setting) == getattr(shipped, setting), setting
    assert loaded.info.config.get("takes_seed") == shipped.config.get("takes_seed")


def test_what_is_no_run_and_no_network_is_explained(tmp_path):
    with pytest.raises(ValueError, match="no network"):
        evaluate.load_network("mssnet-debler")
    (tmp_path / "run.json").write_text(
        '{"recipe": "ablation-full", "config": {}}', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="ablation-full"):
        evaluate.load_network(str(tmp_path))


def test_the_page_is_rendered_from_its_tables():
    render_evaluation.main(["--check"])


# --- features ---------------------------------------------------------------------------------


def test_points_are_found_again_where_features_are_all_different():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 64, 28, 28, generator=generator)
    maps = torch.nn.functional.interpolate(maps, scale_factor=2, mode="bicubic")
    box = torch.tensor(
        [evaluate_featsharp.TOP, evaluate_featsharp.LEFT, evaluate_featsharp.SIDE, 1]
    )
    warped = featsharp.view_of(maps, box, (56, 56))
    pck, error_px = evaluate_featsharp.point_matching(warped, maps, "a photo")
    assert pck > 0.95
    assert error_px < 224 / 28
    other = torch.randn(maps.shape, generator=generator)
    assert evaluate_featsharp.point_matching(other, maps, "a photo")[0] < 0.2


def test_noise_is_that_of_the_difference_to_featsharp():
    values = {"nearest": [1.0, 2.0, 4.0], "featsharp": [2.0, 3.0, 3.0]}
    rows = [
        {"factor": 2, "method": method, "photo": str(i), "edges": value}
        for method, column in values.items()
        for i, value in enumerate(column)
    ]
    scores = pd.DataFrame(rows).set_index(["factor", "method", "photo"])
    table = evaluate_featsharp.summarise(scores).loc[2]
    assert list(table.columns) == ["photos", "edges", "edges, noise"]
    assert table.loc["nearest", "edges"] == pytest.approx(7 / 3, abs=1e-3)
    # differences -1, -1, 1: their deviation is 1.1547
    assert table.loc["nearest", "edges, noise"] == pytest.approx(1.1547 / 3**0.5, abs=1e-3)
    assert table.loc["featsharp", "edges, noise"] == 0
