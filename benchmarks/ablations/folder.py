# SPDX-License-Identifier: Apache-2.0
"""Where the parts of an ablation are. A part whose file is there is finished, so the same command goes on.

FOLDER/plan.json                    budget, preset in full, what variants change of it; others need another folder
FOLDER/data/                        the training set, and the same heads without drift
FOLDER/VARIANT-SEED/run/            what train.py writes
FOLDER/VARIANT-SEED/measures/*.json numbers by name
FOLDER/speed.json                   what a picture of each variant takes
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, final

from benchmarks.ablations.budgets import Budget
from benchmarks.ablations.variants import VARIANTS
from dnnlib.atomic import atomic_write_text
from dnnlib.config import Tree, to_tree
from dnnlib.config_paths import ABSENT, leaves
from training.run_config import RunConfig
from training.run_folder import RunFolder

Values = dict[str, float | None]  # None: there was nothing to measure.


class Part(NamedTuple):
    """A piece of the work that is done once."""

    kind: str
    name: str
    is_done: Callable[[], bool]
    work: Callable[[], None]


@final
class AblationFolder:
    """Names in it."""

    def __init__(self, path: Path) -> None:
        # Runs note where their data is, and may be gone on with from elsewhere.
        self.path = path.resolve()
        self.speed = self.path / "speed.json"
        self.plan = self.path / "plan.json"

    def claim(self, budget: Budget, base: RunConfig) -> None:
        """Makes the folder, or goes on with it. Refuses one begun with another budget, preset, variant or device.

        `base` is what the runs share: the name of a preset does not tell what it was when the folder was begun.
        """
        variants = {key: each.changes for key, each in VARIANTS.items()}
        now = {"budget": budget.facts(), "variants": variants, "config": _deciding(base)}
        now = json.loads(json.dumps(now))  # As it will be read: a tuple is a list then.
        if self.plan.exists():
            before, after = leaves(read_values(self.plan)), leaves(now)
            pairs = ((path, before.get(path, ABSENT), after.get(path, ABSENT)) for path in {**after, **before})
            if changed := [f"{path} {x} -> {y}" for path, x, y in pairs if x != y]:
                raise ValueError(
                    f"{self.path}: holds an ablation that was begun otherwise, and results would mix "
                    f"({', '.join(changed)}): name another folder with --workdir, or delete this one to begin anew"
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        if any(self.path.iterdir()):
            raise ValueError(f"{self.path}: is not empty and holds no ablation: name another folder with --workdir")
        write_values(self.plan, now)

    def data(self, name: str) -> tuple[Path, Path]:
        """Images and masks."""
        folder = self.path / "data"
        return folder / f"{name}_img.zip", folder / f"{name}_seg.zip"

    def run(self, key: str, seed: int) -> RunFolder:
        return RunFolder(self.path / f"{key}-{seed}" / "run")

    def measured(self, key: str, seed: int, part: str) -> Path:
        return self.path / f"{key}-{seed}" / "measures" / f"{part}.json"


def write_values(path: Path, values: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(values, indent=1) + "\n")


def read_values(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _deciding(base: RunConfig) -> Tree:
    """What decides the results: not where the data is, which is the folder's own, nor by whom it is read."""
    tree = to_tree(base)
    for name in ("img_data", "seg_data", "workers", "prefetch"):
        del tree["data"][name]
    return tree
