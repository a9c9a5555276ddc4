"""Letters that change while the small photo stays: a street sign and a number plate.

In the small photo each letter is less than two pixels tall. So there are other texts, in the same
place and of the same ink, that become the very same small photo. These functions look for some.
They exist as a warning: a number plate read from an enlargement is not evidence.
"""

import functools
from typing import NamedTuple

import torch
from torch.nn import functional as F

from mssnet_edu import degrade, images, samples
from mssnet_edu.degrade import arguments
from mssnet_edu.degrade.optics import convolve
from mssnet_edu.hallucination.operators import Downscale

__all__ = ["Lettering", "ambiguous_plates", "ambiguous_signs"]


class Lettering(NamedTuple):
    """What `ambiguous_signs` and `ambiguous_plates` return.

    small: (3, H, W), the small photo of all of them. answers: {text: (3, 8H, 8W)}, all of which
    become `small`; the first is the photo itself. letters_px: how tall a letter is in `small`.
    """

    small: torch.Tensor
    answers: dict
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
SIGN_LINE = (33, 177)  # from where to where the word PROHIBITED goes
SIGN_SPACE = (31, 178)  # what is wiped before another word is put there
NARROWER = {"prohibited": 1.0, "all": 1.15, "parking": 0.68, "double": 0.68}
SIGN_WORDS = ("TOLERATED", "REGULATED", "SUGGESTED")

# In the photo "real_motion_car", its blur undone: where the plate's characters stand
PLATE_BOX = (204, 196, 192, 128)
PLATE_TEXT = "127-RFS"
PLATE_ROWS = (50, 75)
PLATE_SLOTS = ((46, 54), (58, 71), (73, 84), (92, 104), (106, 117), (119, 132))
PLATE_SPACE = (42, 136)
DIGITS, CAPITALS = "0123456789", "ABCDEFGHJKLMNPRSTUVWXYZ"


def ambiguous_signs(words=SIGN_WORDS):
    """A street sign that forbids, and others, just as consistent, that do not.

    words: what to write in place of PROHIBITED, from the letters A D E G I L M O P R S T U.
    The letters are cut out of the photo itself, pasted over the word, moved a little until the
    small photo hardly changes, and then corrected, mostly within the ink. All are rounded to the
    256 levels of a file. Returns a `Lettering`: 12 x 16 px, and answers eight times larger.

    >>> found = ambiguous_signs(("TOLERATED",))
    >>> list(found.answers), found.letters_px < 2
    (['PROHIBITED', 'TOLERATED'], True)
    """
    return _copied(_signs(tuple(words)))


def _copied(found):
    """What a learner paints into a picture must not be there at the next call."""
    answers = {text: photo.clone() for text, photo in found.answers.items()}
    return found._replace(small=found.small.clone(), answers=answers)


@functools.lru_cache(maxsize=2)
def _signs(words):
    photo = images.crop(samples.load("street_sign"), SIGN_BOX)
    top, bottom = SIGN_ROWS["prohibited"]
    truth = images.quantize(degrade.resample(photo, SIGN_SIZE, "area"))
    small = Downscale(8)(truth)
    answers = {"PROHIBITED": truth}
    wiped = _wiped(photo, (top, bottom), SIGN_SPACE)
    for word in words:
        unknown = sorted(set(word) - set(SIGN_LETTERS))
        if unknown or not 4 <= len(word) <= 10:
            raise ValueError(
                f"{word!r} cannot be written: expected 4 to 10 of the letters "
                f"{''.join(SIGN_LETTERS)}, which the sign has."
            )
        places = _moved(photo, wiped, word, _places(word), small)
        answers[word] = _hidden(_sign(photo, wiped, word, places), small)
    return Lettering(small, answers, (bottom - top - 5) / SIGN_BOX[3] * SIGN_SIZE[0] / 8)


def _places(word):
    """Where each letter begins and how wide it is, spread evenly over the line."""
    natural = [(b - a) * NARROWER[row] for row, a, b in (SIGN_LETTERS[c] for c in word)]
    span = SIGN_LINE[1] - SIGN_LINE[0]
    gap = (span - sum(natural)) / (len(word) - 1)
    wider = 1.0
    if gap > 7:  # few letters: wider ones, not wider gaps
        gap, wider = 7, (span - 7 * (len(word) - 1)) / sum(natural)
    places, x = [], float(SIGN_LINE[0])
    for width in natural:
        places.append((x, width * wider))
        x += width * wider + gap
    return torch.tensor(places)  # (letters, 2)


def _sign(photo, wiped, word, places):
    top, bottom = SIGN_ROWS["prohibited"]
    out = wiped.clone()
    for letter, (x, width) in zip(word, places.tolist(), strict=True):
        wide, left = max(4, round(width) + 2), round(x) - 1
        out[:, top:bottom, left : left + wide] *= _ink(photo, letter, bottom - top, wide)
    return degrade.resample(out, SIGN_SIZE, "area")


def _ink(photo, letter, height, width):
    """A letter as the share of light that it leaves: (3, height, width)."""
    row, left, right = SIGN_LETTERS[letter]
    top, bottom = SIGN_ROWS[row]
    cut = (slice(None), slice(top, bottom), slice(left - 1, right + 1))
    share = (photo[cut] / _paper(photo, (top, bottom))[cut[0], :, cut[2]]).clamp(0, 1.05)
    return degrade.resample(share, (height, width), "bicubic").clamp(0, 1.05)


def _moved(photo, wiped, word, places, small, tries=120, seed=0):
    """Letters shifted and widened a little, at random; kept is what fits the small photo better."""
    draw = torch.Generator().manual_seed(seed)
    a = Downscale(8)

    def miss(places):
        gaps = places[1:, 0] - places[:-1].sum(1)
        uneven = float((gaps - gaps.mean()).square().mean())  # would catch the eye
        return float((a(_sign(photo, wiped, word, places)) - small).square().sum()) + 1e-3 * uneven

    best = miss(places)
    for _ in range(tries):
        which = int(torch.randint(len(word), (), generator=draw))
        change = torch.randn(2, generator=draw) * torch.tensor([1.5, 1.0])
        trial = places.clone()
        trial[which] += change
        begins, ends = trial[:, 0], trial.sum(1)
        apart = bool((begins[1:] - ends[:-1] >= 2.0).all()) and float(trial[which, 1]) >= 3
        if not apart or begins[0] < SIGN_SPACE[0] + 1 or ends[-1] > SIGN_SPACE[1] - 2:
            continue
        if (found := miss(trial)) < best:
            best, places = found, trial
    return places


def ambiguous_plates(n=3):
    """A real number plate, and n others that become the same small photo, character by character.

    The photo is the smeared car of notebook 01, its blur undone and its size halved. Other
    characters are drawn in the plate's ink; for each place those are taken that change the small
    photo the least. Rounded to the 256 levels of a file. Returns a `Lettering`: 12 x 8 px.

    >>> found = ambiguous_plates(1)
    >>> len(found.answers), found.letters_px < 2
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
    wiped = _wiped(photo, PLATE_ROWS, PLATE_SPACE)
    ink = _darkest(photo, wiped)
    height = PLATE_ROWS[1] - PLATE_ROWS[0]
    wiped = _with(wiped, _drawn("-", 4, 6), 88, PLATE_ROWS[0] + height // 2 - 2, ink)

    answers = {PLATE_TEXT: truth}
    old = PLATE_TEXT.replace("-", "")
    chosen = []  # for each place, the n best characters
    for place, (left, right) in enumerate(PLATE_SLOTS):
        kept = wiped.clone()  # all other characters stay as they are
        for other, (begin, end) in enumerate(PLATE_SLOTS):
            if other != place:
                kept[:, :, begin - 1 : end + 1] = photo[:, :, begin - 1 : end + 1]
        misses = {}
        for letter in DIGITS if place < 3 else CAPITALS:
            if letter != old[place]:
                drawn = _with(kept, _drawn(letter, height, right - left), left, PLATE_ROWS[0], ink)
                again = a(degrade.resample(drawn, half, "area"))
                misses[letter] = float((again - small).square().sum())
        chosen.append(sorted(misses, key=misses.get)[:n])
    for number in range(n):
        text, picture = "", wiped
        for place, (left, right) in enumerate(PLATE_SLOTS):
            letter = chosen[place][number % len(chosen[place])]
            glyph = _drawn(letter, height, right - left)
            picture = _with(picture, glyph, left, PLATE_ROWS[0], ink)
            text += letter
        picture = degrade.resample(picture, half, "area")
        answers[f"{text[:3]}-{text[3:]}"] = _hidden(picture, small)
    return Lettering(small, answers, height / 16)


def _darkest(photo, wiped):
    """The share of light that the plate's ink leaves: (3, 1, 1)."""
    rows, columns = slice(*PLATE_ROWS), slice(*PLATE_SPACE)
    share = (photo / wiped.clamp(min=0.05))[:, rows, columns].flatten(1).clamp(0, 1)
    return share.quantile(0.05, 1)[:, None, None]


@functools.cache
def _drawn(letter, height, width):
    """How much of each pixel a drawn character covers, softened like the photo: (h, w)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=120)
    box = font.getbbox(letter, stroke_width=3)
    canvas = Image.new("RGB", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(canvas).text((-box[0], -box[1]), letter, "white", font, stroke_width=3)
    cover = degrade.resample(images.from_pillow(canvas), (height, width), "area")[:1]
    cover = F.pad(cover, (2, 2, 2, 2))
    return convolve(cover[None], degrade.gaussian_kernel(0.7), "black")[0, 0]


def _with(photo, cover, left, top, ink):
    """The photo with a character on it; `cover` has a margin of 2 px."""
    out = photo.clone()
    rows = slice(top - 2, top - 2 + cover.shape[0])
    columns = slice(left - 2, left - 2 + cover.shape[1])
    out[:, rows, columns] *= 1 - (1 - ink) * cover
    return out


# --- shared ------------------------------------------------------------------------------------


def _paper(photo, rows, reach=6):
    """What a line of text was written on: from the blank strips above and below, (3, h, W)."""
    top, bottom = rows
    above = photo[:, top - 1 : top + 1].mean(1, keepdim=True)
    below = photo[:, bottom : bottom + 2].mean(1, keepdim=True)
    if float(below.mean()) < 0.9 * float(above.mean()):  # no blank strip there
        below = above
    down = torch.linspace(0, 1, bottom - top)[None, :, None]
    paper = above * (1 - down) + below * down
    smooth = F.pad(paper, (reach, reach), mode="replicate")
    return F.avg_pool1d(smooth, 2 * reach + 1, 1)


def _wiped(photo, rows, columns):
    """The photo without its text there."""
    out = photo.clone()
    part = (slice(None), slice(*rows), slice(*columns))
    out[part] = _paper(photo, rows)[:, :, slice(*columns)]
    return out


def _hidden(photo, small, rounds=60):
    """Make a picture consistent where it shows least: ink and edges give more than blank paper."""
    a = Downscale(8)
    grey = images.luma(photo)[None]
    local = F.avg_pool2d(grey, 5, 1, 2, count_include_pad=False)
    busy = F.avg_pool2d((grey - local).abs(), 3, 1, 1, count_include_pad=False)[0]
    weight = busy + 0.02  # (1, H, W)
    photo = photo.clamp(0, 1)
    # a first, smooth part: what a change of light would do
    photo = (photo + 0.5 * a.smooth(small - a(photo))).clamp(0, 1)
    for _ in range(rounds):
        error = small - a(photo)
        way = a.pinv(error)
        free = weight * torch.where(way > 0, photo < 0.99, photo > 0.01)
        push = way * free / a.pinv(a(free)).clamp(min=1e-4)
        photo = (photo + push.clamp(-0.25, 0.25)).clamp(0, 1)
    return images.quantize(photo)
