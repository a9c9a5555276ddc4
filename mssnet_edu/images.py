"""Files, Pillow pictures and numpy arrays, to and from the one image convention.

Everywhere in this project a *photo* is a torch float32 tensor of shape (3, H, W), or (N, 3, H, W)
for several photos of one size, with sRGB values in [0, 1]. This module is the only door in and out.
"""

from __future__ import annotations

import io
import math
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mssnet_edu.files import replacing

__all__ = [
    "PhotoError",
    "as_batch",
    "check_target",
    "crop",
    "from_numpy",
    "from_pillow",
    "load",
    "load_frames",
    "luma",
    "quantize",
    "save",
    "to_linear",
    "to_numpy",
    "to_pillow",
    "to_png_bytes",
    "to_srgb",
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


class PhotoError(ValueError):
    """A photo that cannot be read, written or used; the message says what to do."""


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


# ------------------------------------------------------------------- Pillow, numpy <-> photo


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


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """Turn an array with channels last into a photo.

    array: (H, W), (H, W, 1), (H, W, 3), (H, W, 4) or (N, H, W, 3 or 4); bool, uint8 (0 to 255),
    uint16 (0 to 65535) or float (0 to 1). A fourth channel is alpha: laid on white.
    Returns (3, H, W) or (N, 3, H, W) float32, sRGB in [0, 1], a copy. Raises PhotoError otherwise.

    >>> from_numpy(np.full((2, 4, 3), 255, np.uint8)).shape
    torch.Size([3, 2, 4])
    """
    if not isinstance(array, np.ndarray):
        raise PhotoError(f"from_numpy needs a numpy array, not {type(array).__name__}.")
    shape = tuple(array.shape)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim not in {3, 4} or array.shape[-1] not in {1, 3, 4} or 0 in shape:
        hint = ""
        if array.ndim == 3 and shape[0] == 3:
            hint = " This one has its channels first: use torch.from_numpy(array).float()."
        raise PhotoError(
            f"array has shape {shape}; expected (H, W), (H, W, 3) or (H, W, 4), channels last."
            + hint
        )
    white = {"b": 1, "u1": 255, "u2": 65535}.get(
        array.dtype.kind + (str(array.dtype.itemsize) if array.dtype.kind == "u" else "")
    )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise PhotoError("array holds NaN or infinite values; a photo needs numbers in [0, 1].")
        low, high = float(array.min()), float(array.max())
        if low < -1 or high > 2:
            raise PhotoError(
                f"array holds floats from {low:g} to {high:g}; expected 0 to 1. "
                "If they are 0 to 255, divide by 255 first."
            )
        white = 1
    elif white is None:
        raise PhotoError(
            f"array has dtype {array.dtype}; expected uint8 (0 to 255), uint16 or float (0 to 1)."
        )
    values = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    photo = values.movedim(-1, -3).contiguous()
    if white != 1:
        photo /= white
    if photo.shape[-3] == 4:
        colour, alpha = photo.narrow(-3, 0, 3), photo.narrow(-3, 3, 1)
        photo = colour * alpha + (1 - alpha)
    if photo.shape[-3] == 1:
        photo = photo.repeat_interleave(3, dim=-3)
    return photo


def to_numpy(photo: torch.Tensor) -> np.ndarray:
    """Turn a photo into an array with channels last, as matplotlib and scikit-image want it.

    (3, H, W) -> (H, W, 3), (N, 3, H, W) -> (N, H, W, 3); float32, values unchanged, a copy.

    >>> to_numpy(torch.zeros(3, 2, 4)).shape
    (2, 4, 3)
    """
    batch = as_batch(photo).detach().movedim(1, -1).contiguous().cpu().numpy().copy()
    return batch[0] if photo.ndim == 3 else batch


def to_png_bytes(photo: torch.Tensor) -> bytes:
    """Encode one photo as the bytes of a PNG file, for a web page or a widget.

    >>> to_png_bytes(torch.zeros(3, 2, 4))[1:4]
    b'PNG'
    """
    stream = io.BytesIO()
    to_pillow(photo).save(stream, "PNG", compress_level=3)
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
    file = check_target(path, overwrite, tuple(photo.shape[-2:]))
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
    path: str | os.PathLike, overwrite: bool = False, size: tuple[int, int] | None = None
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


# ----------------------------------------------------------------------------- photo -> photo


def like(batch: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """A batch (N, 3, H, W), as `as_batch` makes it, in the form that came: one photo, or a batch.

    >>> like(torch.rand(1, 3, 8, 9), torch.rand(3, 8, 9)).shape
    torch.Size([3, 8, 9])
    """
    return batch if photo.ndim == 4 else batch[0]


def as_batch(photo: torch.Tensor, name: str = "photo", min_px: int = 1) -> torch.Tensor:
    """Return a photo as a batch (N, 3, H, W), or say what is wrong with it.

    photo: (3, H, W) or (N, 3, H, W) float32, sRGB in [0, 1]; a grey one, (1, H, W), is seen as
    three equal channels. Overshoot down to -1 and up to 2 is let through, because networks and
    noise leave the range a little; more is a mistake of scale.
    name: what the message calls it; min_px: the shortest side allowed.
    Returns a view: no memory is copied. Raises PhotoError.

    >>> as_batch(torch.rand(3, 8, 9)).shape
    torch.Size([1, 3, 8, 9])
    >>> as_batch(torch.full((3, 8, 9), 255.0).tril())
    Traceback (most recent call last):
    mssnet_edu.images.PhotoError: photo holds values from 0 to 255; expected 0 to 1. Divide by 255.
    """
    if not isinstance(photo, torch.Tensor):
        door = {"ndarray": "images.from_numpy", "str": "images.load", "PosixPath": "images.load"}
        use = "images.from_pillow" if isinstance(photo, Image.Image) else ""
        use = use or door.get(type(photo).__name__, "images.load")
        raise PhotoError(
            f"{name} is a {type(photo).__name__}; expected a torch tensor (3, H, W). Use me.{use}."
        )
    shape = tuple(photo.shape)
    if photo.ndim not in {3, 4} or shape[-3] not in {1, 3} or 0 in shape:
        raise PhotoError(
            f"{name} has shape {shape}; expected (3, H, W) or (N, 3, H, W).{_shape_hint(photo)}"
        )
    if photo.dtype != torch.float32:
        fix = f"{name}.float()" if photo.dtype.is_floating_point else f"{name}.float() / 255"
        raise PhotoError(
            f"{name} has dtype {photo.dtype}; expected torch.float32 in [0, 1]. Write {fix}."
        )
    # aminmax passes NaN on, so one look at the pixels answers both questions.
    low, high = (float(v) for v in torch.aminmax(photo.detach()))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise PhotoError(
            f"{name} holds NaN or infinite values. Look for a division by zero or a broken network "
            "before this step."
        )
    if low < -1 or high > 2:
        fix = " Divide by 255." if low >= 0 and high <= 256 else " Scale it first."
        raise PhotoError(f"{name} holds values from {low:.3g} to {high:.3g}; expected 0 to 1.{fix}")
    height, width = shape[-2:]
    if min(height, width) < min_px:
        raise PhotoError(
            f"{name} is {width} x {height} px; at least {min_px} x {min_px} px are needed. "
            "Take a larger photo, or enlarge this one first."
        )
    batch = photo if photo.ndim == 4 else photo.unsqueeze(0)
    return batch.expand(-1, 3, -1, -1)


def _shape_hint(photo: torch.Tensor) -> str:
    if photo.ndim in {3, 4} and photo.shape[-1] in {3, 4} and photo.shape[-3] not in {1, 3}:
        return " Its channels are last: use me.images.from_numpy(photo.numpy())."
    if photo.ndim == 2:
        return " It is grey: write photo[None]."
    if photo.ndim in {3, 4} and photo.shape[-3] == 4:
        return " It has an alpha channel: drop it with photo[..., :3, :, :]."
    return ""


def crop(photo: torch.Tensor, box: tuple[int, int, int, int]) -> torch.Tensor:
    """Cut a rectangle out of a photo.

    photo: (..., H, W); box: (left, top, width, height) in whole pixels from the upper left corner.
    Returns (..., height, width), a copy. Raises PhotoError when the box leaves the photo.

    >>> crop(torch.rand(3, 20, 30), (5, 0, 10, 8)).shape
    torch.Size([3, 8, 10])
    """
    if len(box) != 4 or any(int(v) != v for v in box):
        raise PhotoError(f"box is {box}; expected four whole numbers (left, top, width, height).")
    left, top, width, height = (int(v) for v in box)
    full_height, full_width = photo.shape[-2:]
    fits = left >= 0 and top >= 0 and width > 0 and height > 0
    if not fits or left + width > full_width or top + height > full_height:
        raise PhotoError(
            f"box (left {left}, top {top}, width {width}, height {height}) does not lie inside the "
            f"photo of {full_width} x {full_height} px."
        )
    return photo[..., top : top + height, left : left + width].clone()


def quantize(photo: torch.Tensor, levels: int = 256) -> torch.Tensor:
    """Clamp to [0, 1] and round to so many levels: 256 as an 8-bit file keeps it. Any shape.

    >>> quantize(torch.tensor([0.5, 1.2])) * 255
    tensor([128., 255.])
    """
    return (photo.clamp(0, 1) * (levels - 1)).round() / (levels - 1)


def to_linear(photo: torch.Tensor) -> torch.Tensor:
    """Undo the sRGB curve: from stored values to amounts of light, which may be added and averaged.

    light = v / 12.92 below 0.04045, else ((v + 0.055) / 1.055) ** 2.4; any shape, [0, 1] to [0, 1].
    Source: IEC 61966-2-1.

    >>> to_linear(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.2140, 1.0000])
    """
    # clamped inside the power, so that neither branch of `where` makes NaN or NaN gradients
    curve = ((photo.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(photo <= 0.04045, photo / 12.92, curve)


def to_srgb(light: torch.Tensor) -> torch.Tensor:
    """Apply the sRGB curve: from amounts of light to the values a file stores.

    v = 12.92 * light below 0.0031308, else 1.055 * light ** (1 / 2.4) - 0.055; the inverse of
    `to_linear`. Any shape, [0, 1] to [0, 1]. Source: IEC 61966-2-1.

    >>> to_srgb(torch.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.7354, 1.0000])
    """
    curve = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)


def luma(photo: torch.Tensor) -> torch.Tensor:
    """The grey version of a photo: 0.2126 R + 0.7152 G + 0.0722 B of the stored values.

    (3, H, W) -> (1, H, W), (N, 3, H, W) -> (N, 1, H, W), [0, 1]. Weights of Rec. ITU-R BT.709,
    whose primaries sRGB shares.

    >>> luma(torch.ones(3, 2, 4)).shape
    torch.Size([1, 2, 4])
    """
    if photo.ndim not in {3, 4} or photo.shape[-3] != 3:
        raise PhotoError(
            f"photo has shape {tuple(photo.shape)}; expected (3, H, W) or (N, 3, H, W)"
        )
    weights = photo.new_tensor([0.2126, 0.7152, 0.0722]).view(3, 1, 1)
    return (photo * weights).sum(-3, keepdim=True)
