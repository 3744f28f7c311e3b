# SPDX-License-Identifier: Apache-2.0
"""A head of mean proportions as 68 points of the world, in the usual order of facial landmarks.

The order is that of the 68-point annotations of iBUG, which dlib and most detectors give: the jaw from ear to ear,
brows, nose, eyes, lips, each from the picture's left to its right where the face is seen from the front.

The proportions are plain anthropometry, in millimetres from the middle between the pupils (x to the subject's left, y
up) and the axis through the ears (z forward). Scale and height in the world follow from one rule: seen from the front
by the canonical camera, the crop of FFHQ and PanoHead (from eyes and mouth, then 10 % wider, and as much higher at the
top) is the whole picture. So the crop that shows this head as the canonical camera sees it is the published one in
front, and stays with the head where the published one would follow the eyes.
"""

import numpy as np
from jaxtyping import Complex, Float

from training.cameras import HEAD_FOCAL, HEAD_RADIUS

NUM_POINTS = 68
INNER = slice(17, NUM_POINTS)  # All but the jaw, which detectors slide along the outline of a turned face.

_WORLD_PER_MM = 0.0020543
_ORIGIN_MM = (0.0, 5.678, 0.0)

# The midline, and the half on the subject's left; the other half is its mirror image.
_MIDLINE_MM = {
    8: (-116, 72), 27: (2, 93), 28: (-11, 100), 29: (-24, 107), 30: (-37, 114), 33: (-48, 100),
    51: (-64, 102), 57: (-85, 99), 62: (-72, 99), 66: (-74, 98),
}  # fmt: skip
_LEFT_MM = {
    (7, 9): (19, -113, 68), (6, 10): (36, -104, 58), (5, 11): (50, -90, 43), (4, 12): (58, -70, 27),
    (3, 13): (63, -50, 14), (2, 14): (67, -29, 6), (1, 15): (69, -9, 2), (0, 16): (70, 12, 0),
    (21, 22): (12, 19, 94), (20, 23): (24, 25, 92), (19, 24): (36, 26, 87), (18, 25): (46, 22, 79),
    (17, 26): (54, 14, 68),
    (32, 34): (8, -46, 98), (31, 35): (16, -43, 94),
    (39, 42): (16, -2, 80),
    (38, 43): (26, 5, 86), (37, 44): (36, 5, 84), (36, 45): (46, 1, 73), (41, 46): (37, -5, 81),
    (40, 47): (26, -5, 83),
    (48, 54): (25, -73, 84), (49, 53): (15, -65, 96), (50, 52): (5, -62, 101), (59, 55): (18, -80, 92),
    (58, 56): (9, -84, 97), (60, 64): (22, -73, 86), (61, 63): (9, -71, 97), (67, 65): (9, -75, 96),
}  # fmt: skip


def mean_head() -> Float[np.ndarray, "68 3"]:
    """The points, in the world."""
    points_mm = np.full((NUM_POINTS, 3), np.nan)
    for index, (y, z) in _MIDLINE_MM.items():
        points_mm[index] = 0, y, z
    for (right, left), (x, y, z) in _LEFT_MM.items():
        points_mm[right] = -x, y, z
        points_mm[left] = x, y, z
    return (points_mm - _ORIGIN_MM) * _WORLD_PER_MM


def canonical_places(
    points: Float[np.ndarray, "points 3"],
    azimuth_rad: Float[np.ndarray, "*views"],
    elevation_rad: Float[np.ndarray, "*views"],
) -> Complex[np.ndarray, "*views points"]:
    """Where upright canonical cameras see points: (u - 0.5) + (v - 0.5)i; `project`, for many views."""
    sin_a, cos_a = np.sin(azimuth_rad)[..., None], np.cos(azimuth_rad)[..., None]
    sin_e, cos_e = np.sin(elevation_rad)[..., None], np.cos(elevation_rad)[..., None]
    x, y, z = points.T
    to_right = cos_a * x - sin_a * z
    level = sin_a * x + cos_a * z  # Towards the camera, as far as it is level.
    depth = HEAD_RADIUS - (cos_e * level + sin_e * y)
    return HEAD_FOCAL * (to_right + 1j * (sin_e * level - cos_e * y)) / depth
