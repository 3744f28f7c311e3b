# SPDX-License-Identifier: Apache-2.0
"""A set as people have it: whatever its pictures, masks and labels are, everything that can be known about it.

Nothing is refused but what cannot be opened at all. `training.data.index` is the strict reader of finished sets; this
one serves the tools that finish them.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from dnnlib.config_types import JSON
from dnnlib.files import Store, open_store
from training.data.images import decode_image, decode_mask, is_image
from training.data.labels import DATASET_JSON, join_labels, read_dataset_json
from training.data.masks import match_masks
from training.data.problems import DataError, Problem


@dataclasses.dataclass(frozen=True, eq=False)
class RawSet:
    """Images in the order of their names. Can be pickled, which opens it again elsewhere.

    `broken` says why labels or masks could not be joined at all; there are none of them then.
    """

    images: Store
    masks: Store | None
    names: list[str]
    mask_names: list[str] | None  # Empty where there is none. None without a set of masks.
    labels: Float32[np.ndarray, "n 25"] | None  # Rows of NaN where there is none, or no sound one.
    label_problems: list[Problem]
    unused_labels: list[str]
    unused_masks: list[str]
    settings: dict[str, JSON]
    broken: list[Problem]

    @property
    def has_label(self) -> np.ndarray:
        """Which images have one, all of them in a set without labels."""
        return np.ones(len(self.names), bool) if self.labels is None else np.isfinite(self.labels).all(axis=1)

    @property
    def has_mask(self) -> np.ndarray:
        """Which images have one, all of them in a set without masks."""
        return np.array([True if self.mask_names is None else bool(self.mask_names[i]) for i in range(len(self.names))])

    def image_file(self, item: int) -> str:
        """The image as the user knows it."""
        return f"{self.images.path}/{self.names[item]}"

    def mask_file(self, item: int) -> str:
        assert self.masks is not None
        return f"{self.masks.path}/{self.mask_names[item]}"

    def read_image(self, item: int) -> UInt8[np.ndarray, "height width channels"]:
        return decode_image(self.images.read(self.names[item]), self.image_file(item))

    def read_mask(self, item: int) -> UInt8[np.ndarray, "height width"]:
        """Of an image that has one."""
        assert self.masks is not None
        return decode_mask(self.masks.read(self.mask_names[item]), self.mask_file(item))


class _Labels(NamedTuple):
    labels: Float32[np.ndarray, "n 25"] | None
    problems: list[Problem]
    unused: list[str]
    settings: dict[str, JSON]


def open_raw_set(img_data: Path, seg_data: Path | None = None, use_basename: bool = False) -> RawSet:
    """Opens what is there. With `use_basename` labels and masks are found by file name, whatever the folders."""
    images = open_store(img_data)
    all_names = images.names()
    names = [name for name in all_names if is_image(name)]
    if not names:
        examples = ", ".join(all_names[:3]) or "nothing"
        raise DataError(
            f"{img_data}: holds no PNG, JPEG or WebP pictures but {examples}; name another, or convert them"
        )
    keys = _basenames(names, img_data) if use_basename else names
    broken: list[Problem] = []
    try:
        labels = _read_labels(images, DATASET_JSON in all_names, keys, use_basename)
    except ValueError as error:
        broken.append(problem_of(error, f"{img_data}/{DATASET_JSON}"))
        labels = _Labels(None, [], [], {})
    if seg_data is None:
        return RawSet(images, None, names, None, *labels[:3], [], labels.settings, broken)
    masks = open_store(seg_data)
    found = [name for name in masks.names() if is_image(name)]
    mask_names, unused = None, []
    try:
        rows = match_masks(keys, _basenames(found, seg_data) if use_basename else found)
        mask_names = [found[row] if row >= 0 else "" for row in rows]
        unused = [found[row] for row in sorted(set(range(len(found))) - set(rows.tolist()))]
    except DataError as error:
        broken.append(problem_of(error, str(seg_data)))
    return RawSet(images, masks, names, mask_names, *labels[:3], unused, labels.settings, broken)


def problem_of(error: ValueError | OSError, file: str) -> Problem:
    """The error about a file, taken apart again."""
    reason, _, remedy = str(error).removeprefix(f"{file}: ").rpartition("; ")
    return Problem(file, reason or remedy, remedy if reason else "save it again from its source, or leave it out")


def _read_labels(images: Store, has_file: bool, keys: Sequence[str], use_basename: bool) -> _Labels:
    if not has_file:
        return _Labels(None, [], [], {})
    where = f"{images.path}/{DATASET_JSON}"
    file = read_dataset_json(images.read(DATASET_JSON), where)
    if file.labels is None:
        return _Labels(None, [], [], file.settings)
    if use_basename:
        file = file._replace(names=[_base(name) for name in file.names])
    joined = join_labels(keys, file, where)
    known = set(keys)
    # What is wrong with an entry that no image asks for is that it is unused.
    problems = [problem for problem in file.problems if problem.name in known or problem.name == where]
    unused = [name for name in dict.fromkeys(file.names) if name not in known]
    return _Labels(joined.labels, problems + joined.problems, unused, file.settings)


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _basenames(names: Sequence[str], where: Path) -> list[str]:
    """File names without their folders, each of them once."""
    owners: dict[str, str] = {}
    for name in names:
        if owners.setdefault(_base(name), name) != name:
            raise DataError(
                f"{where}: {owners[_base(name)]} and {name} have one file name, so --use_basename cannot tell them "
                "apart; rename one, or do without it"
            )
    return [_base(name) for name in names]
