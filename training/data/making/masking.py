# SPDX-License-Identifier: Apache-2.0
"""A folder or archive of masks for one of pictures: segmented in batches, restartable, whole or not there.

Finished masks are kept in `<dest>.parts` until all are there. The same command again goes on with what is missing;
other options, another network or other pictures are noticed.
"""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from dnnlib.atomic import atomic_write_bytes, atomic_write_text
from dnnlib.files import Store, open_store
from dnnlib.locks import FileLock
from dnnlib.progress import progress
from training.data.images import ImageError, decode_image, decode_mask, encode_png, is_image
from training.data.making.segmentation import Reading, mask_flaw
from training.data.making.segmenter import Mask, Picture, Segmenter
from training.data.masks import stem
from training.data.problems import DataError, Problem

T = TypeVar("T")
R = TypeVar("R")

SHOWN = 24


class MaskReport(NamedTuple):
    """What was made. Pictures that cannot be read have no mask; flawed masks are there all the same."""

    num_masks: int
    reading: Reading
    skipped: list[Problem]
    flawed: list[Problem]


def make_masks(
    img_data: Path,
    seg_dest: Path,
    segmenter: Segmenter,
    *,
    workers: int,
    force: bool,
    show: Callable[[str, Picture, Mask], None],
) -> MaskReport:
    """Makes the mask of every picture. `show` is called with some of them, spread over the set."""
    if not force and (seg_dest.is_file() or (seg_dest.is_dir() and any(seg_dest.iterdir()))):
        raise DataError(f"{seg_dest}: exists; choose another --seg_dest, or replace it with --force")
    with open_store(img_data) as pictures, ThreadPoolExecutor(workers) as pool:
        names = [name for name in pictures.names() if is_image(name)]
        mask_names = _mask_names(names, img_data)
        _probe(pictures, names, pool, segmenter)
        parts = _open_parts(seg_dest, _fingerprint(img_data, names, segmenter), force)
        with FileLock(parts / ".lock", timeout_s=0):
            skipped = _segment(pictures, mask_names, pool, segmenter, parts)
            made = {name: mask_name for name, mask_name in mask_names.items() if (parts / mask_name).is_file()}
            flawed = _publish(pictures, made, parts, seg_dest, force, show)
            shutil.rmtree(parts)
    assert segmenter.reading is not None
    return MaskReport(len(made), segmenter.reading, skipped, flawed)


def _probe(pictures: Store, names: Sequence[str], pool: ThreadPoolExecutor, segmenter: Segmenter) -> None:
    """Tries the network on the first pictures that can be read, always the same ones."""
    skipped: list[Problem] = []
    readable = _read_all(pictures, names, pool, segmenter.batch, skipped)
    first = [picture for _, picture in _first(readable, segmenter.batch)]
    if not first:
        raise DataError(f"{pictures.path}: no picture in it can be read" + (f"; {skipped[0]}" if skipped else ""))
    segmenter.probe(first)


def _segment(
    pictures: Store, mask_names: Mapping[str, str], pool: ThreadPoolExecutor, segmenter: Segmenter, parts: Path
) -> list[Problem]:
    """Makes the masks that are not there yet. Returns the pictures that cannot be read."""
    skipped: list[Problem] = []
    missing = [name for name, mask_name in mask_names.items() if not (parts / mask_name).is_file()]
    with progress(len(missing), "masks", unit="img") as bar:
        for batch in _batches(_read_all(pictures, missing, pool, segmenter.batch, skipped), segmenter.batch):
            masks = segmenter.masks([picture for _, picture in batch])
            for (name, _), data in zip(batch, pool.map(encode_png, masks), strict=True):
                path = parts / mask_names[name]
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write_bytes(path, data, sync=False)
            bar.advance(len(batch))
    return skipped


def _publish(
    pictures: Store,
    made: Mapping[str, str],
    parts: Path,
    seg_dest: Path,
    force: bool,
    show: Callable[[str, Picture, Mask], None],
) -> list[Problem]:
    """Moves the masks to where they belong. Returns those that can hardly be of heads."""
    flawed = []
    names = list(made)
    shown = {names[i] for i in np.linspace(0, len(names) - 1, SHOWN).astype(int)}
    with open_store(seg_dest, "w", overwrite=force) as dest:
        for name in progress(names, "archive", unit="img"):
            data = (parts / made[name]).read_bytes()
            dest.write(made[name], data)
            mask = decode_mask(data, made[name])
            if (flaw := mask_flaw(mask)) is not None:
                flawed.append(Problem(made[name], flaw, "look at the picture, and leave it out or paint its mask"))
            if name in shown:
                show(name, decode_image(pictures.read(name), name)[..., :3], mask)
    return flawed


def _mask_names(names: Sequence[str], img_data: Path) -> dict[str, str]:
    mask_names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name in names:
        mask_names[name] = stem(name) + ".png"
        if (first := owners.setdefault(mask_names[name], name)) != name:
            raise DataError(f"{img_data}: {first} and {name} would share one mask; rename one of them")
    return mask_names


def _fingerprint(img_data: Path, names: Sequence[str], segmenter: Segmenter) -> str:
    """What the unfinished masks are of; they are used again only where all of it is the same."""
    network = hashlib.sha256(segmenter.network.path.read_bytes()).hexdigest()
    listed = hashlib.sha256("\0".join(names).encode()).hexdigest()
    options = segmenter.options._replace(input_size=segmenter.size, batch=segmenter.batch)._asdict()
    return json.dumps({"img_data": str(img_data.absolute()), "names": listed, "network": network, **options}, indent=1)


def _open_parts(seg_dest: Path, fingerprint: str, force: bool) -> Path:
    """The folder of finished masks."""
    parts = seg_dest.with_name(seg_dest.name + ".parts")
    settings = parts / ".settings.json"
    if force and parts.exists():
        shutil.rmtree(parts)
    if parts.exists() and not (settings.is_file() and settings.read_text() == fingerprint):
        raise DataError(
            f"{parts}: unfinished masks of other pictures, another network or other options; give those again, or "
            "throw them away with --force"
        )
    parts.mkdir(parents=True, exist_ok=True)
    atomic_write_text(settings, fingerprint)
    return parts


def _read_all(
    store: Store, names: Iterable[str], pool: ThreadPoolExecutor, ahead: int, skipped: list[Problem]
) -> Iterator[tuple[str, Picture]]:
    """The pictures, read a little ahead. Those that cannot be read are told and left out."""

    def read(name: str) -> tuple[str, Picture | Exception]:
        try:
            return name, decode_image(store.read(name), name)[..., :3]
        except ImageError as error:
            return name, error

    for name, picture in _ahead(pool, read, names, ahead):
        if isinstance(picture, Exception):
            reason, _, remedy = str(picture).removeprefix(f"{name}: ").partition("; ")
            skipped.append(Problem(name, reason, remedy))
        else:
            yield name, picture


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """`map` in threads, in order, no more than `ahead` items before the one that is asked for."""
    waiting = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    items = iter(items)
    while batch := _first(items, size):
        yield batch


def _first(items: Iterator[T], count: int) -> list[T]:
    return [item for _, item in zip(range(count), items, strict=False)]
