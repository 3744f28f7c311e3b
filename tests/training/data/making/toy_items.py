# SPDX-License-Identifier: Apache-2.0
"""Items that workers can make: this module has a name they can import."""

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from dnnlib.files import open_store
from training.data.making.building import Made, Skipped, build
from training.data.problems import Problem

_ROWS = [[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 2.7], [0, 0, 0, 1], [4.2647, 0, 0.5], [0, 4.2647, 0.5], [0, 0, 1]]
LABEL = [float(number) for row in _ROWS for number in row]


@dataclasses.dataclass(frozen=True)
class Toys:
    """Small pictures of their number. Each may take a while, be left out, raise, or end its process."""

    seconds: float = 0.0
    skipped: tuple[int, ...] = ()
    raises: tuple[tuple[int, Exception], ...] = ()
    kills: int = -1
    side: int = 8

    def __call__(self, index: int) -> Made | Skipped:
        time.sleep(self.seconds)
        if index == self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        for raising, error in self.raises:
            if raising == index:
                raise error
        if index in self.skipped:
            return Skipped(Problem(f"toy{index}", "is broken", "mend it"))
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)
        depth = rng.random((self.side, self.side), dtype=np.float32)
        truth = {"depth": depth, "number": np.array(index), "pose": np.eye(4) * index}
        label = [*LABEL[:3], index / 10, *LABEL[4:]]
        return Made(image, image[:, :, 0], label, f"toy{index}.png", truth)


def content_of(path: Path) -> dict[str, bytes]:
    """Everything in a folder or archive."""
    with open_store(path) as store:
        return {name: store.read(name) for name in store.names()}


def build_toys(make: Toys, folder: Path, **options: object) -> object:
    """Twenty toys, unless options say otherwise."""
    defaults = {
        "count": 20,
        "img_dest": folder / "img.zip",
        "seg_dest": folder / "seg.zip",
        "truth_dest": folder / "truth.zip",
        "settings": {"version": 1},
        "workers": 1,
        "force": False,
        "description": "toys",
    }
    return build(make, **{**defaults, **options})


if __name__ == "__main__":
    # A command that can be killed: its folder, the seconds that each toy takes, the number of workers.
    print(build_toys(Toys(float(sys.argv[2]), skipped=(7,)), Path(sys.argv[1]), workers=int(sys.argv[3])))
