"""Picture files, to and from photos."""

from __future__ import annotations

import io
import os
from pathlib import Path

import torch
from PIL import Image

from mssnet_edu.images.arrays import PhotoError, as_batch
from mssnet_edu.images.decoding import (
    MAX_PIXELS,
    decode,
    format_of,
    from_pillow,
    load_with_pillow,
    open_with_pillow,
)

__all__ = [
    "load",
    "load_frames",
    "opened",
    "to_pillow",
    "to_png_bytes",
    "to_webp_bytes",
]

# ---------------------------------------------------------------------------------- reading


def load(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> torch.Tensor:
    """Read a picture file as a photo.

    Returns (3, H, W) float32, sRGB in [0, 1], upright (EXIF rotation applied). Reads JPEG, PNG,
    WebP, GIF, TIFF and AVIF with libvips; JPEG 2000, BMP, PPM and rare kinds of TIFF with Pillow.
    What counts is what the file holds, not how its name ends.
    Grey, palette and CMYK pictures become RGB; 16 bits stay 16 bits, and floats from 0 to 1 as they
    are; transparent pictures are laid on white (see `from_pillow`); an animation gives its first
    frame, a TIFF its first page that is no thumbnail.
    Colours come to sRGB from an ICC profile, from code points (PNG cICP, AVIF nclx), a PNG's gAMA
    and cHRM, or EXIF's Adobe RGB. What says nothing is taken as sRGB, and so is a damaged profile.
    Raises PhotoError when the file is missing, empty, broken or no picture; for HEIC, camera RAW
    and HDR (PQ, HLG); and when its header announces more than `max_pixels` pixels (checked before
    anything is decoded).
    Source: libvips, https://www.libvips.org; Pillow, https://pillow.readthedocs.io

    >>> import tempfile, mssnet_edu.images as images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = images.save(torch.rand(3, 20, 30), folder + "/noise.png")
    ...     images.load(file).shape
    torch.Size([3, 20, 30])
    """
    return decode(_bytes(path), Path(path).name, max_pixels)


def load_frames(
    path: str | os.PathLike, start: int = 0, frames: int | None = None, max_pixels: int = MAX_PIXELS
) -> torch.Tensor:
    """Read consecutive frames of an animated picture (WebP, GIF, PNG) as a batch of photos.

    start: first frame, from 0; frames: how many, None for all that follow.
    Returns (T, 3, H, W) float32, sRGB in [0, 1]. Raises PhotoError as `load` does, when the file
    has no such frames, or when all the frames together exceed `max_pixels`.

    >>> import mssnet_edu.samples as samples
    >>> load_frames(samples.find_data("video/cockatoo.webp"), start=2, frames=3).shape
    torch.Size([3, 3, 360, 640])
    """
    name = Path(path).name
    image = opened(path, max_pixels)
    total = getattr(image, "n_frames", 1)
    last = total if frames is None else start + frames
    if start < 0 or last > total or last <= start:
        raise PhotoError(
            f"{name} has {total} frames, numbered 0 to {total - 1}; frames {start} "
            f"to {last - 1} were asked for. Choose start >= 0 and start + frames <= {total}."
        )
    pixels = (last - start) * image.width * image.height
    if pixels > max_pixels:
        raise PhotoError(
            f"{last - start} frames of {image.width} x {image.height} px are {pixels:,} "
            f"pixels, more than {max_pixels:,}. Ask for fewer frames."
        )
    photos = (from_pillow(load_with_pillow(image, name, i)) for i in range(start, last))
    return torch.stack(list(photos))


def opened(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture file's header, as Pillow reads it. Raises PhotoError as `load` does."""
    return open_with_pillow(_bytes(path), Path(path).name, max_pixels)


def _bytes(path: str | os.PathLike) -> bytes:
    """The contents of a picture file, or one sentence on why there are none."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a file name, not {type(path).__name__}")
    file = Path(path)
    if file.is_dir():
        raise PhotoError(f"{file} is a folder, not a picture. Name one file inside it.")
    if not file.exists():
        raise PhotoError(f"There is no file {file}. Check the name and the folder: {Path.cwd()}.")
    if not file.is_file():
        raise PhotoError(f"{file} is not an ordinary file. Name a picture file.")
    if file.stat().st_size == 0:
        raise PhotoError(f"{file.name} is empty (0 bytes). Copy or download it again.")
    try:
        with file.open("rb") as stream:
            format_of(stream.read(64), file.name)  # before gigabytes of a film are read
            stream.seek(0)
            return stream.read()
    except PermissionError as error:
        raise PhotoError(f"{file.name} may not be read: permission denied.") from error
    except MemoryError as error:
        raise PhotoError(f"{file.name} is too large for the memory of this machine.") from error
    except OSError as error:
        raise PhotoError(f"{file.name} could not be read: {error.strerror}.") from error


# ----------------------------------------------------------------------------- photo -> Pillow


def to_pillow(photo: torch.Tensor) -> Image.Image:
    """Turn a photo into an 8-bit RGB Pillow picture; values are clamped to [0, 1] and rounded.

    photo: (3, H, W) or (1, 3, H, W). Raises PhotoError for anything else.

    >>> to_pillow(torch.zeros(3, 2, 4)).size
    (4, 2)
    """
    batch = as_batch(photo)
    if batch.shape[0] != 1:
        raise PhotoError(
            f"photo is a batch of {batch.shape[0]}; one photo was expected. Choose one: photo[0]."
        )
    pixels = batch[0].detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def to_png_bytes(photo: torch.Tensor) -> bytes:
    """Encode one photo as the bytes of a PNG file, for a web page or a widget.

    >>> to_png_bytes(torch.zeros(3, 2, 4))[1:4]
    b'PNG'
    """
    stream = io.BytesIO()
    to_pillow(photo).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def to_webp_bytes(photo: torch.Tensor, quality: int = 90) -> bytes:
    """Encode one photo as the bytes of a WebP file, for a film in a widget: lossy, and small.

    quality: 0 to 100. A frame of a film takes about a tenth of what it takes as PNG.

    >>> to_webp_bytes(torch.zeros(3, 2, 4))[8:12]
    b'WEBP'
    """
    stream = io.BytesIO()
    to_pillow(photo).save(stream, "WEBP", quality=quality)
    return stream.getvalue()
