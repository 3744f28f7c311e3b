# SPDX-License-Identifier: Apache-2.0
"""A clean copy of a set that was checked: what can be mended is mended, the rest of what is wrong is left out.

Mended are files of another kind of pixels, turned ones, and masks of another size. Cameras are not guessed: a recipe
that mends them is part of the finding, for somebody who looks at the result.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dnnlib.config_types import JSON
from training.data.making.building import Made, Skipped, Summary, build
from training.data.making.checking import Checked
from training.data.making.raw_set import RawSet, problem_of
from training.data.making.resample import center_crop, resample_mask
from training.data.problems import DataError
from training.data.selection import source_weights
from training.data.sources import open_source


def mend(checked: Checked, *, img_dest: Path, seg_dest: Path | None, workers: int, force: bool) -> Summary:
    """Writes the copy. Items without findings come out as they are, pixel by pixel."""
    raw = checked.raw
    paths = [raw.images.path, *([raw.masks.path] if raw.masks else [])]
    if checked.has_masks and seg_dest is None and raw.masks is not None:
        raise DataError(f"{raw.masks.path}: the masks need a place to go; add --seg_dest")
    left_out = {item for each in checked.findings if not each.is_mended for item in each.items}
    kept = [item for item in np.flatnonzero(raw.has_label & raw.has_mask).tolist() if item not in left_out]
    if not kept:
        kinds = sorted({each.kind for each in checked.findings if each.items and not each.is_mended})
        raise DataError(
            f"{raw.images.path}: nothing would be left, since every image has a finding that cannot be mended "
            f"({', '.join(kinds)}); follow the remedies above first"
        )
    settings = {key: value for key, value in raw.settings.items() if key not in ("sources", "fnames")}
    return build(
        _Mend(raw, checked.alpha_is_mask, kept, keeps_alpha=seg_dest is None),
        len(kept),
        img_dest=img_dest,
        seg_dest=seg_dest if checked.has_masks else None,
        settings={**settings, "mended": {"left_out": len(left_out)}},
        workers=workers,
        force=force,
        description="mending",
        sources=_sources(raw, kept),
        inputs=" ".join(open_source(path).summary().digest for path in paths),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Mend:
    """Makes an item of the copy. Workers get a copy of it."""

    raw: RawSet
    alpha_is_mask: bool
    kept: Sequence[int]
    keeps_alpha: bool

    def __call__(self, index: int) -> Made | Skipped:
        item = self.kept[index]
        try:
            pixels = self.raw.read_image(item)
            mask = pixels[:, :, 3] if self.alpha_is_mask else self.raw.read_mask(item) if self.raw.masks else None
        except ValueError as error:
            return Skipped(problem_of(error, self.raw.image_file(item)))
        if mask is not None and mask.shape != pixels.shape[:2]:
            mask = resample_mask(mask, center_crop(mask.shape[1], mask.shape[0]), pixels.shape[0])
        image = pixels if self.alpha_is_mask and self.keeps_alpha else pixels[:, :, :3]
        label = None if self.raw.labels is None else self.raw.labels[item]
        return Made(np.ascontiguousarray(image), mask, label, self.raw.names[item])


def _sources(raw: RawSet, kept: Sequence[int]) -> list[dict[str, JSON]] | None:
    """The sources of the set, cut down to what is kept."""
    sources = raw.settings.get("sources")
    if source_weights(sources, len(raw.names), str(raw.images.path)) is None:
        return None
    kept_before = np.searchsorted(kept, [source["first"] for source in sources] + [len(raw.names)]).tolist()
    cut = []
    for source, first, end in zip(sources, kept_before, kept_before[1:], strict=False):
        cut.append({**source, "first": first, "count": end - first})
    return cut
