# SPDX-License-Identifier: Apache-2.0
"""Items of a set, all of one size: image, mask, camera, mirrored where that is asked for.

With mirroring a set of n images has 2 n items. Item n + i is item i with image and mask reversed along the width and
the camera mirrored, and the labels and weights given to others have 2 n rows as well: what is drawn for the generator
has the distribution of what the critics are shown.
"""

from collections import Counter
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from training.cameras import LABEL_DIM, camera_from_label, label_from_camera, mirror
from training.data.config import DataConfig
from training.data.index import Index, open_index
from training.data.problems import DataError
from training.data.selection import select

_CHUNK = 1 << 16
_SAMPLED = 9  # Images that tell the size of all.


class Item(NamedTuple):
    """8-bit pictures. There is no mask in a set without masks, and no label in one without labels."""

    image: UInt8[Tensor, "3 height width"]
    mask: UInt8[Tensor, "1 height width"] | None
    label: Float32[Tensor, "25"] | None
    index: int


class ImageDataset(Dataset):
    """The items of an index, in its order. `weights` has one number per image; None draws every usable one equally."""

    def __init__(
        self,
        index: Index,
        *,
        mirrored: bool = False,
        require_masks: bool = True,
        weights: Float64[np.ndarray, " n"] | None = None,
        skips_damaged: bool = False,
    ) -> None:
        if require_masks and index.mask_source == "none":
            raise DataError(
                f"{index.img_data}: comes without masks: name the set of masks (seg_data), make one with "
                "`dataset_tool.py masks`, or set data.require_masks=no where what is trained has no background"
            )
        self.index = index
        self.is_mirrored = mirrored
        self.skips_damaged = skips_damaged  # Whether whoever reads an item that is damaged goes on without it.
        image_weights = index.usable.astype(np.float64) if weights is None else weights
        self.weights = np.tile(image_weights, 2) if mirrored else image_weights
        self.resolution = _resolution(index)

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, item: int) -> Item:
        """Reads an item. What is wrong with it raises a DataError that names it."""
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        turned, row = divmod(item, len(self.index))
        image, mask = self.index.read(row)
        name = f"{self.index.img_data}/{self.index.names[row]}"
        size = (self.resolution, self.resolution)
        if image.shape[:2] != size:
            raise DataError(f"{name}: is {_size(image)}, most others {_size_text(size)}; {_ONE_SIZE}")
        if mask is not None and mask.shape != size:
            raise DataError(f"{name}: is {_size(image)}, but its mask {_size(mask)}; {_ONE_SIZE}")
        label = None
        if self.index.labels is not None:
            label = torch.from_numpy(self.index.labels[row].copy())
            if not label.isfinite().all():
                raise DataError(f"{name}: has no camera label; add one to dataset.json, or leave the image out")
            label = _mirrored(label) if turned else label
        pixels = torch.from_numpy(image).permute(2, 0, 1)
        pixels = (pixels.flip(-1) if turned else pixels).contiguous()
        if mask is None:
            return Item(pixels, None, label, item)
        mask = torch.from_numpy(mask)[None]
        return Item(pixels, mask.flip(-1) if turned else mask, label, item)

    def __getstate__(self) -> dict[str, Any]:
        # The labels are worked out again where somebody asks; workers, who get a copy of the rest, never do.
        return {name: value for name, value in self.__dict__.items() if name != "labels"}

    @cached_property
    def labels(self) -> Float32[Tensor, "items 25"] | None:
        """Labels of all items, NaN where there is none. To be drawn by `weights`."""
        if self.index.labels is None:
            return None
        n = len(self.index)
        labels = torch.empty(len(self), LABEL_DIM)
        for start in range(0, n, _CHUNK):
            chunk = torch.from_numpy(self.index.labels[start : start + _CHUNK].copy())
            labels[start : start + len(chunk)] = chunk
            if self.is_mirrored:
                labels[n + start : n + start + len(chunk)] = _mirrored(chunk)
        return labels

    @cached_property
    def label_std(self) -> Float32[Tensor, "25"] | None:
        """Standard deviation of every number over all images that have a label, before selection and mirroring."""
        labels = self.index.labels
        if labels is None:
            return None
        labels = labels[np.isfinite(labels[:, 0])]
        return torch.from_numpy(labels.std(axis=0, dtype=np.float64).astype(np.float32))


def open_dataset(config: DataConfig, *, seed: int) -> ImageDataset:
    """The set that a run is configured for."""
    if config.img_data is None:
        raise DataError("no data set is named: set data.img_data to a folder or zip archive of images")
    skip = config.damaged == "skip"
    index = open_index(config.img_data, config.seg_data, use_labels=config.use_labels, skip_damaged=skip)
    weights = select(index.labels, index.usable, index.weights, config.selection, seed=seed)
    return ImageDataset(
        index, mirrored=config.mirror, require_masks=config.require_masks, weights=weights, skips_damaged=skip
    )


_ONE_SIZE = "all must be square and of one size, which `dataset_tool.py pack` makes them"


def _mirrored(labels: Float32[Tensor, "*batch 25"]) -> Float32[Tensor, "*batch 25"]:
    return label_from_camera(mirror(camera_from_label(labels)))


def _resolution(index: Index) -> int:
    """The side of a square that most images have, as far as some of them tell."""
    usable = np.flatnonzero(index.usable)
    sizes: Counter[tuple[int, ...]] = Counter()
    problem: DataError | None = None
    for row in usable[np.unique(np.linspace(0, len(usable) - 1, _SAMPLED).astype(int))]:
        try:
            sizes[index.read_image(int(row)).shape[:2]] += 1
        except DataError as error:
            problem = problem or error
    if not sizes:
        raise problem
    size = sizes.most_common(1)[0][0]
    if size[0] != size[1]:
        raise DataError(f"{index.img_data}: its images are {_size_text(size)}; {_ONE_SIZE}")
    return size[0]


def _size(pixels: np.ndarray) -> str:
    return _size_text(pixels.shape)


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} pixels"
