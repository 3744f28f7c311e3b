# SPDX-License-Identifier: Apache-2.0
"""The first stage: styles, of each head and of its background, and corrections of the cameras if they are rough."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torch_utils import rng
from training.generator import Generator
from training.inversion.camera_fix import corrected
from training.inversion.likeness import Likeness
from training.inversion.mean_styles import MeanStyles, front_label
from training.inversion.rendering import backward, render, unlikeness
from training.inversion.schedule import COOL_DOWN, noise, rate
from training.inversion.settings import Settings
from training.inversion.stage import Made, Stage
from training.inversion.targets import Targets, views_of_step
from training.portraits.latents import Latent

# A picture may be explained by a turn, by a shift or by another head. A turn of 20 degrees and a shift by a twentieth
# of the box cost less than 0.01 of squared error, which is little where they are needed.
_TURN_PULL, _SHIFT_PULL = 0.05, 3.0


@final
class Search(Stage):
    """The generator stays as it is; its parameters need no gradients."""

    name = "search"

    def __init__(
        self, G: Generator, targets: Targets, mean: MeanStyles, settings: Settings, likeness: Likeness
    ) -> None:
        self.num_steps = settings.num_steps
        self._G, self._targets, self._mean, self._settings, self._likeness = G, targets, mean, settings, likeness
        self._front = front_label(G)
        begin = mean.z if settings.space == "z" else mean.w.expand(1 if settings.space == "w" else G.num_ws, -1)
        heads, views = targets.num_heads, len(targets)
        parameters = {"code": begin.repeat(heads, *[1] * begin.ndim)}
        if targets.masks is not None and G.config.background:
            parameters["background"] = parameters["code"].clone()
        if settings.refine_camera:
            parameters |= {name: torch.zeros(views, 3, device=begin.device) for name in ("turn", "shift")}
        self.module = nn.ParameterDict({name: nn.Parameter(x) for name, x in parameters.items()})
        rates = {"code": settings.search_rate, "background": settings.search_rate}
        groups = [
            {"params": [x], "lr": 0.0, "full_rate": rates.get(name, settings.camera_rate)}
            for name, x in self.module.items()
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.999), fused=True)

    def step(self, step: int) -> Made:
        progress = step / self.num_steps
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_rate"] * rate(progress)
        views = views_of_step(step, len(self._targets), self._settings.views_per_step)
        targets = self._targets.only(views)
        latent = self._latent(step, noise(progress))
        pictures = render(self._G, latent, targets.heads, latent.labels[views])
        loss = unlikeness(pictures, targets, self._likeness)
        pull = self._settings.pull * (latent.ws - self._mean.w).square().mean()
        for name, weight in (("turn", _TURN_PULL), ("shift", _SHIFT_PULL)):
            if name in self.module:
                pull = pull + weight * self.module[name].square().sum(1).mean()
        head, background = (
            [x for name, x in self.module.items() if (name == "background") is ours] for ours in (False, True)
        )
        self.optimizer.zero_grad()
        backward(loss._replace(head=loss.head + pull), head, background)
        self.optimizer.step()
        return Made(loss.head.detach(), views, pictures["image"].detach())

    def after_plateau(self, step: int) -> int:
        """The rate falls at once, and ends as it always does."""
        return max(step, round(COOL_DOWN * self.num_steps))

    @torch.no_grad()
    def found(self) -> Latent:
        """What the search has come to."""
        return self._latent(0, 0.0)

    def _latent(self, step: int, share: float) -> Latent:
        labels = self._targets.labels
        if "turn" in self.module:
            labels = corrected(labels, self.module["turn"], self.module["shift"])
        background = self._styles("background", step, share) if "background" in self.module else None
        return Latent(self._styles("code", step, share), labels, background)

    def _styles(self, name: str, step: int, share: float) -> Float[Tensor, "heads num_ws w_dim"]:
        code = self.module[name]
        if share > 0:
            heads = torch.arange(len(code)) + step * len(code)
            drawn = rng.normal(self._settings.seed, f"inversion/{name}", heads, tuple(code.shape[1:]))
            std = share if self._settings.space == "z" else share * self._mean.std
            code = code + drawn.to(code.device, non_blocking=True) * std
        if self._settings.space == "z":
            return self._G.mapping(code, self._front.expand(len(code), -1))
        return code.expand(-1, self._G.num_ws, -1)
