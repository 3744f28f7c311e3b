# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import scipy.linalg
import torch

from metrics.distances.frechet import frechet_distance


def normal_distribution(dim: int, rank: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    factors = torch.randn(dim, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return factors[:, 0], factors @ factors.T / rank


def test_of_one_dimension_it_is_the_distance_of_means_and_deviations() -> None:
    of = [torch.tensor(x, dtype=torch.float64) for x in ([1.0], [[4.0]], [-2.0], [[9.0]])]
    assert frechet_distance(*of) == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


def test_it_is_what_a_general_matrix_root_gives() -> None:
    (mean_a, a), (mean_b, b) = normal_distribution(12, 40, 0), normal_distribution(12, 40, 1)
    root = scipy.linalg.sqrtm(a.numpy() @ b.numpy())
    expected = (mean_a - mean_b).square().sum() + (a + b).trace() - 2 * np.trace(root).real
    assert frechet_distance(mean_a, a, mean_b, b) == pytest.approx(float(expected), rel=1e-9)


def test_it_is_symmetric_and_none_to_itself_also_for_singular_covariances() -> None:
    a, b = normal_distribution(50, 5, 0), normal_distribution(50, 8, 1)
    assert frechet_distance(*a, *b) == pytest.approx(frechet_distance(*b, *a), rel=1e-6)
    assert frechet_distance(*a, *a) < 1e-6
    assert frechet_distance(*a, *b) > 1
