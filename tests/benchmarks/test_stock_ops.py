# SPDX-License-Identifier: Apache-2.0
"""The yardstick computes the same thing as our operators; a faster wrong answer would be no measure."""

import pytest
import torch

from benchmarks import stock_ops
from torch_utils import ops

TAPS = ops.filter_taps()
BOX = 1.0


def same(ours: torch.Tensor, stock: torch.Tensor) -> None:
    torch.testing.assert_close(ours, stock, rtol=1e-5, atol=1e-5)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_stock_up_and_downsampling_equal_ours() -> None:
    x = torch.randn(2, 3, 8, 8)
    same(ops.upsample(x, TAPS), stock_ops.fir(x, TAPS, 2, 1, (2, 1, 2, 1), 4.0))
    same(ops.downsample(x, TAPS), stock_ops.fir(x, TAPS, 1, 2, (1, 1, 1, 1), 1.0))


def test_stock_filter_noise_and_activation_equal_ours() -> None:
    x, noise, bias = torch.randn(2, 3, 9, 9), torch.randn(1, 1, 8, 8), torch.randn(3)
    pad = (1, 1, 1, 1)
    same(
        ops.fir_act(x, TAPS, noise, bias, "lrelu", pad, 4.0, 2**0.5, 2.0),
        stock_ops.fir_act(x, TAPS, noise, bias, pad, 4.0, 2**0.5, 2.0),
    )


def test_stock_decoding_equals_ours() -> None:
    planes, points = torch.randn(2, 3, 4, 3, 6, 5), torch.rand(2, 40, 3) * 1.4 - 0.7
    layers = [torch.randn(size) for size in ((7, 4), (7,), (5, 7), (5,))]
    ours = ops.trigrid_decode(planes.transpose(2, 3), points, *layers, BOX)
    for a, b in zip(ours, stock_ops.trigrid_decode(planes, points, *layers, BOX), strict=True):
        same(a, b)


def test_stock_compositing_equals_ours() -> None:
    depths = torch.rand(2, 5, 8).sort(-1).values + 2
    inputs = torch.randn(2, 5, 8, 4), torch.randn(2, 5, 8), depths
    for ours, stock in zip(ops.composite(*inputs), stock_ops.composite(*inputs), strict=True):
        same(ours, stock)


def test_stock_importance_sampling_and_merge_equal_ours() -> None:
    depths, weights = torch.rand(2, 5, 8).sort(-1).values + 2, torch.rand(2, 5, 7)
    u = ops.mid_cell(6)
    fine = ops.importance_depths(depths, weights, u)
    same(fine, stock_ops.importance_depths(depths, weights, u))
    same(ops.merge_depths(depths, fine)[0], stock_ops.merge_depths(depths, fine)[0])
