"""A real JupyterLab and a real browser, both on this machine and shared by all browser tests.

A test takes `lab` and `page`, opens a notebook with `lab.open_run(page, name)` and then does with
mouse and keys what a learner would do. Afterwards `page` fails the test if the browser asked any
other machine for anything, or if a script on the page broke.

Chromium is Debian's or the system's own (`chromium` on the PATH), driven by Playwright.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "shots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TOKEN = "learner"
FLAGS = [
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox refuses to start
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # no name but this machine's resolves: what the recorder misses goes nowhere
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


def find_chromium():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items):
    """One worker takes all browser tests: each worker would start a JupyterLab of its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group(name): tests that share one worker")


def pytest_terminal_summary(terminalreporter):
    if find_chromium() is None:
        terminalreporter.section("BROWSER TESTS SKIPPED", sep="!", red=True)
        terminalreporter.write_line(
            "Chromium is not installed, so no widget was tried in a browser. "
            "Install it (Debian: apt install chromium) and run the tests again."
        )


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and in CI the browser tests must run")
        warnings.warn("Chromium is not installed: the browser tests are skipped", stacklevel=1)
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        found = tools.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@contextlib.contextmanager
def watched_page(browser):
    """A fresh page that remembers each request to elsewhere and each script that broke."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    new = context.new_page()
    new.set_default_timeout(30_000)
    new.elsewhere, new.broken = [], []

    def watch(request):
        if not re.match(r"(data|blob|about):|(https?|wss?)://127\.0\.0\.1[:/]", request.url):
            new.elsewhere.append(request.url)

    context.on("request", watch)
    new.on("websocket", watch)
    new.on("pageerror", lambda error: new.broken.append(str(error)))
    yield new
    context.close()
    assert new.elsewhere == [], "the page asked another machine for something"
    assert new.broken == [], "a script on the page broke"


@pytest.fixture
def page(browser, lab):
    """A page for one test."""
    with watched_page(browser) as new:
        yield new
    lab.stop_kernels()


@pytest.fixture
def handles(page):
    """`handles(name)` finds a handle: the output that it stands in, and its row."""

    from playwright.sync_api import expect

    def find(name):
        label = page.locator(".widget-label", has_text=re.compile(rf"^{re.escape(name)}$"))
        area = page.locator(".jp-OutputArea-output", has=label).first
        area.scroll_into_view_if_needed()
        expect(area.locator("figure.mss img").first).to_be_visible()
        return area, area.locator(".widget-inline-hbox", has=label)

    return find


@pytest.fixture(scope="module")
def shared_page(browser, lab):
    """A page for all tests of a module: opening a notebook takes most of a browser test's time."""
    with watched_page(browser) as new:
        yield new
    lab.stop_kernels()


class Lab:
    """A running JupyterLab; its folder holds notebooks/, a copy, and what tests write beside it."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def write(self, name, *sources):
        """Write a notebook of code cells; returns its name, for `open_run`."""
        cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.folder / name)
        return name

    def open(self, page, name):
        """Open a notebook and wait until its kernel waits for work."""
        from playwright.sync_api import expect

        # reset: no tabs of an earlier test
        page.goto(f"{self.address}/lab/tree/{name}?token={TOKEN}&reset")
        expect(page.locator(".jp-NotebookPanel-toolbar").first).to_be_visible(timeout=90_000)
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=90_000)

    def open_run(self, page, name, timeout_s=600):
        """Open a notebook, run all its cells, and wait until the last one is done."""
        from playwright.sync_api import expect

        self.open(page, name)
        prompt = page.locator(".jp-CodeCell .jp-InputPrompt").first
        for _ in range(4):  # a click in the first moments can be lost
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name=re.compile("^Run All Cells")).first.click()
            try:
                expect(prompt).not_to_have_text("[ ]:", timeout=3_000)
                break
            except AssertionError:
                page.keyboard.press("Escape")
        else:
            raise AssertionError(f"{name}: Run All never started")
        # all cells are waiting ("*") or done (a number) by now, also those out of sight
        waiting = page.locator(".jp-CodeCell .jp-InputPrompt", has_text="*")
        expect(waiting).to_have_count(0, timeout=1000 * timeout_s)
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=30_000)
        errors = page.locator(".jp-RenderedText[data-mime-type*='error']")
        assert errors.count() == 0, errors.first.inner_text()

    def stop_kernels(self):
        """End all kernels: each that stays behind a closed page holds hundreds of megabytes."""
        for session in json.loads(self._ask("GET", "/api/sessions")):
            self._ask("DELETE", f"/api/sessions/{session['id']}")

    def _ask(self, method, path):
        headers = {"Authorization": f"token {TOKEN}"}
        request = urllib.request.Request(self.address + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def theme(self, page, name):
        """Switch to "Dark" or "Light", as the Settings menu does."""
        from playwright.sync_api import expect

        page.evaluate(
            """name => (window.jupyterapp || window.jupyterlab)
                .commands.execute('apputils:change-theme', {theme: `JupyterLab ${name}`})""",
            name,
        )
        light = "false" if name == "Dark" else "true"
        expect(page.locator(f"body[data-jp-theme-light='{light}']")).to_have_count(1)


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """JupyterLab with settings of its own, so that nobody's own settings change a test."""
    home = tmp_path_factory.mktemp("lab")
    folder = home / "course"
    shutil.copytree(
        ROOT / "notebooks",
        folder / "notebooks",
        ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
    )
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        port = any_socket.getsockname()[1]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "MSSNET_EDU_DATA": str(ROOT / "data"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *("--LabApp.news_url=None", "--LabApp.expose_app_in_browser=True"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={folder}",
    ]
    log = home / "server.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # its kernels end with it
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api", server, log)
            yield Lab(folder, f"http://127.0.0.1:{port}")
        finally:
            end(server)


def wait_for(address, server, log, seconds=90):
    """Wait until the server answers; with its log's last lines if it never does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(address, timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text()[-2000:])


def end(server):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


@pytest.fixture(scope="session")
def drag():
    """Drag over a part of the page: drag(page, part, 0.5, 0.2), in shares of its width."""

    def do(page, part, start, end, height=0.5):
        size = part.bounding_box()
        # hover scrolls the very spot into view, and waits until nothing moves any more
        part.hover(position={"x": start * size["width"], "y": height * size["height"]})
        box = part.bounding_box()
        page.mouse.down()
        x, y = box["x"] + end * box["width"], box["y"] + height * box["height"]
        page.mouse.move(x, y, steps=8)
        page.mouse.up()

    return do


@pytest.fixture(scope="session")
def shot():
    """Save what a reader sees: shot("name", page), or a part of the page, into build/shots."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def save(name, part):
        part.screenshot(path=SHOTS / f"{name}.png")

    return save
