# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import scipy.linalg
import torch

from metrics.distances.frechet import distance_and_error, frechet_distance
from metrics.distances.moments import moments_of


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


def test_of_features_it_is_the_distance_of_their_moments() -> None:
    features = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    others = torch.randn(400, 8, generator=torch.Generator().manual_seed(1)) * 1.5 + 0.3
    value, error = distance_and_error(moments_of(others), features)
    covariances = [x.double().T.cov(correction=0) for x in (features, others)]
    means = [x.double().mean(dim=0) for x in (features, others)]
    assert value == pytest.approx(frechet_distance(means[0], covariances[0], means[1], covariances[1]), rel=1e-9)
    assert 0 < error < value


def test_its_error_is_how_much_it_varies_between_samples() -> None:
    reals = moments_of(torch.randn(5000, 4, generator=torch.Generator().manual_seed(0)))
    found = [
        distance_and_error(reals, torch.randn(200, 4, generator=torch.Generator().manual_seed(i)) + 1)
        for i in range(1, 60)
    ]
    values, errors = torch.tensor(found).unbind(dim=1)
    assert 0.6 < errors.mean() / values.std() < 1.6


def test_fewer_features_than_dimensions_give_a_real_number() -> None:
    reals = moments_of(torch.randn(20, 64, generator=torch.Generator().manual_seed(0)))
    value, error = distance_and_error(reals, torch.randn(12, 64, generator=torch.Generator().manual_seed(1)))
    assert math.isfinite(value)
    assert value > 0
    assert math.isfinite(error)
    assert distance_and_error(reals, torch.randn(9, 64))[1] is None
