"""A trainer resumes to the last bit, alone or with a twin; weights start another run."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mssnet_edu.mssnet import MSSNet, MSSNetConfig
from training import checkpoint, export_mssnet, losses, train
from training.checkpoint import load_weights, load_widened
from training.curriculum import Curriculum
from training.dataset import split_files
from training.distributed import ProcessGroup
from training.recipes import RECIPES
from training.trainer import Trainer

TINY = MSSNetConfig(4, 4, 4)


def trainer(folder, out, recipe="ablation-full", options=None, **changes):
    """A Trainer of a tiny network; changes: of the recipe, options: of the Trainer."""
    config = replace(TINY, noise=RECIPES[recipe].config.noise)
    small = replace(RECIPES[recipe], **{"size_px": 32, "batch": 2, "config": config, **changes})
    return Trainer(small, *split_files(folder), out, **(options or {}))


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def moved(before, model):
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
def test_every_loss_trains(folder, tmp_path, loss):
    t = trainer(folder, tmp_path, loss=loss)
    before = weights(t.model)
    row = t.run(steps=2)
    assert math.isfinite(row["S3-U3"])
    assert moved(before, t.model)


def test_training_lowers_the_loss(folder, tmp_path):
    t = trainer(folder, tmp_path)
    blurry, sharp = t.pairs.batch(8, 1)

    def loss():
        with torch.no_grad():
            return float(losses.paper_loss(t.model.pictures(blurry), sharp))

    before = loss()
    t.run(steps=40)
    assert loss() < 0.8 * before
    rows = (tmp_path / "log.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("step,seconds")
    assert len(rows) >= 2  # a slow machine validates on the way, too


def test_averaged_weights_follow_at_first_and_lag_later(folder, tmp_path):
    t = trainer(folder, tmp_path)
    expected = weights(t.model)
    for n in range(3):
        t.run(steps=1)
        decay = (1 + n) / (10 + n)
        for name, p in t.model.named_parameters():
            expected[name].lerp_(p.detach(), 1 - decay)
    found = load_weights(tmp_path / "ema.safetensors")
    assert all(torch.allclose(found[name], expected[name], atol=1e-7) for name in expected)


@pytest.mark.parametrize(
    ("scales", "frozen", "trained"),
    [(1, 0, {"s1"}), (2, 0, {"s1", "s2"}), (3, 2, {"s3"}), (2, 1, {"s2"})],
)
def test_some_scales_can_be_trained_alone(folder, tmp_path, scales, frozen, trained):
    changes = {"scales": scales, "frozen": frozen, "stretch": 2.0}
    t = trainer(folder, tmp_path, "deblur", **changes)
    before = weights(t.model)
    t.run(steps=2)
    changed = moved(before, t.model)
    assert {name.split(".")[0] for name in changed} - {"act"} == trained
    assert ("act.weight" in changed) == (frozen == 0)


def test_freezing_all_scales_is_refused():
    with pytest.raises(ValueError, match="nothing is left to train"):
        replace(RECIPES["deblur"], scales=2, frozen=2)


def test_half_a_picture_cannot_learn_a_whole_answer():
    with pytest.raises(ValueError, match="half size"):
        replace(RECIPES["upscale8-realism"], scales=1)


def test_bfloat16_trains_float32_weights(folder, tmp_path):
    t = trainer(folder, tmp_path, options={"bf16": True})
    row = t.run(steps=2)
    assert {p.dtype for p in t.model.parameters()} == {torch.float32}
    assert math.isfinite(row["S3-U3"])


def test_realism_starts_from_fidelity_and_trains(folder, pairs, tmp_path):
    trainer(folder, tmp_path / "f", "upscale8-fidelity").run(steps=1)
    options = {"start": tmp_path / "f", "pairs": pairs}
    realism = trainer(folder, tmp_path / "r", "upscale8-realism", options)
    narrow = load_weights(tmp_path / "f" / "ema.safetensors")["s3.shallow.0.weight"]
    assert torch.equal(realism.model.s3.shallow[0].weight[:, :3], narrow)
    before, features = weights(realism.model), weights(realism.loss.feature_network)
    row = realism.run(steps=2)
    assert math.isfinite(row["S3-U3"])
    assert len(realism.held_out) > 0
    for scale in ("s1", "s2", "s3"):  # the noise is listened to at every scale
        name = f"{scale}.shallow.0.weight"
        now = weights(realism.model)[name]
        assert not torch.equal(now[:, 3], before[name][:, 3]), scale
    assert not moved(features, realism.loss.feature_network)
    resumed = trainer(folder, tmp_path / "r", "upscale8-realism", {"resume": True, "pairs": pairs})
    assert not moved(weights(realism.model), resumed.model)
    for run in (realism, resumed):  # a run knows what it began with
        [first] = run.previous_runs
        assert (first["recipe"], first["step"]) == ("upscale8-fidelity", 1)


# --- curriculum ----------------------------------------------------------------------------------


def test_difficulty_rises_once_the_easy_blur_is_learned():
    blurry, sharp = torch.full((2, 3, 8, 8), 0.4), torch.full((2, 3, 8, 8), 0.5)
    curriculum = Curriculum(0.1, 0.3, 1.3)
    for _ in range(300):
        curriculum.record(blurry, sharp - 0.095, sharp)
    assert curriculum.gain_db() == pytest.approx(20 * math.log10(0.1 / 0.095), abs=0.01)
    curriculum.update(100, ProcessGroup())
    assert curriculum.difficulty == 0.1  # 0.4 dB better than the input: not enough
    for _ in range(300):
        curriculum.record(blurry, sharp - 0.08, sharp)
    curriculum.update(100, ProcessGroup())
    assert curriculum.difficulty == pytest.approx(0.12)
    curriculum.update(10_000, ProcessGroup())
    assert curriculum.difficulty == 0.3


def test_difficulty_waits_for_the_warm_up_and_is_saved(folder, tmp_path):
    t = trainer(folder, tmp_path, gain_db=-99.0)
    t.run(steps=2)
    assert t.curriculum.difficulty == 0
    t.step = 500
    t.run(steps=2)
    assert t.curriculum.difficulty == pytest.approx(2 * 2 * 0.0002)
    for name in ("state.pt", "weights.safetensors"):  # exact, and from the weights alone
        resumed = trainer(folder, tmp_path, options={"resume": True})
        assert resumed.curriculum.difficulty == t.curriculum.difficulty, name
        (tmp_path / name).unlink()


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["ablation-full", "upscale8-realism"])
def test_resuming_is_the_same_as_never_stopping(folder, tmp_path, monkeypatch, pairs, recipe):
    options = {"pairs": pairs} if recipe == "upscale8-realism" else {}
    trainer(folder, tmp_path / "whole", recipe, options).run(steps=6)
    cut = trainer(folder, tmp_path / "cut", recipe, options)
    save = checkpoint.save_run

    def killed_after_three(folder, about, *rest):
        save(folder, about, *rest)
        if about["step"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_run", killed_after_three)
        with pytest.raises(KeyboardInterrupt):
            cut.run(steps=6, every_s=0)
    resumed = trainer(folder, tmp_path / "cut", recipe, options | {"resume": True})
    assert resumed.step == 3
    resumed.run(steps=6)  # finishes the run that was cut off
    assert resumed.step == 6
    for file in ("weights.safetensors", "ema.safetensors"):
        whole, halves = (load_weights(tmp_path / run / file) for run in ("whole", "cut"))
        assert all(torch.equal(whole[name], halves[name]) for name in whole)


def test_a_time_limited_run_can_be_made_in_pieces(folder, tmp_path):
    t = trainer(folder, tmp_path)
    first = t.run(minutes=0.005, part=(0.0, 0.5))
    second = trainer(folder, tmp_path, options={"resume": True}).run(minutes=0.005, part=(0.5, 1.0))
    assert 0 < first["step"] < second["step"]
    assert second["seconds"] > first["seconds"]
    with pytest.raises(ValueError, match="either minutes or steps"):
        t.run()


def test_weights_alone_start_again_behind_a_warm_up(folder, tmp_path):
    trainer(folder, tmp_path).run(steps=2)
    (tmp_path / "state.pt").unlink()
    t = trainer(folder, tmp_path, options={"resume": True})
    assert t.step == 2
    assert float(t.run(steps=1)["rate"]) < 0.02 * t.recipe.rate
    with pytest.raises(ValueError, match="holds no run"):
        trainer(folder, tmp_path / "empty", options={"resume": True})


def test_averaged_weights_alone_go_on_as_slowly_as_before(folder, tmp_path):
    trainer(folder, tmp_path).run(steps=1)
    (tmp_path / "state.pt").unlink()
    about = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(about | {"step": 20_000}), encoding="utf-8")
    before = load_weights(tmp_path / "ema.safetensors")
    trainer(folder, tmp_path, options={"resume": True}).run(steps=1)
    after, now = (load_weights(tmp_path / f"{name}.safetensors") for name in ("ema", "weights"))
    for name, value in before.items():
        assert torch.allclose(after[name], value.lerp(now[name], 0.001), atol=1e-6)


def test_a_run_killed_while_it_saves_can_be_resumed(folder, tmp_path, monkeypatch):
    t = trainer(folder, tmp_path)
    t.run(steps=1)

    def killed(part, path, replace_file=os.replace):
        if Path(path).name == "state.pt":
            raise KeyboardInterrupt
        replace_file(part, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            t.run(steps=1)
    assert trainer(folder, tmp_path, options={"resume": True}).step == 1
    assert len(list(tmp_path.iterdir())) == 5  # nothing half-written is left


def test_another_recipe_cannot_be_resumed(folder, tmp_path):
    trainer(folder, tmp_path).run(steps=1)
    with pytest.raises(ValueError, match="recipe"):
        trainer(folder, tmp_path, "ablation-rgb-only", {"resume": True})


def test_an_exported_upscaler_is_a_start(tmp_path):
    start = MSSNet(TINY)
    exported = {f"network.{name}": p for name, p in start.named_parameters()}
    checkpoint.save_weights(exported, tmp_path / "mssnet.safetensors")
    model = MSSNet(TINY)
    load_widened(model, checkpoint.starting_weights(tmp_path / "mssnet.safetensors"))
    assert not moved(weights(start), model)


def test_starting_from_nothing_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="no weights at"):
        trainer(folder, tmp_path, options={"start": tmp_path / "nowhere"})


def test_weights_of_another_size_are_refused():
    with pytest.raises(ValueError, match="must not be narrower"):
        load_widened(MSSNet(TINY), weights(MSSNet(MSSNetConfig(8, 4, 4))))


def test_a_wider_network_begins_with_the_narrow_ones_answers():
    narrow, wide = MSSNet(TINY), MSSNet(MSSNetConfig(10, 2, 7))
    photo = torch.rand(1, 3, 64, 48)
    load_widened(wide, weights(narrow))
    for a, b in zip(narrow.pictures(photo), wide.pictures(photo), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    new = wide.s3.unets[0].encoder.levels[0][0].conv1.weight[TINY.wf :]
    assert new.abs().max() > 0  # else no gradient would ever reach it


def test_an_earlier_runs_weights_can_be_mixed_in():
    narrow = weights(MSSNet(TINY))
    wider = MSSNetConfig(6, 4, 4)
    torch.manual_seed(0)
    start = MSSNet(wider)  # what a run that starts from `narrow` begins with
    load_widened(start, narrow)
    begun = weights(start)
    trained = {k: v + 1 for k, v in begun.items()}
    mixture = export_mssnet.interpolate_weights(wider.to_dict(), trained, 0.25, narrow)
    assert all(torch.allclose(mixture[k], begun[k] + 0.75, atol=1e-6) for k in begun)
    with pytest.raises(ValueError, match="between 0 and 1"):
        export_mssnet.interpolate_weights(wider.to_dict(), trained, 15, narrow)


# --- several processes ---------------------------------------------------------------------------


_TWO = """
import sys
from dataclasses import replace
from pathlib import Path
from mssnet_edu.mssnet import MSSNetConfig
from training.checkpoint import save_weights
from training.dataset import split_files
from training.recipes import RECIPES
from training.trainer import Trainer
import torch
torch.set_num_threads(1)
photos, pairs, *runs = sys.argv[1:]
for out in map(Path, runs):
    recipe, scales = out.name.split(",")
    config = MSSNetConfig(4, 4, 4, noise=RECIPES[recipe].config.noise)
    recipe = replace(RECIPES[recipe], size_px=32, batch=4, config=config, scales=int(scales))
    t = Trainer(recipe, *split_files(photos), out, pairs=pairs if config.noise else None)
    t.run(steps=3)
    rank = torch.distributed.get_rank()
    save_weights(dict(t.model.named_parameters()), out / f"rank{rank}.safetensors")
torch.distributed.destroy_process_group()
"""


def test_two_processes_end_with_identical_weights(folder, pairs, tmp_path):
    script = tmp_path / "two.py"
    script.write_text(_TWO, encoding="utf-8")
    runs = [tmp_path / run for run in ("ablation-full,1", "ablation-full,2", "upscale8-realism,3")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(  # one start for all runs: starting takes longer than training
        [*command, str(script), str(folder), str(pairs), *map(str, runs)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for run in runs:
        one, two = (load_weights(run / f"rank{rank}.safetensors") for rank in range(2))
        assert all(torch.equal(one[k], two[k]) for k in one), run.name
        assert json.loads((run / "run.json").read_text(encoding="utf-8"))["step"] == 3


# --- recipes and command line --------------------------------------------------------------------


def test_every_recipe_fits_its_budget():
    for recipe in RECIPES.values():
        with torch.device("meta"):
            count = sum(p.numel() for p in MSSNet(recipe.config).parameters())
        assert count <= (500_000 if recipe.name.startswith("ablation") else 4_000_000), recipe.name


def test_the_command_line_changes_a_recipe(folder, tmp_path, monkeypatch):
    made = {}

    class Recorder:
        def __init__(self, recipe, *args, **options):
            made.update(recipe=recipe, **options)

        def run(self, **options):
            made.update(options)

    monkeypatch.setattr(train, "Trainer", Recorder)
    command = "deblur --steps 7 --difficulty 0.2 0.5 --frozen 1 --non-uniform 0 --loss psnr --bf16"
    assert train.main([*command.split(), "--photos", str(folder), "--out", str(tmp_path)]) == 0
    recipe = made["recipe"]
    assert (recipe.difficulty, recipe.frozen, recipe.non_uniform) == ((0.2, 0.5), 1, 0.0)
    assert (recipe.loss, recipe.rate) == ("psnr", RECIPES["deblur"].rate)
    assert (made["steps"], made["minutes"], made["bf16"]) == (7, None, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("deblur --pairs x", "training deblur does not know --pairs"),
        ("upscale8-realism --pairs x --loss psnr", "upscale8-realism does not know --loss"),
        ("upscale8-realism", "--pairs FOLDER"),
        ("upscale8-realism --pairs nowhere", "nowhere holds no pairs"),
    ],
)
def test_a_teachers_answers_are_for_the_recipe_that_learns_them(
    folder, tmp_path, capsys, command, said
):
    rest = ["--photos", str(folder), "--steps", "1", "--out", str(tmp_path / "run")]
    assert train.main([*command.split(), *rest, "--start", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_featsharp_says_which_options_it_does_not_know(folder, capsys):
    command = ["featsharp", "--photos", str(folder), "--steps", "1", "--resume", "--muon-rate", "1"]
    assert train.main(command) == 2
    assert "--muon-rate, --resume" in capsys.readouterr().err


def test_the_documented_commands_can_be_parsed():
    """torchrun takes `--start` for an option of its own, unless `--` stands before."""
    from torch.distributed.run import get_args_parser

    parser = train.command_line()
    page = Path(__file__).parents[2] / "docs" / "training" / "README.md"
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line.split() for line in text.splitlines() if line.startswith("    ")]
    plain = [c[3:] for c in commands if c[:3] == ["python", "-m", "training.train"]]
    launched = [c[1:] for c in commands if c[0] == "torchrun"]
    assert len(plain) >= 4
    assert len(launched) >= 4
    for words in launched:
        args = get_args_parser().parse_args(words)
        assert (args.training_script, args.module) == ("training.train", True)
        plain.append([word for word in args.training_script_args if word != "--"])
    recipes = {parser.parse_args(words).recipe for words in plain}
    assert recipes == {"deblur", "upscale8-realism"}
