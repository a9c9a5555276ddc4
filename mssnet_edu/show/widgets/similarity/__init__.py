"""Click a place in a photo, and see how similar every other place is, in one map or several."""

import torch
import traitlets

from mssnet_edu import featsharp
from mssnet_edu.degrade import arguments
from mssnet_edu.show import look
from mssnet_edu.show.widgets.shared import StaticFallback, script, style

__all__ = ["Similarity", "heatmap", "similarity"]

MAX_DIMS = 128
MAX_PX = 500_000
# as in similar.js: dark to bright, matplotlib's magma
SCALE = [[0, 0, 4], [40, 17, 89], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21]]
SCALE += [[250, 193, 39], [252, 255, 164]]


class Similarity(StaticFallback):
    """The widget behind `similarity`. `x` and `y`, 0 to 1, may be read and set."""

    _esm = script("similarity")
    _css = style("compare", "stages", "similarity")

    url = traitlets.Unicode().tag(sync=True)
    maps = traitlets.List(traitlets.Dict()).tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)  # on the screen: width, height
    x = traitlets.Float(0.5).tag(sync=True)
    y = traitlets.Float(0.5).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def still(self) -> look.Figure:
        """The photo and the maps for the place that is chosen now, as plain HTML."""
        from mssnet_edu.show import figures

        pictures = [self._photo]
        for features in self._features.values():
            row, column = (
                min(int(at * n), n - 1)
                for at, n in zip((self.y, self.x), features.shape[1:], strict=True)
            )
            pictures.append(heatmap(featsharp.cosine_similarity(features, row, column)))
        where = f"chosen: {self.x:.0%} from the left, {self.y:.0%} from the top"
        return figures.laid_out(
            pictures,
            titles=["the photo", *self._features],
            captions=[where, *["bright: similar to the chosen place"] * len(self._features)],
            alt=self.alt,
            max_px=MAX_PX,
        )


def similarity(photo, maps, at=(0.5, 0.5), alt=None):
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
    photo = look.one_photo(photo)
    if not maps or any(not torch.is_tensor(m) or m.ndim != 3 for m in maps.values()):
        raise ValueError("maps must be a dict {name: features of shape (C, h, w)}, at least one")
    x, y = (arguments.number(v, "at", low=0, high=1) for v in at)
    abouts, blobs = [], []
    for name, features in maps.items():
        packed = _packed(features.detach().float())
        rows, columns, dims = packed.shape
        abouts.append({"name": name, "rows": rows, "columns": columns, "dims": dims})
        blobs.append(packed.numpy().tobytes())
    room = (look.PAGE_PX - look.GAP_PX * len(maps)) // (len(maps) + 1)
    width, height = look.size_of(photo)
    shown = min(room, round(420 * width / height))
    widget = Similarity(
        url=look.data_url(look.reduced(photo, MAX_PX)[0]),
        maps=abouts,
        data=b"".join(blobs),
        shape=[shown, round(shown * height / width)],
        x=x,
        y=y,
        alt=alt or "A photo, and maps of how similar each place is to the chosen one.",
    )
    widget._photo, widget._features = photo, maps
    return widget


def _packed(features):
    """(C, h, w) -> (h, w, up to 128) int8: strongest directions, each vector to its own scale."""
    cells = features.flatten(1).T  # (h w, C)
    cells = cells - cells.mean(0)
    if cells.shape[1] > MAX_DIMS:
        axes = torch.linalg.eigh(cells.T @ cells)[1][:, -MAX_DIMS:]
        cells = cells @ axes
    cells = 127 * cells / cells.abs().amax(1, keepdim=True).clamp(min=1e-9)
    return cells.round().to(torch.int8).view(*features.shape[1:], -1)


def heatmap(values):
    """Numbers (h, w) as colours (3, h, w): dark for 0 or less, bright for 1.

    >>> heatmap(torch.ones(1, 1)).flatten() * 255
    tensor([252., 255., 164.])
    """
    scale = torch.tensor(SCALE) / 255
    at = values.clamp(0, 1) * (len(scale) - 1)
    low = at.long().clamp(max=len(scale) - 2)
    share = (at - low)[..., None]
    return (scale[low] * (1 - share) + scale[low + 1] * share).permute(2, 0, 1)
