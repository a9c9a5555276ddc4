"""samples: every bundled picture opens, is credited, and is the file the credits name."""

import hashlib

import pytest
import torch

from mssnet_edu import images, samples

OLD = {"tesla_portrait", "tesla_seated", "tesla_laboratory", "wardenclyffe_tower"}
BLURRED = {
    "real_motion_car",
    "real_motion_text",
    "real_motion_clock",
    "real_defocus_text",
    "street_gopro_blur",
}


def test_names():
    assert set(samples.names("old")) == OLD
    assert set(samples.names("blurred")) == BLURRED
    assert len(samples.names()) == 17
    assert {"astronaut", "cat", "street_sign"} <= set(samples.names("sharp"))
    assert set(samples.names()) == {
        n for k in ("old", "sharp", "blurred") for n in samples.names(k)
    }
    with pytest.raises(ValueError, match="expected one of old, sharp, blurred, clip"):
        samples.names("modern")


@pytest.mark.parametrize("name", samples.names())
def test_every_photo_opens_and_is_credited(name):
    photo, sample = samples.load(name), samples.info(name)
    assert photo.shape == (3, sample.height, sample.width)
    assert images.as_batch(photo) is not None
    assert float(photo.std()) > 0.02  # a picture, not a blank
    assert all((sample.licence, sample.author, sample.use, sample.source))
    blob = samples.find_data(sample.file).read_bytes()
    assert hashlib.sha256(blob).hexdigest() == sample.sha256


def test_every_file_has_a_credit():
    credited = {samples.info(n).file for n in (*samples.names(), *samples.names("clip"))}
    folder = samples.find_data()
    files = [f for part in ("photos", "video") for f in (folder / part).iterdir()]
    present = {f.relative_to(folder).as_posix() for f in files} - {"photos/CREDITS.tsv"}
    assert present == credited


def test_unknown_names():
    with pytest.raises(
        ValueError, match=r"There is no sample 'dog'. Choose one of: tesla_portrait"
    ):
        samples.load("dog")
    with pytest.raises(ValueError, match=r"me.samples.clip\('cockatoo'\)"):
        samples.load("cockatoo")
    with pytest.raises(ValueError, match=r"is a photo, not a clip. Clips: cockatoo"):
        samples.clip("cat")


def test_clip_moves_and_is_small():
    sample = samples.info("cockatoo")
    file = samples.find_data(sample.file)
    assert file.stat().st_size <= 3_000_000
    assert hashlib.sha256(file.read_bytes()).hexdigest() == sample.sha256
    frames = samples.clip("cockatoo", 33, 4)
    assert frames.shape == (4, 3, sample.height, sample.width) == (4, 3, 360, 640)
    assert float((frames[1:] - frames[:-1]).abs().mean()) > 0.01
    torch.testing.assert_close(frames[2:], samples.clip("cockatoo", 35, 2), rtol=0, atol=0)
    with pytest.raises(images.PhotoError, match="has 48 frames, numbered 0 to 47"):
        samples.clip("cockatoo", 40, 20)


def test_find_data_by_variable(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("MSSNET_EDU_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="Correct or unset the variable MSSNET_EDU_DATA"):
        samples.find_data("photos")
    (tmp_path / "photos" / "CREDITS.tsv").write_bytes(b"file\n")
    assert samples.find_data("photos") == tmp_path / "photos"
    assert samples.names() == []
    with pytest.raises(FileNotFoundError, match=r"weights is missing from the course's data"):
        samples.find_data("weights")


def test_find_data_in_an_installed_wheel(tmp_path, monkeypatch):
    """There, data lies inside the package; a stranger's folder "data" beside it is not ours."""
    monkeypatch.delenv("MSSNET_EDU_DATA", raising=False)
    package = tmp_path / "site-packages" / "mssnet_edu"
    (package / "_data" / "photos").mkdir(parents=True)
    (tmp_path / "site-packages" / "data" / "photos").mkdir(parents=True)
    monkeypatch.setattr(samples, "__file__", str(package / "samples.py"))
    with pytest.raises(FileNotFoundError, match="Reinstall mssnet_edu"):
        samples.find_data("photos")
    (package / "_data" / "photos" / "CREDITS.tsv").touch()
    assert samples.find_data("photos") == package / "_data" / "photos"
