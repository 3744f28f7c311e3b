# SPDX-License-Identifier: Apache-2.0
"""Steps of both stages of an inversion of one picture: forward, and backward into styles or into all weights."""

from copy import deepcopy

import torch

from benchmarks.workload import FAST, PLAIN, Workload, plainly, whole
from training.generator import Generator
from training.inversion.likeness import edges
from training.inversion.mean_styles import MeanStyles
from training.inversion.searching import Search
from training.inversion.settings import Settings
from training.inversion.targets import Targets
from training.inversion.tuning import Tuning
from training.portraits.latents import Latent
from training.portraits.trajectories import moving

STEPS = 5  # Of each way are timed, and as many are not.


def inversion(G: Generator, stage: str) -> Workload:
    """Of a picture of noise, which costs what any picture costs. `stage` is search or tuning."""
    place = next(G.parameters()).device
    size, label = G.img_resolution, moving(G, "Head", 16)[3:4].to(place)
    picture = torch.rand(1, 3, size, size, device=place) * 2 - 1
    targets = Targets(("noise",), (0,), picture, None, label)
    settings = Settings(keep=0.0)  # As published: nothing is rendered beside the target.
    zeros = torch.zeros(G.w_dim, device=place)

    def steps() -> object:
        if stage == "search":
            mean = MeanStyles(zeros, torch.ones((), device=place), torch.zeros(G.z_dim, device=place))
            return Search(G, targets, mean, settings, edges())
        latent = Latent(zeros.expand(1, G.num_ws, -1), label, None)
        return Tuning(G, deepcopy(G), latent, targets, settings, edges())

    work = steps()
    ways = {FAST: whole(work.step), PLAIN: whole(plainly(work.step))}
    return Workload(f"inversion {size} x {size}, {stage}", "step", ways, rounds=STEPS)
