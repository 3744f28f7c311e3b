# SPDX-License-Identifier: Apache-2.0
"""Colours where none are known."""

import torch

from training.portraits.fill import filled


def test_what_is_known_stays_and_one_colour_fills_everything() -> None:
    torch.manual_seed(0)
    known = (torch.rand(2, 1, 32, 32) > 0.7).float()
    colour = torch.rand(2, 3, 32, 32)
    result = filled(colour, known)
    assert torch.equal(result * known, colour * known)
    colour[:] = torch.tensor([0.2, 0.5, 0.9])[:, None, None]
    garbage = torch.where(known > 0, colour, torch.tensor(77.0))
    assert torch.allclose(filled(garbage, known), colour)


def test_colours_come_from_next_door() -> None:
    colour = torch.zeros(1, 1, 64, 64)
    colour[..., 32:] = 1
    known = torch.zeros(1, 1, 64, 64)
    known[..., 28:31], known[..., 33:36] = 1, 1
    result = filled(colour, known)[0, 0, 32]
    assert (result[20:28] < 0.2).all()
    assert (result[36:44] > 0.8).all()


def test_nothing_known_is_no_error() -> None:
    assert torch.equal(filled(torch.ones(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)), torch.zeros(1, 3, 8, 8))
