"""A button that saves a file which the kernel makes when it is pressed."""

from collections.abc import Callable

import traitlets

from mssnet_edu.show import figures, look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Download", "download"]


class Download(StaticFallback):
    """The widget behind `download`. `make` is asked for the bytes at each press."""

    _esm = script("download")
    _css = style("download")

    label = traitlets.Unicode().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    make: Callable[[], bytes]

    def still(self) -> look.Figure:
        """Its words: without a kernel there is nothing to save."""
        return figures.table([[self.label, self.name]], ["to save", "file"], alt=self.label)

    def _receive(self, _: object, content: dict, buffers: list) -> None:
        self.send({"kind": "file"}, [self.make()])


def download(label: str, name: str, make: Callable[[], bytes]) -> Download:
    """Offer a file to save. label: on the button. name: of the file. make: returns its content.

    >>> download("Save it", "hello.txt", lambda: b"hello").name
    'hello.txt'
    """
    widget = Download(label=label, name=name)
    widget.make = make
    widget.on_msg(widget._receive)
    return widget
