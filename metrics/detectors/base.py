# SPDX-License-Identifier: Apache-2.0
"""What a metric asks for, whoever answers: features of pictures, or masks of heads."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.detectors.resize import RULE, resized, resized_floats


class Detector(ABC):
    """Pictures to features. Two detectors with the same digest give the same features."""

    name: str
    digest: str  # Of everything that decides the features but the resizing.
    size: int | None = None  # The side of the squares it looks at; None takes pictures as they are.

    @abstractmethod
    def look(self, images: Float32[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        """Features of pictures in [0, 255] that have its size."""

    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        """Features of pictures of any size."""
        return self.look(resized(images, self.size).float())

    def features_of_floats(self, images: Float32[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        """Features of pictures in [0, 255] that were not rounded, for differences smaller than a step of 8 bits."""
        return self.look(resized_floats(images, self.size))

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"name": self.name, "digest": self.digest, "size": self.size, "resize": RULE if self.size else None}


class HeadDetector(ABC):
    """Pictures to masks of what is head."""

    name: str
    digest: str

    @abstractmethod
    def masks(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 1 height width"]:
        """In [0, 1], of the size of the pictures."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"name": self.name, "digest": self.digest}
