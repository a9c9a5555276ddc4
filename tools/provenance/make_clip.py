"""Make data/video/cockatoo.webp, the course's real video clip, from the film it was taken from.

    python -m tools.provenance.make_clip cockatoo.mp4

Needs: ffmpeg on the PATH, or the PyPI package imageio-ffmpeg, which brings one; and the film
(1280 x 720 px, 20 frames a second, 280 frames, BSD-2-Clause), from Debian's python3-imageio:

    apt-get download python3-imageio
    dpkg --fsys-tarfile python3-imageio_*.deb | tar xO --wildcards '*/cockatoo.mp4' > cockatoo.mp4

The last 48 frames are taken: the camera is carried past the bird, by 2 to 10 px a frame at this
size, each frame is sharp, and the window is blown out. They are reduced to 640 x 360 px by area
averaging and stored as one animated WebP, which Pillow reads, so that learners need no ffmpeg.
"""

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from mssnet_edu import files

FIRST, FRAMES, WIDTH, HEIGHT, FRAMES_A_SECOND = 232, 48, 640, 360, 20
LIMIT_BYTES = 3_000_000
TARGET = Path(__file__).resolve().parents[2] / "data" / "video" / "cockatoo.webp"


def ffmpeg() -> str:
    """Return the path of ffmpeg: the system's, or the one inside imageio-ffmpeg."""
    if program := shutil.which("ffmpeg"):
        return program
    try:
        import imageio_ffmpeg  # pyright: ignore[reportMissingImports]
    except ImportError:
        sys.exit("No ffmpeg. Install it, or: pip install imageio-ffmpeg")
    return imageio_ffmpeg.get_ffmpeg_exe()


def frames(film: Path) -> list[Image.Image]:
    """Return the last 48 frames of the film, reduced."""
    selection = f"select=between(n\\,{FIRST}\\,{FIRST + FRAMES - 1})"
    command = [ffmpeg(), "-v", "error", "-i", str(film)]
    command += ["-vf", f"{selection},scale={WIDTH}:{HEIGHT}:flags=area+accurate_rnd"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    size = WIDTH * HEIGHT * 3
    if len(raw) != FRAMES * size:
        sys.exit(f"{film} gave {len(raw) // size} of the {FRAMES} frames; is it the right film?")
    return [
        Image.frombytes("RGB", (WIDTH, HEIGHT), raw[i * size : (i + 1) * size])
        for i in range(FRAMES)
    ]


def main() -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    first, *rest = frames(arguments.film)
    stream = io.BytesIO()
    # kmax=1: every frame is stored whole, so that none carries another's errors on
    first.save(
        stream,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=1000 // FRAMES_A_SECOND,
        loop=0,
        quality=96,
        method=6,
        kmin=0,
        kmax=1,
    )
    if stream.tell() > LIMIT_BYTES:
        sys.exit(f"The clip would be {stream.tell():,} bytes, more than {LIMIT_BYTES:,}.")
    with files.replacing(arguments.out) as part:
        part.write_bytes(stream.getvalue())
    print(f"{arguments.out}: {FRAMES} frames, {stream.tell():,} bytes")


if __name__ == "__main__":
    main()
