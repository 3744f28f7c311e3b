# SPDX-License-Identifier: Apache-2.0
"""Single layers against numbers of the published implementations. `wave(shape, b)` is sin(0.37 i + b), i flat."""

import math

import torch
from torch import Tensor, nn

from training.networks.critic import minibatch_std
from training.networks.layers import Conv
from training.networks.mapping import MappingNetwork
from training.networks.modulated import StyledConv, ToImage
from training.networks.noise import ConstantNoise


def wave(*shape: int, b: float) -> Tensor:
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.37 * index + b).to(torch.float32).reshape(shape)


def fill(module: nn.Module, **values: Tensor) -> None:
    missing, unexpected = module.load_state_dict(values, strict=False)
    assert not unexpected
    assert not missing


def near(value: Tensor, *golden: float) -> bool:
    return torch.allclose(value.flatten(), torch.tensor(golden), rtol=0, atol=2e-6)


def test_a_styled_layer_that_doubles_the_size() -> None:
    layer = StyledConv(2, 3, w_dim=4, resolution=8, name="layer", up=2)
    fill(
        layer,
        weight=wave(3, 2, 3, 3, b=0.5),
        bias=wave(3, b=0.1),
        noise_strength=torch.tensor(0.3),
        noise_const=wave(8, 8, b=0.7),
        **{"affine.weight": wave(2, 4, b=0.2), "affine.bias": 1 + 0.1 * wave(2, b=0.3)},
    )
    y = layer(wave(1, 2, 4, 4, b=0.9), wave(1, 4, b=1.1), ConstantNoise())
    assert near(y[0, 1, 3], 0.395164, 0.227324, 0.127237, 0.089159, 0.110617, 0.193265, 0.330176, 0.500767)
    assert abs(y.sum().item() - 122.1035) < 1e-3


def test_styles_folded_into_the_weights_equal_styles_on_the_channels() -> None:
    layer = StyledConv(2, 3, w_dim=4, resolution=8, name="layer", up=2)
    x, w = torch.randn(3, 2, 4, 4), torch.randn(3, 4)
    together = layer(x, w, ConstantNoise())
    alone = torch.cat([layer(x[i : i + 1], w[i : i + 1], ConstantNoise()) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_picture_from_feature_maps() -> None:
    layer = ToImage(2, 3, w_dim=4)
    affine = {"affine.weight": wave(2, 4, b=0.2), "affine.bias": 1 + 0.1 * wave(2, b=0.3)}
    fill(layer, weight=wave(3, 2, 1, 1, b=0.5), bias=wave(3, b=0.1), **affine)
    y = layer(wave(1, 2, 4, 4, b=0.9), wave(1, 4, b=1.1))
    assert near(y[0, :, 1, 2], 0.603166, 1.121447, 1.228732)


def test_a_convolution_that_halves_the_size() -> None:
    layer = Conv(2, 3, 1, bias=False, down=2)
    fill(layer, weight=wave(3, 2, 1, 1, b=0.5))
    y = layer(wave(1, 2, 4, 4, b=0.9), gain=math.sqrt(0.5))
    assert near(y[0, 0], 0.240670, 0.157699, -0.243285, -0.241285)


def test_the_mapping() -> None:
    mapping = MappingNetwork(4, 3, 5, num_layers=2)
    fill(
        mapping,
        w_avg=torch.zeros(5),
        **{"embed.weight": wave(5, 3, b=0.5), "embed.bias": wave(5, b=0.1)},
        **{"layers.0.weight": 100 * wave(5, 9, b=0.2), "layers.0.bias": wave(5, b=0.3)},
        **{"layers.1.weight": 100 * wave(5, 5, b=0.4), "layers.1.bias": wave(5, b=0.5)},
    )
    w = mapping(wave(2, 4, b=1.3), wave(2, 3, b=1.5))
    assert near(w[0], 3.113785, 0.563539, -0.679657, 1.341841, 2.692825)


def test_the_spread_of_a_minibatch() -> None:
    spread = minibatch_std(wave(4, 2, 2, 2, b=0.2), group_size=2)
    assert near(spread[:, 0, 0, 0], 0.111185, 0.112359, 0.111185, 0.112359)
