# SPDX-License-Identifier: Apache-2.0
"""From a camera file's cameras to labels that pass the check, and advice where they do not."""

import dataclasses
import itertools
import math

import numpy as np

from training.camera_checks import LabelError, check_labels
from training.camera_soundness import off_axis_rad
from training.cameras import HEAD_RADIUS
from training.data.camera_files.camera_set import CameraFileError, CameraSet
from training.data.camera_files.pictures import Pictures
from training.data.camera_files.world import (
    FLIPS,
    UPS,
    Flip,
    Up,
    flipped,
    recentred,
    rescaled,
    with_focal,
    with_front,
    with_up,
)
from training.data.labels import clean_name

_MAX_TRIED = 512  # Cameras that advice is tried on.


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What is asked for, in the order in which it is done: flips, up, recentre, front, rescale, focal."""

    flips: tuple[Flip, ...] = ()
    up: Up = "y"
    recentre: bool = False
    front: str = ""  # Degrees, or the name of a picture that shows the face from the front.
    rescale: bool = False
    radius: float = HEAD_RADIUS
    focal: float | None = None


def convert(cameras: CameraSet, asked: Conversion) -> CameraSet:
    """The cameras in the world that is asked for."""
    for flip in asked.flips:
        cameras = flipped(cameras, flip)
    cameras = with_up(cameras, asked.up)
    if asked.recentre:
        cameras = recentred(cameras)
    if asked.front:
        cameras = with_front(cameras, _front_rad(cameras, asked.front))
    if asked.rescale:
        cameras = rescaled(cameras, asked.radius)
    if asked.focal is not None:
        cameras = with_focal(cameras, asked.focal)
    return cameras


def check(original: CameraSet, asked: Conversion) -> None:
    """Raises an error that says what is wrong with the converted cameras and which options would mend it."""
    try:
        check_labels(convert(original, asked).labels)
    except LabelError as error:
        first = f" (of {original.names[error.indices[0]]})" if error.indices else ""
        raise CameraFileError(f"the cameras are not in order{first}: {error}\n{_advice(original, asked)}") from None


def _advice(original: CameraSet, asked: Conversion) -> str:
    """Which flips and which axis up would make the cameras look at an upright head."""
    sample = original.picked(range(0, len(original), -(-len(original) // _MAX_TRIED)))
    best, best_cost = None, math.inf
    centrings, scalings = sorted({asked.recentre, True}), sorted({asked.rescale, True})
    for flips, up, recentre, rescale in itertools.product(_flip_choices(), UPS, centrings, scalings):
        tried = dataclasses.replace(asked, flips=flips, up=up, recentre=recentre, rescale=rescale, front="")
        try:
            cameras = convert(sample, tried)
            check_labels(cameras.labels)
        except ValueError:
            continue
        T = cameras.T_world_cam
        # The head in the middle, image rows level; a change must bring three degrees to be worth it.
        change = len(flips) + (up != asked.up) + (up == "cameras")
        change += (recentre != asked.recentre) + (rescale != asked.rescale)
        cost = float(off_axis_rad(T).mean() + np.abs(T[:, 1, 0]).mean()) + 0.05 * change
        if cost < best_cost:
            best, best_cost = tried, cost
    if best is None:
        return "No choice of --up and --flip, --recentre and --rescale makes them look at an upright head."
    options = [f"--flip {flip}" for flip in best.flips] + [f"--up {best.up}"]
    options += ["--recentre"] * best.recentre + ["--rescale"] * best.rescale
    return f"They would be in order with: {' '.join(options)}"


def _flip_choices() -> list[tuple[Flip, ...]]:
    return [flips for count in range(len(FLIPS) + 1) for flips in itertools.permutations(FLIPS, count)]


def _front_rad(cameras: CameraSet, front: str) -> float:
    """The azimuth that the subject looks to, in radians."""
    try:
        degrees = float(front)
    except ValueError:
        return _azimuth_rad(cameras, front)
    if not math.isfinite(degrees):
        raise CameraFileError(f"--front {front}: is not an angle; give degrees, or the name of a picture")
    return math.radians(degrees)


def _azimuth_rad(cameras: CameraSet, name: str) -> float:
    if name not in cameras.names:
        some = ", ".join(cameras.names[:3])
        raise CameraFileError(
            f"--front {name}: is neither degrees nor one of the pictures with a camera ({some}, ...); name one that "
            "shows the face from the front"
        )
    x, _, z = -cameras.T_world_cam[cameras.names.index(name), :3, 2]
    return math.atan2(x, z)


def for_pictures(cameras: CameraSet, pictures: Pictures) -> CameraSet:
    """The cameras under the names of the pictures of a set. Cameras without a picture are left out."""
    owners: dict[str, int] = {}
    for i, name in enumerate(cameras.names):
        found = pictures.find(name)
        if found is not None and owners.setdefault(found, i) != i:
            raise CameraFileError(f"{found}: {cameras.names[owners[found]]!r} and {name!r} are both cameras of it")
    if not owners:
        raise CameraFileError(
            f"none of the {len(cameras)} cameras is of a picture of the set: the first camera is of "
            f"{cameras.names[0]!r}, the set has {pictures.names[:1]}; is this the right folder?"
        )
    names = sorted(owners)
    notes = []
    if missing := len(pictures.names) - len(names):
        first = next(name for name in pictures.names if name not in owners)
        notes.append(f"{missing} of {len(pictures.names)} pictures have no camera, the first is {first}")
    if left := len(cameras) - len(names):
        notes.append(f"{left} of {len(cameras)} cameras were left out, their pictures are not in the set")
    picked = cameras.picked([owners[name] for name in names])
    return dataclasses.replace(picked, names=tuple(names)).noted(*notes)


def with_clean_names(cameras: CameraSet) -> CameraSet:
    """Names as a set has them."""
    return dataclasses.replace(cameras, names=tuple(map(clean_name, cameras.names)))


def shape_notes(cameras: CameraSet) -> list[str]:
    """What follows from pictures that are not square, which those of a training set are."""
    known = (cameras.sizes > 0).all(axis=1)
    oblong = np.flatnonzero(known & (cameras.sizes[:, 0] != cameras.sizes[:, 1]))
    if not len(oblong):
        return []
    width, height = cameras.sizes[oblong[0]]
    return [
        f"{len(oblong)} pictures are not square ({cameras.names[oblong[0]]} is {width} x {height}): fx and cx are in "
        "widths, fy and cy in heights, and a crop changes them (fx times width / side, cx to (cx times width - left) "
        "/ side, likewise fy and cy); crop with `dataset_tool.py pack`, which keeps the labels right"
    ]
