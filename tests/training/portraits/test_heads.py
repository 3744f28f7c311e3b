# SPDX-License-Identifier: Apache-2.0
"""Heads of seeds, of two seeds mixed, and of files of inverted portraits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.small import codes, labels, small_generator
from training.portraits.heads import heads_of_files, heads_of_mix, heads_of_seeds
from training.portraits.views import conditioning_label


def test_a_head_of_a_seed_has_the_styles_that_the_generator_maps_it_to() -> None:
    G = small_generator()
    c = conditioning_label(G, 90.0)
    heads = heads_of_seeds(G, [12, 70000], c, 0.6, 2)
    assert [head.name for head in heads] == ["seed0012", "seed70000"]
    z = torch.from_numpy(np.random.RandomState(12).randn(1, G.z_dim)).float()
    assert torch.allclose(heads[0].ws, G.mapping(z, c, 0.6, 2), atol=1e-6)


def test_mixed_heads_have_the_first_styles_of_one_and_the_last_of_the_other() -> None:
    G = small_generator()
    first, second = heads_of_seeds(G, [1, 2], conditioning_label(G, 90.0), 0.7, None)
    mixed = heads_of_mix(first, second, [0, 3, G.num_ws])
    assert torch.equal(mixed[0].ws, second.ws)
    assert torch.equal(mixed[1].ws[:, :3], first.ws[:, :3])
    assert torch.equal(mixed[1].ws[:, 3:], second.ws[:, 3:])
    assert torch.equal(mixed[2].ws, first.ws)
    with pytest.raises(ValueError, match=f"mix from 0 to {G.num_ws}"):
        heads_of_mix(first, second, [G.num_ws + 1])


def save(path: Path, heads: int) -> str:
    np.savez(path, w=small_generator().mapping(codes(heads), labels(*[0.0] * heads)).detach().numpy())
    return str(path)


def test_files_of_one_head_are_called_as_the_file_and_of_several_numbered(tmp_path: Path) -> None:
    files = [save(tmp_path / "Zoë: me?.npz", 1), save(tmp_path / "all.npz", 2)]
    names = [head.name for head in heads_of_files(small_generator(), files)]
    assert names == ["Zo-me", "all_00", "all_01"]


def test_files_of_the_same_name_are_numbered(tmp_path: Path) -> None:
    for folder in ("me", "you"):
        (tmp_path / folder).mkdir()
    files = [save(tmp_path / folder / "projected_w.npz", 1) for folder in ("me", "you")]
    files += [save(tmp_path / "you" / "Projected_w.npz", 1), save(tmp_path / "projected_w-2.npz", 2)]
    heads = heads_of_files(small_generator(), files)
    names = [head.name for head in heads]
    assert names == ["projected_w", "projected_w-2", "Projected_w-3", "projected_w-2-2_00", "projected_w-2-2_01"]
    assert [head.made_of["latent"] for head in heads] == [*files, files[-1]]
