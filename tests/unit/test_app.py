"""The desk behind `mssnet-edu app`, and the widgets that bring photos in and files out."""

import io
import threading
import time

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from mssnet_edu import images, lab, samples, show
from mssnet_edu.app import Desk, desk
from mssnet_edu.show.widgets.download import download


def blob(width, height, kind="PNG"):
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


# --- upload ---------------------------------------------------------------------------------------


def send(widget, name, content, part=1_000_000):
    """What the browser does: announce a file, and send the parts that are asked for."""
    answers = []
    widget.send = lambda message, buffers=None: answers.append(message)
    widget._receive(None, {"kind": "file", "name": name, "size": len(content)}, [])
    while answers[-1]["kind"] == "part":
        at = answers[-1]["from"]
        widget._receive(None, {"kind": "bytes"}, [memoryview(content[at : at + part])])
    return answers


def test_a_photo_comes_in_parts():
    widget, content = show.upload(), blob(60, 50)
    taken = []
    widget.observe(lambda change: taken.append(change["new"]), "taken")
    answers = send(widget, "cat.png", content, part=1000)
    assert [answer["kind"] for answer in answers].count("part") > 5
    assert answers[-1]["kind"] == "next file"
    assert widget.photo.shape == (3, 50, 60)
    assert widget.path.read_bytes() == content
    assert widget.path.suffix == ".png"
    assert taken == [str(widget.path)]
    [verdict] = widget.verdicts
    assert verdict["taken"]
    assert verdict["said"] == "60 × 50 px"
    assert verdict["url"].startswith("data:image/")
    assert "cat.png" in widget.still().html


REFUSED = {
    "empty.jpg": (b"", "is empty"),
    "diary.txt": (b"Dear diary", "is not a picture"),
    "cut.jpg": (blob(200, 200, "JPEG")[:4000], "damaged or incomplete"),
    "small.png": (blob(39, 90), "at least 40 each way"),
    "bomb.ppm": (b"P6\n10000 6000\n255\n" + bytes(100), "10000 x 6000"),  # 60 megapixels
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_refused_with_a_sentence(name):
    widget, (content, sentence) = show.upload(), REFUSED[name]
    send(widget, "first.png", blob(40, 40))
    kept = widget.path
    assert send(widget, name, content)[-1]["kind"] == "next file"
    assert sentence in widget.verdicts[-1]["said"]
    assert not widget.verdicts[-1]["taken"]
    assert widget.path == kept  # the photo before is still there


def test_a_file_that_is_too_large_is_refused_before_it_is_sent():
    widget = show.upload()
    answers = []
    widget.send = lambda message, buffers=None: answers.append(message)
    widget._receive(None, {"kind": "file", "name": "film.mov", "size": 200_000_000}, [])
    assert [answer["kind"] for answer in answers] == ["next file"]
    assert "200 MB; 100 are allowed" in widget.verdicts[0]["said"]


def test_several_at_once_get_a_verdict_each():
    widget = show.upload()
    for number in range(5):
        send(widget, f"{number}.png", blob(40 + number, 50))
    assert [verdict["taken"] for verdict in widget.verdicts] == [True] * 5
    assert widget.photo.shape == (3, 50, 44)
    assert len({str(path) for path in widget.path.parent.iterdir()}) == 5


def test_a_file_to_save_is_made_when_it_is_asked_for():
    made = []
    widget = download("Save", "a.txt", lambda: made.append(1) or b"text")
    assert not made
    sent = []
    widget.send = lambda message, buffers: sent.append(buffers)
    widget._receive(None, {"kind": "save"}, [])
    assert sent == [[b"text"]]
    assert "a.txt" in widget.still().html


# --- desk -----------------------------------------------------------------------------------------


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def chosen(photo):
    """A desk with this photo, diagnosed."""
    one = Desk()
    one._start_on(photo, None)
    wait(lambda: one._work.layout.display == "flex" and one._part.index is not None)
    return one


@pytest.fixture(scope="module")
def face():
    return samples.load("astronaut")[:, 20:84, 180:260]


def test_from_a_photo_to_what_can_be_kept(face, monkeypatch, tmp_path):
    monkeypatch.setattr(desk, "PARTS_PX", (16,))
    monkeypatch.setattr(desk, "ANSWERS", 2)
    one = chosen(face)
    about = "".join(child.value for child in one._about.children)
    assert "80 × 64 px" in about
    assert "<b>noise</b>" in about.replace("! ", "")
    assert "becomes 128 × 128 px, in about" in one._preview.value
    one._go.click()
    wait(lambda: one._result.children)
    wait(lambda: not one._go.disabled)
    assert "Nothing has left" in one._status.value
    handle = next(w for w in one._result.children if isinstance(w, ipywidgets.FloatSlider))
    picture, report = [w for w in one._result.children if hasattr(w, "make")]
    sharp = picture.make()
    handle.value = 0.25
    soft = tmp_path / "soft.png"
    soft.write_bytes(picture.make())
    assert sharp != soft.read_bytes()
    [step] = images.read_metadata(soft).provenance.steps
    assert "invented: 0.25" in str(step)
    page = report.make().decode("utf-8")
    assert page.startswith("<!doctype html>")
    assert "What is wrong with the photo" in page


def test_cancel_ends_the_work_and_keeps_nothing(face, monkeypatch):
    monkeypatch.setattr(desk, "PARTS_PX", (16,))
    one, begun, go_on = chosen(face), threading.Event(), threading.Event()

    def upscale(photo, factor, progress, **options):
        begun.set()
        go_on.wait(20)
        progress(0.5, "half")
        pytest.fail("it went on")

    monkeypatch.setattr(desk.restore, "upscale", upscale)
    one._go.click()
    assert begun.wait(20)
    assert one._go.disabled
    one._cancel.click()
    go_on.set()
    wait(lambda: not one._go.disabled)
    assert "Cancelled" in one._status.value
    assert not one._result.children


def test_cancel_is_heard_after_the_last_step_has_begun(face, monkeypatch):
    monkeypatch.setattr(desk, "PARTS_PX", (16,))
    monkeypatch.setattr(desk, "ANSWERS", 2)
    one, report = chosen(face), desk.report

    def cancelled(*inputs, progress, **options):
        made = report(*inputs, **options)
        one._cancel.click()
        return made

    monkeypatch.setattr(desk, "report", cancelled)
    one._go.click()
    wait(lambda: "Cancelled" in one._status.value)
    assert not one._result.children


def test_another_photo_ends_the_work_on_the_first(face, monkeypatch):
    monkeypatch.setattr(desk, "PARTS_PX", (16,))
    before = threading.active_count()
    one = chosen(face)
    begun, go_on = threading.Event(), threading.Event()

    def upscale(photo, factor, progress, **options):
        begun.set()
        go_on.wait(20)
        progress(0.5, "half")

    monkeypatch.setattr(desk.restore, "upscale", upscale)
    one._go.click()
    assert begun.wait(20)
    first = one._job
    one._start_on(face.flip(-1), None)
    assert first.is_set()
    assert not one._go.disabled
    go_on.set()
    wait(lambda: threading.active_count() == before)
    assert "Cancelled" not in one._status.value  # nobody asked for it


def test_what_fails_is_said_and_the_desk_goes_on(face, monkeypatch):
    monkeypatch.setattr(desk, "PARTS_PX", (16,))
    one = chosen(face)

    def upscale(*inputs, **options):
        raise images.PhotoError("too <large>")

    monkeypatch.setattr(desk.restore, "upscale", upscale)
    one._go.click()
    wait(lambda: "did not work" in one._status.value)
    assert "too &lt;large&gt;" in one._status.value
    wait(lambda: not one._go.disabled)


def test_parts_of_a_large_photo_are_offered():
    one = chosen(torch.rand(3, 300, 500))
    assert list(one._part.options) == [
        "the whole, reduced: 128 × 77 px",
        "a part: 64 × 64 px",
        "a part: 128 × 128 px",
    ]
    assert one._small(one._photo).shape == (3, 77, 128)
    one._part.index, one._place.value = 1, "bottom right"
    assert torch.equal(one._small(one._photo), one._photo[:, -64:, -64:])
    assert one._small(one._photo[:, :50, :60]).shape == (3, 50, 60)


def test_the_page_needs_voila_and_says_so(monkeypatch):
    monkeypatch.setattr(lab.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install voila"):
        lab.open_app()
