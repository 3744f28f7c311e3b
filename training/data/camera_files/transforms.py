# SPDX-License-Identifier: Apache-2.0
"""transforms.json, as nerfstudio, instant-ngp and Blender exporters write it.

Each frame has a camera-to-world `transform_matrix` with OpenGL camera axes: x right, y up, z backward. Intrinsics are
in pixels (fl_x, fl_y, cx, cy, w, h) or a field of view (camera_angle_x in radians); they stand at the top, or in a
frame, which then wins. The world usually has z up.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from training.data.camera_files.camera_set import (
    OPENGL_AXES,
    CameraFileError,
    CameraSet,
    Size,
    SizeOf,
    in_pixels,
    normalised,
    require_distinct,
    require_pinholes,
)

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "PERSPECTIVE")  # OPENCV without distortion is a pinhole.


def read_transforms(data: Any, file: str, size_of: SizeOf) -> CameraSet:
    """Cameras of parsed JSON."""
    frames = data.get("frames") if isinstance(data, Mapping) else None
    if not isinstance(frames, list) or not frames:
        raise CameraFileError(f'{file}: has no "frames"; each frame has a "file_path" and a "transform_matrix"')
    names, poses, intrinsics, sizes = [], [], [], []
    for i, frame in enumerate(frames):
        name = frame.get("file_path") if isinstance(frame, Mapping) else None
        if not isinstance(name, str):
            raise CameraFileError(f'{file}: frame {i} has no "file_path"; it names the frame\'s picture')
        place = f"{file}: frame {i} ({name})"
        fields = {**data, **frame}
        _refuse_distortion(fields, place)
        size = _size(fields, place) or size_of(name)
        names.append(name)
        poses.append(_pose(frame.get("transform_matrix"), place))
        intrinsics.append(_intrinsics(fields, size, place))
        sizes.append(size or (0, 0))
    require_distinct(names, file)
    T_world_cam, scale = _unscaled(np.stack(poses))
    cameras = CameraSet(tuple(names), T_world_cam @ OPENGL_AXES, np.stack(intrinsics), np.array(sizes))
    if np.abs(scale - 1).max() > 1e-6:
        cameras = cameras.noted(f"{file}: its cameras are scaled, by {np.median(scale):.4g}; the scale was taken off")
    if num_unknown := int((cameras.sizes == 0).any(axis=1).sum()):
        text = f"{file}: nothing says how large {num_unknown} pictures are; they were taken to be square"
        cameras = cameras.noted(text + " (or name them with --img_data)")
    return cameras


def write_transforms(cameras: CameraSet) -> bytes:
    """transforms.json with the intrinsics in every frame."""
    require_pinholes(cameras, "transforms.json")
    columns = (cameras.names, in_pixels(cameras).tolist(), cameras.sizes.tolist(), cameras.T_world_cam @ OPENGL_AXES)
    frames = [
        {
            "file_path": name,
            **dict(zip(("fl_x", "fl_y", "cx", "cy"), pixels, strict=True)),
            **dict(zip(("w", "h"), size, strict=True)),
            "transform_matrix": T.tolist(),
        }
        for name, pixels, size, T in zip(*columns, strict=True)
    ]
    return (json.dumps({"camera_model": "PINHOLE", "frames": frames}, indent=1) + "\n").encode()


def _refuse_distortion(fields: Mapping[str, Any], place: str) -> None:
    model = str(fields.get("camera_model", "PINHOLE")).upper()
    bent = [key for key in _DISTORTION if _number(fields, key, place, 0.0)]
    if model not in _PINHOLES or bent:
        what = f"the camera model {model}" if model not in _PINHOLES else f"the distortion {', '.join(bent)}"
        raise CameraFileError(
            f"{place}: has {what}; a label holds pinhole cameras only, so undistort the pictures first"
        )


def _pose(matrix: Any, place: str) -> Float[np.ndarray, "4 4"]:
    try:
        T = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        T = np.zeros(0)
    if T.shape == (3, 4):
        T = np.concatenate([T, [[0, 0, 0, 1.0]]])
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise CameraFileError(f'{place}: its "transform_matrix" is not 4 x 4 finite numbers (camera-to-world)')
    return T


def _unscaled(T: Float[np.ndarray, "n 4 4"]) -> tuple[Float[np.ndarray, "n 4 4"], Float[np.ndarray, " n"]]:
    """Poses without the scale that an object of Blender may have, and that scale. Unequal scales stay."""
    lengths = np.linalg.norm(T[:, :3, :3], axis=1)
    scale = lengths.mean(axis=1)
    scale = np.where((scale > 0) & (np.ptp(lengths, axis=1) < 1e-3 * scale), scale, 1.0)
    T = T.copy()
    T[:, :3, :3] /= scale[:, None, None]
    return T, scale


def _size(fields: Mapping[str, Any], place: str) -> Size | None:
    if "w" not in fields or "h" not in fields:
        return None
    width, height = (round(_number(fields, key, place, 0.0)) for key in ("w", "h"))
    if width < 1 or height < 1:
        raise CameraFileError(f"{place}: its size is {width} x {height}; w and h are in pixels")
    return width, height


def _intrinsics(fields: Mapping[str, Any], size: Size | None, place: str) -> Float[np.ndarray, "3 3"]:
    counted = [key for key in ("fl_x", "cx", "cy") if key in fields]
    if size is None and counted:
        raise CameraFileError(
            f'{place}: has "{counted[0]}" in pixels, and nothing says how large the picture is; name the pictures '
            "with --img_data, or add w and h"
        )
    width, height = size or (1, 1)
    if "fl_x" in fields:
        fx = _number(fields, "fl_x", place, 0.0)
        fy = _number(fields, "fl_y", place, fx)
    elif "camera_angle_x" in fields:
        fx = _focal(_number(fields, "camera_angle_x", place, 0.0), width, place)
        fy = _focal(_number(fields, "camera_angle_y", place, 0.0), height, place) if "camera_angle_y" in fields else fx
    else:
        raise CameraFileError(f'{place}: has no focal length; give "fl_x" in pixels or "camera_angle_x" in radians')
    cx, cy = _number(fields, "cx", place, width / 2), _number(fields, "cy", place, height / 2)
    return normalised(fx, fy, cx, cy, (width, height))


def _focal(angle_rad: float, side: int, place: str) -> float:
    if not 0 < angle_rad < math.pi:
        raise CameraFileError(f"{place}: its field of view is {angle_rad:g}; it is in radians, between 0 and pi")
    return 0.5 * side / math.tan(angle_rad / 2)


def _number(fields: Mapping[str, Any], key: str, place: str, default: float) -> float:
    value = fields.get(key, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise CameraFileError(f'{place}: its "{key}" is {value!r}, not a number')
    return number
