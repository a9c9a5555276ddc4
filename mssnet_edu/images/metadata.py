"""What a picture file says beside its pixels: when, with what and by whom it was taken."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from mssnet_edu.images import provenance
from mssnet_edu.images.files import MAX_PIXELS, opened
from mssnet_edu.images.provenance import Provenance

__all__ = ["Metadata", "embedded", "read_metadata"]

_TAG, _IFD = ExifTags.Base, ExifTags.IFD
# What goes along with a restored photo. All else belongs to the old pixels (sizes, thumbnail,
# colour space), or tells more than a picture should (serial numbers, the maker's notes).
_CARRIED = {
    None: (
        _TAG.ImageDescription,
        _TAG.Make,
        _TAG.Model,
        _TAG.DateTime,
        _TAG.Artist,
        _TAG.Copyright,
    ),
    _IFD.Exif: (
        *(_TAG.DateTimeOriginal, _TAG.DateTimeDigitized, _TAG.OffsetTime, _TAG.OffsetTimeOriginal),
        *(_TAG.OffsetTimeDigitized, _TAG.SubsecTime, _TAG.SubsecTimeOriginal),
        *(_TAG.SubsecTimeDigitized, _TAG.ExposureTime, _TAG.FNumber, _TAG.ExposureProgram),
        *(_TAG.ISOSpeedRatings, _TAG.SensitivityType, _TAG.ShutterSpeedValue, _TAG.ApertureValue),
        *(_TAG.BrightnessValue, _TAG.ExposureBiasValue, _TAG.MaxApertureValue),
        *(_TAG.SubjectDistance, _TAG.MeteringMode, _TAG.LightSource, _TAG.Flash, _TAG.FocalLength),
        *(_TAG.ExposureMode, _TAG.WhiteBalance, _TAG.DigitalZoomRatio, _TAG.FocalLengthIn35mmFilm),
        *(_TAG.SceneCaptureType, _TAG.LensSpecification, _TAG.LensMake, _TAG.LensModel),
    ),
}
_CREDIT = {"creator": _TAG.Artist, "rights": _TAG.Copyright, "description": _TAG.ImageDescription}
_MOST_CHARACTERS, _MOST_NUMBERS = 2000, 16  # of one tag: JPEG holds 64 kB of EXIF in all
_INCH, _MOST_DPI = 2, 10_000


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a photo carries, and what was done to it.

    exif: EXIF tags by block, None for the first. dpi: pixels per inch, across and down, when
    printed. credit: its "creator", "rights" and "description".
    """

    exif: Mapping[int | None, Mapping[int, Any]] = dataclasses.field(default_factory=dict)
    dpi: tuple[float, float] | None = None
    credit: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Provenance = dataclasses.field(default_factory=Provenance)


def read_metadata(path: str | os.PathLike, keep_gps: bool = False) -> Metadata:
    """Read what a picture file says beside its pixels; what is damaged there is left out.

    keep_gps: with the place where the photo was taken. Raises PhotoError if it is no picture.

    >>> import mssnet_edu.samples as samples
    >>> read_metadata(samples.find_data("photos/cat.png")).provenance
    Provenance(source_type='', steps=())
    """
    with opened(path, MAX_PIXELS) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with the EXIF data helps nobody here
        if image.format == "PNG":
            _attempt(image.load)  # its text may stand behind the pixels
        xmp = image.info.get("xmp", b"")
        made, credit = provenance.from_xmp(xmp if isinstance(xmp, bytes) else b"")
        exif = _attempt(image.getexif) or Image.Exif()
        blocks = {None: exif, _IFD.Exif: _attempt(exif.get_ifd, _IFD.Exif) or {}}
        carried = {block: _whole(tags, _CARRIED[block]) for block, tags in blocks.items()}
        if keep_gps:
            gps = _attempt(exif.get_ifd, _IFD.GPSInfo) or {}
            carried[_IFD.GPSInfo] = _whole(gps, gps)
        for key, tag in _CREDIT.items():
            if isinstance(text := carried[None].get(tag), str) and text.strip():
                credit.setdefault(key, _unicode(text))
                if not text.isascii():
                    del carried[None][tag]  # XMP holds any letter, EXIF only those of ASCII
        dpi = image.info.get("dpi")
        if dpi is None and exif.get(_TAG.ResolutionUnit) == _INCH:  # WebP has no other place
            dpi = exif.get(_TAG.XResolution), exif.get(_TAG.YResolution)
        return Metadata(carried, _sensible(dpi), credit, made)


def _attempt(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except Exception:  # Pillow's readers raise many types on damaged data
        return None


def _whole(tags: Mapping[int, Any], wanted: Any) -> dict[int, Any]:
    """Those of the wanted tags that can be written again."""
    kept = {}
    for tag in wanted:
        value = tags.get(tag)
        most = _MOST_CHARACTERS if isinstance(value, str | bytes) else _MOST_NUMBERS
        alone = Image.Exif()
        alone[tag] = value
        short = len(value) <= most if isinstance(value, str | bytes | tuple) else True
        if value is not None and short and _attempt(alone.tobytes):
            kept[int(tag)] = value
    return kept


def _unicode(text: str) -> str:
    """EXIF is ASCII by its standard; programs write UTF-8, and Pillow reads that as Latin-1."""
    return _attempt(lambda: text.encode("latin-1").decode()) or text


def _sensible(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = (round(float(value), 2) for value in dpi)  # PNG counts in metres
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (across, down) if min(across, down) >= 1 and max(across, down) <= _MOST_DPI else None


def embedded(metadata: Metadata, kind: str) -> dict[str, Any]:
    """The options of Pillow's `save` that put metadata into a picture of a kind.

    kind: "PNG", "JPEG", "WEBP" or "TIFF". The picture is upright and sRGB, and its EXIF says so.
    """
    exif = Image.Exif()
    exif.update(metadata.exif.get(None, {}))
    exif[_TAG.Orientation] = 1
    if metadata.provenance.steps:
        exif[_TAG.Software] = metadata.provenance.steps[-1].software
    options: dict[str, Any] = {}
    if metadata.dpi:
        exif[_TAG.ResolutionUnit] = _INCH
        exif[_TAG.XResolution], exif[_TAG.YResolution] = metadata.dpi
        options["dpi"] = metadata.dpi
    version_and_srgb = {int(_TAG.ExifVersion): b"0232", int(_TAG.ColorSpace): 1}
    exif[_IFD.Exif] = {**metadata.exif.get(_IFD.Exif, {}), **version_and_srgb}
    if gps := metadata.exif.get(_IFD.GPSInfo):
        exif[_IFD.GPSInfo] = dict(gps)
    xmp = provenance.to_xmp(metadata.provenance, metadata.credit)
    if kind == "TIFF":
        # Pillow wants the blocks as it reads them, and XMP as one more tag
        options["exif"] = Image.Exif()
        options["exif"].load(exif.tobytes())
        options["exif"][_TAG.XMLPacket] = xmp
        return options
    options["exif"] = exif.tobytes()
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    else:
        options["xmp"] = xmp
    return options
