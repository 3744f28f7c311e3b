# SPDX-License-Identifier: Apache-2.0
"""From pixels to rays and back.

Image coordinates (u, v) run over [0, 1] x [0, 1], u to the right, v down; pixel (row i, column j) of R x R has its
centre at u = (j + 0.5) / R, v = (i + 0.5) / R. Pixels are listed row by row, so that R*R rays reshape to an image.

The products are written out instead of as matmul: a GPU may be allowed TF32 there, whose 10 bits would move a ray by
pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from training.types import Camera


def pixel_centres(
    resolution: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "pixels 2"]:
    """(u, v) of every pixel of a square image, row by row."""
    if resolution < 1:
        raise ValueError(f"A picture has at least 1 x 1 pixels; the resolution is {resolution}.")
    centres = (torch.arange(resolution, dtype=dtype or torch.get_default_dtype(), device=device) + 0.5) / resolution
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([u, v], dim=-1).flatten(0, 1)


def rays(camera: Camera, resolution: int) -> tuple[Float[Tensor, "*batch pixels 3"], Float[Tensor, "*batch pixels 3"]]:
    """World origins and unit directions of one ray through every pixel centre. Differentiable in the camera."""
    T = camera.T_world_cam
    u, v = pixel_centres(resolution, dtype=T.dtype, device=T.device).unbind(-1)
    fx, skew, cx, fy, cy = _intrinsics(camera)
    y = (v - cy) / fy
    x = (u - cx - skew * y) / fx
    # A point of camera coordinates (x, y, 1).
    directions = (
        x[..., None] * camera.right[..., None, :]
        + y[..., None] * camera.down[..., None, :]
        + camera.forward[..., None, :]
    )
    directions = directions / torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
    return camera.position[..., None, :].expand_as(directions), directions


def project(
    camera: Camera, points_world: Float[Tensor, "*batch points 3"]
) -> tuple[Float[Tensor, "*batch points 2"], Float[Tensor, "*batch points"]]:
    """Image coordinates (u, v) of points, and their depth along the viewing axis.

    The depth is not the length of the ray. Where it is not positive, the point is behind the camera and (u, v) means
    nothing.
    """
    offset = points_world - camera.position[..., None, :]
    x, y, depth = ((offset * axis[..., None, :]).sum(-1) for axis in (camera.right, camera.down, camera.forward))
    fx, skew, cx, fy, cy = _intrinsics(camera)
    u = (fx * x + skew * y) / depth + cx
    v = fy * y / depth + cy
    return torch.stack([u, v], dim=-1), depth


def _intrinsics(camera: Camera) -> tuple[Float[Tensor, "*batch 1"], ...]:
    """Fx, skew, cx, fy, cy, each with an axis for the pixels."""
    K = camera.intrinsics
    return tuple(K[..., row, column, None] for row, column in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
