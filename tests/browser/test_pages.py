"""The pages of `make course`: alive without a kernel or a network, opened from the disk."""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tools.notebooks import course_map, pages
from tools.notebooks import run as run_course

BUILT = Path(run_course.OUT)
STEPS = """
import torch
import mssnet_edu as me

torch.set_num_threads(1)
photo = me.images.crop(me.samples.load("astronaut"), (120, 0, 192, 192))
small = me.degrade.downscale(photo, 8)
smooth = me.degrade.enlarge(small, 8)

def blur(length_px=5, kind="line"):
    blurred = me.degrade.blur(photo, me.degrade.line_kernel(length_px, 0))
    return me.show.photos(blurred, titles=[f"{length_px} px, {kind}"], alt="An astronaut.")

me.show.sliders(blur, length_px=(1, 9, 2), kind=["line", "shake"])
"""
COMPARE = 'me.show.compare(smooth, photo, labels=("smooth", "sharp"), truth=photo, alt="Hers.")'
MANY = """
names = ("a small photo, made by hand", "a smooth enlargement of it", "the photo in full")
me.show.compare_many(dict(zip(names, (small, smooth, photo))), alt="Three.")
"""
PLAYER = """
from mssnet_edu.mssnet import MSSNet, MSSNetConfig
network = MSSNet(MSSNetConfig(4, 4, 4)).eval()
me.show.stage_player(network, smooth, truth=photo, alt="A blurred astronaut.")
"""
DIAL = 'me.show.dial(small, photo, alt="An astronaut.")'
TRUST = """
doubt = me.hallucination.trust_map({"smooth": smooth, "sharp": photo})
me.show.trust(doubt, truth=photo, alt="Doubtful cells covered.")
"""
GAME = """
me.show.guess_game([(photo, photo.flip(-1), "mirrored"), (photo, smooth)], alt="Which is it?")
"""
SCRUBBER = """
film = torch.linspace(0, 1, 6).view(6, 1, 1, 1).expand(6, 3, 32, 56).contiguous()
me.show.scrubber({"as filmed": film}, {"brightness": film.mean((1, 2, 3))}, alt="It grows bright.")
"""
REFERENCE = """
none = torch.full((6,), 10.0)
pairs = torch.full((6, 6), 20.0).where(torch.ones(6, 6).tril(-1).bool(), torch.nan)
table = me.reference_selection.Qualities(pairs, none, none + 20, none - 5)
me.show.reference_game(film, table, {"never": [None] * 6}, alt="A game.")
"""
SIMILAR = 'me.show.similarity(photo, {"low": torch.randn(8, 6, 6)}, alt="Similar places.")'
ZOOMS = """
answers = torch.rand(36, 9, 1000).softmax(-1)
me.show.zooms({"hers": photo}, {"hers": answers}, right={"hers": [7]}, alt="All zooms.")
"""
VOTE = 'me.show.vote([(smooth, ("whale", 0.6), photo, ["pike"])] * 2, alt="A vote.")'
TABLE = """
head = ["", "right, first half", "second half", "mended", "broken", "probability", "something else"]
display(me.check("00-a", ...))
me.show.table([["one", 10.5, 2.25, 3.125, 4, 5, 6]], head, caption="A wide table")
"""
WIDGETS = [
    STEPS,
    COMPARE,
    MANY,
    PLAYER,
    DIAL,
    TRUST,
    GAME,
    SCRUBBER,
    REFERENCE,
    SIMILAR,
    ZOOMS,
    VOTE,
]

# widget, its handle, keys for it, the picture that changes, the words that follow
MOVES = {
    "steps": ("input", "End", "figure.mss", "9 px, line"),
    "compare": ("[role=slider]", "Home", ".mss-stage", "0 % smooth"),
    "compare_many": ("[role=slider]", "3", ".mss-stage", "the rest the photo"),
    "player": ("input", "End", ".mss-view", "S3-U3"),
    "dial": ("input", "Home", "canvas", "nothing is added"),
    "trust": ("input", "Home", ".mss-trust-stage", "at most 0 grey levels"),
    "game": (".mss-game-choice", "ArrowLeft", ".mss-panels", "1 found; tossing"),
    "scrubber": ("input", "End", ".mss-frame", "Frame 6 of 6"),
    "reference": ("button", "a", ".mss-panels", "In memory: frame 1"),
    "similar": ("[role=application]", "Shift+ArrowRight", ".mss-panels", "from the left"),
    "zooms": ("[role=application]", "ArrowLeft", "canvas", "224 px, left:"),
    "vote": ("button", "ArrowLeft", ".mss-panels", "It was: pike"),
}


def open_page(browser, path, **options):
    """A page from the disk, without a network; `errors` holds what it asked for and what broke."""
    context = browser.new_context(offline=True, **options)
    page, errors = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda r: re.match(r"(file|data|blob):", r.url) or errors.append(f"asked for {r.url[:99]}"),
    )
    page.goto(path.as_uri())
    return page, errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A course of one executed lesson with every widget, and its index."""
    folder = tmp_path_factory.mktemp("pages")
    about = {"question": "Does it live?", "title": "All widgets", "abilities": ["move them"]}
    about |= {"needs": ["nothing"], "minutes_read": 1, "seconds_run": 9}
    notebook = nbformat.v4.new_notebook(metadata={"mssnet_edu": about})
    text = "# 00 · All widgets\n\nRead [the index](index.html). Call `me.show`.\n\n> **Predict.**"
    notebook.cells = [nbformat.v4.new_markdown_cell(text)]
    notebook.cells += [
        nbformat.v4.new_code_cell(f"# {i}\n{cell}") for i, cell in enumerate([*WIDGETS, TABLE])
    ]
    path = folder / "00_all.ipynb"
    nbformat.write(notebook, path)
    run = run_course.execute(path)
    assert run.errors == []
    (folder / "00_all.html").write_text(pages.page(run.notebook, path), encoding="utf-8")
    ran = {"00_all": {**run._asdict(), "title": "All"}}
    index = course_map.index_page(course_map.lessons(folder), ["00_all"], ran)
    (folder / "index.html").write_text(index, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def lesson(browser, folder):
    page, errors = open_page(browser, folder / "00_all.html")
    expect(page.locator("[data-live]")).to_have_count(len(WIDGETS))
    yield page
    page.context.close()
    assert errors == []


@pytest.mark.parametrize("name", MOVES)
def test_every_widget_moves_without_a_kernel(lesson, look, shot, name):
    handle, keys, picture, words = MOVES[name]
    number = list(MOVES).index(name)
    widget = lesson.locator("[data-widget]").nth(number)
    widget.scroll_into_view_if_needed()
    shown = widget.locator(picture).first
    before = look(shown)
    widget.locator(handle).first.focus()
    lesson.keyboard.press(keys)
    told = "e => e.innerText + [...e.querySelectorAll('*')].map(x => x.ariaValueText).join()"
    lesson.wait_for_function(
        f"([e, w]) => ({told})(e).includes(w)", arg=[widget.element_handle(), words]
    )
    look(shown, before)
    shot(f"page_{name}", widget)


def test_the_bar_is_dragged(lesson, drag):
    widget = lesson.locator(".mss-compare").first
    drag(lesson, widget.locator(".mss-stage"), 0.5, 0.25, height=0.6)
    expect(widget.get_by_role("slider")).to_have_attribute("aria-valuenow", re.compile("2[45]"))


def test_steps_are_said_to_be_steps(lesson):
    steps = lesson.locator(".mss-steps")
    expect(steps).to_contain_text("10 positions were computed for this page")
    steps.locator("select").select_option(label="shake")
    expect(steps.locator("figure.mss")).to_contain_text("px, shake")


def test_without_scripts_every_widget_is_a_picture_with_words(browser, folder):
    page, _ = open_page(browser, folder / "00_all.html", java_script_enabled=False)
    widgets = page.locator("[data-widget]")
    expect(widgets).to_have_count(len(WIDGETS))
    for widget in widgets.all():
        assert widget.locator("img[alt]:not([alt=''])").count() > 0
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 390])
@pytest.mark.parametrize("name", ["00_all", "index"])
def test_nothing_stands_in_a_readers_way(browser, folder, axe, shot, name, width, scheme):
    size = {"width": width, "height": 900}
    page, errors = open_page(browser, folder / f"{name}.html", viewport=size, color_scheme=scheme)
    page.wait_for_load_state()
    if name == "00_all":
        expect(page.locator("[data-live]")).to_have_count(len(WIDGETS))
        dots = page.locator("[role=status] code")  # axe-core reads no text without letters
        assert dots.evaluate("e => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot(f"page_{name}_{width}_{scheme}", page)
    page.context.close()
    assert errors == []


@pytest.mark.parametrize("path", sorted(BUILT.glob("[0-9]*.html")), ids=lambda path: path.stem)
def test_the_courses_own_pages(browser, path, axe, look):
    """Only where `make course` has written them: running all lessons takes minutes."""
    assert path.stat().st_size <= pages.MAX_MB * 1e6
    phone = {"width": 390, "height": 900}
    page, errors = open_page(browser, path, viewport=phone, color_scheme="dark")
    places = page.locator("[data-widget]")
    expect(page.locator("[data-live]")).to_have_count(places.count())
    for place in places.all():
        handle = place.locator(
            "input[type=range]:not([max='0']), [role=slider], [role=application]"
        )
        if handle.count():
            before = look(place)
            handle.first.focus()
            page.keyboard.press("Home")
            page.keyboard.press("ArrowUp")
            look(place, before)
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()
    assert errors == []
