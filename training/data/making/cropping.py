# SPDX-License-Identifier: Apache-2.0
"""Aligned pictures, cropped: what `build` calls for every item, in any process."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnnlib.files import Store, open_store
from training.data.images import decode_image, decode_mask
from training.data.making.alignment import Aligned, canonical_labels
from training.data.making.building import Made, Skipped
from training.data.making.crops import crop_mask, crop_picture
from training.data.problems import DataError, Problem

MIN_INSIDE = 0.5  # Of a crop that shows the picture and not its reflected border.


@dataclass(frozen=True)
class CropPictures:
    """`cropper(i)` makes item i from its picture and, where there is one, its mask or transparency."""

    img_data: Path
    pictures: tuple[Aligned, ...]
    resolution: int
    seg_data: Path | None = None
    mask_names: tuple[str | None, ...] | None = None
    with_masks: bool = False

    def __call__(self, index: int) -> Made | Skipped:
        aligned = self.pictures[index]
        try:
            pixels = decode_image(_store(self.img_data).read(aligned.name), aligned.name)
            height, width = pixels.shape[:2]
            mask = self._mask(index, pixels)
        except DataError as error:
            return Skipped(_problem_of(aligned.name, error))
        inside = aligned.crop.share_inside(width, height)
        if inside < MIN_INSIDE:
            reason = f"only {inside:.0%} of its crop lie within its {width} x {height} pixels"
            remedy = "are its annotations those of the upright picture at this size? Correct them, or leave it out"
            return Skipped(Problem(aligned.name, reason, remedy))
        if mask is not None and mask.shape != (height, width):
            reason = f"its mask has {mask.shape[1]} x {mask.shape[0]} pixels, and it has {width} x {height}"
            return Skipped(Problem(aligned.name, reason, "make the mask from this very picture"))

        channels = 3 if self.with_masks else pixels.shape[2]
        return Made(
            image=crop_picture(pixels[..., :channels], aligned.crop, self.resolution),
            mask=None if mask is None else crop_mask(mask, aligned.crop, self.resolution),
            label=canonical_labels([aligned])[0],
            source=aligned.name,
        )

    def _mask(self, index: int, pixels: np.ndarray) -> np.ndarray | None:
        if not self.with_masks:
            return None
        if self.seg_data is None:
            if pixels.shape[2] != 4:
                name = self.pictures[index].name
                raise DataError(f"{name}: is not transparent anywhere and has no mask; give masks with --seg_data")
            return pixels[..., 3]
        assert self.mask_names is not None
        mask_name = self.mask_names[index]
        if mask_name is None:
            name = self.pictures[index].name
            raise DataError(f"{name}: has no mask in {self.seg_data}; make one of the same name, or leave it out")
        return decode_mask(_store(self.seg_data).read(mask_name), mask_name)


@functools.lru_cache(maxsize=4)
def _store(path: Path) -> Store:
    """A store that stays open for as long as its process."""
    return open_store(path)


def _problem_of(name: str, error: DataError) -> Problem:
    reason, _, remedy = str(error).removeprefix(f"{name}: ").partition("; ")
    return Problem(name, reason, remedy)
