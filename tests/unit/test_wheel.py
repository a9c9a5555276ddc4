"""The course as two installed wheels: notebooks, photographs and weights are in them, and found."""

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.notebooks import wheels

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return wheels.build(tmp_path_factory.mktemp("dist"))


def files_in(wheel):
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_together_the_wheels_hold_the_package_its_data_and_the_notebooks_once(built):
    course, weights = map(files_in, built)
    assert not course & weights
    wanted = set()
    for folder, place in (("data", "_data"), ("notebooks", "_notebooks"), ("mssnet_edu", "")):
        for path in (ROOT / folder).rglob("*.*"):  # scripts, style sheets and templates, too
            inside = path.relative_to(ROOT / folder)
            hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
            made = folder == "notebooks" and path.suffix != ".ipynb"  # by notebook 09, if it ran
            if path.is_file() and not hidden and not made:
                wanted.add(Path("mssnet_edu", place, inside).as_posix())
    assert course | weights == wanted


def test_each_wheel_is_small_enough_for_a_registry(built):
    assert all(wheel.stat().st_size <= 100e6 for wheel in built)


def test_the_first_wheel_requires_the_second_in_its_own_version(built):
    course, weights = map(metadata, built)
    assert f"mssnet-edu-weights=={course['Version']}" in course.get_all("Requires-Dist")
    assert (weights["Name"], weights["Version"]) == (wheels.WEIGHTS_PROJECT, course["Version"])
    assert not weights.get_all("Requires-Dist")


def test_the_second_wheel_holds_other_peoples_networks_with_their_licences(built):
    assert all(name.endswith(".safetensors") for name in files_in(built[1]))
    licences = {Path(name).stem for name in metadata(built[1]).get_all("License-File")}
    assert licences == {Path(name).name.split(".")[0] for name in files_in(built[1])}


def test_a_wheel_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "LIMIT_MB", 1)
    monkeypatch.setattr(wheels, "other_peoples_weights", lambda: ["data/weights/st-lpips.LICENSE"])
    monkeypatch.setattr(wheels.WheelBuilder, "build", lambda *_, directory, versions: [big])
    big = tmp_path / "big.whl"
    big.write_bytes(bytes(2_000_000))
    with pytest.raises(ValueError, match="1 MB are allowed"):
        wheels.build(tmp_path)


def run_installed(wheel, folder, code):
    """Unpack a wheel, without weights, and run code with it; return what it printed."""
    with zipfile.ZipFile(wheel) as archive:
        wanted = [n for n in archive.namelist() if not n.endswith(".safetensors")]
        archive.extractall(folder, wanted)
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\nimport mssnet_edu as me\n{code}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")


def test_photos_and_notebooks_are_found_in_an_installed_wheel(built, tmp_path):
    shown = run_installed(
        built[0],
        tmp_path,
        "from mssnet_edu import working_copy\n"
        "print(me.__file__)\nprint(me.samples.load('astronaut').shape[0])\n"
        "print(me.samples.find_data())\n"
        "print(len(working_copy.update(working_copy.Path('mine')).brought))",
    )
    package = tmp_path / "mssnet_edu"
    lessons = len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert shown[:4] == [str(package / "__init__.py"), "3", str(package / "_data"), str(lessons)]
    assert len(list((tmp_path / "mine").glob("*.ipynb"))) == lessons


def test_doctor_misses_the_second_wheel(built, tmp_path):
    shown = run_installed(
        built[0],
        tmp_path,
        "from mssnet_edu import doctor\n"
        "print(*[f for f in doctor.findings() if 'rrdn' in f.what][0], sep='\\n')",
    )
    assert shown[0] == "FAIL"
    assert "rrdn-x8.safetensors is missing" in shown[1]
    assert "install mssnet_edu and mssnet_edu_weights" in shown[2]
