# SPDX-License-Identifier: Apache-2.0
"""Cameras of named pictures, as every file format is read into and written from.

Whatever a file has, here a pose is camera-to-world with OpenCV camera axes (right, down, forward), and intrinsics are
in units of the picture's size. The world is the file's; world.py turns it into the project's. Numbers are float64: a
scanned world may be a thousand units away from its origin.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from training.data.problems import DataError

Size = tuple[int, int]  # Width, height.
SizeOf = Callable[[str], Size | None]  # Of a picture named as in the camera file, None where it is not there.

# Negates camera y and z: from OpenGL's axes (y up, z backward) to OpenCV's, and back.
OPENGL_AXES = np.diag([1.0, -1.0, -1.0, 1.0])


class CameraFileError(DataError):
    """A camera file that cannot be used. The message names the file, the place, and what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class CameraSet:
    """One camera per picture. `notes` say what was assumed while reading, for the user to judge."""

    names: tuple[str, ...]
    T_world_cam: Float[np.ndarray, "n 4 4"]
    intrinsics: Float[np.ndarray, "n 3 3"]
    sizes: Int[np.ndarray, "n 2"]  # Width and height in pixels, 0 where the file does not say.
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> Float[np.ndarray, "n 25"]:
        """The 25 numbers of dataset.json."""
        return np.concatenate([self.T_world_cam.reshape(-1, 16), self.intrinsics.reshape(-1, 9)], axis=1)

    def picked(self, indices: Sequence[int]) -> "CameraSet":
        """Some of the cameras."""
        index = np.array(indices, dtype=int)
        return dataclasses.replace(
            self,
            names=tuple(self.names[i] for i in indices),
            T_world_cam=self.T_world_cam[index],
            intrinsics=self.intrinsics[index],
            sizes=self.sizes[index],
        )

    def noted(self, *notes: str) -> "CameraSet":
        """The same, with more to tell the user."""
        return dataclasses.replace(self, notes=(*self.notes, *notes))


def normalised(fx: float, fy: float, cx: float, cy: float, size: Size) -> Float[np.ndarray, "3 3"]:
    """Intrinsics in units of the picture, from pixels. Pixel (0, 0) has its centre at (0.5, 0.5)."""
    width, height = size
    return np.array([[fx / width, 0, cx / width], [0, fy / height, cy / height], [0, 0, 1.0]])


def in_pixels(cameras: CameraSet) -> Float[np.ndarray, "n 4"]:
    """fx, fy, cx, cy in pixels."""
    K, (width, height) = cameras.intrinsics, cameras.sizes.T
    return np.stack([K[:, 0, 0] * width, K[:, 1, 1] * height, K[:, 0, 2] * width, K[:, 1, 2] * height], axis=1)


def require_distinct(names: Sequence[str], file: str) -> None:
    """Refuses two cameras for one picture."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise CameraFileError(f"{file}: {name!r} has {count} cameras; keep the right one")


def require_pinholes(cameras: CameraSet, what: str) -> None:
    """Refuses what a format cannot hold: pictures of unknown size, and skew."""
    unknown = np.flatnonzero((cameras.sizes <= 0).any(axis=1))
    if len(unknown):
        raise CameraFileError(
            f"{cameras.names[unknown[0]]}: {what} counts in pixels, and nothing says how large the picture is; "
            "name the pictures with --img_data"
        )
    skewed = np.flatnonzero(cameras.intrinsics[:, 0, 1] != 0)
    if len(skewed):
        raise CameraFileError(
            f"{cameras.names[skewed[0]]}: its intrinsics have a skew, which {what} cannot hold; write dataset.json"
        )
