# SPDX-License-Identifier: Apache-2.0
"""Random decisions about one item, as words: between, near, chance, pick."""

from collections.abc import Sequence
from typing import TypeVar

import torch

from torch_utils import rng

T = TypeVar("T")


class Draws:
    """Random decisions in a fixed order. Every one takes one number, so a branch that is not taken shifts nothing."""

    def __init__(self, seed: int, purpose: str, index: int, count: int = 32) -> None:
        draws = rng.uniform(seed, f"synthetic/{purpose}", torch.tensor([index]), (count,))
        self._numbers = iter(draws[0].tolist())

    def between(self, low: float, high: float) -> float:
        """Evenly spread."""
        return low + (high - low) * next(self._numbers)

    def near(self, middle: float, spread: float) -> float:
        """Within `spread` of the middle, and mostly close to it."""
        u = 2 * next(self._numbers) - 1
        return middle + spread * (0.45 * u + 0.55 * u * u * u)

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return next(self._numbers) < probability

    def pick(self, options: Sequence[tuple[T, float]]) -> T:
        """One of (value, weight)."""
        rest = next(self._numbers) * sum(weight for _, weight in options)
        for value, weight in options:
            rest -= weight
            if rest < 0:
                return value
        return options[-1][0]

    def one_of(self, options: Sequence[T]) -> T:
        """One of equally likely values."""
        return self.pick([(value, 1.0) for value in options])
