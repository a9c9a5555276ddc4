"""Exercises of notebook 07, overexposed video."""

import dataclasses
import math
from collections.abc import Callable

import torch

from mssnet_edu import exposure, images
from mssnet_edu import reference_selection as selection
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    PER_CENT,
    as_flag,
    as_number,
    as_tensor,
    call,
    compare,
    describe,
    is_close,
)

__all__ = ["EXERCISES"]


# --- 07-a -----------------------------------------------------------------------------------------


def _lost_share(answer):
    dice = torch.Generator().manual_seed(7)
    for size, ev in (((6, 10), 0.65), ((9, 5), -1.0), ((7, 8), 2.0)):
        # colours differ, so that "any" and "all" of the three do, too
        light = torch.rand(3, *size, generator=dice) * torch.tensor([1.6, 1.2, 1.1])[:, None, None]
        light = light * 2**-ev * 1.6
        share = as_number(call(answer, light, ev), "The share")

        def lost(exposed):
            return float((exposed >= 1).any(0).float().mean())

        exposed = light * 2**ev
        full, right = (exposed >= 1).float(), lost(exposed)
        likely = {
            PER_CENT: 100 * right,
            "This is the share that is left. How much is lost?": 1 - right,
            "This counts the three colours on their own. A pixel counts as clipped once any of "
            "them is: `.any(0)` before the mean.": full.mean(),
            "This asks that all three colours are full. One is enough.": full.amin(0).mean(),
            "The sign is the wrong way round: a higher EV lets in *more* light.": (
                lost(light * 2**-ev)
            ),
            "Each EV doubles the light: `2**ev`, not `2 * ev`.": lost(light * 2 * ev),
            "This divides by the values of three colours. Count pixels: `.any(0)`.": right / 3,
            "This asks the mean of three colours. One full one is enough: `.any(0)`.": (
                lost(exposed.mean(0, keepdim=True))
            ),
            "So nothing is ever clipped. This light is full at 1, not at 255.": 0,
            "One EV more is twice the light, two EV four times: 2**ev, not ev.": lost(light * ev),
            "This is the share at 0 EV. Where is the exposure used?": lost(light),
            "This is the number of pixels. Divide it by all of them.": right * light[0].numel(),
        }
        otherwise = f"This gives {share:.4g} where {right:.4g} is right, at {ev:+g} EV."
        compare(share, right, likely, otherwise)


LOST = Exercise(
    id="07-a",
    title="What dies at white",
    task="""
`light` is the light of a scene, (3, H, W), linear. One EV more lets in twice as much of it. Where
the exposed light of any of the three colours reaches 1, the pixel is clipped. (Leave the camera's
noise aside.)

**Your turn.** Complete the function. It returns the share of the pixels that are clipped at this
exposure, a number from 0 to 1.
""",
    stub="""
def lost_share(light, ev):
    return ...  # your code here
""",
    answer="lost_share",
    expects="a function of the light and the exposure",
    hints=(
        "How much light arrives? At 1 EV twice, at 2 EV four times as much: a power of 2.",
        "`light * 2**ev >= 1` says it for each colour. Then `.any(0)`: is it so for any of the "
        "three? The mean of that, as numbers, is the share: `.float().mean()`.",
    ),
    solution="""
def lost_share(light, ev):
    full = (light * 2**ev >= 1).any(0)
    return full.float().mean()
""",
    check=_lost_share,
    why="Above 1 all light looks alike: the sensor is full, and 2 and 200 are written as the same "
    "white.",
    wrong={
        "lambda light, ev: (light * 2**-ev >= 1).any(0).float().mean()": "sign",
        "lambda light, ev: (light * ev >= 1).any(0).float().mean()": "2**ev",
        "lambda light, ev: (light * 2**ev >= 1).float().mean()": "three colours on their own",
        "lambda light, ev: (light * 2**ev >= 1).all(0).float().mean()": "One is enough",
        "lambda light, ev: 100 * (light * 2**ev >= 1).any(0).float().mean()": "per cent",
        "lambda light, ev: (light * 2**ev < 1).all(0).float().mean()": "left",
        "lambda light, ev: (light >= 1).any(0).float().mean()": "0 EV",
        "lambda light, ev: (light * 2**ev >= 1).any(0).sum()": "number of pixels",
        "lambda light, ev: light * 2**ev": "expected a number",
        "lambda light, ev: (light * 2 * ev >= 1).any(0).float().mean()": "not `2 * ev`",
        "lambda light, ev: (light * 2**ev >= 255).any(0).float().mean()": "not at 255",
        "lambda light, ev: (light * 2**ev >= 1).any(0).sum() / light.numel()": "Count pixels",
        "lambda light, ev: ((light * 2**ev).mean(0) >= 1).float().mean()": "One full one",
    },
)


# --- 07-b -----------------------------------------------------------------------------------------


def _fill(answer):
    dice = torch.Generator().manual_seed(8)
    for size, ev, reference_ev in (((8, 12), 1.5, -1.0), ((11, 6), 0.5, -2.0)):
        light = torch.rand(3, *size, generator=dice) * torch.tensor([1.5, 1, 0.8])[:, None, None]
        light = light * 2**-reference_ev * 0.5  # the reference clips nothing
        # as in a file: white is 1, and not a hair less
        frame = (images.to_srgb((light * 2**ev).clamp(0, 1)) * 255).round() / 255
        # a cloud has moved: what the frame recorded itself is not what the reference says
        shade = 0.8 + 0.4 * torch.rand(1, *size, generator=dice)
        reference = images.to_srgb(light * shade * 2**reference_ev)
        filled = as_tensor(call(answer, frame, ev, reference, reference_ev), frame.shape)
        white, known = exposure.clipped(frame, "each"), images.to_linear(frame)
        lit, ev_apart = images.to_linear(reference), ev - reference_ev
        recalled = lit * 2**ev_apart

        def filled_by(inside, outside=known, where=white):
            return torch.where(where, inside, outside)

        rights = tuple(map(filled_by, (recalled, recalled.clamp(min=1))))  # it is at least white
        if is_close(filled, rights[1], absolute=2e-3):
            continue
        likely = {
            "This is the frame, as it was. Its white is still white.": known,
            "The reference was exposed darker, and its light is pasted in as it is. How many EV "
            "lie between the two? Make it brighter by that much.": filled_by(lit),
            "What was white became darker than its surroundings: the difference of the EV has the "
            "wrong sign.": filled_by(lit * 2**-ev_apart),
            "Exposure multiplies light, not sRGB numbers: `me.images.to_linear` first.": (
                filled_by(reference * 2**ev_apart),
                filled_by(reference * 2**ev_apart, frame),
            ),
            "This is the reference everywhere. What the frame itself recorded has to pass through "
            "unchanged: take the reference where it is clipped, and only there.": recalled,
            "Nearly. Where one colour is clipped, the other two were recorded: keep them. "
            '`me.exposure.clipped(frame, "each")` asks colour by colour.': (
                filled_by(recalled, where=white.any(0)),
            ),
            "Frame and reference have changed places in `torch.where`.": filled_by(known, recalled),
            "This takes the brighter of the two. What the frame recorded itself counts, also where "
            "the reference says more.": torch.maximum(known, recalled),
            "Each EV doubles the light: `2 ** (ev - reference_ev)`.": filled_by(lit * 2 * ev_apart),
            "Light may be more than 1, and what was clipped is: do not clamp it.": tuple(
                right.clamp(0, 1) for right in rights
            ),
            "The light is asked for, and this is sRGB: leave the last step out.": images.to_srgb(
                rights[0].clamp(0, 1)
            ),
            "What the frame recorded must become light, too: `me.images.to_linear(frame)`.": (
                filled_by(recalled, frame)
            ),
        }
        worst = float((filled - rights[0]).abs().max())
        otherwise = f"The light is off by up to {worst:.3g} (1 is white)."
        compare(filled, rights[0], likely, otherwise, within=2e-3)


_WHITE, _OWN = "me.exposure.clipped(f, 'each')", "me.images.to_linear(f)"  # of wrong answers
_LIT = "me.images.to_linear(r)"
_LIGHT = f"{_LIT} * 2 ** (e - re)"

FILL = Exercise(
    id="07-b",
    title="A memory without a network",
    task="""
The camera stands still. `frame` was taken at `ev` and is white in places; a moment before,
`reference` was taken at a lower exposure, `reference_ev`, and nothing of it is clipped. Then no
network is needed. Both are photos (3, H, W), sRGB from 0 to 1; `me.images.to_linear(photo)` gives
their light, and `me.exposure.clipped(photo, "each")` says of each value whether it was clipped.
`torch.where(mask, a, b)` takes a where the mask is True.

**Your turn.** Complete the function. It returns the light of the frame, (3, H, W), in the *frame's*
exposure: its own where it was recorded, and that of the reference where it was clipped, made
brighter by as many EV as lie between the two.
""",
    stub="""
def fill(frame, ev, reference, reference_ev):
    return ...  # your code here
""",
    answer="fill",
    expects="a function of the frame, its EV, the reference and its EV",
    hints=(
        "Bring the reference to the frame's exposure: each EV between the two doubles its light.",
        "`recalled = me.images.to_linear(reference) * 2 ** (ev - reference_ev)`. Then "
        '`torch.where(me.exposure.clipped(frame, "each"), recalled, ...)`.',
    ),
    solution="""
def fill(frame, ev, reference, reference_ev):
    recalled = me.images.to_linear(reference) * 2 ** (ev - reference_ev)
    white = me.exposure.clipped(frame, "each")
    return torch.where(white, recalled, me.images.to_linear(frame))
""",
    check=_fill,
    why="This is what *remembering* means: nothing is invented, the light was measured a moment "
    "before. A network is needed only to find where each pixel lies in the other frame, and to "
    "guess where the other frame does not look.",
    wrong={
        f"lambda f, e, r, re: {_OWN}": "still white",
        f"lambda f, e, r, re: torch.where({_WHITE}, {_LIT}, {_OWN})": "pasted in",
        f"lambda f, e, r, re: torch.where({_WHITE}, {_LIT} * 2 ** (re - e), {_OWN})": "wrong sign",
        f"lambda f, e, r, re: torch.where({_WHITE}, r * 2 ** (e - re), f)": "not sRGB",
        f"lambda f, e, r, re: {_LIGHT}": "everywhere",
        f"lambda f, e, r, re: torch.where(me.exposure.clipped(f), {_LIGHT}, {_OWN})": "colour by",
        f"lambda f, e, r, re: torch.where({_WHITE}, {_LIGHT}, f)": "become light",
        f"lambda f, e, r, re: torch.where({_WHITE}, {_OWN}, {_LIGHT})": "changed places",
        f"lambda f, e, r, re: torch.maximum({_OWN}, {_LIGHT})": "brighter of the two",
        f"lambda f, e, r, re: torch.where({_WHITE}, {_LIT} * 2 * (e - re), {_OWN})": "doubles",
        "lambda f, e, r, re: solved(f, e, r, re).clamp(0, 1)": "do not clamp",
        "lambda f, e, r, re: me.images.to_srgb(solved(f, e, r, re).clamp(0, 1))": "this is sRGB",
        "lambda f, e, r, re: r[:, :2]": "shape",
    },
)


# --- 07-c -----------------------------------------------------------------------------------------

GAMES = (
    [True, False, False, True, False],
    [False, False, True, True, True, False, False, False],
    [False] * 4,
)


def _references(answer):
    for decisions in GAMES:
        right, kept = [], None
        for number, adopted in enumerate(decisions):
            right.append(kept)
            kept = number if adopted else kept
        found = call(answer, decisions)
        if isinstance(found, torch.Tensor | tuple):
            found = list(found)
        if not isinstance(found, list):
            return f"Your function returns {describe(found)}; expected a list, one entry a frame."
        if found == right:
            continue
        if len(found) != len(decisions):
            return (
                f"The list has {len(found)} entries for {len(decisions)} frames; expected one each."
            )
        likely = {
            "Before the first adoption there is no reference: None, not frame 0.": (
                [s or 0 for s in right]
            ),
            "Nearly: frame t is filled *before* it is decided about. A frame cannot be its own "
            "reference: write the reference down first, then adopt.": [*right[1:], kept],
            "These are the adopted frames. Which one is in memory while the next ones play?": (
                [t if adopted else None for t, adopted in enumerate(decisions)]
            ),
            "Numbers begin with 0: the first frame is 0.": (
                [None if s is None else s + 1 for s in right]
            ),
        }
        if found in likely.values():
            return next(sentence for sentence, one in likely.items() if one == found)
        if any(s is not None and s >= t for t, s in enumerate(found) if not isinstance(s, bool)):
            return "A frame is filled with itself, or with one that comes later. Look only back."
        if found == [None, *range(len(decisions) - 1)]:
            return "This is the rule *previous*: every frame is adopted. Look at the decisions."
        return f"For the decisions {decisions} expected is {right}; your function gives {found}."
    return None


REFERENCES = Exercise(
    id="07-c",
    title="Who is in memory?",
    task="""
A film has been played. `decisions` holds a True (adopt this frame) or a False (keep the old one)
for each frame. Each frame is first filled with what is in memory; then it is decided about, for the
frames that follow.

**Your turn.** Complete the function. It returns a list, as long as `decisions`: the number of the
frame with which each frame was filled, or None while nothing was in memory. Numbers begin with 0.
""",
    stub="""
def references(decisions):
    return ...  # your code here
""",
    answer="references",
    expects="a function of the decisions",
    hints=(
        "Go through the frames with a variable `kept`, which is None at first.",
        "For each frame: append `kept` to the list; *then*, if it is adopted, set `kept` to its "
        "number.",
    ),
    solution="""
def references(decisions):
    found, kept = [], None
    for number, adopted in enumerate(decisions):
        found.append(kept)
        if adopted:
            kept = number
    return found
""",
    check=_references,
    why="The order is the whole point. A decision serves only the future, and it is taken without "
    "knowing it: such a rule is called *causal*.",
    wrong={
        "lambda d: [max((s for s in range(t + 1) if d[s]), default=None) for t in range(len(d))]": (
            "own reference"
        ),
        "lambda d: [t if a else None for t, a in enumerate(d)]": "adopted frames",
        "lambda d: [None, *range(len(d) - 1)]": "previous",
        "lambda d: [max((s for s in range(t) if d[s]), default=0) for t in range(len(d))]": (
            "None, not frame 0"
        ),
        "lambda d: [t for t, a in enumerate(d) if a]": "one each",
        "lambda d: sum(d)": "expected a list",
        "lambda d: [None if s is None else s + 1 for s in solved(d)]": "begin with 0",
    },
)


# --- 07-d -----------------------------------------------------------------------------------------


# frames, period, seed; mean and swing of the clipped share, exposure (EV) where nothing is clipped:
# so different that neither an age nor a level is right for all, only a comparison of two frames
FILMS = (
    (27, 7, 1, 0.14, 0.11, -3.0),
    (40, 11, 2, 0.30, 0.20, -1.0),
    (48, 16, 3, 0.60, 0.30, -5.0),
    (33, 9, 4, 0.40, 0.15, -2.0),
)
LEAD_DB = 1.2


def _film(
    length: int, period: int, seed: int, mean: float, swing: float, ev: float
) -> tuple[list[selection.Glance], selection.Qualities]:
    """A made-up clip: its exposure swings, old frames fade, a white reference is of no use."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(length, dtype=torch.float32)
    wave = torch.sin(2 * math.pi * (time / period + torch.rand((), generator=generator)))
    wave = wave + 0.15 * torch.randn(length, generator=generator)
    share = (mean + swing * wave).clamp(0.01, 0.95)
    grey = selection.glances(torch.full((1, 3, 18, 32), 0.5), torch.zeros(1))[0]
    seen: list[selection.Glance] = []
    for number, white in enumerate(share.tolist()):
        brightness = 0.16 + white / 3
        now = dataclasses.replace(
            grey, number=number, ev=ev + 3 * white, clipped_share=white, brightness=brightness
        )
        change = now.ev - seen[-1].ev if seen else 0.0
        seen.append(dataclasses.replace(now, ev_change=change))
    none = 20 + 0.5 * torch.randn(length, generator=generator)
    gained = 4.5 * (1 - wave).clamp(min=-0.2) - 0.05 * (time[:, None] - time)
    earlier = torch.ones(length, length).tril(-1).bool()
    pairs = (none[:, None] + gained).masked_fill(~earlier, torch.nan)
    return seen, selection.Qualities(pairs, none, none + 12, none - 2)


def _rule(answer):
    def checked(now, kept):
        return as_flag(call(answer, now, kept, name="Your rule"), "Your rule returns")

    own, first, previous, adopted, shown = 0.0, 0.0, 0.0, 0, 0
    for film in FILMS:
        seen, table = _film(*film)

        def worth(
            rule: Callable, seen: list = seen, table: selection.Qualities = table
        ) -> tuple[float, int]:
            found = selection.run(rule, seen)
            return float(selection.score(table, found).nanmean()), len(set(found) - {None})

        mean_db, count = worth(checked)
        own, adopted, shown = own + mean_db / len(FILMS), adopted + count, shown + len(seen)
        first += worth(selection.RULES["first"])[0] / len(FILMS)
        previous += worth(selection.RULES["previous"])[0] / len(FILMS)
    if not adopted:
        return "Your rule never adopts a frame: every white pixel has to be invented."
    if adopted >= shown - len(FILMS):
        return "Your rule adopts every frame. Then a white frame drives a well exposed one out."
    if own <= max(first, previous) + LEAD_DB:
        return (
            f"On {len(FILMS)} made-up films it reaches {own:.1f} dB; *first* reaches {first:.1f}, "
            f"*previous* {previous:.1f}, and it has to lead by {LEAD_DB} dB. Which frame shows "
            "what the white ones have lost? The films differ in how bright they are, so no fixed "
            "number will do: compare `now` with `kept`."
        )
    return None


RULE = Exercise(
    id="07-d",
    title="A rule of your own",
    task="""
Write a rule that is better than *first* (keep the first frame for ever) and *previous* (adopt every
frame). It is asked after each frame, and sees two of them: `now`, and `kept`, the one in memory, or
None. Each has `.number`, `.ev`, `.clipped_share` and `.brightness`. It is tried on four made-up
films, in which the window never leaves the view.

**Your turn.** Complete the rule. It returns True to adopt the present frame, False to keep the old
one.
""",
    stub="""
def rule(now, kept):
    return ...  # your code here
""",
    answer="rule",
    expects="a function of two frames",
    hints=(
        "At the start nothing is kept: `kept is None`. Any frame is better than none.",
        "A frame with little white in it is worth keeping. Compare `now.clipped_share` with "
        "`kept.clipped_share`. How old may the kept one become: `now.number - kept.number`?",
    ),
    solution="""
def rule(now, kept):
    return kept is None or now.clipped_share <= kept.clipped_share
""",
    check=_rule,
    why="In these films the whitest frames have lost most, and the window is always in view. So "
    "this rule, *least-clipped*, wins. In a film that turns away from the window it keeps the bed: "
    "see the next table.",
    wrong={
        "lambda now, kept: True": "every frame",
        "lambda now, kept: False": "never adopts",
        "lambda now, kept: kept is None": "Which frame shows",
        "lambda now, kept: now.clipped_share < kept.clipped_share": "AttributeError",
        "lambda now, kept: kept is None or now.clipped_share > kept.clipped_share": "Which frame",
        "lambda now, kept: now.clipped_share": "True or False",
        "lambda now, kept: kept is None or now.number % 3 == 0": "Which frame shows",
        **{
            f"lambda now, kept: kept is None or {rule}": "Which frame"
            for rule in (
                *(f"now.number >= kept.number + {age}" for age in range(2, 25)),
                *(f"now.clipped_share < {share}" for share in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)),
                *(f"now.ev < {ev}" for ev in (-4, -3, -2.4, -2, -1, 0)),
                *(f"now.brightness < {level}" for level in (0.2, 0.25, 0.3)),
            )
        },
    },
)

EXERCISES = [LOST, FILL, REFERENCES, RULE]
