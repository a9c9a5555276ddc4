"""What several unit tests share."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F


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


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder of three pairs to learn from, whose answers tell where each pixel comes from.

    Red and green: the small photo enlarged. Blue: the noise, which lies between 60 and 200 here.
    """
    path = tmp_path_factory.mktemp("pairs")
    generator = torch.Generator().manual_seed(0)
    small = torch.randint(60, 200, (3, 3, 8, 8), generator=generator)
    noise = torch.randint(60, 200, (3, 1, 8, 8), generator=generator)
    given = torch.cat([small[:, :2], noise], 1).float()
    large = F.interpolate(given, scale_factor=8, mode="bicubic").round()
    shard = {"small": small.byte(), "noise": noise.half(), "answer": large.byte()}
    save_file(
        {name: value[:2].contiguous() for name, value in shard.items()}, path / "0000.safetensors"
    )
    save_file(
        {name: value[2:].contiguous() for name, value in shard.items()}, path / "0007.safetensors"
    )
    (path / ".0008.x.safetensors").write_bytes(b"half")  # of a run that was killed
    return path
