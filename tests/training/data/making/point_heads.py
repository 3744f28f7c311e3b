# SPDX-License-Identifier: Apache-2.0
"""Heads that are points: 68 landmarks and a shell of skull and hair, projected by the cameras of training/."""

import math
from typing import NamedTuple

import numpy as np
import torch

from training.camera_paths import camera_on_sphere
from training.camera_rays import project
from training.cameras import hv_from_angles
from training.data.making.annotations import Annotation
from training.data.making.calibration import HeadBox
from training.data.making.crops import Crop
from training.data.making.face_fit import View
from training.data.making.head_points import mean_head


class PointHead(NamedTuple):
    """One picture of a head, and the crop that would show it as the canonical camera does."""

    landmarks: np.ndarray  # Complex [68].
    box: HeadBox
    crop: Crop
    view: View

    def annotation(self, with_landmarks: bool = True, pose_noise_deg: tuple[float, float] = (0.0, 0.0)) -> Annotation:
        yaw_rad, pitch_rad = np.radians(pose_noise_deg)
        view = View(self.view.azimuth_rad + yaw_rad, self.view.elevation_rad + pitch_rad, self.view.roll_rad)
        return Annotation(self.landmarks if with_landmarks else None, self.box, view)


def seen(points: np.ndarray, view: View, crop: Crop) -> np.ndarray:
    """Source places of world points, through the project's own camera."""
    angles = torch.tensor(view[:2], dtype=torch.float64)
    uv, _ = project(camera_on_sphere(*hv_from_angles(*angles)), torch.from_numpy(points))
    u, v = uv.numpy().T
    return crop.centre + crop.right * ((u - 0.5) + 1j * (v - 0.5))


def point_head(rng: np.random.Generator, yaw_deg: float, shape_noise: float = 0.04, jitter: float = 0.002) -> PointHead:
    """A head of random proportions and hair somewhere in a picture, rolled a little."""
    view = View(math.radians(yaw_deg), rng.normal(0, 0.15), rng.normal(0, 0.1))
    side = rng.uniform(150, 900)
    crop = Crop(complex(*rng.uniform(500, 1500, 2)), side * np.exp(-1j * view.roll_rad))
    proportions = 1 + shape_noise * rng.standard_normal(3)
    points = mean_head() * proportions + jitter * rng.standard_normal((68, 3))
    hair = np.abs(rng.normal(0, 0.02)) + 0.01
    directions = rng.standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # A skull behind the face and hair around it: the box's centre is above and behind the canonical head's.
    shell = (directions * (np.array([0.16, 0.22, 0.2]) + hair) + [0, 0.03, -0.02]) * proportions
    outline = seen(shell, view, crop)
    box = HeadBox(outline.real.min(), outline.imag.min(), outline.real.max(), outline.imag.max())
    return PointHead(seen(points, view, crop), box, crop, view)


def face_quad(landmarks: np.ndarray) -> tuple[complex, complex]:
    """The published crop of a face: its centre, and half of its upper edge from left to right.

    It is turned with the line of the eyes and the line from eyes to mouth, and as large as the longer of both says.
    """
    eye_left, eye_right = (landmarks[eye].mean() for eye in (slice(36, 42), slice(42, 48)))
    eyes = (eye_left + eye_right) / 2
    eye_to_eye = eye_right - eye_left
    eye_to_mouth = landmarks[[48, 54]].mean() - eyes
    half_right = eye_to_eye - 1j * eye_to_mouth  # Down, turned by -90 degrees, is right.
    length = max(2.0 * abs(eye_to_eye), 1.8 * abs(eye_to_mouth))
    return complex(eyes + 0.1 * eye_to_mouth), complex(half_right * (length / abs(half_right)))
