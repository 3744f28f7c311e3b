# SPDX-License-Identifier: Apache-2.0
"""From where item i is seen, and how far its label is from that.

The *label* camera looks at the origin from the usual distance: it is what a set says. The *true* camera is the one that
takes the picture. They differ as cameras estimated in the wild do, only where the settings ask for it:

    drift   the true camera stands elsewhere by a translation in the world; back views only, where no landmark told
    crop    the picture is shifted by `crop_shift` of its width and enlarged by `crop_scale`, as a detector's box does

A *back view* has its label camera behind the profile planes: its azimuth is more than 90 degrees off the front.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from torch_utils import rng
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, translate
from training.data.synthetic.settings import FrontHeavy, SyntheticSettings
from training.types import Camera

_ELEVATION_MAX_RAD = math.radians(80)  # Beyond it no portrait is taken, and "up" loses its meaning.


class Views(NamedTuple):
    """Cameras of several items, and by what the true one differs from the label."""

    label: Camera
    true: Camera
    is_back: Bool[Tensor, "*batch"]
    drift_world: Float[Tensor, "*batch 3"]  # Position of the true camera less that of the label.
    crop_shift: Float[Tensor, "*batch 2"]  # By which the head lies to the right of, and below, where the label says.
    crop_scale: Float[Tensor, "*batch"]  # Above 1 the head is larger than the label says.


def views(settings: SyntheticSettings, indices: Int64[Tensor, " n"]) -> Views:
    """The views of items, each a pure function of (settings, its index), in double precision."""
    azimuth_rad = _azimuth_rad(settings, indices)
    elevation_rad = rng.normal(settings.seed, "view elevation", indices) * math.radians(settings.elevation_std_deg)
    elevation_rad = elevation_rad.double().clamp(-_ELEVATION_MAX_RAD, _ELEVATION_MAX_RAD)
    label = camera_on_sphere(*hv_from_angles(azimuth_rad, elevation_rad))

    is_back = azimuth_rad.abs() > math.pi / 2
    drift_world = settings.drift * is_back[:, None] * _in_unit_ball(settings.seed, "view drift", indices)
    jitter = 2 * rng.uniform(settings.seed, "view jitter", indices, (3,)).double() - 1
    crop_shift = settings.jitter * jitter[:, :2]
    crop_scale = (1 + settings.jitter) ** jitter[:, 2]  # As often so much larger as so much smaller.
    true = cropped(translate(label, drift_world), crop_shift, crop_scale)
    return Views(label, true, is_back, drift_world, crop_shift, crop_scale)


def cropped(camera: Camera, shift: Float[Tensor, "*batch 2"], scale: Float[Tensor, "*batch"]) -> Camera:
    """The camera whose picture is enlarged by `scale` about its middle, and then shifted to the right and down."""
    one, zero = torch.ones_like(scale), torch.zeros_like(scale)
    offset = 0.5 * (1 - scale)[..., None] + shift
    rows = [
        torch.stack([scale, zero, offset[..., 0]], dim=-1),
        torch.stack([zero, scale, offset[..., 1]], dim=-1),
        torch.stack([zero, zero, one], dim=-1),
    ]
    return Camera(camera.T_world_cam, torch.stack(rows, dim=-2) @ camera.intrinsics)


def _azimuth_rad(settings: SyntheticSettings, indices: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    seed, cameras = settings.seed, settings.cameras
    around = rng.uniform(seed, "view azimuth", indices).double() - 0.5  # Of a turn.
    if not isinstance(cameras, FrontHeavy):
        return 2 * math.pi * around
    front_rad = rng.normal(seed, "view front azimuth", indices).double() * math.radians(cameras.azimuth_std_deg)
    front_rad = front_rad.clamp(-math.pi / 2, math.pi / 2)
    back_rad = math.pi * torch.where(around < 0, around - 0.5, around + 0.5)
    return torch.where(rng.uniform(seed, "view side", indices) < cameras.back_share, back_rad, front_rad)


def _in_unit_ball(seed: int, purpose: str, indices: Int64[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Evenly spread over the ball of radius 1."""
    direction = torch.nn.functional.normalize(rng.normal(seed, purpose + " direction", indices, (3,)).double(), dim=-1)
    return direction * rng.uniform(seed, purpose + " size", indices).double()[:, None] ** (1 / 3)
