# SPDX-License-Identifier: Apache-2.0
"""Where the parts of an ablation are. A part whose file is there is finished, so the same command goes on.

FOLDER/plan.json                    the budget; another one needs another folder
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
from dnnlib.atomic import atomic_write_text
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

    def claim(self, budget: Budget) -> None:
        """Makes the folder, or goes on with it. Refuses one that belongs to another budget."""
        if self.plan.exists():
            before, now = json.loads(self.plan.read_text(encoding="utf-8")), budget.facts()
            changed = [f"{key} {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]
            if changed:
                raise ValueError(
                    f"{self.path}: holds an ablation of another budget ({', '.join(changed)}): name another folder "
                    "with --workdir, or ask for the same budget to go on"
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        if any(self.path.iterdir()):
            raise ValueError(f"{self.path}: is not empty and holds no ablation: name another folder with --workdir")
        atomic_write_text(self.plan, json.dumps(budget.facts(), indent=1) + "\n")

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
