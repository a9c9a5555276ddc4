"""Click a place in a photo, and see how similar every other place is, in one map or several."""

from collections.abc import Mapping

import torch
import traitlets

from mssnet_edu import featsharp
from mssnet_edu.degrade import arguments
from mssnet_edu.show import figures, look
from mssnet_edu.show.colormaps import MAGMA, heatmap
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Similarity", "similarity"]

MAX_DIMS = 128
MAX_PX = 500_000


class Similarity(StaticFallback):
    """The widget behind `similarity`. `x` and `y`, 0 to 1, may be read and set."""

    _esm = script("similarity")
    _css = style("similarity")
    _photo: torch.Tensor
    _features: Mapping[str, torch.Tensor]

    url = traitlets.Unicode().tag(sync=True)
    maps = traitlets.List(traitlets.Dict()).tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # on the screen: width, height
    colormap = traitlets.List(MAGMA).tag(sync=True)
    x = traitlets.Float(0.5).tag(sync=True)
    y = traitlets.Float(0.5).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """The photo and the maps for the place that is chosen now, as plain HTML."""
        pictures = [self._photo]
        for features in self._features.values():
            rows, columns = features.shape[1:]
            row, column = min(int(self.y * rows), rows - 1), min(int(self.x * columns), columns - 1)
            pictures.append(heatmap(featsharp.cosine_similarity(features, row, column)))
        chosen = f"chosen: {self.x:.0%} from the left, {self.y:.0%} from the top"
        return figures.photos(
            pictures,
            titles=["the photo", *self._features],
            captions=[chosen, *["bright: similar to the chosen place"] * len(self._features)],
            alt=self.alt,
            max_px=MAX_PX,
        )


def similarity(
    photo: torch.Tensor,
    maps: Mapping[str, torch.Tensor],
    at: tuple[float, float] = (0.5, 0.5),
    alt: str | None = None,
) -> Similarity:
    """Show how similar each place of a photo is to one that is clicked, in maps side by side.

    photo: (3, H, W), sRGB in [0, 1]. maps: {name: features (C, h, w)}, of any sizes, all covering
    the whole photo. at: (x, y), each 0 to 1: the place chosen at first. alt: what there is to see.
    Similarity is the cosine of feature vectors, each map's own mean taken off; for speed, of their
    128 strongest directions. Works by mouse, touch and keyboard, and without a kernel.
    Returns the widget. Raises ValueError for maps of another shape.

    >>> widget = similarity(torch.rand(3, 64, 64), {"low": torch.randn(8, 4, 4)})
    >>> widget.maps
    [{'name': 'low', 'rows': 4, 'columns': 4, 'dims': 8}]
    """
    photo = look.single_photo(photo)
    if not maps or any(not torch.is_tensor(m) or m.ndim != 3 for m in maps.values()):
        raise ValueError("maps must be a dict {name: features of shape (C, h, w)}, at least one")
    x, y = (arguments.number(v, "at", low=0, high=1) for v in at)
    quantized = {name: _quantize(features.detach().float()) for name, features in maps.items()}
    max_width = (look.PAGE_PX - look.GAP_PX * len(maps)) // (len(maps) + 1)
    width, height = look.size_of(photo)
    shown = min(max_width, round(420 * width / height))
    widget = Similarity(
        url=look.photo_url(photo, MAX_PX),
        maps=[
            {"name": name, **dict(zip(("rows", "columns", "dims"), vectors.shape, strict=True))}
            for name, vectors in quantized.items()
        ],
        data=b"".join(vectors.numpy().tobytes() for vectors in quantized.values()),
        shape=[shown, round(shown * height / width)],
        x=x,
        y=y,
        alt=alt or "A photo, and maps of how similar each place is to the chosen one.",
    )
    widget._photo, widget._features = photo, maps
    return widget


def _quantize(features):
    """(C, h, w) -> (h, w, up to 128) int8: principal components, each vector to its own scale."""
    vectors = features.flatten(1).T  # (h w, C)
    vectors = vectors - vectors.mean(0)
    if vectors.shape[1] > MAX_DIMS:
        components = torch.linalg.eigh(vectors.T @ vectors)[1][:, -MAX_DIMS:]
        vectors = vectors @ components
    vectors = 127 * vectors / vectors.abs().amax(1, keepdim=True).clamp(min=1e-9)
    return vectors.round().to(torch.int8).view(*features.shape[1:], -1)
