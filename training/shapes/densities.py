# SPDX-License-Identifier: Apache-2.0
"""Raw densities of one head, as pictures show it: what they leave out is empty, and no point is asked for it.

Raw is what the field answers, before the renderer's softplus: the unit of every level in this package.
"""

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from dnnlib.progress import Progress
from training.fields.base import AbstractField

EMPTY = -np.inf
_TOGETHER = 1 << 18  # Points that are asked at once.


@final
class Densities:
    """Answers about any number of points, and counts them."""

    def __init__(self, field: AbstractField, state: Tensor) -> None:
        if len(state) != 1:
            raise ValueError(f"A shape is that of one head, but there are planes of {len(state)}.")
        self.field = field
        self.state = state
        self.num_asked = 0
        self.bar: Progress | None = None  # That counts them too, while one is shown.

    @torch.no_grad()
    def __call__(self, points: Float64[np.ndarray, "points 3"]) -> Float32[np.ndarray, " points"]:
        """Raw densities; EMPTY where pictures show nothing."""
        parts = [self._ask(torch.from_numpy(part)) for part in _split(points)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)

    def _ask(self, points: Float[Tensor, "points 3"]) -> Float32[np.ndarray, " points"]:
        # Planes may be in half precision, points never: they would stand in steps.
        points = points.to(self.state.device, torch.promote_types(self.state.dtype, torch.float32))
        visible = self.field.visible(points)
        density, _ = self.field.query(self.state, points[None], None if visible is None else visible[None])
        if not bool(torch.isfinite(density).all()):
            raise ValueError("The model has densities that are not finite (NaN or infinity): it has no shape.")
        num_shown = len(points) if visible is None else int(visible.sum())
        self.num_asked += num_shown
        if self.bar is not None:
            self.bar.advance(num_shown)
        density = density[0].float()
        if visible is not None:
            density = density.masked_fill(~visible, EMPTY)
        return density.cpu().numpy()


def _split(points: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(points), _TOGETHER):
        yield points[start : start + _TOGETHER]
