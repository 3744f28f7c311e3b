# SPDX-License-Identifier: Apache-2.0
"""Everything that is wrong with a set, found by reading all of it."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.data.making.camera_findings import camera_findings
from training.data.making.findings import Finding, finding
from training.data.making.looks import Look, file_form, look_through
from training.data.making.raw_set import RawSet, open_raw_set
from training.data.making.resample import have_one_shape, is_power_of_two
from training.data.masks import stem

_INVERTED_BORDER, _INVERTED_CENTRE = 0.75, 0.25
_FEWEST_COMPARED = 16  # Masks that say something about all.
_LEAST_WON = 0.7  # Right masks win 98 to 100 of 100 comparisons, shuffled ones 50.

_LEAVE_OUT = "leave the image out"
_NEW_MASK = "make it anew (dataset_tool.py masks), or leave the image out"


class Checked(NamedTuple):
    """A set that was looked at, and what is wrong with it."""

    raw: RawSet
    alpha_is_mask: bool
    findings: list[Finding]

    @property
    def has_masks(self) -> bool:
        return self.alpha_is_mask or self.raw.masks is not None


def check(img_data: Path, seg_data: Path | None, workers: int) -> Checked:
    """Reads all of the set. Raises only if it cannot be opened."""
    raw = open_raw_set(img_data, seg_data)
    alpha_is_mask = seg_data is None and _is_transparent(raw)
    looks = look_through(raw, alpha_is_mask, workers)
    findings = [
        *(Finding("unreadable", problem) for problem in raw.broken),
        *_unreadable(raw, looks),
        *camera_findings(raw),
        *_sizes(raw, looks),
        *_forms(raw, looks),
        *_duplicates(raw, looks),
        *_missing_masks(raw, looks, alpha_is_mask),
        *_masks(raw, looks),
        *_masks_together(raw, looks),
    ]
    return Checked(raw, alpha_is_mask, findings)


def _is_transparent(raw: RawSet) -> bool:
    """Whether the first image that can be read has transparency."""
    for name in raw.names:
        with contextlib.suppress(ValueError, OSError):
            if form := file_form(raw.images.read(name))[0]:
                return form.endswith("transparency")
    return False


def _unreadable(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    for item, look in enumerate(looks):
        if look.problem is not None:
            yield Finding("unreadable", look.problem, [item])


def _sizes(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    sizes = Counter(look.size for look in looks if look.digest)
    if not sizes:
        return
    usual = max(sizes, key=lambda size: (sizes[size], size))
    if usual[0] != usual[1] or not is_power_of_two(usual[0]):
        reason = f"its images are {_size(usual)}; training needs squares whose side is a power of two"
        yield finding("size", str(raw.images.path), reason, "make them with dataset_tool.py pack")
    for item, look in enumerate(looks):
        if look.digest and look.size != usual:
            reason = f"is {_size(look.size)}, where {_size(usual)} is usual"
            yield finding("size", raw.image_file(item), reason, "make all one size with dataset_tool.py pack", item)


def _forms(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    forms = Counter(look.form for look in looks if look.form)
    usual = max(forms, key=lambda form: (forms[form], form), default="")
    for item, look in enumerate(looks):
        if look.form and look.form != usual:
            reason = f"holds {look.form} pixels, where {usual} is usual; not every program reads them alike"
            yield finding("kind of pixels", raw.image_file(item), reason, "save it like the others, or use --fix", item)
        if look.orientation != 1 and look.digest:
            reason = f"is turned by its EXIF data (orientation {look.orientation}), which many programs ignore"
            yield finding("turned", raw.image_file(item), reason, "save it upright, or use --fix", item)


def _duplicates(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    first: dict[bytes, int] = {}
    for item, look in enumerate(looks):
        if look.digest and (twin := first.setdefault(look.digest, item)) != item:
            reason = f"is the same picture as {raw.names[twin]}, pixel by pixel"
            yield finding("duplicate", raw.image_file(item), reason, "remove one of them", item)


def _missing_masks(raw: RawSet, looks: Sequence[Look], alpha_is_mask: bool) -> Iterator[Finding]:
    for item, look in enumerate(looks):
        file = raw.image_file(item)
        if raw.mask_names is not None and not raw.mask_names[item]:
            reason = f"has no mask {stem(raw.names[item])}.* in {raw.masks.path}"
            yield finding("no mask", file, reason, "make one (dataset_tool.py masks), or leave the image out", item)
        elif alpha_is_mask and look.digest and look.mask is None:
            reason = "has no transparency, which is the mask of the other images"
            yield finding("no mask", file, reason, "add it, or leave the image out", item)
    for name in raw.unused_masks:
        file = f"{raw.masks.path}/{name}"
        yield finding("mask without image", file, "is the mask of no image", "remove it, or bring the image back")


def _masks(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    """What is wrong with masks, each by itself."""
    for item, look in enumerate(looks):
        mask = look.mask
        if mask is None:
            continue
        file = raw.image_file(item) if raw.masks is None else raw.mask_file(item)
        if mask.size != look.size:
            is_mended = have_one_shape(mask.size, look.size) and look.size[0] == look.size[1]
            reason = f"is {_size(mask.size)} and its image {_size(look.size)}"
            remedy = "resize it (--fix does), or make it anew" if is_mended else _NEW_MASK
            yield finding("mask size", file, reason, remedy, item)._replace(is_mended=is_mended)
        if mask.most < 128:
            yield finding("empty mask", file, f"is empty: its largest value is {mask.most} of 255", _NEW_MASK, item)
        elif mask.least >= 128:
            yield finding("full mask", file, f"is full: its least value is {mask.least} of 255", _NEW_MASK, item)
        elif mask.border > _INVERTED_BORDER and mask.centre < _INVERTED_CENTRE:
            reason = "has the head outside and the background in the middle, so it is inverted"
            yield finding("inverted mask", file, reason, "swap 0 and 255", item)
        elif look.better:
            reason = f"does not belong to its image: {look.better} fits much better"
            yield finding("wrong mask", file, reason, "look at both, and name or make masks anew", item)


def _masks_together(raw: RawSet, looks: Sequence[Look]) -> Iterator[Finding]:
    """What is wrong with all masks, though each of them could be right."""
    where = str((raw.masks or raw.images).path)
    shared: dict[bytes, list[int]] = defaultdict(list)
    for item, look in enumerate(looks):
        if look.mask is not None and look.mask.least < 128 <= look.mask.most:
            shared[look.mask.digest].append(item)
    most = max(shared.values(), key=len, default=[])
    if len(most) >= 3 and len({looks[item].digest for item in most}) > len(most) // 2 and 2 * len(most) > len(looks):
        reason = f"{len(most)} of {len(looks)} images have one and the same mask, as {raw.names[most[0]]} has"
        yield finding("one mask for many", where, reason, "make a mask of every image (dataset_tool.py masks)", *most)
    won = [look.beats_far_mask for look in looks if look.beats_far_mask is not None]
    if len(won) >= _FEWEST_COMPARED and np.mean(won) < _LEAST_WON:
        reason = f"only {np.mean(won):.0%} of its masks fit their images better than masks of other images do"
        remedy = "look whether names of masks and images belong together, and whether masks are mirrored or moved"
        yield finding("wrong mask", where, reason, remedy)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
