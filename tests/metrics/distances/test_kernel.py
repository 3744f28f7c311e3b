# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
import torch

from metrics.distances.kernel import kernel_distance, unbiased_mmd2


def normal(n: int, dim: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def by_brute_force(a: torch.Tensor, b: torch.Tensor) -> float:
    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within_a = sum(k(x, y) for x, y in itertools.permutations(a, 2)) / (len(a) * (len(a) - 1))
    within_b = sum(k(x, y) for x, y in itertools.permutations(b, 2)) / (len(b) * (len(b) - 1))
    return within_a + within_b - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


def test_it_is_the_sum_over_all_pairs_of_different_features() -> None:
    a, b = normal(7, 3, 0), normal(9, 3, 1, 0.5)
    assert unbiased_mmd2(a, b).item() == pytest.approx(by_brute_force(a, b), rel=1e-12)


def test_it_is_without_bias_around_zero_for_one_distribution() -> None:
    values = [unbiased_mmd2(normal(40, 4, 2 * i), normal(40, 4, 2 * i + 1)).item() for i in range(200)]
    mean, error = torch.tensor(values).mean().item(), torch.tensor(values).std().item() / 200**0.5
    assert abs(mean) < 4 * error
    assert min(values) < 0 < max(values)


def test_the_closed_form_of_one_dimension_is_found() -> None:
    # E k(x, y) = E (x y + 1)^3 = 1 + 3 E x y + 3 E x^2 E y^2 + (E x^3)(E y^3); N(m, 1) has moments m, m^2+1, m^3+3m.
    m = 0.7

    def expected(p: float, q: float) -> float:
        return 1 + 3 * p * q + 3 * (p**2 + 1) * (q**2 + 1) + (p**3 + 3 * p) * (q**3 + 3 * q)

    exact = expected(0, 0) + expected(m, m) - 2 * expected(0, m)
    value, spread = kernel_distance(normal(4000, 1, 0), normal(4000, 1, 1, m), seed=0, subset_size=300)
    assert abs(value - exact) < 3 * spread
    assert 0 < spread < 0.5 * exact


def test_it_follows_from_the_seed() -> None:
    a, b = normal(50, 3, 0), normal(60, 3, 1)
    assert kernel_distance(a, b, seed=1) == kernel_distance(a, b, seed=1) != kernel_distance(a, b, seed=2)


def test_heavy_features_are_drawn_more_often() -> None:
    a = normal(200, 2, 0)
    b = torch.cat([normal(100, 2, 1), normal(100, 2, 2, 3.0)])
    light = torch.cat([torch.ones(100), torch.full((100,), 1e-6)])
    assert abs(kernel_distance(a, b, seed=0, weights_b=light)[0]) < 0.05 * kernel_distance(a, b, seed=0)[0]


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="four pictures"):
        kernel_distance(normal(3, 2, 0), normal(50, 2, 1), seed=0)
