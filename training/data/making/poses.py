# SPDX-License-Identifier: Apache-2.0
"""The views of a set as numbers: angles, how many there are of each kind, and which pictures show a kind best."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from training.cameras import camera_from_label, view_angles

AZIMUTH_STEP_DEG = 15
ELEVATION_STEP_DEG = 10


class Poses(NamedTuple):
    """The cameras of labels, with the angles of their views in degrees. Rows of NaN are labels that are missing."""

    T_world_cam: Float[np.ndarray, "n 4 4"]
    intrinsics: Float[np.ndarray, "n 3 3"]
    azimuth_deg: Float[np.ndarray, " n"]
    elevation_deg: Float[np.ndarray, " n"]

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Which views have angles at all."""
        return np.isfinite(self.azimuth_deg) & np.isfinite(self.elevation_deg)

    @property
    def distance(self) -> Float[np.ndarray, " n"]:
        """Of the cameras from the origin."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.linalg.norm(self.T_world_cam[:, :3, 3], axis=1)

    @property
    def is_back(self) -> Bool[np.ndarray, " n"]:
        """Views that show the back of the head."""
        return self.known & (np.abs(self.azimuth_deg) > 90)

    def picked(self, items: Int[np.ndarray, " m"]) -> "Poses":
        """Some of the views."""
        return Poses(*(values[items] for values in self))


class PoseCounts(NamedTuple):
    """Views by elevation (rows, from below) and azimuth (columns, from the back over the right and the front)."""

    counts: Int[np.ndarray, "rows columns"]
    azimuth_edges_deg: Float[np.ndarray, " columns+1"]
    elevation_edges_deg: Float[np.ndarray, " rows+1"]


def poses_of(labels: Float[np.ndarray, "n 25"]) -> Poses:
    """Decodes labels, whatever is in them."""
    camera = camera_from_label(torch.from_numpy(np.array(labels, dtype=np.float64)))
    angles = view_angles(camera)
    azimuth_deg, elevation_deg = (np.degrees(angle.numpy()) for angle in (angles.azimuth_rad, angles.elevation_rad))
    return Poses(camera.T_world_cam.numpy(), camera.intrinsics.numpy(), azimuth_deg, elevation_deg)


def count_poses(poses: Poses) -> PoseCounts:
    """A table of all views that have angles, no higher than it must be."""
    azimuth_deg, elevation_deg = poses.azimuth_deg[poses.known], poses.elevation_deg[poses.known]
    step = ELEVATION_STEP_DEG
    low, high = elevation_deg.min(initial=-2 * step), elevation_deg.max(initial=2 * step)
    azimuth_edges = np.arange(-180.0, 181, AZIMUTH_STEP_DEG)
    elevation_edges = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    counts, *_ = np.histogram2d(elevation_deg, azimuth_deg, bins=(elevation_edges, azimuth_edges))
    return PoseCounts(counts.astype(np.int64), azimuth_edges, elevation_edges)


def nearest_azimuths(poses: Poses, num_sectors: int) -> dict[int, int]:
    """For every sector around the head that has views, the item nearest to its middle. Level views are preferred."""
    chosen = {}
    for sector in range(num_sectors):
        offset_deg = np.abs((poses.azimuth_deg - sector * 360 / num_sectors + 180) % 360 - 180)
        inside = poses.known & (offset_deg <= 180 / num_sectors)
        if inside.any():
            cost = np.where(inside, offset_deg + 0.3 * np.abs(poses.elevation_deg), np.inf)
            chosen[sector] = int(cost.argmin())
    return chosen


def nearest_elevations(poses: Poses, num_levels: int) -> dict[int, int]:
    """Items from the lowest view to the highest, by level, each once. Frontal views are preferred."""
    if not poses.known.any():
        return {}
    known_deg = poses.elevation_deg[poses.known]
    chosen: dict[int, int] = {}
    for level, target_deg in enumerate(np.linspace(known_deg.min(), known_deg.max(), num_levels)):
        cost = np.abs(poses.elevation_deg - target_deg) + np.abs(poses.azimuth_deg) / 90
        item = int(np.where(poses.known, cost, np.inf).argmin())
        if item not in chosen.values():
            chosen[level] = item
    return chosen
