# SPDX-License-Identifier: Apache-2.0
"""Views and real pictures as sheets of 8-bit pixels."""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dnnlib.drawing import RGBPicture, contact_sheet
from training.cameras import camera_from_label, view_angles
from training.data.dataset import ImageDataset, Item
from training.data.problems import DataError
from training.pixels import colours, shades
from training.watch.views import AZIMUTHS_DEG, Views

KINDS = ("image", "raw", "depth", "mask")
MAX_CELL = 256  # Larger pictures are shown smaller, so that a long run with large pictures does not fill the disk.
_MIN_CELL = 64
_REAL_COLUMNS, _REAL_ROWS = 8, 6
_MAX_CANDIDATES = 20_000
_DARKEST = 0.15  # Of foreground depth, so that it is told from the background, which is black.


def sheets(views: Views) -> dict[str, RGBPicture]:
    """One sheet per kind of picture: rows are latents, columns azimuths."""
    pixels = {
        "image": colours(views.image),
        "raw": colours(views.raw),
        "depth": shades(near_is_bright(views.depth, views.mask)),
        "mask": shades(views.mask),
    }
    labels = [f"{degrees:+d}°" if abs(degrees) % 180 else f"{degrees}°" for degrees in AZIMUTHS_DEG]
    cell = _cell(views.image.shape[-1])
    return {
        kind: contact_sheet(list(rows.reshape(-1, *rows.shape[2:])), len(labels), labels * len(rows), cell)
        for kind, rows in pixels.items()
    }


def near_is_bright(
    depth: Float[Tensor, "*batch 1 height width"], mask: Float[Tensor, "*batch 1 height width"]
) -> Float[Tensor, "*batch 1 height width"]:
    """Depth of the foreground as brightness, by one scale for all pictures; black where nothing is."""
    seen = depth[(mask > 0.5) & depth.isfinite()]
    if len(seen) == 0:
        return torch.zeros_like(depth)
    ordered = seen.sort().values
    # The outermost hundredths are single rays that graze an edge.
    near, far = (ordered[round(share * (len(seen) - 1))] for share in (0.01, 0.99))
    brightness = ((far - depth) / (far - near).clamp(min=1e-6)).clamp(0, 1)
    return (_DARKEST + (1 - _DARKEST) * brightness) * mask


def real_sheets(dataset: ImageDataset, *, seed: int) -> dict[str, RGBPicture]:
    """Pictures of the data set from all around, with their azimuths; and their masks, if it has masks."""
    shown: list[Item] = []
    for item in around(dataset.labels, dataset.weights, _REAL_COLUMNS * _REAL_ROWS, seed=seed):
        try:
            shown.append(dataset[item])
        except DataError:
            continue  # The loader tells of it.
    if not shown:
        return {}
    cell, labels = _cell(dataset.resolution), [_azimuth_text(item.label) for item in shown]
    pictures = {"reals": [item.image.movedim(0, -1).numpy() for item in shown]}
    if all(item.mask is not None for item in shown):
        pictures["reals_masks"] = [item.mask[0].numpy() for item in shown]
    return {name: contact_sheet(each, _REAL_COLUMNS, labels, cell) for name, each in pictures.items()}


def around(
    labels: Float[Tensor, "items 25"], weights: Float64[np.ndarray, " items"], count: int, *, seed: int
) -> list[int]:
    """Items that are drawn in training, spread over the azimuths and in their order."""
    some = np.random.default_rng(seed).permutation(np.flatnonzero(weights > 0))[:_MAX_CANDIDATES]
    known = labels[torch.from_numpy(some)].isfinite().all(dim=1).numpy()
    some = some[known]
    azimuth_rad = view_angles(camera_from_label(labels[torch.from_numpy(some)])).azimuth_rad.numpy()
    chosen: list[int] = []
    free = np.ones(len(some), dtype=bool)
    for wanted_rad in np.linspace(-np.pi, np.pi, count, endpoint=False)[: len(some)]:
        distance = np.abs(np.angle(np.exp(1j * (azimuth_rad - wanted_rad))))
        nearest = int(np.where(free, distance, np.inf).argmin())
        free[nearest] = False
        chosen.append(nearest)
    return [int(some[i]) for i in sorted(chosen, key=lambda i: azimuth_rad[i])]


def _azimuth_text(label: Tensor | None) -> str:
    return "" if label is None else f"{view_angles(camera_from_label(label)).azimuth_rad.rad2deg().item():+.0f}°"


def _cell(resolution: int) -> int:
    return min(max(resolution, _MIN_CELL), MAX_CELL)
