"""Photos, to picture files: where one may be written, and how."""

from __future__ import annotations

import functools
import math
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import ImageCms

from mssnet_edu.files import check_writable, replacing
from mssnet_edu.images.arrays import PhotoError, as_batch
from mssnet_edu.images.files import to_pillow
from mssnet_edu.images.metadata import Metadata, embedded
from mssnet_edu.images.transparency import lift_off_white

__all__ = ["check_target", "save"]

_MOST_PX = {"JPEG": 65_500, "WEBP": 16_383}  # on a side, as the formats' libraries have it
_WRITABLE = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95, "method": 4}),
    ".tif": ("TIFF", {"compression": "raw"}),  # Pillow's compressed TIFFs cannot hold EXIF
    ".tiff": ("TIFF", {"compression": "raw"}),
}
_TRANSPARENT = ("PNG", "WEBP")


def save(
    photo: torch.Tensor,
    path: str | os.PathLike,
    overwrite: bool = False,
    *,
    alpha: torch.Tensor | None = None,
    metadata: Metadata | None = None,
) -> Path:
    """Write one photo as PNG, JPEG, WebP or TIFF (by the name's ending), and return its Path.

    photo: (3, H, W) or (1, 3, H, W), clamped to [0, 1], stored with 8 bits, as sRGB by its profile.
    alpha: (1, H, W) in [0, 1], how opaque it is; JPEG and TIFF stay laid on white. metadata: what
    the file says beside (see `read_metadata`). The file appears complete or not at all. Raises
    PhotoError when the file exists and overwrite is False, when nothing can be written there, or
    when the ending is unknown.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(torch.rand(3, 8, 8), folder + "/noise.png").name
    'noise.png'
    """
    file = check_target(path, overwrite, photo.shape[-2:])
    kind, options = _WRITABLE[file.suffix.lower()]
    if alpha is None or kind not in _TRANSPARENT:
        image = to_pillow(photo)
    else:
        photo, alpha = as_batch(photo)[0], alpha.to(photo.device)
        image = to_pillow(lift_off_white(photo, alpha))
        image.putalpha(to_pillow(alpha).getchannel(0))
    extra = {} if metadata is None else embedded(metadata, kind)
    try:
        with replacing(file, overwrite) as part, part.open("wb") as stream:
            image.save(stream, kind, icc_profile=_srgb_profile(), **options, **extra)
    except FileExistsError as error:  # taken while the photo was being written
        raise _exists(file) from error
    except (OSError, ValueError) as error:  # Pillow raises either where a format has a limit
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(f"{file} could not be written: {reason}.") from error
    return file


@functools.cache
def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # LittleCMS dates it by the clock; the same photo is to give the same file
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def check_target(
    path: str | os.PathLike, overwrite: bool = False, size: Sequence[int] | None = None
) -> Path:
    """Say whether `save` could write a photo to this file name, before the long computation.

    size: (height, width) of that photo, if it is known. Returns the name as a Path. Raises
    PhotoError as `save` does. Nothing stays behind: a file is created there, and deleted.

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
    try:
        _check_place(file, overwrite)
    except OSError as error:  # a read-only disk, no permission, too long a name, ...
        reason = error.strerror or str(error)
        raise PhotoError(
            f"{file} cannot be written: {reason}. Choose another name or folder."
        ) from error
    return file


def _check_place(file: Path, overwrite: bool) -> None:
    if not file.parent.is_dir():
        raise PhotoError(f"The folder {file.parent} does not exist. Create it first.")
    if file.is_dir():
        raise PhotoError(f"{file} is a folder. Give a file name inside it.")
    if file.is_symlink() and not file.exists():
        raise PhotoError(
            f"{file} is a link to {file.readlink()}, where there is nothing. Remove the link, or "
            "choose another name."
        )
    if file.exists() and not overwrite:
        raise _exists(file)
    if file.exists() and not file.is_file():
        raise PhotoError(f"{file} is not an ordinary file. Choose another name.")
    check_writable(file)


def _exists(file: Path) -> PhotoError:
    return PhotoError(
        f"{file} exists already and is left as it is. Choose another name, or allow overwriting "
        "(overwrite=True; --force on the command line)."
    )
