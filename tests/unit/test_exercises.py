"""Every exercise: the stub does not pass, the solution does, likely mistakes get their hint."""

import ast
import operator
import re
import subprocess
import sys

import nbformat
import pytest
import torch

import mssnet_edu as me
from mssnet_edu import exercises
from mssnet_edu.exercises.check_helpers import (
    Mistake,
    NotAnswered,
    as_number,
    as_photo,
    call,
    describe,
)

IDS = exercises.names()


def run(source):
    """Run a cell's source as a notebook would; return (value of its last line, its names)."""
    names = {"me": me, "torch": torch}
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(last, "<cell>", "eval"), names), names


# --- what every exercise owes its learner --------------------------------------------------------


def test_the_first_three_notebooks_have_exercises():
    for lesson in ("00", "01", "02"):
        assert len(exercises.names(lesson)) >= 3


@pytest.mark.parametrize("id", IDS)
def test_the_stub_does_not_pass_and_does_not_fail(id):
    result, _ = run(exercises.get(id).stub_cell)
    assert not result.passed
    assert not result.answered
    assert "Not answered yet" in result.message


@pytest.mark.parametrize("id", IDS)
def test_the_solution_passes(id):
    result, _ = run(exercises.get(id).solution_cell)
    assert result.passed, result.message
    assert len(result.message.split()) >= 8  # it says why


@pytest.mark.parametrize("id", IDS)
def test_likely_mistakes_get_the_hint_that_names_them(id):
    exercise = exercises.get(id)
    names = run(exercise.stub_cell)[1]
    names["solved"] = run(exercise.solution_cell)[1][exercise.answer]
    found = []
    for source, words in exercise.wrong.items():
        result = me.check(id, eval(source, names))
        assert not result.passed, source
        assert words in result.message, f"{source}: {result.message}"
        assert result.answered
        found.append(result.message)
    # a text instead of a number is wrong, too, but nobody is likely to write it
    plausible = [message for message in found if not message.startswith("The answer is")]
    plausible = [message for message in plausible if "; expected a" not in message]
    assert len(plausible) >= 5
    assert len(set(plausible)) >= 4  # a sentence for each, not one for all


# --- what is wrong in every exercise that asks for a function ------------------------------------


class Recorder:
    """The solution of an exercise, as a learner's function that can be made wrong.

    calls: what it was asked, one tuple of inputs each. returned: what it answered. frozen: the
    place of an input that it ignores: it takes the first it ever saw instead. change: what it does
    to each answer.
    """

    def __init__(self, id, frozen=None, change=lambda answer: answer):
        exercise = exercises.get(id)
        self.id, self.frozen, self.change = id, frozen, change
        self.solve = run(exercise.solution_cell)[1][exercise.answer]
        self.calls, self.returned = [], []

    def __call__(self, *inputs):
        self.calls.append(inputs)
        if self.frozen is not None:
            inputs = list(inputs)
            inputs[self.frozen] = self.calls[0][self.frozen]
        answer = self.solve(*inputs)
        self.returned.append((answer, self.change(answer)))
        return self.returned[-1][1]

    def check(self):
        result = me.check(self.id, self)
        assert not result.message.startswith("The answer is a function"), "the check failed"
        return result


def is_function(id):
    return exercises.get(id).stub.rstrip().splitlines()[-1].startswith(" ")


FUNCTIONS = [id for id in IDS if is_function(id)]


# 08-b gets the answers to the paper's 36 sizes and 9 anchors, always so many
@pytest.mark.parametrize("id", [id for id in FUNCTIONS if id != "08-b"])
def test_each_check_tries_inputs_of_unequal_sizes(id):
    solution = Recorder(id)
    assert solution.check().passed
    for place, given in enumerate(zip(*solution.calls, strict=True)):
        if not isinstance(given[0], torch.Tensor):
            assert len({str(one) for one in given}) >= 2, f"input {place} is always the same"
            continue
        for shape in (tuple(one.shape) for one in given):
            square = id == "05-d" and len(shape) == 3  # its photo is square
            assert len(set(shape)) == len(shape) - square, f"two sides alike: {shape}"
        for sides in zip(*(one.shape for one in given), strict=True):
            assert set(sides) == {3} or len(set(sides)) >= 2, f"input {place}: a side is {sides}"


# 07-d asks for any rule that is good enough, and one that looks only at the kept frame can be
@pytest.mark.parametrize("id", [id for id in FUNCTIONS if id != "07-d"])
def test_no_input_may_be_ignored(id):
    solution = Recorder(id)
    assert solution.check().passed
    for place in range(len(solution.calls[0])):
        careless = Recorder(id, frozen=place)
        assert not careless.check().passed, f"input {place} is not needed"


CHANGES = {
    "a little more": lambda x: x * 1.03,
    "a little less": lambda x: x * 0.97,
    "a little added": lambda x: x + 0.03,
    "half": lambda x: x / 2,
    "negative": lambda x: -x,
    "without its sign": lambda x: abs(x),
    "what is left": lambda x: 1 - x,
    "upside down": lambda x: 1 / x,
    "per cent": lambda x: 100 * x,
    "squared": lambda x: x * x,
    "mirrored": lambda x: x.flip(-1),
    "upside-down picture": lambda x: x.flip(-2),
    "other colours": lambda x: x.flip(0),
    "its mean": lambda x: x.mean().expand_as(x),
    "its first number": lambda x: x * 0 + x.flatten()[0],
    "transposed": lambda x: x.transpose(-1, -2),
    "turned round": lambda x: x[::-1],
    "opposite": lambda x: not x,
    "whole number": lambda x: int(x),
    "nothing": lambda x: None,
    "a piece of it": lambda x: x[:1],
    "in a list": lambda x: [x],
}


@pytest.mark.parametrize("id", FUNCTIONS)
def test_an_answer_that_is_nearly_right_does_not_pass(id):
    for name, change in CHANGES.items():
        learner = Recorder(id, change=change)
        if not learner.check().passed:
            continue
        for right, wrong in learner.returned:  # so it must have changed nothing
            same = torch.equal if isinstance(right, torch.Tensor) else operator.eq
            assert same(wrong, right), f"{name} passes: {wrong} for {right}"


@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_function_without_return_is_told_so(id):
    result = me.check(id, lambda *inputs: None)
    assert result.answered
    assert "`return`" in result.message


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize(
    "odd",
    [
        "half",
        "",
        -1,
        float("nan"),
        True,
        1j,
        [],
        {},
        object(),
        int,
        torch.zeros(0),
        torch.zeros(3, 296, 448) * float("nan"),
        torch.zeros(3, 8, 8),
        torch.zeros(2, dtype=torch.int64),
        lambda: 1,
        lambda *inputs: 1 / 0,
        lambda *inputs: "text",
        lambda *inputs: torch.zeros(5, 5),
        lambda *inputs: (1, 2, 3),
        lambda *inputs: float("inf"),
        lambda *inputs: inputs,
    ],
    ids=lambda odd: describe(odd)[:30],
)
def test_any_other_answer_gets_a_hint_and_no_error(id, odd):
    result = me.check(id, odd)
    assert not result.passed
    assert result.message.endswith((".", "?", ")")), result.message


@pytest.mark.parametrize("id", IDS)
def test_an_exercise_is_whole(id):
    exercise = exercises.get(id)
    assert re.fullmatch(r"\d\d-[a-z]", exercise.id)
    paragraph = exercise.task.strip().split("\n\n")[-1]
    assert paragraph.startswith("**Your turn.** "), "the task must end with what to do"
    assert paragraph.endswith(".")
    assert len(paragraph.split()) >= 6
    assert len(exercise.hints) >= 2
    assert exercise.title
    assert exercise.why.endswith(".")
    assert exercise.stub.count("...  # your code here") == 1
    assert "your code here" not in exercise.solution
    assert len(exercise.solution_cell.splitlines()) <= 12


def test_stubs_and_solutions_are_formatted(tmp_path):
    sources = ["import torch\n\nimport mssnet_edu as me\n\ntorch.manual_seed(0)"]
    for id in IDS:
        sources += [exercises.get(id).stub_cell, exercises.get(id).solution_cell]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path = tmp_path / "all.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    for command in (["format", "--diff"], ["check", "--ignore", "F811"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "100"]
        done = subprocess.run([*ruff, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_noise_of_01_d_is_the_best():
    from mssnet_edu.exercises.lesson_01 import BEST_NOISE

    _, names = run(exercises.get("01-d").stub_cell)

    def psnr_db(noise):
        answer = me.classical.wiener(names["blurred"], names["kernel"], noise)
        return me.metrics.psnr(answer, names["sharp"])

    for noise in (0.001, 0.01, 0.025, 0.05, 0.1, 1):
        assert psnr_db(noise) <= psnr_db(BEST_NOISE) + 0.01


def test_the_numbers_that_explanations_name():
    grey = me.degrade.average_frames([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)])
    assert f"{grey[0].item():.3f}" == "0.735"
    light = me.images.to_linear(torch.full((3, 1, 1), 0.5))[0].item()
    assert 0.2 < light < 0.22  # "about a fifth"
    for gain_db, gone in ((1, 0.21), (3, 0.50), (10, 0.90)):
        assert round(1 - 10 ** (-gain_db / 10), 2) == gone
    work = {"S1": 1 / 16, "S2": 2 / 4, "S3": 3}
    assert work["S1"] / sum(work.values()) < 0.02
    assert work["S3"] / sum(work.values()) > 0.80


# --- check, hint and what they show --------------------------------------------------------------


def test_ids_are_unique_and_ordered():
    assert len(set(IDS)) == len(IDS)
    assert sorted(IDS) == IDS
    assert all(exercises.get(id).id == id for id in IDS)


@pytest.mark.parametrize("id", ["00-z", "77-a", "", None, 3, "nonsense"])
def test_an_unknown_id_is_refused(id):
    with pytest.raises(ValueError, match=r"there are .*00-a"):
        me.check(id, 1)


def test_a_result_shows_itself():
    right = me.check("00-a", lambda factor: 1 - 1 / factor**2)
    wrong = me.check("00-a", lambda factor: 1 / factor)
    untouched = me.check("00-a")
    assert repr(right).startswith("✓ 00-a: At 8x")
    assert repr(wrong).startswith("✗ 00-a: ")
    assert repr(untouched).startswith("… 00-a: Not answered")
    assert (bool(right), bool(wrong), bool(untouched)) == (True, False, False)
    assert "✓" in right._repr_html_()
    assert "Not quite" in wrong._repr_html_()
    assert "me.hint" in wrong._repr_html_()
    assert "Not quite" not in untouched._repr_html_()


def test_what_a_learner_writes_cannot_break_the_page():
    def answer(factor):
        raise RuntimeError("<script>alert(1)</script>")

    page = me.check("00-a", answer)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_hints_come_one_by_one():
    every = exercises.get("00-c").hints
    assert me.hint("00-c").shown == every[:1]
    assert me.hint("00-c").shown == every[:2]
    for _ in every:
        last = me.hint("00-c")
    assert last.shown == every
    assert "last hint" in repr(last)
    assert every[-1].split("`")[0] in last._repr_html_()
    assert me.hint("00-b").shown == exercises.get("00-b").hints[:1]  # counted apart


# --- looking at answers --------------------------------------------------------------------------


def test_numbers_of_all_kinds_are_numbers():
    np = pytest.importorskip("numpy")
    for value in (0.5, torch.tensor(0.5), torch.tensor([[0.5]]), np.float32(0.5), np.array([0.5])):
        assert as_number(value) == 0.5


@pytest.mark.parametrize("value", ["0.5", True, [0.5], float("inf"), 2j, torch.tensor(2j)])
def test_other_things_are_not(value):
    with pytest.raises(Mistake):
        as_number(value)


def test_a_photo_must_have_the_shape_and_no_nan():
    assert as_photo(torch.zeros(3, 4, 4, dtype=torch.float64), (3, 4, 4)).dtype == torch.float32
    odd = (torch.zeros(3, 4, 5), torch.zeros(3, 4, 4).int(), torch.full((3, 4, 4), torch.nan), "x")
    for value in odd:
        with pytest.raises(Mistake):
            as_photo(value, (3, 4, 4))


def test_ask_protects_its_inputs_and_explains_errors():
    mine = [torch.zeros(2)]
    call(lambda x: x.pop().add_(1), mine)
    assert mine[0].sum() == 0
    with pytest.raises(Mistake, match=r"ZeroDivisionError.*called with 0\."):
        call(lambda x: 1 / x, 0)
    with pytest.raises(Mistake, match="without brackets"):
        call(0.5, 1)
    with pytest.raises(Mistake, match="return"):
        call(lambda x: None, 1)
    with pytest.raises(NotAnswered):
        call(lambda x: ..., 1)
