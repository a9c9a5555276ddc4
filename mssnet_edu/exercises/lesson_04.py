"""Exercises of notebook 04, from deblurring to 8x."""

import math

import torch

from mssnet_edu import degrade
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import as_number, as_photo, call, is_close

__all__ = ["EXERCISES"]


# --- 04-a -----------------------------------------------------------------------------------------


def _upscale_by_repair(answer):
    generator = torch.Generator().manual_seed(3)
    for factor, sides in ((4, (10, 12)), (2, (9, 8)), (8, (5, 6))):
        small = torch.rand(3, *sides, generator=generator)

        def repair(picture):  # any step that keeps the size will do
            return (picture - 0.1).clamp(min=0) ** 1.5

        shape = 3, sides[0] * factor, sides[1] * factor
        returned = call(answer, small, factor, repair)
        if isinstance(returned, torch.Tensor) and tuple(returned.shape) == tuple(small.shape):
            return "Your answer is as small as the photo. The repair keeps the size: enlarge first."
        returned = as_photo(returned, shape, "Your answer")
        large = degrade.enlarge(small, factor)
        if is_close(returned, repair(large), absolute=1e-4):
            continue
        if is_close(returned, large, absolute=1e-4):
            return "This is enlarged, but not repaired yet."
        if is_close(returned, degrade.enlarge(repair(small), factor), absolute=1e-4):
            return (
                "This repairs the small photo, and then enlarges it. So the repair never sees the "
                "blur that the enlargement makes. Turn the two steps round."
            )
        if is_close(returned, repair(degrade.enlarge(small, factor, "nearest")), absolute=1e-4):
            return (
                "This enlarges by squares. Squares are no blur; the smooth enlargement is "
                '"bicubic", which `me.degrade.enlarge` does by itself.'
            )
        if is_close(returned, repair(repair(large)), absolute=1e-4):
            return "This repairs twice. Once is asked for."
        return "These are not the pixels of a smooth enlargement that was then repaired."
    return None


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
        "lambda small, factor, repair: torch.zeros(3, 2, 2)": "expected (3",
    },
)


# --- 04-b -----------------------------------------------------------------------------------------


def _candidates(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(3, 6, 8, generator=generator) for _ in range(count)]


def _chances(count, seed):
    weights = torch.rand(count, generator=torch.Generator().manual_seed(seed)) + 0.1
    return (weights / weights.sum()).tolist()


def _expected_error(guess, candidates, chances):
    errors = [(guess - one).square().mean().item() for one in candidates]
    return sum(chance * error for chance, error in zip(chances, errors, strict=True))


def _safest(answer):
    for count, seed in ((5, 1), (2, 2), (8, 3)):
        candidates, chances = _candidates(count, seed), _chances(count, seed + 9)
        stack = torch.stack(candidates)
        returned = call(answer, candidates, chances)
        if isinstance(returned, torch.Tensor) and is_close(returned, stack.sum(0), absolute=1e-4):
            return "This is the sum of all candidates. What part of the bill is each of them?"
        returned = as_photo(returned, candidates[0].shape, "Your answer")
        right = (stack * torch.tensor(chances)[:, None, None, None]).sum(0)
        if is_close(returned, right, absolute=1e-4):
            continue
        best = _expected_error(right, candidates, chances)
        if is_close(returned, stack.mean(0), absolute=1e-4):
            return "This counts all candidates alike. They are not equally likely."
        if is_close(returned, stack.median(0).values, absolute=1e-4):
            return (
                "This is the median. It is best where errors count as they are; here they are "
                "squared."
            )
        if any(is_close(returned, one, absolute=1e-4) for one in candidates):
            ratio = _expected_error(returned, candidates, chances) / best
            return (
                "This is one of the candidates. If another one is the truth, it pays: its expected "
                f"squared error is {ratio:.1f} times that of the best picture, which is none of "
                "them."
            )
        cost = _expected_error(returned, candidates, chances)
        return f"The expected squared error of your picture is {cost:.4f}; {best:.4f} is possible."
    return None


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
        "lambda c, p: 0.5": "expected a photo",
    },
)


# --- 04-c -----------------------------------------------------------------------------------------


def _painted(answer):
    cases = [
        (0.2, 0.1, 0.9, "L2", 0.74), (0.2, 0.1, 0.9, "L1", 0.9), (0.7, 0.1, 0.9, "L1", 0.1),
        (0.7, 0.0, 1.0, "L2", 0.3), (0.125, 0.2, 0.6, "L1", 0.6), (0.125, 0.2, 0.6, "L2", 0.55),
    ]  # fmt: skip
    for share, dark, light, loss, right in cases:
        returned = as_number(call(answer, share, dark, light, loss), "What your function returns")
        if is_close(returned, right, absolute=2e-3):
            continue
        mean = share * dark + (1 - share) * light
        case = f"painted({share}, {dark}, {light}, {loss!r}) gives {returned:.3g}. "
        if loss == "L1" and is_close(returned, mean, absolute=2e-3):
            return case + "That is the mean. L1 is kept smallest by the median: which value leads?"
        if loss == "L1" and is_close(returned, dark + light - right, absolute=2e-3):
            return case + "That is the rarer of the two values. The median is the other one."
        if loss == "L2" and is_close(returned, dark + light - mean, absolute=2e-3):
            return case + "The shares are the wrong way round: `share` is that of the dark value."
        if loss == "L2" and (is_close(returned, dark) or is_close(returned, light)):
            return case + "L2 is kept smallest by the mean, which lies between the two."
        if loss == "L2" and is_close(returned, (dark + light) / 2, absolute=2e-3):
            return case + "Dark and light are not equally likely: weigh them by their shares."
        return case + f"{right:.3g} is right."
    return None


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
        "lambda s, d, b, loss: 'dark'": "expected a number",
    },
)


# --- 04-d -----------------------------------------------------------------------------------------


def _floor(answer):
    for one, mean_of_n, n in ((5.0, 3.0, 4), (10.0, 6.0, 16), (8.0, 8.0, 3), (4.0, 2.0, 4)):
        right = math.sqrt(max(0.0, (n * mean_of_n**2 - one**2) / (n - 1)))
        returned = as_number(call(answer, one, mean_of_n, n), "What your function returns")
        if is_close(returned, right, absolute=5e-3):
            continue
        case = (
            f"floor({one:g}, {mean_of_n:g}, {n}) gives {returned:.4g}, but {right:.4g} is right. "
        )
        if is_close(returned, right**2, absolute=5e-3):
            return case + "That is its square: take the root."
        if is_close(returned, mean_of_n, absolute=5e-3):
            return case + "That still holds a part of the spread, an n-th of its square."
        if is_close(returned, math.sqrt(max(0.0, one**2 - right**2)), absolute=5e-3):
            return case + "That is the spread. The floor is the other unknown."
        return case + "Two equations, two unknowns: subtract one from n times the other."
    return None


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
mean of very many draws.
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
        "`max(0, …) ** 0.5`, as a measurement may be slightly off.",
    ),
    solution="""
def floor(one, mean_of_n, n):
    squared = (n * mean_of_n**2 - one**2) / (n - 1)
    return max(0, squared) ** 0.5
""",
    check=_floor,
    why="Two measurements tell what a thousand draws would show. Use it on the numbers of this "
    "notebook's curve: the floor is how far the two networks disagree in the mean.",
    wrong={
        "lambda one, m, n: (n * m**2 - one**2) / (n - 1)": "take the root",
        "lambda one, m, n: m": "n-th",
        "lambda one, m, n: max(0, (one**2 - m**2) * n / (n - 1)) ** 0.5": "spread",
        "lambda one, m, n: one / n**0.5": "Two equations",
        "lambda one, m, n: 'none'": "expected a number",
    },
)

EXERCISES = [BY_REPAIR, SAFEST, PAINTED, FLOOR]
