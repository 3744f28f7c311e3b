# SPDX-License-Identifier: Apache-2.0
"""The curve is the periodic cubic spline that SciPy makes, and has what makes it one."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from training.portraits.splines import PeriodicSpline


def values(keys: int) -> torch.Tensor:
    return torch.randn(keys, 3, 5, generator=torch.Generator().manual_seed(keys), dtype=torch.float64)


@pytest.mark.parametrize("keys", [2, 3, 4, 7])
def test_the_curve_is_that_of_scipy(keys: int) -> None:
    wanted = CubicSpline(np.arange(keys + 1), torch.cat([values(keys), values(keys)[:1]]), bc_type="periodic")
    spline = PeriodicSpline(values(keys))
    for position in np.linspace(0, keys, 41):
        assert np.allclose(spline.at(position), wanted(position), atol=1e-12)


@pytest.mark.parametrize("keys", [1, 2, 3, 6])
def test_the_curve_goes_through_its_values_and_comes_back(keys: int) -> None:
    spline = PeriodicSpline(values(keys))
    for key in range(keys):
        assert torch.equal(spline.at(float(key)), values(keys)[key])
    for position in (0.0, 0.3, 1.7):
        torch.testing.assert_close(spline.at(position), spline.at(position + keys))
        torch.testing.assert_close(spline.at(position), spline.at(position - keys))


def test_published_curves_are_nearly_the_same() -> None:
    # They repeat the keyframes five times and put an ordinary spline through the middle.
    repeated = CubicSpline(np.arange(-8, 12), values(4).repeat(5, 1, 1))
    spline = PeriodicSpline(values(4))
    for position in np.linspace(0, 4, 33):
        assert np.allclose(spline.at(position), repeated(position), atol=1e-3)


def test_equal_values_are_a_curve_that_stands_still() -> None:
    same = values(1).repeat(3, 1, 1)
    assert PeriodicSpline(same).is_still
    assert torch.equal(PeriodicSpline(same).at(0.4), same[0] * 0.6 + same[0] * 0.4)
    assert not PeriodicSpline(values(2)).is_still
