# SPDX-License-Identifier: Apache-2.0
"""The overall probability of augmentation, fixed or led by how sure the critic is of real images.

A critic that knows its data by heart scores almost every real image above zero. The mean sign of those scores is kept
near a target: more sure, p rises; less sure, it falls (Karras et al. 2020, section 3).
"""

from typing import TypedDict

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from torch_utils import distributed
from training.augment.config import AugmentConfig


class ProbabilityState(TypedDict):
    """What goes on after a restart."""

    p: float
    signs: list[float]


class Probability:
    """p, and the signs of scores since it was last adjusted. All on the device; nothing is waited for."""

    def __init__(self, config: AugmentConfig, device: torch.device | str) -> None:
        self.config = config
        self.p: Float32[Tensor, ""] = torch.full((), config.p if config.mode == "fixed" else 0.0, device=device)
        self.signs: Float32[Tensor, "2"] = torch.zeros(2, device=device)  # Their sum on this rank, and how many.

    @torch.no_grad()
    def observe(self, scores: Float[Tensor, "*batch"]) -> None:
        """Scores of real images, once per image. One that is not a number counts as neither positive nor negative."""
        signs = (scores > 0).sum() - (scores < 0).sum()
        self.signs += torch.stack([signs, torch.full_like(signs, scores.numel())])

    @torch.no_grad()
    def adjust_(self) -> None:
        """Move p by the images observed since the last time, over `ramp_nimg`. Every rank must call it."""
        if self.config.mode != "adaptive":
            return
        distributed.sum_([self.signs])
        total, num_images = self.signs
        direction = (total - self.config.target * num_images).sign()
        self.p.add_(direction * num_images / self.config.ramp_nimg).clamp_(0, 1)
        self.signs.zero_()

    def state_dict(self) -> ProbabilityState:
        """Of all ranks together; every rank must call it. Waits for the device."""
        signs = self.signs.clone()
        distributed.sum_([signs])
        return {"p": self.p.item(), "signs": signs.tolist()}

    def load_state_dict(self, state: ProbabilityState) -> None:
        """Go on from a checkpoint. The main rank takes the signs of all, so the number of ranks may have changed."""
        self.p.fill_(state["p"])
        own = state["signs"] if distributed.is_main() else [0.0, 0.0]
        self.signs.copy_(torch.tensor(own))
