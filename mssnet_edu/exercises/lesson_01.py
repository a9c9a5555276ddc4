"""Exercises of notebook 01, Blur vs downscaling."""

import functools
import math

import torch

from mssnet_edu import classical, degrade, images, metrics, samples
from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    as_number,
    as_photo,
    call,
    compare,
    describe,
    is_close,
    random,
)

__all__ = ["EXERCISES"]


# --- 01-a -----------------------------------------------------------------------------------------


def _long_exposure(answer):
    to_linear, to_srgb = images.to_linear, images.to_srgb
    pairs = [
        (random(3, 3, 4, 6), random(4, 3, 4, 6)),
        (random(5, 3, 8, 5), random(6, 3, 8, 5)),
        (torch.zeros(3, 2, 7), torch.ones(3, 2, 7)),
    ]
    for first, second in pairs:
        returned = as_photo(call(answer, first, second), first.shape, "What your function returns")
        light = (to_linear(first) + to_linear(second)) / 2
        likely = {
            "This is the mean of the numbers in the file, so black and white give 0.5. A "
            "sensor adds up light: turn both frames into light first, with "
            "`me.images.to_linear`.": ((first + second) / 2),
            "The mean is right, but it is still light. A photo holds sRGB numbers: turn it "
            "back with `me.images.to_srgb`.": light,
            "Here sRGB numbers are averaged. Turn them into light before you average them.": (
                to_srgb((first + second) / 2),
                to_linear((first + second) / 2),
            ),
            "This adds two whole exposures. Each frame is seen for half of the time only.": (
                to_srgb(2 * light),
                to_srgb((2 * light).clamp(0, 1)),
                to_srgb(2 * light) / 2,
            ),
            "Only one of the two is halved. Put the sum in brackets: `(a + b) / 2`.": (
                to_srgb(to_linear(first) + to_linear(second) / 2),
                to_srgb((to_linear(first) + to_linear(second) / 2).clamp(0, 1)),
            ),
            "The two functions have changed places: first to light, then back.": to_linear(
                (to_srgb(first) + to_srgb(second)) / 2
            ),
            "One of the two frames is missing.": (first, second),
            "A camera does not keep the brighter moment, it adds up: take a mean.": torch.maximum(
                first, second
            ),
            "Nearly. sRGB is not quite a power of 2.2: use `to_linear` and `to_srgb`.": (
                ((first**2.2 + second**2.2) / 2) ** (1 / 2.2)
            ),
        }
        otherwise = (
            "Not the mean of the two in light. Go there (to_linear), take the mean, come back."
        )
        compare(returned, to_srgb(light), likely, otherwise, within=1e-3)


LONG_EXPOSURE = Exercise(
    id="01-a",
    title="Half of the time black, half of the time white",
    task="""
A blurred photo is a sum: while the shutter is open, the sensor adds up the light of all moments. A
file does not hold light. It holds *sRGB* numbers, which follow the eye: 0.5 looks half as bright as
1 and is only about a fifth of its light. `me.images.to_linear(photo)` turns a photo into light,
`me.images.to_srgb(light)` turns light into a photo.

The picture is `first` for the first half of an exposure, and `second` for the second half.

**Your turn.** Complete the function. It returns the photo that the camera records, with sRGB
numbers from 0 to 1.
""",
    stub="""
def long_exposure(first, second):
    return ...  # your code here
""",
    answer="long_exposure",
    expects="a function of two photos",
    hints=(
        "The camera takes a mean. In which numbers, those of the file or those of the light?",
        "Three steps: both frames to light, their mean, and back to a photo.",
    ),
    solution="""
def long_exposure(first, second):
    light = (me.images.to_linear(first) + me.images.to_linear(second)) / 2
    return me.images.to_srgb(light)
""",
    check=_long_exposure,
    why="Black and white give the grey 0.735, not 0.5. So a bright lamp leaves a bright streak, "
    "even where it passed for a moment only. Blur computed on sRGB numbers loses such streaks.",
    wrong={
        "lambda a, b: (a + b) / 2": "numbers in the file",
        "lambda a, b: (me.images.to_linear(a) + me.images.to_linear(b)) / 2": "still light",
        "lambda a, b: me.images.to_srgb((a + b) / 2)": "before you average",
        "lambda a, b: me.images.to_srgb(me.images.to_linear(a) + me.images.to_linear(b))": (
            "half of the time"
        ),
        "lambda a, b: me.images.to_srgb(me.images.to_linear(a) + me.images.to_linear(b) / 2)": (
            "brackets"
        ),
        "lambda a, b: me.images.to_linear((me.images.to_srgb(a) + me.images.to_srgb(b)) / 2)": (
            "changed places"
        ),
        "lambda a, b: torch.maximum(a, b)": "brighter moment",
        "lambda a, b: ((a**2.2 + b**2.2) / 2) ** (1 / 2.2)": "2.2",
        "lambda a, b: 0.735": "expected a photo",
        "lambda a, b: torch.full_like(a, 0.735)": "come back",
    },
)


# --- 01-b -----------------------------------------------------------------------------------------


def _jerk_kernel(answer):
    right = torch.tensor([0, 0, 0.6, 0, 0.4])
    if not isinstance(answer, torch.Tensor | list | tuple):
        return f"The answer is {describe(answer)}; expected a tensor of shape (1, 5)."
    kernel = torch.as_tensor(answer, dtype=torch.float32)
    if kernel.shape == (5, 5) and is_close(kernel[[0, 1, 3, 4]].abs().sum(), 0):
        kernel = kernel[2]  # drawn as a square, as me.degrade.kernel_from_path does
    if kernel.shape == (5, 1):
        return "This kernel blurs up and down: it is a column. Write a row, of shape (1, 5)."
    if kernel.shape not in ((5,), (1, 5)):
        return (
            f"The kernel has the shape {tuple(kernel.shape)}; expected (1, 5): one row, from 2 "
            "pixels to the left to 2 pixels to the right of the middle."
        )
    kernel = kernel.flatten()
    if is_close(kernel, right, absolute=5e-3):
        return None
    total = kernel.sum().item()
    if not math.isfinite(total) or (kernel < 0).any():
        return "A kernel holds shares of light: none is negative, and all are finite."
    if not is_close(total, 1, absolute=5e-3):
        not_seconds = " not seconds," if is_close(total, 0.1) else ""
        return (
            f"The kernel sums to {total:.4g}, so the photo would come out {total:.4g} times as "
            f"bright. Write shares of the exposure,{not_seconds} which together are 1."
        )
    places = [round(x, 2) for x in kernel.tolist()]
    sentences = {
        (0.4, 0, 0.6, 0, 0): "This is mirrored: the picture moves to the right, to larger columns.",
        (0, 0, 0.4, 0, 0.6): "The two shares have changed places. Where does the picture rest for "
        "longer?",
        (0.6, 0, 0, 0, 0.4): "The middle of the kernel is where the light falls before the camera "
        "moves.",
        (0, 0, 0.6, 0.4, 0): "This is a jerk of 1 pixel. The picture moves by 2.",
        (0, 0, 0.5, 0, 0.5): "The two times are not alike, so the two shares are not.",
    }
    if tuple(places) in sentences:
        return sentences[tuple(places)]
    if kernel[3] > 0:
        return (
            "Some light falls on the pixel in between. The jerk takes no time, so the light never "
            "rests there."
        )
    if kernel[:2].sum() > 0:
        return "Some light falls left of the middle. The picture only ever moves to the right."
    return (
        "The sum is 1, as it must be, but the shares lie in the wrong places. Follow one point of "
        "light: where is it for how long?"
    )


JERK = Exercise(
    id="01-b",
    title="The picture of one point of light",
    task="""
A blur *kernel* is the picture of a single point of light. Its middle is where the point lies
without blur; each number is the share of the light that falls on that pixel.

A shutter is open for 0.10 s. For the first 0.06 s the camera rests. Then it jerks, in no time, and
for the last 0.04 s the picture lies 2 pixels further to the right.

**Your turn.** Write the kernel as a tensor of shape (1, 5), from 2 pixels to the left of the middle
to 2 pixels to the right of it.
""",
    stub="""
kernel = ...  # your code here
""",
    answer="kernel",
    expects="a tensor of shape (1, 5)",
    hints=(
        "Five numbers, the third is the middle. On which two of them does any light fall?",
        "How much light falls on a pixel follows from how long the point rests on it. All shares "
        "together are 1: the whole exposure.",
    ),
    solution="""
kernel = torch.tensor([[0, 0, 0.6, 0, 0.4]])
""",
    check=_jerk_kernel,
    why="The kernel tells the story of the camera, and it sums to 1: a blur moves light about, and "
    "neither adds nor loses any.",
    wrong={
        "torch.tensor([[0.4, 0, 0.6, 0, 0]])": "mirrored",
        "torch.tensor([[0, 0, 0.06, 0, 0.04]])": "sums to 0.1",
        "torch.ones(1, 3) / 3": "shape (1, 3)",
        "torch.tensor([[0, 0, 0.6, 0.2, 0.2]])": "in between",
        "torch.tensor([[0, 0, 0.4, 0, 0.6]])": "changed places",
        "torch.tensor([[0.6, 0, 0, 0, 0.4]])": "before the camera moves",
        "torch.tensor([[0, 0, 0.6, 0.4, 0]])": "1 pixel",
        "torch.tensor([[0, 0, 0.5, 0, 0.5]])": "not alike",
        "torch.tensor([[0.2, 0, 0.6, 0, 0.2]])": "left of the middle",
        "torch.tensor([[0, 0, 60, 0, 40]])": "sums to 100",
        "torch.tensor([[0], [0], [0.6], [0], [0.4]])": "up and down",
        "0.6": "expected a tensor",
    },
)


# --- 01-c -----------------------------------------------------------------------------------------


def _seen_frequency(answer):
    for f, step in (
        (0.3, 2),
        (1 / 3, 2),
        (0.1, 2),
        (0.4, 2),
        (0.45, 4),
        (0.3, 1),
        (0.27, 5),
        (0.45, 8),
    ):
        frequency = as_number(call(answer, f, step), f"seen_frequency({f:.4g}, {step})")
        turns = f * step
        right = abs(turns - round(turns))
        likely = {
            "The stripes stay as they are, but the pixels get larger, so one pixel holds more "
            "of a stripe.": f,
            "A frequency is not below 0: how far is it, either way?": -right,
            "That is in cycles per old pixel; count in pixels of the small picture.": (
                right / step
            ),
            "No picture can show more than half a cycle per pixel: light, dark, light, dark. "
            "A larger turn looks like a smaller one. How far is it to the nearest whole turn?": (
                turns,
                turns % 1,
            ),
            "Stripes that are too fine do not stop at 0.5. They come back as coarser.": (
                min(turns, 0.5),
                0.5,
            ),
            "Only whole turns leave no trace, not half ones: 0.7 turns look like 0.3.": (
                turns % 0.5
            ),
            f"Here the stripe makes {turns:.4g} turns, and the nearest whole number is "
            f"{round(turns)}. It is not always 1.": (
                1 - turns,
                turns - 1,
                abs(1 - turns),
                1 - turns % 1,
                0.5 - abs(0.5 - turns),
            ),
            "Stripes that are too fine do not vanish. They come back as coarser ones.": 0,
            "Here they got coarser. In larger pixels, the same stripe is finer: it goes "
            "through more of its cycle from one pixel to the next.": (f / step),
        }
        otherwise = "How many turns does the stripe make from one kept pixel to the next?"
        case = f"seen_frequency({f:.4g}, {step}) gives {frequency:.4g}. "
        compare(frequency, right, likely, otherwise, case=case, within=5e-3)


ALIAS = Exercise(
    id="01-c",
    title="Stripes that were never there",
    task="""
Stripes with `cycles_per_px` cycles per pixel, from 0 to 0.5, are made smaller in the worst way:
every `step`-th pixel is kept, the others are thrown away. A *turn* is one whole cycle: light, dark,
and light again. From one kept pixel to the next the stripes make `cycles_per_px * step` turns.
Whole turns leave no trace, and 0.7 turns forward look like 0.3 turns back.

**Your turn.** Complete the function. It returns how fine the stripes in the small picture are, in
cycles per pixel of the *small* picture, from 0 to 0.5.
""",
    stub="""
def seen_frequency(cycles_per_px, step):
    return ...  # your code here
""",
    answer="seen_frequency",
    expects="a function of the frequency and the step",
    hints=(
        "With 1/3 cycle per pixel and every second pixel kept, the stripe makes 2/3 of a turn. "
        "Which smaller turn, forward or back, gives the same picture?",
        "It is the distance from `cycles_per_px * step` to the nearest whole number. Python has "
        "`round` and `abs`.",
    ),
    solution="""
def seen_frequency(cycles_per_px, step):
    turns = cycles_per_px * step
    return abs(turns - round(turns))
""",
    check=_seen_frequency,
    why="This is *aliasing*. Fine stripes do not vanish, they come back as coarse ones that nobody "
    "photographed, and nothing in these pixels tells them from real ones: a network can only "
    "guess. Taking the mean of a block, or "
    "blurring first, weakens them before it is too late.",
    wrong={
        "lambda f, step: f * step": "half a cycle",
        "lambda f, step: f * step % 1": "nearest whole turn",
        "lambda f, step: min(f * step, 0.5)": "come back",
        "lambda f, step: f": "pixels get larger",
        "lambda f, step: f / step": "finer",
        "lambda f, step: abs(f * step - round(f * step)) / step": "per old pixel",
        "lambda f, step: f * step - round(f * step)": "below 0",
        "lambda f, step: abs(1 - f * step)": "not always 1",
        "lambda f, step: min(abs(f * step - k) for k in (0, 1, 2))": "How many turns",
        "lambda f, step: f * step % 0.5": "not half ones",
        "lambda f, step: min(f * step, 1 - f * step)": "not always 1",
        "lambda f, step: round(f * step)": "How many turns",
        "lambda f, step: f * step if f * step <= 0.5 else 1 - f * step": "not always 1",
        "lambda f, step: f * step if f * step <= 0.5 else 0": "do not vanish",
        "lambda f: f": "TypeError",
    },
)


# --- 01-d -----------------------------------------------------------------------------------------

ENOUGH_DB = 0.25
BEST_NOISE = 0.035  # by trial; a test tries others


@functools.cache
def _noisy_cat():
    sharp = images.crop(samples.load("cat"), (150, 40, 128, 128))
    kernel = degrade.line_kernel(9, angle_deg=30)
    blurred = degrade.add_noise(degrade.blur(sharp, kernel), 0.01, seed=1)
    return sharp, kernel, blurred


@functools.lru_cache(maxsize=32)
def _wiener_db(noise):
    sharp, kernel, blurred = _noisy_cat()
    return metrics.psnr(classical.wiener(blurred, kernel, noise), sharp)


def _wiener_noise(answer):
    noise = as_number(answer, "noise")
    if noise <= 0:
        raise Mistake(
            f"noise is {noise:g}. Where the kernel lets nothing through, 0 would divide by 0, and "
            "the noise in the photo would grow without end. Try something above 0."
        )
    if noise > 10:
        return f"noise is {noise:.4g}. Is that a score in dB? Give the number that you tried."
    sharp, _, blurred = _noisy_cat()
    psnr_db, best_db = _wiener_db(max(noise, 1e-8)), _wiener_db(BEST_NOISE)
    if psnr_db >= best_db - ENOUGH_DB:
        return None
    blurred_db = metrics.psnr(blurred, sharp)
    if noise < BEST_NOISE:
        worse = " That is worse than the blurred photo itself." if psnr_db < blurred_db else ""
        return (
            f"With {noise:g}, {psnr_db:.1f} dB: the blur is undone, but the noise is blown up with "
            f"it.{worse} Try a larger number."
        )
    return (
        f"With {noise:g}, {psnr_db:.1f} dB: the answer is so careful that it holds back waves that "
        "could be saved. Try a smaller number."
    )


NOISE = Exercise(
    id="01-d",
    title="How careful should it be?",
    task=f"""
`me.classical.wiener(photo, kernel, noise)` undoes a known blur. The number `noise` says how noisy
it should take the photo to be: the larger, the more it holds back. Here the photo is known to be
noisy, and you know the sharp one, so you can look for the best setting.

**Your turn.** Find a `noise` whose answer is within {ENOUGH_DB} dB of the best that one number can
reach. Compare with `me.metrics.psnr(answer, sharp)`.
""",
    stub="""
sharp = me.images.crop(me.samples.load("cat"), (150, 40, 128, 128))
kernel = me.degrade.line_kernel(9, angle_deg=30)
blurred = me.degrade.add_noise(me.degrade.blur(sharp, kernel), 0.01, seed=1)
noise = ...  # your code here
""",
    answer="noise",
    expects="a number above 0",
    hints=(
        "Try 0.001, 0.01, 0.1 and 1, and look at the dB of each answer. Between which two does the "
        "best lie?",
        "Let Python try them, in finer steps: `max([0.003, 0.01, 0.03, 0.1, 0.3], key=score)` is "
        "the number whose score is largest. `score` is a function of `noise` that you write.",
    ),
    solution="""
sharp = me.images.crop(me.samples.load("cat"), (150, 40, 128, 128))
kernel = me.degrade.line_kernel(9, angle_deg=30)
blurred = me.degrade.add_noise(me.degrade.blur(sharp, kernel), 0.01, seed=1)
tries = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
scores = [me.metrics.psnr(me.classical.wiener(blurred, kernel, n), sharp) for n in tries]
noise = tries[scores.index(max(scores))]
""",
    check=_wiener_noise,
    why="Too small, and the answer is mostly noise; too large, and it stays blurred. With a photo "
    "of your own there is no sharp one to compare with, and you have to judge by eye.",
    wrong={
        "0": "above 0",
        "-0.03": "above 0",
        "me.metrics.psnr(blurred, sharp)": "in dB",
        "1": "smaller number",
        "1e-6": "worse than the blurred photo",
        "0.01": "larger number",
        "0.3": "smaller number",
        "sharp": "expected a number",
    },
)

EXERCISES = [LONG_EXPOSURE, JERK, ALIAS, NOISE]
