# SPDX-License-Identifier: Apache-2.0
"""Layers against their definitions, written out."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.networks.layers import Conv, Linear, unit_rms


def low_pass(x: Tensor, pad: tuple[int, int, int, int]) -> Tensor:
    """[1, 3, 3, 1] / 8 along both axes."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 8
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, pad), kernel, groups=x.shape[1])


def lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2) * 2**0.5


def test_unit_rms_gives_rows_a_mean_square_of_one() -> None:
    x = torch.randn(5, 64) * torch.tensor([1e-2, 1.0, 3.0, 100.0, 1e4])[:, None]
    assert torch.allclose(unit_rms(x).square().mean(dim=1), torch.ones(5), atol=1e-3)
    assert torch.allclose(unit_rms(x), unit_rms(7 * x), atol=1e-3)


def test_unit_rms_of_nothing_is_nothing_with_a_finite_gradient() -> None:
    x = torch.zeros(1, 4, requires_grad=True)
    y = unit_rms(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(1, 4))
    assert torch.isfinite(x.grad).all()


def test_unit_rms_does_not_square_in_half_precision() -> None:
    y = unit_rms(torch.full((1, 8), 1000.0, dtype=torch.float16))
    assert y.dtype == torch.float32
    assert torch.allclose(y, torch.ones(1, 8))
    assert unit_rms(torch.ones(1, 8, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("act", ["linear", "lrelu"])
@pytest.mark.parametrize("batch", [(3,), (2, 3), (0,), ()])
def test_linear_is_its_definition_for_any_batch(act: str, batch: tuple[int, ...]) -> None:
    layer = Linear(6, 4, act=act, lr_multiplier=0.5, bias_init=2.0)
    x = torch.randn(*batch, 6)
    y = F.linear(x, layer.weight * 0.5 / math.sqrt(6), layer.bias * 0.5)
    assert torch.allclose(layer(x), y if act == "linear" else lrelu(y), atol=1e-6)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_linear_starts_alike_whatever_its_learning_rate(lr_multiplier: float) -> None:
    torch.manual_seed(0)
    layer = Linear(256, 256, lr_multiplier=lr_multiplier, bias_init=1.0)
    y = layer(torch.randn(64, 256))
    assert y.std().item() == pytest.approx(1.0, rel=0.05)
    assert y.mean().item() == pytest.approx(1.0, abs=0.05)


def test_a_learning_rate_multiplier_scales_what_a_step_of_adam_does() -> None:
    def moved(lr_multiplier: float) -> float:
        torch.manual_seed(0)
        layer = Linear(32, 32, lr_multiplier=lr_multiplier)
        x = torch.randn(8, 32)
        before = layer(x)
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        before.square().mean().backward()
        optimizer.step()
        return (layer(x) - before).norm().item()

    assert moved(0.01) == pytest.approx(0.01 * moved(1.0), rel=0.02)


@pytest.mark.parametrize("size", [8, 7])
@pytest.mark.parametrize(("kernel", "down"), [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_conv_is_its_definition(kernel: int, down: int, size: int) -> None:
    layer = Conv(3, 5, kernel, act="lrelu", down=down).double()
    with torch.no_grad():
        layer.bias.normal_()
    x = torch.randn(2, 3, size, size).double()
    y = x
    if down == 2:
        y = low_pass(x, (1, 1, 1, 1)) if kernel == 1 else low_pass(x, (2, 2, 2, 2))
    padding = kernel // 2 if down == 1 else 0
    y = F.conv2d(y, layer.weight / math.sqrt(3 * kernel**2), layer.bias, padding=padding)[..., ::down, ::down]
    assert torch.allclose(layer(x), lrelu(y), atol=1e-12)


def test_conv_keeps_the_variance_of_its_input() -> None:
    torch.manual_seed(0)
    assert Conv(64, 64, 3)(torch.randn(1, 64, 32, 32)).std().item() == pytest.approx(1.0, rel=0.1)


def test_a_gain_of_a_conv_scales_its_limit_as_well() -> None:
    layer = Conv(4, 4, 1, clamp=0.5)
    x = 10 * torch.randn(2, 4, 8, 8)
    assert torch.allclose(layer(x, gain=0.25), 0.25 * layer(x), atol=1e-7)
    assert layer(x, gain=0.25).abs().max().item() == 0.125


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_layers_compute_in_the_type_of_what_they_are_given(dtype: torch.dtype) -> None:
    conv, linear = Conv(4, 4, 3, act="lrelu", down=2), Linear(4, 4, act="lrelu")
    x = torch.randn(2, 4, 8, 8)
    for layer, given in ((conv, x), (linear, x[..., 0, 0])):
        y = layer(given.to(dtype))
        assert y.dtype == dtype
        assert torch.allclose(y.float(), layer(given), atol=0.1)
