# SPDX-License-Identifier: Apache-2.0
"""Latent code and conditions to a style vector; its running mean, and truncation towards it."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torch_utils.ops.biased_act import Activation
from training.networks.layers import Linear, unit_rms


@final
class MappingNetwork(nn.Module):
    """Layers of leaky ReLU on the normalised code, beside the normalised embedding of the conditions.

    Without a code (z_dim 0) it embeds conditions alone, without conditions (c_dim 0) it maps codes alone. Hidden layers
    and the embedding have the width of the result.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        *,
        num_layers: int,
        lr_multiplier: float = 0.01,
        last_act: Activation = "lrelu",
    ) -> None:
        super().__init__()
        assert z_dim + c_dim > 0
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.w_dim = w_dim
        self.embed = Linear(c_dim, w_dim) if c_dim else None
        widths = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * num_layers
        acts: list[Activation] = ["lrelu"] * (num_layers - 1) + [last_act]
        self.layers = nn.ModuleList(
            Linear(inputs, outputs, act=act, lr_multiplier=lr_multiplier)
            for inputs, outputs, act in zip(widths[:-1], widths[1:], acts, strict=True)
        )
        # Conditions have no mean that anything is drawn towards.
        self.register_buffer("w_avg", torch.zeros(w_dim) if z_dim else None)

    def forward(
        self, z: Float[Tensor, "batch z_dim"] | None, c: Float[Tensor, "batch c_dim"] | None
    ) -> Float[Tensor, "batch w_dim"]:
        parts = []
        if z is not None:
            parts.append(unit_rms(z))
        if self.embed is not None:
            parts.append(unit_rms(self.embed(c)))
        x = torch.cat(parts, dim=1)
        for layer in self.layers:
            x = layer(x)
        return x


def truncate(
    ws: Float[Tensor, "batch num_ws w_dim"], w_avg: Float[Tensor, " w_dim"], psi: float, cutoff: int | None
) -> Float[Tensor, "batch num_ws w_dim"]:
    """The first `cutoff` styles (all, if None) drawn towards the mean: w_avg + psi (w - w_avg)."""
    if psi == 1:
        return ws
    count = ws.shape[1] if cutoff is None else cutoff
    return torch.cat([w_avg.lerp(ws[:, :count], psi), ws[:, count:]], dim=1)
