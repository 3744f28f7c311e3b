# SPDX-License-Identifier: Apache-2.0
"""What makes the matrices of a camera label sound, as predicates over many. NumPy, because labels come from disk.

A pose is sound when it is rigid and shows a portrait: the head, at the origin, is in front of the camera and upright.
"""

import numpy as np
from jaxtyping import Bool, Float

Poses = Float[np.ndarray, "n 4 4"]
Intrinsics = Float[np.ndarray, "n 3 3"]
Numbers = Float[np.ndarray, " n"]
Mask = Bool[np.ndarray, " n"]

# Labels are stored with six decimals; estimated or averaged rotations are further off.
ORTHONORMAL_TOLERANCE = 2e-3
# Horizontal fields of view from 136 degrees down to one degree.
FOCAL_MIN, FOCAL_MAX = 0.2, 50.0
# Closer is inside the head, farther is a scan in other units: what frames a head from there has no pixels left for it.
DISTANCE_MIN, DISTANCE_MAX = 0.3, 40.0
# Outside the corners of the image, unless a portrait is taken with a wide-angle lens.
CLEARLY_OFF_AXIS_RAD = np.radians(20)

_AT_ORIGIN = 1e-6
_FEWEST = 8  # Labels that tell of a set what each of them does not. Fewer may all be unusual views.


def has_last_row(T: Poses) -> Mask:
    """Whether the last row is 0, 0, 0, 1."""
    return (np.abs(T[:, 3] - [0, 0, 0, 1]) <= ORTHONORMAL_TOLERANCE).all(axis=1)


def gram_error(T: Poses) -> Numbers:
    """Largest deviation of R^T R from the identity, R being the rotation."""
    R = T[:, :3, :3]
    return np.abs(np.einsum("nij,nik->njk", R, R) - np.eye(3, dtype=T.dtype)).max(axis=(1, 2))


def is_orthonormal(T: Poses) -> Mask:
    """Whether the columns of the rotation are orthogonal and of unit length."""
    return gram_error(T) <= ORTHONORMAL_TOLERANCE


def is_right_handed(T: Poses) -> Mask:
    """Whether the determinant of the rotation is positive."""
    right, down, forward = T[:, :3, 0], T[:, :3, 1], T[:, :3, 2]
    return (np.cross(right, down) * forward).sum(axis=1) > 0


def is_off_origin(T: Poses) -> Mask:
    """Whether the camera is anywhere but in the middle of the head."""
    return np.linalg.norm(T[:, :3, 3], axis=1) > _AT_ORIGIN


def off_axis_rad(T: Poses) -> Numbers:
    """Angle at the camera between its axis and the origin."""
    position, forward = T[:, :3, 3], T[:, :3, 2]
    return np.arccos(np.clip(-(_unit(position) * forward).sum(axis=1), -1, 1))


def is_upright(T: Poses) -> Mask:
    """Whether image down is not clearly the world's up."""
    return T[:, 1, 1] < 0.5


def common_up(T: Poses) -> Float[np.ndarray, "3"]:
    """The direction in the world that the pictures have up on average. Zero if they do not agree on any."""
    up = -T[:, :3, 1].mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(up)
    return up / length if length > 0.1 else np.zeros(3)


def lie_together(T: Poses) -> bool:
    """Whether the pictures of a set have something beside the world's up or down as up.

    Some may be from far above or below, and then their up is level; not all of them, or not from one side.
    """
    if len(T) < _FEWEST:
        return False
    up = common_up(T)
    return bool(up.any() and abs(up[1]) < np.cos(np.radians(45)))


def has_sane_distance(T: Poses) -> Mask:
    """Whether the camera is about as far away as the project's units make it, where a head is half a unit tall."""
    distance = np.linalg.norm(T[:, :3, 3], axis=1)
    return (distance >= DISTANCE_MIN) & (distance <= DISTANCE_MAX)


def looks_inverted(T: Poses) -> Mask:
    """Whether the head is clearly missed, and the inverse pose would not miss it."""
    off_rad = off_axis_rad(T)
    return (off_rad > CLEARLY_OFF_AXIS_RAD) & (_inverse_off_axis_rad(T) < off_rad / 4)


def look_inverted_together(T: Poses) -> bool:
    """The same of a set. In sum even near-frontal views tell, though each of them looks much like its own inverse."""
    if len(T) < _FEWEST:
        return False
    mean_off_rad = off_axis_rad(T).mean()
    return bool(mean_off_rad > np.radians(3) and _inverse_off_axis_rad(T).mean() < mean_off_rad / 4)


def _inverse_off_axis_rad(T: Poses) -> Numbers:
    """Angle between the axis of the inverse pose and the origin.

    The inverse of a pose that sees the origin stands on the z axis, and turns there: where [R | t] is the inverse of
    the true pose, the origin lies off the true axis by the angle between t and z.
    """
    return np.arccos(np.minimum(np.abs(_unit(T[:, :3, 3])[:, 2]), 1))


def sees_head(T: Poses) -> Mask:
    """Whether the pose is rigid, aims at the head and is upright."""
    is_rigid = has_last_row(T) & is_orthonormal(T) & is_right_handed(T)
    return is_rigid & is_off_origin(T) & (off_axis_rad(T) <= CLEARLY_OFF_AXIS_RAD) & is_upright(T)


def has_intrinsics_form(K: Intrinsics) -> Mask:
    """Whether the zeros and the one of [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] are in place."""
    return (np.abs(K - [0, 0, 1])[:, 2] <= 1e-4).all(axis=1) & (np.abs(K[:, 1, 0]) <= 1e-4)


def has_sane_focal(K: Intrinsics) -> Mask:
    """Whether the focal lengths, in image widths and heights, are those of a lens."""
    focals = K[:, [0, 1], [0, 1]]
    return ((focals >= FOCAL_MIN) & (focals <= FOCAL_MAX)).all(axis=1)


def has_centre_inside(K: Intrinsics) -> Mask:
    """Whether the principal point lies inside the image, which runs from 0 to 1."""
    return ((K[:, :2, 2] > 0) & (K[:, :2, 2] < 1)).all(axis=1)


def has_small_skew(K: Intrinsics) -> Mask:
    """Whether pixels are roughly rectangular."""
    return np.abs(K[:, 0, 1]) <= 1


def are_sane_intrinsics(K: Intrinsics) -> Mask:
    """All of the above."""
    return has_intrinsics_form(K) & has_sane_focal(K) & has_centre_inside(K) & has_small_skew(K)


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _AT_ORIGIN)
