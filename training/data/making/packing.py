# SPDX-License-Identifier: Apache-2.0
"""Sets as people have them become one set for training: square, of one size, with masks and cameras that fit.

Several *sources* follow each other in the new set, with a weight each: the share of draws that its images have
together.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from dnnlib.config_types import JSON
from training.camera_checks import LabelError, check_labels
from training.data.labels import DATASET_JSON
from training.data.making.building import Made, Skipped, Summary, build
from training.data.making.raw_set import RawSet, open_raw_set, problem_of
from training.data.making.resample import (
    Window,
    center_crop,
    center_crop_wide,
    have_one_shape,
    is_power_of_two,
    label_in_window,
    largest_power_of_two,
    resample_image,
    resample_mask,
    whole,
)
from training.data.making.shards import ImageKind
from training.data.problems import DataError, Problem
from training.data.sources import open_source

Transform = Literal["center-crop", "center-crop-wide"]

PACK_VERSION = 1  # Of what dataset.json says about itself.
_LOOKED_AT = 100  # Pictures whose size decides about the resolution, if nobody else does.

_WINDOWS: dict[str | None, Callable[[int, int], Window]] = {
    None: whole,
    "center-crop": center_crop,
    "center-crop-wide": center_crop_wide,
}


@dataclasses.dataclass(frozen=True)
class PackSource:
    """Pictures, their masks, and how much of the training they get. Without a weight, as much as there are of them."""

    img_data: Path
    seg_data: Path | None
    weight: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A source that was opened: which of its images are wanted, and what they are called in the new set's records."""

    raw: RawSet
    items: list[int]
    name: str
    alpha_is_mask: bool

    def read(self, item: int) -> tuple[UInt8[np.ndarray, "height width channels"], UInt8[np.ndarray, "h w"] | None]:
        """The image, and its mask if the source has masks."""
        pixels = self.raw.read_image(item)
        if not self.alpha_is_mask:
            return pixels, self.raw.read_mask(item) if self.raw.masks else None
        if pixels.shape[2] == 3:
            raise DataError("has no transparency, which is the mask of the images of this source; add it")
        return pixels, pixels[:, :, 3]


def pack(
    sources: Sequence[PackSource],
    *,
    img_dest: Path,
    seg_dest: Path | None,
    transform: Transform | None,
    resolution: int | None,
    max_images: int | None,
    use_basename: bool,
    ext: ImageKind,
    workers: int,
    force: bool,
) -> Summary:
    """Writes the new set. Images without what the others have are skipped, and told."""
    _refuse_inside(sources, [path for path in (img_dest, seg_dest) if path is not None])
    parts, problems = _open(sources, seg_dest, max_images, use_basename)
    if resolution is None:
        resolution = _guess_resolution(parts, transform)
    if not is_power_of_two(resolution):
        raise ValueError(f"--resolution {resolution} is not a power of two; write 256 or 512x512, for example")
    item_ranges, first = [], 0
    for part, source in zip(parts, sources, strict=True):
        item_ranges.append({"name": part.name, "first": first, "count": len(part.items), "weight": source.weight})
        first += len(part.items)
    settings: dict[str, JSON] = {
        "packed": {"version": PACK_VERSION, "resolution": resolution, "transform": transform, "ext": ext}
    }
    summary = build(
        _Pack(parts, transform, resolution, keeps_alpha=seg_dest is None),
        first,
        img_dest=img_dest,
        seg_dest=seg_dest,
        settings=settings,
        workers=workers,
        force=force,
        ext=ext,
        description="packing",
        sources=item_ranges,
        inputs=_state(sources),
    )
    return Summary(summary.num_made, problems + summary.skipped)


@dataclasses.dataclass(frozen=True, eq=False)
class _Pack:
    """Makes an item of the new set. Workers get a copy of it."""

    parts: Sequence[_Part]
    transform: Transform | None
    resolution: int
    keeps_alpha: bool

    def __call__(self, index: int) -> Made | Skipped:
        for part in self.parts:
            if index < len(part.items):
                break
            index -= len(part.items)
        item = part.items[index]
        file = part.raw.image_file(item)
        try:
            pixels, mask = part.read(item)
        except (ValueError, OSError) as error:
            return Skipped(problem_of(error, file))
        height, width = pixels.shape[:2]
        try:
            window = _WINDOWS[self.transform](width, height)
        except ValueError as error:
            return Skipped(problem_of(error, file))
        image = resample_image(pixels[:, :, :3], window, self.resolution)
        if mask is None:
            small_mask = None
        elif not have_one_shape(mask.shape, (height, width)):
            reason = f"its mask is {mask.shape[1]} x {mask.shape[0]} and the image {width} x {height}"
            return Skipped(Problem(file, reason, "make a mask of this very image (dataset_tool.py masks)"))
        else:
            # Of its own size: a mask may be coarser than its image.
            window_of_mask = _WINDOWS[self.transform](mask.shape[1], mask.shape[0])
            small_mask = resample_mask(mask, window_of_mask, self.resolution)
            if self.keeps_alpha:
                image = np.dstack([image, small_mask])
        label = None if part.raw.labels is None else label_in_window(part.raw.labels[item], window, width, height)
        name = part.raw.names[item] if len(self.parts) == 1 else f"{part.name}/{part.raw.names[item]}"
        return Made(image, small_mask, label, name)


def _open(
    sources: Sequence[PackSource], seg_dest: Path | None, max_images: int | None, use_basename: bool
) -> tuple[list[_Part], list[Problem]]:
    """The sources with the images of each that have all they need, and what is wrong with the others."""
    parts: list[_Part] = []
    problems: list[Problem] = []
    for source in sources:
        raw = open_raw_set(source.img_data, source.seg_data, use_basename)
        if raw.broken:
            raise DataError.of(raw.broken[0])
        alpha_is_mask = raw.masks is None and _first_pixels(raw).shape[2] == 4
        if raw.masks is not None and seg_dest is None:
            raise DataError(f"{source.seg_data}: masks need a place to go; add --seg_dest")
        if raw.masks is None and not alpha_is_mask and seg_dest is not None:
            raise DataError(
                f"{source.img_data}: has no transparency that could be its masks; name them with --seg_source, or make "
                "some with dataset_tool.py masks"
            )
        items = np.flatnonzero(raw.has_label & raw.has_mask)[:max_images].tolist()
        _check_cameras(raw, items)
        problems += _incomplete(raw)
        if not items:
            raise DataError(f"{source.img_data}: none of its {len(raw.names)} images can be used. {problems[0]}")
        parts.append(_Part(raw, items, _name(source.img_data, parts), alpha_is_mask))
    with_labels = [part.raw.labels is not None for part in parts]
    if any(with_labels) and not all(with_labels):
        path = parts[with_labels.index(False)].raw.images.path
        raise DataError(f"{path}: has no cameras, while another source has; add its dataset.json, or pack them apart")
    with_alpha = [part.alpha_is_mask for part in parts]
    if seg_dest is None and any(with_alpha) and not all(with_alpha):
        path = parts[with_alpha.index(False)].raw.images.path
        raise DataError(f"{path}: has no transparency, while another source has; add --seg_dest, or pack them apart")
    return parts, problems


def _incomplete(raw: RawSet) -> list[Problem]:
    """Images that lack a label or a mask."""
    without = [raw.image_file(item) for item in np.flatnonzero(~raw.has_mask).tolist()]
    remedy = "make one (dataset_tool.py masks)"
    return raw.label_problems + [Problem(file, "has no mask of the same name", remedy) for file in without]


def _check_cameras(raw: RawSet, items: Sequence[int]) -> None:
    if raw.labels is None:
        return
    try:
        check_labels(raw.labels[items])
    except LabelError as error:
        first = ", ".join(raw.names[items[index]] for index in error.indices[:3])
        raise DataError(
            f"{raw.images.path}/{DATASET_JSON}: {error}\nImages of the first wrong labels: {first}"
        ) from None


def _first_pixels(raw: RawSet) -> UInt8[np.ndarray, "height width channels"]:
    """The first image that can be read."""
    first_error: ValueError | None = None
    for item in range(min(len(raw.names), _LOOKED_AT)):
        try:
            return raw.read_image(item)
        except ValueError as error:
            first_error = first_error or error
    assert first_error is not None
    raise first_error


def _guess_resolution(parts: Sequence[_Part], transform: Transform | None) -> int:
    """The largest power of two for which none of the pictures, as far as they are looked at, has to grow."""
    sides = []
    for part in parts:
        for item in part.items[:: -(-len(part.items) // _LOOKED_AT)]:
            with contextlib.suppress(ValueError):  # Told when its turn comes.
                height, width = part.raw.read_image(item).shape[:2]
                sides.append(_WINDOWS[transform](width, height).side)
    return largest_power_of_two(min(sides, default=1))


def _name(path: Path, earlier: Sequence[_Part]) -> str:
    """What a source is called: its file name, and a number where that is taken."""
    base = path.absolute().stem
    same = sum(part.name.partition("#")[0] == base for part in earlier)
    return f"{base}#{same + 1}" if same else base


def _refuse_inside(sources: Sequence[PackSource], dests: Sequence[Path]) -> None:
    """A source that changes while it is read would not be the same when the command goes on."""
    paths = [path.resolve() for source in sources for path in (source.img_data, source.seg_data) if path]
    for dest in dests:
        for path in paths:
            if dest.resolve() == path or (path.is_dir() and dest.resolve().is_relative_to(path)):
                raise DataError(f"{dest}: is, or lies in, the source {path}; choose a place outside of it")


def _state(sources: Sequence[PackSource]) -> str:
    """Text that changes when a file of a source does."""
    paths = [path for source in sources for path in (source.img_data, source.seg_data) if path]
    return " ".join(open_source(path).summary().digest for path in paths)
