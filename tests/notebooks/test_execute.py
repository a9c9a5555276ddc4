"""The checks that run on every notebook must be able to fail, and its page must stand alone.

The notebooks themselves are run by nbmake beside these tests: see tools/notebooks/run_tests.py.
"""

import re

import nbformat
import pytest
from PIL import Image
from stricter_nbmake import StricterRun

from tools.notebooks import pages
from tools.notebooks import run as run_course

HIDDEN = """
import ipywidgets as widgets
def shout(change):
    with out:
        raise ValueError("swallowed")
out = widgets.Output()
slider = widgets.IntSlider(description="length")
slider.observe(shout, "value")
slider.value = 3
widgets.VBox([slider, out])
"""

GOOD = """
import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
out = widgets.Output()
with out:
    display(widgets.HTML("<b>a still of the slider</b>"))
dial = widgets.Dropdown(description="method", options=[("bicubic", 1), ("nearest", 2)], index=1)
widgets.VBox([dial, widgets.Label("1 < 2"), out])
"""


TEXT = """# A title

[next](01_next.ipynb#part), [theirs](https://example.org/a.ipynb), ![a dot](a%20dot.png)

<details>
<summary>Solution</summary>

```python
hidden = 1
```

</details>
"""


def save(path, *sources):
    cells = [nbformat.v4.new_markdown_cell(TEXT)]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return run_course.execute(save(tmp_path_factory.mktemp("good") / "good.ipynb", GOOD))


@pytest.fixture(scope="module")
def page(good):
    Image.new("RGB", (2, 2)).save(good.path.parent / "a dot.png")
    return pages.page(good.notebook, good.path)


@pytest.mark.parametrize(
    ("source", "words"),
    [("1 / 0", "ZeroDivisionError"), (HIDDEN, "in a widget: ValueError: swallowed")],
    ids=["in a cell", "in a callback"],
)
def test_a_failing_notebook_fails(tmp_path, source, words):
    path = save(tmp_path / "bad.ipynb", source)
    result = StricterRun(path, 60, kernel="python3").execute()
    assert words in result.error.trace
    assert any(words in error for error in run_course.execute(path).errors)


SILENT = """
from IPython.display import HTML
HTML('<img src="data:," alt="">')
"""
BARE = """
import matplotlib.pyplot as plt
from IPython.display import Image, display
plt.imsave("dot.png", [[0.0]])
display(Image("dot.png"))
"""


@pytest.mark.parametrize("source", [SILENT, BARE], ids=["html", "png"])
def test_a_picture_without_alternative_text_fails(tmp_path, source):
    path = save(tmp_path / "silent.ipynb", source)
    result = StricterRun(path, 60, kernel="python3").execute()
    assert result.error.summary == "cell 2 shows a picture without alternative text"
    assert run_course.execute(path).errors == [result.error.summary]


def test_too_much_memory_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(run_course, "LIMIT_MB", 10)  # less than any kernel takes
    path = save(tmp_path / "big.ipynb", "import time; time.sleep(0.3)")
    result = StricterRun(path, 60, kernel="python3").execute()
    assert "peak memory" in result.error.summary


def test_nbmake_is_the_stricter_one(request):
    if not request.config.getoption("nbmake", default=False):
        pytest.skip("nbmake is off; tools/notebooks/run_tests.py switches it on")
    import nbmake.pytest_items

    assert nbmake.pytest_items.NotebookRun is StricterRun


SLIDER = """
import mssnet_edu as me
def half(n=1):
    return f"<p>{1 / n}</p>"
box = me.show.sliders(half, n=(0, 3))
box.controls["n"].value = 0
box
"""


def test_a_failing_slider_of_the_course_fails(tmp_path, monkeypatch):
    monkeypatch.delenv("MSSNET_EDU_TRY_SLIDERS", raising=False)  # or its cell would fail already
    run = run_course.execute(save(tmp_path / "slider.ipynb", SLIDER))
    assert len(run.errors) == 1
    assert run.errors[0].startswith("in a widget: ZeroDivisionError: division by zero")


def test_a_good_notebook_passes(good):
    assert good.errors == []
    assert good.peak_mb > 20
    assert good.seconds > 0.2
    assert good.cpu_s > 0.2


def test_the_page_shows_widgets_as_they_stood(page):
    assert "◦ method nearest" in page
    assert "Run this notebook to move it." in page
    assert "<p>1 &lt; 2</p>" in page
    assert "<b>a still of the slider</b>" in page


def test_the_page_keeps_solutions_folded(page):
    details = re.search(r"<details>(.*?)</details>", page, re.DOTALL)[1]
    assert "hidden" in details


def test_the_page_links_to_pages_and_holds_its_pictures(page):
    assert 'href="01_next.html#part"' in page
    assert 'href="https://example.org/a.ipynb"' in page
    assert re.search(r'src="data:image/(png|webp);base64,', page)
    assert "a%20dot.png" not in page


def test_the_page_loads_nothing_from_elsewhere(page):
    loads = re.findall(r"""(?:src|<link[^>]*href)\s*=\s*["']?(?:https?:)?//[^"'> ]+""", page)
    loads += re.findall(r"""(?:@import|import\(|url\()\s*["']?(?:https?:)?//[^"') ]+""", page)
    assert loads == []
