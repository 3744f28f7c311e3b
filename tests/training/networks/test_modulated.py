# SPDX-License-Identifier: Apache-2.0
"""Modulated convolutions against an ordinary convolution per picture, and where half precision could overflow."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from training.networks.modulated import StyledConv, ToImage, modulated_conv
from training.networks.noise import ConstantNoise, FreshNoise, NoNoise


def by_definition(x: Tensor, weight: Tensor, styles: Tensor, up: int) -> Tensor:
    pictures = []
    for picture, style in zip(x, styles, strict=True):
        modulated = weight * style[None, :, None, None]
        modulated = modulated / (modulated.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up == 1:
            pictures.append(F.conv2d(picture[None], modulated, padding=weight.shape[-1] // 2))
        else:
            pictures.append(F.conv_transpose2d(picture[None], modulated.transpose(0, 1), stride=up))
    return torch.cat(pictures)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("up", [1, 2])
def test_a_modulated_convolution_is_an_ordinary_one_with_weights_per_picture(up: int, batch: int) -> None:
    x, weight, styles = torch.randn(batch, 4, 6, 5), torch.randn(3, 4, 3, 3), torch.randn(batch, 4)
    x, weight, styles = x.double(), weight.double(), styles.double()
    assert torch.allclose(modulated_conv(x, weight, styles, up), by_definition(x, weight, styles, up), atol=1e-10)


@pytest.mark.parametrize("batch", [1, 3])
def test_demodulation_undoes_the_scale_of_styles_and_weights(batch: int) -> None:
    x, weight, styles = torch.randn(batch, 4, 6, 6), torch.randn(3, 4, 3, 3), torch.randn(batch, 4)
    per_output = torch.tensor([1.0, 10.0, 100.0])[:, None, None, None]
    y = modulated_conv(x, weight, styles)
    assert torch.allclose(modulated_conv(x, per_output * weight, 50 * styles), y, atol=1e-4)


def test_features_of_unit_variance_keep_it() -> None:
    torch.manual_seed(0)
    y = modulated_conv(torch.randn(2, 64, 32, 32), torch.randn(64, 64, 3, 3), 5 * torch.randn(2, 64))
    assert y.std().item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("up", [1, 2])
def test_no_product_overflows_in_half_precision(up: int, batch: int) -> None:
    torch.manual_seed(0)
    x, weight, styles = torch.randn(batch, 32, 8, 8), 100 * torch.randn(8, 32, 3, 3), 1e5 * torch.randn(batch, 32)
    half = modulated_conv(x.half(), weight, styles, up)
    assert half.dtype == torch.float16
    assert torch.allclose(half.float(), modulated_conv(x, weight, styles, up), atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_or_styles_of_zero_give_zero(dtype: torch.dtype) -> None:
    x = torch.randn(2, 4, 8, 8).to(dtype)
    weight, styles = torch.randn(3, 4, 3, 3), torch.randn(2, 4)
    assert modulated_conv(x, weight * torch.tensor([0.0, 1.0, 1.0])[:, None, None, None], styles)[:, 0].abs().max() == 0
    assert modulated_conv(x, weight, styles * torch.tensor([[0.0], [1.0]]))[0].abs().max() == 0


@pytest.mark.parametrize("up", [1, 2])
def test_a_styled_layer_is_its_definition(up: int) -> None:
    layer = StyledConv(4, 3, w_dim=5, resolution=8, name="layer", up=up, clamp=1.0).double()
    with torch.no_grad():
        layer.bias.normal_()
        layer.noise_strength.fill_(0.7)
    x, w = torch.randn(2, 4, 8 // up, 8 // up).double(), torch.randn(2, 5).double()
    y = by_definition(x, layer.weight, layer.affine(w), up)
    if up == 2:
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 4  # Sums to 2 along each axis.
        y = F.conv2d(F.pad(y, (1, 1, 1, 1)), torch.outer(taps, taps).expand(3, 1, 4, 4), groups=3)
    y = F.leaky_relu(y + 0.7 * layer.noise_const + layer.bias[:, None, None], 0.2) * 2**0.5
    assert y.abs().max() > 1.0
    assert torch.allclose(layer(x, w, ConstantNoise()), y.clamp(-1, 1), atol=1e-10)


@pytest.mark.parametrize("up", [1, 2])
def test_noise_is_as_strong_as_the_layer_has_learned(up: int) -> None:
    layer = StyledConv(4, 3, w_dim=5, resolution=8, name="layer", up=up)
    x, w = torch.randn(2, 4, 8 // up, 8 // up), torch.randn(2, 5)
    noises = [NoNoise(), ConstantNoise(), FreshNoise(0, "test", torch.tensor([0, 1]))]
    silent = [layer(x, w, noise) for noise in noises]
    assert torch.equal(silent[0], silent[1])
    assert torch.equal(silent[0], silent[2])
    with torch.no_grad():
        layer.noise_strength.fill_(1.0)
    loud = [layer(x, w, noise) for noise in noises]
    assert torch.equal(loud[0], silent[0])
    assert (loud[1] - loud[0]).std() > 0.3
    assert (loud[2] - loud[1]).std() > 0.3


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_picture_is_a_pointwise_convolution_without_demodulation(layout: torch.memory_format) -> None:
    layer = ToImage(6, 3, w_dim=5, clamp=2.0)
    with torch.no_grad():
        layer.bias.normal_()
    x, w = torch.randn(2, 6, 8, 4).to(memory_format=layout), torch.randn(2, 5)
    styles = layer.affine(w) / math.sqrt(6)
    y = torch.cat([F.conv2d(a[None], layer.weight * s[None, :, None, None]) for a, s in zip(x, styles, strict=True)])
    assert torch.allclose(layer(x, w), (y + layer.bias[:, None, None]).clamp(-2, 2), atol=1e-5)


def test_a_picture_from_half_precision_is_in_float32() -> None:
    layer = ToImage(6, 3, w_dim=5)
    x, w = torch.randn(2, 6, 8, 8), torch.randn(2, 5)
    for dtype in (torch.float16, torch.bfloat16):
        y = layer(x.to(dtype), w)
        assert y.dtype == torch.float32
        assert torch.allclose(y, layer(x, w), atol=0.05)
    assert layer.double()(x.double(), w.double()).dtype == torch.float64


@pytest.mark.parametrize("up", [1, 2])
def test_styles_that_alone_are_sought_get_the_same_gradients_without_those_of_weights(up):
    torch.manual_seed(0)
    x, weight = torch.randn(1, 4, 6, 6).double(), torch.randn(3, 4, 3, 3).double()
    gradients = []
    for trained in (True, False):
        styles, features = torch.linspace(0.5, 2, 4).double()[None].requires_grad_(), x.clone().requires_grad_()
        y = modulated_conv(features, weight.clone().requires_grad_(trained), styles, up)
        gradients.append(torch.autograd.grad(y.cos().sum(), (styles, features)))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
