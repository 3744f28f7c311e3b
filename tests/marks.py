# SPDX-License-Identifier: Apache-2.0
"""Which parameters of a test are slow."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(quick: Iterable[Any], values: Iterable[Any]) -> list[Any]:
    """Parameters for `parametrize`, of which the default suite takes the quick ones."""
    quick, values = list(quick), list(values)
    assert all(value in values for value in quick), "a quick one is missing"
    return [value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values]
