"""The colour space of a picture file that has no ICC profile but tells it by other means.

PNG, AVIF and HEIF files may name it by code points, PNG files by a gamma, cameras Adobe RGB by two
EXIF tags.
"""

import struct
import warnings
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mssnet_edu.images.arrays import PhotoError

__all__ = ["ColourSpace", "of_boxes", "of_exif", "of_jpeg2000", "of_png", "refuse_hdr"]


class ColourSpace(NamedTuple):
    """primaries: x and y of red, green and blue, with the white D65; light = value ** gamma.

    gamma 0 stands for the sRGB curve.
    """

    primaries: tuple[float, ...]
    gamma: float = 0

    def to_srgb(self, image: Any) -> Any:
        """Convert a pyvips.Image of three bands, or three and alpha; 8 or 16 bits, 16 after it."""
        white = 65535 if image.format == "ushort" else 255
        rgb, alpha = image[:3], image[3:] if image.bands > 3 else None
        if self.gamma:
            light = (rgb / white) ** self.gamma
        else:
            light = rgb.copy(interpretation="srgb" if white == 255 else "rgb16").colourspace(
                "scrgb"
            )
        matrix = np.linalg.solve(_to_xyz(_SRGB), _to_xyz(self.primaries))
        light = light.recomb(matrix.tolist()).copy(interpretation="scrgb")
        rgb = light.colourspace("rgb16")
        return rgb.bandjoin((alpha * (65535 / white)).cast("ushort")) if alpha else rgb


_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_ADOBE_RGB = ColourSpace((0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 563 / 256)
# Rec. ITU-T H.273, tables 2 and 3, by code point
_PRIMARIES = {
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # the others are near sRGB's curve, and viewers show them by it
_HDR = {16: "PQ", 18: "HLG"}


def _to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """The matrix from linear RGB with these primaries and the white D65 to CIE XYZ, (3, 3)."""
    x, y = np.reshape(primaries, (3, 2)).T
    columns = np.stack([x, y, 1 - x - y]) / y
    return columns * np.linalg.solve(columns, [0.3127 / 0.3290, 1, 0.3583 / 0.3290])


def of_png(blob: bytes) -> ColourSpace | None:
    """What a PNG's chunk cICP, or gAMA and cHRM, say; None: sRGB, or an ICC profile.

    Raises PhotoError for HDR. Source: Portable Network Graphics Specification (Third Edition), 4.3.
    """
    chunks, at = {}, 8
    while at + 8 <= len(blob) and (kind := blob[at + 4 : at + 8]) != b"IDAT":
        length = int.from_bytes(blob[at : at + 4])
        chunks[kind] = blob[at + 8 : at + 8 + length]
        at += length + 12
    if len(chunks.get(b"cICP", b"")) == 4:
        return _of_code_points(*chunks[b"cICP"][:2])
    if b"iCCP" in chunks or b"sRGB" in chunks:
        return None
    primaries = _SRGB
    if len(chunks.get(b"cHRM", b"")) == 32:
        primaries = tuple(value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"])[2:])
    exponent = int.from_bytes(chunks.get(b"gAMA", b"")[:4]) / 100_000
    if np.allclose(primaries, _SRGB, atol=0.002) and abs(exponent - 1 / 2.2) < 0.005:
        return None  # how sRGB itself is written
    return _unless_srgb(ColourSpace(primaries, 1 / exponent if exponent else 0))


def of_boxes(blob: bytes) -> ColourSpace | None:
    """What the colour box of an AVIF or HEIF file says; None: sRGB, or an ICC profile.

    Raises PhotoError for HDR. Source: ISO/IEC 14496-12, ColourInformationBox, type nclx.
    """
    at = blob.find(b"colrnclx")
    if at < 0 or len(blob) < at + 12:
        return None
    return _of_code_points(*struct.unpack(">HH", blob[at + 8 : at + 12]))


def of_jpeg2000(blob: bytes) -> bytes | None:
    """The ICC profile in the colour box of a JPEG 2000 file (ISO/IEC 15444-1, I.5.3.3)."""
    at = blob.find(b"colr\2")
    return blob[at + 7 : at - 4 + int.from_bytes(blob[at - 4 : at])] if at >= 4 else None


def of_exif(blob: bytes | None) -> ColourSpace | None:
    """Adobe RGB where a camera says so: ColorSpace "uncalibrated", interoperability R03 (DCF 2)."""
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif.load(blob or b"")
            space, index = exif.get_ifd(0x8769).get(0xA001), exif.get_ifd(0xA005).get(1)
    except Exception:  # damaged EXIF must not cost the learner the picture
        return None
    return _ADOBE_RGB if space == 65535 and str(index).startswith("R03") else None


def refuse_hdr(profile: bytes) -> None:
    """Raise PhotoError if an ICC profile says that it stands for HDR (its tag cicp, ICC.1:2022)."""
    at = profile.rfind(b"cicp\0\0\0\0")
    if 0 <= at < len(profile) - 9:
        _of_code_points(1, profile[at + 9])


def _of_code_points(primaries: int, transfer: int) -> ColourSpace | None:
    if transfer in _HDR:
        raise PhotoError(
            f"This is an HDR picture ({_HDR[transfer]}), brighter than the white of sRGB. "
            "Export it with standard dynamic range (SDR) first."
        )
    space = ColourSpace(_PRIMARIES.get(primaries, _SRGB), _GAMMAS.get(transfer, 0))
    return _unless_srgb(space)


def _unless_srgb(space: ColourSpace) -> ColourSpace | None:
    damaged = min(space.primaries[1::2]) <= 0  # y of no colour
    is_srgb = space.gamma == 0 and np.allclose(space.primaries, _SRGB, atol=0.002)
    return None if damaged or is_srgb else space
