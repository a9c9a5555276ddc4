"""Losses say what they are said to, and Muon takes orthogonal steps."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training import losses
from training.muon import Muon, orthogonalise


def test_fourier_loss_against_a_slow_loop():
    a, b = torch.rand(1, 1, 4, 6), torch.rand(1, 1, 4, 6)
    total = 0.0
    for u in range(4):
        for v in range(6):
            value = sum(
                complex(a[0, 0, y, x] - b[0, 0, y, x])
                * np.exp(-2j * math.pi * (u * y / 4 + v * x / 6))
                for y in range(4)
                for x in range(6)
            )
            total += abs(value.real) + abs(value.imag)
    assert float(losses.fourier_l1(a, b)) == pytest.approx(total / 48, rel=1e-4)


def test_psnr_loss_is_minus_psnr():
    sharp = torch.full((2, 3, 32, 32), 0.5)
    off = sharp + 0.1
    expected = 10 * math.log10(0.01 + 5e-4)
    assert float(losses.psnr_loss([off], sharp)) == pytest.approx(expected, abs=1e-3)


def test_relative_mse_is_the_share_of_the_error_that_is_left():
    sharp = torch.rand(2, 3, 32, 32)
    blurry = sharp + 0.3 * torch.randn(sharp.shape)
    nothing = float(losses.relative_mse_loss([blurry], sharp, blurry))
    assert 0.95 < nothing < 1
    half = float(losses.relative_mse_loss([(blurry + sharp) / 2], sharp, blurry))
    assert half == pytest.approx(nothing / 4, rel=1e-4)
    assert losses.relative_mse_loss([sharp], sharp, sharp) == 0  # a sharp photo left alone


def ripple(strength):
    """A chequerboard of single pixels: the finest structure there is."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return (strength * (-1.0) ** (x + y)).expand(1, 3, 64, 64)


def test_a_ripple_is_no_texture():
    sharp = F.interpolate(torch.rand(1, 3, 16, 16), scale_factor=4, mode="bicubic").clamp(0, 1)
    soft = F.avg_pool2d(sharp, 9, stride=1, padding=4, count_include_pad=False)
    assert losses.texture(soft + ripple(0.1), sharp) > losses.texture(soft, sharp)
    assert losses.texture(sharp, sharp) == 0
    assert losses.texture(sharp.flip(-1), sharp) < 0.7 * losses.texture(soft, sharp)


def test_only_colour_counts_as_colour():
    sharp = torch.rand(1, 3, 16, 16)
    assert losses.colour(sharp + 0.1, sharp) < 1e-6
    redder = sharp + torch.tensor([0.1, 0.0, 0.0])[None, :, None, None]
    assert losses.colour(redder, sharp) > 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matrices_become_nearly_orthogonal(dtype):
    torch.manual_seed(0)
    for shape in ((3, 8, 72), (3, 72, 8)):
        found = orthogonalise(torch.randn(shape), dtype)
        assert (found.shape, found.dtype) == (shape, torch.float32)
        singular = torch.linalg.svdvals(found)
        assert singular.min() > 0.6
        assert singular.max() < 1.3


@pytest.mark.parametrize("bf16", [False, True])
def test_muon_takes_orthogonal_steps(bf16):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(8, 8, 3, 3))
    weight.grad = torch.randn(8, 8, 3, 3)
    Muon([weight], lr=0.1, bf16=bf16).step()
    step = weight.detach()
    assert step.dtype == torch.float32
    assert (step * weight.grad).sum() < 0  # downhill
    norm = torch.linalg.matrix_norm(step.reshape(8, -1), 2)
    assert norm == pytest.approx(0.1, rel=0.4)


def test_checkerboard_sees_what_repeats_and_not_what_is_random():
    sharp = torch.rand(2, 3, 64, 64)
    woven = torch.zeros(64, 64)
    woven[::4, ::4] = 0.1
    grain = woven.flatten()[torch.randperm(64 * 64)].view(64, 64)  # as strong, nowhere twice
    assert losses.checkerboard(sharp, sharp, 8) == 0
    assert losses.checkerboard(sharp + woven, sharp, 8) == pytest.approx(
        float(woven.mean()), rel=1e-3
    )
    pattern, noise = (losses.checkerboard(sharp + x - x.mean(), sharp, 8) for x in (woven, grain))
    assert pattern > 1.8 * noise
