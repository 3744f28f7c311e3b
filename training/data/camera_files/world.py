# SPDX-License-Identifier: Apache-2.0
"""Turns a camera file's world into the project's: +y up, the subject at the origin and looking to +z, seen from 2.7.

Each step takes cameras and returns cameras, with a note of what was done.
"""

import dataclasses
import math
from typing import Literal

import numpy as np
from jaxtyping import Float

from training.camera_mistakes import AXES_FOR_UP
from training.data.camera_files.camera_set import OPENGL_AXES, CameraFileError, CameraSet

Up = Literal["y", "-y", "z", "-z", "x", "-x", "cameras"]
UPS: tuple[Up, ...] = ("y", "z", "-y", "-z", "x", "-x", "cameras")
Flip = Literal["axes", "inverse"]
FLIPS: tuple[Flip, ...] = ("axes", "inverse")

# Of the share of the rays' directions that is across them: rays within half a degree of each other.
_PARALLEL = 1e-4


def flipped(cameras: CameraSet, flip: Flip) -> CameraSet:
    """Undoes a misreading of the file: camera axes of the other kind, or poses that are world-to-camera.

    Both are meant for matrices as they stand in the file, where axes are those that the format's reader assumed.
    """
    if flip == "axes":
        return _with_poses(cameras, cameras.T_world_cam @ OPENGL_AXES)
    R = cameras.T_world_cam[:, :3, :3].transpose(0, 2, 1)
    T = cameras.T_world_cam.copy()
    T[:, :3, :3] = R
    T[:, :3, 3:] = -R @ cameras.T_world_cam[:, :3, 3:]
    return _with_poses(cameras, T)


def with_up(cameras: CameraSet, up: Up) -> CameraSet:
    """The world turned so that its axis `up` is +y. "cameras" is the direction that the pictures have up."""
    if up != "cameras":
        return turned(cameras, np.array(AXES_FOR_UP[up], dtype=float))
    direction = up_of_cameras(cameras.T_world_cam)
    if direction is None:
        raise CameraFileError("the cameras do not agree on what is up; name the axis that is, with --up")
    listed = ", ".join(f"{value:+.3f}" for value in direction)
    return turned(cameras, _rotation_to_y(direction)).noted(f"up in the pictures is ({listed}) in the file, now +y")


def up_of_cameras(T_world_cam: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "3"] | None:
    """What the pictures have up, if they agree: image rows of cameras without roll are all at right angles to it."""
    right, down = T_world_cam[:, :3, 0], T_world_cam[:, :3, 1]
    mean_up = -down.mean(axis=0)
    spread, axes = np.linalg.eigh(right.T @ right / len(right))
    if spread[1] < 0.01:  # All cameras on one side: their rows say little.
        level = axes[:, 2]
        up = mean_up - (mean_up @ level) * level
    else:
        up = axes[:, 0] * np.sign(axes[:, 0] @ mean_up)
    length = np.linalg.norm(up)
    return up / length if length > 1e-6 else None


def with_front(cameras: CameraSet, azimuth_rad: float) -> CameraSet:
    """The world turned about +y so that what was at `azimuth_rad` is in front, at +z."""
    sin, cos = math.sin(azimuth_rad), math.cos(azimuth_rad)
    cameras = turned(cameras, np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]))
    return cameras.noted(f"turned about +y so that azimuth {math.degrees(azimuth_rad):.4g} degrees is in front")


def recentred(cameras: CameraSet) -> CameraSet:
    """The world moved so that the viewing rays meet at the origin, by least squares."""
    point, misses = meeting_point(cameras.T_world_cam)
    offsets = point - cameras.T_world_cam[:, :3, 3]
    T = cameras.T_world_cam.copy()
    T[:, :3, 3] -= point
    listed = ", ".join(f"{value:.4g}" for value in point)
    distance = np.median(np.linalg.norm(offsets, axis=1))
    notes = [
        f"recentred: the viewing rays meet at ({listed}), now the origin; they miss it by {np.median(misses):.3g} "
        f"(median) and {misses.max():.3g} (most), the cameras being {distance:.4g} away"
    ]
    behind = (offsets * cameras.T_world_cam[:, :3, 2]).sum(axis=1) < 0
    if behind.mean() > 0.5:
        notes.append("most cameras look away from the point where their rays meet; try --flip axes")
    return _with_poses(cameras, T).noted(*notes)


def meeting_point(T_world_cam: Float[np.ndarray, "n 4 4"]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, " n"]]:
    """The point nearest to all viewing rays, and its distances from them."""
    position, forward = T_world_cam[:, :3, 3], T_world_cam[:, :3, 2]
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]  # Projects onto what the ray does not see.
    A = across.mean(axis=0)
    if np.linalg.eigvalsh(A)[0] < _PARALLEL:
        raise CameraFileError("all cameras look in one direction, so their rays meet nowhere; leave --recentre out")
    # Around the mean position, since a scanned world may lie far from its origin.
    origin = position.mean(axis=0)
    point = np.linalg.solve(A, np.einsum("nij,nj->i", across, position - origin) / len(position)) + origin
    return point, np.linalg.norm(np.einsum("nij,nj->ni", across, point - position), axis=1)


def rescaled(cameras: CameraSet, radius: float) -> CameraSet:
    """The world made larger or smaller so that the median camera is `radius` away from the origin."""
    median = float(np.median(np.linalg.norm(cameras.T_world_cam[:, :3, 3], axis=1)))
    if not median > 0:
        raise CameraFileError("the cameras sit at the origin, so no scale puts them at a distance; try --recentre")
    T = cameras.T_world_cam.copy()
    T[:, :3, 3] *= radius / median
    return _with_poses(cameras, T).noted(f"rescaled by {radius / median:.6g}: the median distance is now {radius:g}")


def with_focal(cameras: CameraSet, focal: float) -> CameraSet:
    """Intrinsics of square pictures with this focal length in picture widths, centred."""
    K = np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1.0]])
    cameras = dataclasses.replace(cameras, intrinsics=np.broadcast_to(K, cameras.intrinsics.shape).copy())
    return cameras.noted(f"all intrinsics were replaced: focal length {focal:g} picture widths, centred")


def turned(cameras: CameraSet, R_new_old: Float[np.ndarray, "3 3"]) -> CameraSet:
    """The same cameras in a world with other axes."""
    T = cameras.T_world_cam.copy()
    T[:, :3] = R_new_old @ T[:, :3]
    return _with_poses(cameras, T)


def _with_poses(cameras: CameraSet, T_world_cam: Float[np.ndarray, "n 4 4"]) -> CameraSet:
    return dataclasses.replace(cameras, T_world_cam=T_world_cam)


def _rotation_to_y(direction: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The least rotation that takes a unit vector to +y; about x where all are equal."""
    y = np.array([0.0, 1.0, 0.0])
    cos = float(direction @ y)
    if cos < -1 + 1e-9:
        return np.array(AXES_FOR_UP["-y"], dtype=float)
    v = np.cross(direction, y)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cos)
