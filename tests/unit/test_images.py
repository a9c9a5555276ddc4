"""images: every kind of file gives the right picture, every bad one gives one clear sentence."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from scipy import signal

from mssnet_edu import images
from mssnet_edu.images.files import to_png_bytes
from mssnet_edu.images.spectrum import power_spectrum
from mssnet_edu.images.writing import check_target

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


@pytest.fixture
def quarters():
    """6 x 4 px: red and green above, blue and grey below; no two corners are alike."""
    picture = Image.new("RGB", (6, 4))
    for box, colour in (
        ((0, 0, 3, 2), RED),
        ((3, 0, 6, 2), GREEN),
        ((0, 2, 3, 4), BLUE),
        ((3, 2, 6, 4), GREY),
    ):
        picture.paste(colour, box)
    return picture


def corners(photo):
    """The corners' colours as whole numbers: upper left, upper right, lower left, lower right."""
    grey_levels = (photo * 255).round().to(torch.uint8)
    return [tuple(grey_levels[:, y, x].tolist()) for y in (0, -1) for x in (0, -1)]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(width, height, depth, colour, rows, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


# ------------------------------------------------------------------------------ right pictures


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif", ".bmp", ".gif"])
def test_formats(tmp_path, quarters, ending):
    file = tmp_path / f"q{ending}"
    quarters.save(file, **({"lossless": True} if ending == ".webp" else {}))
    photo = images.load(file)
    assert photo.shape == (3, 4, 6)
    assert photo.dtype == torch.float32
    assert photo.is_contiguous()
    assert corners(photo) == [RED, GREEN, BLUE, GREY]
    assert corners(images.load(str(file))) == [RED, GREEN, BLUE, GREY]


def test_jpeg(tmp_path):
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "a.jpg", quality=95)
    colour = images.load(tmp_path / "a.jpg").mean((1, 2)) * 255
    assert colour.tolist() == pytest.approx([200, 100, 50], abs=2)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),  # the camera's file is the scene, turned the other way
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_exif_rotation(tmp_path, quarters, orientation, undo):
    as_stored = quarters if undo is None else quarters.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    as_stored.save(tmp_path / "turned.png", exif=exif)
    photo = images.load(tmp_path / "turned.png")
    assert photo.shape == (3, 4, 6)
    assert corners(photo) == [RED, GREEN, BLUE, GREY]


def test_damaged_exif_costs_no_picture(tmp_path, quarters):
    quarters.save(tmp_path / "a.png", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xffgarbage")
    assert corners(images.load(tmp_path / "a.png")) == [RED, GREEN, BLUE, GREY]


def test_grey_and_black_and_white(tmp_path):
    Image.new("L", (3, 2), 100).save(tmp_path / "l.png")
    photo = images.load(tmp_path / "l.png")
    assert photo.shape == (3, 2, 3)
    assert corners(photo)[0] == (100, 100, 100)
    Image.new("1", (3, 2), 1).save(tmp_path / "1.png")
    assert corners(images.load(tmp_path / "1.png"))[0] == (255, 255, 255)


def test_palette(tmp_path, quarters):
    quarters.quantize(8).save(tmp_path / "p.png")
    assert Image.open(tmp_path / "p.png").mode == "P"
    assert corners(images.load(tmp_path / "p.png")) == [RED, GREEN, BLUE, GREY]


def test_palette_with_alpha(tmp_path):
    picture = Image.new("P", (4, 2), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (2, 0, 4, 2))
    picture.save(tmp_path / "p.png", transparency=bytes([255, 0]))  # blue is invisible
    assert corners(images.load(tmp_path / "p.png"))[:2] == [RED, (255, 255, 255)]


def test_one_transparent_colour(tmp_path, quarters):
    quarters.save(tmp_path / "t.png", transparency=BLUE)
    assert corners(images.load(tmp_path / "t.png")) == [RED, GREEN, (255, 255, 255), GREY]


def test_alpha_is_laid_on_white(tmp_path):
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))  # what is hidden here is black
    picture.putpixel((1, 0), (255, 0, 0, 128))
    picture.save(tmp_path / "a.png")
    photo = images.load(tmp_path / "a.png")
    assert photo.shape == (3, 1, 2)
    assert corners(photo)[0] == (255, 255, 255)
    assert corners(photo)[1] == (255, 127, 127)
    Image.new("LA", (2, 2), (40, 255)).save(tmp_path / "la.png")
    assert corners(images.load(tmp_path / "la.png"))[0] == (40, 40, 40)


def test_grey_16_bit_keeps_its_steps(tmp_path):
    values = np.array([[0, 1, 257], [32768, 65534, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "g.png")
    photo = images.load(tmp_path / "g.png")
    np.testing.assert_allclose(photo[1].numpy(), values / 65535, atol=1e-7)
    Image.fromarray(values).save(tmp_path / "g.tif")
    np.testing.assert_allclose(
        images.load(tmp_path / "g.tif")[0].numpy(), values / 65535, atol=1e-7
    )


def test_colour_16_bit(tmp_path):
    pixels = np.array([[[65535, 32768, 0], [257 * 10, 257 * 20, 257 * 30]]], ">u2")
    (tmp_path / "c.png").write_bytes(png_bytes(2, 1, 16, 2, b"\0" + pixels.tobytes()))
    photo = images.load(tmp_path / "c.png")
    np.testing.assert_allclose(photo.permute(1, 2, 0).numpy(), pixels / 65535, atol=1 / 255)


def test_cmyk(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=100)
    assert Image.open(tmp_path / "c.jpg").mode == "CMYK"
    assert images.load(tmp_path / "c.jpg").mean((1, 2)).tolist() == pytest.approx(
        [1, 0, 0], abs=0.02
    )


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
def test_animation_gives_its_first_frame(tmp_path, ending):
    first, second = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)
    file = tmp_path / f"a{ending}"
    options = {"lossless": True} if ending == ".webp" else {}
    first.save(file, save_all=True, append_images=[second, first], duration=50, **options)
    assert corners(images.load(file))[0] == RED
    both = images.load_frames(file, 0, 2)
    assert both.shape == (2, 3, 4, 4)
    assert [corners(f)[0] for f in both] == [RED, BLUE]
    assert images.load_frames(file, start=1).shape[0] == 2
    for start, frames in ((0, 4), (3, 1), (-1, 1), (0, 0)):
        with pytest.raises(images.PhotoError, match="has 3 frames, numbered 0 to 2"):
            images.load_frames(file, start, frames)
    with pytest.raises(images.PhotoError, match="Ask for fewer frames"):
        images.load_frames(file, max_pixels=40)


def swapped_profile():
    """A colour profile in which the numbers for red mean blue, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"@@@@").replace(b"bXYZ", b"rXYZ").replace(b"@@@@", b"bXYZ")
    return profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
def test_colour_profile_is_applied(tmp_path, ending):
    options = {"quality": 100, "lossless": True} if ending == ".webp" else {"quality": 100}
    picture = Image.new("RGB", (16, 16), RED)
    picture.save(tmp_path / f"p{ending}", icc_profile=swapped_profile(), **options)
    colour = images.load(tmp_path / f"p{ending}").mean((1, 2))
    assert colour.tolist() == pytest.approx([0, 0, 1], abs=0.03)


def test_srgb_and_damaged_profiles_change_nothing(tmp_path, quarters):
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (plain, b"no profile at all", plain[:200]):
        quarters.save(tmp_path / "p.png", icc_profile=profile)
        assert corners(images.load(tmp_path / "p.png")) == [RED, GREEN, BLUE, GREY]
    Image.new("L", (2, 2), 77).save(tmp_path / "g.png", icc_profile=plain)  # an RGB profile on grey
    assert corners(images.load(tmp_path / "g.png"))[0] == (77, 77, 77)


def test_float_and_32_bit_tiff(tmp_path):
    Image.fromarray(np.array([[0.0, 0.25, 1.0]], np.float32)).save(tmp_path / "f.tif")
    assert images.load(tmp_path / "f.tif")[2].tolist() == [[0, 0.25, 1]]
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(images.PhotoError, match="plain numbers from 0 to 70000"):
        images.load(tmp_path / "i.tif")


def test_wrong_ending_does_not_matter(tmp_path, quarters):
    quarters.save(tmp_path / "really_png.jpg", "PNG")
    assert corners(images.load(tmp_path / "really_png.jpg")) == [RED, GREEN, BLUE, GREY]


# --------------------------------------------------------------------------------- refusals


def refused(path, match, **options):
    with pytest.raises(images.PhotoError, match=match) as caught:
        images.load(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert sentence.endswith(".")
    return sentence


def test_missing_empty_folder_and_text(tmp_path):
    refused(tmp_path / "none.jpg", "There is no file")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.jpg").touch()
    refused(tmp_path / "empty.jpg", r"is empty \(0 bytes\)")
    (tmp_path / "text.jpg").write_text("Dear diary", encoding="utf-8")
    refused(tmp_path / "text.jpg", "text.jpg is not a picture")
    with pytest.raises(TypeError, match="path must be a file name, not int"):
        images.load(7)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".gif", ".tif"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated(tmp_path, ending, part):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole{ending}")
    blob = (tmp_path / f"whole{ending}").read_bytes()
    (tmp_path / f"cut{ending}").write_bytes(blob[: int(len(blob) * part)])
    refused(tmp_path / f"cut{ending}", "damaged or incomplete|not a picture")


@pytest.mark.parametrize("length", [1, 4, 10, 20, 33, 40])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp"])
def test_only_the_first_bytes(tmp_path, quarters, ending, length):
    quarters.save(tmp_path / f"whole{ending}")
    blob = (tmp_path / f"whole{ending}").read_bytes()
    (tmp_path / f"cut{ending}").write_bytes(blob[:length])
    refused(tmp_path / f"cut{ending}", r"damaged|not a picture|announces")


def test_heic_is_named(tmp_path):
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    refused(tmp_path / "phone.heic", "HEIC .* Export it as JPEG or PNG")


def test_no_program_is_started_for_postscript(tmp_path):
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    refused(tmp_path / "a.eps", "not a picture")


def test_decompression_bomb_is_judged_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    (tmp_path / "bomb.png").write_bytes(png_bytes(20_000, 20_000, 8, 2, bytes(100)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sentence = refused(tmp_path / "bomb.png", "announces 20000 x 20000 px")
    assert "80,000,000 pixels" in sentence
    before = Image.MAX_IMAGE_PIXELS
    refused(tmp_path / "bomb.png", "max_pixels")
    assert before == Image.MAX_IMAGE_PIXELS  # other users of Pillow keep their limit


def test_max_pixels_can_be_chosen(tmp_path, quarters):
    quarters.save(tmp_path / "q.png")
    refused(tmp_path / "q.png", "announces 6 x 4 px", max_pixels=23)
    assert images.load(tmp_path / "q.png", max_pixels=24).shape == (3, 4, 6)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not an ordinary file")


@pytest.mark.parametrize(
    ("photo", "match"),
    [
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        (torch.full((3, 4, 4), float("inf")), "NaN or infinite"),
        (torch.rand(4, 4, 3), "Its channels are last"),
        (torch.rand(4, 4), r"It is grey: write photo\[None\]"),
        (torch.rand(2, 4, 4), r"expected \(3, H, W\)"),
        (torch.rand(4, 8, 8), "alpha"),
        (torch.rand(1, 1, 3, 4, 4), r"shape \(1, 1, 3, 4, 4\)"),
        (torch.rand(3, 0, 4), r"shape \(3, 0, 4\)"),
        (torch.rand(0, 3, 4, 4), "shape"),
        (torch.rand(3, 4, 4).double(), r"dtype torch.float64.*photo.float\(\)\.$"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"Write photo.float\(\) / 255"),
        (torch.rand(3, 4, 4) * 200 + 10, "Divide by 255"),
        (torch.rand(3, 4, 4) * 9 - 5, "Scale it first"),
    ],
)
def test_wrong_tensors_are_refused_with_what_to_do(photo, match):
    with pytest.raises(images.PhotoError, match=match):
        images.as_batch(photo)


@pytest.mark.parametrize(
    ("value", "type_name", "advice"),
    [
        (np.zeros((4, 4, 3)), "ndarray", "Use me.images.from_numpy."),
        ("cat.png", "str", "It is a file name: use me.images.load."),
        (Path("cat.png"), type(Path()).__name__, "It is a file name: use me.images.load."),
        (Image.new("RGB", (2, 2)), "Image", "Use me.images.from_pillow."),
        ([1, 2], "list", "torch.tensor(answer)"),
        ((0.5, 0.5), "tuple", "me.images.from_numpy(np.array(answer))"),
        ([], "list", "torch.tensor(answer)"),
        ([torch.zeros(3, 2, 2)] * 2, "list", "Take one, answer[0], or put them together"),
        (None, "NoneType", "me.images.load reads one from a file."),
        (..., "ellipsis", "me.images.load reads one from a file."),
        (0.5, "float", "me.images.load reads one from a file."),
        ({"photo": torch.zeros(3, 2, 2)}, "dict", "me.images.load reads one from a file."),
    ],
    ids=lambda value: str(value)[:16],
)
def test_wrong_types_are_refused_with_what_to_do(value, type_name, advice):
    with pytest.raises(images.PhotoError) as caught:
        images.as_batch(value, "answer")
    message = str(caught.value)
    assert message.startswith(f"answer is a {type_name}; expected a torch tensor (3, H, W).")
    assert advice in message


def test_as_batch_returns_views_and_names_the_photo():
    photo = torch.rand(3, 8, 9)
    assert images.as_batch(photo).data_ptr() == photo.data_ptr()
    batch = torch.rand(2, 3, 8, 9)
    assert images.as_batch(batch).shape == batch.shape
    assert images.as_batch(torch.rand(1, 8, 9)).shape == (1, 3, 8, 9)  # grey
    images.as_batch(torch.rand(3, 8, 9) * 1.4 - 0.2)  # a network's overshoot passes
    with pytest.raises(images.PhotoError, match=r"^answer is 9 x 8 px; at least 32 x 32 px"):
        images.as_batch(photo, name="answer", min_px=32)


# ------------------------------------------------------------------------------------ arrays


def test_numpy_round_trip():
    photo = torch.rand(3, 4, 5)
    assert torch.equal(images.from_numpy(images.to_numpy(photo)), photo)
    batch = torch.rand(2, 3, 4, 5)
    assert images.to_numpy(batch).shape == (2, 4, 5, 3)
    assert torch.equal(images.from_numpy(images.to_numpy(batch)), batch)
    images.to_numpy(photo)[:] = 7
    assert float(photo.max()) <= 1


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (np.full((2, 3), 51, np.uint8), 0.2),
        (np.full((2, 3, 1), 51, np.uint8), 0.2),
        (np.full((2, 3, 3), 13107, np.uint16), 0.2),
        (np.full((2, 3, 3), 0.2, np.float64), 0.2),
        (np.full((2, 3, 3), 0.2, np.float16), 0.2),
        (np.full((2, 3), True), 1.0),
        (np.full((2, 3, 4), 51, np.uint8), 0.84),  # a fifth of grey 0.2, four fifths of white
        (np.full((2, 3, 3), 51, np.uint8)[::-1, ::-1], 0.2),
    ],
)
def test_numpy_kinds(array, value):
    photo = images.from_numpy(array)
    assert photo.shape == (3, 2, 3)
    assert photo.dtype == torch.float32
    np.testing.assert_allclose(photo.numpy(), value, atol=1e-3)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((3, 8, 9)), "channels first"),
        (np.zeros((8, 9, 2)), "channels last"),
        (np.zeros((0, 9, 3)), "shape"),
        (np.full((8, 9, 3), 200.0), "divide by 255"),
        (np.full((8, 9, 3), np.nan), "NaN"),
        (np.zeros((8, 9, 3), np.int64), "dtype int64"),
        ([[0.5]], "not list"),
    ],
)
def test_numpy_refusals(array, match):
    with pytest.raises(images.PhotoError, match=match):
        images.from_numpy(array)


def test_pillow_round_trip(quarters):
    photo = images.from_pillow(quarters)
    assert corners(photo) == [RED, GREEN, BLUE, GREY]
    assert images.to_pillow(photo).tobytes() == quarters.tobytes()
    assert images.to_pillow(photo[None]).tobytes() == quarters.tobytes()
    with pytest.raises(images.PhotoError, match=r"batch of 2.*photo\[0\]"):
        images.to_pillow(torch.rand(2, 3, 4, 4))
    with pytest.raises(images.PhotoError, match=r"images.from_numpy"):
        images.from_pillow(np.zeros((2, 2, 3)))


def test_png_bytes(quarters):
    blob = to_png_bytes(images.from_pillow(quarters))
    assert Image.open(io.BytesIO(blob)).convert("RGB").tobytes() == quarters.tobytes()


# ----------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("ending", [".png", ".PNG", ".tif", ".webp", ".jpg"])
def test_save_and_load(tmp_path, ending):
    photo = (torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(3)) * 255).round() / 255
    photo = photo.expand(3, 16, 20)
    file = images.save(photo, tmp_path / f"a{ending}")
    assert file == tmp_path / f"a{ending}"
    np.testing.assert_allclose(images.load(file).numpy(), photo.numpy(), atol=0.012)
    assert [f.name for f in tmp_path.iterdir()] == [file.name]  # nothing temporary is left


def test_save_clamps_and_rounds(tmp_path):
    photo = torch.tensor([-0.2, 0.4999 / 255, 1.3]).view(3, 1, 1).expand(3, 2, 2)
    images.save(photo, tmp_path / "a.png")
    assert corners(images.load(tmp_path / "a.png"))[0] == (0, 0, 255)


def test_save_never_overwrites_unasked(tmp_path):
    file = images.save(torch.zeros(3, 2, 2), tmp_path / "a.png")
    before = file.read_bytes()
    with pytest.raises(images.PhotoError, match="exists already and is left as it is"):
        images.save(torch.ones(3, 2, 2), file)
    assert file.read_bytes() == before
    images.save(torch.ones(3, 2, 2), file, overwrite=True)
    assert corners(images.load(file))[0] == (255, 255, 255)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    real = Image.Image.save

    def slow_save(self, stream, *args, **options):
        real(self, stream, *args, **options)
        (tmp_path / "a.png").write_text("somebody else's", encoding="utf-8")

    monkeypatch.setattr(Image.Image, "save", slow_save)
    with pytest.raises(images.PhotoError, match="exists already"):
        images.save(torch.zeros(3, 2, 2), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text(encoding="utf-8") == "somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


def test_disk_without_hard_links(tmp_path, monkeypatch):
    def no_links(*args):
        raise PermissionError("not supported here")

    monkeypatch.setattr(os, "link", no_links)
    images.save(torch.zeros(3, 2, 2), tmp_path / "a.png")
    with pytest.raises(images.PhotoError, match="exists already"):
        images.save(torch.ones(3, 2, 2), tmp_path / "a.png")
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]


def test_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def broken_save(self, stream, *args, **options):
        stream.write(b"half a picture")
        raise OSError(28, "No space left on device")

    images.save(torch.zeros(3, 2, 2), tmp_path / "old.png")
    before = (tmp_path / "old.png").read_bytes()
    monkeypatch.setattr(Image.Image, "save", broken_save)
    with pytest.raises(images.PhotoError, match="could not be written: No space left on device"):
        images.save(torch.zeros(3, 2, 2), tmp_path / "new.png")
    with pytest.raises(images.PhotoError, match="could not be written"):
        images.save(torch.zeros(3, 2, 2), tmp_path / "old.png", overwrite=True)
    assert [f.name for f in tmp_path.iterdir()] == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == before


def test_save_refusals(tmp_path):
    photo = torch.zeros(3, 2, 2)
    for name, match in (
        ("a.xyz", "cannot tell the picture format"),
        ("a", "cannot tell the picture format"),
        ("none/a.png", "folder .* does not exist"),
    ):
        with pytest.raises(images.PhotoError, match=match):
            images.save(photo, tmp_path / name)
        with pytest.raises(images.PhotoError, match=match):
            check_target(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(images.PhotoError, match="is a folder"):
        images.save(photo, tmp_path / "folder.png")
    with pytest.raises(images.PhotoError, match="NaN"):
        images.save(torch.full((3, 2, 2), float("nan")), tmp_path / "nan.png")
    assert [f.name for f in tmp_path.iterdir()] == ["folder.png"]


# ------------------------------------------------------------------------------ photo to photo


def test_crop():
    photo = torch.arange(3 * 5 * 7).view(3, 5, 7).float()
    part = images.crop(photo, (2, 1, 4, 3))
    assert torch.equal(part, photo[:, 1:4, 2:6])
    part += 1
    assert float(photo[0, 1, 2]) == 9  # a copy: the photo is as it was
    assert images.crop(photo[None], (0, 0, 7, 5)).shape == (1, 3, 5, 7)
    for box in ((-1, 0, 2, 2), (0, 0, 8, 2), (0, 4, 2, 2), (0, 0, 0, 2)):
        with pytest.raises(images.PhotoError, match="does not lie inside the photo of 7 x 5 px"):
            images.crop(photo, box)
    for box in ((0, 0, 2), (0, 0, 1.5, 2)):
        with pytest.raises(images.PhotoError, match="four whole numbers"):
            images.crop(photo, box)


def test_srgb_curve_values():
    """From the standard's formula, evaluated apart from this code."""
    stored = torch.tensor([0.0, 10 / 255, 11 / 255, 0.5, 188 / 255, 1.0], dtype=torch.float64)
    light = [0.0, 0.0030352698, 0.0033465358, 0.2140411405, 0.5028864580, 1.0]
    np.testing.assert_allclose(images.to_linear(stored).numpy(), light, atol=1e-9)
    np.testing.assert_allclose(images.to_srgb(torch.tensor(light)).numpy(), stored, atol=1e-6)


def test_srgb_curve_is_its_own_inverse_and_has_gradients():
    v = torch.linspace(0, 1, 256)
    torch.testing.assert_close(images.to_srgb(images.to_linear(v)), v, rtol=0, atol=2e-6)
    x = torch.tensor([-0.1, 0.0, 0.02, 0.7, 1.2], requires_grad=True)
    (images.to_linear(x).sum() + images.to_srgb(x).sum()).backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(images.to_srgb(x)).all()


def test_luma():
    photo = torch.zeros(3, 2, 2)
    photo[1] = 1
    assert float(images.luma(photo)[0, 0, 0]) == pytest.approx(0.7152)
    assert images.luma(photo.expand(5, 3, 2, 2)).shape == (5, 1, 2, 2)
    with pytest.raises(images.PhotoError, match="shape"):
        images.luma(torch.rand(2, 2))


def test_power_spectrum_is_a_periodogram():
    x = torch.randn(48, 33, generator=torch.Generator().manual_seed(1)).double()
    power = power_spectrum(x)
    window = np.outer(signal.windows.hann(48, sym=False), signal.windows.hann(33, sym=False))
    theirs = np.abs(np.fft.fft2(x.numpy() * window)) ** 2 / x.numel()
    np.testing.assert_allclose(power.numpy(), theirs, atol=1e-5)
    torch.testing.assert_close(power_spectrum(x, onesided=True), power[:, :17])


@pytest.mark.parametrize(("name", "width"), [("a.webp", 16_384), ("a.jpg", 65_501)])
def test_what_a_format_cannot_hold_is_said_beforehand(tmp_path, name, width):
    with pytest.raises(images.PhotoError, match=r"at most .* Use \.png"):
        check_target(tmp_path / name, size=(8, width))
    with pytest.raises(images.PhotoError, match="at most"):
        images.save(torch.zeros(3, 1, width), tmp_path / name)
    assert not list(tmp_path.iterdir())
    check_target(tmp_path / name, size=(8, width - 1))
    check_target(tmp_path / "a.png", size=(8, width))
