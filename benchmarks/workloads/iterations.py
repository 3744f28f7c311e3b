# SPDX-License-Identifier: Apache-2.0
"""A training iteration: both players once, and R1 as often as it is due."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.train_step import START_NIMG, Bench, write_data
from benchmarks.workload import FAST, PLAIN, Part, Workload, plainly
from training.run_config import RunConfig


@contextmanager
def iteration(config: RunConfig, device: str) -> Iterator[Workload]:
    """While inside, its data and run folder exist."""
    with TemporaryDirectory() as folder:
        img, seg = write_data(Path(folder, "data"), 2 * config.loop.batch, config.generator.resolution)
        data = config.data.model_copy(update={"img_data": img, "seg_data": seg})
        bench = Bench(config.model_copy(update={"data": data}), Path(folder, "run"), torch.device(device))
        with bench.trainer.loader(0) as batches:
            yield _workload(bench, batches)


def _workload(bench: Bench, batches: Iterator) -> Workload:
    loop, every = bench.config.loop, bench.config.loss.r1_every
    first = -(-START_NIMG // (loop.batch * every)) * every  # The number of a step that has R1.

    def with_r1(number: int) -> None:
        bench.step_of(batches, (first + number * every) * loop.batch)

    def without(number: int) -> None:
        bench.step_of(batches, (first + number * every + 1) * loop.batch)

    ways = {
        FAST: {"G, D": Part(without, 1 - 1 / every), "G, D, R1": Part(with_r1, 1 / every)},
        PLAIN: {"G, D": Part(plainly(without), 1 - 1 / every), "G, D, R1": Part(plainly(with_r1), 1 / every)},
    }
    return Workload(f"training iteration, {bench.config.name}, batch {loop.batch}", "iteration", ways, rounds=2)
