# SPDX-License-Identifier: Apache-2.0
"""A set: its images, and what belongs to each of them: a mask, a camera label, a weight.

Images are the pictures in a folder or zip archive, in the order of their names; hidden files do not count. Labels
stand in `dataset.json` at the root. Masks are in a second folder or archive under the same names but for the extension;
where that has none named, the transparency of the images is the mask, if the first image has any. With separate masks
transparency means nothing. In both cases the colours are taken as they are stored, also under transparent pixels.

An item without a mask, or without 25 finite numbers, is a *problem*. A set with problems is refused, unless damaged
items are to be skipped: then they stay in the numbering, are not `usable`, and get no draws. Labels of a foreign
convention are refused in any case.
"""

import contextlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from dnnlib.config_types import JSON
from dnnlib.console import get_logger
from dnnlib.files import StoreError
from training.data.array_file import Arrays
from training.data.images import decode_image, decode_mask
from training.data.index_cache import KeptArrays, keep
from training.data.labels import DATASET_JSON
from training.data.name_array import NameArray
from training.data.problems import DataError, Problem
from training.data.selection import source_weights
from training.data.sources import Source, ZipSource, open_source, read_file
from training.data.survey import DTYPES, VERSION, MaskSource, survey, without_mask

log = get_logger(__name__)

CACHED_FROM = 5_000  # Files. Fewer are looked through in less time than anybody notices.
_LISTED = 5  # Problems that a message shows.


class Pixels(NamedTuple):
    """An image and its mask, where the set has masks."""

    image: UInt8[np.ndarray, "height width 3"]
    mask: UInt8[np.ndarray, "height width"] | None


class Index:
    """A set that was opened. Item i is the same in every process, and after pickling."""

    def __init__(self, images: Source, masks: Source | None, kept: KeptArrays) -> None:
        self.img_data = images.path
        self.seg_data = masks.path if masks else None
        self._images = images
        self._masks = masks
        self._kept = kept
        arrays = kept.arrays
        self.names = NameArray(arrays["names"], arrays["name_ends"])
        self.labels: Float32[np.ndarray, "n 25"] | None = arrays["labels"] if kept.info["has_labels"] else None
        self.usable: Bool[np.ndarray, " n"] = arrays["usable"]
        self.num_unused_labels: int = kept.info["num_unused"]
        self.num_problems: int = kept.info["num_problems"]
        # The first of them.
        self.problems = [Problem(*problem) for problem in kept.info["problems"]]
        self.mask_source: MaskSource = kept.info["mask_source"]
        self.settings: dict[str, JSON] = kept.info["settings"]
        self.weights = source_weights(self.settings.get("sources"), len(self.names), f"{self.img_data}/{DATASET_JSON}")
        self._mask_names = NameArray(arrays["mask_names"], arrays["mask_name_ends"])

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple:
        return Index, (self._images, self._masks, self._kept)

    def read(self, item: int) -> Pixels:
        """Both pictures of an item, each as large as it is."""
        pixels = self._decode_image(item)
        image = np.ascontiguousarray(pixels[:, :, :3])
        if self.mask_source == "none":
            return Pixels(image, None)
        return Pixels(image, self._alpha(item, pixels) if self.mask_source == "alpha" else self._decode_mask(item))

    def read_image(self, item: int) -> UInt8[np.ndarray, "height width 3"]:
        return np.ascontiguousarray(self._decode_image(item)[:, :, :3])

    def read_mask(self, item: int) -> UInt8[np.ndarray, "height width"] | None:
        """None where the set has no masks."""
        if self.mask_source == "none":
            return None
        return self._alpha(item, self._decode_image(item)) if self.mask_source == "alpha" else self._decode_mask(item)

    def image_checksum(self, item: int) -> tuple[int, int]:
        """CRC-32 and size of an image's file. An archive has them in its directory; files of a folder are read."""
        place = self._kept.arrays["places"][item]
        if isinstance(self._images, ZipSource):
            return int(place["checksum"]), int(place["size"])
        data = read_file(self._images, self.names[item], place)
        return zlib.crc32(data), len(data)

    def close(self) -> None:
        """Lets go of the archives."""
        self._images.close()
        if self._masks:
            self._masks.close()

    def _decode_image(self, item: int) -> UInt8[np.ndarray, "height width channels"]:
        name = self.names[item]
        data = read_file(self._images, name, self._kept.arrays["places"][item])
        return decode_image(data, f"{self.img_data}/{name}")

    def _decode_mask(self, item: int) -> UInt8[np.ndarray, "height width"]:
        assert self._masks is not None
        name = self._mask_names[item]
        if not name:
            raise DataError.of(without_mask(f"{self.img_data}/{self.names[item]}", self._masks.path))
        return decode_mask(
            read_file(self._masks, name, self._kept.arrays["mask_places"][item]), f"{self.seg_data}/{name}"
        )

    def _alpha(
        self, item: int, pixels: UInt8[np.ndarray, "height width channels"]
    ) -> UInt8[np.ndarray, "height width"]:
        if pixels.shape[2] != 4:
            reason = "has no transparency, which is the mask of the images of this set"
            raise DataError(f"{self.img_data}/{self.names[item]}: {reason}; add it, or name a set of masks")
        return np.ascontiguousarray(pixels[:, :, 3])


def open_index(
    img_data: str | Path, seg_data: str | Path | None = None, *, use_labels: bool = True, skip_damaged: bool = False
) -> Index:
    """Opens a set. Without labels it needs no dataset.json, and knows no cameras.

    What is found out about a large set is kept beside it and used the next time; see index_cache.py.
    """
    with contextlib.ExitStack() as exits:  # Closes what was opened if anything fails.
        try:
            images = open_source(img_data)
            exits.callback(images.close)
            masks = open_source(seg_data) if seg_data is not None else None
            if masks:
                exits.callback(masks.close)
            index = Index(images, masks, _look_up(images, masks, use_labels))
        except (StoreError, OSError) as error:
            raise DataError(str(error)) from None
        if index.problems:
            _report(index, skip_damaged)
        if index.num_unused_labels:
            log.info("%s: %d labels belong to no image", index.img_data, index.num_unused_labels)
        exits.pop_all()
    return index


def _look_up(images: Source, masks: Source | None, use_labels: bool) -> KeptArrays:
    summaries = [source.summary() for source in (images, masks) if source]
    key = " ".join([VERSION, str(use_labels), *(summary.digest for summary in summaries)])
    if sum(summary.num_files for summary in summaries) < CACHED_FROM:
        return KeptArrays(survey(images, masks, use_labels), None, key)
    # Relative, so that both folders can be moved together.
    beside = os.path.relpath(masks.path, images.path.parent) if masks else ""

    def look_through() -> Arrays:
        log.info("%s: looking through it for the first time", images.path)
        return survey(images, masks, use_labels)

    return keep(images.path, f"{beside}\0{use_labels}", key, DTYPES, look_through)


def _report(index: Index, skip_damaged: bool) -> None:
    shown = "".join(f"\n  {problem}" for problem in index.problems[:_LISTED])
    left = index.num_problems - _LISTED
    shown += f"\n  and {left} more, which `dataset_tool.py check` lists" if left > 0 else ""
    num_bad = len(index) - np.count_nonzero(index.usable)
    if skip_damaged:
        log.warning("%s: %d of %d images are left out:%s", index.img_data, num_bad, len(index), shown)
        return
    raise DataError(
        f"{index.img_data}: {num_bad} of {len(index)} images cannot be used:{shown}\n"
        "Mend them with `dataset_tool.py check --fix`, or leave them out with data.damaged=skip"
    )
