"""bfloat16 where it is fast: it can be overruled, is near float32, spares learners' networks."""

import pytest
import torch
from torch import nn

from mssnet_edu import degrade, metrics, models, precision, restore, samples

RESTORING = [*models.names("deblur"), *models.names("upscale")]


@pytest.mark.parametrize("name", RESTORING)
def test_bfloat16_agrees_with_float32(name):
    info = models.info(name)
    # realism reaches 46 dB only: what it draws hangs on small differences of its random numbers.
    # From 45 dB on a difference is invisible.
    least_db = 45 if info.config.get("takes_seed") else 48
    # windows that span a tiny photo sum few pixels, and rounding shows
    side = 128 if info.task == "deblur" else max(48, info.min_px)
    photo = degrade.downscale(samples.load("astronaut"), 2)[:, 10 : 10 + side, 90 : 90 + side]
    if info.task == "deblur":
        answers = [restore.deblur(photo, name, precision=p) for p in precision.PRECISIONS]
    else:
        factor = info.factor
        answers = [restore.upscale(photo, factor, name, precision=p) for p in precision.PRECISIONS]
    assert least_db < metrics.psnr(*answers) < 100  # not the same: the choice has an effect
    assert all(answer.dtype == torch.float32 for answer in answers)


class Recorder(nn.Conv2d):
    """Remembers in which precision its convolution ran."""

    def forward(self, x):
        answer = super().forward(x)
        self.ran_in = answer.dtype
        return answer


def test_a_learners_network_runs_in_float32_unless_asked(monkeypatch):
    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    network = Recorder(3, 3, 3, padding=1)
    restore.deblur(torch.rand(3, 40, 40), network)
    assert network.ran_in == torch.float32
    restore.deblur(torch.rand(3, 40, 40), network, precision="bfloat16")
    assert network.ran_in == torch.bfloat16


def test_argument_variable_processor_in_this_order(monkeypatch):
    monkeypatch.delenv(precision.VARIABLE, raising=False)
    for fast, name in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(precision, "has_fast_bfloat16", lambda fast=fast: fast)
        assert precision.choose_precision() == name
    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    assert precision.choose_precision() == "bfloat16"
    assert precision.choose_precision("float32") == "float32"


def test_an_unknown_precision_is_refused_before_any_work(monkeypatch):
    with pytest.raises(ValueError, match=r"precision is 'float16'; expected 'float32' or"):
        restore.deblur(torch.rand(3, 40, 40), nn.Identity(), precision="float16")
    monkeypatch.setenv(precision.VARIABLE, "double")
    with pytest.raises(ValueError, match=rf"variable {precision.VARIABLE} is 'double'"):
        restore.upscale(torch.rand(3, 16, 16), 8)
