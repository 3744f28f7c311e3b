# SPDX-License-Identifier: Apache-2.0
"""Where a new set goes: images, masks and ground truth, each a folder or a zip archive, and what may be replaced there.

A folder is replaced only if nothing lies in it but files of a set, so that --force never removes anything else.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from dnnlib.atomic import is_unfinished
from dnnlib.config_types import JSON
from dnnlib.files import Store, open_store
from training.data.labels import DATASET_JSON
from training.data.problems import DataError

TRUTH_FILE = "truth.npz"

_SET_FILE = re.compile(r"\d{5}/img\d{8}(\.\w+|/\w+\.npy)")


class Destinations(NamedTuple):
    """The paths of a new set."""

    images: Path
    masks: Path | None
    truth: Path | None

    @staticmethod
    def of(img_dest: str | Path, seg_dest: str | Path | None, truth_dest: str | Path | None) -> "Destinations":
        """Checks that they can be written side by side."""
        paths = [None if path is None else Path(os.path.abspath(path)) for path in (img_dest, seg_dest, truth_dest)]
        named = [path for path in paths if path is not None]
        for path in named:
            if path.suffix.lower() in (".tar", ".gz", ".tgz", ".npz", ".7z", ".rar"):
                raise DataError(f"{path}: cannot be written; name a folder, or an archive that ends in .zip")
            if any(path is not other and path.is_relative_to(other) for other in named):
                raise DataError(f"{path}: is, or lies in, another destination of this command; choose separate places")
        return Destinations(*paths)

    def named(self) -> list[Path]:
        """Those that are wanted. Images come last: their dataset.json tells that all the rest is there."""
        return [path for path in (self.truth, self.masks, self.images) if path is not None]

    def plan(self) -> JSON:
        """The paths as seen from the first, so that all may move together."""
        return [path and os.path.relpath(path, self.images.parent) for path in self]

    def all_exist(self) -> bool:
        return all(_is_taken(path) for path in self.named())

    def refuse_existing(self, force: bool) -> None:
        """What is there may not be replaced, unless by force, and then only if it is a set."""
        for path in reversed(self.named()):
            if _is_taken(path) and not force:
                raise DataError(f"{path}: exists already; choose another name, or replace it with --force")
            _old_files(path)


def replace_store(path: Path) -> Store:
    """The folder or archive for writing. What a folder had of a set goes."""
    for old in _old_files(path):
        old.unlink()
    return open_store(path, "w", overwrite=True)


def _is_taken(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else os.path.lexists(path)


def _old_files(path: Path) -> list[Path]:
    """The files of the set in the folder of that name. Foreign files are refused."""
    if path.suffix.lower() == ".zip":
        if path.is_dir():
            raise DataError(f"{path}: is a folder, though its name is that of an archive; choose another name")
        return []
    if os.path.lexists(path) and not path.is_dir():
        raise DataError(f"{path}: is a file, and a folder was to be written; choose another name, or one with .zip")
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            inside = Path(folder, name).relative_to(path).as_posix()
            is_ours = inside in (DATASET_JSON, TRUTH_FILE) or _SET_FILE.fullmatch(inside) or is_unfinished(name)
            if not is_ours:
                raise DataError(f"{path}: holds {inside!r}, which is no part of a set; choose another folder")
            found.append(Path(folder, name))
    return found
