# SPDX-License-Identifier: Apache-2.0
"""What a picture of each variant takes: taken in turn in one process, so that the machine's moods hit all alike."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks import harness
from training.builder import build_generator
from training.generator import Generator
from training.portraits.seeds import z_of_seeds
from training.portraits.trajectories import moving
from training.run_config import RunConfig

_TOGETHER = 4


def milliseconds(configs: dict[str, RunConfig], device: str, rounds: int) -> dict[str, float]:
    """Medians per picture. Weights are random: a picture costs the same whatever it shows."""
    works: dict[str, Callable[[int], object]] = {}
    for key, config in configs.items():
        torch.manual_seed(0)
        G = build_generator(config.generator).eval().requires_grad_(False).to(device)
        works[key] = partial(_pictures, G, moving(G, "Head", 16))
    for work in works.values():  # Once without timing: operators are built, memory is fetched.
        work(0)
    times = harness.time_in_turn(works, device, rounds)
    return {key: round(harness.median(each) / _TOGETHER, 3) for key, each in times.items()}


@torch.no_grad()
def _pictures(G: Generator, labels: Tensor, number: int) -> Tensor:
    place = next(G.parameters()).device
    seeds = [_TOGETHER * number + i for i in range(_TOGETHER)]
    c = labels[[seed % len(labels) for seed in seeds]]
    return G(z_of_seeds(seeds, G.z_dim).to(place), c.to(place))["image"]
