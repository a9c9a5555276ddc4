"""The course as an installed wheel: the photographs and the weights are in it and are found."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "data").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert f"mssnet_edu/_data/{path.relative_to(ROOT / 'data').as_posix()}" in names
    for path in (ROOT / "mssnet_edu").rglob("*.*"):  # scripts, style sheets and templates, too
        if path.is_file() and path.suffix != ".pyc":
            assert path.relative_to(ROOT).as_posix() in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mssnet_edu"}
    assert not [name for name in names if "__pycache__" in name]


def test_photos_are_found_in_an_installed_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        wanted = [n for n in archive.namelist() if "/_data/weights/" not in n]
        archive.extractall(tmp_path, wanted)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import mssnet_edu as me\n"
        "print(me.__file__, me.samples.load('astronaut').shape[0], me.samples.find_data())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    module, channels, data = done.stdout.split()
    assert Path(module).is_relative_to(tmp_path)
    assert channels == "3"
    assert Path(data) == tmp_path / "mssnet_edu" / "_data"
