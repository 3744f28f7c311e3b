# SPDX-License-Identifier: Apache-2.0
"""Views are counted where they are, and the pictures shown for a direction are those nearest to it."""

import math

import numpy as np
import torch

from training.camera_paths import camera_on_sphere
from training.cameras import angles_from_hv, hv_from_angles, label_from_camera
from training.data.making.poses import count_poses, nearest_azimuths, nearest_elevations, poses_of


def labels_at(azimuth_deg: list[float], elevation_deg: list[float]) -> np.ndarray:
    angles = (torch.tensor(values, dtype=torch.float64).deg2rad() for values in (azimuth_deg, elevation_deg))
    return label_from_camera(camera_on_sphere(*hv_from_angles(*angles))).numpy().astype(np.float32)


def test_every_view_is_counted_once_in_its_bin() -> None:
    rng = np.random.default_rng(0)
    azimuth, elevation = rng.uniform(-180, 180, 500), rng.uniform(-60, 80, 500)
    table = count_poses(poses_of(labels_at(azimuth.tolist(), elevation.tolist())))
    assert table.counts.sum() == 500
    assert table.counts.shape == (len(table.elevation_edges_deg) - 1, 24)
    for (i, j), count in np.ndenumerate(table.counts):
        row = (elevation >= table.elevation_edges_deg[i]) & (elevation < table.elevation_edges_deg[i + 1])
        column = (azimuth >= table.azimuth_edges_deg[j]) & (azimuth < table.azimuth_edges_deg[j + 1])
        assert count == (row & column).sum()


def test_back_views_are_those_beyond_a_quarter_turn() -> None:
    poses = poses_of(labels_at([0, 89, -89, 91, -91, 180], [0, 5, 30, 0, 40, 0]))
    assert poses.is_back.tolist() == [False, False, False, True, True, True]


def test_missing_labels_are_known_to_be_missing_and_counted_nowhere() -> None:
    labels = labels_at([0, 90], [0, 0])
    labels[1] = np.nan
    poses = poses_of(labels)
    assert poses.known.tolist() == [True, False]
    assert count_poses(poses).counts.sum() == 1
    assert not poses.is_back.any()
    nothing = poses_of(np.full((3, 25), np.nan))
    assert nearest_azimuths(nothing, 12) == {}
    assert nearest_elevations(nothing, 5) == {}
    assert count_poses(nothing).counts.sum() == 0


def test_numbers_that_are_no_camera_are_taken_without_complaint() -> None:
    labels = np.random.default_rng(0).normal(size=(20, 25)) * 10.0 ** np.arange(-10, 10)[:, None]
    labels[3], labels[4] = 0, np.inf
    assert count_poses(poses_of(labels)).counts.sum() <= 20


def test_a_direction_is_shown_by_the_view_nearest_to_it() -> None:
    poses = poses_of(labels_at([2, -8, 14, 91, 178, -179], [0, 0, 0, 0, 20, 0]))
    assert nearest_azimuths(poses, 12) == {0: 0, 3: 3, 6: 5}


def test_heights_are_shown_from_the_lowest_to_the_highest_view_each_once() -> None:
    poses = poses_of(labels_at([0, 0, 0, 0], [-30, 0, 2, 30]))
    assert nearest_elevations(poses, 3) == {0: 0, 1: 1, 2: 3}
    assert nearest_elevations(poses_of(labels_at([5], [5])), 6) == {0: 0}


def test_angles_agree_with_those_the_cameras_were_made_of() -> None:
    h, v = torch.tensor([math.pi / 2 + 1.0], dtype=torch.float64), torch.tensor([1.2], dtype=torch.float64)
    azimuth, elevation = angles_from_hv(h, v)
    poses = poses_of(label_from_camera(camera_on_sphere(h, v)).numpy())
    np.testing.assert_allclose(np.radians(poses.azimuth_deg), azimuth, atol=1e-9)
    np.testing.assert_allclose(np.radians(poses.elevation_deg), elevation, atol=1e-9)
