"""Picture files and Pillow pictures, to and from photos."""

from __future__ import annotations

import io
import math
import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mssnet_edu.files import replacing
from mssnet_edu.images.arrays import PhotoError, as_batch, from_numpy

__all__ = [
    "check_target",
    "from_pillow",
    "load",
    "load_frames",
    "save",
    "to_pillow",
    "to_png_bytes",
    "to_webp_bytes",
]

MAX_PIXELS = 80_000_000

# The list keeps out formats that start another program (EPS calls Ghostscript) or are no photos.
_READABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "MPO", "JPEG2000")
_MOST_PX = {"JPEG": 65_500, "WEBP": 16_383}  # on a side, as the formats' libraries have it
_WRITABLE = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
}
# EXIF tag 0x0112: how the camera was held -> what makes the picture upright again.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_pillow_limit = threading.Lock()


# ---------------------------------------------------------------------------------- reading


def load(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> torch.Tensor:
    """Read a picture file as a photo.

    Returns (3, H, W) float32, sRGB in [0, 1], upright (EXIF rotation applied). Grey and palette
    pictures become colour; transparent ones are laid on white (see `from_pillow`); an animation
    gives its first frame; an embedded colour profile is converted to sRGB. Grey 16-bit files keep
    their 16 bits; Pillow gives colour 16-bit files with 8.
    Raises PhotoError when the file is missing, empty, broken or no picture, or when its header
    announces more than `max_pixels` pixels (checked before anything is decoded).
    Source: Pillow, https://pillow.readthedocs.io

    >>> import tempfile, mssnet_edu.images as images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = images.save(torch.rand(3, 20, 30), folder + "/noise.png")
    ...     images.load(file).shape
    torch.Size([3, 20, 30])
    """
    with _opened(path, max_pixels) as image:
        return _decoded(image, path)


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
    with _opened(path, max_pixels) as image:
        total = getattr(image, "n_frames", 1)
        last = total if frames is None else start + frames
        if start < 0 or last > total or last <= start:
            raise PhotoError(
                f"{Path(path).name} has {total} frames, numbered 0 to {total - 1}; frames {start} "
                f"to {last - 1} were asked for. Choose start >= 0 and start + frames <= {total}."
            )
        pixels = (last - start) * image.width * image.height
        if pixels > max_pixels:
            raise PhotoError(
                f"{last - start} frames of {image.width} x {image.height} px are {pixels:,} "
                f"pixels, more than {max_pixels:,}. Ask for fewer frames."
            )
        photos = []
        for index in range(start, last):
            try:
                image.seek(index)
            except (OSError, EOFError, SyntaxError, ValueError) as error:
                raise _broken(path, error) from error
            photos.append(_decoded(image, path))
    return torch.stack(photos)


def _opened(path: str | os.PathLike, max_pixels: int) -> Image.Image:
    """Open a file and read its header only, or say in one sentence why that cannot be done."""
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
    Image.init()
    formats = [name for name in _READABLE if name in Image.OPEN]
    try:
        # Pillow's own limit is global and cannot be told per call; ours replaces it below.
        with _pillow_limit:
            before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # our own sentence follows where one is due
                    image = Image.open(file, formats=formats)
            finally:
                Image.MAX_IMAGE_PIXELS = before
    except PermissionError as error:
        raise PhotoError(f"{file.name} may not be read: permission denied.") from error
    except Exception as error:  # Pillow's plugins raise many types on damaged headers
        raise _not_a_picture(file, error) from error
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height}"
        image.close()
        raise PhotoError(
            f"{file.name} announces {size} px, more than the limit of {max_pixels:,} pixels. "
            "Reduce it first, or pass a larger max_pixels if you trust it and have the memory."
        )
    return image


def _decoded(image: Image.Image, path: str | os.PathLike) -> torch.Tensor:
    try:
        image.load()
    except MemoryError as error:
        raise PhotoError(
            f"{Path(path).name} is {image.width} x {image.height} px, too large for the memory of "
            "this machine. Reduce it first."
        ) from error
    except Exception as error:  # truncated or damaged data, one exception type per plugin
        raise _broken(path, error) from error
    return from_pillow(image)


def _broken(path: str | os.PathLike, error: Exception) -> PhotoError:
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return PhotoError(
        f"{Path(path).name} is damaged or incomplete ({reason}). Copy or download it again."
    )


def _not_a_picture(file: Path, error: Exception) -> PhotoError:
    with file.open("rb") as stream:
        start = stream.read(512)
    if start[4:8] == b"ftyp" and start[8:12] in {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}:
        return PhotoError(
            f"{file.name} is a HEIC picture, which cannot be read here. Export it as JPEG or PNG."
        )
    if isinstance(error, Image.UnidentifiedImageError):
        return PhotoError(
            f"{file.name} is not a picture that can be read, whatever its name says. "
            "Give a JPEG, PNG, WebP, GIF, TIFF or BMP file."
        )
    return _broken(file, error)


# -------------------------------------------------------------------------- Pillow <-> photo


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with the EXIF data helps nobody here
            orientation = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF must not cost the learner the picture
        orientation = 1
    profile = image.info.get("icc_profile")
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        photo = from_numpy(_deep_grey(image))
    else:
        alpha = None
        if image.has_transparency_data:
            image = image.convert("RGBA")
            alpha = image.getchannel("A")
            image = image.convert("RGB")
        elif image.mode in {"P", "1"}:
            image = image.convert("RGB" if image.mode == "P" else "L")
        image = _as_srgb(image, profile)
        if alpha is not None:
            image = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
        photo = from_numpy(np.array(image))
    if orientation in _UPRIGHT:
        photo = _transpose(photo, _UPRIGHT[orientation])
    return photo


def _deep_grey(image: Image.Image) -> np.ndarray:
    """Grey with more than 8 bits -> float32 in [0, 1]."""
    values = np.asarray(image).astype(np.float32)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        return values / 65535
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and np.isfinite(values).all() and low >= 0 and high <= 1:
        return values
    raise PhotoError(
        f"This picture holds plain numbers from {low:g} to {high:g}, with no agreed white. "
        "Scale them to 0 to 1 with numpy, then use images.from_numpy."
    )


def _as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded ICC profile where that works; otherwise take the numbers as sRGB."""
    if profile and image.mode in {"RGB", "L", "CMYK"}:
        try:
            from PIL import ImageCms

            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # A round trip sRGB -> sRGB would only add rounding.
            if image.mode != "RGB" or "srgb" not in ImageCms.getProfileDescription(source).lower():
                converted = ImageCms.profileToProfile(
                    image,
                    source,
                    ImageCms.createProfile("sRGB"),
                    renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    outputMode="RGB",
                    flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
                if converted is not None:
                    return converted
        except (ImportError, OSError, ValueError, TypeError, ImageCms.PyCMSError):
            pass  # a damaged or unsuitable profile: a slightly wrong colour beats no picture
    if image.mode == "RGB":
        return image
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise PhotoError(
            f"Pictures of colour mode {image.mode} cannot be read here. Export it as RGB first."
        ) from error


def _transpose(photo: torch.Tensor, how: Image.Transpose) -> torch.Tensor:
    turned = {
        Image.Transpose.FLIP_LEFT_RIGHT: lambda p: p.flip(-1),
        Image.Transpose.FLIP_TOP_BOTTOM: lambda p: p.flip(-2),
        Image.Transpose.ROTATE_180: lambda p: p.flip(-1, -2),
        Image.Transpose.ROTATE_90: lambda p: p.rot90(1, (-2, -1)),
        Image.Transpose.ROTATE_270: lambda p: p.rot90(-1, (-2, -1)),
        Image.Transpose.TRANSPOSE: lambda p: p.transpose(-1, -2),
        Image.Transpose.TRANSVERSE: lambda p: p.flip(-1, -2).transpose(-1, -2),
    }
    return turned[how](photo).contiguous()


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


# ---------------------------------------------------------------------------------- writing


def save(photo: torch.Tensor, path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Write one photo as PNG, JPEG, WebP or TIFF (by the name's ending), and return its Path.

    photo: (3, H, W) or (1, 3, H, W), clamped to [0, 1], stored with 8 bits. The file appears
    complete or not at all. Raises PhotoError when the file exists and overwrite is False, when the
    folder does not exist, or when the ending is unknown.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(torch.rand(3, 8, 8), folder + "/noise.png").name
    'noise.png'
    """
    file = check_target(path, overwrite, photo.shape[-2:])
    kind, options = _WRITABLE[file.suffix.lower()]
    image = to_pillow(photo)
    try:
        with replacing(file, overwrite) as part, part.open("wb") as stream:
            image.save(stream, kind, **options)
    except FileExistsError as error:  # taken while the photo was being written
        raise _exists(file) from error
    except (OSError, ValueError) as error:  # Pillow raises either where a format has a limit
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(f"{file} could not be written: {reason}.") from error
    return file


def check_target(
    path: str | os.PathLike, overwrite: bool = False, size: Sequence[int] | None = None
) -> Path:
    """Say whether `save` could write a photo to this file name, before the long computation.

    size: (height, width) of that photo, if it is known. Returns the name as a Path. Raises
    PhotoError as `save` does. Writes nothing.

    >>> check_target("answer.png").suffix
    '.png'
    """
    file = Path(path)
    if file.suffix.lower() not in _WRITABLE:
        raise PhotoError(
            f"{file.name}: cannot tell the picture format from the ending {file.suffix!r}. "
            "Use .png (lossless), .jpg, .webp or .tif."
        )
    most_px = _MOST_PX.get(_WRITABLE[file.suffix.lower()][0], math.inf)
    if size and max(size) > most_px:
        raise PhotoError(
            f"{file.name}: a {file.suffix} file has at most {most_px:,} px on a side, and this "
            f"photo is {size[1]:,} x {size[0]:,} px. Use .png or .tif."
        )
    if file.is_dir():
        raise PhotoError(f"{file} is a folder. Give a file name inside it.")
    if not file.parent.is_dir():
        raise PhotoError(f"The folder {file.parent} does not exist. Create it first.")
    if file.exists() and not overwrite:
        raise _exists(file)
    return file


def _exists(file: Path) -> PhotoError:
    return PhotoError(
        f"{file} exists already and is left as it is. Choose another name, or allow overwriting "
        "(overwrite=True; --force on the command line)."
    )
