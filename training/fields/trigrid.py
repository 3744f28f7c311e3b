# SPDX-License-Identifier: Apache-2.0
"""Tri-grids: three stacks of feature planes, each seen along one axis; their mean at a point goes through a decoder.

With depth 1 and two-dimensional sampling it is EG3D's tri-plane (Chan et al., 2022); PanoHead (An et al., 2023, 3.3)
stacks three planes per axis, so that front and back of a head need not share features.
"""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from torch_utils.ops.trigrid_decode import PlaneAxes
from training.fields.base import AbstractField, FieldSamples
from training.fields.decoder import Decoder
from training.networks.noise import AbstractNoise, NoNoise
from training.networks.synthesis import SynthesisNetwork
from training.types import Codes


@final
class TriGridField(AbstractField):
    """Planes from a synthesis network, a decoder behind them. The state is the planes, [N, 3, D, F, H, W]."""

    def __init__(
        self,
        synthesis: SynthesisNetwork,  # Of 3 * depth * channels channels, ordered (plane, depth, feature).
        decoder: Decoder,
        *,
        depth: int,
        num_channels: int,
        box_size: float,
        axes: PlaneAxes,
        planar: bool,
        noise: bool,  # Whether the layers of the planes have per-pixel noise.
        crop_margin: float | None,  # Pictures leave out what is so close to a side wall of the box.
        dtype: torch.dtype | None,  # Of planes in eval mode without gradients; None: as the network makes them.
    ) -> None:
        super().__init__()
        self.synthesis = synthesis
        self.decoder = decoder
        self.depth = depth
        self.num_channels = num_channels
        self.state_shape = (3, depth, num_channels, synthesis.resolution, synthesis.resolution)
        self.box_size = box_size
        self.axes: PlaneAxes = axes
        self.planar = planar
        self.noise = noise
        self.crop_margin = crop_margin
        self.dtype = dtype

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Float[Tensor, "batch 3 depth channels h w"]:
        planes = self.synthesis(codes["ws"], noise if self.noise else NoNoise()).unflatten(1, (3, self.depth, -1))
        # Half as many bytes are read for every sample. A gradient would lose its small numbers, and a critic should see
        # the pictures that the generator learns from.
        return planes if self.training or torch.is_grad_enabled() else planes.to(self.dtype or planes.dtype)

    def query(
        self, state: Tensor, points: Float[Tensor, "batch points 3"], seen: Bool[Tensor, "batch points"] | None = None
    ) -> FieldSamples:
        return self.decoder(state, points, self.box_size, self.axes, self.planar, seen)

    def visible(self, points: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"] | None:
        if self.crop_margin is None:
            return None
        # The top and the bottom stay: a bust runs out of the box there.
        half = self.box_size / 2 - self.crop_margin
        return torch.maximum(points[..., 0].abs(), points[..., 2].abs()) <= half
