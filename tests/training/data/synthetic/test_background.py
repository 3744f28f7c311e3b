# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch

from training.data.synthetic.background import KINDS, PLAIN, backdrop, draw


def test_a_backdrop_is_a_function_of_seed_and_index():
    assert backdrop(3, 5) == backdrop(3, 5)
    assert len({backdrop(3, index) for index in range(50)}) == 50
    assert {backdrop(3, index).kind for index in range(100)} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_alike_at_every_resolution(kind):
    sheet = dataclasses.replace(backdrop(0, 1), kind=kind)
    small, large = draw(sheet, 32), draw(sheet, 128)
    assert small.shape == (32, 32, 3)
    assert small.min() >= 0
    assert large.max() <= 1
    reduced = torch.nn.functional.avg_pool2d(large.movedim(-1, 0), 4).movedim(0, -1)
    assert (reduced - small).abs().mean() < 0.01


def test_the_plain_sheet_is_nearly_one_colour():
    assert draw(PLAIN, 16).std() < 0.06
