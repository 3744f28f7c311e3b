# SPDX-License-Identifier: Apache-2.0
"""What there is to find out about a set before its first item is read, as arrays that can be kept.

Names and places of the images and, in their order, of their masks; their labels; which of them are `usable`; and what
is wrong with the others.
"""

import sys
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

from dnnlib.config_types import JSON
from training.camera_checks import LabelError, check_labels
from training.cameras import LABEL_DIM
from training.data.array_file import Arrays
from training.data.images import decode_image, is_image
from training.data.labels import DATASET_JSON, join_labels, read_dataset_json
from training.data.masks import match_masks, stem
from training.data.name_array import NameArray
from training.data.problems import DataError, Problem
from training.data.sources import PLACE, Listing, Source, read_file

MaskSource = Literal["files", "alpha", "none"]

VERSION = f"2 {sys.byteorder}"  # Of what is found out, and of how it is stored.
KEPT_PROBLEMS = 1_000  # As many are told in words; `usable` has them all.

DTYPES = {
    "names": np.dtype(np.uint8),
    "name_ends": np.dtype(np.int64),
    "places": PLACE,
    "mask_names": np.dtype(np.uint8),
    "mask_name_ends": np.dtype(np.int64),
    "mask_places": PLACE,
    "labels": np.dtype(np.float32),
    "usable": np.dtype(np.bool_),
}

_NO_CAMERAS = (
    "Training needs a camera for every image: write the file with `dataset_tool.py cameras` or `dataset_tool.py align`"
)


def survey(images: Source, masks: Source | None, use_labels: bool) -> Arrays:
    """Everything that opening a set finds out."""
    listing = images.listing()
    chosen = _pictures(listing, images.path)
    settings, labels, problems, num_unused = _read_labels(images, listing, chosen.names, use_labels)
    usable = np.ones(len(chosen.names), dtype=np.bool_) if labels is None else np.isfinite(labels).all(axis=1)
    joined = Listing([], chosen.places[:0])
    if masks:
        joined, has_mask = _join_masks(chosen.names, masks)
        usable &= has_mask
        without = [chosen.names[i] for i in np.flatnonzero(~has_mask)]
        problems += [without_mask(f"{images.path}/{name}", masks.path) for name in without]
    if not usable.any():
        raise DataError(f"{images.path}: none of its {len(usable)} images can be used. {problems[0]}")
    if labels is not None:
        _check_convention(labels, usable, chosen.names, images.path)
    mask_source = "files" if masks else "alpha" if _has_alpha(images, chosen) else "none"
    info = {"has_labels": labels is not None, "mask_source": mask_source, "settings": settings}
    info |= {"problems": problems[:KEPT_PROBLEMS], "num_problems": len(problems), "num_unused": num_unused}
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


def without_mask(image: str, masks_path: Path) -> Problem:
    reason = f"has no mask of the same name in {masks_path}"
    return Problem(image, reason, "make one (dataset_tool.py masks), or remove the image")


def _pictures(listing: Listing, path: Path) -> Listing:
    rows = [row for row, name in enumerate(listing.names) if is_image(name)]
    if not rows:
        held = (
            f"holds no PNG, JPEG or WebP pictures but {', '.join(listing.names[:3])}" if listing.names else "is empty"
        )
        raise DataError(f"{path}: {held}; name another set, or convert its pictures")
    return Listing([listing.names[row] for row in rows], listing.places[rows])


def _read_labels(
    images: Source, listing: Listing, names: list[str], use_labels: bool
) -> tuple[dict[str, JSON], Float32[np.ndarray, "n 25"] | None, list[Problem], int]:
    """Settings of the set, labels of the images, what is wrong with them, and the number of labels without an image."""
    where = f"{images.path}/{DATASET_JSON}"
    try:
        place = listing.places[listing.names.index(DATASET_JSON)]
    except ValueError:
        if not use_labels:
            return {}, None, [], 0
        deeper = next((name for name in listing.names if name.endswith("/" + DATASET_JSON)), None)
        found = f", only {deeper}, and it has to lie at the root beside the folders of images" if deeper else ""
        raise DataError(f"{images.path}: has no {DATASET_JSON}{found}. {_NO_CAMERAS}") from None
    file = read_dataset_json(images.read(DATASET_JSON, place), where)
    settings = {key: value for key, value in file.settings.items() if key != "fnames"}
    if not use_labels:
        return settings, None, [], 0
    if file.labels is None:
        raise DataError(f"{where}: its labels are missing or null. {_NO_CAMERAS}")
    joined = join_labels(names, file, where)
    # An entry that is wrong matters where an image has no other.
    missing = {names[row] for row in np.flatnonzero(np.isnan(joined.labels[:, 0]))}
    problems = [problem for problem in file.problems if problem.name in missing or (missing and problem.name == where)]
    return settings, joined.labels, problems + joined.problems, joined.num_unused


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
            return decode_image(read_file(images, name, place), f"{images.path}/{name}").shape[2] == 4
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
