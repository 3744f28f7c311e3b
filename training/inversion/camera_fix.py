# SPDX-License-Identifier: Apache-2.0
"""Small corrections of cameras, to be found together with the head.

A *turn* [3] is a rotation vector in radians that carries the camera around the origin, where the head is, about its own
axes: x (to the right) raises and lowers it, y (down) takes it around, z (forward) rolls it. A *shift* [3] then moves it
along these axes, in world units. Intrinsics stay: nearer and longer are hard to tell apart in one picture.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from training.cameras import camera_from_label, label_from_camera
from training.types import Camera


def corrected(
    labels: Float[Tensor, "views 25"], turn_rad: Float[Tensor, "views 3"], shift: Float[Tensor, "views 3"]
) -> Float[Tensor, "views 25"]:
    """Differentiable in both."""
    camera = camera_from_label(labels)
    axes = camera.R_world_cam
    R_world_world = axes @ _rotation(turn_rad) @ axes.mT
    turned = R_world_world @ camera.T_world_cam[:, :3]
    moved = torch.cat([turned[..., :3], turned[..., 3:] + turned[..., :3] @ shift[..., None]], dim=-1)
    return label_from_camera(Camera(torch.cat([moved, camera.T_world_cam[:, 3:]], dim=1), camera.intrinsics))


def _rotation(turn_rad: Float[Tensor, "views 3"]) -> Float[Tensor, "views 3 3"]:
    """By the formula of Rodrigues; smooth also at no turn. (A matrix exponential would make a GPU wait.)"""
    angle = torch.linalg.vector_norm(turn_rad, dim=-1)[:, None, None]
    cross = _cross(turn_rad)
    sine, versine = torch.sinc(angle / torch.pi), torch.sinc(angle / (2 * torch.pi)).square() / 2
    return torch.eye(3, dtype=cross.dtype, device=cross.device) + sine * cross + versine * cross @ cross


def _cross(v: Float[Tensor, "views 3"]) -> Float[Tensor, "views 3 3"]:
    """The matrices that map u to v x u."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
