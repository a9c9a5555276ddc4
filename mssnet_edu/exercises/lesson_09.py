"""Exercises of notebook 09, your photo."""

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.check_helpers import (
    as_number,
    call,
    choose_letters,
    is_close,
    random,
)

__all__ = ["EXERCISES"]


# --- 09-a -----------------------------------------------------------------------------------------

MOTIONS = ((10, 16, 1), (16, 16, 1), (30, 24, 1 / 2), (48, 12, 1 / 4), (65, 16, 0), (33, 32, 1 / 2))


def _check_size(answer):
    for moved, longest, right in MOTIONS:
        found = as_number(call(answer, moved, longest), "What your function returns")
        if is_close(found, right):
            continue
        told = f"A motion of {moved} px, and a network that mends up to {longest} px: "
        if not any(is_close(found, size) for size in (1, 1 / 2, 1 / 4, 0)):
            return told + f"this gives {found:g}; expected one of 1, 1/2, 1/4, or 0 for none."
        if not right:
            return told + f"even at a quarter {moved / 4:g} px are left, too long. Return 0."
        if found > right:
            return told + f"at size {found:g} it is still {moved * found:g} px long."
        if not found:
            return told + f"at size {right:g} it is {moved * right:g} px long. That can be mended."
        return (
            told + f"at size {right:g} it can be mended already. A smaller photo gives detail away "
            "for nothing."
        )
    return None


SIZE = Exercise(
    id="09-a",
    title="At which size?",
    task="""
A photo is smeared along `moved_px` pixels. A network mends smears of up to `longest_px` pixels. At
half the size the smear is half as long (notebook 03).

**Your turn.** Complete the function. It returns the largest of the sizes 1, 1/2 and 1/4 at which
the network can mend the photo; 0 if it can at none of them.
""",
    stub="""
def size_for(moved_px, longest_px):
    return ...  # your code here
""",
    answer="size_for",
    expects="a function of two numbers",
    hints=(
        "Try the sizes one after the other, the largest first. How long is the smear at each?",
        "`for size in (1, 1/2, 1/4):` and inside `if moved_px * size <= longest_px: return size`.",
    ),
    solution="""
def size_for(moved_px, longest_px):
    for size in (1, 1 / 2, 1 / 4):
        if moved_px * size <= longest_px:
            return size
    return 0
""",
    check=_check_size,
    why='This is what `me.deblur(photo, size="auto")` does, with a motion that it has measured. '
    "The largest size that works gives the least detail away.",
    wrong={
        "lambda moved, longest: longest / moved": "expected one of",
        "lambda moved, longest: 1 if moved <= longest else 1 / 2": "at size 0.5 it is still",
        "lambda moved, longest: 1 / 4 if moved / 4 <= longest else 0": "gives detail away",
        "lambda moved, longest: next((s for s in (1, 1 / 2, 1 / 4) if moved * s < longest), 0)": (
            "can be mended already"
        ),
        "lambda moved, longest: next((s for s in (1, 1 / 2, 1 / 4) if moved * s <= longest), 1)": (
            "Return 0"
        ),
        "lambda moved, longest: 1 if moved <= longest else 0": "That can be mended",
    },
)


# --- 09-b -----------------------------------------------------------------------------------------

BOXES = (
    ((16, 8, 24, 40), 7, (7, 11)),
    ((0, 32, 56, 16), 14, (9, 10)),
    ((40, 8, 40, 16), 6, (8, 12)),
)


def _cells(expected, box):
    left, top, width, height = (side // 8 for side in box)
    return expected[top : top + height, left : left + width]


def _share(cells, accepted):
    return (cells <= accepted).float().mean().item()


def _check_trusted(answer):
    for seed, (box, accepted, shape) in enumerate(BOXES, 90):
        expected = (20 * random(seed, *shape)).round()
        right = _share(_cells(expected, box), accepted)
        found = as_number(call(answer, expected, box, accepted), "What your function returns")
        if is_close(found, right):
            continue
        left, top, width, height = box
        if is_close(found, 100 * right):
            return "This is per cent. Return a share, from 0 to 1."
        if is_close(found, _share(expected, accepted)):
            return "This is the share of the whole picture. Only the cells in the box count."
        if is_close(found, 1 - right):
            return "This is the share of the *doubtful* cells. Count those up to `accepted`."
        if is_close(found, (_cells(expected, box) < accepted).float().mean()):
            return "A cell of just `accepted` is good enough: use `<=`."
        if is_close(found, (_cells(expected, box) <= accepted).sum()):
            return "This counts the cells. Divide by how many there are in the box, or use `mean`."
        if is_close(found, _share(_cells(expected, (top, left, height, width)), accepted)):
            return "Left and top, or width and height, are the wrong way round. Rows come first."
        pixels = expected[top : top + height, left : left + width]
        if pixels.numel() and is_close(found, _share(pixels, accepted)):
            return "The box is in pixels, and a cell has 8 of them each way. Divide by 8."
        return (
            f"For the box {box} and {accepted} grey levels this gives {found:.3g}; {right:.3g} is "
            "right."
        )
    return None


TRUSTED = Exercise(
    id="09-b",
    title="How much of the face?",
    task="""
A trust map says of each cell of 8 × 8 pixels which error to expect, in grey levels: `expected`, a
tensor (rows, columns). What counts is seldom the whole picture. `box` is the part that somebody
asks about, a face say: (left, top, width, height), in pixels of the large picture, multiples of 8.

**Your turn.** Complete the function. It returns the share of the cells in the box, from 0 to 1,
whose expected error is at most `accepted` grey levels.
""",
    stub="""
def trusted(expected, box, accepted):
    return ...  # your code here
""",
    answer="trusted",
    expects="a function of a tensor, a box and a number",
    hints=(
        "Which rows and columns of `expected` lie in the box? Pixels divided by 8 are cells.",
        "`part = expected[top // 8 : (top + height) // 8, left // 8 : (left + width) // 8]`, then "
        "`(part <= accepted).float().mean()`.",
    ),
    solution="""
def trusted(expected, box, accepted):
    left, top, width, height = (side // 8 for side in box)
    part = expected[top : top + height, left : left + width]
    return (part <= accepted).float().mean()
""",
    check=_check_trusted,
    why="A background is easily trusted, and fills most of a picture. Ask for the share of what "
    "the picture is about.",
    wrong={
        "lambda e, box, a: (e <= a).float().mean()": "whole picture",
        "lambda e, box, a: 100 * solved(e, box, a)": "per cent",
        "lambda e, box, a: 1 - solved(e, box, a)": "doubtful",
        "lambda e, box, a: solved(e, box, a - 0.5)": "use `<=`",
        "lambda e, box, a: solved(e, (box[1], box[0], box[3], box[2]), a)": "wrong way round",
        "lambda e, box, a: solved(e, box, a) * (box[2] // 8) * (box[3] // 8)": "counts the cells",
        "lambda e, box, a: (e[box[1] // 8:, box[0] // 8:] <= a).float().mean()": "is right",
    },
)


# --- 09-c -----------------------------------------------------------------------------------------

WHY_NOT = {
    "b": "No hair was as it is drawn: single hairs are finer than what was recorded.",
    "c": "A button of a few pixels was invented. Nothing can be read in it.",
    "e": "Lost detail cannot be recovered. Other detail was put in its place.",
}
WHY_SO = {
    "a": "It says what was done and which part is not real.",
    "d": "It tells the reader what was recorded, and where to see it.",
    "f": "It tells the reader where to doubt.",
}


def _check_captions(answer):
    return choose_letters(answer, WHY_NOT, WHY_SO)


CAPTIONS = Exercise(
    id="09-c",
    title="An honest caption",
    task="""
You print the enlarged old portrait. Six captions are proposed.

- **a** "Nikola Tesla. Enlarged eight times by AI; the fine detail is invented."
- **b** "Nikola Tesla in highest resolution: every hair as it was."
- **c** "Note the engraving on his button, which the enlargement brings to light."
- **d** "Made from a scan of 104 × 124 pixels, shown at the left in its own size."
- **e** "The lost detail of the old print was recovered."
- **f** "Enlarged by AI. Where several answers disagree, the picture is hatched."

**Your turn.** Write down the letters of the captions that are true, such as "ab".
""",
    stub="""
captions = ...  # your code here
""",
    answer="captions",
    expects='letters, such as "ab"',
    hints=(
        "Which captions say something about what was in front of the camera? Was it recorded?",
        "Three of the six speak of how the picture was made. The others claim more than that.",
    ),
    solution="""
captions = "adf"
""",
    check=_check_captions,
    why="An enlarged photo may be shown and enjoyed. It may not be shown as something that it is "
    "not.",
    wrong={
        '"abcdef"': "Not b",
        '"ad"': "f is missing",
        '"bce"': "others",
        '"adfc"': "Not c",
        '["a", "d", "e", "f"]': "Not e",
        "4": "expected letters",
        '"none"': "letters from a to f",
    },
)

EXERCISES = [SIZE, TRUSTED, CAPTIONS]
