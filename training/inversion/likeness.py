# SPDX-License-Identifier: Apache-2.0
"""How unlike a picture is its target: squared differences of pixels, and what the eye would say.

The second is a function that is handed in: of features of a trained network, or of edges where there is none.
"""

import dataclasses
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from training.losses.edges import edge_distance

Pictures = Float[Tensor, "batch channels size size"]  # In [-1, 1].
Perceptual = Callable[[Tensor, Tensor], Tensor]  # (pictures, targets) -> a number for each.


@dataclasses.dataclass(frozen=True)
class Likeness:
    """A weighted sum, 0 for equal pictures."""

    name: str  # Of the perceptual part, for people.
    pixel_weight: float
    perceptual: Perceptual

    def __call__(
        self, pictures: Pictures, targets: Pictures, inside: Float[Tensor, "batch 1 size size"] | None = None
    ) -> Float[Tensor, " batch"]:
        """Of every picture. Where it is not `inside` a picture counts as equal and gets no gradient."""
        if inside is not None:
            targets = torch.lerp(pictures.detach(), targets, inside)
            pictures = torch.lerp(pictures.detach(), pictures, inside)
        return self.pixel_weight * squared_error(pictures, targets, inside) + self.perceptual(pictures, targets)


def edges() -> Likeness:
    """What is used where there is no network."""
    return Likeness("multi-scale gradients", 1.0, edge_distance)


def squared_error(
    pictures: Pictures, targets: Pictures, inside: Float[Tensor, "batch 1 size size"] | None = None
) -> Float[Tensor, " batch"]:
    """Mean over the pixels; with `inside`, over the pixels inside."""
    error = (pictures - targets).square().mean(1, keepdim=True)
    if inside is None:
        return error.flatten(1).mean(1)
    return (error * inside).flatten(1).sum(1) / inside.flatten(1).sum(1).clamp(min=1)


def psnr_db(
    pictures: Pictures, targets: Pictures, inside: Float[Tensor, "batch 1 size size"] | None = None
) -> Float[Tensor, " batch"]:
    """Peak signal-to-noise ratio; the peak is 2, the range of [-1, 1]."""
    return 10 * torch.log10(4 / squared_error(pictures, targets, inside).clamp(min=1e-12))
