# SPDX-License-Identifier: Apache-2.0
"""What keeps a GPU busy: images per second of training by batch, and frames per second of an orbit by frames at once.

The published way computes as PyTorch does unless it is told otherwise; ours in TF32, in bf16, and compiled. A batch is
computed in as few parts as memory allows. Its images lie on the device: what loading takes is not of interest here.
Frames are made with and without CUDA graphs.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import click
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from benchmarks.compare import ENTRIES
from benchmarks.plain_path import plain_path
from benchmarks.train_step import START_NIMG, write_data
from benchmarks.workloads.pictures import generator
from configs import resolve
from dnnlib.config_paths import replace
from training import numerics
from training.generator import Generator
from training.numerics_config import NumericsConfig
from training.portraits.replaying import replayed
from training.portraits.seeds import z_of_seeds
from training.portraits.sitter import TOGETHER, photograph, seat
from training.portraits.trajectories import moving
from training.pretrained.load import in_precision
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer
from training.types import Batch

PLAIN, TF32, BF16, COMPILED = "published way", "TF32", "bf16", "bf16, compiled"
HALF = {
    "generator.precision": "bf16",
    "generator.superresolution.precision": None,
    "critic.precision": "bf16",
    "critic.num_half_precision": 4,
}
# The fields of a configuration that make it one of ours.
CHANGES = {
    PLAIN: {},
    TF32: {"numerics.tf32": True},
    BF16: {"numerics.tf32": True, **HALF},
    COMPILED: {"numerics.tf32": True, "numerics.compile": True, **HALF},
}
FRAMES = 24
NO_TIME, NO_ROOM = "no time left", "does not fit into memory"


class Rate(NamedTuple):
    """Of one way."""

    per_s: float  # Images or frames.
    together: int
    peak_bytes: int | None


# ----------------------------------------------------------------------------------------------------------------------
# Training.


def training_rate(config: RunConfig, way: str, folder: Path, device: str) -> Rate | str:
    """In as few parts as fit; or why there is none."""
    part = config.loop.batch
    while part >= 1:
        parted = replace(config, **CHANGES[way], **{"loop.part": part, "critic.group_size": min(4, part)})
        try:
            with _numbers_of(way, parted.numerics):
                return _training_rate(parted, folder, device)
        except torch.OutOfMemoryError:
            part = part // 2
        except RuntimeError as error:
            if way != COMPILED:
                raise
            return f"not compiled: {str(error).strip().splitlines()[0]:.80}"
        finally:
            torch.compiler.reset()  # Code for other sizes is in nobody's way.
        harness.empty(device)
    return NO_ROOM


def _training_rate(config: RunConfig, folder: Path, device: str) -> Rate:
    batch, every = config.loop.batch, config.loss.r1_every
    trainer = Trainer(config, RunFolder(folder), torch.device(device))
    images = _batch(trainer, device)
    first = -(-START_NIMG // (batch * every)) * every  # The number of a step that has R1.

    def step(number: int) -> None:
        nimg = number * batch
        trainer.step(images, nimg, step_values(config.schedule, config.generator.renderer.resolution, nimg))

    steps: list[Callable[[], None]] = [lambda: step(first), lambda: step(first + 1)]
    for work in steps:  # Operators are built, algorithms chosen, code is compiled.
        work()
    peak = harness.peak_bytes(steps[0], device)
    with_r1_s, without_s = (_seconds(work, device) for work in steps)
    return Rate(batch / (with_r1_s / every + without_s * (1 - 1 / every)), config.loop.part, peak)


def _batch(trainer: Trainer, device: str) -> Batch:
    size, batch = trainer.config.generator.resolution, trainer.config.loop.batch
    index = torch.arange(batch) % len(trainer.dataset.labels)
    pixels = torch.randint(256, (batch, 4, size, size), dtype=torch.uint8)
    return Batch(pixels[:, :3], pixels[:, 3:], {"camera": trainer.dataset.labels[index]}, index).to(device)


# ----------------------------------------------------------------------------------------------------------------------
# Frames.


def frame_rates(G: Generator, device: str) -> Iterator[tuple[str, Rate | str]]:
    """The published way makes one frame after the other, and all of a frame anew."""
    place = torch.device(device)
    labels = moving(G, "Head", FRAMES).to(place)
    with torch.no_grad():
        ws = G.mapping(z_of_seeds([0], G.z_dim).to(place), labels[:1])

    @torch.no_grad()
    def whole_frames() -> None:
        for c in labels.split(1):
            G.synthesis(ws, c)

    yield PLAIN, _frame_rate(PLAIN, whole_frames, 1, device)
    for way, each in ((TF32, G), (BF16, in_precision(deepcopy(G), "bf16").to(place))):
        for together in (1, TOGETHER):
            for name, context in ((f"{way}, {together} at once", nullcontext), (f"{way}, {together}, graph", replayed)):

                def film(each: Generator = each, together: int = together) -> None:
                    list(photograph(each, seat(each, ws), labels, together=together))

                with context(each):
                    yield name, _frame_rate(way, film, together, device)


def _frame_rate(way: str, film: Callable[[], None], together: int, device: str) -> Rate | str:
    try:
        with _numbers_of(way, NumericsConfig(tf32=True)):
            film()
            peak = harness.peak_bytes(film, device)
            return Rate(FRAMES / _seconds(film, device), together, peak)
    except torch.OutOfMemoryError:
        harness.empty(device)
        return NO_ROOM


@contextmanager
def _numbers_of(way: str, config: NumericsConfig) -> Iterator[None]:
    with plain_path() if way == PLAIN else numerics.applied(config):
        yield


def _seconds(work: Callable[[], object], device: str, at_least_s: float = 0.5) -> float:
    """Of one call, the mean over so many as take a while."""
    count, start_s = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start_s < at_least_s:
        work()
        count += 1
        harness.wait(device)
    return (time.perf_counter() - start_s) / count


# ----------------------------------------------------------------------------------------------------------------------


def measure(cfg: str, batches: Sequence[int], device: str, limit_s: float) -> dict[str, dict[str, Rate | str]]:
    """Rows by name, each with its ways. What is compiled comes last, since it takes the longest before it runs."""
    end_s = time.perf_counter() + limit_s
    G = generator(cfg, device)
    rows: dict[str, dict[str, Rate | str]] = {"orbit": {}}
    for way, rate in frame_rates(G, device):
        rows["orbit"][way] = _told("orbit", way, rate)
    del G
    harness.empty(device)
    config = resolve(cfg)
    with tempfile.TemporaryDirectory() as folder:
        img, seg = write_data(Path(folder, "data"), 8, config.generator.resolution)
        config = replace(config, **{"data.img_data": img, "data.seg_data": seg, "data.workers": 0})
        for ways in ((PLAIN, TF32, BF16), (COMPILED,)):
            for batch in batches:
                row = rows.setdefault(f"training, batch {batch}", {})
                for way in ways:
                    rate: Rate | str = NO_TIME
                    if time.perf_counter() < end_s:
                        rate = training_rate(replace(config, **{"loop.batch": batch}), way, Path(folder, "run"), device)
                        harness.empty(device)
                    row[way] = _told(f"training, batch {batch}", way, rate)
    return rows


def _told(row: str, way: str, rate: Rate | str) -> Rate | str:
    click.echo(f"{row}, {way}: {_cell(rate)}", err=True)
    return rate


def table(rows: dict[str, dict[str, Rate | str]]) -> str:
    """Frames in one table, training in another: rates, and how many times that of the published way."""
    orbit = rows["orbit"]
    lines = [
        f"| frames per second of an orbit | | times as fast | to reach {ENTRIES['orbit'].cuda.times:g} x |",
        "|---|---|---|---|",
        *(f"| {way} | {_cell(rate)} | {_times(rate, orbit[PLAIN])} | |" for way, rate in orbit.items()),
        "",
        f"| images per second of training | {' | '.join(CHANGES)} | best, to reach "
        f"{ENTRIES['training'].cuda.times:g} x |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if name == "orbit":
            continue
        best = max((rate for way, rate in row.items() if isinstance(rate, Rate) and way != PLAIN), default=NO_ROOM)
        cells = [_cell(row.get(way, NO_TIME)) for way in CHANGES]
        lines.append(f"| {name.removeprefix('training, ')} | {' | '.join(cells)} | {_times(best, row[PLAIN])} |")
    lines.append("\nIn brackets: images that are computed together, and memory at the peak beside the networks.")
    return "\n".join(lines)


def _cell(rate: Rate | str) -> str:
    if isinstance(rate, str):
        return rate
    memory = "" if rate.peak_bytes is None else f", {rate.peak_bytes / 2**30:.1f} GiB"
    return f"{rate.per_s:.1f} ({rate.together}{memory})"


def _times(rate: Rate | str, plain: Rate | str) -> str:
    if isinstance(rate, str) or isinstance(plain, str):
        return ""
    return f"**{rate.per_s / plain.per_s:.1f} x**"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True)
@click.option("--cfg", default="panohead", show_default=True, help="Configuration by name or file.")
@click.option(
    "--batch", "batches", type=click.IntRange(1), multiple=True, default=(4, 8, 16, 32, 64), show_default=True
)
@click.option("--minutes", type=click.FloatRange(0), default=4.0, show_default=True, help="No row begins after these.")
@click.option("--write", is_flag=True, help="Save as JSON, and put the tables into docs/results.md.")
def main(device: str, cfg: str, batches: tuple[int, ...], minutes: float, write: bool) -> None:
    """Frames and trained images per second, ours against the published way."""
    harness.take_device(device)
    rows = measure(cfg, batches, device, minutes * 60)
    click.echo(table(rows))
    if write:
        click.echo(f"Saved {harness.save('throughput', device, _plain_values(rows))}", err=True)
        text = f"{table(rows)}\n\n{harness.place(harness.environment(device))}"
        harness.put_between_markers(harness.ROOT / "docs" / "results.md", f"throughput-{device}", text)


def _plain_values(rows: dict[str, dict[str, Rate | str]]) -> dict[str, dict]:
    return {
        name: {way: rate._asdict() if isinstance(rate, Rate) else rate for way, rate in row.items()}
        for name, row in rows.items()
    }


if __name__ == "__main__":
    main()
