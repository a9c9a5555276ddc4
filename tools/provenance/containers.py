"""Read the two kinds of container that Debian packages hold photographs in.

Enlightenment's .edj (an EET archive) and Qt's .rcc (a resource file). Both begin with a magic
number and hold a directory with offsets into the file.
"""

import struct
import zlib
from collections.abc import Iterator

EET_MAGIC = bytes.fromhex("1ee70f42")
JPEG_START = b"\xff\xd8\xff"
# flags of a node in a .rcc file
ZLIB, DIRECTORY, ZSTD = 1, 2, 4


def read_edj(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each JPEG in an .edj file, such as ("edje/images/0", ...).

    The EET format: big-endian magic, number of entries, number of strings; then per entry offset,
    size, unpacked size, offset and size of its name, flags. A picture stored as JPEG has a small
    header of its own in front. Raises ValueError if it is another kind of file.
    """
    if len(blob) < 12 or blob[:4] != EET_MAGIC:
        raise ValueError("not an EET file")
    [entries] = struct.unpack_from(">I", blob, 4)
    for i in range(entries):
        start, size, _, name_at, name_size, _ = struct.unpack_from(">6I", blob, 12 + 24 * i)
        name = blob[name_at : name_at + name_size].rstrip(b"\0").decode("utf-8", "replace")
        entry = blob[start : start + size]
        jpeg_at = entry.find(JPEG_START, 0, 64)
        if jpeg_at >= 0:
            yield name, entry[jpeg_at:]


def read_rcc(blob: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of each file in a .rcc file, such as ("gcompris/src/…/bee.webp", ...).

    The format: "qres", version, then offsets of the tree, the data and the names, all big-endian.
    A node of the tree is a directory (count and index of its first child) or a file (offset of its
    data, which may be packed by zlib; files packed by zstd are left out: no picture we need is).
    Raises ValueError if it is another kind of file.
    """
    if len(blob) < 20 or blob[:4] != b"qres":
        raise ValueError("not a Qt resource file")
    version, tree, data, names = struct.unpack_from(">4I", blob, 4)
    node_size = 14 if version == 1 else 22  # later versions note when the file was changed
    pending = [(0, "")]
    while pending:
        number, path = pending.pop()
        node = tree + number * node_size
        name_at, flags = struct.unpack_from(">IH", blob, node)
        if number:  # the root has no name
            [length] = struct.unpack_from(">H", blob, names + name_at)
            start = names + name_at + 6  # 2 bytes of length, 4 of a hash
            path = f"{path}/{blob[start : start + 2 * length].decode('utf-16-be')}".lstrip("/")
        if flags & DIRECTORY:
            count, first = struct.unpack_from(">2I", blob, node + 6)
            pending += [(child, path) for child in range(first, first + count)]
        elif not flags & ZSTD:
            [offset] = struct.unpack_from(">I", blob, node + 10)
            [size] = struct.unpack_from(">I", blob, data + offset)
            content = blob[data + offset + 4 : data + offset + 4 + size]
            yield path, zlib.decompress(content[4:]) if flags & ZLIB else content
