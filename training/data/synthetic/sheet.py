# SPDX-License-Identifier: Apache-2.0
"""A look at a set of procedural heads: some of its pictures, each with the side it is seen from."""

from pathlib import Path

import numpy as np
import torch

from dnnlib.drawing import RGBPicture, contact_sheet
from dnnlib.files import open_store
from training.cameras import view_angles
from training.data.images import decode_image, is_image
from training.data.synthetic.settings import SyntheticSettings
from training.data.synthetic.views import views

_COLUMNS, _ROWS = 12, 5
_MAX_CELL = 128


def sheet(img_dest: Path, settings: SyntheticSettings) -> RGBPicture:
    """Pictures from the whole set, in their order, with their azimuths."""
    with open_store(img_dest) as store:
        names = sorted(name for name in store.names() if is_image(name))
        shown = np.unique(np.linspace(0, len(names) - 1, _COLUMNS * _ROWS).round().astype(int))
        pictures = [decode_image(store.read(names[i]), names[i])[..., :3] for i in shown]
    azimuth_deg = view_angles(views(settings, torch.from_numpy(shown)).label).azimuth_rad.rad2deg()
    labels = [f"{degrees:+.0f}°" for degrees in azimuth_deg.tolist()]
    return contact_sheet(pictures, _COLUMNS, labels, cell=min(_MAX_CELL, settings.resolution))
