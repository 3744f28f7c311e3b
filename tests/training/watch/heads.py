# SPDX-License-Identifier: Apache-2.0
"""Views of procedural heads, as a generator that has learned them would show them."""

import functools
import math

import torch

from training.camera_paths import camera_on_sphere
from training.cameras import HEAD_FOCAL, HEAD_RADIUS, hv_from_angles
from training.data.synthetic.background import backdrop
from training.data.synthetic.items import person
from training.data.synthetic.picture import render
from training.watch.views import AZIMUTHS_DEG, BACK, FRONT, Views

_SIZE = 32


def head_views(num: int = 6) -> Views:
    """Fresh tensors. Sides other than front and back repeat the front, since nothing looks at them."""
    front, back = _seen(num, 0.0), _seen(num, math.pi)
    kinds = []
    for ahead, behind in zip(front, back, strict=True):
        views = [behind if i == BACK else ahead for i in range(len(AZIMUTHS_DEG))]
        kinds.append(torch.stack(views, dim=1))
    assert AZIMUTHS_DEG[FRONT] == 0
    image, depth, mask = kinds
    return Views(image, image.clone(), depth, mask, HEAD_RADIUS / HEAD_FOCAL)


@functools.cache
def _seen(num: int, azimuth_rad: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    zero = torch.zeros((), dtype=torch.float64)
    camera = camera_on_sphere(*hv_from_angles(zero + azimuth_rad, zero)).to(torch.float32)
    pictures = [render(person(5, i), camera, _SIZE, background=backdrop(5, i)) for i in range(num)]
    image = torch.stack([torch.from_numpy(p.image.copy()).movedim(-1, 0) for p in pictures]) / 127.5 - 1
    depth = torch.stack([torch.from_numpy(p.depth.copy())[None] for p in pictures]).nan_to_num(posinf=HEAD_RADIUS)
    mask = torch.stack([torch.from_numpy(p.mask.copy())[None] for p in pictures]) / 255
    return image, depth, mask
