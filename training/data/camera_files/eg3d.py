# SPDX-License-Identifier: Apache-2.0
"""dataset.json and cameras.json, as EG3D and PanoHead use them.

dataset.json:  {"labels": [[name, 25 numbers], ...]}, or {"labels": {name: 25 numbers}}
cameras.json:  {name: {"pose": 16 numbers or 4 x 4, "intrinsics": 9 numbers or 3 x 3}}

Both hold camera-to-world poses with OpenCV axes. Numbers may be strings. EG3D's preprocessing writes the two files with
different values: dataset.json is the one that belongs to the pictures. The intrinsics of cameras.json may be in pixels
of some earlier crop; pixels are told from picture sizes by the focal length.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from training.camera_soundness import FOCAL_MAX
from training.cameras import LABEL_DIM
from training.data.camera_files.camera_set import CameraFileError, CameraSet, Size, SizeOf, require_distinct

_FORMS = (
    'dataset.json is {"labels": [[name, 25 numbers], ...]}, cameras.json is '
    '{name: {"pose": 16 numbers, "intrinsics": 9 numbers}, ...}'
)


def read_eg3d(data: Any, file: str, size_of: SizeOf) -> CameraSet:
    """Cameras of parsed JSON, whichever of the two forms it has."""
    if not isinstance(data, Mapping):
        raise CameraFileError(f"{file}: holds a JSON {type(data).__name__}, not an object; {_FORMS}")
    entries = data.get("labels", data)
    if entries is None:
        raise CameraFileError(f'{file}: its "labels" are null, so it has no cameras; estimate them first')
    pairs = list(_pairs(entries, file))
    if not pairs:
        raise CameraFileError(f"{file}: lists no pictures; {_FORMS}")
    names = [name for name, _ in pairs]
    require_distinct(names, file)
    labels = np.stack([_label(value, f"{file}: {name!r}") for name, value in pairs])
    T_world_cam, intrinsics = labels[:, :16].reshape(-1, 4, 4), labels[:, 16:].reshape(-1, 3, 3)
    cameras = CameraSet(tuple(names), T_world_cam, intrinsics, np.zeros((len(names), 2), dtype=int))
    return _without_pixels(cameras, file, size_of)


def write_eg3d(cameras: CameraSet) -> bytes:
    """dataset.json, one picture per line."""
    rows = (
        f"{json.dumps(name)}, {json.dumps(label)}"
        for name, label in zip(cameras.names, cameras.labels.tolist(), strict=True)
    )
    return ('{"labels": [\n' + ",\n".join(f"[{row}]" for row in rows) + "\n]}\n").encode()


def _pairs(entries: Any, file: str) -> Iterable[tuple[str, Any]]:
    if isinstance(entries, Mapping):
        yield from entries.items()
        return
    if not isinstance(entries, list):
        raise CameraFileError(f'{file}: its "labels" are a {type(entries).__name__}; {_FORMS}')
    for i, entry in enumerate(entries):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise CameraFileError(f"{file}: entry {i} is not a pair of a name and its numbers; {_FORMS}")
        yield entry[0], entry[1]


def _label(value: Any, place: str) -> Float[np.ndarray, "25"]:
    if isinstance(value, Mapping):
        missing = [key for key in ("pose", "intrinsics") if key not in value]
        if missing:
            raise CameraFileError(f'{place}: has no "{missing[0]}"; {_FORMS}')
        return np.concatenate(
            [_numbers(value["pose"], 16, f"{place}, pose"), _numbers(value["intrinsics"], 9, f"{place}, intrinsics")]
        )
    return _numbers(value, LABEL_DIM, place)


def _numbers(value: Any, count: int, place: str) -> Float[np.ndarray, " count"]:
    try:
        numbers = np.array(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or len(numbers) != count or not np.isfinite(numbers).all():
        raise CameraFileError(f"{place}: is not {count} finite numbers; {_FORMS}")
    return numbers


def _without_pixels(cameras: CameraSet, file: str, size_of: SizeOf) -> CameraSet:
    """Intrinsics in pixels divided by the size of the picture they count on."""
    pixels = cameras.intrinsics[:, 0, 0] > FOCAL_MAX
    if not pixels.any():
        return cameras
    if not pixels.all():
        one, other = np.flatnonzero(pixels)[0], np.flatnonzero(~pixels)[0]
        raise CameraFileError(
            f"{file}: {cameras.names[one]!r} has intrinsics in pixels and {cameras.names[other]!r} has not; "
            "write them all in one unit"
        )
    K = cameras.intrinsics.copy()
    sizes = [_counted_size(name, k, file, size_of) for name, k in zip(cameras.names, K, strict=True)]
    K[:, :2] /= np.array(sizes)[:, :, None]
    listed = ", ".join(f"{width} x {height}" for width, height in sorted(set(sizes))[:3])
    note = f"{file}: its intrinsics are in pixels and were divided by the size {listed}"
    return CameraSet(cameras.names, cameras.T_world_cam, K, np.array(sizes), (note,))


def _counted_size(name: str, K: Float[np.ndarray, "3 3"], file: str, size_of: SizeOf) -> Size:
    """The picture's size if its middle is near the principal point, otherwise the size whose middle that is."""
    by_centre = (round(2 * K[0, 2]), round(2 * K[1, 2]))
    size = size_of(name)
    if size is not None and all(abs(c - s) <= 0.1 * s for c, s in zip(by_centre, size, strict=True)):
        return size
    if min(by_centre) < 2:
        raise CameraFileError(
            f"{file}: {name!r} has a focal length in pixels and a principal point that is not; divide the focal length "
            "by the width of the picture, or pass --focal"
        )
    return by_centre
