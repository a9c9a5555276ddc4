import pytest
import torch

from mssnet_edu import featsharp, show


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    low = torch.randn(200, 4, 5) * torch.linspace(0.05, 1, 200)[:, None, None] ** 3
    return {"low": low, "high": low.repeat_interleave(2, 1).repeat_interleave(2, 2)}


def vectors_of(widget):
    """The feature vectors that travel to the page: for each map (rows, columns, dims), int8."""
    shapes = [(m["rows"], m["columns"], m["dims"]) for m in widget.maps]
    sizes = [rows * columns * dims for rows, columns, dims in shapes]
    parts = torch.frombuffer(bytearray(widget.data), dtype=torch.int8).split(sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def test_what_travels_gives_the_same_similarities(maps):
    widget = show.similarity(torch.rand(3, 64, 80), maps, at=(0.9, 0.1))
    assert (widget.x, widget.y) == (0.9, 0.1)
    low, high = vectors_of(widget)
    assert low.shape == (4, 5, 128)
    assert high.shape == (8, 10, 128)
    unit = torch.nn.functional.normalize(low.float(), dim=2)
    wanted = featsharp.cosine_similarity(maps["low"], 1, 3)
    assert torch.allclose((unit * unit[1, 3]).sum(2), wanted, atol=0.02)


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
