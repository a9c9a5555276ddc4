"""Pairs are physics and repeatable; a trainer resumes to the last bit, alone or with a twin."""

import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from mssnet_edu import images
from mssnet_edu.images import to_linear
from mssnet_edu.mssnet import MSSNetConfig
from training import degradation, losses, train
from training.dataset import Corpus, split_files
from training.recipes import RECIPES
from training.train import Trainer, load_weights, start_weights

TINY = MSSNetConfig(4, 4, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten small 'photographs': noise over steps, so that patches have structure."""
    path = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(10):
        steps = np.kron(rng.integers(0, 200, (13, 15, 3)), np.ones((16, 16, 1)))
        picture = np.clip(steps + rng.normal(0, 12, steps.shape), 0, 255).astype("uint8")
        Image.fromarray(picture).save(path / f"photo{i}.png")
    return path


@pytest.fixture(scope="module")
def corpus(folder):
    return Corpus.load(split_files(folder)[0])


def test_photos_are_held_out_by_file(folder):
    train, held_out = split_files(folder)
    assert train
    assert held_out
    assert not set(train) & set(held_out)
    assert split_files(folder) == (train, held_out)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        split_files(tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        split_files(tmp_path / "nowhere")


def test_patches_are_drawn_where_there_is_structure(tmp_path):
    photo = np.zeros((320, 320, 3), "uint8")
    photo[:160, :160] = np.random.default_rng(0).integers(0, 255, (160, 160, 3))
    Image.fromarray(photo).save(tmp_path / "half.png")
    corpus = Corpus.load([tmp_path / "half.png"], scales=(1.0,))
    draw = torch.Generator().manual_seed(0)
    busy = corpus.patches(200, 32, draw).float().std((1, 2, 3)) > 10
    assert 0.6 < busy.float().mean() < 1.0  # mostly structure, but a few smooth ones


@pytest.mark.parametrize("task", ["deblur", "upscale"])
def test_pairs_are_repeatable_photos(corpus, task):
    make = degradation.PairMaker(corpus, task, 64)
    blurry, sharp = make.batch(12, seed=3)
    again = make.batch(12, seed=3)
    assert blurry.shape == sharp.shape == (12, 3, 64, 64)
    assert torch.equal(blurry, again[0])
    assert torch.equal(sharp, again[1])
    assert not torch.equal(blurry, make.batch(12, seed=4)[0])
    assert sharp.min() >= 0
    assert sharp.max() <= 1


def test_factors_say_how_the_batch_was_reduced(corpus):
    make = degradation.PairMaker(corpus, "upscale", 64, clean=1.0)
    found = torch.cat([make.factors(4, seed) for seed in range(50)])
    assert 0.6 < (found == 8).float().mean() < 0.8
    assert set(found.tolist()) == {2, 4, 8}
    seed = next(s for s in range(50) if set(make.factors(4, s).tolist()) == {2, 4, 8})
    factors, (blurry, sharp) = make.factors(4, seed), make.batch(4, seed)
    for factor in (2, 4, 8):
        one = sharp[factors == factor][:1]
        small = (degradation.reduce(one, factor) * 255).round() / 255
        again = degradation.enlarge_input(small, factor)
        difference = (again - blurry[factors == factor][:1]).abs().mean()
        assert difference < 0.02  # now and then bicubic reduced it, not area


def test_about_one_pair_in_eight_has_no_blur_at_all(corpus):
    make = degradation.PairMaker(corpus, "deblur", 32)
    same = [torch.equal(b, s) for i in range(20) for b, s in zip(*make.batch(16, i), strict=True)]
    assert 0.07 < sum(same) / len(same) < 0.18


def test_easy_pairs_are_less_blurred_than_hard_ones(corpus):
    make = degradation.PairMaker(corpus, "deblur", 64)

    def change(hardness):
        made = [make.batch(16, i, hardness) for i in range(6)]
        return float(torch.stack([(b - s).square().mean() for b, s in made]).mean())

    assert change(0.0) < 0.7 * change(1.0)
    easy, hard = degradation.Blur.of(0.0), degradation.Blur.of(1.0)
    assert (easy.objects, easy.jpeg) == (0, 0)
    assert (easy.longest, hard.longest) == (12, 30)
    assert degradation.Blur.of(0.4).turn == degradation.Blur.of(0.7).turn == 1
    assert [degradation.Blur.of(h, warped=0.2).warped for h in (0.4, 1.0)] == [0, 0.2]
    with pytest.raises(ValueError, match="hardness"):
        make.batch(2, 0, 1.5)


def test_paths_pass_through_zero_and_keep_their_length():
    draw = torch.Generator().manual_seed(0)
    path = degradation.motion_paths(64, 25, 5.0, 30.0, draw)
    assert path[:, 12].abs().max() < 1e-6
    extent = (path.amax(1) - path.amin(1)).norm(dim=-1)
    off = path.mean(1).norm(dim=-1) / extent  # nobody can know where else the middle was
    assert off.max() < 0.2
    assert (off < degradation.NEAR).float().mean() > 0.9
    assert extent.min() > 4.9
    assert extent.max() < 30.1


def test_blur_is_a_mean_of_light(corpus, monkeypatch):
    """Nothing moves the total: the blurred patch holds as much light as the sharp one."""
    draw = torch.Generator().manual_seed(1)
    light = to_linear(corpus.patches(6, 128, draw).float() / 255)
    mean, middle = degradation._expose(
        light, degradation.motion_paths(6, 15, 3.0, 6.0, draw), 6.0, 0.2, draw
    )
    assert abs(float(mean.mean() / middle.mean()) - 1) < 0.02
    assert mean.std() < middle.std()


def test_moving_a_picture_as_a_whole_is_the_mean_of_its_moments():
    """Against the slow way: look the moved picture up, moment by moment."""
    draw = torch.Generator().manual_seed(2)
    light = degradation._gaussian_blur(
        torch.rand(2, 3, 96, 96, generator=draw), torch.tensor([1.5, 1.5])
    )
    path = degradation.motion_paths(2, 17, 8.0, 12.0, draw)
    dense = torch.nn.functional.interpolate(path.mT, 97, mode="linear", align_corners=True).mT
    line = torch.arange(96) - 47.5
    here = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)[None]
    slow = torch.zeros_like(light)
    for moment in dense.unbind(1):
        where = (here + moment[:, None, None]).flip(-1) / 47.5
        slow += torch.nn.functional.grid_sample(light, where, align_corners=True) / 97
    inner = (..., slice(16, -16), slice(16, -16))
    assert (degradation._shift(light, path) - slow)[inner].abs().max() < 1e-3
    assert (light - slow)[inner].abs().max() > 0.05


def test_stretched_motions_are_longer():
    usual, far = degradation.Blur.of(0.5), degradation.Blur.of(0.5, 2.0)
    assert (far.short, far.longest) == (2 * usual.short, 2 * usual.longest)
    assert far.curved == usual.curved


def test_lines_are_straight_even_and_within_their_turn():
    draw = torch.Generator().manual_seed(0)
    path = degradation.motion_paths(64, 9, 5.0, 6.0, draw, camera=False, turn=0.1)
    steps = path.diff(dim=1)
    assert (steps - steps[:, :1]).abs().max() < 1e-4
    angle = torch.atan2(steps[:, 0, 0], steps[:, 0, 1]).rad2deg()
    assert 4 < angle.abs().max() <= 9


def test_jpeg_is_close_to_the_real_one():
    y, x = torch.meshgrid(torch.linspace(0, 6, 64), torch.linspace(0, 6, 64), indexing="ij")
    photo = torch.stack([y.sin(), x.cos(), (x * y).sin()]) * 0.4 + 0.5
    file = io.BytesIO()
    array = (photo.permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(array).save(file, "jpeg", quality=60)
    real = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    ours = degradation.jpeg(photo[None], torch.tensor([60.0]))[0]
    lost = (real - photo).square().mean().sqrt()
    assert (ours - real).square().mean().sqrt() < 0.8 * lost
    worse = degradation.jpeg(photo[None], torch.tensor([10.0]))[0]
    assert (worse - photo).square().mean() > (ours - photo).square().mean()


def test_fourier_loss_against_a_slow_loop():
    a, b = torch.rand(1, 1, 4, 6), torch.rand(1, 1, 4, 6)
    total = 0.0
    for u in range(4):
        for v in range(6):
            value = sum(
                complex(a[0, 0, y, x] - b[0, 0, y, x])
                * np.exp(-2j * math.pi * (u * y / 4 + v * x / 6))
                for y in range(4)
                for x in range(6)
            )
            total += abs(value.real) + abs(value.imag)
    assert float(losses.fourier_l1(a, b)) == pytest.approx(total / 48, rel=1e-4)


def test_psnr_loss_is_minus_psnr():
    sharp = torch.full((2, 3, 32, 32), 0.5)
    off = sharp + 0.1
    expected = 10 * math.log10(0.01 + 5e-4)
    assert float(losses.psnr_loss([off], sharp)) == pytest.approx(expected, abs=1e-3)


def test_share_loss_is_the_share_of_the_error_that_is_left():
    sharp = torch.rand(2, 3, 32, 32)
    given = sharp + 0.3 * torch.randn(sharp.shape)
    nothing = float(losses.share_loss([given], sharp, given))
    assert 0.95 < nothing < 1
    half = float(losses.share_loss([(given + sharp) / 2], sharp, given))
    assert half == pytest.approx(nothing / 4, rel=1e-4)
    assert losses.share_loss([sharp], sharp, sharp) == 0  # a sharp photo left alone


@pytest.mark.parametrize("loss", ["paper", "psnr", "share"])
def test_every_loss_trains(folder, tmp_path, loss):
    t = trainer(folder, tmp_path, loss=loss)
    t.run(steps=2)
    assert math.isfinite(t.validate()["S3-U3"])


def test_diversity_asks_draws_to_differ():
    sharp, blurry = torch.rand(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5)
    same = losses.diversity(sharp, sharp, sharp, blurry)
    assert same == pytest.approx(1.0)
    assert losses.diversity(sharp, torch.rand_like(sharp), sharp, blurry) < 0.2


def ripple(strength):
    """A chequerboard of single pixels: the finest structure there is."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return (strength * (-1.0) ** (x + y)).expand(1, 3, 64, 64)


def test_a_ripple_is_neither_diversity_nor_texture():
    sharp = F.interpolate(torch.rand(1, 3, 16, 16), scale_factor=4, mode="bicubic").clamp(0, 1)
    soft = F.avg_pool2d(sharp, 9, stride=1, padding=4, count_include_pad=False)
    one, other = soft + ripple(0.1), soft - ripple(0.1)
    assert losses.diversity(one, other, sharp, soft) > 0.6
    assert losses.texture(one, sharp) > losses.texture(soft, sharp)
    assert losses.texture(sharp, sharp) == 0
    assert losses.texture(sharp.flip(-1), sharp) < 0.7 * losses.texture(soft, sharp)


def test_only_colour_counts_as_colour():
    sharp = torch.rand(1, 3, 16, 16)
    assert losses.colour(sharp + 0.1, sharp) < 1e-6
    redder = sharp + torch.tensor([0.1, 0.0, 0.0])[None, :, None, None]
    assert losses.colour(redder, sharp) > 0.03


def trainer(folder, out, recipe="ablation-full", loss=None, **options):
    small = replace(RECIPES[recipe], size_px=32, batch=2, config=TINY)
    small = replace(small, loss=loss or small.loss)
    if small.realism:
        small = replace(small, config=replace(TINY, noise=True))
    return Trainer(small, *split_files(folder), out, **options)


def test_resuming_is_the_same_as_never_stopping(folder, tmp_path):
    whole = trainer(folder, tmp_path / "whole")
    whole.run(steps=6)
    halves = trainer(folder, tmp_path / "halves")
    halves.sweep = (0, 6)
    for _ in range(3):
        halves._train_step(halves.step / 6)
        halves.step += 1
    halves._elapsed = 1.0
    halves.save()
    resumed = trainer(folder, tmp_path / "halves", resume=True, seed=0)
    assert resumed.step == 3
    resumed.run(steps=6)  # finishes the sweep that was cut off
    for name, value in load_weights(tmp_path / "whole" / "ema.safetensors").items():
        assert torch.equal(value, load_weights(tmp_path / "halves" / "ema.safetensors")[name]), name


def test_blur_grows_harder_once_the_easy_one_is_learned(folder, tmp_path):
    t = trainer(folder, tmp_path)
    t.run(steps=1)
    assert t.hardness == 0
    t.step = 500
    t.errors = torch.tensor([1.0, 0.9])  # 0.5 dB better than the input: not enough
    t._grow_harder(100)
    assert t.hardness == 0
    t.errors = torch.tensor([1.0, 0.7])
    t._grow_harder(100)
    assert t.hardness == pytest.approx(0.02)
    for _ in range(100):
        t._grow_harder(100)
    assert t.hardness == 1
    t.save()
    assert trainer(folder, tmp_path, resume=True).hardness == 1
    (tmp_path / "state.pt").unlink()
    assert trainer(folder, tmp_path, resume=True).hardness == 1


@pytest.mark.parametrize(
    ("scales", "kept", "trained"),
    [(1, 0, {"s1"}), (2, 0, {"s1", "s2"}), (3, 2, {"s3"}), (2, 1, {"s2"})],
)
def test_some_scales_can_be_trained_alone(folder, tmp_path, scales, kept, trained):
    small = replace(RECIPES["deblur"], size_px=32, batch=2, config=TINY, stretch=2.0)
    small = replace(small, scales=scales, kept=kept)
    t = Trainer(small, *split_files(folder), tmp_path)
    before = [p.detach().clone() for p in t.parameters]
    t.run(steps=2)
    moved = {n for n, a, b in zip(t.names, before, t.parameters, strict=True) if (a != b).any()}
    assert {n.split(".")[0] for n in moved} - {"act"} == trained
    assert ("act.weight" in moved) == (kept == 0)


def test_keeping_all_scales_is_refused(folder, tmp_path):
    recipe = replace(RECIPES["deblur"], config=TINY, scales=2, kept=2)
    with pytest.raises(ValueError, match="nothing is left to train"):
        Trainer(recipe, *split_files(folder), tmp_path)


def test_half_a_picture_cannot_be_taught_to_look_real(folder, tmp_path):
    recipe = replace(RECIPES["upscale8-realism"], config=replace(TINY, noise=True), scales=1)
    with pytest.raises(ValueError, match="half size"):
        Trainer(recipe, *split_files(folder), tmp_path)


def test_bfloat16_trains_float32_weights(folder, tmp_path):
    t = trainer(folder, tmp_path, bf16=True)
    t.run(steps=2)
    assert {p.dtype for p in t.parameters} == {torch.float32}
    assert math.isfinite(t.validate()["S3-U3"])


def test_training_lowers_the_loss(folder, tmp_path):
    t = trainer(folder, tmp_path)
    blurry, sharp = t.pairs.batch(8, 1)

    def loss():
        with torch.no_grad():
            return float(losses.paper_loss(t.model.pictures(blurry), sharp))

    before = loss()
    t.run(steps=40)
    assert loss() < 0.8 * before
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0].startswith("step,seconds")
    assert len(rows) >= 2  # a slow machine validates on the way, too


def test_weights_alone_start_again_behind_a_warm_up(folder, tmp_path):
    trainer(folder, tmp_path).run(steps=2)
    (tmp_path / "state.pt").unlink()
    t = trainer(folder, tmp_path, resume=True)
    assert t.warm_from == t.step == 2
    assert t._rate(0.0) < 0.02  # a share of the peak rate
    with pytest.raises(ValueError, match="holds no run"):
        trainer(folder, tmp_path / "empty", resume=True)


def test_a_run_killed_while_it_saves_can_be_resumed(folder, tmp_path, monkeypatch):
    cut = trainer(folder, tmp_path)
    monkeypatch.setattr(torch, "save", lambda state, file: Path(file).write_bytes(b"half"))
    monkeypatch.setattr(os, "replace", killed_at("state.pt"))
    with pytest.raises(KeyboardInterrupt):
        cut.run(steps=1)
    assert "before" in json.loads((tmp_path / "run.json").read_text())
    assert not (tmp_path / "state.pt").exists()


def killed_at(name, replace_file=os.replace):
    def replace(part, path):
        if Path(path).name == name:
            raise KeyboardInterrupt
        replace_file(part, path)

    return replace


def test_photos_are_read_as_everywhere_in_the_course(tmp_path):
    sideways = Image.fromarray(np.tile(np.arange(240, dtype="uint8"), (200, 1))).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    sideways.save(tmp_path / "phone.png", exif=exif)
    (copy,) = Corpus.load([tmp_path / "phone.png"], scales=(1.0,)).photos
    assert torch.equal(copy, (255 * images.load(tmp_path / "phone.png")).round().byte())
    assert copy.shape == (3, 240, 200)


def test_featsharp_says_which_options_it_does_not_know(folder, capsys):
    command = ["featsharp", "--photos", str(folder), "--steps", "1", "--resume", "--muon-rate", "1"]
    assert train.main(command) == 2
    assert "--muon-rate, --resume" in capsys.readouterr().err


def test_another_recipe_cannot_be_resumed(folder, tmp_path):
    trainer(folder, tmp_path).run(steps=1)
    with pytest.raises(ValueError, match="recipe"):
        trainer(folder, tmp_path, "ablation-rgb-only", resume=True)


def test_realism_starts_from_fidelity_and_trains(folder, tmp_path):
    from mssnet_edu.samples import find_data

    fidelity = trainer(folder, tmp_path / "f", "upscale8-fidelity")
    fidelity.run(steps=1)
    realism = trainer(
        folder,
        tmp_path / "r",
        "upscale8-realism",
        start=tmp_path / "f",
        perceptual_weights=find_data("weights/efficientnet-lite0.safetensors"),
    )
    given = load_weights(tmp_path / "f" / "ema.safetensors")["s3.shallow.0.weight"]
    assert torch.equal(realism.model.s3.shallow[0].weight[:, :3], given)
    before = [p.detach().clone() for p in realism.critic.parameters()]
    row = realism.run(steps=2)
    assert math.isfinite(row["S3-U3"])
    changed = [
        not torch.equal(a, b) for a, b in zip(before, realism.critic.parameters(), strict=True)
    ]
    assert any(changed)
    for resume in (False, True):  # a run knows what it began with
        if resume:
            realism = trainer(
                folder,
                tmp_path / "r",
                "upscale8-realism",
                resume=True,
                perceptual_weights=find_data("weights/efficientnet-lite0.safetensors"),
            )
        [first] = realism.before
        assert (first["recipe"], first["step"]) == ("upscale8-fidelity", 1)


def test_weights_of_another_size_are_refused():
    from mssnet_edu.mssnet import MSSNet

    with pytest.raises(ValueError, match="must not be narrower"):
        start_weights(MSSNet(TINY), dict(MSSNet(MSSNetConfig(8, 4, 4)).named_parameters()))


def test_a_wider_network_begins_with_the_narrow_ones_answers():
    from mssnet_edu.mssnet import MSSNet

    narrow, wide = MSSNet(TINY), MSSNet(MSSNetConfig(10, 2, 7))
    photo = torch.rand(1, 3, 64, 48)
    start_weights(wide, dict(narrow.named_parameters()))
    for a, b in zip(narrow.pictures(photo), wide.pictures(photo), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    new = wide.s3.unets[0].encoder.levels[0][0].conv1.weight[TINY.wf :]
    assert new.abs().max() > 0  # else no gradient would ever reach it


def test_the_documented_commands_can_be_parsed():
    """torchrun takes `--start` for an option of its own, unless `--` stands before."""
    from torch.distributed.run import get_args_parser

    parser = train.command_line()
    page = Path(__file__).parents[2] / "docs" / "training" / "README.md"
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [line.split() for line in text.splitlines() if line.startswith("    torchrun ")]
    assert len(found) >= 4
    for _, *words in found:
        args = get_args_parser().parse_args(words)
        assert (args.training_script, args.module) == ("training.train", True)
        ours = [word for word in args.training_script_args if word != "--"]
        assert parser.parse_args(ours).recipe == "deblur"


def test_an_earlier_runs_weights_can_be_mixed_in():
    from mssnet_edu.mssnet import MSSNet
    from training import export_mssnet as export

    narrow = {k: v.detach() for k, v in MSSNet(TINY).named_parameters()}
    wider = MSSNetConfig(6, 4, 4)
    torch.manual_seed(0)
    start = MSSNet(wider)  # what a run that starts from `narrow` begins with
    start_weights(start, narrow)
    begun = {k: v.detach() for k, v in start.named_parameters()}
    trained = {k: v + 1 for k, v in begun.items()}
    found = export.mixed(wider.to_dict(), trained, 0.25, narrow)
    assert all(torch.allclose(found[k], begun[k] + 0.75, atol=1e-6) for k in begun)
    with pytest.raises(ValueError, match="between 0 and 1"):
        export.mixed(wider.to_dict(), trained, 15, narrow)


_TWO = """
import sys
from dataclasses import replace
from pathlib import Path
from mssnet_edu.mssnet import MSSNetConfig
from training.dataset import split_files
from training.recipes import RECIPES
from training.train import Trainer, save_weights
import torch
torch.set_num_threads(1)
recipe = replace(RECIPES["ablation-full"], size_px=32, batch=4, config=MSSNetConfig(4, 4, 4))
recipe = replace(recipe, scales=int(sys.argv[3]))
t = Trainer(recipe, *split_files(sys.argv[1]), Path(sys.argv[2]))
t.run(steps=3)
save_weights(dict(t.model.named_parameters()), Path(sys.argv[2]) / f"rank{t.rank}.safetensors")
torch.distributed.destroy_process_group()
"""


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_two_processes_end_with_identical_weights(folder, tmp_path, scales):
    script = tmp_path / "two.py"
    script.write_text(_TWO)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(folder), str(tmp_path), str(scales)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (load_weights(tmp_path / f"rank{r}.safetensors") for r in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert json.loads((tmp_path / "run.json").read_text())["step"] == 3


def test_every_recipe_fits_its_budget():
    for recipe in RECIPES.values():
        from mssnet_edu.mssnet import MSSNet

        with torch.device("meta"):
            count = sum(p.numel() for p in MSSNet(recipe.config).parameters())
        assert count <= (500_000 if recipe.name.startswith("ablation") else 4_000_000), recipe.name


def test_muon_takes_orthogonal_steps():
    from training.muon import Muon, orthogonal

    torch.manual_seed(0)
    singular = torch.linalg.svdvals(orthogonal(torch.randn(3, 8, 72)))
    assert singular.min() > 0.6
    assert singular.max() < 1.3
    weight = torch.nn.Parameter(torch.zeros(8, 8, 3, 3))
    weight.grad = torch.randn(8, 8, 3, 3)
    Muon([weight], lr=0.1).step()
    assert (weight.detach() * weight.grad).sum() < 0  # downhill
    assert torch.linalg.matrix_norm(weight.detach().reshape(8, -1), 2) == pytest.approx(
        0.1, rel=0.4
    )
