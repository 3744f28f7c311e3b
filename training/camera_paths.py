# SPDX-License-Identifier: Apache-2.0
"""Where cameras come from when no label gives them: one place on the sphere, random places, a path for a video.

All look at a target from a sphere around the origin and are addressed by (h, v), see cameras.py. A path maps a phase to
(h, v); the phase runs from 0 to 2 pi over the video, where every path is back at its start. The parts compose:

    camera_on_sphere(*sample_hv(16, h_std_rad=0.3, v_std_rad=0.15, generator=generator))
    camera_on_sphere(*full_turn(orbit_phases(240))).to(torch.float32)
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from training.cameras import HEAD_FOCAL, HEAD_RADIUS, intrinsics_from_focal, look_at, position_from_hv
from training.types import Camera


def camera_on_sphere(
    h_rad: Float[Tensor, "*batch"],
    v_rad: Float[Tensor, "*batch"],
    *,
    radius: float = HEAD_RADIUS,
    focal: float = HEAD_FOCAL,
    target: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Camera:
    """Upright cameras at (h, v) that look at `target`."""
    T_world_cam = look_at(position_from_hv(h_rad, v_rad, radius), h_rad.new_tensor(target))
    intrinsics = intrinsics_from_focal(focal, dtype=h_rad.dtype, device=h_rad.device)
    return Camera(T_world_cam, intrinsics.expand(*h_rad.shape, 3, 3))


def sample_hv(
    num: int,
    *,
    h_mean_rad: float = math.pi / 2,
    v_mean_rad: float = math.pi / 2,
    h_std_rad: float = 0.0,
    v_std_rad: float = 0.0,
    kind: Literal["gaussian", "uniform"] = "gaussian",
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> tuple[Float[Tensor, " num"], Float[Tensor, " num"]]:
    """Random (h, v) on the generator's device, all h drawn before all v.

    "gaussian" is mean + std * N(0, 1). "uniform" is mean + std * U(-1, 1), as in EG3D: there std is the half width.
    """
    if kind not in ("gaussian", "uniform"):
        raise ValueError(f'Camera angles are drawn "gaussian" or "uniform", not {kind!r}.')

    def draw() -> Tensor:
        if kind == "gaussian":
            return torch.randn(num, generator=generator, dtype=dtype, device=generator.device)
        return torch.rand(num, generator=generator, dtype=dtype, device=generator.device) * 2 - 1

    h_rad = h_mean_rad + h_std_rad * draw()
    v_rad = v_mean_rad + v_std_rad * draw()
    return h_rad, v_rad


def full_turn(phase_rad: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """(h, v) once around the head, first to the subject's left, swaying up and down. PanoHead's "Head" path."""
    return math.pi / 2 + phase_rad, math.pi / 2 - 0.05 + 0.5 * torch.sin(phase_rad)


def front_sway(phase_rad: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """(h, v) to and fro before the face. The "FFHQ" and "Cats" path."""
    return math.pi / 2 + 1.5 * torch.sin(phase_rad), math.pi / 2 - 0.05 + 0.25 * torch.cos(phase_rad)


def orbit_phases(num_frames: int) -> Float[Tensor, " num_frames"]:
    """Phases of a video that repeats without a seam: frame `num_frames` would be frame 0 again."""
    if num_frames < 1:
        raise ValueError(f"A camera path has at least one frame, not {num_frames}.")
    return torch.arange(num_frames, dtype=torch.float64) * (2 * math.pi / num_frames)
