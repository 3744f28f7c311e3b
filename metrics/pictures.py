# SPDX-License-Identifier: Apache-2.0
"""The two sides of a comparison, in 8 bits: pictures of a data set, and of a generator under its cameras."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from torch_utils import distributed
from training.data.dataset import ImageDataset
from training.generator import Generator
from training.prior import Prior

BATCH = 16


def real_pictures(
    dataset: ImageDataset, limit: int
) -> Iterator[tuple[UInt8[Tensor, "n 3 height width"], Float64[Tensor, " n"]]]:
    """This rank's share of the items that may be drawn, with their weights: all, or `limit` spread over the set."""
    drawn = np.flatnonzero(dataset.weights > 0)
    chosen = drawn[np.linspace(0, len(drawn) - 1, min(limit, len(drawn))).astype(int)]
    own = chosen[distributed.rank() :: distributed.world_size()]
    for start in range(0, len(own), BATCH):
        items = own[start : start + BATCH]
        image = torch.stack([dataset[int(item)].image for item in items])
        yield image, torch.from_numpy(dataset.weights[items])


@torch.no_grad()
def generated_pictures(
    generator: Generator, dataset: ImageDataset, count: int, seed: int, device: torch.device
) -> Iterator[UInt8[Tensor, "n 3 height width"]]:
    """This rank's share of `count` pictures under cameras drawn from the set, conditioned on the same cameras."""
    prior = Prior(
        seed,
        z_dim=generator.z_dim,
        num_ws=generator.num_ws,
        labels=dataset.labels,
        weights=dataset.weights,
        background_swap=0.0,
        style_mixing=0.0,
    )
    own = torch.arange(distributed.rank(), count, distributed.world_size())
    for indices in own.split(BATCH):
        draw = prior.draw("metrics", indices, batch_start=0, batch=count, swap_probability=0.0).to(device)
        yield to_8_bits(generator(draw.styles.z, draw.c)["image"])


def to_8_bits(image: Tensor) -> UInt8[Tensor, "n 3 height width"]:
    """Pictures in [-1, 1] as they would be stored."""
    return (image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
