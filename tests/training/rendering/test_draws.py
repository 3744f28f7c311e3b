# SPDX-License-Identifier: Apache-2.0
"""Random numbers of a rendering: no two rays share them, and neither batches nor chunks change them."""

import pytest
import torch
from torch import Tensor

from training.rendering.draws import Drawn, MidCell

LIKE = torch.zeros(())
INDICES = torch.tensor([0, 1, 2, 2**42])
LAST = 1 << 20  # Rays of a picture of 1024 x 1024.


def every_kind(draws: Drawn, start: int, stop: int, count: int = 6) -> dict[str, Tensor]:
    return {
        "strata": draws.strata(start, stop, count, LIKE),
        "importance": draws.importance(start, stop, count, LIKE),
        "coarse": draws.normal("density/coarse", start, stop, count, LIKE),
        "fine": draws.normal("density/fine", start, stop, count, LIKE),
    }


def drawn(purpose: str = "main", seed: int = 0) -> Drawn:
    return Drawn(seed, purpose, INDICES)


def test_no_two_rays_of_any_images_share_numbers() -> None:
    # The first and the last rays: where the numbers of one image might run into those of the next.
    ends = [every_kind(drawn(), 0, 500), every_kind(drawn(), LAST - 500, LAST)]
    for kind in ends[0]:
        rows = torch.cat([end[kind].flatten(0, 1) for end in ends])
        assert len(rows.unique(dim=0)) == len(rows) == 4 * 1000, kind


def test_no_two_kinds_purposes_or_seeds_share_numbers() -> None:
    draws = [drawn(), drawn("r1"), drawn(seed=1)]
    uniform = torch.cat(
        [x for d in draws for x in (d.strata(0, 99, 6, LIKE).sort().values, d.importance(0, 99, 6, LIKE))]
    )
    normal = torch.cat([every_kind(d, 0, 99)[kind] for d in draws for kind in ("coarse", "fine")])
    for rows in (uniform.flatten(0, 1), normal.flatten(0, 1)):
        assert len(rows.unique(dim=0)) == len(rows) == 6 * 4 * 99


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_of_rays_change_nothing(chunk: int) -> None:
    whole = every_kind(drawn(), 0, 64)
    parts = [every_kind(drawn(), start, min(start + chunk, 64)) for start in range(0, 64, chunk)]
    for kind, numbers in whole.items():
        assert torch.equal(numbers, torch.cat([part[kind] for part in parts], dim=1)), kind


def test_the_batch_of_an_image_changes_nothing() -> None:
    whole = every_kind(drawn(), 0, 16)
    for i in range(4):
        alone = every_kind(Drawn(0, "main", INDICES[i : i + 1]), 0, 16)
        assert all(torch.equal(whole[kind][i : i + 1], numbers) for kind, numbers in alone.items())


def test_numbers_are_spread_as_they_should() -> None:
    numbers = every_kind(drawn(), 0, 4000, 4)
    for kind in ("strata", "importance"):
        assert 0 <= numbers[kind].min() < 0.001
        assert 0.999 < numbers[kind].max() < 1
        assert abs(numbers[kind].mean() - 0.5) < 0.01
    assert (numbers["importance"].diff(dim=-1) >= 0).all()
    assert not (numbers["strata"].diff(dim=-1) >= 0).all()
    assert abs(numbers["coarse"].std() - 1) < 0.02
    assert abs((numbers["coarse"] * numbers["fine"]).mean()) < 0.02


def test_numbers_have_the_type_they_are_wanted_in() -> None:
    for draws in (drawn(), MidCell()):
        assert draws.strata(0, 3, 4, LIKE.double()).dtype == torch.float64
        assert draws.importance(0, 3, 4, LIKE.double()).dtype == torch.float64


def test_a_picture_with_more_rays_than_there_are_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="1024 x 1024"):
        drawn().strata(LAST - 1, LAST + 1, 4, LIKE)


def test_without_randomness_samples_stand_in_the_middle_of_their_cells() -> None:
    assert MidCell().strata(3, 9, 4, LIKE).flatten().tolist() == [0.5]
    assert torch.allclose(MidCell().importance(3, 9, 4, LIKE), torch.tensor([0.125, 0.375, 0.625, 0.875]))
