# SPDX-License-Identifier: Apache-2.0
"""The floor has the convolutions of a workload, no more and no less."""

import pytest
import torch
import torch.nn.functional as F

from benchmarks.floor import convolutions_of, run


def test_convolutions_are_seen_with_their_shapes_and_options() -> None:
    x, weight = torch.randn(1, 4, 8, 8), torch.randn(6, 4, 3, 3)

    def work() -> None:
        y = F.conv2d(x, weight, padding=1)
        F.conv_transpose2d(F.relu(y), torch.randn(6, 2, 3, 3), stride=2)

    first, second = convolutions_of(work)
    assert (first.x.shape, first.weight.shape, first.options) == (x.shape, weight.shape, {"padding": 1})
    assert first.x.is_contiguous(memory_format=torch.channels_last)
    assert (second.function, second.options) == (F.conv_transpose2d, {"stride": 2})
    run([first, second])


def test_operations_are_those_of_the_definition() -> None:
    x = torch.randn(2, 4, 8, 8)
    (conv,) = convolutions_of(lambda: F.conv2d(x, torch.randn(6, 4, 3, 3), padding=1))
    assert conv.gflop == pytest.approx(2e-9 * 2 * 6 * 4 * 9 * 64)
    (transposed,) = convolutions_of(lambda: F.conv_transpose2d(x, torch.randn(4, 6, 3, 3), stride=2))
    assert transposed.gflop == pytest.approx(2e-9 * 2 * 6 * 4 * 9 * 64)
