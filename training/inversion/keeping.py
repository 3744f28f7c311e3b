# SPDX-License-Identifier: Apache-2.0
"""What keeps tuning local: from where no target was taken, and for other heads, pictures stay those of the base.

Two kinds of pictures are compared with the untuned generator's, in turn: of the pivot from another side, which counts
for more the farther that is from all targets; and of a head halfway between the pivot and any other.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from torch_utils import rng
from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, hv_from_angles, label_from_camera
from training.generator import Generator
from training.inversion.likeness import Likeness
from training.inversion.mean_styles import front_label
from training.inversion.rendering import render
from training.portraits.latents import Latent

_ELEVATION_RAD = 0.25  # Cameras stand up to so much above or below the head.
_TOWARDS = 0.5


@final
class Keeper:
    """A loss for the tuned generator. `latent` has the pivots."""

    def __init__(self, base: Generator, latent: Latent, heads: tuple[int, ...], likeness: Likeness, seed: int) -> None:
        self._base, self._latent, self._heads, self._likeness, self._seed = base, latent, heads, likeness, seed
        self._front = front_label(base)
        camera = camera_from_label(latent.labels.cpu())
        self._directions = camera.forward
        self._radius = float(camera.position.norm(dim=1).mean())
        self._focal = float(camera.intrinsics[:, 0, 0].mean())

    def __call__(self, tuned: Generator, number: int) -> Float[Tensor, ""]:
        """The loss of the given number, which decides what is looked at."""
        label = self._label(number)
        if number % 2 == 0:
            head = number // 2 % len(self._latent.ws)
            weight, latent = self._novelty(label, head), self._of(head)
        else:
            weight, latent = 1.0, self._other(number)
        label = label.to(latent.ws.device, non_blocking=True)
        with torch.no_grad():
            wanted = render(self._base, latent, (0,), label)
        found = render(tuned, latent, (0,), label)
        opacity = (found["image_mask"] - wanted["image_mask"]).square().mean()
        return weight * (self._likeness(found["image"], wanted["image"]).mean() + opacity)

    def _label(self, number: int) -> Float[Tensor, "1 25"]:
        azimuth, elevation = rng.uniform(self._seed, "inversion/cameras", torch.tensor([number]), (2,)).unbind(1)
        h, v = hv_from_angles(azimuth * 2 * math.pi, (2 * elevation - 1) * _ELEVATION_RAD)
        return label_from_camera(camera_on_sphere(h, v, radius=self._radius, focal=self._focal))

    def _novelty(self, label: Float[Tensor, "1 25"], head: int) -> float:
        """0 where a target of this head was taken, 1 on the opposite side."""
        forward = camera_from_label(label).forward
        own = torch.tensor([view for view, of in enumerate(self._heads) if of == head])
        cosine = (self._directions[own] * forward).sum(1).max()
        return float((1 - cosine) / 2)

    def _of(self, head: int) -> Latent:
        background = self._latent.ws_background
        own = slice(head, head + 1)
        return Latent(self._latent.ws[own], None, None if background is None else background[own])

    def _other(self, number: int) -> Latent:
        z = rng.normal(self._seed, "inversion/other heads", torch.tensor([number]), (self._base.z_dim,))
        with torch.no_grad():
            ws = self._base.mapping(z.to(self._front.device, non_blocking=True), self._front)
        pivot = self._latent.ws[number // 2 % len(self._latent.ws)][None]
        return Latent(pivot.lerp(ws, _TOWARDS))
