# SPDX-License-Identifier: Apache-2.0
"""Who is seen where and when: grids and keyframes."""

import logging

import numpy as np
import pytest
import torch

from tests.training.small import labels
from training.portraits.heads import Head
from training.portraits.paths import Grid, VideoPath, tracks_in_grid


def test_heads_fill_cells_one_after_the_other() -> None:
    assert Grid.of((2, 2), None, 4).heads(4, None) == [[0], [1], [2], [3]]
    assert Grid.of((2, 1), None, 6).heads(6, None) == [[0, 1, 2], [3, 4, 5]]
    assert Grid.of((1, 1), None, 3).heads(3, None) == [[0, 1, 2]]
    assert Grid.of((3, 1), 2, 4).heads(4, None) == [[0, 1], [2, 3], [0, 1]]


def test_shuffling_deals_the_same_heads_in_an_order_that_follows_from_its_seed() -> None:
    grid = Grid.of((4, 2), None, 16)
    plain, shuffled = grid.heads(16, None), grid.heads(16, 5)
    assert sorted(np.ravel(shuffled)) == sorted(np.ravel(plain))
    assert shuffled != plain
    assert shuffled == grid.heads(16, 5) != grid.heads(16, 6)


def test_a_grid_that_does_not_come_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="cannot share 5 heads"):
        Grid.of((2, 2), None, 5)
    with pytest.raises(ValueError, match="at least one keyframe"):
        Grid.of((2, 2), 0, 4)
    with pytest.raises(ValueError, match="at most"):
        Grid.of((100, 100), 1, 4)
    logging.getLogger("fullhead").propagate = True
    with caplog.at_level(logging.WARNING):
        assert Grid.of((1, 1), 2, 5).heads(5, None) == [[0, 1]]
    assert "first 2 of 5" in caplog.text


def heads_of(ws: torch.Tensor, ws_background: torch.Tensor | None = None) -> list[Head]:
    behind = [None] * len(ws) if ws_background is None else ws_background.split(1)
    return [Head(f"head{i}", {}, row, behind[i]) for i, row in enumerate(ws.split(1))]


def test_a_track_passes_each_keyframe_at_its_frame_and_ends_where_it_began() -> None:
    ws = torch.randn(6, 4, 3)
    path = VideoPath(labels(*[0.0] * 30), tracks_in_grid(heads_of(ws), [[0, 1, 2], [3, 4, 5]]), columns=2)
    first, second = path.tracks
    for key in range(3):
        assert torch.equal(first.ws.at(path.position(first, 10 * key)), ws[key])
        assert torch.equal(second.ws.at(path.position(second, 10 * key)), ws[3 + key])
    torch.testing.assert_close(first.ws.at(path.position(first, 30)), ws[0])
    assert path.rows == 1


def test_a_head_that_repeats_stands_still() -> None:
    ws = torch.randn(2, 4, 3)
    still, moving = tracks_in_grid(heads_of(ws), [[1, 1], [0, 1]])
    assert still.is_still
    assert not moving.is_still
    (behind,) = tracks_in_grid(heads_of(ws, ws.flip(0)), [[0, 0]])
    assert behind.is_still
    assert torch.equal(behind.ws_background.values[0], ws[1])


def test_of_heads_with_and_without_a_background_each_keeps_its_own() -> None:
    plain, other = heads_of(torch.randn(2, 4, 3)), heads_of(torch.randn(1, 4, 3), torch.randn(1, 4, 3))
    (alone,) = tracks_in_grid(plain, [[0, 1]])
    assert alone.ws_background is None
    (track,) = tracks_in_grid([*plain, *other], [[0, 2]])
    assert torch.equal(track.ws_background.values, torch.cat([plain[0].ws, other[0].ws_background]))
