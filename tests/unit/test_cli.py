"""cli: answers with exit codes and one sentence, writes whole files or none, opens the course."""

import errno
import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mssnet_edu import cli, images, inference, lab, samples
from mssnet_edu import doctor as doctor_module

ROOT = Path(__file__).resolve().parents[2]


class Network(nn.Module):
    """Stands in for every network: enlarges by repeating, or darkens."""

    def __init__(self, name):
        super().__init__()
        task, factor = ("deblur", 1) if "deblur" in name else ("upscale", 8)
        self.info = SimpleNamespace(
            name=name,
            task=task,
            factor=factor,
            config={},
            multiple_of=1,
            min_px=4,
            halo_px=0,
            rim_px=0,
            bytes_per_px=100,
            spare=0,
            mends_px=(),
        )

    def forward(self, photo):
        return F.interpolate(photo, scale_factor=self.info.factor, mode="nearest") * 0.5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "load_model", Network)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (12, 10), (200, 100, 50)).save("in.png")
    return tmp_path


def refused(capsys, folder, *words):
    """Run a command that must be refused; return its sentence."""
    before = {f: f.lstat().st_mtime_ns for f in folder.iterdir()}
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert shown.err.startswith("mssnet-edu")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert {f: f.lstat().st_mtime_ns for f in folder.iterdir()} == before  # no file came or changed
    return shown.err


# ---------------------------------------------------------------------------- deblur, upscale


def test_upscale(folder, capsys):
    assert cli.main(["upscale", "in.png", "-o", "out.png"]) == 0
    photo = images.load("out.png")
    assert photo.shape == (3, 80, 96)
    assert (photo * 255).round()[:, 0, 0].tolist() == [100, 50, 25]
    assert "out.png: 96 x 80 px" in capsys.readouterr().out
    assert cli.main(["upscale", "in.png", "-o", "two.jpg", "--scale", "2"]) == 0
    assert images.load("two.jpg").shape == (3, 20, 24)
    plain = ["--scale", "3", "--model", "nearest", "--seed", "4"]
    assert cli.main(["upscale", "in.png", "-o", "plain.png", *plain]) == 0
    assert images.load("plain.png").shape == (3, 30, 36)


def test_deblur(folder):
    assert cli.main(["deblur", "in.png", "-o", "out.webp"]) == 0
    assert images.load("out.webp").shape == (3, 10, 12)


def test_deblur_at_a_smaller_size(folder, capsys):
    assert cli.main(["deblur", "in.png", "-o", "half.png", "--size", "1/2"]) == 0
    assert images.load("half.png").shape == (3, 5, 6)
    assert "half.png: 6 x 5 px" in capsys.readouterr().out
    command = ["deblur", "in.png", "-o", "new.png", "--size"]
    assert "at size 1/4 it is 3 x 2 px" in refused(capsys, folder, *command, "1/4")
    assert "invalid choice: '1/3'" in refused(capsys, folder, *command, "1/3")
    assert 'cannot be "auto"' in refused(capsys, folder, *command, "auto")


def test_a_hint_on_a_motion_that_is_too_long(folder, capsys, monkeypatch):
    moved = str(samples.find_data("photos/real_motion_text.jpg"))
    network = Network("mssnet-deblur")
    network.info.mends_px = (6, 24)
    monkeypatch.setattr(inference, "load_model", lambda name: network)
    assert cli.main(["deblur", moved, "-o", "full.png"]) == 0
    hint = "hint: the motion is about 31 px; at half size (294 x 182) it can be mended: --size 1/2"
    assert capsys.readouterr().err.splitlines() == [hint]
    assert images.load("full.png").shape == (3, 365, 588)
    assert cli.main(["deblur", moved, "-o", "auto.png", "--size", "auto"]) == 0
    assert capsys.readouterr().err == ""
    assert images.load("auto.png").shape == (3, 182, 294)


def test_deblur_with_a_checkpoint_of_the_authors(folder, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    Image.new("RGB", (40, 36), (200, 100, 50)).save("in.png")
    file = ROOT / "tests/data/mssnet_reference.pt"
    assert cli.main(["deblur", "in.png", "-o", "out.png", "--weights", str(file)]) == 0
    assert images.load("out.png").shape == (3, 36, 40)
    command = ["deblur", "in.png", "-o", "new.png", "--weights"]
    capsys.readouterr()
    assert "no checkpoint at" in refused(capsys, folder, *command, "none.pt")
    assert "A checkpoint file ends with .pt" in refused(capsys, folder, *command, "in.png")
    (folder / "bad.pt").write_bytes(b"no checkpoint")
    assert "cannot be read as a checkpoint" in refused(capsys, folder, *command, "bad.pt")
    both = refused(capsys, folder, *command, str(file), "--model", "maxim-gopro")
    assert "not allowed with argument" in both


def test_force(folder, capsys):
    Image.new("RGB", (2, 2)).save("out.png")
    sentence = refused(capsys, folder, "deblur", "in.png", "-o", "out.png")
    assert "exists already and is left as it is" in sentence
    assert "--force" in sentence
    assert cli.main(["deblur", "in.png", "-o", "out.png", "--force"]) == 0
    assert images.load("out.png").shape == (3, 10, 12)


def test_the_photo_itself_is_never_overwritten(folder, capsys):
    os.symlink(folder / "in.png", folder / "link.png")
    for name in ("in.png", "./in.png", "link.png"):
        sentence = refused(capsys, folder, "deblur", "in.png", "-o", name, "--force")
        assert "never overwritten" in sentence


@pytest.mark.parametrize(("code", "words"), [("EROFS", "Read-only"), ("EACCES", "Permission")])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    folder, capsys, monkeypatch, code, words
):
    def refuse(*args):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(inference, "load_model", lambda name: pytest.fail("the work has begun"))
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    sentence = refused(capsys, folder, "upscale", "in.png", "-o", "out.png")
    assert f"out.png cannot be written: {words}" in sentence
    assert "Choose another" in sentence


def test_names_and_links_that_cannot_be_written_are_found_before_the_work(
    folder, capsys, monkeypatch
):
    monkeypatch.setattr(inference, "load_model", lambda name: pytest.fail("the work has begun"))
    os.symlink("gone/none.png", "dangling.png")
    os.symlink("loop.png", "loop.png")
    os.mkfifo("pipe.png")
    for name, words in (
        ("n" * 300 + ".png", "File name too long"),
        ("dangling.png", "is a link to gone/none.png, where there is nothing"),
        ("loop.png", "is a link to loop.png, where there is nothing"),
        ("in.png/out.png", "folder in.png does not exist"),
        ("pipe.png", "not an ordinary file"),
    ):
        assert words in refused(capsys, folder, "deblur", "in.png", "-o", name, "--force")


def test_a_link_to_a_picture_stays_a_link(folder, capsys):
    (folder / "there").mkdir()
    Image.new("RGB", (2, 2)).save("there/old.png")
    os.symlink("there/old.png", "link.png")
    assert "exists already" in refused(capsys, folder, "deblur", "in.png", "-o", "link.png")
    assert cli.main(["deblur", "in.png", "-o", "link.png", "--force"]) == 0
    assert os.readlink("link.png") == "there/old.png"
    assert images.load("there/old.png").shape == (3, 10, 12)


@pytest.mark.parametrize("command", ["deblur", "upscale"])
def test_bad_photos(folder, capsys, command):
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("Dear diary", encoding="utf-8")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save("whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:3000])
    Image.new("RGB", (1, 1)).save("dot.png")
    header = b"P6\n20000 20000\n255\n" + bytes(100)
    (folder / "bomb.ppm").write_bytes(header)
    for name, match in (
        ("none.jpg", "There is no file none.jpg"),
        ("empty.jpg", "is empty"),
        ("text.jpg", "is not a picture"),
        ("cut.jpg", "damaged or incomplete"),
        (".", "is a folder"),
        ("dot.png", "photo is 1 x 1 px; .* needs at least 4 x 4"),
        ("bomb.ppm", "announces 20000 x 20000 px"),
    ):
        assert re.search(match, refused(capsys, folder, command, name, "-o", "out.png"))


def test_bad_arguments(folder, capsys):
    for words, match in (
        ("upscale in.png -o out.png --scale 5", "factor is 5; expected one of 2, 3, 4, 6, 8, 16"),
        ("upscale in.png -o out.png --scale two", "invalid int value: 'two'"),
        ("upscale in.png -o out.xyz", "cannot tell the picture format"),
        ("upscale in.png -o none/out.png", "folder none does not exist"),
        ("upscale in.png -o out.png --model mssnet-deblur", "does not enlarge"),
        ("deblur in.png -o out.png --model rrdn-x8", "does not deblur"),
        ("upscale in.png -o out.png --max-memory-mb 0.01", "Choose a smaller factor"),
        ("upscale in.png", "arguments are required: -o/--out"),
        ("sharpen in.png", "invalid choice: 'sharpen'"),
        ("models paint", "expected one of deblur"),
    ):
        assert match in refused(capsys, folder, *words.split())


def test_unknown_model_is_named(folder, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    sentence = refused(capsys, folder, "upscale", "in.png", "-o", "o.png", "--model", "rrdn-x9")
    assert "no network 'rrdn-x9'" in sentence


def test_failures_on_the_way(folder, capsys, monkeypatch):
    def out_of_memory(name):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr(inference, "load_model", out_of_memory)
    assert "--max-memory-mb" in refused(capsys, folder, "deblur", "in.png", "-o", "out.png")

    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(inference, "load_model", stopped)
    assert cli.main(["deblur", "in.png", "-o", "out.png"]) == 130

    def mistake_of_ours(name):
        raise KeyError("oops")

    monkeypatch.setattr(inference, "load_model", mistake_of_ours)
    with pytest.raises(KeyError):  # a fault of the program keeps its traceback
        cli.main(["deblur", "in.png", "-o", "out.png"])
    with pytest.raises(images.PhotoError):
        cli.main(["--traceback", "deblur", "none.png", "-o", "out.png"])
    assert not (folder / "out.png").exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize(
    ("name", "shown"), [("猫.png", rb"\u732b"), (os.fsdecode(b"\xff.png"), rb"\udcff")]
)
def test_a_console_without_the_letters_of_a_name(folder, monkeypatch, encoding, name, shown):
    """The file is written, so the exit code is 0, whatever can be printed."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        pytest.skip("this locale has no such file names")
    console = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(console, encoding=encoding))
    assert cli.main(["deblur", "in.png", "-o", name]) == 0
    sys.stdout.flush()
    if encoding == "utf-8" and name == "猫.png":
        shown = "猫".encode()
    assert console.getvalue().startswith(shown + b".png: 12 x 10 px")
    assert images.load(name).shape == (3, 10, 12)


# ------------------------------------------------------------------------------- other commands


def test_help_lists_all_commands(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    for command in ("lab", "deblur", "upscale", "models", "doctor"):
        assert re.search(rf"^    {command} +\w", shown, re.MULTILINE)


def test_help_of_a_command_imports_neither_torch_nor_training():
    code = (
        "import atexit, sys; from mssnet_edu import cli; heavy = {'torch', 'training'}; "
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)))); "
        "cli.main(['upscale', '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "--scale" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_models(capsys):
    assert cli.main(["models", "upscale"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("rrdn-x8 ") and "upscale 8x" in line for line in lines)


def test_python_m(tmp_path):
    command = [sys.executable, "-m", "mssnet_edu", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert re.fullmatch(r"mssnet-edu \d+\.\d+\S*\n", done.stdout)


def doctor(capsys):
    code = cli.main(["doctor"])
    return code, capsys.readouterr().out


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A small data folder: one photo, no weights."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "weights").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "a.png")
    head = ["file", "kind", "width", "height", "licence", "author", "use", "source", "sha256"]
    table = "\t".join(head) + "\nphotos/a.png\tsharp\t4\t4\tCC0\tme\ttest\there\t00\n"
    (tmp_path / "photos" / "CREDITS.tsv").write_text(table, encoding="utf-8")
    monkeypatch.setenv("MSSNET_EDU_DATA", str(tmp_path))
    monkeypatch.setattr(inference, "load_model", Network)
    return tmp_path


def test_doctor_finds_faults(capsys, data):
    code, shown = doctor(capsys)
    assert code == 1
    assert re.search(r"^ok    Python 3", shown, re.MULTILINE)
    assert re.search(r"^ok    torch", shown, re.MULTILINE)
    assert re.search(r"^FAIL .*a\.png is not the file it should be", shown, re.MULTILINE)
    assert "FAIL  no weights in" in shown
    assert "FAIL  panoramas: " in shown
    assert "FAIL  labelled photos: " in shown
    assert "-> Get it again: git checkout -- data" in shown
    (data / "photos" / "CREDITS.tsv").unlink()
    code, shown = doctor(capsys)
    assert code == 1
    assert "Correct or unset the variable MSSNET_EDU_DATA" in shown


def test_doctor_checks_weights(capsys, data, monkeypatch):
    from mssnet_edu import models

    file = SimpleNamespace(name="net.safetensors", sha256="00", bytes=3)
    monkeypatch.setattr(models, "names", lambda task=None: ["net"])
    monkeypatch.setattr(models, "info", lambda name: SimpleNamespace(files=[file]))
    assert re.search(r"weights of net: \S+net\.safetensors is missing", doctor(capsys)[1])
    (data / "weights" / "net.safetensors").write_bytes(b"abc")
    shown = doctor(capsys)[1]
    assert "net.safetensors is not the file it should be (3 bytes)" in shown
    file.sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert "ok    weights of net" in doctor(capsys)[1]


def test_doctor_survives_a_broken_installation(capsys, data, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(samples, "names", lambda *a: 1 / 0)
    monkeypatch.setattr(doctor_module, "memory_mb", lambda: 900.0)
    code, shown = doctor(capsys)
    assert code == 1
    assert "pip install jupyterlab ipywidgets anywidget" in shown
    assert "photos: division by zero" in shown
    assert "note  memory: 900 MB" in shown


def test_memory_is_known_here():
    assert sys.platform == "win32" or doctor_module.memory_mb() > 100


# ----------------------------------------------------------------------------------------- lab


def test_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not lab.has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert lab.has_screen()
    monkeypatch.setenv("SSH_CONNECTION", "somewhere")
    assert not lab.has_screen()


def test_ports_in_use_are_passed_over():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert lab.free_port("127.0.0.1", port) > port


@pytest.mark.parametrize("ip", ["*", "", "0.0.0.0", "localhost"])
def test_ports_of_every_address_that_jupyter_takes(ip):
    assert 20_000 <= lab.free_port(ip, 20_000) < 20_050


def test_an_address_of_another_machine_is_no_matter_of_ports():
    with pytest.raises(ValueError, match="no such address"):
        lab.free_port("not an address", 20_000)


def test_lab_prints_an_address_that_opens_the_course(tmp_path):
    """The real server, as `make lab` starts it on a machine without a screen."""
    environment = {k: v for k, v in os.environ.items() if "DISPLAY" not in k}
    environment |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    code = "from mssnet_edu.lab import open_lab; open_lab(18888, idle_s=1)"
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = next(word for line in server.stdout for word in line.split() if "http" in word)
        assert url.startswith("http://127.0.0.1:188")
        assert "/lab/tree/00_the_question.ipynb?token=" in url
        assert (tmp_path / "mssnet-course" / "00_the_question.ipynb").is_file()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        page = direct.open(url, timeout=30).read().decode()
        assert "<title>JupyterLab</title>" in page
        listing = url.replace("/lab/tree/", "/api/contents/").replace("?", "?content=0&")
        assert "00_the_question.ipynb" in direct.open(listing, timeout=30).read().decode()
        # no box that asks whether it may fetch news
        plugin = "/lab/api/settings/@jupyterlab/apputils-extension:notification"
        settings = url.replace("/lab/tree/00_the_question.ipynb", plugin)
        schema = json.load(direct.open(settings, timeout=30))["schema"]
        assert schema["properties"]["fetchNews"]["default"] == "false"
        # a kernel whose notebook is not open (none is, here) gives its memory back
        kernels = url.replace("/lab/tree/00_the_question.ipynb", "/api/kernels")
        direct.open(kernels, data=b"{}", timeout=30).close()
        assert json.load(direct.open(kernels, timeout=30))
        end = time.monotonic() + 60
        while json.load(direct.open(kernels, timeout=30)) and time.monotonic() < end:
            time.sleep(0.5)
        assert json.load(direct.open(kernels, timeout=30)) == []
    finally:
        server.terminate()
        server.wait(timeout=30)
    with pytest.raises(OSError):  # noqa: PT011  stopping the command stops the server with it
        direct.open(url, timeout=5)


def test_photo_survives_a_round_through_the_command(folder):
    """The written answer is the network's answer to the photo that was read."""
    photo = torch.rand(3, 16, 20)
    images.save(photo, folder / "noise.png")
    assert cli.main(["deblur", "noise.png", "-o", "half.png"]) == 0
    expected = images.load(folder / "noise.png") / 2
    torch.testing.assert_close(images.load(folder / "half.png"), expected, rtol=0, atol=0.6 / 255)


def test_invented_is_in_the_picture_and_in_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.save(samples.load("astronaut")[:, 40:60, 190:214], "in.png")
    for share, kind in (("0", "smooth"), ("0.5", "rrdn-x8, then realesrgan-x4")):
        words = ["upscale", "in.png", "-o", "out.png", "--force", "--invented", share]
        assert cli.main(words) == 0
        [step] = images.read_metadata("out.png").provenance.steps
        assert kind in str(step)
        assert f"invented: {share}" in str(step)


def test_the_report_comes_with_the_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images.save(samples.load("astronaut")[:, 40:60, 190:214], "in.png")
    more = ["--report", "page.html", "--trust-map", "map.png", "--seeds", "2"]
    words = ["upscale", "in.png", "-o", "out.png", "--model", "rrdn-x8", *more]
    assert cli.main(words) == 0
    page = Path("page.html").read_text(encoding="utf-8")
    assert "rrdn-x8" in page
    assert "What is wrong with the photo" in page
    assert "So, which of it is real?" in page
    assert images.load("map.png").shape == images.load("out.png").shape
    for wrong, match in (
        (["--scale", "4"], "need --scale 8"),
        (["--seeds", "1"], "--seeds"),
        (["--report", "page.pdf", "--trust-map", "new_map.png"], "ends in .html"),
        ([], "page.html exists"),
    ):
        capsys.readouterr()
        Path("new.png").unlink(missing_ok=True)
        assert cli.main([*words, "-o", "new.png", *wrong]) == 2
        assert match in capsys.readouterr().err
        assert not Path("new.png").exists()
    images.save(torch.rand(3, 20, 300), "wide.png")
    words = ["upscale", "wide.png", "-o", "new.png", "--report", "new.html"]
    assert cli.main(words) == 2
    assert "from 16 to 256 px" in capsys.readouterr().err
    assert not Path("new.png").exists()
