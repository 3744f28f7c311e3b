# SPDX-License-Identifier: Apache-2.0
"""What foreign camera labels usually get wrong: each mistake is undone to see whether the labels then make sense.

An Explanation has the mistake in words and a recipe, a line of NumPy that mends `labels`, an array [n, 25].
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from training.camera_soundness import (
    FOCAL_MAX,
    Intrinsics,
    Mask,
    Poses,
    are_sane_intrinsics,
    has_sane_distance,
    lie_together,
    off_axis_rad,
    sees_head,
)
from training.cameras import HEAD_FOCAL, HEAD_RADIUS

# For the axis of a world that is up: rows are the axes of ours in that one. What faces the reader's side there keeps
# doing so: the rotations are about x where they can be, so that Blender's front (-y) becomes +z.
AXES_FOR_UP: dict[str, list[list[int]]] = {
    "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
}

_MIN_SHARE = 0.9  # A mistake explains a set of labels if undoing it mends this share of them.
_MAX_TRIED = 4096  # Labels that each mistake is tried on.

Matrices = Float[np.ndarray, "n d d"]


class Explanation(NamedTuple):
    """A mistake that explains the labels that were reported."""

    cause: str
    recipe: str
    everywhere: bool  # Whether the recipe is right for all labels, or only for the reported ones.


class _Mistake(NamedTuple):
    cause: str
    recipe: str
    undo: Callable[[Matrices], Matrices]


def explain_poses(reported: Poses, every: Float[np.ndarray, "every 4 4"]) -> Explanation | None:
    """The mistake without which the cameras aim best at the head, if one is enough to see it."""
    reported, every = _thinned(reported), _thinned(every)
    best, best_rad = None, np.inf
    for mistake in _POSE_MISTAKES:
        mended = mistake.undo(reported)
        mean_rad = off_axis_rad(mended).mean()
        # Several mistakes may look alike, above all for frontal cameras; the simplest wins a tie.
        if _most(sees_head(mended)) and mean_rad < best_rad - 1e-3:
            best, best_rad = mistake, mean_rad
    return best and Explanation(best.cause, best.recipe, _most(sees_head(best.undo(every))))


def explain_intrinsics(reported: Intrinsics, every: Float[np.ndarray, "every 3 3"]) -> Explanation | None:
    """The first mistake without which the intrinsics are sane."""
    tried = _thinned(reported)
    for mistake in _intrinsics_mistakes(tried):
        if _most(are_sane_intrinsics(mistake.undo(tried))):
            return Explanation(mistake.cause, mistake.recipe, len(reported) == len(every))
    return None


def explain_up(every: Poses) -> Explanation | None:
    """The axis of the world that is up, for labels with another one up than y."""
    tried = _thinned(every)
    for mistake in _UP_MISTAKES:
        mended = mistake.undo(tried)
        if _most(sees_head(mended)) and not lie_together(mended):
            return Explanation(mistake.cause, mistake.recipe, True)
    return None


def explain_distances(reported: Poses, every: Float[np.ndarray, "every 4 4"]) -> Explanation | None:
    """Another unit of length, if one factor brings most cameras to where they should be."""
    distances = np.linalg.norm(every[:, :3, 3].astype(np.float64), axis=1)
    factor = float(f"{HEAD_RADIUS / np.median(distances):.4g}")
    if len(reported) < _MIN_SHARE * len(every) or not _most(has_sane_distance(_scaled(every, factor))):
        return None
    return Explanation("the world has another unit of length", f"labels[:, [3, 7, 11]] *= {factor:g}", True)


def _most(mask: Mask) -> bool:
    return bool(mask.mean() >= _MIN_SHARE)


def _thinned(matrices: Matrices) -> Matrices:
    return matrices[:: -(-len(matrices) // _MAX_TRIED)]


def _transposed(matrices: Matrices) -> Matrices:
    return matrices.transpose(0, 2, 1)


# ----------------------------------------------------------------------------------------------------------------------
# Poses.


def _negated_columns(*columns: int) -> Callable[[Poses], Poses]:
    sign = np.ones(4)
    sign[list(columns)] = -1
    return lambda T: T * sign


def _opencv_axes(T: Poses) -> Poses:
    return _negated_columns(1, 2)(T)


def _inverse(T: Poses) -> Poses:
    """Of rigid motions. What is not rigid does not become it."""
    R, t = T[:, :3, :3], T[:, :3, 3]
    inverse = T.copy()
    inverse[:, :3, :3] = _transposed(R)
    inverse[:, :3, 3] = -np.einsum("nij,ni->nj", R, t)
    return inverse


def _scaled(T: Poses, factor: float) -> Poses:
    scaled = T.astype(np.float64)
    scaled[:, :3, 3] *= factor
    return scaled


def _turned(axes: list[list[int]]) -> Callable[[Poses], Poses]:
    T_new_old = np.eye(4)
    T_new_old[:3, :3] = axes
    return lambda T: T_new_old @ T


def _nearest_rotation(T: Poses) -> Poses:
    U, _, Vt = np.linalg.svd(T[:, :3, :3])
    nearest = T.copy()
    nearest[:, :3, :3] = U @ Vt
    return nearest


def _pose_mistakes() -> tuple[_Mistake, ...]:
    """All that are known, simplest first, then the same in matrices stored by columns."""
    by_row = (
        _Mistake("the camera axes are OpenGL's (y up, z backward), not OpenCV's", "T[:, :3, 1:3] *= -1", _opencv_axes),
        _Mistake("the matrix is world-to-camera, not camera-to-world", "T[:] = np.linalg.inv(T)", _inverse),
        _Mistake(
            "the matrix is world-to-camera, not camera-to-world, and has OpenGL's camera axes (y up, z backward)",
            "T[:] = np.linalg.inv(T); T[:, :3, 1:3] *= -1",
            lambda T: _opencv_axes(_inverse(T)),
        ),
        _Mistake(
            "the world has y down and the head looks to -z",
            "T[:, 1:3] *= -1",
            lambda T: _transposed(_opencv_axes(_transposed(T))),
        ),
        _Mistake("the camera axes are left-handed, with y up", "T[:, :3, 1] *= -1", _negated_columns(1)),
        _Mistake("the camera axes are left-handed, with x to the left", "T[:, :3, 0] *= -1", _negated_columns(0)),
        _Mistake("the camera axes are left-handed, with z backward", "T[:, :3, 2] *= -1", _negated_columns(2)),
        _Mistake(
            "the rotation is scaled, or was rounded or averaged",
            "U, _, Vt = np.linalg.svd(T[:, :3, :3]); T[:, :3, :3] = U @ Vt",
            _nearest_rotation,
        ),
    )
    start = "T = labels[:, :16].reshape(-1, 4, 4); "
    cause, transpose = "the matrix is stored column by column", "T[:] = T.transpose(0, 2, 1).copy()"
    return (
        *(_Mistake(m.cause, start + m.recipe, m.undo) for m in by_row),
        _Mistake(cause, start + transpose, _transposed),
        *(
            _Mistake(
                f"{cause}, and {m.cause}", f"{start}{transpose}; {m.recipe}", lambda T, m=m: m.undo(_transposed(T))
            )
            for m in by_row
        ),
    )


def _up_mistakes() -> tuple[_Mistake, ...]:
    """Another axis of the world that is up, and the same with OpenGL's camera axes."""
    start = "T = labels[:, :16].reshape(-1, 4, 4); "
    by_axis = [
        _Mistake(f"the world has {axis} up, not y", f"{start}T[:, :3] = np.array({axes}) @ T[:, :3]", _turned(axes))
        for axis, axes in AXES_FOR_UP.items()
        if axis not in ("y", "-y")  # Seen in each label.
    ]
    return (
        *by_axis,
        *(
            _Mistake(
                f"{m.cause}, and the camera axes are OpenGL's (y up, z backward), not OpenCV's",
                f"{m.recipe}; T[:, :3, 1:3] *= -1",
                lambda T, m=m: _opencv_axes(m.undo(T)),
            )
            for m in by_axis
        ),
    )


_POSE_MISTAKES = _pose_mistakes()
_UP_MISTAKES = _up_mistakes()


# ----------------------------------------------------------------------------------------------------------------------
# Intrinsics.


def _with_last_row(K: Intrinsics) -> Intrinsics:
    K = K.copy()
    K[:, 2] = [0, 0, 1]
    return K


def _with_head_focal_for_pixels(K: Intrinsics) -> Intrinsics:
    focals = K[:, [0, 1], [0, 1]]
    K = K.copy()
    K[:, [0, 1], [0, 1]] = np.where(focals > FOCAL_MAX, HEAD_FOCAL, focals)
    return K


def _intrinsics_mistakes(K: Intrinsics) -> tuple[_Mistake, ...]:
    """All that are known; the image size in pixels is guessed from the principal points."""
    width, height = (max(1, round(float(2 * centre))) for centre in np.median(K[:, :2, 2], axis=0))
    start = "K = labels[:, 16:].reshape(-1, 3, 3); "
    return (
        _Mistake(
            f"the intrinsics are in pixels (by their principal point, of {width} x {height} images)",
            f"{start}K[:, 0] /= {width}; K[:, 1] /= {height}",
            lambda K: K / np.array([width, height, 1])[:, None],
        ),
        _Mistake(
            "the focal length is in pixels while the principal point is not; divide it by the width of your images",
            f"{start}K[:, [0, 1], [0, 1]] /= image_width",
            _with_head_focal_for_pixels,
        ),
        _Mistake(
            "the image runs from -1 to 1, here it runs from 0 to 1",
            f"{start}K[:, :2] /= 2; K[:, :2, 2] += 0.5",
            lambda K: K / np.array([2, 2, 1])[:, None] + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]),
        ),
        _Mistake("the last row was divided too", f"{start}K[:, 2] = [0, 0, 1]", _with_last_row),
        _Mistake(
            "the intrinsics are stored column by column", f"{start}K[:] = K.transpose(0, 2, 1).copy()", _transposed
        ),
    )
