# SPDX-License-Identifier: Apache-2.0
"""What is in a set: all labels, and what a sample of the pictures shows. Never refuses a set for its labels.

A *complaint* is what the set would be refused for; it is kept as text beside what could be found out all the same.
What is missing of single images is in `problems`, of which the log has told when the set was opened.
"""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8

from dnnlib.config_types import JSON
from dnnlib.drawing import Picture, fitted
from dnnlib.files import open_store
from dnnlib.progress import progress
from dnnlib.text import format_count
from torch_utils import rng
from training.data.images import is_image
from training.data.index import Index, open_index
from training.data.labels import DATASET_JSON, join_labels, read_dataset_json
from training.data.making.frusta import NUM_LEVELS, NUM_SECTORS
from training.data.making.poses import Poses, count_poses, nearest_azimuths, nearest_elevations, poses_of
from training.data.masks import match_masks
from training.data.problems import DataError, Problem

THUMBNAIL = 112  # Pixels.
NUM_SHOWN = 36  # Pictures of the contact sheet.

_OUTSIDE = np.array([224, 0, 96])  # The colour of what a mask leaves out.
_TINT = 0.6
_BAR = 40  # Characters.


class Looked(NamedTuple):
    """What one picture of the sample showed. `coverage` is the share of it inside the mask."""

    width: int
    height: int
    coverage: float | None
    plain: Picture | None
    tinted: Picture | None


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """Everything that is told about a set. `looked` has the pictures of the sample, those to be shown with pixels."""

    name: str
    num_images: int
    num_masks: int
    complaints: Sequence[str]
    problems: Sequence[Problem]
    settings: Mapping[str, JSON]
    poses: Poses | None
    looked: Mapping[int, Looked]
    shown: Sequence[int]  # Items of the contact sheet.
    by_sector: Mapping[int, int]
    by_level: Mapping[int, int]


def survey(img_data: Path, seg_data: Path | None, *, sample: int, seed: int = 0, workers: int = 2) -> Survey:
    """Looks at all labels, and at `sample` of the pictures."""
    index, poses, complaints = _opened(img_data, seg_data)
    usable = np.flatnonzero(index.usable)
    items = usable[drawn(len(usable), min(sample, len(usable)), seed)]
    shown = items[drawn(len(items), min(NUM_SHOWN, len(items)), seed)].tolist()
    by_sector = nearest_azimuths(poses, NUM_SECTORS) if poses else {}
    by_level = nearest_elevations(poses, NUM_LEVELS) if poses else {}
    with_pixels = {item for item in (*shown, *by_sector.values(), *by_level.values()) if index.usable[item]}

    def look(item: int) -> Looked | DataError:
        try:
            return _look(index, item, keep=item in with_pixels)
        except DataError as error:
            return error

    looked: dict[int, Looked] = {}
    wanted = sorted({*items.tolist(), *with_pixels})
    with (
        contextlib.closing(index),
        ThreadPoolExecutor(workers) as pool,
        progress(len(wanted), "looking at pictures", "img") as bar,
    ):
        for item, found in zip(wanted, pool.map(look, wanted), strict=True):
            bar.advance()
            if isinstance(found, DataError):
                complaints.append(str(found))
            else:
                looked[item] = found
    return Survey(
        name=str(img_data),
        num_images=len(index),
        num_masks=_num_masks(index),
        complaints=complaints,
        problems=index.problems,
        settings=index.settings,
        poses=poses,
        looked=looked,
        shown=sorted(shown, key=lambda i: poses.azimuth_deg[i] if poses and poses.known[i] else 999.0),
        by_sector=by_sector,
        by_level=by_level,
    )


def drawn(num: int, count: int, seed: int) -> Int[np.ndarray, " count"]:
    """`count` of the numbers below `num`, in order. The same ones whenever they are drawn."""
    words = rng.words(seed, "stats sample", torch.arange(num)).flatten().numpy()
    return np.sort(np.argsort(words, kind="stable")[:count])


def _opened(img_data: Path, seg_data: Path | None) -> tuple[Index, Poses | None, list[str]]:
    """The set, its views, and why it would be refused."""
    try:
        index = open_index(img_data, seg_data, skip_damaged=True)
    except DataError as error:
        complaints = [str(error)]
        index = open_index(img_data, seg_data, use_labels=False, skip_damaged=True)
        return index, _poses_leniently(img_data, index), complaints
    assert index.labels is not None
    return index, poses_of(index.labels), []


def _num_masks(index: Index) -> int:
    """How many images have one."""
    if index.mask_source != "files" or not index.problems:
        return 0 if index.mask_source == "none" else len(index)
    with open_store(index.seg_data) as store:
        names = [name for name in store.names() if is_image(name)]
    return int(np.count_nonzero(match_masks(list(index.names), names) >= 0))


def _poses_leniently(img_data: Path, index: Index) -> Poses | None:
    """Whatever labels there are, for a set that is refused."""
    with open_store(img_data) as store:
        if DATASET_JSON not in store:
            return None
        try:
            file = read_dataset_json(store.read(DATASET_JSON), f"{img_data}/{DATASET_JSON}")
        except DataError:
            return None
    if file.labels is None:
        return None
    poses = poses_of(join_labels(list(index.names), file, str(img_data)).labels)
    return poses if poses.known.any() else None


def _look(index: Index, item: int, keep: bool) -> Looked:
    image, mask = index.read(item)
    height, width = image.shape[:2]
    coverage = None if mask is None else float(mask.mean() / 255)
    if not keep:
        return Looked(width, height, coverage, None, None)
    plain = fitted(image, THUMBNAIL)
    tinted = plain if mask is None else tinted_outside(plain, fitted(mask, THUMBNAIL))
    return Looked(width, height, coverage, plain, tinted)


def tinted_outside(
    image: UInt8[np.ndarray, "height width 3"], mask: UInt8[np.ndarray, "mask_height mask_width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture, coloured where the mask leaves it out. Of another shape than the picture, the mask is all colour."""
    if mask.shape != image.shape[:2]:
        mask = np.zeros(image.shape[:2], dtype=np.uint8)
    share = _TINT * (1 - mask[..., None] / 255)
    return np.rint(image + (_OUTSIDE - image) * share).astype(np.uint8)


# ----------------------------------------------------------------------------------------------------------------------
# As text.


def facts(found: Survey) -> list[tuple[str, str]]:
    """Headings with what is to be said under each."""
    sizes = Counter((look.width, look.height) for look in found.looked.values())
    listed = ", ".join(f"{width} x {height}" for (width, height), _ in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    rows = [("images", f"{found.num_images:,} of {listed}{more}")]
    if len(found.looked) < found.num_images:
        rows.append(("looked at", f"{len(found.looked):,} of the pictures; all of the labels"))
    rows.append(("masks", _mask_fact(found)))
    if found.poses is not None and found.poses.known.any():
        rows += _pose_facts(found.poses)
    else:
        rows.append(("cameras", "none"))
    if sources := _source_fact(found.settings):
        rows.append(("sources", sources))
    return rows


def _mask_fact(found: Survey) -> str:
    coverage = [look.coverage for look in found.looked.values() if look.coverage is not None]
    if not coverage:
        return "none"
    low, middle, high = np.quantile(coverage, (0.05, 0.5, 0.95))
    return f"{found.num_masks:,}, covering {middle:.0%} of the picture (90% of them {low:.0%} to {high:.0%})"


def _pose_facts(poses: Poses) -> list[tuple[str, str]]:
    known = int(poses.known.sum())
    distance, focal = poses.distance[poses.known], poses.intrinsics[poses.known, 0, 0]
    back = int(poses.is_back.sum())
    elevation = poses.elevation_deg[poses.known]
    missing = f", {len(poses.known) - known:,} missing" if known < len(poses.known) else ""
    return [
        ("cameras", f"{known:,}{missing}; distance {_spread(distance)}, focal length {_spread(focal)}"),
        ("back views", f"{back:,} of {known:,} ({back / known:.1%}), azimuth beyond 90 degrees"),
        ("elevation", f"{elevation.min():+.0f} to {elevation.max():+.0f} degrees, mean {elevation.mean():+.1f}"),
    ]


def _spread(values: np.ndarray) -> str:
    low, middle, high = np.quantile(values, (0, 0.5, 1))
    return f"{middle:.4g}" if high - low < 1e-3 * abs(middle) else f"{middle:.4g} ({low:.4g} to {high:.4g})"


def _source_fact(settings: Mapping[str, JSON]) -> str:
    sources = settings.get("sources")
    if not isinstance(sources, list):
        return ""
    known = (source for source in sources if isinstance(source, dict))
    return "; ".join(f"{s.get('name')} {s.get('count')} (weight {s.get('weight')})" for s in known)


def text_report(found: Survey) -> str:
    """The facts, and both histograms of the views in characters."""
    lines = [found.name, *(f"  {heading:<12}{fact}" for heading, fact in facts(found))]
    if found.poses is not None and found.poses.known.any():
        table = count_poses(found.poses)
        for title, axis, edges, merged in (
            ("azimuth (0 front, +90 the subject's left, 180 back)", 0, table.azimuth_edges_deg, 2),
            ("elevation (+ from above)", 1, table.elevation_edges_deg, 1),
        ):
            counts = table.counts.sum(axis=axis).reshape(-1, merged).sum(axis=1)
            lines += ["", f"  {title}", *_bars(counts, edges[::merged])]
    return "\n".join(lines)


def _bars(counts: np.ndarray, edges: np.ndarray) -> list[str]:
    scale = _BAR / max(int(counts.max()), 1)
    return [
        f"  {low:+5.0f} ..{high:+5.0f}  {format_count(int(count)):>6}  {'#' * int(np.ceil(count * scale))}".rstrip()
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
