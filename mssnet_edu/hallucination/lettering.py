"""Letters that change while the small photo stays: a street sign and a number plate.

In the small photo each letter is less than two pixels tall. So there are other texts, in the same
place and of the same ink, that become the very same small photo. These functions look for some.
They exist as a warning: a number plate read from an enlargement is not evidence.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mssnet_edu import degrade, images, samples
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.optics import convolve
from mssnet_edu.operators import Downscale, back_project

__all__ = ["Lettering", "ambiguous_plates", "ambiguous_signs"]


class Lettering(NamedTuple):
    """What `ambiguous_signs` and `ambiguous_plates` return.

    small: (3, H, W), the small photo of all of them. answers: {text: (3, 8H, 8W)}, all of which
    become `small`; the first is the photo itself. letters_px: how tall a letter is in `small`.
    """

    small: Tensor
    answers: dict[str, Tensor]
    letters_px: float


# In the photo "street_sign", cut as BOX says: each letter's row, and its columns from left to right
SIGN_BOX = (244, 4, 216, 288)  # left, top, width, height
SIGN_SIZE = (128, 96)  # (height, width): the cut photo, reduced so that letters are small
SIGN_ROWS = {
    "double": (82, 120),
    "parking": (123, 161),
    "prohibited": (166, 205),
    "all": (211, 246),
}
SIGN_LETTERS = {
    "A": ("all", 69, 79),
    "D": ("prohibited", 163, 177),
    "E": ("prohibited", 146, 159),
    "G": ("parking", 156, 177),
    "I": ("prohibited", 100, 104),
    "L": ("double", 138, 154),
    "M": ("all", 122, 136),
    "O": ("prohibited", 64, 79),
    "P": ("prohibited", 33, 45),
    "R": ("prohibited", 47, 60),
    "S": ("all", 150, 159),
    "T": ("prohibited", 132, 145),
    "U": ("double", 88, 108),
}
SIGN_LINE = (33, 177)  # first and last column of the word PROHIBITED
SIGN_SPACE = (31, 178)  # the columns that are inpainted before another word is put there
# by how much letters cut from a row are widened in the row "prohibited"
WIDTHS = {"prohibited": 1.0, "all": 1.15, "parking": 0.68, "double": 0.68}
SIGN_WORDS = ("TOLERATED", "REGULATED", "SUGGESTED")

# In the photo "real_motion_car", its blur undone: where the plate's characters stand
PLATE_BOX = (204, 196, 192, 128)
PLATE_TEXT = "127-RFS"
PLATE_ROWS = (50, 75)
PLATE_SLOTS = ((46, 54), (58, 71), (73, 84), (92, 104), (106, 117), (119, 132))
PLATE_SPACE = (42, 136)
DIGITS, CAPITALS = "0123456789", "ABCDEFGHJKLMNPRSTUVWXYZ"


def ambiguous_signs(words: Sequence[str] = SIGN_WORDS) -> Lettering:
    """A street sign that forbids, and others, just as consistent, that do not.

    words: what to write in place of PROHIBITED, from the letters A D E G I L M O P R S T U.
    The letters are cut out of the photo itself, pasted over the word, moved a little until the
    small photo hardly changes, and then back-projected, mostly within the ink. All are rounded to
    the 256 levels of a file. Returns a `Lettering`: 12 x 16 px, and answers eight times larger.

    >>> signs = ambiguous_signs(("TOLERATED",))
    >>> list(signs.answers), signs.letters_px < 2
    (['PROHIBITED', 'TOLERATED'], True)
    """
    return _copied(_signs(tuple(words)))


def _copied(cached):
    """Copy the pictures, so that changing them in place does not change the next call's."""
    answers = {text: photo.clone() for text, photo in cached.answers.items()}
    return cached._replace(small=cached.small.clone(), answers=answers)


@functools.lru_cache(maxsize=2)
def _signs(words):
    photo = images.crop(samples.load("street_sign"), SIGN_BOX)
    top, bottom = SIGN_ROWS["prohibited"]
    truth = images.quantize(degrade.resample(photo, SIGN_SIZE, "area"))
    small = Downscale(8)(truth)
    answers = {"PROHIBITED": truth}
    blank = _inpainted(photo, (top, bottom), SIGN_SPACE)
    for word in words:
        unknown = sorted(set(word) - set(SIGN_LETTERS))
        if unknown or not 4 <= len(word) <= 10:
            raise ValueError(
                f"{word!r} cannot be written: expected 4 to 10 of the letters "
                f"{''.join(SIGN_LETTERS)}, which the sign has."
            )
        boxes = _optimised(photo, blank, word, _evenly_spaced(word), small)
        answers[word] = _made_consistent(_sign(photo, blank, word, boxes), small)
    return Lettering(small, answers, (bottom - top - 5) / SIGN_BOX[3] * SIGN_SIZE[0] / 8)


def _evenly_spaced(word):
    """Where each letter begins and how wide it is, spread evenly over the line: (letters, 2)."""
    widths = [(b - a) * WIDTHS[row] for row, a, b in (SIGN_LETTERS[c] for c in word)]
    span = SIGN_LINE[1] - SIGN_LINE[0]
    gap = (span - sum(widths)) / (len(word) - 1)
    stretch = 1.0
    if gap > 7:  # few letters: wider ones, not wider gaps
        gap, stretch = 7, (span - 7 * (len(word) - 1)) / sum(widths)
    boxes, x = [], float(SIGN_LINE[0])
    for width in widths:
        boxes.append((x, width * stretch))
        x += width * stretch + gap
    return torch.tensor(boxes)


def _sign(photo, blank, word, boxes):
    """The sign with a word on it, reduced to SIGN_SIZE."""
    top, bottom = SIGN_ROWS["prohibited"]
    out = blank.clone()
    for letter, (x, width) in zip(word, boxes.tolist(), strict=True):
        wide, left = max(4, round(width) + 2), round(x) - 1
        out[:, top:bottom, left : left + wide] *= _transmission(photo, letter, bottom - top, wide)
    return degrade.resample(out, SIGN_SIZE, "area")


def _transmission(photo, letter, height, width):
    """A letter as the share of light that its ink leaves: (3, height, width)."""
    row, left, right = SIGN_LETTERS[letter]
    top, bottom = SIGN_ROWS[row]
    cut = (slice(None), slice(top, bottom), slice(left - 1, right + 1))
    share = (photo[cut] / _background(photo, (top, bottom))[cut[0], :, cut[2]]).clamp(0, 1.05)
    return degrade.resample(share, (height, width), "bicubic").clamp(0, 1.05)


def _optimised(photo, blank, word, boxes, small, tries=120, seed=0):
    """Random search: shift and widen single letters, keep what fits the small photo better."""
    generator = torch.Generator().manual_seed(seed)
    a = Downscale(8)

    def loss(boxes):
        gaps = boxes[1:, 0] - boxes[:-1].sum(1)
        unevenness = float((gaps - gaps.mean()).square().mean())
        misfit = float((a(_sign(photo, blank, word, boxes)) - small).square().sum())
        return misfit + 1e-3 * unevenness

    best = loss(boxes)
    for _ in range(tries):
        which = int(torch.randint(len(word), (), generator=generator))
        change = torch.randn(2, generator=generator) * torch.tensor([1.5, 1.0])
        trial = boxes.clone()
        trial[which] += change
        begins, ends = trial[:, 0], trial.sum(1)
        apart = bool((begins[1:] - ends[:-1] >= 2.0).all()) and float(trial[which, 1]) >= 3
        if not apart or begins[0] < SIGN_SPACE[0] + 1 or ends[-1] > SIGN_SPACE[1] - 2:
            continue
        if (trial_loss := loss(trial)) < best:
            best, boxes = trial_loss, trial
    return boxes


def ambiguous_plates(n: int = 3) -> Lettering:
    """A real number plate, and n others that become the same small photo, character by character.

    The photo is the smeared car of notebook 01, its blur undone and its size halved. Other
    characters are rendered in the plate's ink; for each place those are taken that change the small
    photo the least. Rounded to the 256 levels of a file. Returns a `Lettering`: 12 x 8 px.

    >>> plates = ambiguous_plates(1)
    >>> len(plates.answers), plates.letters_px < 2
    (2, True)
    """
    return _copied(_plates(arguments.whole(n, "n", low=1, high=6)))


@functools.lru_cache(maxsize=2)
def _plates(n):
    from mssnet_edu import classical

    car = samples.load("real_motion_car")
    motion = classical.estimate_line_kernel(car, max_length_px=40)
    photo = images.crop(classical.wiener(car, motion.kernel, noise=0.01), PLATE_BOX)
    half = (photo.shape[-2] // 2, photo.shape[-1] // 2)
    truth = images.quantize(degrade.resample(photo, half, "area"))
    a = Downscale(8)
    small = a(truth)
    blank = _inpainted(photo, PLATE_ROWS, PLATE_SPACE)
    ink = _plate_ink(photo, blank)
    top, height = PLATE_ROWS[0], PLATE_ROWS[1] - PLATE_ROWS[0]
    blank = _printed(blank, _glyph("-", 4, 6), 88, top + height // 2 - 2, ink)

    answers = {PLATE_TEXT: truth}
    true_text = PLATE_TEXT.replace("-", "")
    best = []  # for each slot, the n characters that change the small photo least
    for slot, (left, right) in enumerate(PLATE_SLOTS):
        others = blank.clone()  # the true plate without this slot's character
        for other, (begin, end) in enumerate(PLATE_SLOTS):
            if other != slot:
                others[:, :, begin - 1 : end + 1] = photo[:, :, begin - 1 : end + 1]
        misfits = {}
        for letter in DIGITS if slot < 3 else CAPITALS:
            if letter != true_text[slot]:
                plate = _printed(others, _glyph(letter, height, right - left), left, top, ink)
                again = a(degrade.resample(plate, half, "area"))
                misfits[letter] = float((again - small).square().sum())
        best.append(sorted(misfits, key=misfits.__getitem__)[:n])
    for number in range(n):
        text, plate = "", blank
        for (left, right), letters in zip(PLATE_SLOTS, best, strict=True):
            letter = letters[number % len(letters)]
            plate = _printed(plate, _glyph(letter, height, right - left), left, top, ink)
            text += letter
        plate = degrade.resample(plate, half, "area")
        answers[f"{text[:3]}-{text[3:]}"] = _made_consistent(plate, small)
    return Lettering(small, answers, height / 16)


def _plate_ink(photo, blank):
    """The share of light that the plate's ink leaves: (3, 1, 1)."""
    rows, columns = slice(*PLATE_ROWS), slice(*PLATE_SPACE)
    share = (photo / blank.clamp(min=0.05))[:, rows, columns].flatten(1).clamp(0, 1)
    return share.quantile(0.05, 1)[:, None, None]


@functools.cache
def _glyph(letter, height, width):
    """The coverage mask of a rendered character, blurred like the photo: (h + 4, w + 4)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=120)
    box = [int(side) for side in font.getbbox(letter, stroke_width=3)]
    canvas = Image.new("RGB", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(canvas).text((-box[0], -box[1]), letter, "white", font, stroke_width=3)
    cover = degrade.resample(images.from_pillow(canvas), (height, width), "area")[:1]
    cover = F.pad(cover, (2, 2, 2, 2))
    return convolve(cover[None], degrade.gaussian_kernel(0.7), "black")[0, 0]


def _printed(photo, cover, left, top, ink):
    """The photo with a character on it; its mask `cover` has a margin of 2 px."""
    out = photo.clone()
    rows = slice(top - 2, top - 2 + cover.shape[0])
    columns = slice(left - 2, left - 2 + cover.shape[1])
    out[:, rows, columns] *= 1 - (1 - ink) * cover
    return out


# --- shared ------------------------------------------------------------------------------------


def _background(photo, rows, radius_px=6):
    """The background of a line of text, from the blank strips above and below: (3, h, W)."""
    top, bottom = rows
    above = photo[:, top - 1 : top + 1].mean(1, keepdim=True)
    below = photo[:, bottom : bottom + 2].mean(1, keepdim=True)
    if float(below.mean()) < 0.9 * float(above.mean()):  # no blank strip there
        below = above
    t = torch.linspace(0, 1, bottom - top)[None, :, None]
    background = above * (1 - t) + below * t
    padded = F.pad(background, (radius_px, radius_px), mode="replicate")
    return F.avg_pool1d(padded, 2 * radius_px + 1, 1)


def _inpainted(photo, rows, columns):
    """The photo with its text there replaced by the background."""
    out = photo.clone()
    part = (slice(None), slice(*rows), slice(*columns))
    out[part] = _background(photo, rows)[:, :, slice(*columns)]
    return out


def _made_consistent(photo, small):
    """Back-project where it shows least: ink and edges change more than blank areas."""
    a = Downscale(8)
    grey = images.luma(photo)[None]
    local_mean = F.avg_pool2d(grey, 5, 1, 2, count_include_pad=False)
    texture = F.avg_pool2d((grey - local_mean).abs(), 3, 1, 1, count_include_pad=False)[0]
    photo = photo.clamp(0, 1)
    # a smooth half of the correction first: what a change of light would do
    photo = (photo + 0.5 * a.smooth(small - a(photo))).clamp(0, 1)
    return back_project(
        photo, small, "mosaic", rounds=60, tol=0, weight=texture + 0.02, eight_bit=True
    )
