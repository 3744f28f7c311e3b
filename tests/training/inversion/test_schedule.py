# SPDX-License-Identifier: Apache-2.0
"""Rates and noise over a search."""

import pytest

from training.inversion.schedule import is_flat, noise, rate


def test_the_rate_rises_stays_and_falls() -> None:
    assert rate(0.0) == 0
    assert rate(0.025) == pytest.approx(0.5)
    assert rate(0.05) == rate(0.4) == rate(0.75) == pytest.approx(1)
    assert rate(0.875) == pytest.approx(0.5)
    assert rate(1.0) == pytest.approx(0)


def test_noise_vanishes_before_the_rate_falls() -> None:
    assert noise(0.0) == pytest.approx(0.05)
    assert noise(0.375) == pytest.approx(0.05 / 4)
    assert noise(0.75) == noise(0.9) == 0


def test_losses_are_flat_when_the_last_ones_gain_less_than_one_in_a_hundred() -> None:
    assert not is_flat([1.0] * 99)
    assert is_flat([1.0] * 100)
    assert is_flat([1.0] * 50 + [0.995] * 50)
    assert not is_flat([1.0] * 50 + [0.98] * 50)
    assert not is_flat([0.99**i for i in range(200)])
