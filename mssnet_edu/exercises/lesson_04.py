"""Exercises of notebook 04, from deblurring to 8x."""

import torch

from mssnet_edu import degrade
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    as_number,
    as_photo,
    call,
    compare,
    is_close,
    random,
)

__all__ = ["EXERCISES"]


# --- 04-a -----------------------------------------------------------------------------------------


def _upscale_by_repair(answer):
    for factor, sides, dark in ((4, (10, 12), 0.1), (2, (9, 8), 0.3), (8, (5, 6), 0.2)):
        small = random(factor, 3, *sides)
        calls = []

        def repair(picture, dark=dark, calls=calls):  # any step that keeps the size will do
            calls.append(picture)
            return (picture - dark).clamp(min=0) ** 1.5

        shape = 3, sides[0] * factor, sides[1] * factor
        returned = call(answer, small, factor, repair)
        if isinstance(returned, torch.Tensor) and tuple(returned.shape) == tuple(small.shape):
            return "Your answer is as small as the photo. The repair keeps the size: enlarge first."
        returned = as_photo(returned, shape, "Your answer")
        called = len(calls)
        large = degrade.enlarge(small, factor)
        others = [degrade.enlarge(small, factor, how) for how in ("nearest", "bilinear")]
        if not called and not is_close(returned, large, absolute=1e-4):
            return "Your function never calls the `repair` that it is given: `repair(picture)`."
        likely = {
            "This is enlarged, but not repaired yet.": large,
            "This repairs the small photo, and then enlarges it. So the repair never sees the "
            "blur that the enlargement makes. Turn the two steps round.": degrade.enlarge(
                repair(small), factor
            ),
            "This enlarges in another way, by squares or by straight lines. The smooth "
            'enlargement is "bicubic", which `me.degrade.enlarge` does by itself.': tuple(
                repair(other) for other in others
            ),
            "This repairs twice. Once is asked for.": repair(repair(large)),
            "What `repair` takes away is returned here. Return what it gives.": (
                large - repair(large)
            ),
        }
        otherwise = "These are not the pixels of a smooth enlargement that was then repaired."
        compare(returned, repair(large), likely, otherwise)


BY_REPAIR = Exercise(
    id="04-a",
    title="Make an upscaler out of a deblurrer",
    task="""
`repair` is a function that takes a blurred photo and returns a sharper one *of the same size*, as
MSSNet does. `me.degrade.enlarge(photo, factor)` enlarges smoothly, with nothing learned in it.

**Your turn.** Complete the function. Out of these two it makes an upscaler: it returns a repaired
photo that is `factor` times as wide and as high as `small`.
""",
    stub="""
def upscale_by_repair(small, factor, repair):
    return ...  # your code here
""",
    answer="upscale_by_repair",
    expects="a function of a photo, a factor and a function",
    hints=(
        "The repair keeps the size. So which step must make the photo large?",
        "`large = me.degrade.enlarge(small, factor)` is large and blurred. Give it to `repair`.",
    ),
    solution="""
def upscale_by_repair(small, factor, repair):
    large = me.degrade.enlarge(small, factor)
    return repair(large)
""",
    check=_upscale_by_repair,
    why="That is all that a deblurring network has to do with 8x. Try it with `me.deblur` as the "
    "repair: it was trained for another blur, and you have seen what that means.",
    wrong={
        "lambda small, factor, repair: repair(small)": "enlarge first",
        "lambda small, factor, repair: me.degrade.enlarge(small, factor)": "not repaired",
        "lambda small, factor, repair: me.degrade.enlarge(repair(small), factor)": "Turn the two",
        "lambda small, factor, repair: repair(me.degrade.enlarge(small, factor, 'nearest'))": (
            "squares"
        ),
        "lambda small, factor, repair: repair(repair(me.degrade.enlarge(small, factor)))": "twice",
        "lambda small, factor, repair: me.classical.unsharp_mask(me.degrade.enlarge(small, factor))"
        "": "never calls",
        "lambda small, factor, repair: (me.degrade.enlarge(small, factor) - 0.1).clamp(min=0)": (
            "never calls"
        ),
        "lambda small, factor, repair: repair(me.degrade.enlarge(small, factor, 'bilinear'))": (
            "straight lines"
        ),
        "lambda small, factor, repair: repair(me.degrade.enlarge(small, 4))": "expected (3",
        "lambda small, factor, repair: repair": "is a function",
    },
)


# --- 04-b -----------------------------------------------------------------------------------------


def _chances(count):
    weights = random(count, count) + 0.1
    return (weights / weights.sum()).tolist()


def _expected_error(guess, candidates, chances):
    errors = [(guess - one).square().mean().item() for one in candidates]
    return sum(chance * error for chance, error in zip(chances, errors, strict=True))


def _safest(answer):
    for count, sides in ((5, (6, 8)), (2, (4, 9)), (8, (7, 5))):
        candidates, chances = list(random(count + 9, count, 3, *sides)), _chances(count)
        stack = torch.stack(candidates)
        returned = call(answer, candidates, chances)
        if isinstance(returned, torch.Tensor) and is_close(returned, stack.sum(0), absolute=1e-4):
            return "This is the sum of all candidates. What part of the bill is each of them?"
        returned = as_photo(returned, candidates[0].shape, "Your answer")
        weights = torch.tensor(chances)[:, None, None, None]
        right = (stack * weights).sum(0)
        cost, best = (_expected_error(one, candidates, chances) for one in (returned, right))
        likely = {
            "This counts all candidates alike. They are not equally likely.": stack.mean(0),
            "This is the median. It is best where errors count as they are; here they are "
            "squared.": stack.median(0).values,
            "This is one of the candidates. If another one is the truth, it pays: its expected "
            f"squared error is {cost / best:.1f} times that of the best picture, which is none "
            "of them.": tuple(candidates),
            "The chances sum to 1 already, so there is nothing left to divide by.": (
                right / count,
                right / (count - 1),
            ),
            "This squares the chances. Each photo counts by its own chance, as it is.": (
                (stack * weights**2).sum(0),
                (stack * weights**2).sum(0) / (weights**2).sum(),
            ),
            "Here the *unlikely* candidates count more. Weigh each by its chance.": (
                (stack * (1 - weights)).sum(0) / (count - 1),
                (stack * (1 - weights)).sum(0),
                (stack / weights).sum(0) / (1 / weights).sum(),
            ),
            "This is one grey everywhere. The mean is taken pixel by pixel.": (
                right.mean().expand_as(right)
            ),
        }
        otherwise = (
            f"The expected squared error of your picture is {cost:.4f}; {best:.4f} is possible."
        )
        compare(returned, right, likely, otherwise)


SAFEST = Exercise(
    id="04-b",
    title="The safest picture",
    task="""
`candidates` is a list of photos of one size. One of them is the truth, and nobody tells you which.
But you know how likely each of them is: `chances` is a list of as many numbers, which sum to 1. You
hand in one picture, any picture, and are charged its mean squared error against the truth.

**Your turn.** Complete the function. It returns the picture that costs you least on average.
""",
    stub="""
def safest(candidates, chances):
    return ...  # your code here
""",
    answer="safest",
    expects="a function of a list of photos and a list of chances",
    hints=(
        "Think of one pixel, which is 0 in one half of the candidates and 1 in the other half. "
        "Which grey costs least? Must your picture be one of the candidates?",
        "Equal chances give the plain mean. With others, each photo counts by its own: add up "
        "`chance * photo`. `zip(chances, candidates)` goes through both lists together.",
    ),
    solution="""
def safest(candidates, chances):
    return sum(chance * photo for chance, photo in zip(chances, candidates))
""",
    check=_safest,
    why="The mean of many sharp pictures is blurred, and no network that is graded by squared "
    "error can do better. So the most faithful picture is blurry.",
    wrong={
        "lambda c, p: c[0]": "one of the candidates",
        "lambda c, p: torch.stack(c).mean(0)": "not equally likely",
        "lambda c, p: torch.stack(c).median(0).values": "median",
        "lambda c, p: torch.zeros_like(c[0])": "is possible",
        "lambda c, p: sum(c)": "What part",
        "lambda c, p: c[p.index(max(p))]": "one of the candidates",
        "lambda c, p: sum(a * b for a, b in zip(c, p)) / len(c)": "nothing left to divide",
        "lambda c, p: sum(a * b**2 for a, b in zip(c, p))": "squares the chances",
        "lambda c, p: sum(a * (1 - b) for a, b in zip(c, p)) / (len(c) - 1)": "*unlikely*",
        "lambda c, p: 0.5": "expected a photo",
    },
)


# --- 04-c -----------------------------------------------------------------------------------------


ALIKE = "Dark and light are not equally likely."
ROUNDED = (
    "That is half-way between the two. If you wrote down ten values, the share was rounded: ask "
    "only which of the two is more frequent."
)


def _painted(answer):
    cases = (
        *((0.2, 0.1, 0.9, "L2"), (0.2, 0.1, 0.9, "L1"), (0.7, 0.1, 0.9, "L1")),
        *((0.7, 0.05, 1.0, "L2"), (0.125, 0.2, 0.6, "L1"), (0.125, 0.2, 0.6, "L2")),
        *((0.48, 0.3, 0.8, "L1"), (0.52, 0.3, 0.8, "L1"), (0.52, 0.3, 0.8, "L2")),
    )
    for share, dark, light, loss in cases:
        returned = as_number(call(answer, share, dark, light, loss), "What your function returns")
        mean = share * dark + (1 - share) * light
        often, rare = (dark, light) if share > 0.5 else (light, dark)
        case = f"painted({share}, {dark}, {light}, {loss!r}) gives {returned:.3g}. "
        if loss == "L1":
            likely = {
                "That is the mean. L1 is kept smallest by the median: which value leads?": mean,
                "That is the rarer of the two values. The median is the other one.": rare,
                (ROUNDED if abs(share - 0.5) < 0.1 else ALIKE): (dark + light) / 2,
                "That is a share. A brightness is asked for: `dark` or `light`.": share,
            }
            compare(returned, often, likely, f"{often:.3g} is right.", case=case)
            continue
        likely = {
            "The shares are the wrong way round: `share` is that of the dark value.": (
                dark + light - mean
            ),
            "L2 is kept smallest by the mean, which lies between the two.": (dark, light),
            ALIKE: (dark + light) / 2,
            "The rest is a share, too: `1 - share` of the light.": (
                share * dark + light,
                share * (dark + light),
            ),
            "L2 counts the squares of *errors*. The values themselves are not squared.": tuple(
                (share * dark**2 + (1 - share) * light**2) ** p for p in (0.5, 1)
            ),
        }
        compare(returned, mean, likely, f"{mean:.3g} is right.", case=case)


PAINTED = Exercise(
    id="04-c",
    title="Where did the hair go?",
    task="""
A thin dark hair crosses a light wall. The small photo says that it is there, but not where. So for
one pixel of the large picture, the hair runs through it in a `share` of all plausible answers, and
there it is `dark`. In all the others it is `light`.

`share` is never exactly one half.

**Your turn.** Complete the function. It returns the brightness that a network paints into this
pixel: the mean of the plausible values if `loss` is "L2", their median if it is "L1".
""",
    stub="""
def painted(share, dark, light, loss):
    return ...  # your code here
""",
    answer="painted",
    expects="a function of a share, two grey values and the name of a loss",
    hints=(
        "The mean is easy: `share * dark` and the rest of the light. For the median, write down "
        "ten values, two of them dark, in order. Which one stands in the middle?",
        'The median of two different values is the one that occurs more often: with "L1", `dark` '
        "if `share > 0.5`, else `light`.",
    ),
    solution="""
def painted(share, dark, light, loss):
    if loss == "L2":
        return share * dark + (1 - share) * light
    return dark if share > 0.5 else light
""",
    check=_painted,
    why="At 8x a thin hair may lie in any of eight columns: a share of one eighth. L2 smears it "
    "into a faint grey band. L1 leaves it out. Neither of them paints the hair.",
    wrong={
        "lambda s, d, b, loss: s * d + (1 - s) * b": "That is the mean",
        "lambda s, d, b, loss: (1 - s) * d + s * b": "wrong way round",
        "lambda s, d, b, loss: s * d + (1 - s) * b if loss == 'L2' else min(d, b)": "rarer",
        "lambda s, d, b, loss: b": "mean, which lies between",
        "lambda s, d, b, loss: (d + b) / 2": "equally likely",
        "lambda s, d, b, loss: s * d + (1 - s) * b if loss == 'L2' else (d if s > 0.3 else b)": (
            "rarer"
        ),
        "lambda s, d, b, loss: s * d + (1 - s) * b if loss == 'L2' else (d if s > 0.69 else b)": (
            "rarer"
        ),
        "lambda s, d, b, loss: s * d + (1 - s) * b if loss == 'L2' else b": "rarer",
        "lambda s, d, b, loss: s * d + (1 - s) * b if loss == 'L2' else (d + b) / 2": (
            "equally likely"
        ),
        "lambda s, d, b, loss: s * d + b": "`1 - share`",
        "lambda s, d, b, loss: (s * d**2 + (1 - s) * b**2) ** 0.5": "not squared",
        "lambda s, d, b, loss: 'dark'": "expected a number",
    },
)


# --- 04-d -----------------------------------------------------------------------------------------


NO_ROOT = (
    "The square has come out below 0, and there is no root of it: `max(0, …)` first, then the root."
)


def _floor(answer):
    cases = ((5, 3, 4), (10, 6, 16), (8, 8, 3), (6, 2, 9), (7, 3, 2), (9, 2.5, 10))
    for one, mean_of_n, n in cases:
        squared = (n * mean_of_n**2 - one**2) / (n - 1)
        right = max(0, squared) ** 0.5
        try:
            returned = call(answer, one, mean_of_n, n)
        except Mistake:
            if squared >= 0:
                raise
            return NO_ROOT
        if squared < 0 and (isinstance(returned, complex) or returned != returned):  # nan
            return NO_ROOT
        returned = as_number(returned, "What your function returns")
        likely = {
            "That is its square: take the root.": (max(0, squared), squared),
            "The square has come out below 0: then the floor is 0, not more.": (
                abs(squared) ** 0.5
            ),
            "That still holds a part of the spread, an n-th of its square.": mean_of_n,
            "That is the spread. The floor is the other unknown.": tuple(
                abs(one**2 - square) ** 0.5 for square in (squared, right**2)
            ),
            "This is divided by n. `n` times the floor's square, minus one floor's square, "
            "leaves n - 1 of them.": (max(0, n * mean_of_n**2 - one**2) ** 0.5 / n**0.5),
            "This is n - 1 floors' squares: divide.": (max(0, n * mean_of_n**2 - one**2) ** 0.5),
            "Distances are added here. It is their squares that add up.": (
                (n * mean_of_n - one) / (n - 1),
                mean_of_n - one / n,
            ),
            "This takes the floor for 0, so that only the spread is left, an n-th of it.": (
                one / n**0.5
            ),
        }
        otherwise = "Two equations, two unknowns: subtract one from n times the other."
        case = (
            f"floor({one:g}, {mean_of_n:g}, {n}) gives {returned:.4g}, but {right:.4g} is right. "
        )
        compare(returned, right, likely, otherwise, case=case)


FLOOR = Exercise(
    id="04-d",
    title="What would a thousand draws come to?",
    task="""
The mean of n draws lies at a distance from some picture. Its square has two parts: the square of
the **floor**, which is there for every n, and the square of the draws' **spread**, which is divided
by n:

$$ \\text{distance}^2 = \\text{floor}^2 + \\frac{\\text{spread}^2}{n} $$

You have measured two distances: of `one` draw, and of the `mean_of_n` draws.

**Your turn.** Complete the function. It returns the floor: the distance that would be left of the
mean of very many draws. A measurement may be slightly off: if the square comes out below 0, the
floor is 0.
""",
    stub="""
def floor(one, mean_of_n, n):
    return ...  # your code here
""",
    answer="floor",
    expects="a function of two distances and a number of draws",
    hints=(
        "Write the equation twice, for 1 and for n. What is left when you take the first away from "
        "n times the second?",
        "`n * mean_of_n**2 - one**2` is `(n - 1)` times the floor's square. Then "
        "`max(0, …) ** 0.5`.",
    ),
    solution="""
def floor(one, mean_of_n, n):
    squared = (n * mean_of_n**2 - one**2) / (n - 1)
    return max(0, squared) ** 0.5
""",
    check=_floor,
    why="Two measurements tell what a thousand draws would show. Use it on the numbers of this "
    "notebook's curve, `floor(to_fidelity[0], to_fidelity[-1], 16)`: the floor is how far the two "
    "networks disagree in the mean.",
    wrong={
        "lambda one, m, n: (n * m**2 - one**2) / (n - 1)": "take the root",
        "lambda one, m, n: m": "n-th",
        "lambda one, m, n: max(0, (one**2 - m**2) * n / (n - 1)) ** 0.5": "spread",
        "lambda one, m, n: one / n**0.5": "takes the floor for 0",
        "lambda one, m, n: abs((n * m**2 - one**2) / (n - 1)) ** 0.5": "the floor is 0",
        "lambda one, m, n: ((n * m**2 - one**2) / (n - 1)) ** 0.5": "below 0",
        "lambda one, m, n: max(0, ((n * m**2 - one**2) / (n - 1)) ** 0.5)": "then the root",
        "lambda one, m, n: torch.tensor((n * m**2 - one**2) / (n - 1)).sqrt()": "then the root",
        "lambda one, m, n: (n * m - one) / (n - 1)": "squares that add up",
        "lambda one, m, n: max(0, (n * m**2 - one**2) / n) ** 0.5": "divided by n",
        "lambda one, m, n: max(0, n * m**2 - one**2) ** 0.5": "divide",
        "lambda one, m, n: (one + m) / 2": "Two equations",
        "lambda one, m, n: 'none'": "expected a number",
    },
)

EXERCISES = [BY_REPAIR, SAFEST, PAINTED, FLOOR]
