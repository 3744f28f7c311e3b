# SPDX-License-Identifier: Apache-2.0
"""Reconstructions against procedural heads, of which everything is known: mask, depth, normals, camera.

The truth's depth is along the viewing axis, infinite where nothing is, as in the truth of a data set; a generator's is
the length of the ray. `is_both` is where reconstruction and truth show the head.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.camera_rays import rays
from training.types import Camera, Rendering


class TruthErrors(NamedTuple):
    """One number per picture each; NaN where the reconstruction shows nothing of the head."""

    mask_iou: Float[Tensor, " n"]
    depth: Float[Tensor, " n"]  # Mean absolute error in world units.
    relief: Float[Tensor, " n"]  # The same after both have the same median: of the shape, wherever it stands.
    normal_deg: Float[Tensor, " n"]  # Median angle between the normals.


def errors(
    rendering: Rendering,
    camera: Camera,  # That rendered it, and took the picture.
    mask: Float[Tensor, "n 1 size size"],  # The truth, in [0, 1].
    depth: Float[Tensor, "n 1 size size"],
) -> TruthErrors:
    """Of raw renderings, which have the size of the truth."""
    found, size = rendering["image_mask"], mask.shape[-1]
    assert found.shape == mask.shape == depth.shape, f"{tuple(found.shape)} against {tuple(depth.shape)}"
    _, directions = rays(camera, size)
    cosine = (directions * camera.forward[:, None]).sum(-1).view_as(depth)
    reconstructed = rendering["image_depth"] * cosine
    is_both = (found > 0.5) & (mask > 0.5) & depth.isfinite()
    difference = torch.where(is_both, reconstructed - depth, torch.nan).flatten(1)
    offset = difference.nanmedian(dim=1, keepdim=True).values
    angle = _normal_angle_deg(reconstructed, torch.where(depth.isfinite(), depth, 0), is_both, camera)
    return TruthErrors(
        mask_iou(found, mask),
        difference.abs().nanmean(dim=1),
        (difference - offset).abs().nanmean(dim=1),
        angle.flatten(1).nanmedian(dim=1).values,
    )


def mask_iou(a: Float[Tensor, "n 1 h w"], b: Float[Tensor, "n 1 h w"]) -> Float[Tensor, " n"]:
    """Intersection over union of what is above one half. Two empty masks agree."""
    a, b = ((x > 0.5).flatten(1) for x in (a, b))
    union = (a | b).sum(dim=1)
    return torch.where(union > 0, (a & b).sum(dim=1) / union.clamp(min=1), 1.0)


class CameraErrors(NamedTuple):
    """How far an estimated camera is from the one that took the picture."""

    position: Float[Tensor, " n"]  # In world units.
    direction_deg: Float[Tensor, " n"]


def camera_errors(estimated: Camera, true: Camera) -> CameraErrors:
    """Of pairs of cameras."""
    # The angle by its chord, which is sharp where the cosine is flat.
    chord = (estimated.forward - true.forward).norm(dim=-1)
    return CameraErrors(
        (estimated.position - true.position).norm(dim=-1), torch.rad2deg(2 * torch.asin((chord / 2).clamp(max=1)))
    )


def recovered_share(shift: Float[Tensor, "n 3"], drift: Float[Tensor, "n 3"]) -> float:
    """How much of an injected drift of labels is undone: 1 all of it, 0 none, below 0 it was made worse."""
    assert drift.any(), "no drift was injected"
    return 1 - ((shift - drift).square().sum() / drift.square().sum()).item()


def normals(depth: Float[Tensor, "n 1 size size"], camera: Camera) -> Float[Tensor, "n 3 size_less_1 size_less_1"]:
    """Unit normals of the surface in a depth map along the axis, from each pixel's right and lower neighbour."""
    n, _, size, _ = depth.shape
    origins, directions = rays(camera, size)
    cosine = (directions * camera.forward[:, None]).sum(-1, keepdim=True)
    points = (origins + directions / cosine * depth.flatten(1)[..., None]).view(n, size, size, 3)
    right = points[:, :-1, 1:] - points[:, :-1, :-1]
    down = points[:, 1:, :-1] - points[:, :-1, :-1]
    return torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1).movedim(-1, 1)


def _normal_angle_deg(
    a: Tensor, b: Tensor, is_both: Bool[Tensor, "n 1 size size"], camera: Camera
) -> Float[Tensor, "n 1 size_less_1 size_less_1"]:
    whole = is_both[..., :-1, :-1] & is_both[..., :-1, 1:] & is_both[..., 1:, :-1]
    cosine = (normals(a, camera) * normals(b, camera)).sum(dim=1, keepdim=True)
    return torch.where(whole, torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))), torch.nan)
