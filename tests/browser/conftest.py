"""A real JupyterLab and a real browser, both on this machine and shared by all browser tests.

The tests of a module share one notebook, which is opened and run once: the one in notebooks/ that
NOTEBOOK names, or one of the code cells in CELLS. A test takes `page` and does with mouse and keys
what a learner would do. After the last one, `page` fails if the browser asked any other machine for
anything, or if a script on the page broke.

Chromium is Debian's or the system's own (`chromium` on the PATH), driven by Playwright.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import nbformat
import psutil
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


CELL_TIMEOUT_S = 600  # of one cell, on a machine that does other things too
# What each code cell of the open notebook is doing, and the error that it shows, if any.
CODE_CELLS = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel.content.widgets.map(cell => cell.model).filter(model => model.type === 'code')
        .map(model => ({
            source: model.sharedModel.getSource(),
            state: model.executionState === 'running' ? 'running'
                : model.executionCount ? 'done' : 'waiting',
            error: model.outputs.toJSON().filter(o => o.output_type === 'error')
                .map(o => `${o.ename}: ${o.evalue}`)[0],
        }));
}"""
KERNEL_IS_IDLE = """() => {
    const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    const session = panel && panel.sessionContext && panel.sessionContext.session;
    return Boolean(session && session.kernel && session.kernel.status === 'idle');
}"""


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
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # the machine may do other things too
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(request, browser, lab):
    """The module's notebook, opened and run once; with a record of what should not happen."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    foreign_requests, script_errors = [], []

    def check_address(request):
        if not re.match(r"(data|blob|about):|(https?|wss?)://127\.0\.0\.1[:/]", request.url):
            foreign_requests.append(request.url)

    context.on("request", check_address)
    page.on("websocket", check_address)
    page.on("pageerror", lambda error: script_errors.append(str(error)))
    try:
        if hasattr(request.module, "NOTEBOOK"):
            lab.open_run(page, f"notebooks/{request.module.NOTEBOOK}")
        else:
            lab.open_run(page, lab.write(f"{request.path.stem}.ipynb", request.module.CELLS))
        yield page
    finally:
        context.close()
        lab.stop_kernels()
    assert foreign_requests == [], "the page asked another machine for something"
    assert script_errors == [], "a script on the page broke"


@pytest.fixture(scope="module")
def code_cell(page):
    """`code_cell(words)` finds the code cell that holds these words, and scrolls it into view."""

    def find(words, which=0):
        # JupyterLab draws a cell only when it comes near
        cell = page.locator(".jp-CodeCell", has_text=words).nth(which)
        cell.scroll_into_view_if_needed()
        return cell

    return find


@pytest.fixture(scope="module")
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


class Lab:
    """A running JupyterLab; its folder holds notebooks/, a copy, and what tests write beside it."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def write(self, name, sources):
        """Write a notebook of code cells; returns its name, for `open_run`."""
        cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.folder / name)
        return name

    def open_run(self, page, name, view="lab/tree"):
        """Open a notebook, run all its cells, and wait until the last one is done.

        view: "notebooks" for Jupyter Notebook, which shows one at a time.
        """
        # reset: no tabs of an earlier test
        page.goto(f"{self.address}/{view}/{name}?token={TOKEN}&reset", timeout=90_000)
        page.wait_for_function(KERNEL_IS_IDLE, timeout=180_000)
        # not awaited: the promise is kept until the last cell is done
        page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        done, since = -1, time.monotonic()
        while True:
            cells = page.evaluate(CODE_CELLS)
            for number, cell in enumerate(cells, 1):
                assert not cell["error"], f"{name}, code cell {number}: {cell['error']}"
            states = [cell["state"] for cell in cells]
            if set(states) == {"done"}:
                return
            if states.count("done") != done:
                done, since = states.count("done"), time.monotonic()
            if time.monotonic() - since > CELL_TIMEOUT_S:
                number = next(i for i, state in enumerate(states) if state != "done")
                raise TimeoutError(
                    f"{name}: code cell {number + 1} of {len(cells)} was not done after "
                    f"{CELL_TIMEOUT_S} s:\n{cells[number]['source']}"
                )
            page.wait_for_timeout(500)

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
            """theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})""",
            f"JupyterLab {name}",
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
        '{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8"
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
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--ServerApp.root_dir={folder}",
    ]
    log = home / "server.log"
    with log.open("w", encoding="utf-8") as stream:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
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
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text(encoding="utf-8")[-2000:])


def end(server):
    """End the server and its kernels, on every system."""
    family = [psutil.Process(server.pid)] if server.poll() is None else []
    family += [child for process in family for child in process.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, 20)[1]:
        process.kill()
    server.wait(10)


@pytest.fixture(scope="session")
def pixels():
    """`pixels(canvas)` returns all numbers in a canvas, as text."""
    script = """canvas => Array.from(canvas.getContext('2d')
        .getImageData(0, 0, canvas.width, canvas.height).data).join()"""
    return lambda canvas: canvas.evaluate(script)


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
def look():
    """`look(part)` returns what stands on the screen there, as bytes.

    `look(part, before)` waits until it looks otherwise: a busy machine draws late.
    """

    from playwright.sync_api import Error

    def take(part, *before):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # an error: the part was replaced by a new one while the picture was taken
            with contextlib.suppress(Error):
                now = part.screenshot(animations="disabled")
                if now not in before:
                    return now
            part.page.wait_for_timeout(100)
        raise AssertionError("the picture stayed as it was, or there was none")

    return take


@pytest.fixture(scope="session")
def axe():
    """`axe(page)` lists what axe-core finds serious there; `axe(page, "css")` in parts of it."""
    from axe_playwright_python.sync_playwright import Axe

    def find(page, part=None):
        found = Axe().run(page, context=part).response["violations"]
        return [
            f"{each['id']}: {node['target']} {node['failureSummary'][-200:]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    return find


@pytest.fixture(scope="session")
def shot():
    """Save what a reader sees: shot("name", page), or a part of the page, into build/shots."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def save(name, part):
        part.screenshot(path=SHOTS / f"{name}.png")

    return save
