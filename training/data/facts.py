# SPDX-License-Identifier: Apache-2.0
"""What the checks before a run want to know of a data set: numbers, no pixels."""

import dataclasses

import numpy as np

from training.camera_checks import LabelError, check_labels
from training.data.dataset import ImageDataset
from training.data.selection import angles_deg

_SAMPLED = 4096  # Cameras that speak for all.


@dataclasses.dataclass(frozen=True)
class DataFacts:
    """Of the images that may be drawn, each counted once, mirrored or not."""

    resolution: int
    num_images: int
    num_without_label: int
    has_masks: bool
    back_share: float = 0.0  # With an absolute azimuth above 90 degrees.
    right_share: float = 0.5  # With a positive azimuth, among those that are not from the very front or back.
    azimuth_spread_deg: float = 0.0  # Half of the cameras lie in so many degrees.
    camera_radius: float = float("nan")  # The median distance from the origin.
    camera_problem: str | None = None  # What is wrong with cameras, and how to mend it.


def facts_of(dataset: ImageDataset) -> DataFacts:
    """Reads no image beyond those that the data set was opened with."""
    index = dataset.index
    drawn = np.flatnonzero(dataset.weights[: len(index)] > 0)
    facts = DataFacts(dataset.resolution, len(drawn), len(drawn), index.mask_source != "none")
    if index.labels is None:
        return facts
    num_without = int((~np.isfinite(index.labels[drawn]).all(axis=1)).sum())
    sampled = drawn[np.unique(np.linspace(0, len(drawn) - 1, min(_SAMPLED, len(drawn))).astype(int))]
    labels = index.labels[sampled]
    labels = labels[np.isfinite(labels).all(axis=1)]
    facts = dataclasses.replace(facts, num_without_label=num_without)
    if len(labels) == 0:
        return facts
    try:
        check_labels(labels)
    except LabelError as error:
        return dataclasses.replace(facts, camera_problem=str(error))
    azimuth_deg, _ = angles_deg(labels)
    sideways = np.abs(np.sin(np.radians(azimuth_deg))) > 0.1
    low, high = np.percentile(azimuth_deg, [25, 75])
    return dataclasses.replace(
        facts,
        back_share=float((np.abs(azimuth_deg) > 90).mean()),
        right_share=float((azimuth_deg[sideways] > 0).mean()) if sideways.any() else 0.5,
        azimuth_spread_deg=float(high - low),
        camera_radius=float(np.median(np.linalg.norm(labels[:, [3, 7, 11]], axis=1))),
    )
