# SPDX-License-Identifier: Apache-2.0
"""The second stage: styles and cameras stay, the generator changes until its pictures meet the targets."""

from typing import final

import torch

from training.generator import Generator
from training.inversion.keeping import Keeper
from training.inversion.likeness import Likeness
from training.inversion.rendering import backward, render, unlikeness
from training.inversion.settings import Settings
from training.inversion.stage import Made, Stage
from training.inversion.targets import Targets, views_of_step
from training.portraits.latents import Latent

_BACKGROUND = "post.background."
_KEEP_EVERY = 2  # Steps.


@final
class Tuning(Stage):
    """`tuned` begins as a copy of `base`, and is changed in place. `latent` is what the search has found."""

    name = "tuning"

    def __init__(
        self,
        base: Generator,
        tuned: Generator,
        latent: Latent,
        targets: Targets,
        settings: Settings,
        likeness: Likeness,
    ) -> None:
        self.num_steps = settings.num_tuning_steps
        self.module = tuned.requires_grad_(True)
        self._latent, self._settings, self._likeness = latent, settings, likeness
        self._targets = targets.seen_by(latent.labels)
        self._keeper = Keeper(base, latent, targets.heads, likeness, settings.seed)
        named = dict(tuned.named_parameters())
        self._background = [x for name, x in named.items() if name.startswith(_BACKGROUND)]
        self._head = [x for name, x in named.items() if not name.startswith(_BACKGROUND)]
        self.optimizer = torch.optim.Adam(tuned.parameters(), lr=settings.tuning_rate, betas=(0.9, 0.999), fused=True)

    def step(self, step: int) -> Made:
        views = views_of_step(step, len(self._targets), self._settings.views_per_step)
        targets = self._targets.only(views)
        pictures = render(self.module, self._latent, targets.heads, targets.labels)
        loss = unlikeness(pictures, targets, self._likeness)
        self.optimizer.zero_grad()
        backward(loss, self._head, self._background)
        if self._settings.keep > 0 and step % _KEEP_EVERY == 0:
            kept = self._settings.keep * self._keeper(self.module, step // _KEEP_EVERY)
            kept.backward()
        self.optimizer.step()
        return Made(loss.head.detach(), views, pictures["image"].detach())

    def after_plateau(self, step: int) -> int:
        """It ends."""
        return self.num_steps
