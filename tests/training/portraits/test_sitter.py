# SPDX-License-Identifier: Apache-2.0
"""Views of a prepared head are those of the generator."""

import pytest
import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.portraits.sitter import photograph, seat, views_at_once


@torch.no_grad()
def test_pictures_of_a_sitter_are_those_of_the_generator() -> None:
    G, c = small_generator(), labels(0.0, 1.0, 2.0)
    ws = G.mapping(codes(1), c[:1])
    parts = list(photograph(G, seat(G, ws), c, together=2))
    assert [len(part["image"]) for part in parts] == [2, 1]
    for kind, wanted in G.synthesis(ws.expand(3, -1, -1), c).items():
        assert torch.allclose(torch.cat([part[kind] for part in parts]), wanted, atol=1e-5), kind


@torch.no_grad()
def test_another_backdrop_changes_what_is_behind() -> None:
    G, c = small_generator(), labels(0.3)
    one, other = (seat(G, G.mapping(codes(1, seed=seed), c)) for seed in (2, 9))
    (picture,) = photograph(G, one.behind(other.backdrop), c)
    assert torch.allclose(picture["image"], G.synthesis(one.ws, c, ws_bcg=other.ws)["image"], atol=1e-5)
    assert not torch.allclose(picture["image"], G.synthesis(one.ws, c)["image"], atol=1e-3)


def test_only_one_head_sits() -> None:
    G = small_generator()
    with pytest.raises(ValueError, match="2 rows"):
        seat(G, G.mapping(codes(2), labels(0.0, 1.0)))


def test_views_together_are_few_where_they_are_large() -> None:
    def at_once(resolution: int) -> int:
        sizes = {"resolution": resolution, "superresolution.in_resolution": resolution // 2}
        return views_at_once(small_generator(replace(CONFIG, **sizes)))

    assert [at_once(resolution) for resolution in (32, 64, 128, 256)] == [4, 4, 1, 1]
