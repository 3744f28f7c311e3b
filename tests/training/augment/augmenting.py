# SPDX-License-Identifier: Apache-2.0
"""Augmenters with chosen transforms, pictures to meet them, and the numbers that both sides draw."""

import torch
from torch import Tensor

from tests.training.small import labels
from training.augment.augmenter import Augmenter
from training.augment.config import AugmentConfig, TransformsConfig
from training.augment.draws import Draws

SEED = 3
ALWAYS = torch.tensor(1.0)
OFF = dict.fromkeys(TransformsConfig.model_fields, 0.0)
EVERYTHING = TransformsConfig(**dict.fromkeys(OFF, 1.0))


def only(**strengths: float) -> TransformsConfig:
    return TransformsConfig(**(OFF | strengths))


def augmenter(transforms: TransformsConfig, device: str = "cpu") -> Augmenter:
    return Augmenter(AugmentConfig(mode="adaptive", transforms=transforms), seed=SEED, device=device)


def augmented(
    transforms: TransformsConfig, pictures: dict[str, Tensor], p: Tensor = ALWAYS, start: int = 0
) -> dict[str, Tensor]:
    index = torch.arange(start, start + len(pictures["image"]))
    return augmenter(transforms)(pictures, {}, p=p, index=index, purpose="test")[0]


def draws_of(batch: int, p: Tensor = ALWAYS, dtype: torch.dtype = torch.float64) -> Draws:
    """The numbers that `augmented` meets."""
    return Draws(SEED, "augment test", torch.arange(batch), p, dtype)


def pictures(batch: int, size: int = 32, raw_size: int = 16, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(1)
    shapes = {"image": (3, size, size), "image_raw": (3, raw_size, raw_size), "image_mask": (1, raw_size, raw_size)}
    return {name: torch.rand(batch, *shape, generator=made, dtype=dtype) * 2 - 1 for name, shape in shapes.items()}


def cameras(batch: int) -> Tensor:
    return labels(*torch.linspace(-3, 3, batch).tolist())


def smooth(batch: int, size: int, waves: float = 1.0) -> Tensor:
    """A picture that is the same at every resolution: [batch, 3, size, size] of plane waves, without symmetry."""
    x, y = grid(size)
    phase = torch.arange(3)[:, None, None] * 0.7
    return torch.sin(waves * (4.1 * x + 2.3 * y) + phase).expand(batch, -1, -1, -1).contiguous()


def grid(size: int) -> tuple[Tensor, Tensor]:
    """x and y of the pixels of a picture."""
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return x, y
