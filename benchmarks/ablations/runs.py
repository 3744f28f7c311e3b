# SPDX-License-Identifier: Apache-2.0
"""The commands of users that an ablation starts: data by dataset_tool.py, training by train.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ablations.budgets import Budget
from benchmarks.ablations.folder import AblationFolder
from dnnlib.child import run_child
from dnnlib.stop import stop_requests
from training.run_config import RunConfig, save_config
from training.run_folder import RunFolder
from training.watch import rows

_ROOT = Path(__file__).resolve().parents[2]
TRAINED, TRUE = "drifted", "true"  # The training set, and the same heads under the cameras that its labels tell.


class StoppedError(Exception):
    """Somebody asked to stop. What was done is kept."""


def make_data(folder: AblationFolder, budget: Budget, name: str, resolution: int) -> None:
    """Item i shows the same head from the same label camera in both sets; only drift moves the true one."""
    img, seg = folder.data(name)
    img.parent.mkdir(exist_ok=True)
    drift = budget.drift if name == TRAINED else 0.0
    _call(
        "dataset_tool.py synth",
        [
            *("--num", str(budget.images), "--resolution", str(resolution), "--img_dest", str(img)),
            *("--seg_dest", str(seg), "--cameras", "front-heavy", "--back-share", str(budget.back_share)),
            *("--drift", str(drift), "--no-depth"),
        ],
    )


def has_data(folder: AblationFolder, name: str) -> bool:
    """The tool puts its sets where they belong when they are whole."""
    return all(path.exists() for path in folder.data(name))


def train(run: RunFolder, config: RunConfig, gpus: int) -> None:
    """Trains, or goes on."""
    run.path.parent.mkdir(parents=True, exist_ok=True)
    path = run.path.parent / "config.json"
    save_config(config, path)
    _call("train.py", ["--cfg", str(path), "--run", str(run.path), "--gpus", str(gpus)])
    if not is_trained(run, config):
        raise StoppedError("the training was stopped")


def is_trained(run: RunFolder, config: RunConfig) -> bool:
    return max(run.saves(), default=0) >= config.loop.total_nimg


def curve(run: RunFolder, metric: str) -> list[list[float]]:
    """(nimg, value) of what its training measured, as far as it has come."""
    found = rows.read(run.path / f"metric-{metric}.jsonl")
    return [[row["nimg"], row["value"]] for row in found if row["value"] is not None]


def _call(command: str, arguments: Sequence[str]) -> None:
    """Runs a script of the project to its end. Asked to stop, it is asked in turn, and may save."""
    script, *words = command.split()
    with stop_requests() as asked:
        code = run_child([sys.executable, str(_ROOT / script), *words, *arguments], asked)
    if asked.is_set():
        raise StoppedError("stopped")
    if code != 0:
        raise ValueError(f"{command} ended with status {code}; what it says is above. The same command goes on")
