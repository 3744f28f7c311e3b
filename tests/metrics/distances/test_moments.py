# SPDX-License-Identifier: Apache-2.0
import torch

from metrics.distances.moments import Moments, moments_of


def test_moments_are_those_of_all_features_however_they_come() -> None:
    features = torch.randn(37, 5, generator=torch.Generator().manual_seed(0)) + 3
    for size in (37, 8, 1):
        moments = Moments(5)
        for part in features.split(size):
            moments.add(part)
        wide = features.double()
        assert torch.allclose(moments.mean, wide.mean(dim=0), rtol=1e-12)
        assert torch.allclose(moments.covariance, wide.T.cov(correction=0), rtol=1e-9, atol=1e-12)


def test_a_weight_counts_as_so_many_features() -> None:
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    weighted, repeated = Moments(3), Moments(3)
    weighted.add(features, torch.tensor([1.0, 2, 0, 1, 3, 1]))
    repeated.add(features[[0, 1, 1, 3, 4, 4, 4, 5]])
    assert torch.allclose(weighted.mean, repeated.mean)
    assert torch.allclose(weighted.covariance, repeated.covariance)


def test_features_can_be_taken_out_again() -> None:
    features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    rest = moments_of(features).without(moments_of(features[20:]))
    assert torch.allclose(rest.mean, moments_of(features[:20]).mean)
    assert torch.allclose(rest.covariance, moments_of(features[:20]).covariance)
