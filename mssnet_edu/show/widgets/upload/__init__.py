"""A photo of the learner's own, from the disk: chosen or dropped, checked, and then a tensor."""

import tempfile
from pathlib import Path
from typing import Any

import torch
import traitlets

from mssnet_edu import images
from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MIN_PX", "Upload", "upload"]

MIN_PX = 40  # of the smaller side: less shows nothing that could be judged
MAX_PIXELS = 50_000_000
MAX_BYTES = 100_000_000
THUMB_PX = 60_000


class Upload(StaticFallback):
    """The widget behind `upload`. `photo` and `path` are of the photo that was taken last.

    A file comes in parts, each asked for by the kernel: so it does not matter that Jupyter drops
    messages of more than 10 MB, and nothing has to be configured.
    """

    _esm = script("upload")
    _css = style("upload")

    # of each file: name, said, taken, url of a small picture (of taken ones)
    verdicts = traitlets.List(traitlets.Dict()).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    # changes when a photo was taken: its path
    taken = traitlets.Unicode()

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._folder = tempfile.TemporaryDirectory(prefix="mssnet-edu-")
        self._photo: torch.Tensor | None = None
        self._coming: tuple[str, int, bytearray] = "", 0, bytearray()
        self.on_msg(self._receive)

    @property
    def photo(self) -> torch.Tensor | None:
        """(3, H, W), sRGB in [0, 1]; None before any was taken."""
        return self._photo

    @property
    def path(self) -> Path | None:
        """Where its file is kept until the kernel ends, with all that stands in it."""
        return Path(self.taken) if self.taken else None

    def take(self, name: str, blob: bytes) -> None:
        """Check a file's content and keep it as the photo; say what came of it in `verdicts`."""
        try:
            _check_bytes(len(blob))
            photo = images.decode(blob, name, MAX_PIXELS)
            _check_sides(photo)
        except images.PhotoError as error:
            self._say(name, str(error))
            return
        suffix = Path(name).suffix if Path(name).suffix[1:].isalnum() else ""
        path = Path(self._folder.name) / f"{len(self.verdicts)}{suffix}"
        path.write_bytes(blob)
        width, height = look.size_of(photo)
        self._say(name, f"{width} × {height} px", look.photo_url(photo, THUMB_PX))
        self._photo = photo
        self.taken = str(path)

    def still(self) -> look.Figure:
        """What became of the files so far, or that a running notebook is needed."""
        rows = [[verdict["name"], verdict["said"]] for verdict in self.verdicts]
        rows = rows or [["no file yet", "In the running notebook, choose a photo here."]]
        return figures.table(rows, ["file", ""], alt=self.alt)

    def _receive(self, _: Any, content: dict, buffers: list) -> None:
        """A file is announced, or a part of it has come: ask for the next one, or take it."""
        if content.get("kind") == "file":
            name, size = str(content["name"]), int(content["size"])
            self._coming = name, size, bytearray()
            try:
                _check_bytes(size)
            except images.PhotoError as error:
                self._say(name, str(error))
                self.send({"kind": "next file"})
                return
        else:
            self._coming[2].extend(buffers[0])
        name, size, blob = self._coming
        if len(blob) < size:
            self.send({"kind": "part", "from": len(blob)})
            return
        self._coming = "", 0, bytearray()
        self.take(name, bytes(blob))
        self.send({"kind": "next file"})

    def _say(self, name: str, said: str, url: str = "") -> None:
        verdict = {"name": name, "said": said, "taken": bool(url), "url": url}
        self.verdicts = [*self.verdicts, verdict]


def _check_bytes(count: int) -> None:
    if not count:
        raise images.PhotoError("The file is empty. Choose another, or copy it again.")
    if count > MAX_BYTES:
        raise images.PhotoError(
            f"The file has {count / 1e6:.0f} MB; {MAX_BYTES / 1e6:.0f} are allowed. Save it as a "
            "JPEG, or smaller, and try again."
        )


def _check_sides(photo: torch.Tensor) -> None:
    width, height = look.size_of(photo)
    if min(width, height) < MIN_PX:
        raise images.PhotoError(
            f"The photo has {width} × {height} px; at least {MIN_PX} each way are needed to say "
            "anything about it."
        )


def upload(alt: str | None = None) -> Upload:
    """Let a learner choose photos from the disk, or drop them here; several at once are fine.

    Each file is checked and gets a sentence: pictures of 40 px to 50 megapixels, up to 100 MB. The
    widget's `photo` is the last one that was taken, (3, H, W), or None; `path` is its file.

    >>> widget = upload()
    >>> widget.take("diary.txt", b"Dear diary")
    >>> widget.photo is None, widget.verdicts[0]["said"][:24]
    (True, 'diary.txt is not a pictu')
    """
    return Upload(alt=alt or "Choose a photo from your computer.")
