# SPDX-License-Identifier: Apache-2.0
"""Procedural heads that no training has seen, by number, from any camera, with everything about them known."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, hv_from_angles, label_from_camera
from training.data.synthetic.background import backdrop
from training.data.synthetic.items import MakeHead, person
from training.data.synthetic.picture import render
from training.data.synthetic.settings import FrontHeavy, SyntheticSettings
from training.inversion.targets import Targets

SEED = 7_000_003  # Far from those that people make data sets with.


class Views(NamedTuple):
    """One of each head."""

    images: Float[Tensor, "n 3 size size"]  # In [-1, 1].
    masks: Float[Tensor, "n 1 size size"]
    depth: Float[Tensor, "n 1 size size"]  # Along the viewing axis, infinite where nothing is.
    labels: Float[Tensor, "n 25"]

    def as_targets(self) -> Targets:
        """Of inversions, which are told nothing but pictures and cameras."""
        count = len(self.images)
        return Targets(tuple(map(str, range(count))), tuple(range(count)), self.images, None, self.labels)


def level_label(azimuth_deg: float) -> Float[Tensor, " 25"]:
    azimuth_rad = torch.tensor(azimuth_deg, dtype=torch.float64).deg2rad()
    return label_from_camera(camera_on_sphere(*hv_from_angles(azimuth_rad, torch.zeros_like(azimuth_rad)))).float()


def views_at(azimuths_deg: list[float], resolution: int) -> Views:
    """Head i from azimuths_deg[i], level, before a background of its own."""
    labels = torch.stack([level_label(azimuth) for azimuth in azimuths_deg])
    seen = [
        render(person(SEED, i), camera_from_label(label), resolution, background=backdrop(SEED, i))
        for i, label in enumerate(labels)
    ]
    return Views(
        torch.stack([_image(each.image) for each in seen]),
        torch.stack([torch.from_numpy(each.mask)[None] / 255 for each in seen]),
        torch.stack([torch.from_numpy(each.depth)[None] for each in seen]),
        labels,
    )


class DriftedBacks(NamedTuple):
    """Back views of heads, taken from elsewhere than their labels say."""

    targets: Targets
    cameras: Float[Tensor, "n 25"]  # The true ones, as labels.
    drift_world: Float[Tensor, "n 3"]


def drifted_backs(count: int, resolution: int, drift: float) -> DriftedBacks:
    """As they are in the training set."""
    make = MakeHead(
        SyntheticSettings(
            seed=SEED, resolution=resolution, cameras=FrontHeavy(back_share=1.0), drift=drift, depth=False
        )
    )
    items = [make(i) for i in range(count)]
    images = torch.stack([_image(item.image) for item in items])
    label, camera, moved = (
        torch.from_numpy(np.stack([item.truth[name] for item in items])) for name in ("label", "camera", "drift_world")
    )
    return DriftedBacks(Targets(tuple(map(str, range(count))), tuple(range(count)), images, None, label), camera, moved)


def _image(pixels: np.ndarray) -> Float[Tensor, "3 size size"]:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1
