# SPDX-License-Identifier: Apache-2.0
"""What a camera is made of and made into: the 25-number label, poses, angles, focal lengths, mirror, shift.

Azimuth and elevation say from where the subject is seen: azimuth 0 from the front (+z), growing towards +x, pi from
behind; elevation 0 level, growing upwards. (h, v) is EG3D's way to say the same: h = azimuth + pi/2, and v in (0, pi)
is an equal-area parameter, cos(polar angle) = 1 - 2 v / pi, so that a uniform v is uniform on the sphere; the front is
h = v = pi/2. Focal lengths are in image widths. Rays and pixels are in camera_rays.py, paths and random poses in
camera_paths.py, the check of foreign labels in camera_checks.py.
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from training.types import Camera

LABEL_DIM = 25
FovKind = Literal["diagonal", "horizontal"]

# The camera of the published head models: every picture is scaled so that the head seen from here fills it.
HEAD_RADIUS = 2.7
HEAD_FOCAL = 4.2647

_V_MARGIN_RAD = 1e-5  # Keeps (h, v) off the poles, where no camera is upright.


class ViewAngles(NamedTuple):
    """From where a camera sees the subject. Roll turns the camera clockwise, so the subject counter-clockwise."""

    azimuth_rad: Float[Tensor, "*batch"]
    elevation_rad: Float[Tensor, "*batch"]
    roll_rad: Float[Tensor, "*batch"]


# ----------------------------------------------------------------------------------------------------------------------
# The label: 16 numbers of T_world_cam, then 9 of the intrinsics, both row by row. No other place knows this layout.


def camera_from_label(labels: Float[Tensor, "*batch numbers"]) -> Camera:
    """Decode; every number is kept, so that encoding gives the same label bit by bit."""
    if labels.shape[-1] != LABEL_DIM:
        raise ValueError(
            f"A camera label has {LABEL_DIM} numbers (camera-to-world 4 x 4, then intrinsics 3 x 3, row by row); "
            f"these have {labels.shape[-1]} (shape {tuple(labels.shape)}). Pass the camera part alone."
        )
    return Camera(labels[..., :16].unflatten(-1, (4, 4)), labels[..., 16:].unflatten(-1, (3, 3)))


def label_from_camera(camera: Camera) -> Float[Tensor, "*batch 25"]:
    """Encode."""
    return torch.cat([camera.T_world_cam.flatten(-2), camera.intrinsics.flatten(-2)], dim=-1)


# ----------------------------------------------------------------------------------------------------------------------
# Angles and positions.


def view_angles(camera: Camera) -> ViewAngles:
    """Angles of the viewing direction.

    The direction is used and not the position: it says which side of the head the picture shows, wherever the camera
    aims, and no shift of the camera or of the origin changes it. For a camera that looks at the origin both agree.
    """
    x, y, z = (-camera.forward).unbind(-1)
    elevation_rad = torch.atan2(y, torch.hypot(x, z))  # asin(y), but sharp at the poles, where y = 1 + 1e-7 gives NaN.
    roll_rad = torch.atan2(-camera.right[..., 1], -camera.down[..., 1])
    return ViewAngles(torch.atan2(x, z), elevation_rad, roll_rad)


def angles_from_hv(
    h_rad: Float[Tensor, "*batch"], v_rad: Float[Tensor, "*batch"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """(azimuth, elevation) of (h, v). The azimuth goes on counting beyond a full turn."""
    sin_polar, cos_polar = _sin_cos_polar(v_rad)
    return h_rad - math.pi / 2, torch.atan2(cos_polar, sin_polar)


def hv_from_angles(
    azimuth_rad: Float[Tensor, "*batch"], elevation_rad: Float[Tensor, "*batch"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """(h, v) of (azimuth, elevation)."""
    # v = pi/2 (1 - sin elevation), without the difference that would cancel near the pole.
    return azimuth_rad + math.pi / 2, math.pi * torch.sin(math.pi / 4 - elevation_rad / 2).square()


def position_from_hv(
    h_rad: Float[Tensor, "*batch"], v_rad: Float[Tensor, "*batch"], radius: float
) -> Float[Tensor, "*batch 3"]:
    """Point on the sphere around the origin. v is kept a little away from the poles."""
    if not radius > 0:
        raise ValueError(f"The camera radius must be positive, not {radius}. Heads are seen from {HEAD_RADIUS}.")
    sin_polar, cos_polar = _sin_cos_polar(v_rad)
    return radius * torch.stack([-sin_polar * torch.cos(h_rad), cos_polar, sin_polar * torch.sin(h_rad)], dim=-1)


def _sin_cos_polar(v_rad: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    share = v_rad.clamp(_V_MARGIN_RAD, math.pi - _V_MARGIN_RAD) / math.pi  # Of the sphere's area above this latitude.
    return 2 * torch.sqrt(share * (1 - share)), 1 - 2 * share


def look_at(position: Float[Tensor, "*#batch 3"], target: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch 4 4"]:
    """`T_world_cam` of an upright camera at `position` that sees `target` in the middle of its image.

    Straight up or down nothing is upright; image right is then world +x, as it is for a frontal camera. A position that
    is its own target has no direction and gives NaN.
    """
    position, target = torch.broadcast_tensors(position, target)
    forward = _unit(target - position)
    x, _, z = forward.unbind(-1)
    forward_cross_up = torch.stack([-z, torch.zeros_like(x), x], dim=-1)
    is_vertical = torch.hypot(x, z) < 1e-12
    right = _unit(torch.where(is_vertical[..., None], forward.new_tensor([1.0, 0.0, 0.0]), forward_cross_up))
    down = torch.linalg.cross(forward, right)
    last_row = position.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*position.shape[:-1], 1, 4)
    return torch.cat([torch.stack([right, down, forward, position], dim=-1), last_row], dim=-2)


def _unit(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)


# ----------------------------------------------------------------------------------------------------------------------
# Focal length.


def focal_from_fov(fov_deg: float, kind: FovKind = "diagonal") -> float:
    """Focal length of the square image whose diagonal, or side, spans `fov_deg` degrees."""
    if not 0 < fov_deg < 180:
        raise ValueError(f"A field of view lies between 0 and 180 degrees, not {fov_deg}. Heads are seen with 18.837.")
    return _half_extent(kind) / math.tan(math.radians(fov_deg) / 2)


def fov_from_focal(focal: float, kind: FovKind = "diagonal") -> float:
    """Degrees that the diagonal, or the side, of a square image spans."""
    if not focal > 0:
        raise ValueError(
            f"A focal length is positive, in units of the image width, not {focal}. Heads have {HEAD_FOCAL}."
        )
    return math.degrees(2 * math.atan(_half_extent(kind) / focal))


def _half_extent(kind: FovKind) -> float:
    if kind not in ("diagonal", "horizontal"):
        raise ValueError(f'A field of view is "diagonal" or "horizontal", not {kind!r}.')
    return math.sqrt(0.5) if kind == "diagonal" else 0.5


def intrinsics_from_focal(
    focal: float, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "3 3"]:
    """Square pixels, no skew, the principal point in the middle of the image."""
    return torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]], dtype=dtype, device=device)


# ----------------------------------------------------------------------------------------------------------------------
# Cameras from cameras.


def mirror(camera: Camera) -> Camera:
    """The camera whose image of the mirrored world (x -> -x) is the mirrored image. Mirrored twice it is itself.

    Azimuth and roll change sign, elevation stays. The intrinsics follow: cx becomes 1 - cx, the skew changes sign. A
    centred camera keeps its intrinsics, and its label changes in the numbers 1, 2, 3, 4, 8 only.
    """
    # diag(-1, 1, 1, 1) T diag(-1, 1, 1, 1), written without a product so that no device rounds it.
    pose_sign = [[1, -1, -1, -1], [-1, 1, 1, 1], [-1, 1, 1, 1], [1, 1, 1, 1]]
    T_world_cam = camera.T_world_cam * camera.T_world_cam.new_tensor(pose_sign)
    K = camera.intrinsics
    sign, offset = [[1, -1, -1], [1, 1, 1], [1, 1, 1]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    return Camera(T_world_cam, K.new_tensor(offset) + K * K.new_tensor(sign))


def translate(camera: Camera, shift_world: Float[Tensor, "*batch 3"]) -> Camera:
    """The camera moved by `shift_world`, not turned. Differentiable in the shift, which may be learned."""
    shift = pad(shift_world[..., None], (3, 0, 0, 1))  # The last column of an otherwise empty 4 x 4 matrix.
    return Camera(camera.T_world_cam + shift, camera.intrinsics)
