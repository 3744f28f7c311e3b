# SPDX-License-Identifier: Apache-2.0
"""Training steps of panohead_small: against the batch in one process, and against the number of processes.

Two processes that do not talk cost what this machine makes two of them cost; what ranks cost beyond that is talk.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks import harness
from benchmarks.sweep import CONSTANT, LINEAR, Sweep, Work, timed
from benchmarks.train_step import write_data
from benchmarks.workload import FAST
from benchmarks.workloads.iterations import iteration
from configs import resolve
from dnnlib.config_paths import replace

CFG = "panohead_small"
PART = 8  # Images that are computed together, and a rank's share of the batch.
IMAGES = 64  # Of the data set.


@contextmanager
def batch(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    with ExitStack() as stack:
        works = {}
        for size in sides:
            config = replace(resolve(CFG), **{"loop.batch": size, "loop.part": PART})
            workload = stack.enter_context(iteration(config, "cpu"))
            works[size] = timed("step", workload.ways[FAST]["G, D"].work)
        yield works


@contextmanager
def ranks(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    """One thread and PART images for each process."""
    with TemporaryDirectory() as folder:
        img, seg = write_data(Path(folder), IMAGES, resolve(CFG).generator.resolution)
        common = ["--img_data", img, "--seg_data", seg]

        def work(number: int, count: int) -> dict[str, float]:
            """Milliseconds of a step."""
            place = Path(folder, f"{count}-{number}")
            finish([run := _run(place / "ranks", count, common)])
            together = image_ms(run) * PART * count
            if count == 1:
                return {"ranks": together, "runs that do not talk": together}
            finish(runs := [_run(place / f"run{i}", 1, common) for i in range(count)])
            return {"ranks": together, "runs that do not talk": sum(map(image_ms, runs)) / count * PART}

        yield {count: lambda number, count=count: work(number, count) for count in sides}


def _run(folder: Path, num_ranks: int, options: list[str]) -> "Run":
    """Two ticks, in the first step of each R1."""
    batch = PART * num_ranks
    tick = batch * resolve(CFG).loss.r1_every
    settings = {"loop.batch": batch, "loop.part": PART, "loop.tick_nimg": tick, "loop.total_nimg": 2 * tick}
    return train(CFG, folder, [*options, "--gpus", str(num_ranks)], **settings, **{"data.workers": 0})


class Run(NamedTuple):
    """A training that was started."""

    process: subprocess.Popen
    folder: Path


def train(cfg: str, folder: Path, options: list[str], **settings: object) -> Run:
    """Starts train.py, with one thread per process."""
    command = [sys.executable, str(harness.ROOT / "train.py"), "--cfg", cfg, "--run", str(folder), *options]
    for path, value in {**settings, "device": "cpu"}.items():
        command += ["--set", f"{path}={value}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(harness.ROOT)}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return Run(subprocess.Popen(command, env=environment, **output), folder)


def finish(runs: list[Run]) -> None:
    """Waits for trainings that go on at the same time."""
    said = [run.process.communicate()[0] for run in runs]
    for run, text in zip(runs, said, strict=True):
        if run.process.returncode:
            raise RuntimeError(f"a training ended with status {run.process.returncode}:\n{text[-2000:]}")


def image_ms(run: Run) -> float:
    """Of an image in the last tick. In the first one operators are built and memory is fetched."""
    rows = [json.loads(line) for line in (run.folder / "stats.jsonl").read_text().splitlines()]
    return [1e3 / row["images_per_s"] for row in rows if "images_per_s" in row][-1]


SWEEPS = {
    "step": Sweep("images of a training step", "images", (8, 16, 32, 64), (8, 16), batch, {"step": LINEAR}),
    "ranks": Sweep("ranks, each with its images", "ranks", (1, 2), (1, 2), ranks,
                   {"ranks": CONSTANT, "runs that do not talk": CONSTANT}, rounds=1),
}  # fmt: skip
