"""One photo from upload to report, with buttons instead of cells."""

import tempfile
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets
import torch

from mssnet_edu import degrade, diagnosis, images, marking, restore, samples
from mssnet_edu.show import look
from mssnet_edu.show.figures import photos, table
from mssnet_edu.show.report_page import Report, report
from mssnet_edu.show.widgets.compare import compare
from mssnet_edu.show.widgets.download import download
from mssnet_edu.show.widgets.sliders import Handles
from mssnet_edu.show.widgets.trust import trust
from mssnet_edu.show.widgets.upload import upload

__all__ = ["Desk"]

FACTOR = 8
PARTS_PX = (64, 128)  # sides of the parts that are offered
REDUCED_PX = 128  # larger side of the whole photo, made smaller
PLACES = {
    "the middle": (0.5, 0.5),
    "top left": (0, 0),
    "top": (0.5, 0),
    "top right": (1, 0),
    "left": (0, 0.5),
    "right": (1, 0.5),
    "bottom left": (0, 1),
    "bottom": (0.5, 1),
    "bottom right": (1, 1),
}
PX_PER_S = 1000  # of the small photo, all answers of a report together, on two cores; a first guess
ANSWERS = 4
CANCELLED = "Cancelled. Nothing was kept; choose again, or press Enlarge."


class _CancelledError(Exception):
    """The learner pressed Cancel."""


class Desk(ipywidgets.VBox):
    """Upload, diagnosis, choice of the part, work with a Cancel button, and the results to keep.

    Everything that takes longer than a moment runs in a thread of its own, so that Cancel is heard.
    """

    def __init__(self) -> None:
        self._photo: torch.Tensor | None = None
        self._path: Path | None = None
        self._px_per_s = PX_PER_S
        self._job = threading.Event()  # of the work under way; set to end it
        self._upload = upload("Choose a photo of your own, or drop it here.")
        self._upload.observe(self._uploaded, "taken")
        self._sample = _button("Or try it with an old portrait", self._take_sample)
        self._about = ipywidgets.VBox()
        self._part = ipywidgets.Dropdown(description="Part", layout={"width": "min(100%, 620px)"})
        self._place = ipywidgets.Dropdown(
            description="Place", options=list(PLACES), layout={"width": "min(100%, 620px)"}
        )
        self._undo = ipywidgets.Checkbox(description="First undo the motion", indent=False)
        self._preview = ipywidgets.HTML()
        for control in (self._part, self._place):
            control.observe(lambda _: self._show_part(), "value")
        self._go = _button("Enlarge 8 times", self._enlarge, "primary")
        self._cancel = _button("Cancel", lambda: self._job.set())
        self._bar = ipywidgets.FloatProgress(max=1, layout={"width": "min(100%, 420px)"})
        self._status = ipywidgets.HTML()
        self._work = ipywidgets.VBox(
            [
                self._part,
                self._place,
                self._preview,
                self._undo,
                ipywidgets.HBox([self._go, self._cancel, self._bar], layout={"flex_flow": "wrap"}),
            ]
        )
        self._result = ipywidgets.VBox()
        self._idle()
        self._work.layout.display = "none"
        super().__init__(
            [
                ipywidgets.HTML(_words()),
                self._upload,
                self._sample,
                self._about,
                self._work,
                self._status,
                self._result,
            ],
            layout={"max_width": "1040px", "margin": "0 auto", "padding": "0 12px"},
        )

    # -- the photo -----------------------------------------------------------------------------

    def _uploaded(self, _: object) -> None:
        self._start_on(self._upload.photo, self._upload.path)

    def _take_sample(self) -> None:
        photo = images.crop(samples.load("tesla_portrait"), (70, 28, 104, 124))
        self._start_on(photo, None)

    def _start_on(self, photo: torch.Tensor | None, path: Path | None) -> None:
        """Diagnose a photo, and offer parts of it."""
        if photo is None:
            return
        self._photo, self._path = photo, path
        self._idle()
        self._result.children, self._work.layout.display = (), "none"
        self._say("Looking at the photo …")
        self._begin(self._diagnose, photo, path)

    def _diagnose(self, photo: torch.Tensor, path: Path | None) -> None:
        found = diagnosis.diagnose(photo, path)
        if photo is not self._photo:
            return  # another one was chosen meanwhile
        self._found = found
        shown = look.photo_url(photo, 150_000)
        width, height = look.size_of(photo)
        picture = f'<img src="{shown}" alt="Your photo" style="max-width:100%;max-height:300px">'
        title = f"<h2>Your photo, {width} × {height} px</h2>"
        self._about.children = [
            ipywidgets.HTML(title + picture),
            ipywidgets.HTML(_findings(found)),
        ]
        moved = found["motion"].is_fault
        self._undo.value = moved
        self._undo.layout.display = "flex" if moved else "none"
        self._part.options = [self._offer(*size) for size in self._sizes()]
        self._part.index = 0
        self._work.layout.display = "flex"
        self._show_part()
        self._say("")

    def _size(self) -> tuple[int, int]:
        """Width and height of the photo."""
        assert self._photo is not None
        return look.size_of(self._photo)

    def _sizes(self) -> list[tuple[int, int, bool]]:
        """(width, height, reduced) of the parts that are offered, in pixels of the small photo."""
        width, height = self._size()
        parts = {(min(side, width), min(side, height), False) for side in PARTS_PX}
        share = REDUCED_PX / max(width, height)
        if share < 1:
            size = (max(16, round(width * share)), max(16, round(height * share)))
            if max(size) <= 4 * min(size):
                parts.add((*size, True))
        return sorted(parts, key=lambda part: (not part[2], part[0] * part[1]))

    def _offer(self, width: int, height: int, reduced: bool) -> str:
        what = "the whole, reduced" if reduced else "a part"
        whole = self._size() == (width, height)
        return f"{'the whole' if whole else what}: {width} × {height} px"

    def _small(self, photo: torch.Tensor) -> torch.Tensor:
        """The part that is to be enlarged, of the photo or of what deblurring left of it."""
        width, height, reduced = self._chosen()
        if reduced:
            return degrade.resample(photo, (height, width), "area").clamp(0, 1)
        width, height = min(width, photo.shape[-1]), min(height, photo.shape[-2])
        across, down = PLACES[str(self._place.value)]
        left = round(across * (photo.shape[-1] - width))
        top = round(down * (photo.shape[-2] - height))
        return images.crop(photo, (left, top, width, height))

    def _chosen(self) -> tuple[int, int, bool]:
        """The part that is chosen: (width, height, reduced)."""
        return self._sizes()[self._part.index or 0]

    def _show_part(self) -> None:
        if self._part.index is None:
            return
        width, height, reduced = self._chosen()
        whole = reduced or self._size() == (width, height)
        self._place.layout.display = "none" if whole else "flex"
        seconds = max(1, width * height / self._px_per_s)
        cost = f"becomes {FACTOR * width} × {FACTOR * height} px, in about {seconds:.0f} s"
        assert self._photo is not None
        small = self._small(self._photo)
        figure = photos(small, "to be enlarged", cost, marks="recorded", alt="The part.")
        self._preview.value = figure.html

    # -- the work ------------------------------------------------------------------------------

    def _enlarge(self) -> None:
        self._result.children = ()
        for control in (self._go, self._part, self._place, self._undo):
            control.disabled = True
        self._cancel.layout.display = self._bar.layout.display = "flex"
        self._begin(self._restore, self._photo)

    def _restore(self, photo: torch.Tensor) -> None:
        start, job = time.monotonic(), self._job
        history = images.read_metadata(self._path) if self._path else images.Metadata()
        if self._undo.value:
            progress = self._step(job, 0, 0.1)
            photo = restore.deblur(photo, "maxim-gopro", size="auto", progress=progress)
            history = marking.mark(history, "deblur", "maxim-gopro")
        small = self._small(photo)
        real = restore.upscale(small, FACTOR, invented=1, progress=self._step(job, 0.1, 0.4))
        page = report(
            small,
            answer=real,
            model=restore.realistic(FACTOR),
            n=ANSWERS,
            diagnosis=self._found,
            title="My photo, 8 times larger: what was recorded, and what was invented",
            progress=self._step(job, 0.4, 1),
        )
        results = self._results(small, page, history)
        if job.is_set():  # cancelled, or another photo was chosen, after the last step had begun
            raise _CancelledError
        self._px_per_s = small[0].numel() / (time.monotonic() - start)
        self._result.children = results
        self._idle()
        self._say("Done. Nothing has left this computer.")

    def _step(
        self, job: threading.Event, first: float, last: float
    ) -> Callable[[float, str], None]:
        """Progress of one step, as a part of the whole; the place where Cancel is heard."""

        def progress(share: float, what: str) -> None:
            if job.is_set():
                raise _CancelledError
            self._bar.value = first + (last - first) * share
            self._say(escape(what))

        return progress

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do this in a thread; what was under way ends, and says nothing more."""
        self._job.set()
        self._job = job = threading.Event()

        def safely() -> None:
            try:
                work(*arguments)
            except _CancelledError:
                said = CANCELLED
            except Exception as error:  # nobody would see what a thread raises
                said = escape(f"That did not work: {error}")
            else:
                return
            if job is self._job:
                self._idle()
                self._say(said)

        threading.Thread(target=safely, daemon=True).start()

    def _idle(self) -> None:
        for control in (self._go, self._part, self._place, self._undo):
            control.disabled = False
        self._cancel.layout.display = self._bar.layout.display = "none"
        self._bar.value = 0

    def _say(self, text: str) -> None:
        self._status.value = f'<p role="status" style="font-weight:600">{text}</p>'

    # -- the results ---------------------------------------------------------------------------

    def _results(
        self, small: torch.Tensor, page: Report, history: images.Metadata
    ) -> list[ipywidgets.Widget]:
        smooth = restore.upscale(small, FACTOR, invented=0)
        picture, handle = ipywidgets.HTML(), _slider("How much is invented")

        def blended() -> torch.Tensor:
            return smooth.lerp(page.answer, handle.value)

        def draw(_: object = None) -> None:
            title = f"{100 * handle.value:.0f} % of the invented detail"
            picture.value = photos(
                blended(), title, marks="partly invented", alt=title, max_px=400_000
            ).html

        def saved() -> bytes:
            told = marking.mark(history, "upscale", None, factor=FACTOR, invented=handle.value)
            with tempfile.TemporaryDirectory() as folder:
                file = images.save(blended(), Path(folder) / "photo.png", metadata=told)
                return file.read_bytes()

        handle.observe(draw, "value")
        draw()
        verdict = table(page.verdict, ["which of it is real?", "share", "what that is"])
        others = photos(
            list(page.candidates.values()),
            list(page.candidates),
            marks=["partly invented"] * len(page.candidates),
            columns=3,
            max_px=150_000,
            alt="Several enlargements of one small photo.",
        )
        compared = compare(
            small, page.answer, labels=("the photo", "enlarged 8x"),
            marks={"enlarged 8x": "partly invented"}, alt="The photo, and its enlargement.",
        )  # fmt: skip
        return [
            ipywidgets.HTML("<h2>Before and after</h2>"),
            compared,
            ipywidgets.HTML(f"<h2>Which of it is real?</h2>{verdict.html}"),
            ipywidgets.HTML("<h2>How much shall be invented?</h2><p>Every choice, made small, is "
                            "your photo again.</p>"),
            handle,
            Handles(),
            picture,
            ipywidgets.HTML("<h2>What is in doubt?</h2>"),
            trust(page.trust_map, threshold=8, alt="The enlargement; doubtful cells are hatched."),
            ipywidgets.HTML(
                f"<h2>Other answers to the same photo</h2>{others.html}<h2>To keep</h2>"
            ),
            download("Save the picture", "my_photo_8x.png", saved),
            download("Save the report", "my_photo.html", lambda: page.page.encode("utf-8")),
        ]  # fmt: skip


def _findings(found: diagnosis.Diagnosis) -> str:
    """The findings as paragraphs: a table has no room on a telephone."""
    paragraphs = (
        f"<p><b>{'! ' * f.is_fault}{f.name}</b>, {escape(f.measured)}. "
        f"{escape(f.sentence)} {escape(f.advice)}</p>"
        for f in found
    )
    return f"<h2>What is wrong with it?</h2><p>{found.summary}</p>{''.join(paragraphs)}"


def _button(text: str, on_click: Callable[[], None], style: str = "") -> ipywidgets.Button:
    layout = {"width": "auto", "align_self": "flex-start"}
    button = ipywidgets.Button(description=text, button_style=style, layout=layout)
    button.on_click(lambda _: on_click())
    return button


def _slider(name: str) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(
        1,
        min=0,
        max=1,
        step=0.05,
        description=name,
        continuous_update=False,
        readout_format=".0%",
        style={"description_width": "auto"},
        layout={"width": "min(100%, 620px)"},
    )


def _words() -> str:
    return (
        "<h1>Which of my photo is real?</h1><p>Choose a photo. It is looked at, enlarged 8 times "
        "on this computer, and you are told which part of the large picture was recorded and "
        "which was invented.</p>"
    )
