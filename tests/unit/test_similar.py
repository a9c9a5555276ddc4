import numpy as np
import pytest
import torch

from mssnet_edu import featsharp, show
from mssnet_edu.show.widgets.similarity import _packed


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    low = torch.randn(200, 4, 5) * torch.linspace(0.05, 1, 200)[:, None, None] ** 3
    return {"low": low, "high": low.repeat_interleave(2, 1).repeat_interleave(2, 2)}


def test_what_travels_gives_the_same_similarities(maps):
    packed = _packed(maps["low"]).float()
    assert packed.shape == (4, 5, 128)
    unit = torch.nn.functional.normalize(packed, dim=2)
    wanted = featsharp.cosine_similarity(maps["low"], 1, 3)
    assert torch.allclose((unit * unit[1, 3]).sum(2), wanted, atol=0.02)


def test_widget_holds_all_maps_one_after_another(maps):
    widget = show.similarity(torch.rand(3, 64, 80), maps, at=(0.9, 0.1))
    sizes = [m["rows"] * m["columns"] * m["dims"] for m in widget.maps]
    assert len(widget.data) == sum(sizes)
    first = np.frombuffer(widget.data, np.int8)[: sizes[0]].reshape(4, 5, 128)
    assert np.array_equal(first, _packed(maps["low"]).numpy())
    assert (widget.x, widget.y) == (0.9, 0.1)


def test_still_shows_photo_and_maps(maps):
    still = show.similarity(torch.rand(3, 64, 80), maps, alt="Noise.").still()
    assert still.html.count("<img") == 3
    assert still.alt == "Noise."


def test_heat_runs_from_dark_to_bright():
    found = show.heatmap(torch.tensor([[-1.0, 0.0, 0.5, 1.0]]))
    light = found.mean(0)[0]
    assert light[0] == light[1] < light[2] < light[3]


@pytest.mark.parametrize("wrong", [{}, {"low": torch.rand(3, 4)}, {"low": 3}])
def test_what_is_no_map_is_refused(wrong):
    with pytest.raises(ValueError, match="features of shape"):
        show.similarity(torch.rand(3, 16, 16), wrong)


def test_the_last_cell_ends_at_one(maps):
    photo = torch.rand(3, 64, 80)
    corner = show.similarity(photo, maps, at=(1.0, 1.0)).still()
    assert corner.html.count("<img") == 3
    with pytest.raises(ValueError, match="at"):
        show.similarity(photo, maps, at=(1.2, 0.5))
