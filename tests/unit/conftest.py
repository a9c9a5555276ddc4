"""What several unit tests share."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten small 'photographs': noise over steps, so that patches have structure."""
    path = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for i in range(10):
        steps = np.kron(generator.integers(0, 200, (13, 15, 3)), np.ones((16, 16, 1)))
        picture = np.clip(steps + generator.normal(0, 12, steps.shape), 0, 255).astype("uint8")
        Image.fromarray(picture).save(path / f"photo{i}.png")
    return path
