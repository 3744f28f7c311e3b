# SPDX-License-Identifier: Apache-2.0
"""Who is seen where and when: grids, keyframes, mixtures."""

import logging

import numpy as np
import pytest
import torch

from tests.training.small import codes, labels, small_generator
from training.portraits.latents import Latent
from training.portraits.paths import Grid, VideoPath, joined, mixed_tracks, styles_of_seeds, tracks_in_grid
from training.portraits.seeds import z_of_seeds


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


@torch.no_grad()
def test_styles_are_those_of_the_mapping() -> None:
    G, c = small_generator(), labels(0.4)
    styles = styles_of_seeds(G, [3, 8], c, truncation_psi=0.6, truncation_cutoff=2)
    for row, seed in zip(styles, (3, 8), strict=True):
        wanted = G.mapping(z_of_seeds([seed], G.z_dim), c, 0.6, 2)
        torch.testing.assert_close(row[None], wanted)


def test_a_track_passes_each_keyframe_at_its_frame_and_ends_where_it_began() -> None:
    ws = torch.randn(6, 4, 3)
    path = VideoPath(labels(*[0.0] * 30), tracks_in_grid(Latent(ws), [[0, 1, 2], [3, 4, 5]]), columns=2)
    first, second = path.tracks
    for key in range(3):
        assert torch.equal(first.ws.at(path.position(first, 10 * key)), ws[key])
        assert torch.equal(second.ws.at(path.position(second, 10 * key)), ws[3 + key])
    torch.testing.assert_close(first.ws.at(path.position(first, 30)), ws[0])
    assert path.rows == 1


def test_a_head_that_repeats_stands_still() -> None:
    ws = torch.randn(2, 4, 3)
    still, moving = tracks_in_grid(Latent(ws), [[1, 1], [0, 1]])
    assert still.is_still
    assert not moving.is_still
    (behind,) = tracks_in_grid(Latent(ws, ws_background=ws.flip(0)), [[0, 0]])
    assert behind.is_still
    assert torch.equal(behind.ws_background.values[0], ws[1])


def test_files_with_and_without_a_background_are_joined() -> None:
    one, other = torch.randn(1, 4, 3), torch.randn(2, 4, 3)
    assert joined([Latent(one), Latent(other)]).ws_background is None
    both = joined([Latent(one), Latent(other, ws_background=other + 1)])
    assert torch.equal(both.ws, torch.cat([one, other]))
    assert torch.equal(both.ws_background, torch.cat([one, other + 1]))


def test_mixtures_change_from_the_first_head_to_the_second_at_the_cut() -> None:
    G = small_generator()
    ws = G.mapping(codes(2), labels(0.0, 0.0))
    tracks = mixed_tracks(ws, [0, 2])
    assert torch.equal(tracks[0].ws.values[0], ws[1])
    assert torch.equal(tracks[1].ws.values[0], torch.cat([ws[0, :2], ws[1, 2:]]))
    assert torch.equal(tracks[2].ws.values[0], ws[0])
    assert len(mixed_tracks(torch.randn(2, 14, 3), None)) == 7  # As published: six cuts and the first head.
    assert len(mixed_tracks(torch.randn(2, 5, 3), None)) == 5
    with pytest.raises(ValueError, match="from 0 to 14, not 15"):
        mixed_tracks(torch.randn(2, 14, 3), [3, 15])
