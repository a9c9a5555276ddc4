"""`mssnet-edu app` in a browser: from an upload to the report on the disk, and what is refused."""

import contextlib
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from playwright.sync_api import expect

from mssnet_edu import images

ROOT = Path(__file__).resolve().parents[2]


def noise(width, height, kind):
    file = io.BytesIO()
    values = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(values).save(file, kind, compress_level=0)
    return file.getvalue()


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    """The process behind the page, and the page's address."""
    log = tmp_path_factory.mktemp("app") / "log.txt"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "mssnet_edu", "app", "--no-browser", "--port", "8900"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=stream,
            stderr=stream,
        )
    try:
        end = time.monotonic() + 90
        while not (found := re.search(r"http://\S+", log.read_text(encoding="utf-8"))):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < end
            time.sleep(0.2)
        yield psutil.Process(process.pid), found[0]
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def page(browser, server):
    context = browser.new_context(viewport={"width": 390, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(60_000)
    foreign = []
    context.on(
        "request",
        lambda request: (
            re.match(r"(data|blob|about):|https?://127\.0\.0\.1:", request.url)
            or foreign.append(request.url)
        ),
    )
    page.goto(server[1])
    expect(page.locator(".mss-drop")).to_be_visible(timeout=90_000)
    yield page
    context.close()
    assert foreign == [], "the page asked another machine for something"


def kernels(server):
    found = []
    for child in server[0].children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if "ipykernel_launcher" in " ".join(child.cmdline()) else []
    return found


def choose(page, *files):
    page.locator("input[type=file]").set_input_files(list(files))


def a_file(name, content):
    return {"name": name, "mimeType": "image/png", "buffer": content}


def test_only_whoever_has_the_token_gets_in(browser, server):
    context = browser.new_context()
    answer = context.request.get(server[1].split("?")[0], max_redirects=0)
    assert answer.status in (302, 403)
    context.close()


def test_what_is_no_photo_is_refused(page):
    choose(
        page,
        a_file("empty.jpg", b""),
        a_file("diary.png", b"Dear diary"),
        a_file("huge.ppm", b"P6\n10000 6000\n255\n" + bytes(1000)),
    )
    said = page.locator(".mss-verdicts li")
    expect(said).to_have_count(3)
    for number, words in enumerate(("is empty", "is not a picture", "10000 x 6000")):
        expect(said.nth(number)).to_contain_text("Not taken")
        expect(said.nth(number)).to_contain_text(words)
    expect(page.get_by_role("button", name="Enlarge 8 times")).to_be_hidden()


def test_twenty_megabytes_and_five_at_once_come_through(page):
    large = noise(2700, 2500, "PNG")
    assert len(large) > 20_000_000
    choose(page, a_file("large.png", large))
    expect(page.locator(".mss-upload .mss-said")).to_contain_text("large.png, 2700 × 2500 px")
    expect(page.get_by_role("heading", name="Your photo, 2700 × 2500 px")).to_be_visible()
    five = [a_file(f"{number}.png", noise(50 + number, 40, "PNG")) for number in range(5)]
    choose(page, *five)
    expect(page.locator(".mss-verdicts li")).to_have_count(9)
    expect(page.get_by_role("heading", name="Your photo, 54 × 40 px")).to_be_visible()


def press(page, name):
    button = page.get_by_role("button", name=name)
    expect(button).to_be_visible()
    expect(button).to_be_enabled()
    button.focus()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")


def test_the_bundled_photo_and_cancel(page, axe):
    assert axe(page) == []
    press(page, "Or try it with an old portrait")
    expect(page.get_by_role("heading", name="Your photo, 104 × 124 px")).to_be_visible()
    press(page, "Enlarge 8 times")
    press(page, "Cancel")
    expect(page.get_by_text("Cancelled. Nothing was kept")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_from_a_photo_to_the_report_by_keyboard(page, axe, shot, tmp_path, browser):
    file = tmp_path / "mine.jpg"
    exif = Image.Exif()
    exif[0x013B] = "A. Uthor"  # Artist
    with Image.open(ROOT / "data" / "photos" / "tesla_seated.jpg") as photo:
        photo.crop((60, 20, 140, 120)).save(file, exif=exif)
    choose(page, file)  # the chooser itself is the browser's own
    expect(page.get_by_role("heading", name="Your photo, 80 × 100 px")).to_be_visible()
    assert axe(page) == []
    press(page, "Enlarge 8 times")
    expect(page.get_by_text("Done. Nothing has left this computer.")).to_be_visible(timeout=300_000)
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot("app_result", page.locator(".mss-compare").first)
    handle = page.get_by_role("slider", name="How much is invented")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("95 % of the invented detail").first).to_be_visible()
    for name, kind in (("Save the picture", "png"), ("Save the report", "html")):
        with page.expect_download() as download:
            press(page, name)
        download.value.save_as(tmp_path / f"kept.{kind}")
    assert images.load(tmp_path / "kept.png").shape == (3, 512, 512)
    told = images.read_metadata(tmp_path / "kept.png")
    assert "invented: 0.95" in str(told.provenance.steps[-1])
    assert b"A. Uthor" in (tmp_path / "kept.png").read_bytes()
    context = browser.new_context(offline=True, color_scheme="dark")
    report = context.new_page()
    report.goto((tmp_path / "kept.html").as_uri())
    expect(report.get_by_role("heading", name="So, which of it is real?")).to_be_visible()
    assert axe(report) == []
    assert (tmp_path / "kept.html").stat().st_size < 15e6
    context.close()


def test_closing_the_page_ends_its_work(page, server):
    page.get_by_role("button", name="Enlarge 8 times").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    assert kernels(server)
    page.close(run_before_unload=True)
    end = time.monotonic() + 120
    while kernels(server):
        assert time.monotonic() < end, "the kernel goes on"
        time.sleep(0.5)
