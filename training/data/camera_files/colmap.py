# SPDX-License-Identifier: Apache-2.0
"""COLMAP's models as text: cameras.txt and images.txt.

A camera has an id, a model and its parameters in pixels. An image has two lines: its world-to-camera rotation as a
quaternion (w first) and translation, its camera's id and its name; then its points, which are not used. Camera axes are
OpenCV's. The world has no scale, origin or direction: ask for --recentre, --rescale, --up and --front.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from training.data.camera_files.camera_set import (
    CameraFileError,
    CameraSet,
    Size,
    in_pixels,
    normalised,
    require_pinholes,
)

_PARAMS = {"SIMPLE_PINHOLE": (0, 0, 1, 2), "PINHOLE": (0, 1, 2, 3)}  # Where fx, fy, cx, cy stand.


class _Lens(NamedTuple):
    intrinsics: Float[np.ndarray, "3 3"]
    size: Size


def read_colmap(cameras_text: str, images_text: str, folder: str) -> CameraSet:
    """Cameras of the contents of cameras.txt and images.txt, in the order of the pictures' names."""
    lenses = dict(_lenses(cameras_text, f"{folder}/cameras.txt"))
    file = f"{folder}/images.txt"
    found: dict[str, tuple[Float[np.ndarray, "4 4"], _Lens]] = {}
    for number, line in _image_lines(images_text):
        fields = line.split(maxsplit=9)
        place = f"{file}, line {number}"
        try:
            numbers, lens_id, name = [float(field) for field in fields[1:8]], int(fields[8]), fields[9].strip()
        except (IndexError, ValueError):
            raise CameraFileError(
                f"{place}: is not IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME; export the model as text again"
            ) from None
        if lens_id not in lenses:
            raise CameraFileError(
                f"{place}: its camera {lens_id} is not in cameras.txt; both files must be of one model"
            )
        if name in found:
            raise CameraFileError(f"{place}: {name!r} is listed twice; remove one of the two")
        found[name] = _pose(np.array(numbers), place), lenses[lens_id]
    if not found:
        raise CameraFileError(f"{file}: lists no images; is the model empty?")
    names = sorted(found)
    return CameraSet(
        tuple(names),
        np.stack([found[name][0] for name in names]),
        np.stack([found[name][1].intrinsics for name in names]),
        np.array([found[name][1].size for name in names]),
    )


def write_colmap(cameras: CameraSet) -> dict[str, bytes]:
    """The files of a model without points. Pictures whose intrinsics agree share a camera."""
    require_pinholes(cameras, "COLMAP")
    lens_ids: dict[str, int] = {}
    images = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME, then a line of points"]
    columns = (cameras.names, cameras.T_world_cam, in_pixels(cameras).tolist(), cameras.sizes.tolist())
    for i, (name, T, pixels, size) in enumerate(zip(*columns, strict=True), start=1):
        lens = " ".join(f"{value:.17g}" for value in (*size, *pixels))
        lens_id = lens_ids.setdefault(lens, len(lens_ids) + 1)
        R_cam_world = T[:3, :3].T
        numbers = (*quaternion_from_rotation(R_cam_world), *(-R_cam_world @ T[:3, 3]))
        images += [f"{i} {' '.join(f'{value:.17g}' for value in numbers)} {lens_id} {name}", ""]
    lenses = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, fx, fy, cx, cy"]
    lenses += [f"{lens_id} PINHOLE {lens}" for lens, lens_id in lens_ids.items()]
    texts: Mapping[str, list[str]] = {"cameras.txt": lenses, "images.txt": images, "points3D.txt": ["# no points"]}
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in texts.items()}


def rotation_from_quaternion(q: Float[np.ndarray, "4"]) -> Float[np.ndarray, "3 3"]:
    """Of w, x, y, z; of any length but zero."""
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_from_rotation(R: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "4"]:
    """w, x, y, z of unit length with w >= 0, of the rotation nearest to R.

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), which is sharp for every
    rotation; dividing by w is not where w is near zero.
    """
    A = np.zeros((4, 4))
    A[0, 0] = np.trace(R)
    A[0, 1:] = A[1:, 0] = [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]
    A[1:, 1:] = R + R.T - np.trace(R) * np.eye(3)
    q = np.linalg.eigh(A)[1][:, -1]
    return -q if q[0] < 0 else q


def _pose(numbers: Float[np.ndarray, "7"], place: str) -> Float[np.ndarray, "4 4"]:
    if not np.isfinite(numbers).all() or np.linalg.norm(numbers[:4]) < 1e-6:
        raise CameraFileError(f"{place}: its quaternion and translation are not finite numbers; reconstruct it again")
    R_cam_world = rotation_from_quaternion(numbers[:4])
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = R_cam_world.T
    T_world_cam[:3, 3] = -R_cam_world.T @ numbers[4:]
    return T_world_cam


def _lenses(text: str, file: str) -> Iterator[tuple[int, _Lens]]:
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        place = f"{file}, line {number}"
        model = fields[1] if len(fields) > 1 else ""
        if model not in _PARAMS:
            raise CameraFileError(
                f"{place}: has the camera model {model or 'of no name'}; labels hold pinhole cameras only, so run "
                "`colmap image_undistorter` and use the model and the pictures that it writes"
            )
        try:
            lens_id, width, height = int(fields[0]), int(fields[2]), int(fields[3])
            params = [float(field) for field in fields[4:]]
            fx, fy, cx, cy = (params[i] for i in _PARAMS[model])
        except (IndexError, ValueError):
            raise CameraFileError(f"{place}: is not CAMERA_ID {model} WIDTH HEIGHT and its parameters") from None
        if not (width > 0 and height > 0 and np.isfinite(params).all()):
            raise CameraFileError(f"{place}: its size or parameters are not positive, finite numbers")
        yield lens_id, _Lens(normalised(fx, fy, cx, cy, (width, height)), (width, height))


def _image_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that describe an image, with their numbers. The line of points after each may be empty, or left out."""
    is_points = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            continue
        if is_points and _may_be_points(line):
            is_points = False
        elif line.strip():
            yield number, line
            is_points = True


def _may_be_points(line: str) -> bool:
    """X, Y and a point's number, repeated. A line of an image has ten fields or more, the last a name."""
    fields = line.split()
    try:
        [float(field) for field in fields]
    except ValueError:
        return False
    return len(fields) % 3 == 0
