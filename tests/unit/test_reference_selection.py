"""Which old frame to keep: rules see no future, the oracle is the best there is."""

import itertools
import math

import pytest
import torch

from mssnet_edu import exposure, images, metrics
from mssnet_edu import reference_selection as selection
from mssnet_edu.models.overexposure import Overexposure
from mssnet_edu.models.reference_policy import ReferencePolicy


@pytest.fixture(scope="module")
def clip():
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(1, 3, 12, 24, generator=generator)
    panorama = torch.nn.functional.interpolate(rough, (64, 128), mode="bicubic")[0].clamp(min=0)
    panorama[:, 16:40, 40:70] *= 12  # a window
    return exposure.film(panorama, frames=7, size_px=(40, 64), sweep_deg=50, seed=3)


@pytest.fixture(scope="module")
def seen(clip):
    return selection.glances(clip.frames, clip.ev)


def policy(seed=0):
    torch.manual_seed(seed)
    network = ReferencePolicy(len(selection.FEATURES))
    torch.nn.init.normal_(network.head.weight)
    return network


def random_qualities(length, seed):
    """Qualities with some frames in which nothing is judged."""
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.rand(length, length, generator=generator)
    none, ideal, white = torch.rand(3, length, generator=generator)
    pairs[torch.ones(length, length).triu() > 0] = math.nan
    empty = torch.rand(length, generator=generator) < 0.2
    pairs[empty], none[empty] = math.nan, math.nan
    return selection.Qualities(pairs, 0.5 * none, ideal, white)


ALL_RULES = {**selection.RULES, "learned": selection.learned(policy())}


# --- what is seen --------------------------------------------------------------------------------


def test_a_glance_says_what_the_frame_says():
    frames = torch.full((2, 3, 36, 64), 0.5)
    frames[1, :, :18] = 1.0
    first, second = selection.glances(frames, torch.tensor([1.0, 0.25]))
    assert (first.number, first.ev, first.clipped_share, first.ev_change) == (0, 1.0, 0.0, 0.0)
    assert (second.clipped_share, second.nearly_clipped_share) == (0.5, 0.5)
    assert second.ev_change == -0.75
    assert torch.equal(second.recorded, torch.arange(18)[:, None].expand(18, 32).ge(9).float())
    middle = float(images.to_linear(torch.tensor(0.5)))
    assert first.brightness == pytest.approx(middle, rel=1e-3)
    assert first.stops.mean() == pytest.approx(math.log2(middle) - 1, abs=1e-3)


def panned(shift_px, height=90, width=160):
    """Two views of one texture, the second looking further to the right."""
    generator = torch.Generator().manual_seed(2)
    rough = torch.rand(1, 3, 9, 60, generator=generator)
    wide = torch.nn.functional.interpolate(rough, (height, 3 * width), mode="bilinear")[0]
    return torch.stack([wide[..., :width], wide[..., shift_px : shift_px + width]]) * 0.9


@pytest.mark.parametrize("cells", [0, 1, 4, 9])
def test_match_finds_how_far_the_camera_turned(cells):
    first, second = selection.glances(panned(5 * cells), torch.zeros(2))
    found = selection.match(second, first)
    assert found.shift == (cells / 32, 0.0)
    assert second.motion == second.position == (cells / 32, 0.0)
    assert found.overlap == pytest.approx(1 - cells / 32)
    assert found.difference < 0.05
    assert found.recorded[:, -cells:].sum() == 0 or not cells  # there, the first frame ends
    assert selection.match(first, second).shift == (-cells / 32, 0.0)


def test_another_exposure_shows_the_same_scene():
    light = images.to_linear(panned(10))
    frames = torch.stack([images.to_srgb(light[0] / 2), images.to_srgb(light[1])])
    first, second = selection.glances(frames, torch.tensor([-1.0, 0.0]))
    found = selection.match(second, first)
    assert found.shift == (2 / 32, 0.0)
    assert found.difference < 0.1


def test_frames_that_look_elsewhere_have_nothing_in_common():
    frames = torch.cat([panned(40), *(panned(40 * n)[1:] for n in range(2, 6))])
    seen = selection.glances(frames, torch.zeros(6))
    assert seen[-1].position[0] == pytest.approx(1.25)
    found = selection.match(seen[-1], seen[0])
    assert (found.overlap, found.recorded.sum()) == (0, 0)


def test_observe_counts_what_the_kept_frame_shows():
    frames = torch.rand(2, 3, 36, 64, generator=torch.Generator().manual_seed(1)) * 0.7 + 0.1
    frames[1, :, :18, :32] = 1.0  # of the second frame a quarter is lost, and the first has it
    first, second = selection.glances(frames, torch.zeros(2))
    names = dict(zip(selection.FEATURES, selection.observe(second, first).tolist(), strict=True))
    assert names["of what is clipped now, the kept frame shows"] == 1
    assert names["of what is clipped in both"] == 0
    assert names["of what the kept frame lost, now shows"] == 0
    white, good = selection.glances(frames.flip(0), torch.zeros(2))
    names = dict(zip(selection.FEATURES, selection.observe(good, white).tolist(), strict=True))
    assert names["of what the kept frame lost, now shows"] == 0.5  # twice a quarter
    alone = selection.observe(second, None)
    assert alone[0] == 0
    assert alone[selection.FEATURES.index("clipped share now")] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("frames", "ev"), [(torch.rand(2, 3, 10, 40), 2), (torch.rand(2, 3, 40, 20), 2)]
)
def test_frames_that_are_too_small_are_refused(frames, ev):
    with pytest.raises(images.PhotoError, match="at least 32 x 18 px"):
        selection.glances(frames, torch.zeros(ev))


def test_each_frame_needs_its_exposure():
    with pytest.raises(images.PhotoError, match="one EV for each"):
        selection.glances(torch.rand(2, 3, 40, 40), torch.zeros(3))


# --- rules ---------------------------------------------------------------------------------------


def test_the_fixed_rules_do_what_their_names_say(seen):
    made = {name: selection.run(rule, seen) for name, rule in selection.RULES.items()}
    assert made["none"] == [None] * 7
    assert made["first"] == [None] + [0] * 6
    assert made["previous"] == [None, 0, 1, 2, 3, 4, 5]
    assert selection.run(selection.every_kth(3), seen) == [None, 0, 0, 0, 3, 3, 3]
    shares = [glance.clipped_share for glance in seen]
    for number, kept in list(enumerate(made["least-clipped"]))[1:]:
        assert shares[kept] == min(shares[:number])
    with pytest.raises(ValueError, match="k is 0"):
        selection.every_kth(0)


@pytest.mark.parametrize("name", ALL_RULES)
def test_the_future_changes_no_decision(clip, seen, name):
    """Frames 0 to 3 are the same, the rest is another film: the references up to 4 are the same."""
    now = selection.run(ALL_RULES[name], seen)
    frames, ev = clip.frames.clone(), clip.ev.clone()
    frames[4:] = torch.rand(3, 3, 40, 64, generator=torch.Generator().manual_seed(9))
    ev[4:] += 2
    other = selection.run(ALL_RULES[name], selection.glances(frames, ev))
    assert now[:5] == other[:5]


def test_the_learned_rule_is_deterministic_and_looks_at_both_frames(seen):
    runs = [selection.run(selection.learned(policy(seed)), seen) for seed in (0, 0, *range(1, 30))]
    assert runs[0] == runs[1]
    assert any(other != runs[0] for other in runs[2:])
    assert sum(p.numel() for p in policy().parameters()) < 5000


# --- what a choice is worth ----------------------------------------------------------------------


def test_score_reads_the_table():
    table = random_qualities(4, 0)
    found = selection.score(table, [None, 0, None, 1])
    wanted = torch.stack([table.none[0], table.pairs[1, 0], table.none[2], table.pairs[3, 1]])
    assert torch.equal(found.nan_to_num(-1), wanted.nan_to_num(-1))


@pytest.mark.parametrize("references", [[None, 1, 0], [0, None, None], [None, None, -1]])
def test_a_reference_from_the_future_is_refused(references):
    with pytest.raises(ValueError, match="cannot have frame"):
        selection.score(random_qualities(3, 0), references)


def test_score_needs_a_reference_for_each_frame():
    with pytest.raises(ValueError, match="2 references for 3 frames"):
        selection.score(random_qualities(3, 0), [None, 0])


def all_runs(length):
    """The references of every sequence of decisions."""
    for decisions in itertools.product([False, True], repeat=length):
        kept, references = None, []
        for number, adopt in enumerate(decisions):
            references.append(kept)
            kept = number if adopt else kept
        yield references


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_oracle_is_as_good_as_the_best_of_all_sequences(length, seed):
    table = random_qualities(length, seed)
    best = max(float(selection.score(table, run).nansum()) for run in all_runs(length))
    found = selection.oracle(table)
    assert found in list(all_runs(length))  # adopt or keep: it cannot go back to a dropped frame
    assert float(selection.score(table, found).nansum()) == pytest.approx(best)


def test_judged_leaves_out_sun_discs_and_frames_with_nothing_to_judge(clip):
    light = torch.full((2, 3, 20, 20), 0.1)
    light[0, :, :10], light[0, :, :2] = 5.0, 100.0  # a window with the sun in it
    light[1, 0, 0, 0] = 2.0  # one value of 1200
    frames = exposure.capture(light, 0.0, math.inf, 0.0)
    made = exposure.Clip(frames, torch.zeros(2), light, exposure.clipped(frames))
    counts = selection.judged(made)
    assert counts[0, :, 2:10].all()
    assert counts.sum() == 3 * 8 * 20


def test_best_view_shows_what_the_frame_lost(clip):
    frames, ev = selection.best_view(clip)
    assert (ev <= clip.ev).all()
    assert exposure.clipped(frames).float().mean() < 0.01 < clip.clipped_share.mean()


def test_measure_runs_the_network_on_each_pair(clip):
    torch.manual_seed(0)
    network = Overexposure(width=8, blocks=1).eval()
    table = selection.measure(network, clip, "float32", batch=4)
    counts, length = selection.judged(clip), len(clip)
    assert table.pairs.shape == (length, length)
    assert not table.pairs.triu().nansum()
    has_some = counts.any(1).any(1).any(1)
    assert torch.equal(torch.isfinite(table.none), has_some)
    t = int(has_some.nonzero()[-1])
    with torch.inference_mode():
        light = network(clip.frames[t : t + 1], clip.ev[t], clip.frames[1:2], clip.ev[1])
    alone = metrics.psnr_pu(light[0], clip.exposed[t], counts[t])
    assert float(table.pairs[t, 1]) == pytest.approx(alone, abs=0.01)


def test_measure_can_judge_some_frames_only(clip):
    torch.manual_seed(0)
    network = Overexposure(width=8, blocks=1).eval()
    all_of_it, half = (selection.measure(network, clip, "float32", every=n) for n in (1, 2))
    assert half.none[1::2].isnan().all()
    for one, two in zip(all_of_it, half, strict=True):
        assert torch.allclose(one[::2], two[::2], atol=1e-3, equal_nan=True)


def test_fill_uses_the_references_that_it_is_given(clip):
    torch.manual_seed(0)
    network = Overexposure(width=8, blocks=1).eval()
    light = selection.fill(network, clip, [None, 0, None, 1, 1, 4, 0], "float32")
    assert light.shape == clip.frames.shape
    with torch.inference_mode():
        frames, ev = clip.frames, clip.ev
        alone = network(frames[2:3], ev[2])
        remembered = network(frames[5:6], ev[5], frames[4:5], ev[4])
    assert torch.allclose(light[2], alone[0], rtol=1e-4)
    assert torch.allclose(light[5], remembered[0], rtol=1e-3)
    with pytest.raises(ValueError, match="cannot have frame 5"):
        selection.fill(network, clip, [None] * 5 + [5, 0])


def test_the_future_changes_no_fill(clip):
    torch.manual_seed(0)
    network = Overexposure(width=8, blocks=1).eval()
    references = [None, 0, 0, 2, 2, 4, 4]
    other = torch.rand(4, 3, 40, 64, generator=torch.Generator().manual_seed(9))
    frames = torch.cat([clip.frames[:3], other])
    changed = exposure.Clip(frames, clip.ev, clip.light, exposure.clipped(frames))
    one, two = (selection.fill(network, each, references, "float32") for each in (clip, changed))
    assert torch.equal(one[:3], two[:3])
