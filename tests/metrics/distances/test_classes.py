# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import scipy.stats
import torch

from metrics.distances.classes import inception_score, probabilities


def test_sure_and_different_pictures_score_the_number_of_classes() -> None:
    outputs = torch.eye(5).repeat(20, 1)
    assert inception_score(outputs, 1) == (pytest.approx(5.0), pytest.approx(0.0))
    assert inception_score(outputs)[0] == pytest.approx(5.0)


def test_pictures_of_one_kind_score_one() -> None:
    outputs = torch.tensor([[0.7, 0.2, 0.1]]).repeat(30, 1)
    assert inception_score(outputs)[0] == pytest.approx(1.0)


def test_it_is_the_exponential_of_the_mean_divergence() -> None:
    logits = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) * 2
    p = logits.double().softmax(dim=1).numpy()
    scores = []
    for part in (p[:20], p[20:]):
        divergence = scipy.stats.entropy(part, part.mean(axis=0, keepdims=True), axis=1)
        scores.append(math.exp(divergence.mean()))
    mean, std = inception_score(logits, 2)
    assert mean == pytest.approx(sum(scores) / 2, rel=1e-6)
    assert std == pytest.approx(abs(scores[0] - scores[1]) / 2, rel=1e-4)


def test_probabilities_stay_and_logits_become_some() -> None:
    p = torch.rand(4, 3).softmax(dim=1)
    assert torch.allclose(probabilities(p), p.double(), atol=1e-6)
    assert torch.allclose(probabilities(torch.tensor([[100.0, -3.0]])).sum(), torch.tensor(1.0).double())


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="10 parts"):
        inception_score(torch.eye(5))
