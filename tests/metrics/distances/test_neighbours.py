# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from metrics.distances import neighbours
from metrics.distances.neighbours import is_inside, precision_and_recall, reach


def normal(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed)) + shift


def by_brute_force(real: torch.Tensor, generated: torch.Tensor, k: int) -> tuple[float, float]:
    def covered(asked: torch.Tensor, centres: torch.Tensor) -> float:
        inside = 0
        for x in asked:
            for i, centre in enumerate(centres):
                others = sorted(float((centre - y).norm()) for j, y in enumerate(centres) if j != i)
                if float((x - centre).norm()) <= others[k - 1]:
                    inside += 1
                    break
        return inside / len(asked)

    return covered(generated, real), covered(real, generated)


@pytest.mark.parametrize("k", [1, 3])
def test_it_is_what_every_ball_tried_on_every_feature_gives(k: int) -> None:
    real, generated = normal(25, 0), normal(20, 1, 1.0)
    assert precision_and_recall(real, generated, k=k) == pytest.approx(by_brute_force(real, generated, k))


def test_blocks_change_nothing() -> None:
    real, generated = normal(40, 0), normal(30, 1, 1.0)
    whole = precision_and_recall(real, generated)
    assert (
        whole
        == precision_and_recall(real, generated, budget_bytes=1)
        == precision_and_recall(real, generated, budget_bytes=16 * 40 * 7)
    )


def test_no_more_memory_is_taken_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = (torch.cat([normal(200, seed)] * 20, dim=1) for seed in (0, 1))
    budget_bytes, taken = 100_000, []
    measured = neighbours._squared_distances

    def watched(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        taken.append(8 * (a.numel() + b.numel() + 3 * len(a) * len(b)))
        return measured(a, b)

    monkeypatch.setattr(neighbours, "_squared_distances", watched)
    found = precision_and_recall(real, generated, budget_bytes=budget_bytes)
    assert 0.5 * budget_bytes < max(taken) <= budget_bytes
    assert found == precision_and_recall(real, generated)


def test_a_part_of_a_set_is_precise_and_has_less_recall() -> None:
    real = torch.cat([normal(60, 0), normal(60, 1, 20.0)])
    assert precision_and_recall(real, real) == (1.0, 1.0)
    precision, recall = precision_and_recall(real, real[:60])
    assert precision == 1.0
    assert recall == pytest.approx(0.5)


def test_twins_have_a_ball_without_size_and_lie_in_it() -> None:
    twins = normal(1, 0).expand(6, -1) * 1e3
    assert reach(twins, 3).max() < 1e-6
    assert is_inside(twins, twins, reach(twins, 3)).all()
    assert not is_inside(twins + 0.1, twins, reach(twins, 3)).any()


def test_weights_count_in_the_recall() -> None:
    real = torch.cat([normal(60, 0), normal(60, 1, 20.0)])
    weights = torch.cat([torch.full((60,), 3.0), torch.ones(60)])
    assert precision_and_recall(real, real[:60], weights=weights)[1] == pytest.approx(0.75)


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="4 pictures are needed"):
        precision_and_recall(normal(3, 0), normal(50, 1))
