"""Two rendered courses are compared by what their cells show; measured times do not count."""

import base64
import io

import nbformat
import pytest
from PIL import Image

from tools.notebooks import compare
from tools.notebooks.pages import STATE, VIEW


def png(grey):
    file = io.BytesIO()
    Image.new("L", (4, 3), grey).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def course(folder, html="<p>PSNR 27.31 dB</p>", grey=100, widget=5, buffer=b"\1\2", source="f()"):
    """Write a rendered course of one notebook: a cell with text, picture and widget."""
    data = {"text/html": html, "image/png": png(grey), VIEW: {"model_id": "box"}}
    data["text/plain"] = "<Figure at 0x7f00>"
    box = {"children": ["IPY_MODEL_w"], "layout": "IPY_MODEL_l", "_esm": str(folder)}
    models = {
        "box": {"model_name": "VBoxModel", "state": box},
        "l": {"model_name": "LayoutModel", "state": {"width": str(folder)}},
        "w": {
            "model_name": "AnyModel",
            "state": {
                "value": 0.5,
                "seconds": hash(folder),
                "pictures": [f"data:image/png;base64,{png(widget)}"],
            },
            "buffers": [{"path": ["data"], "data": base64.b64encode(buffer).decode()}],
        },
    }
    cell = nbformat.v4.new_code_cell(
        source, id="a-cell", outputs=[nbformat.v4.new_output("display_data", data)]
    )
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {STATE: {"state": models}}}
    )
    folder.mkdir()
    nbformat.write(notebook, folder / "00_a.ipynb")
    return folder


def run(monkeypatch, capsys, *folders):
    """Return (exit status, what was printed)."""
    monkeypatch.setattr("sys.argv", ["compare", *map(str, folders)])
    with pytest.raises(SystemExit) as stop:
        compare.main()
    return stop.value.code, capsys.readouterr().out


def test_the_same_is_the_same(tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, course(tmp_path / "one"), course(tmp_path / "two"))
    assert code == 0
    assert said.splitlines()[1].split()[0] == "00_a.ipynb"
    assert said.splitlines()[1].split()[2:] == ["3", "0"]  # pictures and buffers; differences


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"html": "<p>PSNR 27.32 dB</p>"}, "27.31 -> 27.32"),
        ({"html": "<p>SSIM 27.31 dB</p>"}, "PSNR -> SSIM"),
        ({"html": '<p>PSNR 27.31 dB</p><img alt="new">'}, " -> new"),
        ({"grey": 103}, "a picture differs: 3"),
        ({"widget": 6}, "a picture differs: 1"),
        ({"buffer": b"\1\7"}, "a picture differs: 5"),
        ({"buffer": b"\1"}, "a picture differs: inf, (2,) -> (1,)"),
    ],
)
def test_a_change_is_found(tmp_path, monkeypatch, capsys, change, line):
    folders = course(tmp_path / "one"), course(tmp_path / "two", **change)
    code, said = run(monkeypatch, capsys, *folders)
    assert code == 1
    assert said.splitlines()[-1].startswith(f"00_a.ipynb a-cell: {line}")


@pytest.mark.parametrize(
    "change",
    [
        {"html": "<p>PSNR 27.31 dB</p> ran in {} s", "source": "f()"},
        {"html": "<style>.x{{width: {}em}}</style><p class='k{}'>PSNR 27.31 dB</p>"},
        {"html": "<p>{} times slower</p>", "source": "me.show.table(seconds)"},
    ],
)
def test_times_and_what_nobody_reads_do_not_count(tmp_path, monkeypatch, capsys, change):
    folders = [
        course(tmp_path / name, **{**change, "html": change["html"].format(number, number)})
        for name, number in (("one", 1.25), ("two", 31))
    ]
    assert run(monkeypatch, capsys, *folders)[0] == 0


def test_pictures_may_differ_by_the_levels_that_are_named(tmp_path, monkeypatch, capsys):
    folders = course(tmp_path / "one"), course(tmp_path / "two", grey=102)
    assert run(monkeypatch, capsys, *folders, 2)[0] == 0
    assert run(monkeypatch, capsys, *folders, 1)[0] == 1


def test_a_missing_notebook_or_course_is_a_difference(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    code, said = run(monkeypatch, capsys, course(tmp_path / "one"), tmp_path / "empty")
    assert code == 1
    assert "3 pictures -> 0" in said
    assert run(monkeypatch, capsys, tmp_path / "empty", tmp_path / "empty")[0] == 1
