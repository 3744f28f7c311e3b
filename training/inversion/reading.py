# SPDX-License-Identifier: Apache-2.0
"""Targets from files: a picture, or entries of a data set, made square and as large as the generator's pictures.

The camera of an entry is that of its label. A picture beside a dataset.json that names it has that label. Others have
the camera that is given by its angles, or stand straight before one. A mask is the picture of the same name in the set
of masks, the mask file of a single picture, or its transparency.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8

from dnnlib.console import get_logger
from training.data.images import decode_image, decode_mask, is_image
from training.data.index import Index, open_index
from training.data.labels import DATASET_JSON
from training.data.making.resample import center_crop, label_in_window, resample_image, resample_mask
from training.data.sources import open_source
from training.generator import Generator
from training.inversion.targets import Targets
from training.portraits.views import PUBLISHED_FOV_DEG, View, label_of_views

log = get_logger(__name__)
FRONT = View(0.0, 0.0)


class Shot(NamedTuple):
    """A picture as it is stored."""

    name: str
    image: UInt8[np.ndarray, "height width 3"]
    mask: UInt8[np.ndarray, "height width"] | None
    label: Float[np.ndarray, "25"] | None


def read_targets(
    G: Generator,
    path: Path,
    mask_path: Path | None = None,
    entries: Sequence[int] = (0,),  # Of a folder or zip.
    given: Sequence[View] = (),  # One for all, or one for each; they go before labels.
    *,
    one_person: bool = True,
) -> tuple[Targets, bool]:
    """The targets, and whether their cameras are known."""
    if is_file(path) and list(entries) != [0]:
        raise ValueError(f"{path}: is a single picture, so it has no entry {max(entries)}; name the folder of a set")
    shots = [read_picture(path, mask_path)] if is_file(path) else read_entries(path, mask_path, entries, not given)
    if len(given) not in (0, 1, len(shots)):
        raise ValueError(
            f"There are {len(shots)} pictures and {len(given)} cameras: give one for all, or one for each."
        )
    without = [shot.name for shot in shots if shot.mask is None]
    if without and len(without) < len(shots):
        raise ValueError(f"{without[0]} has no mask and others have one: give a mask for every picture, or for none.")
    empty = [shot.name for shot in shots if shot.mask is not None and shot.mask.max() < 128]
    if empty:
        raise ValueError(f"{empty[0]}: its mask shows no head; a mask is white where the head is, black around it.")
    is_known = bool(given) or all(shot.label is not None for shot in shots)
    squares = []
    for i, shot in enumerate(shots):
        label = shot.label
        if given or label is None:
            view = given[i % len(given)] if given else FRONT
            label = label_of_views(G, [view], PUBLISHED_FOV_DEG)[0].numpy()
        squares.append(squared(shot._replace(label=label), G.img_resolution))
    images = torch.from_numpy(np.stack([shot.image for shot in squares])).movedim(-1, 1).float() / 127.5 - 1
    masks = None
    if not without:
        masks = torch.from_numpy(np.stack([shot.mask for shot in squares]))[:, None].float() / 255
    labels = torch.from_numpy(np.stack([shot.label for shot in squares])).float()
    heads = (0,) * len(shots) if one_person else tuple(range(len(shots)))
    return Targets(tuple(shot.name for shot in shots), heads, images, masks, labels), is_known


def is_file(path: Path) -> bool:
    """A single picture, and no archive of them."""
    return path.is_file() and path.suffix.lower() != ".zip"


def read_picture(path: Path, mask_path: Path | None) -> Shot:
    """A picture file, and its label where a dataset.json beside it has one."""
    if not is_image(path.name):
        raise ValueError(f"{path}: is no PNG, JPEG or WebP picture by its name; name a picture, a folder or a zip")
    pixels = decode_image(path.read_bytes(), str(path))
    mask = pixels[:, :, 3] if pixels.shape[2] == 4 else None
    if mask is not None and mask.min() == 255:  # Many programs save RGBA always. It says nothing of a head.
        mask = None
    if mask_path is not None:
        if not mask_path.is_file():
            raise ValueError(f"{mask_path}: is no file, and the target is a single picture: name the file of its mask")
        mask = decode_mask(mask_path.read_bytes(), str(mask_path))
    label = None
    if (path.parent / DATASET_JSON).is_file():
        index = open_index(path.parent, skip_damaged=True)
        names = [index.names[i] for i in range(len(index))]
        if path.name in names and index.usable[names.index(path.name)]:
            label = index.labels[names.index(path.name)]
        index.close()
    return Shot(path.name, pixels[:, :, :3], mask, label)


def read_entries(path: Path, mask_path: Path | None, entries: Sequence[int], wants_labels: bool) -> list[Shot]:
    """These entries of a set, in its order of names."""
    if wants_labels and path.exists():
        source = open_source(path)
        wants_labels = DATASET_JSON in source.listing().names
        source.close()
    index = open_index(path, mask_path, use_labels=wants_labels, skip_damaged=True)
    try:
        return [_entry(index, entry) for entry in entries]
    finally:
        index.close()


def _entry(index: Index, entry: int) -> Shot:
    if not 0 <= entry < len(index):
        raise ValueError(f"{index.img_data}: has no entry {entry}; it has {len(index)}, from 0 to {len(index) - 1}")
    if not index.usable[entry]:
        raise ValueError(f"{index.img_data}: entry {entry}, {index.names[entry]}, is damaged; choose another --idx")
    image, mask = index.read(entry)
    return Shot(index.names[entry], image, mask, None if index.labels is None else index.labels[entry])


def squared(shot: Shot, resolution: int) -> Shot:
    """The middle of a picture, in the generator's size. Mask and camera follow."""
    height, width = shot.image.shape[:2]
    if shot.mask is not None and shot.mask.shape != (height, width):
        raise ValueError(
            f"{shot.name}: has {width} x {height} pixels, its mask {shot.mask.shape[1]} x {shot.mask.shape[0]}; "
            "make the mask of this very picture"
        )
    window = center_crop(width, height)
    if width != height:
        log.warning(
            f"{shot.name}: is {width} x {height}; the square in its middle is used. A crop like those that the network "
            "was trained on does better (dataset_tool.py align)."
        )
    mask = None if shot.mask is None else resample_mask(shot.mask, window, resolution)
    label = None if shot.label is None else label_in_window(shot.label, window, width, height)
    return Shot(shot.name, resample_image(shot.image, window, resolution), mask, label)
