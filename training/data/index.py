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
import sys
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from dnnlib.config_types import JSON
from dnnlib.console import get_logger
from dnnlib.files import StoreError
from training.camera_checks import LabelError, check_labels
from training.cameras import LABEL_DIM
from training.data.array_file import Arrays
from training.data.images import decode_image, decode_mask, is_image
from training.data.index_cache import KeptArrays, keep
from training.data.labels import DATASET_JSON, join_labels, read_dataset_json
from training.data.masks import match_masks, stem
from training.data.name_array import NameArray
from training.data.problems import DataError, Problem
from training.data.selection import source_weights
from training.data.sources import PLACE, Listing, Source, open_source

log = get_logger(__name__)

MaskSource = Literal["files", "alpha", "none"]

CACHED_FROM = 5_000  # Files. Fewer are looked through in less time than anybody notices.
_VERSION = f"1 {sys.byteorder}"  # Of everything that is kept: what is found out, and how.
_KEPT = 1_000  # Problems that are told in words. `usable` has them all.
_LISTED = 5  # Problems that a message shows.

_DTYPES = {
    "names": np.dtype(np.uint8),
    "name_ends": np.dtype(np.int64),
    "places": PLACE,
    "mask_names": np.dtype(np.uint8),
    "mask_name_ends": np.dtype(np.int64),
    "mask_places": PLACE,
    "labels": np.dtype(np.float32),
    "usable": np.dtype(np.bool_),
}


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

    def close(self) -> None:
        """Lets go of the archives."""
        self._images.close()
        if self._masks:
            self._masks.close()

    def _decode_image(self, item: int) -> UInt8[np.ndarray, "height width channels"]:
        name = self.names[item]
        data = _read(self._images, name, self._kept.arrays["places"][item])
        return decode_image(data, f"{self.img_data}/{name}")

    def _decode_mask(self, item: int) -> UInt8[np.ndarray, "height width"]:
        assert self._masks is not None
        name = self._mask_names[item]
        if not name:
            raise DataError.of(_without_mask(f"{self.img_data}/{self.names[item]}", self._masks.path))
        return decode_mask(_read(self._masks, name, self._kept.arrays["mask_places"][item]), f"{self.seg_data}/{name}")

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
        exits.pop_all()
    return index


def _look_up(images: Source, masks: Source | None, use_labels: bool) -> KeptArrays:
    summaries = [source.summary() for source in (images, masks) if source]
    key = " ".join([_VERSION, str(use_labels), *(summary.digest for summary in summaries)])
    if sum(summary.num_files for summary in summaries) < CACHED_FROM:
        return KeptArrays(_look_through(images, masks, use_labels), None, key)
    # Relative, so that both folders can be moved together.
    beside = os.path.relpath(masks.path, images.path.parent) if masks else ""

    def look_through() -> Arrays:
        log.info("%s: looking through it for the first time", images.path)
        return _look_through(images, masks, use_labels)

    return keep(images.path, f"{beside}\0{use_labels}", key, _DTYPES, look_through)


def _look_through(images: Source, masks: Source | None, use_labels: bool) -> Arrays:
    """Everything that opening a set finds out."""
    listing = images.listing()
    chosen = _pictures(listing, images.path)
    settings, labels, problems = _read_labels(images, listing, chosen.names, use_labels)
    usable = np.ones(len(chosen.names), dtype=np.bool_) if labels is None else np.isfinite(labels).all(axis=1)
    joined = Listing([], chosen.places[:0])
    if masks:
        joined, has_mask = _join_masks(chosen.names, masks)
        usable &= has_mask
        without = [chosen.names[i] for i in np.flatnonzero(~has_mask)]
        problems += [_without_mask(f"{images.path}/{name}", masks.path) for name in without]
    if not usable.any():
        raise DataError(f"{images.path}: none of its {len(usable)} images can be used. {problems[0]}")
    if labels is not None:
        _check_convention(labels, usable, chosen.names, images.path)
    mask_source = "files" if masks else "alpha" if _has_alpha(images, chosen) else "none"
    info = {"has_labels": labels is not None, "mask_source": mask_source, "settings": settings}
    info |= {"problems": problems[:_KEPT], "num_problems": len(problems)}
    packed, packed_masks = NameArray.pack(chosen.names), NameArray.pack(joined.names)
    arrays = {
        "names": packed.letters,
        "name_ends": packed.ends,
        "places": chosen.places,
        "mask_names": packed_masks.letters,
        "mask_name_ends": packed_masks.ends,
        "mask_places": joined.places,
        "labels": np.zeros((0, LABEL_DIM), dtype=np.float32) if labels is None else labels,
        "usable": usable,
    }
    return Arrays(info, arrays)


def _pictures(listing: Listing, path: Path) -> Listing:
    rows = [row for row, name in enumerate(listing.names) if is_image(name)]
    if not rows:
        examples = ", ".join(listing.names[:3]) or "nothing"
        raise DataError(f"{path}: holds no PNG, JPEG or WebP pictures but {examples}; name another, or convert them")
    return Listing([listing.names[row] for row in rows], listing.places[rows])


def _read_labels(
    images: Source, listing: Listing, names: list[str], use_labels: bool
) -> tuple[dict[str, JSON], Float32[np.ndarray, "n 25"] | None, list[Problem]]:
    """Settings of the set, labels of the images, and what is wrong with them."""
    where = f"{images.path}/{DATASET_JSON}"
    try:
        place = listing.places[listing.names.index(DATASET_JSON)]
    except ValueError:
        if not use_labels:
            return {}, None, []
        deeper = next((name for name in listing.names if name.endswith("/" + DATASET_JSON)), None)
        found = f", only {deeper}, and it has to lie at the root beside the folders of images" if deeper else ""
        raise DataError(f"{images.path}: has no {DATASET_JSON}{found}. {_NO_CAMERAS}") from None
    file = read_dataset_json(images.read(DATASET_JSON, place), where)
    settings = {key: value for key, value in file.settings.items() if key != "fnames"}
    if not use_labels:
        return settings, None, []
    if file.labels is None:
        raise DataError(f"{where}: its labels are missing or null. {_NO_CAMERAS}")
    joined = join_labels(names, file, where)
    known = set(names)
    problems = [problem for problem in file.problems if problem.name in known or problem.name == where]
    return settings, joined.labels, problems + joined.problems


_NO_CAMERAS = (
    "Training needs a camera for every image: write the file with `dataset_tool.py cameras` or `dataset_tool.py align`"
)


def _join_masks(image_names: list[str], masks: Source) -> tuple[Listing, Bool[np.ndarray, " n"]]:
    """The mask of every image, an empty name where there is none, and whether there is one."""
    listing = _pictures(masks.listing(), masks.path)
    rows = match_masks(image_names, listing.names)
    has_mask = rows >= 0
    if not has_mask.any():
        example = f"{stem(image_names[0])}.png beside an image {image_names[0]}"
        raise DataError(f"{masks.path}: holds no mask of any image; it has {listing.names[0]} and would need {example}")
    places = listing.places[rows]
    places[~has_mask] = 0
    return Listing([listing.names[row] if row >= 0 else "" for row in rows], places), has_mask


def _has_alpha(images: Source, chosen: Listing) -> bool:
    """Of the first image that can be read."""
    error: DataError | None = None
    for name, place in zip(chosen.names[:100], chosen.places, strict=False):
        try:
            return decode_image(_read(images, name, place), f"{images.path}/{name}").shape[2] == 4
        except DataError as damage:
            error = error or damage
    raise error


def _check_convention(
    labels: Float32[np.ndarray, "n 25"], usable: Bool[np.ndarray, " n"], names: list[str], path: Path
) -> None:
    try:
        check_labels(labels[usable])
    except LabelError as error:
        first = [names[i] for i in np.flatnonzero(usable)[error.indices[:3]]]
        raise DataError(
            f"{path}/{DATASET_JSON}: {error}\nImages of the first wrong labels: {', '.join(first)}"
        ) from None


def _read(source: Source, name: str, place: np.void) -> bytes:
    try:
        return source.read(name, place)
    except StoreError as error:
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(f"{source.path}/{name}: cannot be read ({error.strerror})") from None


def _without_mask(image: str, masks_path: Path) -> Problem:
    reason = f"has no mask of the same name in {masks_path}"
    return Problem(image, reason, "make one (dataset_tool.py masks), or remove the image")


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
