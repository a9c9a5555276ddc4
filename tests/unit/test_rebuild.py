"""The training photographs are rebuilt from packages; what cannot be had is said, not hidden."""

import csv
import hashlib
import io
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from mssnet_edu import images
from mssnet_edu.samples import find_data
from tools.provenance import containers, rebuild
from training.dataset import CORPUS_LIST

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")


def picture(width, height, kind="JPEG", seed=0):
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height)).save(file, kind, quality=95)
    return file.getvalue()


def edj(entries):
    """An EET file with these (name, bytes)."""
    names = [name.encode() + b"\0" for name, _ in entries]
    head = 12 + 24 * len(entries)
    place, table, tail = head + sum(map(len, names)), b"", b""
    for i, (_, data) in enumerate(entries):
        name_at = head + sum(map(len, names[:i]))
        table += struct.pack(">6I", place, len(data), len(data), name_at, len(names[i]), 0)
        place += len(data)
        tail += data
    return bytes.fromhex("1ee70f42") + struct.pack(">2I", len(entries), 0) + table + b"".join(
        names
    ) + tail  # fmt: skip


def rcc(files):
    """A Qt resource file (version 1) with files in one folder, packed by zlib."""
    names, data, tree = b"", b"", b""
    offsets = []
    for text in ("pictures", *(name for name, _ in files)):
        offsets.append(len(names))
        names += struct.pack(">HI", len(text), 0) + text.encode("utf-16-be")
    tree += struct.pack(">IHII", 0, 2, 1, 1)  # the root: one child, number 1
    tree += struct.pack(">IHII", offsets[0], 2, len(files), 2)
    for (_, blob), name_at in zip(files, offsets[1:], strict=True):
        packed = struct.pack(">I", len(blob)) + zlib.compress(blob)
        tree += struct.pack(">IHHHI", name_at, 1, 0, 0, len(data))
        data += struct.pack(">I", len(packed)) + packed
    head = 20
    sizes = head, head + len(tree), head + len(tree) + len(data)
    return b"qres" + struct.pack(">4I", 1, *sizes) + tree + data + names


def row(file, source, size, package="some-photos 1.0-1 (bookworm)", sha256=""):
    return {
        "file": file,
        "source_file": source,
        "package": package,
        "width": str(size[0]),
        "height": str(size[1]),
        "sha256": sha256,
    }


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """A folder with one small package: a plain picture, an .edj and an .rcc."""
    folder = tmp_path_factory.mktemp("debs")
    root = folder / "root"
    share = root / "usr" / "share"
    for name in ("Hills", "Waves"):
        (share / name).mkdir(parents=True)
    (share / "Hills" / "2560x1600.jpg").write_bytes(picture(256, 160, seed=1))
    (share / "Waves" / "2560x1600.jpg").write_bytes(picture(256, 160, seed=2))
    entries = [("edje/strings", b"none"), ("edje/images/0", b"\0" * 9 + picture(320, 160, seed=3))]
    (share / "Leaf.edj").write_bytes(edj(entries))
    (share / "animals.rcc").write_bytes(rcc([("bee.webp", picture(160, 96, "WEBP"))]))
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        "Package: some-photos\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody <a@b.c>\n"
        "Description: photographs\n",
        encoding="utf-8",
    )
    if shutil.which("dpkg-deb"):
        command = ["dpkg-deb", "-b", "-Znone", root, folder / "some-photos_1.0-1_all.deb"]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def test_an_edj_file_gives_its_jpegs():
    photo = picture(64, 48)
    found = dict(
        containers.read_edj(edj([("edje/file", b"x" * 40), ("edje/images/0", b"\1\2" + photo)]))
    )
    assert found == {"edje/images/0": photo}
    with pytest.raises(ValueError, match="EET"):
        list(containers.read_edj(photo))


def test_an_rcc_file_gives_its_files():
    files = [("bee.webp", b"one" * 50), ("cow.webp", b"two")]
    found = dict(containers.read_rcc(rcc(files)))
    assert found == {f"pictures/{name}": blob for name, blob in files}
    with pytest.raises(ValueError, match="Qt"):
        list(containers.read_rcc(b"no"))


def test_a_picture_is_reduced_as_the_list_says():
    photo = picture(300, 200, "PNG")
    for size in ((150, 100), (140, 93), (300, 200)):
        with Image.open(io.BytesIO(rebuild.reduce_photo(photo, size))) as answer:
            assert (answer.size, answer.format) == (size, "JPEG")
    with pytest.raises(ValueError, match="300 x 200"):
        rebuild.reduce_photo(photo, (600, 400))
    with pytest.raises(ValueError, match="300 x 200"):
        rebuild.reduce_photo(photo, (100, 100))


@needs_dpkg
def test_photographs_come_out_of_a_package(debs, tmp_path):
    rows = [
        row("some-photos__Waves_2560x1600.jpg", "2560x1600.jpg", (200, 125)),
        row("some-photos__Leaf.jpg", "Leaf__edje_images_0_320x160.jpg", (160, 80)),
        row("some-photos__bee.jpg", "bee.webp", (80, 48)),
        row("some-photos__cow.jpg", "cow.webp", (80, 48)),
        row("some-photos__big.jpg", "bee.webp", (800, 480)),
    ]
    failed = rebuild.rebuild(tmp_path, rows, debs)
    assert set(failed) == {"some-photos__cow.jpg", "some-photos__big.jpg"}
    assert "no such file" in failed["some-photos__cow.jpg"]
    assert "160 x 96" in failed["some-photos__big.jpg"]
    # of the two pictures called 2560x1600.jpg, the one in the folder of that name
    waves = images.load(tmp_path / "some-photos__Waves_2560x1600.jpg")
    wanted = rebuild.reduce_photo(picture(256, 160, seed=2), (200, 125))
    (tmp_path / "wanted.jpg").write_bytes(wanted)
    assert (waves - images.load(tmp_path / "wanted.jpg")).abs().max() == 0


@needs_dpkg
def test_what_is_there_is_kept(debs, tmp_path, monkeypatch):
    rows = [row("some-photos__bee.jpg", "bee.webp", (80, 48))]
    assert rebuild.rebuild(tmp_path, rows, debs) == {}
    monkeypatch.setattr(
        rebuild.shutil, "which", lambda tool: None
    )  # it would raise, if asked again
    assert rebuild.rebuild(tmp_path, rows) == {}


@needs_dpkg
def test_a_package_that_cannot_be_had_is_named(debs, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild.shutil, "which", lambda tool: None if "apt" in tool else tool)
    rows = [row("other__a.jpg", "a.jpg", (80, 48), "other 2.0 (trixie)")]
    failed = rebuild.rebuild(tmp_path, rows, debs)
    assert failed == {"other__a.jpg": "other 2.0, of trixie, is not in this system's sources"}


def test_without_apt_the_error_says_what_else_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rebuild.shutil, "which", lambda tool: None)
    assert rebuild.main(["--out", str(tmp_path / "photos"), "lxqt-themes"]) == 2
    said = capsys.readouterr().err
    assert "apt-get" in said
    assert "any folder" in said
    assert not (tmp_path / "photos").exists()


def test_an_unknown_package_is_refused(tmp_path, capsys):
    assert rebuild.main(["--out", str(tmp_path), "no-such-package"]) == 2
    assert "lxqt-themes" in capsys.readouterr().err


def test_the_validation_crops_are_as_listed_and_free():
    folder = find_data("validation")
    with (folder / "CREDITS.tsv").open(newline="", encoding="utf-8") as table:
        listed = list(csv.DictReader(table, delimiter="\t"))
    with CORPUS_LIST.open(newline="", encoding="utf-8") as table:
        held_out = {
            r["file"] for r in csv.DictReader(table, delimiter="\t") if r["split"] != "train"
        }
    assert {r["file"] for r in listed} == {p.name for p in folder.glob("*.webp")}
    for r in listed:
        blob = (folder / r["file"]).read_bytes()
        assert hashlib.sha256(blob).hexdigest() == r["sha256"]
        assert r["photo"] in held_out  # nothing is measured that was trained on
        assert r["licence"].startswith(("CC0", "CC-BY", "BSD"))
        assert r["attribution"]
        with Image.open(io.BytesIO(blob)) as image:
            assert image.size == (512, 512)
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 4_000_000
