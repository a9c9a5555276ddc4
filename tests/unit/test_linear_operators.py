"""What every linear operator of the course promises: one contract, as deepinv's tests hold it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch

from mssnet_edu import degrade
from mssnet_edu.degrade.optics import convolve
from mssnet_edu.operators import Downscale

SHAPE = (2, 3, 24, 48)


class LinearOperator(NamedTuple):
    """A map of photos, with its transpose and its pseudo-inverse where the course has them."""

    A: Callable
    A_adjoint: Callable | None = None
    A_dagger: Callable | None = None


def downscale(factor):
    a = Downscale(factor)
    return LinearOperator(a.A, a.A_adjoint, a.A_dagger)


def blur(kernel, border):
    """A convolution; with the borders "wrap" and "black" its transpose is the correlation."""
    return LinearOperator(
        lambda x: convolve(x, kernel, border),
        lambda y: convolve(y, kernel.flip(0, 1), border),
    )


def resample(size, method):
    return LinearOperator(lambda x: degrade.resample(x, size, method))


OPERATORS = {f"downscale {f}x": downscale(f) for f in (1, 2, 3, 8)} | {
    "slanted blur, wrap": blur(degrade.line_kernel(4, 30), "wrap"),
    "slanted blur, black": blur(degrade.line_kernel(4, 30), "black"),
    "long blur, wrap": blur(degrade.line_kernel(11, 30), "wrap"),  # by Fourier transform
    "long blur, black": blur(degrade.line_kernel(11, 30), "black"),
}
MORE = {
    f"resample, {method}, {name}": resample(size, method)
    for method in ("area", "bicubic", "nearest", "bicubic-aliased", "bilinear")
    for name, size in {"down": (8, 16), "up": (48, 96), "odd": (7, 31)}.items()
} | {
    "smooth start": LinearOperator(Downscale(4).smooth),
    "mirrored blur": blur(degrade.gaussian_kernel(1.3), "reflect"),
    "replicating blur": blur(degrade.gaussian_kernel(1.3), "replicate"),
}
INVERTED = {name: each for name, each in OPERATORS.items() if each.A_dagger}


def rand(shape=SHAPE, seed=1):
    return 4 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 2


def inner(x, y):
    return (x.double() * y.double()).sum()


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", OPERATORS | MORE)
def test_operators_are_linear(name):
    operator = (OPERATORS | MORE)[name]
    x, y = rand(), rand(seed=2)
    close(operator.A(2 * x - 3 * y), 2 * operator.A(x) - 3 * operator.A(y))
    close(operator.A(x)[1], operator.A(x[1:])[0])  # each photo of a batch for itself


@pytest.mark.parametrize("name", OPERATORS)
def test_adjoint(name):
    """<A x, y> = <x, Aᵀ y>."""
    operator = OPERATORS[name]
    x = rand()
    y = rand(operator.A(x).shape, seed=2)
    close(inner(operator.A(x), y), inner(x, operator.A_adjoint(y)))


@pytest.mark.parametrize("name", INVERTED)
def test_pseudo_inverse(name):
    """The four conditions of Moore and Penrose."""
    a = INVERTED[name]
    x, z = rand(), rand(seed=3)
    y = a.A(x)
    w = rand(y.shape, seed=4)
    close(a.A(a.A_dagger(y)), y)  # A A⁺ A = A
    close(a.A_dagger(a.A(a.A_dagger(w))), a.A_dagger(w))  # A⁺ A A⁺ = A⁺
    close(inner(a.A(a.A_dagger(y)), w), inner(y, a.A(a.A_dagger(w))))  # A A⁺ is symmetric
    close(inner(a.A_dagger(a.A(x)), z), inner(x, a.A_dagger(a.A(z))))  # A⁺ A is symmetric


@pytest.mark.parametrize("name", INVERTED)
def test_the_null_space_part_is_orthogonal_idempotent_and_invisible(name):
    a, x = INVERTED[name], rand()
    recorded = a.A_dagger(a.A(x))
    invented = x - recorded
    close(a.A(invented), torch.zeros_like(a.A(x)))
    close(invented - a.A_dagger(a.A(invented)), invented)
    assert abs(float(inner(recorded, invented))) < 1e-3


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_the_smooth_start_is_a_right_inverse(factor):
    a = Downscale(factor)
    y = rand((3, 6, 8))
    close(a.A(a.smooth(y)), y)


def test_a_downscale_can_be_called():
    assert torch.equal(Downscale(8)(rand()), Downscale(8).A(rand()))
