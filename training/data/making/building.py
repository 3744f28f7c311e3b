# SPDX-License-Identifier: Apache-2.0
"""The one way to write a set: in parallel, restartable, and complete or not there.

Items are made in *shards*, files beside the destination. When all are there they are put together: images and masks as
`00000/img00000000.png`, numbered without gaps where items are skipped, dataset.json last. A killed command goes on
when it is given again. The result does not depend on the number of workers or of kills.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dnnlib.config_types import JSON
from dnnlib.console import get_logger
from dnnlib.progress import progress
from training.data.making.destinations import Destinations
from training.data.making.placing import place, read_contents
from training.data.making.shards import ImageKind, Made, Skipped, write_shard
from training.data.making.unfinished import Unfinished, unfinished_work
from training.data.making.workers import in_parallel
from training.data.problems import DataError, Problem

__all__ = ["Made", "Skipped", "Summary", "build"]

log = get_logger(__name__)

_VERSION = 1  # Of shards. Unfinished work of another version is not continued.
_SHARDS, _MAX_ITEMS = 64, 64  # A shard is 1/64 of the work, and not so much that a kill would hurt.


@dataclasses.dataclass(frozen=True)
class Summary:
    """How many items the new set has, and what is wrong with those left out."""

    num_made: int
    skipped: list[Problem]


def build(
    make: Callable[[int], Made | Skipped],
    count: int,
    *,
    img_dest: str | Path,
    seg_dest: str | Path | None = None,
    truth_dest: str | Path | None = None,
    settings: Mapping[str, JSON],
    workers: int,
    force: bool,
    ext: ImageKind = "png",
    description: str,
    sources: Sequence[Mapping[str, JSON]] | None = None,
    inputs: str = "",
) -> Summary:
    """Makes the items 0 .. count - 1 and writes the set.

    `make` can be pickled and depends on nothing but the index. `settings` become keys of dataset.json. `sources` are
    {"name", "first", "count", "weight"} over the items; where items are skipped, ranges and counts follow. `inputs` is
    text that changes when what `make` reads does. Unfinished work is continued only if all of these are the same.
    """
    dests = Destinations.of(img_dest, seg_dest, truth_dest)
    if count < 1:
        raise DataError(f"{img_dest}: there is nothing to make; ask for at least one picture")
    plan = {"version": _VERSION, "count": count, "ext": ext, "settings": dict(settings), "sources": sources}
    plan |= {"state of the sources": inputs, "destinations": dests.plan()}
    with unfinished_work(dests.images, plan, force) as work:
        if work.stage == "done" and not dests.all_exist():
            work.begin(work.plan)
        if work.stage == "making":
            dests.refuse_existing(force)
        if work.stage != "done":
            with _kept_if_interrupted(work, dests.images):
                make_shard = _MakeShard(make, work, _ranges(count), ext, seg_dest is not None, truth_dest is not None)
                _make_missing(make_shard, workers, description)
                _place(work, len(make_shard.shards), dests, ext, settings, sources)
        summary = Summary(work.result["num_made"], [Problem(*problem) for problem in work.result["skipped"]])
        work.remove()
    return summary


def _ranges(count: int) -> list[range]:
    """The items of every shard."""
    size = min(max(count // _SHARDS, 1), _MAX_ITEMS)
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


@dataclasses.dataclass(frozen=True)
class _MakeShard:
    """Makes the shard of a number. Workers get a copy of it."""

    make: Callable[[int], Made | Skipped]
    work: Unfinished
    shards: list[range]
    kind: ImageKind
    with_masks: bool
    with_truth: bool

    def __call__(self, number: int) -> None:
        write_shard(self.work.shard(number), self.shards[number], self._wanted, self.kind)

    def _wanted(self, item: int) -> Made | Skipped:
        """The item without what has no destination."""
        made = self.make(item)
        if isinstance(made, Skipped):
            return made
        return dataclasses.replace(
            made, mask=made.mask if self.with_masks else None, truth=made.truth if self.with_truth else {}
        )


def _make_missing(make_shard: _MakeShard, workers: int, description: str) -> None:
    shards = make_shard.shards
    missing = make_shard.work.missing(len(shards))
    num_missing = sum(len(shards[number]) for number in missing)
    if len(missing) < len(shards):
        log.info("Going on with what was begun: %d of %d are still to be made", num_missing, shards[-1].stop)
    with progress(num_missing, description, unit="img") as bar:
        for number, _ in in_parallel(make_shard, missing, workers):
            bar.advance(len(shards[number]))


def _place(
    work: Unfinished,
    num_shards: int,
    dests: Destinations,
    kind: ImageKind,
    settings: Mapping[str, JSON],
    sources: Sequence[Mapping[str, JSON]] | None,
) -> None:
    paths = [work.shard(number) for number in range(num_shards)]
    contents = read_contents(paths, dests.masks is not None)
    if contents.num_made == 0:
        work.begin(work.plan)  # Nothing is worth keeping.
        raise DataError(f"none of {len(contents.skipped)} pictures could be used. {contents.skipped[0]}")
    work.enter("placing")
    place(paths, contents, dests, kind, settings, sources)
    work.enter("done", {"num_made": contents.num_made, "skipped": contents.skipped})


@contextlib.contextmanager
def _kept_if_interrupted(work: Unfinished, dest: Path) -> Iterator[None]:
    """Tells how to go on after whatever stops the work, Ctrl-C and a full disk included."""
    try:
        yield
    except BaseException as error:
        if work.has_shards():
            log.warning("Not finished. The same command goes on from here; what is made is kept in %s", work.folder)
        if isinstance(error, OSError):
            raise DataError(f"{error.filename or dest}: {error.strerror or error}") from error
        raise
