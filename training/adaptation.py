# SPDX-License-Identifier: Apache-2.0
"""Learned corrections of the conditions under which a picture is rendered. `AbstractAdaptation` is the slot.

Crops of found pictures show heads off centre; PanoHead (An et al., 2023, 3.4) lets a small network move the
camera of every picture to where it seems to have stood.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.cameras import camera_from_label, label_from_camera, translate
from training.networks.mapping import MappingNetwork, truncate


class AbstractAdaptation(nn.Module, ABC):
    """Latent code and conditions to the conditions that the picture is rendered under, and by how much they differ."""

    precedes_mapping: bool  # Whether styles too follow from the corrected conditions, or from those that were given.

    @abstractmethod
    def forward(
        self,
        z: Float[Tensor, "batch z_dim"],
        c: Float[Tensor, "batch c_dim"],
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> tuple[Float[Tensor, "batch c_dim"], Float[Tensor, "batch change"]]: ...


@final
class CameraShift(AbstractAdaptation):
    """Moves the camera by a vector of the world; it is not turned."""

    precedes_mapping = False

    def __init__(self, z_dim: int, c_dim: int, *, num_layers: int, camera_scale: float, zero_init: bool) -> None:
        super().__init__()
        self.camera_scale = camera_scale
        self.mapping = MappingNetwork(z_dim, c_dim, 3, num_layers=num_layers, lr_multiplier=1.0, last_act="linear")
        if zero_init:
            nn.init.zeros_(self.mapping.layers[-1].weight)

    def forward(
        self,
        z: Float[Tensor, "batch z_dim"],
        c: Float[Tensor, "batch c_dim"],
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> tuple[Float[Tensor, "batch c_dim"], Float[Tensor, "batch 3"]]:
        shift_world = self.mapping(z, c * self.camera_scale)[:, None]
        shift_world = truncate(shift_world, self.mapping.w_avg, truncation_psi, truncation_cutoff)[:, 0]
        moved = label_from_camera(translate(camera_from_label(c[:, :25]), shift_world))
        return torch.cat([moved, c[:, 25:]], dim=1), shift_world
