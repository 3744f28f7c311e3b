# SPDX-License-Identifier: Apache-2.0
"""Small sets for the tests, whose every picture can be told from its pixels."""

import math
from pathlib import Path

import numpy as np
import torch

from dnnlib.files import open_store
from training.cameras import intrinsics_from_focal, label_from_camera, look_at, position_from_hv
from training.data.images import encode_png
from training.data.labels import dataset_json
from training.data.problems import DataError
from training.types import Camera


def labels_at(azimuth_deg, elevation_deg=0.0):
    """Labels of cameras that look at the origin."""
    azimuth_deg = torch.as_tensor(azimuth_deg, dtype=torch.float64).reshape(-1)
    elevation = torch.deg2rad(torch.as_tensor(elevation_deg, dtype=torch.float64)).expand_as(azimuth_deg)
    v = math.pi / 2 * (1 - torch.sin(elevation))
    position = position_from_hv(torch.deg2rad(azimuth_deg) + math.pi / 2, v, 2.7)
    K = intrinsics_from_focal(4.2647, dtype=torch.float64).expand(len(azimuth_deg), 3, 3)
    return label_from_camera(Camera(look_at(position, torch.zeros(3, dtype=torch.float64)), K)).float().numpy()


def picture(item, side=8, channels=3):
    """Pixels that no other item has; the left half differs from the right one."""
    rng = np.random.default_rng(item)
    return rng.integers(0, 256, (side, side, channels), dtype=np.uint8)


def mask_of(item, side=8):
    return np.random.default_rng(10**6 + item).integers(0, 256, (side, side), dtype=np.uint8)


def names_of(count):
    return [f"{item // 1000:05d}/img{item:08d}.png" for item in range(count)]


def attempt(function, *args):
    """What the function returns, or the error about the data that it raises. Any other error is a failure."""
    try:
        return function(*args)
    except DataError as error:
        return error


def write_files(path, files):
    with open_store(path, "w") as store:
        for name, data in files.items():
            store.write(name, data)
    return path


def make_set(folder: Path, count=6, side=8, labels=None, zipped=True, **settings):
    """Writes images with labels and masks, and returns where they are. Changed files go into `settings["files"]`."""
    changes = settings.pop("files", {})
    names = names_of(count)
    labels = labels_at(np.linspace(-170, 170, count)) if labels is None else labels
    images = {name: encode_png(picture(item, side)) for item, name in enumerate(names)}
    images["dataset.json"] = dataset_json(names, labels, **settings)
    masks = {name: encode_png(mask_of(item, side)) for item, name in enumerate(names)}
    for key, data in changes.items():
        kind, _, name = key.partition(":")
        files = {"img": images, "seg": masks}[kind]
        if data is None:
            del files[name]
        else:
            files[name] = data
    suffix = ".zip" if zipped else ""
    return write_files(folder / f"img{suffix}", images), write_files(folder / f"seg{suffix}", masks)
