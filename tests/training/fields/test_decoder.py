# SPDX-License-Identifier: Apache-2.0
"""The decoder against its definition."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from torch_utils.ops.trigrid_decode import decoded
from training.fields.decoder import ColourAct, Decoder


def decoder(act: ColourAct, lr_multiplier: float = 1.0) -> Decoder:
    torch.manual_seed(0)
    module = Decoder(6, 4, hidden=10, colour_act=act, lr_multiplier=lr_multiplier)
    with torch.no_grad():
        module.out.bias.normal_()
    return module


def said(module: Decoder, x: Tensor) -> tuple[Tensor, Tensor]:
    density, colours = decoded(x, *module.layers(x.dtype))
    return density, module.activated(colours)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.5])
@pytest.mark.parametrize("act", ["none", "lrelu", "sigmoid"])
def test_density_comes_first_and_is_raw(act: ColourAct, lr_multiplier: float) -> None:
    module = decoder(act, lr_multiplier).double()
    x = torch.randn(2, 5, 6).double()
    hidden = F.linear(x, module.hidden.weight, module.hidden.bias * math.sqrt(6)) * lr_multiplier / math.sqrt(6)
    y = F.linear(
        torch.log1p(hidden.exp()), module.out.weight * lr_multiplier / math.sqrt(10), module.out.bias * lr_multiplier
    )
    colours = {
        "none": y[..., 1:],
        "lrelu": F.leaky_relu(y[..., 1:], 0.2) * math.sqrt(2),
        "sigmoid": 2 * (torch.sigmoid(y[..., 1:]) * 1.002 - 0.001) - 1,
    }
    density, features = said(module, x)
    assert density.shape == (2, 5)
    assert torch.allclose(density, y[..., 0])
    assert torch.allclose(features, colours[act])


def test_colours_of_a_sigmoid_reach_a_little_beyond_both_ends() -> None:
    module = decoder("sigmoid")
    _, features = said(module, 1e4 * torch.randn(2, 500, 6))
    assert features.max().item() == pytest.approx(1.002)
    assert features.min().item() == pytest.approx(-1.002)


def test_large_features_do_not_overflow() -> None:
    density, _ = said(decoder("none"), torch.full((1, 3, 6), 1e30))
    assert torch.isfinite(density).all()


@pytest.mark.parametrize("act", ["none", "lrelu", "sigmoid"])
def test_the_colours_of_hidden_points_stay_zero(act: ColourAct) -> None:
    assert not decoder(act).activated(torch.zeros(1, 3, 4)).any()
