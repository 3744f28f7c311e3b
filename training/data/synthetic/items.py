# SPDX-License-Identifier: Apache-2.0
"""Item i of a set of procedural heads: a picture, its mask and label, and the truth about them.

The truth of an item, by name, with lengths in world units:

    camera        [25]     the true camera, as a label: the one that took the picture
    label         [25]     what the set says
    is_back       []       whether the label camera is behind the profile planes
    drift_world   [3]      position of the true camera less that of the label
    crop_shift    [2]      by how much of its width the picture is shifted, right and down
    crop_scale    []       by how much it is enlarged
    identity      []       the number of the person
    parameters    [P]      of the person; parameter_names() tells their names
    smile         []       0 to 1
    landmarks     [68, 3]  on the face, in the world, in the usual order; also those that the picture does not show
    head_box      [4]      left, top, right, bottom of the head with its hair, in picture widths
    depth         [H, W]   along the viewing axis, infinite where nothing is; where the settings ask for it
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from torch_utils import rng
from training.cameras import camera_from_label, label_from_camera, view_angles
from training.data.making.building import Made
from training.data.synthetic.background import PLAIN, backdrop
from training.data.synthetic.identity import Identity, identity_from_seed, identity_numbers
from training.data.synthetic.landmarks import head_box, landmarks
from training.data.synthetic.picture import render
from training.data.synthetic.settings import SyntheticSettings, identity_index
from training.data.synthetic.views import views

_SMILE_MAX_AZIMUTH_RAD = float(np.radians(45))  # Smile "front": who is seen from farther to the side does not.


@dataclass(frozen=True)
class MakeHead:
    """Makes any item. Picklable, so that workers can have it."""

    settings: SyntheticSettings
    is_mask_apart: bool = True  # Otherwise the mask is the picture's alpha.

    def __call__(self, index: int) -> Made:
        """The item: a pure function of the settings and of its index."""
        settings = self.settings
        seen = views(settings, torch.tensor([index]))
        label, camera = (label_from_camera(each)[0].float() for each in (seen.label, seen.true))
        azimuth_rad = float(view_angles(seen.label).azimuth_rad)
        identity = identity_index(settings, index)
        who, smile = person(settings.seed, identity), smile_of(settings, identity, azimuth_rad)
        behind = backdrop(settings.seed, index) if settings.background else PLAIN
        # Taken from the camera as it is written down, so that what is written is exact.
        place = camera_from_label(camera)
        picture = render(who, place, settings.resolution, smile=smile, background=behind)
        truth = {
            "camera": camera.numpy(),
            "label": label.numpy(),
            "is_back": seen.is_back[0].numpy(),
            "drift_world": seen.drift_world[0].float().numpy(),
            "crop_shift": seen.crop_shift[0].float().numpy(),
            "crop_scale": seen.crop_scale[0].float().numpy(),
            "identity": np.array(identity),
            "parameters": np.array(list(identity_numbers(who).values()), dtype=np.float32),
            "smile": np.array(smile, dtype=np.float32),
            "landmarks": landmarks(who, smile).numpy(),
            "head_box": head_box(who, place, smile).numpy(),
        }
        if settings.depth:
            truth["depth"] = picture.depth
        if self.is_mask_apart:
            return Made(picture.image, picture.mask, label.numpy(), truth=truth)
        return Made(np.dstack([picture.image, picture.mask]), None, label.numpy(), truth=truth)


@lru_cache(maxsize=64)
def person(seed: int, identity: int) -> Identity:
    """The person with this number, kept for the views that follow."""
    return identity_from_seed(seed, identity)


def parameter_names() -> list[str]:
    """What the numbers of `parameters` are, in their order."""
    return list(identity_numbers(person(0, 0)))


def smile_of(settings: SyntheticSettings, identity: int, azimuth_rad: float) -> float:
    """How much somebody smiles when seen from there."""
    if settings.smile == "varied":
        return float(rng.uniform(settings.seed, "smile", torch.tensor([identity])))
    if settings.smile == "front":
        return float(abs(azimuth_rad) <= _SMILE_MAX_AZIMUTH_RAD)
    return float(settings.smile == "always")
