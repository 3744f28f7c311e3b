# SPDX-License-Identifier: Apache-2.0
"""What is told of a data set is what was put into it."""

import numpy as np
import pytest

from tests.training.data.sets import labels_at
from training.data.dataset import ImageDataset
from training.data.facts import DataFacts, facts_of


class _Index:
    mask_source = "files"

    def __init__(self, labels: np.ndarray | None, count: int) -> None:
        self.labels = labels
        self._count = count

    def __len__(self) -> int:
        return self._count


def dataset_of(labels: np.ndarray | None, weights: list[float]) -> ImageDataset:
    """Without any pictures."""
    dataset = object.__new__(ImageDataset)
    dataset.index = _Index(labels, len(weights))
    dataset.weights = np.array(weights)
    dataset.resolution = 64
    return dataset


def facts(azimuth_deg: list[float], weights: list[float] | None = None) -> DataFacts:
    return facts_of(dataset_of(labels_at(azimuth_deg), weights or [1.0] * len(azimuth_deg)))


def test_views_are_counted_by_their_azimuth() -> None:
    found = facts([0, 30, 60, 120, -150, 179, 20, 90.5])
    assert found.num_images == 8
    assert found.back_share == pytest.approx(4 / 8)
    assert found.right_share == pytest.approx(5 / 6)  # Neither 0 nor 179 are to a side.
    assert found.camera_radius == pytest.approx(2.7, abs=1e-5)
    assert found.has_masks
    assert found.camera_problem is None


def test_only_what_is_drawn_counts() -> None:
    assert facts([0, 170, 160], [1, 0, 0]).back_share == 0
    assert facts([0, 170, 160], [1, 0, 0]).num_images == 1


def test_one_view_has_no_spread() -> None:
    assert facts([10] * 8).azimuth_spread_deg == pytest.approx(0, abs=1e-3)
    assert facts([-60, -30, 0, 30, 60]).azimuth_spread_deg == pytest.approx(60, abs=1e-3)


def test_missing_labels_are_counted() -> None:
    labels = labels_at([0, 10, 20])
    labels[1] = np.nan
    assert facts_of(dataset_of(labels, [1.0] * 3)).num_without_label == 1
    assert facts_of(dataset_of(None, [1.0] * 3)).num_without_label == 3
    labels[:] = np.nan
    assert facts_of(dataset_of(labels, [1.0] * 3)).num_without_label == 3


def test_cameras_of_another_convention_are_named() -> None:
    labels = labels_at([0, 10, 20, -40])
    labels[:, [1, 2, 5, 6, 9, 10]] *= -1  # OpenGL's: y up, looking backwards.
    assert "OpenGL" in facts_of(dataset_of(labels, [1.0] * 4)).camera_problem
