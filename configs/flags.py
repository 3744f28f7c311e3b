# SPDX-License-Identifier: Apache-2.0
"""Flags of train.py: each a shorthand for fields of a run's configuration, spelled as PanoHead spells it.

One table, `FLAGS`. Flags apply in its order, whatever the order on the command line: lengths that go with the batch
follow `batch` before they are given themselves. Every flag is accepted with dashes and with underscores.
"""

import dataclasses
from collections.abc import Callable

from dnnlib.config import Tree
from dnnlib.config_types import JSON

# What a flag's text becomes: values by path, given the configuration so far. A ValueError says what was expected.
Conversion = Callable[[str, Tree], dict[str, JSON]]


@dataclasses.dataclass(frozen=True)
class Flag:
    """One flag. With a path for its conversion, its text is read as `--set PATH=TEXT` reads it."""

    name: str
    sets: str | Conversion
    meaning: str

    @property
    def spellings(self) -> list[str]:
        return sorted({f"--{self.name}", f"--{self.name.replace('_', '-')}", f"--{self.name.replace('-', '_')}"})


def kimg(path: str) -> Conversion:
    """Thousands of images to images."""

    def convert(text: str, tree: Tree) -> dict[str, JSON]:
        try:
            return {path: round(float(text) * 1000)}
        except (ValueError, OverflowError):
            raise ValueError("expected thousands of images, such as 200") from None

    return convert


def snapshots(text: str, tree: Tree) -> dict[str, JSON]:
    """Ticks from one save to the next, to images."""
    if not text.isdecimal():
        raise ValueError("expected a number of ticks, such as 50")
    return {"loop.snapshot_nimg": int(text) * tree["loop"]["tick_nimg"]}


FLAGS: tuple[Flag, ...] = (
    Flag("img_data", "data.img_data", "folder or zip of images with dataset.json"),
    Flag("seg_data", "data.seg_data", "folder or zip of masks"),
    Flag("batch", "loop.batch", "images per step, over all processes together"),
    Flag("batch-gpu", "loop.part", "images computed together in one process; less memory, the same result"),
    Flag("kimg", kimg("loop.total_nimg"), "length of the run, in thousands of images"),
    Flag("tick", kimg("loop.tick_nimg"), "thousands of images between two lines of progress"),
    Flag("snap", snapshots, "ticks between two saves"),
    Flag("seed", "seed", "every random number follows from it"),
    Flag("workers", "data.workers", "processes that load data, for each training process"),
    Flag("device", "device", "auto, cpu or cuda"),
)
