# SPDX-License-Identifier: Apache-2.0
"""Per-pixel noise of the styled layers: where it comes from is decided by the caller of a network, not by its layers.

`constant` repeats what each layer keeps, so that the same codes give the same picture. `fresh` draws standard normals
by (seed, purpose, layer, image index): the draw of an image does not depend on the batch that it is in.
"""

import dataclasses
from abc import ABC, abstractmethod
from typing import final

from jaxtyping import Float, Int64
from torch import Tensor

from torch_utils import rng


class AbstractNoise(ABC):
    """Answers a layer that asks for the noise of its pictures."""

    @abstractmethod
    def __call__(self, layer: str, kept: Float[Tensor, "size size"]) -> Float[Tensor, "#batch 1 size size"] | None: ...


@final
@dataclasses.dataclass(frozen=True)
class ConstantNoise(AbstractNoise):
    """What the layer keeps."""

    def __call__(self, layer: str, kept: Float[Tensor, "size size"]) -> Float[Tensor, "1 1 size size"]:
        return kept[None, None]


@final
@dataclasses.dataclass(frozen=True)
class NoNoise(AbstractNoise):
    """None at all."""

    def __call__(self, layer: str, kept: Float[Tensor, "size size"]) -> None:
        return None


@final
class FreshNoise(AbstractNoise):
    """New for every image, and for every `purpose`, such as the phase of a training step."""

    def __init__(self, seed: int, purpose: str, indices: Int64[Tensor, " batch"]) -> None:
        self.seed = seed
        self.purpose = purpose
        self.indices = indices

    def __call__(self, layer: str, kept: Float[Tensor, "size size"]) -> Float[Tensor, "batch 1 size size"]:
        return rng.normal(self.seed, f"{self.purpose}/{layer}", self.indices, (1, *kept.shape)).to(kept.dtype)
