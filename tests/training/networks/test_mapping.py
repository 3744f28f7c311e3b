# SPDX-License-Identifier: Apache-2.0
"""Codes and conditions to styles, and styles towards their mean."""

import pytest
import torch

from training.networks.mapping import MappingNetwork, truncate

Z, C = torch.randn(3, 6), torch.randn(3, 4)


def test_neither_the_scale_of_a_code_nor_that_of_its_embedding_matters() -> None:
    mapping = MappingNetwork(6, 4, 5, num_layers=2)
    w = mapping(Z, C)
    assert torch.allclose(mapping(10 * Z, C), w, atol=1e-5)
    with torch.no_grad():
        mapping.embed.weight *= 10
        mapping.embed.bias *= 10
    assert torch.allclose(mapping(Z, C), w, atol=1e-5)


def test_the_parts_of_a_style_that_are_wanted() -> None:
    both = MappingNetwork(6, 4, 5, num_layers=2)
    assert (both(Z, C) - both(Z, C.flip(0))).abs().min(dim=1).values.max() > 0
    codes_only, conditions_only = MappingNetwork(6, 0, 5, num_layers=2), MappingNetwork(0, 4, 5, num_layers=8)
    assert torch.equal(codes_only(Z, None), codes_only(Z, C))
    assert conditions_only(None, C).shape == (3, 5)
    assert len(conditions_only.layers) == 8


def test_the_last_layer_may_be_linear() -> None:
    torch.manual_seed(0)
    z = torch.randn(500, 6)
    bent = MappingNetwork(6, 0, 3, num_layers=2)(z, None)
    straight = MappingNetwork(6, 0, 3, num_layers=2, last_act="linear")(z, None)
    # A leaky ReLU takes four fifths of what is negative.
    assert bent.amin() > -0.4 * bent.amax()
    assert straight.amin() < -0.4 * straight.amax()


def test_styles_of_a_row_do_not_depend_on_other_rows() -> None:
    mapping = MappingNetwork(6, 4, 5, num_layers=2)
    assert torch.allclose(mapping(Z[1:2], C[1:2]), mapping(Z, C)[1:2], atol=1e-6)


@pytest.mark.parametrize(("cutoff", "drawn"), [(None, 4), (0, 0), (1, 1), (4, 4), (9, 4)])
def test_truncation_draws_the_first_styles(cutoff: int | None, drawn: int) -> None:
    ws, w_avg = torch.randn(2, 4, 5), torch.randn(5)
    y = truncate(ws, w_avg, 0.25, cutoff)
    assert y.shape == ws.shape
    assert torch.allclose(y[:, :drawn], w_avg + 0.25 * (ws[:, :drawn] - w_avg), atol=1e-6)
    assert torch.equal(y[:, drawn:], ws[:, drawn:])


def test_truncation_by_one_changes_nothing_not_even_by_rounding() -> None:
    ws = 1e-4 * torch.randn(2, 4, 5)
    assert torch.equal(truncate(ws, torch.full((5,), 1e4), 1.0, None), ws)
