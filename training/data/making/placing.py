# SPDX-License-Identifier: Apache-2.0
"""Shards that are all there become the set: items numbered without gaps, labels and settings in dataset.json."""

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from dnnlib.config_types import JSON
from dnnlib.files import Store, open_store
from dnnlib.progress import progress
from training.data.labels import DATASET_JSON, dataset_json
from training.data.making.destinations import TRUTH_FILE, Destinations, replace_store
from training.data.making.shards import Entry, ImageKind, image_of, mask_of, read_entries, truth_of
from training.data.problems import DataError, Problem


def set_stem(number: int) -> str:
    """`00012/img00012345`: the name of item 12345 but for the extension."""
    name = f"{number:08d}"
    return f"{name[:5]}/img{name}"


@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
    """What all shards hold together."""

    is_made: Bool[np.ndarray, " items"]
    labels: Float32[np.ndarray, "made 25"] | None
    origins: list[str]  # Files that the items were made from.
    skipped: list[Problem]

    @property
    def num_made(self) -> int:
        return len(self.origins)


def read_contents(paths: Sequence[Path], has_masks: bool) -> Contents:
    """Looks through the shards, and that their items can be one set."""
    is_made, labels, origins, skipped = [], [], [], []
    first: Entry | None = None
    for path in paths:
        with open_store(path) as shard:
            entries = read_entries(shard)
        for entry in entries:
            is_made.append(entry.problem is None)
            if entry.problem is not None:
                skipped.append(entry.problem)
                continue
            first = first or entry
            _require_alike(first, entry, has_masks)
            labels.append(None if entry.label is None else np.array(entry.label, dtype=np.float32))
            origins.append(entry.source)
    stacked = None if first is None or first.label is None else np.stack(labels)
    return Contents(np.array(is_made), stacked, origins, skipped)


def place(
    paths: Sequence[Path],
    contents: Contents,
    dests: Destinations,
    kind: ImageKind,
    settings: Mapping[str, JSON],
    sources: Sequence[Mapping[str, JSON]] | None,
) -> None:
    """Writes the destinations, whatever lies there."""
    with progress(contents.num_made * len(dests.named()), "writing", unit="file") as bar:
        if dests.truth is not None:
            with replace_store(dests.truth) as store:
                _place_truth(paths, contents, store, bar.advance)
        if dests.masks is not None:
            with replace_store(dests.masks) as store:
                for name, shard, entry in _items(paths):
                    store.write(f"{name}.png", mask_of(shard, entry))
                    bar.advance()
        with replace_store(dests.images) as store:
            for name, shard, entry in _items(paths):
                store.write(f"{name}.{kind}", image_of(shard, entry))
                bar.advance()
            store.write(DATASET_JSON, _dataset_json(contents, kind, settings, sources))


def _place_truth(paths: Sequence[Path], contents: Contents, store: Store, advance: Callable[[], None]) -> None:
    """Pictures as files, and all other arrays stacked over the items in one file."""
    stacks: dict[str, np.ndarray] = {}
    for number, (name, shard, entry) in enumerate(_items(paths)):
        for key in entry.pictures:
            store.write(f"{name}/{key}.npy", truth_of(shard, entry, key))
        for key in entry.values:
            value = np.lib.format.read_array(io.BytesIO(truth_of(shard, entry, key)))
            if key not in stacks:
                stacks[key] = np.empty((contents.num_made, *value.shape), value.dtype)
            assert (value.shape, value.dtype) == (stacks[key].shape[1:], stacks[key].dtype), f"{key} of {name}"
            stacks[key][number] = value
        advance()
    file = io.BytesIO()
    np.savez(file, **stacks)
    store.write(TRUTH_FILE, file.getvalue())


def _items(paths: Sequence[Path]) -> Iterator[tuple[str, Store, Entry]]:
    """The made items in order: the new name without extension, the open shard, and what is known of the item."""
    number = 0
    for path in paths:
        with open_store(path) as shard:
            for entry in read_entries(shard):
                if entry.problem is None:
                    yield set_stem(number), shard, entry
                    number += 1


def _require_alike(first: Entry, entry: Entry, has_masks: bool) -> None:
    """Items of a set have one size, and all have what the first has."""
    name = entry.source or f"item {entry.item}"
    if entry.size != first.size:
        raise DataError(
            f"{name}: is {_size(entry)} and {first.source or 'the first item'} {_size(first)}; make one size"
        )
    if has_masks and not entry.has_mask:
        raise DataError(f"{name}: has no mask, and masks were asked for; leave the item out, or the masks")
    if (entry.label is None) != (first.label is None):
        raise DataError(f"{name}: some items have a camera label and others none; give all of them one")
    assert (entry.pictures, entry.values) == (first.pictures, first.values), f"{name} has another kind of truth"


def _size(entry: Entry) -> str:
    return f"{entry.size[1]} x {entry.size[0]}"


def _dataset_json(
    contents: Contents, kind: ImageKind, settings: Mapping[str, JSON], sources: Sequence[Mapping[str, JSON]] | None
) -> bytes:
    names = [f"{set_stem(number)}.{kind}" for number in range(contents.num_made)]
    fnames = list(zip(names, contents.origins, strict=True)) if any(contents.origins) else None
    ranges = {} if sources is None else {"sources": _ranges(sources, contents.is_made)}
    return dataset_json(names, contents.labels, fnames, **settings, **ranges)


def _ranges(sources: Sequence[Mapping[str, JSON]], is_made: Bool[np.ndarray, " items"]) -> list[dict[str, JSON]]:
    """The sources as ranges of items that were made, instead of items that were asked for.

    A source without a weight weighs as much as it has items, so that all of them are drawn alike.
    """
    made_before = np.concatenate([[0], np.cumsum(is_made)]).tolist()
    adapted = []
    for source in sources:
        first, end = made_before[source["first"]], made_before[source["first"] + source["count"]]
        weight = end - first if source["weight"] is None else source["weight"]
        adapted.append({**source, "first": first, "count": end - first, "weight": weight})
    return adapted
