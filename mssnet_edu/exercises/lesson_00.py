"""Exercises of notebook 00, The question."""

from mssnet_edu.exercises import Exercise
from mssnet_edu.exercises.answers import ask, close, number

__all__ = ["EXERCISES"]


def _invented_share(answer):
    for factor in (8, 2, 3):
        share = number(ask(answer, factor), f"invented_share({factor})")
        right = 1 - 1 / factor**2
        if close(share, right):
            continue
        if close(share, 1 / factor**2):
            return "this is the share that was recorded. The question is about all the others."
        if close(share, 1 - 1 / factor):
            return (
                f"this counts one direction only. The picture grows {factor} times in width and "
                f"{factor} times in height: each recorded pixel becomes a square of them."
            )
        if close(share, 100 * right):
            return "this is in per cent. A share lies between 0 and 1: leave out the 100."
        if close(share, factor**2 - 1) or close(share, factor**2):
            return "this counts pixels. Divide by how many a square of the large picture holds."
        return (
            f"invented_share({factor}) gives {share:.4g}, which is not right. Draw one recorded "
            f"pixel and the square of {factor} × {factor} pixels that it becomes."
        )
    return None


EXERCISES = [
    Exercise(
        id="00-a",
        title="How much is new?",
        task="""
You enlarge a photo `factor` times: every pixel of the small photo becomes a square of
`factor` × `factor` pixels. Say that one pixel of each square was recorded. Somebody has to make up
all the others.

**Your turn.** Complete the function: it returns the share of the large picture's pixels, from 0
to 1, that were *not* recorded.
""",
        stub="""
def invented_share(factor):
    ...
""",
        answer="invented_share",
        expects="a function of the factor",
        hints=(
            "How many pixels does the square have, if `factor` is 2? Is 8 times as wide also 8 times "
            "as many pixels?",
            "Of `factor**2` pixels, one was recorded. What share is that, and what share is left?",
        ),
        solution="""
def invented_share(factor):
    return 1 - 1 / factor**2
""",
        check=_invented_share,
        why="at 8x, 63 of 64 pixels, 98.4 %, were not in the small photo. Whatever you see in them, "
        "somebody put it there.",
        wrong={
            "lambda factor: 1 - 1 / factor": "one direction",
            "lambda factor: 1 / factor**2": "recorded",
            "lambda factor: factor**2 - 1": "counts pixels",
            "lambda factor: 100 * (1 - 1 / factor**2)": "per cent",
            "lambda factor: 63 / 64": "invented_share(2)",
            "63 / 64": "the function itself",
        },
    ),
]
