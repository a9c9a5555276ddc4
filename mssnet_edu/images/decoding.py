"""Encoded pictures to photos: libvips decodes and converts colours; Pillow does what it lacks."""

import contextlib
import functools
import io
import logging
import os
import re
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mssnet_edu.images import colour
from mssnet_edu.images.arrays import PhotoError, from_numpy
from mssnet_edu.images.colour import ColourSpace

__all__ = [
    "MAX_PIXELS",
    "decode",
    "format_of",
    "from_pillow",
    "load_with_pillow",
    "open_with_pillow",
]

MAX_PIXELS = 80_000_000

# What a file begins with, whatever its name says. The list keeps out formats that run programs
# (EPS, SVG, PDF) or are no photos; libvips is asked for these loaders by name and for no others.
_BEGINNINGS = {
    "camera RAW": rb"II\*\0.{4}CR|IIR[OS]|IIU\0|FUJIFILMCCD-RAW|FOVb|.{4}ftypcrx",
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF.{4}WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "HEIF": rb".{4}ftyp(avi|hei|hev|mif1|msf1)",  # AVIF is one of them
    "BMP": rb"BM.{12}[\x0c\x28-\x7c]\0{3}",
    "PPM": rb"P[1-6fF]\s+[#\d]",
    "JPEG2000": rb"\0{3}\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51",
}
_BY_LIBVIPS = {"JPEG", "PNG", "WebP", "GIF", "TIFF", "HEIF"}
_NEW_SUBFILE, _SUBFILE, _BITS, _PHOTOMETRIC = 254, 255, 258, 262  # tags of TIFF
_EXTRA_SAMPLES, _SUB_IFDS, _DNG_VERSION = 338, 330, 50706
_RAW_PHOTOMETRICS = {32803, 34892}  # a sensor's data, before and after demosaicing


@functools.cache
def _started() -> tuple[Any, int]:
    os.environ.setdefault("VIPS_CONCURRENCY", "1")  # the cores are for the networks
    import pyvips  # late, because it takes a while

    pyvips.block_untrusted_set(True)
    pyvips.cache_set_max(0)  # a photo is read once; the cache would keep it in memory
    logging.getLogger("pyvips").setLevel(logging.ERROR)  # or each oddity of a file is a line

    def text(pointer: Any) -> str:
        return (
            ""
            if pointer == pyvips.ffi.NULL
            else pyvips.ffi.string(pointer).decode(errors="replace")
        )

    # libvips quotes what stands in a file; pyvips would fail on words that are not UTF-8
    pyvips._to_string = pyvips.error._to_string = text  # of its log, and of its errors
    return pyvips, os.getpid()


def _vips() -> Any:
    """The module pyvips."""
    pyvips, process = _started()
    if process != os.getpid():
        raise PhotoError(  # instead of waiting forever for threads that did not come along
            "A forked process cannot read photos after its parent has. Start it anew instead: "
            'multiprocessing_context="spawn" in a DataLoader.'
        )
    return pyvips


def decode(blob: bytes, name: str = "This file", max_pixels: int = MAX_PIXELS) -> torch.Tensor:
    """Decode a picture file that is in memory; `load` says what is read, and how.

    name: what messages call it. Returns (3, H, W) float32, sRGB in [0, 1]. Raises PhotoError.

    >>> decode(b"P5 2 1 255 " + bytes([0, 255]))[0]
    tensor([[0., 1.]])
    """
    kind = format_of(blob, name)
    tags, options = _tiff_page(blob, name) if kind == "TIFF" else ({}, {})
    if kind not in _BY_LIBVIPS:
        return from_pillow(load_with_pillow(open_with_pillow(blob, name, max_pixels), name))
    try:
        return _decoded(blob, kind, name, max_pixels, tags, options)
    except (_vips().Error, MemoryError) as error:
        failure = error
    if kind == "JPEG":  # if only the end marker is missing, there is no warning with one
        with contextlib.suppress(_vips().Error):
            options = {"fail_on": "warning"}
            return _decoded(blob + b"\xff\xd9", kind, name, max_pixels, tags, options)
    # refused for its kind and not for damage: packed 12 bits, CIELAB, some compressions
    if kind == "TIFF" and re.search("call tiffload_buffer|not configured", str(failure)):
        with contextlib.suppress(PhotoError):
            return from_pillow(load_with_pillow(open_with_pillow(blob, name, max_pixels), name))
    raise _broken(blob, kind, name, failure) from failure


def format_of(blob: bytes, name: str) -> str:
    """The format that a file's beginning shows; PhotoError if it is none that is read here."""
    for kind, beginning in _BEGINNINGS.items():
        if re.match(beginning, blob, re.DOTALL):
            if kind == "camera RAW":
                raise _camera_raw(name)
            return kind
    raise PhotoError(
        f"{name} is not a picture that can be read, whatever its name says. "
        "Give a JPEG, PNG, WebP, GIF, TIFF or BMP file."
    )


def _camera_raw(name: str) -> PhotoError:
    return PhotoError(
        f"{name} is a camera RAW file: what the sensor recorded, not yet a picture. "
        "Export it as TIFF or JPEG first."
    )


def _broken(blob: bytes, kind: str, name: str, error: Exception) -> PhotoError:
    if isinstance(error, MemoryError):
        return PhotoError(f"{name} is too large for this machine's memory. Reduce it first.")
    if kind == "HEIF":
        if not re.search(b"avi[fs]", blob[8 : int.from_bytes(blob[:4])]):
            return PhotoError(
                f"{name} is a HEIC picture, which cannot be read here. Export it as JPEG or PNG."
            )
        kind = "AVIF"
    reason = str(error).strip().rsplit("\n")[-1].strip(" .")[:120] or type(error).__name__
    return PhotoError(
        f"{name} is damaged or incomplete, or a rare kind of {kind} ({reason}). "
        "Copy or download it again, or export it anew."
    )


def _too_large(name: str, width: int, height: int, max_pixels: int) -> PhotoError:
    return PhotoError(
        f"{name} announces {width} x {height} px, more than the limit of {max_pixels:,} pixels. "
        "Reduce it first, or pass a larger max_pixels if you trust it and have the memory."
    )


# ------------------------------------------------------------------------------- by libvips


def _decoded(
    blob: bytes, kind: str, name: str, max_pixels: int, tags: dict, options: dict
) -> torch.Tensor:
    loader = getattr(_vips().Image, f"{kind.lower()}load_buffer")
    image = loader(blob, **{"access": "sequential", "fail_on": "error"} | options)
    if image.width * image.height > max_pixels:
        raise _too_large(name, image.width, image.height, max_pixels)
    # not get_fields(): the names of a PNG's texts are among them, and need not be UTF-8
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else None
    space = {"PNG": colour.of_png, "HEIF": colour.of_boxes}.get(kind, lambda blob: None)(blob)
    if kind == "PNG" and space:
        profile = None  # a chunk cICP outranks the profile
    elif image.get_typeof("exif-data"):
        space = space or colour.of_exif(image.get("exif-data"))
    if tags.get(_EXTRA_SAMPLES, (1,))[0] == 0:  # extra channels that are no alpha
        image = image[: 4 if image.interpretation == "cmyk" else min(image.bands - 1, 3)]
    white_is_zero = tags.get(_PHOTOMETRIC) == 0 and image.format in {"float", "double"}
    return _photo(image, profile or space, white_is_zero)


def _photo(
    image: Any, source: bytes | ColourSpace | None, white_is_zero: bool = False
) -> torch.Tensor:
    """A picture of libvips as a photo: upright, in sRGB, laid on white.

    image: a pyvips.Image. source: what its numbers mean: an ICC profile, another colour space, or
    None for sRGB.
    """
    if image.format not in {"uchar", "ushort"}:
        image = image.copy_memory()
        low, high = (float(v) for v in (image.numpy().min(), image.numpy().max()))
        if image.format not in {"float", "double"} or not (low >= 0 and high <= 1):
            raise PhotoError(
                f"This picture holds plain numbers from {low:g} to {high:g}, with no agreed white. "
                "Scale them to 0 to 1 with numpy, then use images.from_numpy."
            )
        image = 1 - image if white_is_zero else image
        if not source and image.bands in {1, 3}:
            return from_numpy(_upright(image))
        image = (image * 65535).rint().cast("ushort")
        image = image.copy(interpretation="rgb16" if image.bands > 2 else "grey16")
    white = 65535 if image.format == "ushort" else 255
    colours = 4 if image.interpretation == "cmyk" else 3 if image.bands > 2 else 1
    image = image[: colours + 1] if image.bands > colours else image
    if source:
        image = _to_srgb(image, source, colours)
        white = 65535 if image.format == "ushort" else 255
    if image.interpretation == "cmyk":  # no profile: as screens show it
        rgb = (white - image[:3]) * (white - image[3]) / white
        rgb = rgb.rint().cast(image.format)
        image = rgb.bandjoin(image[4]) if image.bands > 4 else rgb
    if image.bands in {2, 4}:
        image = image.flatten(background=[white], max_alpha=white)
    return from_numpy(_upright(image))


def _to_srgb(image: Any, source: bytes | ColourSpace, colours: int) -> Any:
    deep = image.format == "ushort"
    by_profile = isinstance(source, bytes)
    if colours == 1 and (not by_profile or source[16:20] == b"RGB "):
        image, colours = image.colourspace("rgb16" if deep else "srgb"), 3
    if not by_profile:
        return source.to_srgb(image) if colours == 3 else image
    colour.refuse_hdr(source)
    if {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}.get(source[16:20]) != colours:
        return image
    tagged = image.copy()
    tagged.set_type(_vips().GValue.blob_type, "icc-profile-data", source)
    try:
        return tagged.icc_transform(
            "srgb",
            embedded=True,
            intent="relative",
            black_point_compensation=True,
            depth=16 if deep else 8,
        )
    except _vips().Error:  # a damaged profile: a slightly wrong colour beats no picture
        return image


def _upright(image: Any) -> np.ndarray:
    if image.get_typeof("orientation") and image.get("orientation") > 1:
        image = image.copy_memory().autorot()
    return image.numpy()


def _tiff_page(blob: bytes, name: str) -> tuple[dict, dict]:
    """The tags of the page of a TIFF that is the photo, and how libvips is asked for that page.

    The first page may be a thumbnail of a later one or of a sub-page.
    Source: TIFF 6.0; TIFF Technical Note 1 (SubIFDs); Adobe DNG 1.7.
    """
    try:
        first, following = _ifd(blob)
        subs = [_ifd(blob, at)[0] for at in first.get(_SUB_IFDS, ())[:16]]
        pages = [first]
        while following and len(pages) < 16 and _is_reduced(first):
            page, following = _ifd(blob, following)
            pages.append(page)
    except Exception:  # damaged: libvips will say so
        return {}, {}
    if _DNG_VERSION in first or any(
        p.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS for p in [*pages, *subs]
    ):
        raise _camera_raw(name)
    for option, candidates in (("page", pages), ("subifd", subs)):
        for index, page in enumerate(candidates):
            if not _is_reduced(page):
                return page, {option: index}
    return first, {}


def _is_reduced(page: dict) -> bool:
    return bool(page.get(_NEW_SUBFILE, 0) & 1) or page.get(_SUBFILE) == 2


def _ifd(blob: bytes, at: int = 0) -> tuple[dict, int]:
    """The tags of one page of a TIFF, and where the next page's begin (0: nowhere)."""
    with warnings.catch_warnings(action="ignore"):
        directory = ImageFileDirectory_v2(blob[: 16 if b"\x2b" in blob[2:4] else 8])
        stream = io.BytesIO(blob)
        stream.seek(at or directory.next)
        directory.load(stream)
        wanted = (_NEW_SUBFILE, _SUBFILE, _PHOTOMETRIC, _EXTRA_SAMPLES, _SUB_IFDS, _DNG_VERSION)
        return {tag: directory[tag] for tag in wanted if tag in directory}, directory.next


# -------------------------------------------------------------------------------- by Pillow


def open_with_pillow(blob: bytes, name: str, max_pixels: int) -> Image.Image:
    """Read a picture's header with Pillow; PhotoError if it announces more than `max_pixels`."""
    kind = format_of(blob, name)
    Image.init()
    try:
        with warnings.catch_warnings(action="ignore"):
            # not Image.open: its own limit of pixels is global and cannot be told per call
            image = Image.OPEN[{"HEIF": "AVIF"}.get(kind, kind.upper())][0](io.BytesIO(blob), "")
    except Exception as error:  # Pillow's plugins raise many types on damaged headers
        raise _broken(blob, kind, name, error) from error
    if image.width * image.height > max_pixels:
        raise _too_large(name, image.width, image.height, max_pixels)
    if kind == "JPEG2000":
        image.info.setdefault("icc_profile", colour.of_jpeg2000(blob))
    return image


def load_with_pillow(image: Image.Image, name: str, frame: int = 0) -> Image.Image:
    """Decode one frame of what `open_with_pillow` gave."""
    try:
        with warnings.catch_warnings(action="ignore"):
            image.seek(frame)
            image.load()
    except Exception as error:  # damaged data: one exception type per plugin
        raise _broken(b"", image.format or "picture", name, error) from error
    return image


def from_pillow(image: Image.Image) -> torch.Tensor:
    """Turn a Pillow picture of any mode into a photo.

    Returns (3, H, W) float32, sRGB in [0, 1]. Transparent pixels are laid on white: a photo has no
    alpha here, notebooks and paper are white, and the colours hidden under full transparency
    (often black) were never meant to be seen. Raises PhotoError for a mode with no meaning as sRGB.

    >>> from_pillow(Image.new("L", (4, 2), 255))[:, 0, 0]
    tensor([1., 1., 1.])
    """
    if not isinstance(image, Image.Image):
        raise PhotoError(
            f"from_pillow needs a Pillow picture, not {type(image).__name__}. "
            "For a file use images.load, for an array images.from_numpy."
        )
    image.load()
    try:
        with warnings.catch_warnings(action="ignore"):  # what is wrong with EXIF helps nobody
            orientation = image.getexif().get(0x0112)
    except Exception:  # damaged EXIF must not cost the learner the picture
        orientation = 1
    orientation = orientation if orientation in range(1, 9) else 1
    source = image.info.get("icc_profile") or colour.of_exif(image.info.get("exif"))
    pixels = _pixels(image)
    grey_or_rgb = pixels.dtype == np.uint8 and pixels.shape[2:] in {(), (3,)}
    if grey_or_rgb and not source and orientation == 1:  # nothing to convert
        return from_numpy(pixels)
    picture = _vips().Image.new_from_array(pixels)
    kinds = {2: "b-w", 4: "cmyk" if image.mode == "CMYK" else "srgb"}
    picture = picture.copy(interpretation=kinds.get(picture.bands, picture.interpretation))
    picture.set_type(_vips().GValue.gint_type, "orientation", orientation)
    return _photo(picture, source)


def _pixels(image: Image.Image) -> np.ndarray:
    """The numbers of a Pillow picture: grey, grey and alpha, RGB, RGBA or CMYK."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        numbers, tags = np.asarray(image), getattr(image, "tag_v2", {})
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
            most = 4095 if 12 in tags.get(_BITS, ()) else 65535
            numbers = (numbers * (65535 / most)).round().astype(np.uint16)
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero
            numbers = (1 if image.mode == "F" else 65535) - numbers
        return numbers
    mode = "L" if image.mode in {"1", "L", "LA", "La"} else "RGB"
    if image.has_transparency_data:
        mode += "A"
    elif image.mode == "CMYK":
        mode = "CMYK"
    try:
        return np.asarray(image if image.mode == mode else image.convert(mode))
    except ValueError as error:
        raise PhotoError(
            f"Pictures of colour mode {image.mode} cannot be read here. Export it as RGB first."
        ) from error
