"""decoding: what a picture file means is what is read; where that cannot be, a true sentence."""

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mssnet_edu import images
from mssnet_edu.images import decoding

CASES = Path(__file__).with_name("cases")
LINEAR = Image.open(CASES / "linear_srgb_profile.png").info["icc_profile"]
LINEAR_GREY = Image.open(CASES / "grey_alpha_linear_profile.png").info["icc_profile"]
DISPLAY_P3 = Image.open(CASES / "any_profile_with_old_pillow.jpg").info["icc_profile"]
RAW, HEIC, HDR = "is a camera RAW file", "is a HEIC picture", "This is an HDR picture"


def colour(photo, y=0, x=0):
    """The colour of one pixel, 0 to 255, as it would be saved."""
    return [round(v) for v in (photo[:, y, x] * 255).tolist()]


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, colour_type, *chunks):
    """A PNG of (H, W, C) uint8 or uint16, with chunks before the pixels."""
    height, width = pixels.shape[:2]
    deep = pixels.dtype == np.uint16
    head = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2" if deep else "u1").tobytes() for row in pixels)
    body = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def iccp(profile):
    return chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))


def tiff(pixels, **options):
    """A TIFF of (H, W), (H, W, C) or, with planarconfig="separate", (C, H, W) numbers."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, metadata=None, **options)
    return stream.getvalue()


def flat(*values, dtype=np.uint8):
    """(8, 6, C) pixels of one colour; (8, 6) of one grey."""
    return np.full((8, 6, len(values)), values, dtype).squeeze()


# ----------------------------------------------------------------------- the collected cases


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("tiff_grey8_raw_orientation6.tif", [200] * 3),
        ("tiff_rgba_raw_orientation6.tif", [200, 60, 60]),
        ("tiff_rgb16_planar.tif", [156, 39, 233]),
        ("tiff_grey16_white_is_zero.tif", [216] * 3),
        ("tiff_rgb_float.tif", [128] * 3),
        ("linear_srgb_profile.png", [133] * 3),
        ("grey16_linear_profile.tif", [133] * 3),
        ("grey_alpha_linear_profile.png", [133] * 3),
        ("camera_adobergb_exif_only.jpg", [231, 57, 57]),
        ("jp2_display_p3.jp2", [217, 42, 52]),
        ("png_grey16_trns.png", [255] * 3),
        ("png_bad_crc_in_text.png", [200, 60, 60]),
        ("raw_thumbnail.dng", RAW),
        ("heic_brand_heim.heic", HEIC),
        ("any_profile_with_old_pillow.jpg", [217, 42, 51]),
        ("flat_sky.png", [115, 166, 242]),
    ],
)
def test_the_collected_cases(name, right):
    if isinstance(right, str):
        with pytest.raises(images.PhotoError, match=f"{name} {right}"):
            images.load(CASES / name)
        return
    photo = images.load(CASES / name)
    assert colour(photo) == pytest.approx(right, abs=1)
    if name == "png_grey16_trns.png":
        assert colour(photo, -1) == [156] * 3
    if "orientation6" in name:  # 24 x 16, left half bright -> upper half bright
        assert photo.shape == (3, 24, 16)
        assert max(colour(photo, -1, 0)) == max(colour(photo, -1, -1)) == 0
        assert colour(photo, 0, -1) == right


# ------------------------------------------------------------- orientations, modes, compressions

TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}
# 6 x 4 px, no two quarters alike
QUARTERS = np.kron([[255, 40], [80, 160]], np.ones((2, 3))).astype(np.uint8)


def in_mode(mode):
    """QUARTERS as a Pillow picture, and the grey levels that it stands for."""
    grey = Image.fromarray(QUARTERS)
    if mode == "I;16":
        return Image.fromarray(QUARTERS.astype(np.uint16) * 257), QUARTERS
    if mode == "1":
        return grey.point(lambda v: 255 * (v > 100), "1"), 255 * (QUARTERS > 100)
    return grey.convert("RGB").convert(mode) if mode != "P" else grey.convert("P"), QUARTERS


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA", "CMYK"])
def test_tiff_of_every_orientation(mode, compression):
    image, grey = in_mode(mode)
    for orientation, turn in TURNS.items():
        blob = encoded(image, "TIFF", compression=compression, tiffinfo={274: orientation})
        photo = images.decode(blob)
        expected = torch.from_numpy(turn(grey).copy()).float().expand(3, -1, -1)
        torch.testing.assert_close(photo * 255, expected, atol=0.5, rtol=0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_in_exif(kind):
    image = Image.fromarray(np.kron(QUARTERS, np.ones((8, 8), np.uint8))).convert("RGB")
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        blob = encoded(image, kind, exif=exif, quality=95, lossless=True)
        expected = torch.from_numpy(turn(np.asarray(image)[..., 0]).copy()).float()
        assert (images.decode(blob)[1] * 255 - expected).abs().max() < 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("order", "bigtiff"), [("<", False), (">", False), ("<", True)])
def test_tiff_samples(dtype, planar, order, bigtiff):
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    for levels, options in (
        ([0.6], {}),
        ([0.6], {"photometric": "miniswhite"}),
        ([0.6, 0.2, 0.9], {"photometric": "rgb"}),
        ([0.6, 0.2, 0.9, 0.0], {"photometric": "rgb", "extrasamples": ["unspecified"]}),
        ([0.6, 0.2, 0.9, 0.5], {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ([0.3, 0.1, 0.45, 0.5], {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        ([0.6, 0.5], {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    ):
        pixels = flat(*(round(v * white) if white > 1 else v for v in levels), dtype=dtype)
        if pixels.ndim == 3:
            options = options | {"planarconfig": planar}
            pixels = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
        found = images.decode(tiff(pixels, byteorder=order, bigtiff=bigtiff, **options))[:, 0, 0]
        right = [0.6, 0.2, 0.9] if len(levels) > 2 else [0.6] * 3
        if options.get("photometric") == "miniswhite":
            right = [0.4] * 3
        if options.get("extrasamples") in (["unassalpha"], ["assocalpha"]):
            right = [v / 2 + 0.5 for v in right]  # half of it is the white below
        assert found.tolist() == pytest.approx(right, abs=0.01), options


def twelve_bits(values, **options):
    """A TIFF of 12-bit grey, two pixels packed into three bytes."""
    pairs = np.asarray(values, np.uint32).reshape(len(values), -1, 2)
    packed = (pairs[..., 0] << 12 | pairs[..., 1]).astype(">u4").view(np.uint8)
    packed = packed.reshape(*pairs.shape[:2], 4)[..., 1:].reshape(len(values), -1)
    stream = io.BytesIO(tiff(packed, **options))
    with tifffile.TiffFile(stream) as file:
        file.pages[0].tags[256].overwrite(pairs.shape[1] * 2)
        file.pages[0].tags[258].overwrite(12)
    return stream.getvalue()


def test_twelve_bits():
    steps = np.array([[0, 1000, 2000, 4095], [4095, 0, 0, 300]])
    for orientation, turn in TURNS.items():
        blob = twelve_bits(steps, extratags=[(274, 3, 1, orientation, True)])
        np.testing.assert_allclose(images.decode(blob)[0], turn(steps / 4095), atol=1e-4)


@pytest.mark.skipif(Image.__version__ < "12", reason="older Pillow lacks one of these kinds")
def test_rare_kinds_of_tiff_are_read_by_pillow():
    red = encoded(Image.new("LAB", (8, 6), (136, 208, 195)), "TIFF")  # L 53, a 80, b 67
    assert colour(images.decode(red)) == pytest.approx([255, 0, 0], abs=12)  # Pillow's conversion
    packed = encoded(COLOURS["RGB"], "TIFF", compression="lzma")
    assert colour(images.decode(packed)) == [200, 60, 60]


def test_rarer_kinds_of_tiff_get_a_true_sentence():
    for blob in (
        twelve_bits(np.zeros((2, 4)), photometric="miniswhite"),
        tiff(flat(0.2, dtype=np.float64)),
    ):
        with pytest.raises(images.PhotoError, match=r"or a rare kind of TIFF .* export it anew"):
            images.decode(blob)
    for level in (np.nan, 2.0, -1.0):
        with pytest.raises(images.PhotoError, match=r"plain numbers from .* no agreed white"):
            images.decode(tiff(flat(level, dtype=np.float32)))


def test_portable_maps_of_16_bits_and_floats():
    deep = np.array([40000, 10000, 60000], ">u2").tobytes()
    assert colour(images.decode(b"P6 1 1 65535 " + deep)) == [156, 39, 233]
    assert colour(images.decode(b"P5 3 1 65535 " + deep)) == [156] * 3
    floats = b"Pf\n2 1\n-1.0\n" + np.array([0.2, 1], "<f4").tobytes()
    assert colour(images.decode(floats)) == [51] * 3


# -------------------------------------------------------------------------- whose page is the photo


def test_the_full_page_is_the_photo_and_not_its_thumbnail():
    full, small = flat(200, 60, 60), flat(9, 9, 9)[:2, :2]
    for first, second in ((small, full), (full, small)):
        stream = io.BytesIO()
        with tifffile.TiffWriter(stream) as file:
            for pixels in (first, second):
                kind = 1 if pixels is small else 0
                file.write(pixels, photometric="rgb", subfiletype=kind, metadata=None)
        assert images.decode(stream.getvalue()).shape == (3, 8, 6)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(small, photometric="rgb", subfiletype=1, subifds=2, metadata=None)
        file.write(small, photometric="rgb", subfiletype=1, metadata=None)
        file.write(full, photometric="rgb", metadata=None)
    assert colour(images.decode(stream.getvalue())) == [200, 60, 60]
    old_style = tiff(small, photometric="rgb", extratags=[(255, 3, 1, 2, True)])
    assert images.decode(old_style).shape == (3, 2, 2)
    only_small = tiff(small, photometric="rgb", subfiletype=1)
    assert images.decode(only_small).shape == (3, 2, 2)


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_a_camera_raw_is_named(photometric):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(flat(9, 9, 9), photometric="rgb", subfiletype=1, subifds=1, metadata=None)
        sensor = flat(9, 9, 9) if photometric == 34892 else flat(9, dtype=np.uint16)
        file.write(sensor, photometric=photometric, metadata=None)
    with pytest.raises(images.PhotoError, match=RAW):
        images.decode(stream.getvalue())
    for blob in (b"II*\0\x10\0\0\0CR\2\0", b"IIRO\x08\0", b"IIU\0\x08", b"FUJIFILMCCD-RAW 0201"):
        with pytest.raises(images.PhotoError, match=RAW):
            images.decode(blob + bytes(200))
    with pytest.raises(images.PhotoError, match=RAW):
        images.decode(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(200))


# ------------------------------------------------------------------------------------- colours

GREYS = {
    "L": Image.new("L", (6, 8), 60),
    "LA": Image.new("LA", (6, 8), (60, 255)),
    "I;16": Image.fromarray(flat(60 * 257, dtype=np.uint16)),
}
COLOURS = {
    "RGB": Image.new("RGB", (6, 8), (200, 60, 60)),
    "RGBA": Image.new("RGBA", (6, 8), (200, 60, 60, 255)),
    "P": Image.new("RGB", (6, 8), (200, 60, 60)).quantize(2),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "JPEG2000", "PNG in Pillow"])
def test_profiles_and_modes(kind):
    unknown = {"JPEG": {"LA", "I;16", "RGBA", "P"}, "WEBP": {"L", "LA", "I;16", "P"}}
    unknown["JPEG2000"] = {"P"}
    for mode, image in (GREYS | COLOURS).items():
        if mode in unknown.get(kind, ()):
            continue
        profiles = [(LINEAR_GREY, [133] * 3), (LINEAR, [133] * 3)]
        if kind == "PNG":  # forbidden there, and dropped by libpng
            profiles = profiles[:1]
        if mode in COLOURS:
            profiles = [(DISPLAY_P3, [217, 42, 52])]
        for profile, right in profiles:
            if kind == "JPEG2000":
                blob = with_colour_box(encoded(image, kind), profile)
            else:
                options = {"icc_profile": profile, "lossless": True, "quality": 100}
                blob = encoded(image, kind.split()[0], **options)
            if kind == "PNG in Pillow":
                found = images.from_pillow(Image.open(io.BytesIO(blob)))
            else:
                found = images.decode(blob)
            assert colour(found) == pytest.approx(right, abs=2), (mode, len(profile))


def with_colour_box(jp2, profile):
    """A JPEG 2000 file whose enumerated colour space is replaced by a profile."""
    at = jp2.index(b"colr") - 4
    box = struct.pack(">I", 11 + len(profile)) + b"colr\2\0\0" + profile
    head = jp2.index(b"jp2h") - 4
    length = struct.unpack(">I", jp2[head : head + 4])[0] + len(box) - 15
    return jp2[:head] + struct.pack(">I", length) + jp2[head + 4 : at] + box + jp2[at + 15 :]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_with_alpha_or_one_transparent_colour(dtype):
    deep = 257 if dtype == np.uint16 else 1
    grey, rgb = (
        flat(60 * deep, dtype=dtype)[..., None],
        flat(*(v * deep for v in (200, 60, 60)), dtype=dtype),
    )
    grey[0], rgb[0] = 7 * deep, 7 * deep
    hole = struct.pack(">H", 7 * deep)
    for pixels, kind, profile, right in (
        (grey, 0, LINEAR_GREY, [133] * 3),
        (rgb, 2, DISPLAY_P3, [217, 42, 52]),
    ):
        photo = images.decode(
            png(pixels, kind, iccp(profile), chunk(b"tRNS", hole * pixels.shape[2]))
        )
        assert colour(photo, 0) == [255] * 3
        assert colour(photo, 1) == pytest.approx(right, abs=1)
        alpha = np.full_like(pixels[..., :1], 255 * deep)
        alpha[0] = 0
        photo = images.decode(png(np.concatenate([pixels, alpha], -1), kind + 4, iccp(profile)))
        assert colour(photo, 0) == [255] * 3
        assert colour(photo, 1) == pytest.approx(right, abs=1)


def test_png_with_two_bits_and_a_transparent_grey():
    head = struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"tRNS", b"\0\1") + chunk(b"IDAT", zlib.compress(b"\0\x1b"))
    photo = images.decode(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    assert (photo[0, 0] * 255).round().tolist() == [0, 255, 170, 255]  # 0, hole, 2/3, 1


GAMA_LINEAR = chunk(b"gAMA", struct.pack(">I", 100_000))
GAMA_SRGB = chunk(b"gAMA", struct.pack(">I", 45_455))
CHRM_ADOBE = chunk(
    b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
)


@pytest.mark.parametrize(
    ("chunks", "right"),
    [
        ([GAMA_LINEAR], [229, 133, 133]),
        ([GAMA_SRGB], [200, 60, 60]),
        ([GAMA_LINEAR, chunk(b"sRGB", b"\0")], [200, 60, 60]),
        ([GAMA_LINEAR, iccp(DISPLAY_P3)], [217, 42, 52]),
        ([GAMA_SRGB, CHRM_ADOBE], [231, 57, 57]),
        ([chunk(b"cICP", bytes([12, 13, 0, 1]))], [217, 42, 52]),
        ([chunk(b"cICP", bytes([1, 13, 0, 1])), GAMA_LINEAR], [200, 60, 60]),
        ([chunk(b"cICP", bytes([1, 8, 0, 1]))], [229, 133, 133]),
        ([chunk(b"cICP", bytes([12, 13, 0, 1])), iccp(LINEAR)], [217, 42, 52]),
        ([chunk(b"cICP", bytes([9, 16, 0, 1]))], HDR),
        ([chunk(b"cICP", bytes([9, 18, 0, 1]))], HDR),
        ([chunk(b"gAMA", bytes(4))], [200, 60, 60]),
        ([chunk(b"gAMA", b"")], [200, 60, 60]),
        ([chunk(b"cHRM", bytes(32))], [200, 60, 60]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
def test_png_colour_chunks(chunks, right, dtype, alpha):
    deep = 257 if dtype == np.uint16 else 1
    values = [200, 60, 60] + [255] * alpha
    blob = png(flat(*(v * deep for v in values), dtype=dtype), 6 if alpha else 2, *chunks)
    if right == HDR:
        with pytest.raises(images.PhotoError, match=HDR):
            images.decode(blob)
    else:
        assert colour(images.decode(blob)) == pytest.approx(right, abs=1)


def test_a_grey_png_with_a_gamma():
    photo = images.decode(png(flat(60)[..., None], 0, GAMA_LINEAR))
    assert colour(photo) == [133] * 3


@pytest.fixture(scope="module")
def avif():
    pixels = pyvips.Image.new_from_array(np.full((32, 32, 3), (200, 60, 60), np.uint8))
    blob = pixels.heifsave_buffer(compression="av1", lossless=True)
    assert blob.count(b"colrnclx") == 1
    return blob


@pytest.mark.parametrize(
    ("primaries", "transfer", "right"),
    [
        (1, 13, [200, 60, 60]),
        (2, 2, [200, 60, 60]),
        (12, 13, [217, 42, 52]),
        (12, 1, [217, 42, 52]),
        (9, 16, HDR),
        (9, 18, HDR),
    ],
)
def test_avif_code_points(avif, primaries, transfer, right):
    at = avif.index(b"colrnclx") + 8
    blob = avif[:at] + struct.pack(">HH", primaries, transfer) + avif[at + 4 :]
    if right == HDR:
        with pytest.raises(images.PhotoError, match=HDR):
            images.decode(blob)
    else:
        assert colour(images.decode(blob)) == pytest.approx(right, abs=2)


def test_avif_of_ten_bits_reaches_white():
    white = pyvips.Image.new_from_array(np.full((16, 16, 3), 65535, np.uint16))
    try:
        blob = white.heifsave_buffer(compression="av1", bitdepth=10, lossless=True)
    except pyvips.Error:
        pytest.skip("this libvips writes no 10 bits")
    assert images.decode(blob).min() > 0.998


def test_a_profile_for_hdr_is_refused():
    profile = DISPLAY_P3 + b"cicp\0\0\0\0" + bytes([9, 16, 0, 1])
    profile = struct.pack(">I", len(profile)) + profile[4:]
    for kind in ("PNG", "TIFF"):
        with pytest.raises(images.PhotoError, match=HDR):
            images.decode(encoded(COLOURS["RGB"], kind, icc_profile=profile))


def test_srgb_by_profile_changes_no_bit():
    """65,536 colours: what sRGB's own profile converts stays as it is."""
    levels = np.arange(256, dtype=np.uint8)
    pixels = np.stack(
        [np.tile(levels, (256, 1)), np.tile(levels[:, None], 256), np.full((256, 256), 77)], -1
    )
    image = Image.fromarray(pixels.astype(np.uint8))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = images.decode(encoded(image, "PNG", icc_profile=profile))
    assert torch.equal(photo, images.from_pillow(image))


def test_cmyk_with_and_without_adobes_marker():
    image = Image.new("CMYK", (16, 16), (0, 200, 100, 40))
    for blob in (encoded(image, "TIFF"), encoded(image, "JPEG", quality=100)):
        assert colour(images.decode(blob)) == pytest.approx([215, 46, 131], abs=3)
        # what a Pillow picture of it gives is the same
        opened = images.from_pillow(Image.open(io.BytesIO(blob)))
        assert colour(opened) == pytest.approx([215, 46, 131], abs=3)


# ------------------------------------------------------------------------ damage, and what is none


def noise(size=64):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_without_its_end_marker(progressive):
    whole = encoded(noise(), "JPEG", quality=90, progressive=progressive)
    assert torch.equal(images.decode(whole[:-2]), images.decode(whole))
    for lost in (10, 100, len(whole) // 2):
        with pytest.raises(images.PhotoError, match="damaged or incomplete"):
            images.decode(whole[:-lost])
    # phones append films to their photos
    assert torch.equal(
        images.decode(whole + b"\0\0\0\x18ftypmp42" + bytes(999)), images.decode(whole)
    )


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"pHYs", b"teSt"])
def test_png_with_a_damaged_or_huge_chunk_beside_its_pixels(name):
    body = b"key\0\0" + zlib.compress(bytes(1000)) + b"garbage" * 5
    wrong = struct.pack(">I", len(body)) + name + body + b"\0\0\0\0"
    huge = chunk(name, b"key\0\0" + bytes(12_000_000))
    bomb = chunk(name, b"key\0\0" + zlib.compress(bytes(120_000_000)))
    for extra in (wrong, chunk(name, body), chunk(name, b""), huge, bomb):
        assert colour(images.decode(png(flat(200, 60, 60), 2, extra))) == [200, 60, 60]


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("key", [b"Gr\xf6\xdfe", b"\xff\xfe", b"a" * 79])
def test_png_with_texts_that_are_not_utf8(name, key):
    """The standard's own letters for a text's name are those of Latin-1."""
    wrong_sum = chunk(name, key + b"\0\xe9")[:-1] + b"x"
    for extra in (chunk(name, key + b"\0\0\0\0\xe9"), wrong_sum):
        assert colour(images.decode(png(flat(200, 60, 60), 2, extra))) == [200, 60, 60]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_what_libvips_says_of_a_file_need_not_be_utf8():
    pyvips_module = decoding._vips()
    assert (
        pyvips_module.error._to_string(pyvips_module.ffi.new("char[]", b"t\xe9xt")) == "t\ufffdxt"
    )
    # a critical chunk with a strange name is quoted both in the log and in the error
    with pytest.raises(images.PhotoError, match="damaged or incomplete"):
        images.decode(png(flat(200, 60, 60), 2, chunk(b"T\xc9\xc9T", b"x")))


def test_damaged_exif_and_profiles_in_jpeg_and_webp():
    for kind in ("JPEG", "WEBP"):
        for junk in (
            b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage",
            b"Exif\0\0",
            b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        ):
            blob = encoded(COLOURS["RGB"], kind, exif=junk, quality=100, lossless=True)
            assert colour(images.decode(blob)) == pytest.approx([200, 60, 60], abs=2)
        for junk in (b"junk", DISPLAY_P3[:150], DISPLAY_P3[:20] + bytes(900)):
            blob = encoded(COLOURS["RGB"], kind, icc_profile=junk, quality=100, lossless=True)
            assert colour(images.decode(blob)) == pytest.approx([200, 60, 60], abs=2)


@pytest.mark.parametrize(
    "brand",
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"],
)
def test_every_heic_brand_gets_the_same_sentence(brand):
    blob = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(images.PhotoError, match=r"p\.heic is a HEIC picture.*JPEG or PNG"):
        images.decode(blob, "p.heic")


def test_a_damaged_avif_is_not_called_heic(avif):
    for damaged in (avif[: len(avif) // 2], avif[:40]):
        with pytest.raises(
            images.PhotoError, match="damaged or incomplete, or a rare kind of AVIF"
        ):
            images.decode(damaged)


@pytest.mark.parametrize(
    "blob",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%PDF-1.4\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"push graphic-context\n",
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",  # a film
        b"BMW drivers and their photos",
        b"P1 is the first of our parking decks",
        b"",
    ],
)
def test_what_is_no_photo_reaches_no_decoder(blob, monkeypatch):
    monkeypatch.setattr(pyvips.Operation, "call", lambda *args, **options: pytest.fail("called"))
    monkeypatch.setattr(Image, "open", lambda *args, **options: pytest.fail("called"))
    with pytest.raises(images.PhotoError, match="is not a picture that can be read"):
        images.decode(blob + bytes(100) * bool(blob))


def test_a_name_that_is_not_ascii(tmp_path):
    file = tmp_path / os.fsdecode("Großmutter é 写真.png".encode())  # in the locale C, too
    with pytest.raises(images.PhotoError, match="There is no file"):
        images.load(file)
    file.write_bytes((CASES / "flat_sky.png").read_bytes())
    assert colour(images.load(file)) == [115, 166, 242]
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(images.PhotoError, match="is damaged or incomplete"):
        images.load(file)


def test_libvips_is_loaded_with_the_first_photo():
    code = "import sys; from mssnet_edu import images; sys.exit('pyvips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_forked_process_says_so_instead_of_waiting():
    code = """
import multiprocessing, sys
from mssnet_edu import images
from mssnet_edu.images import decoding
def read():
    try:
        images.load(sys.argv[1])
    except images.PhotoError as error:
        print(error)
read()
process = multiprocessing.get_context("fork").Process(target=read)
process.start()
process.join(30)
sys.exit(process.is_alive())
"""
    command = [sys.executable, "-c", code, str(CASES / "flat_sky.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "A forked process cannot read photos" in done.stdout
    assert "spawn" in done.stdout


def test_a_photo_is_held_once_and_a_half(tmp_path):
    noise(500).resize((4000, 3000)).save(tmp_path / "big.jpg", quality=90)
    code = """
import resource, sys
from mssnet_edu import images
from mssnet_edu.images import decoding
images.load(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
photo = images.load(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, photo.numel() * 4 // 1024)
"""
    command = [sys.executable, "-c", code, tmp_path / "big.jpg", CASES / "flat_sky.png"]
    more, tensor = map(int, subprocess.run(command, capture_output=True, text=True).stdout.split())
    assert more < 1.5 * tensor


# --------------------------------------------------------------------------- ten thousand accidents


def whole_files():
    """One small file of every format, and the collected cases."""
    files = [path.read_bytes() for path in sorted(CASES.glob("*.*")) if path.suffix != ".md"]
    image = noise(24)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000"):
        files.append(encoded(image, kind))
    for options in ({"compression": "tiff_lzw"}, {"compression": "jpeg"}):
        files.append(encoded(image, "TIFF", tiffinfo={274: 6}, **options))
    files.append(encoded(image, "GIF", save_all=True, append_images=[noise(24)]))
    files.append(encoded(image.convert("CMYK"), "JPEG", icc_profile=DISPLAY_P3))
    files.append(encoded(image.convert("P"), "PNG", icc_profile=DISPLAY_P3, transparency=3))
    files.append(twelve_bits(np.zeros((4, 4))))
    vips = pyvips.Image.new_from_array(np.asarray(image))
    return [*files, vips.heifsave_buffer(compression="av1")]


FILES = whole_files()
HOW_MANY = int(os.environ.get("MSSNET_EDU_MUTATIONS", "300"))


@settings(max_examples=HOW_MANY, derandomize=True, deadline=None, database=None)
@given(
    st.sampled_from(range(len(FILES))),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.one_of(st.just(1.0), st.floats(0, 1)),
    st.binary(max_size=6),
)
def test_a_mutated_file_gives_a_photo_or_a_sentence(which, bytes_at, kept, inserted):
    blob = bytearray(FILES[which])
    for where, value in bytes_at:
        # most of what goes wrong, goes wrong in the header
        blob[int(where**3 * (len(blob) - 1))] = value
    at = int(kept * len(blob))
    blob = bytes(blob[:at]) + inserted + (bytes(blob[at:]) if inserted else b"")
    try:
        photo = images.decode(blob, "it", max_pixels=1_000_000)
    except images.PhotoError as error:
        sentence = str(error)
    else:
        assert photo.dtype == torch.float32
        assert photo.shape[0] == 3
        assert 0 <= photo.min() <= photo.max() <= 1
        return
    assert "\n" not in sentence
    assert sentence.endswith(".")
    if blob.startswith(b"\x89PNG\r\n\x1a\n"):  # nobody is told to make a PNG of a PNG
        assert not re.search("(Export|Give|Use).*PNG", sentence)
