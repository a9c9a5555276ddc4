"""The environment in which the policy is trained, its training, and the evaluation."""

import csv
import functools
import json
import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from mssnet_edu import exposure, images
from mssnet_edu import reference_selection as selection
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.models.reference_policy import build
from training import (
    clips,
    evaluate_overexposure,
    export_reference_policy,
    imitate_oracle,
    panoramas,
    report_overexposure,
    train,
)
from training import reference_policy as recipe
from training.clips import Play
from training.reference_env import ReferenceEnv

LENGTH = 6


def made_play(number=0, length=LENGTH, begins_well=True):
    """A clip in which adopting is right exactly where the second number observed is above 0."""
    generator = torch.Generator().manual_seed(number)
    good = torch.rand(length, generator=generator) < 0.4
    good[0] = begins_well
    seen = torch.randn(length, length + 1, len(selection.FEATURES), generator=generator)
    seen[:, :, 1] = torch.where(good, 1.0, -1.0)[:, None]
    none = torch.full((length,), 20.0)
    pairs = torch.where(good, 24.0, 18.0).expand(length, length).clone()
    # older frames are worth a little less
    age = torch.arange(length)[:, None] - torch.arange(length)
    pairs = torch.where(age > 0, pairs - 0.1 * age, math.nan)
    frames = torch.rand(length, 3, 18, 32, generator=generator)
    glances = selection.glances(frames, torch.zeros(length))
    table = selection.Qualities(pairs, none, none + 5, none - 3)
    return Play(f"clip-{number}", "made", glances, table, seen)


@pytest.fixture(scope="module")
def plays():
    return [made_play(number) for number in range(8)]


# --- the environment -----------------------------------------------------------------------------


def test_it_keeps_gymnasiums_contract(plays):
    check_env(ReferenceEnv(plays), skip_render_check=True)


def test_an_episode_reads_the_table(plays):
    env, table = ReferenceEnv(plays), plays[3].qualities
    now, info = env.reset(options={"clip": 3})
    assert np.array_equal(now, plays[3].observations[0, -1])
    gathered = []
    for action in (1, 0, 0, 1, 0):
        now, reward, over, cut, info = env.step(action)
        gathered.append(reward)
    assert over
    assert not cut
    assert info["references"] == [None, 0, 0, 0, 3, 3]
    wanted = selection.score(table, info["references"])[1:] - table.none[1:]
    assert gathered == pytest.approx(wanted.tolist())
    assert np.array_equal(now, plays[3].observations[5, 3])


def test_a_frame_with_nothing_to_judge_rewards_nothing(plays):
    play = plays[0]
    pairs, none = play.qualities.pairs.clone(), play.qualities.none.clone()
    pairs[2], none[2] = math.nan, math.nan
    table = play.qualities._replace(pairs=pairs, none=none)
    env = ReferenceEnv([play._replace(qualities=table)])
    env.reset()
    rewards = [env.step(1)[1] for _ in range(LENGTH - 1)]
    assert rewards[1] == 0
    assert all(np.isfinite(rewards))


def test_what_is_observed_does_not_depend_on_the_future(plays):
    """The same decisions so far give the same observation, whatever the table says of later."""
    play = plays[1]
    pairs = play.qualities.pairs.clone()
    pairs[4:] += 7
    other = play._replace(qualities=play.qualities._replace(pairs=pairs))
    for env_plays in ([play], [other]):
        env = ReferenceEnv(env_plays)
        env.reset()
        seen = [env.step(1)[:2] for _ in range(3)]
        if env_plays[0] is play:
            first = seen
    for (one, reward), (two, same) in zip(first, seen, strict=True):
        assert np.array_equal(one, two)
        assert reward == same


def test_a_drawn_clip_follows_from_the_seed(plays):
    env = ReferenceEnv(plays)
    drawn = [env.reset(seed=seed)[1]["clip"] for seed in (5, 5, 6, 7, 8, 9)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert isinstance(env, gymnasium.Env)


# --- training ------------------------------------------------------------------------------------


def test_reinforce_learns_what_is_rewarded(plays, tmp_path):
    trainer = recipe.Trainer(plays, plays[:4], tmp_path, batch=4, rate=1e-2)
    last = trainer.run(60, every=30)
    found = recipe.qualities_of(plays, trainer.policy)
    best = max(found[name] for name in selection.RULES)
    assert found["policy"] > best + 0.7 * (found["oracle"] - best)
    assert last["gap"] > 0.7
    rows = list(csv.DictReader((tmp_path / "log.csv").open(encoding="utf-8")))
    assert [int(row["step"]) for row in rows] == [30, 60]


def test_resuming_goes_on_exactly(plays, tmp_path):
    whole = recipe.Trainer(plays, plays[:2], tmp_path / "a", batch=2)
    for _ in range(6):
        whole.update()
        whole.step += 1
    half = recipe.Trainer(plays, plays[:2], tmp_path / "b", batch=2)
    for _ in range(3):
        half.update()
        half.step += 1
    half.save()
    again = recipe.Trainer(plays, plays[:2], tmp_path / "b", batch=2, resume=True)
    for _ in range(3):
        again.update()
        again.step += 1
    for one, two in zip(whole.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_policy_is_small_and_deterministic(plays):
    policy = build(len(selection.FEATURES))
    assert 1000 < sum(p.numel() for p in policy.parameters()) < 5000
    torch.nn.init.normal_(policy.head.weight)
    assert recipe.greedy(policy, plays) == recipe.greedy(policy, plays)


def test_the_greedy_policy_is_the_rule_that_learners_use():
    """Training reads observations from a store; the course's rule looks at the frames."""
    frames = torch.rand(5, 3, 36, 64, generator=torch.Generator().manual_seed(3))
    glances = selection.glances(frames, torch.linspace(0, 1, 5))
    table = made_play(length=5).qualities
    play = Play("a", "b", glances, table, clips.observations(glances))
    for seed in range(4):
        torch.manual_seed(seed)
        policy = build(len(selection.FEATURES))
        torch.nn.init.normal_(policy.head.weight)
        assert recipe.greedy(policy, [play])[0] == selection.run(selection.learned(policy), glances)


# --- how much could be gained ---------------------------------------------------------------------


def test_with_foresight_of_the_whole_clip_one_is_the_oracle(plays):
    for play in plays:
        whole = imitate_oracle.with_foresight(play.qualities, LENGTH)
        oracle = selection.oracle(play.qualities)
        assert selection.score(play.qualities, whole).nansum() == pytest.approx(
            float(selection.score(play.qualities, oracle).nansum())
        )
        assert imitate_oracle.with_foresight(play.qualities, 0) == [None] * LENGTH


def test_foresight_ends_where_it_says(plays):
    """What lies beyond changes no decision."""
    play = plays[2]
    pairs = play.qualities.pairs.clone()
    pairs[4:] += 7
    pairs[5, 3] -= 30
    other = play.qualities._replace(pairs=pairs)
    one, two = (imitate_oracle.with_foresight(q, 1) for q in (play.qualities, other))
    assert one[:3] == two[:3]  # frame 2's decision, seen in frame 3, knows frame 3


def test_the_diagnosis_finds_what_can_be_learned(monkeypatch):
    """In these clips one number says all, so even an imitator that has not seen them finds it."""
    monkeypatch.setattr(imitate_oracle, "BATCH", 256)
    monkeypatch.setattr(imitate_oracle, "FOLDS", 2)
    plays = [made_play(i, 10, begins_well=False)._replace(scene=f"{i % 8}") for i in range(24)]
    found = imitate_oracle.diagnose(plays, seeds=(0,))
    assert (found["clips"], found["scenes"]) == (24, 8)
    lead = found["gains"]["oracle"]["mean"]
    assert found["gains"]["imitator, scenes left out, seed 0"]["mean"] > 0.5 * lead > 0
    text = report_overexposure.render_imitation(found)
    assert text.count("|\n") >= 8
    assert "oracle that sees 1 frame ahead" in text


# --- panoramas of our own making -----------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two tiny panoramas, one of each format, with a window in each."""
    import OpenImageIO

    folder = tmp_path_factory.mktemp("panoramas")
    for number, name in enumerate(("kitchen.exr", "yard.hdr")):
        generator = torch.Generator().manual_seed(number)
        light = torch.nn.functional.interpolate(
            torch.rand(1, 3, 12, 24, generator=generator) + 0.1, (64, 128), mode="bilinear"
        )[0]
        light[:, 20:34, 30 + 40 * number : 60 + 40 * number] *= 20
        pixels = light.permute(1, 2, 0).contiguous().numpy()
        out = OpenImageIO.ImageBuf(pixels)
        assert out.write(str(folder / name))
    return folder


def small_network(start=None):
    torch.manual_seed(0)
    return Overexposure(width=8, blocks=1).eval()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(recipe, "overexposure_network", small_network)
    monkeypatch.setattr(evaluate_overexposure, "overexposure_network", small_network)
    policy = build(len(selection.FEATURES))
    monkeypatch.setattr(evaluate_overexposure, "load_model", lambda name: policy)


def test_a_clip_is_the_same_every_time(folder):
    light = panoramas.read(folder / "kitchen.exr")
    one, same, other = (clips.film_clip(light, "kitchen", n, 3) for n in (0, 0, 1))
    assert torch.equal(one.frames, same.frames)
    assert not torch.equal(one.frames, other.frames)
    wandering = clips.film_clip(light, "kitchen", 0, 3, (18, 32), wanders=True)
    assert wandering.frames.shape == (3, 3, 18, 32)
    assert not torch.equal(one.ev, wandering.ev)
    assert (one.name, other.name, one.scene) == ("kitchen-0", "kitchen-1", "kitchen")


def test_measured_plays_are_read_from_the_cache_the_second_time(folder, tmp_path, monkeypatch):
    files = {"kitchen": folder / "kitchen.exr"}
    first = list(clips.measured_plays(small_network(), files, 1, tmp_path, 3))
    monkeypatch.setattr(selection, "measure", None)
    second = list(clips.measured_plays(small_network(), files, 1, tmp_path, 3))
    assert torch.equal(first[0].observations, second[0].observations)
    for one, two in zip(first[0].qualities, second[0].qualities, strict=True):
        assert torch.equal(one.nan_to_num(-1), two.nan_to_num(-1))
    with pytest.raises(TypeError):  # judged otherwise: another table
        list(clips.measured_plays(small_network(), files, 1, tmp_path, 3, every=2))
    with torch.no_grad():  # other weights are another network
        changed = small_network()
        changed.head[-1].bias += 1
    with pytest.raises(TypeError):
        list(clips.measured_plays(changed, files, 1, tmp_path, 3))


def test_the_evaluation_scores_a_folder_of_panoramas(folder, tmp_path, small):
    table, details = tmp_path / "scores" / "table.csv", tmp_path / "details.json"
    command = ["--panoramas", str(folder), "--csv", str(table), "--clips", "1", "--frames", "4"]
    command += ["--cache", str(tmp_path / "cache"), "--details", str(details)]
    assert evaluate_overexposure.main(command) == 0
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert list(rows[0]) == ["scene", "method", "psnr_pu_db", "frames"]
    assert [(row["scene"], row["method"]) for row in rows] == [
        (scene, method) for scene in ("kitchen", "yard") for method in evaluate_overexposure.METHODS
    ]
    for scene in ("kitchen", "yard"):
        found = {row["method"]: row for row in rows if row["scene"] == scene}
        counted = {int(row["frames"]) for row in found.values()}
        assert len(counted) == 1
        assert 1 <= counted.pop() <= 4
        db = {name: float(row["psnr_pu_db"]) for name, row in found.items()}
        assert db["inpaint"] <= db["white"] + 0.2  # it cannot answer more than white
        for name in (*selection.RULES, "policy"):
            assert db[name] <= db["oracle"] + 1e-3
    about = json.loads(details.read_text(encoding="utf-8"))
    for name in evaluate_overexposure.METHODS:
        interval = about["all"][name]
        assert interval["low"] <= interval["mean"] <= interval["high"]
        assert set(about["closer"]["all"][name]) == {"st_lpips", "flicker", "sun_db"}
        assert about["closer"]["all"][name]["st_lpips"] > 0
    assert about["differences_db"]["oracle - best fixed rule"]["mean"] >= 0
    page = report_overexposure.render(about)
    assert "the policy goes 70 %" in page
    assert page.count("kitchen") == 2
    again = tmp_path / "again.csv"
    command[3] = str(again)
    assert evaluate_overexposure.main(command[:-2]) == 0
    assert again.read_text(encoding="utf-8") == table.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--clips", "0"], "1 or more"), (["--frames", "1"], "2 or more"), ([], "is not a folder")],
)
def test_the_evaluation_says_what_is_wrong(tmp_path, capsys, arguments, words):
    command = ["--panoramas", str(tmp_path / "none"), "--csv", str(tmp_path / "x.csv"), *arguments]
    assert evaluate_overexposure.main(command) != 0
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


def test_inpainting_fills_from_the_border_and_stays_below_white():
    frames = torch.full((2, 3, 24, 32), 0.6)
    frames[0, :, 8:16, 8:20] = 1.0
    masks = exposure.clipped(frames)
    clip = exposure.Clip(frames, torch.zeros(2), images.to_linear(frames), masks)
    light = evaluate_overexposure.inpaint(clip)
    assert torch.allclose(light, images.to_linear(torch.tensor(0.6)).expand_as(light), atol=1e-3)


def test_flicker_and_suns_are_counted_apart():
    light = torch.full((3, 3, 32, 32), 0.2)
    light[:, :, 8:24, 8:24] = 4.0
    light[:, :, 8:10, 8:10] = 500.0
    ev = torch.tensor([0.0, 0.5, 0.0])
    frames = exposure.capture(light, ev, math.inf, 0.0)
    clip = exposure.Clip(frames, ev, light, exposure.clipped(frames))
    steady = torch.where(clip.masks, 2 * clip.exposed, clip.exposed)  # wrong, but always alike
    restless = torch.where(clip.masks, clip.exposed * torch.tensor([1, 2, 1]).view(3, 1, 1, 1), 0)
    filled = {"truth": clip.exposed, "steady": steady, "restless": restless}
    filled["white"] = clip.exposed.clamp(max=1)
    found = evaluate_overexposure.look_closer(clip, filled)
    assert found["truth"]["flicker"] == pytest.approx(0, abs=1e-3)
    assert found["truth"]["st_lpips"] == pytest.approx(0, abs=1e-3)
    assert found["restless"]["flicker"] > 3 * found["steady"]["flicker"]
    assert found["white"]["sun_db"] < 5  # far from a sun disc


def test_the_recipe_trains_from_the_command_line(folder, tmp_path, small, monkeypatch):
    files = panoramas.panorama_files([folder])
    parts = {"train": dict([*files.items()][:1]), "validation": dict([*files.items()][1:])}
    monkeypatch.setattr(panoramas, "split_panoramas", lambda folders: parts)
    monkeypatch.setattr(clips, "FRAMES", 4)
    short = functools.partial(clips.measured_plays, frames=4)
    monkeypatch.setattr(recipe, "measured_plays", short)
    runs = [tmp_path / f"policy-{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        command = ["reference-policy", "--panoramas", str(folder), "--out", str(run), "--items"]
        command += ["1", "--views", str(tmp_path / "clips"), "--seed", str(seed)]
        assert train.main([*command, "--steps", "2", "--every", "1", "--batch", "1"]) == 0
    info = export_reference_policy.export(runs, tmp_path / "weights")
    assert info.name == "reference-policy"
    assert (tmp_path / "weights" / "reference-policy.md").is_file()
    assert train.main([*command, "--minutes", "1"]) != 0  # it is trained by steps
