# SPDX-License-Identifier: Apache-2.0
"""Smooth closed curves through values at 0, 1, 2, ...: periodic cubic splines."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor


@final
class PeriodicSpline:
    """The curve with continuous second derivatives through `values[i]` at i, which comes back to values[0] after all.

    Through a single value it stands still.
    """

    def __init__(self, values: Float[Tensor, "keys ..."]) -> None:
        self.values = values
        after, before = values.roll(-1, 0), values.roll(1, 0)
        # On each piece the second derivative m is linear; that slopes meet gives m[i-1] + 4 m[i] + m[i+1].
        eye = torch.eye(len(values), dtype=torch.float64)
        meeting = 4 * eye + eye.roll(1, 0) + eye.roll(-1, 0)
        bends = 6 * (after + before - 2 * values).double().flatten(1).cpu()
        self._seconds = torch.linalg.solve(meeting, bends).reshape(values.shape).to(values)

    @property
    def is_still(self) -> bool:
        """Whether all values are the same."""
        return bool((self.values == self.values[:1]).all())

    def at(self, position: float) -> Float[Tensor, "..."]:
        """The value there; any real number is a position."""
        index, count = int(position // 1), len(self.values)
        t = position - index
        i, j = index % count, (index + 1) % count
        line = (1 - t) * self.values[i] + t * self.values[j]
        return line + (((1 - t) ** 3 - (1 - t)) * self._seconds[i] + (t**3 - t) * self._seconds[j]) / 6
