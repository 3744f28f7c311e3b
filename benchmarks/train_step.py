# SPDX-License-Identifier: Apache-2.0
"""A training step, ours against the published way in stock PyTorch: milliseconds per phase, images per second, memory.

Both ways train the same networks on the same batches in turn, in one process. Every timed step has R1, which is then
counted at its interval. `late` is the native step again after ten million images, `few images` with a data set of
twelve: a step must cost the same there.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from benchmarks.plain_path import plain_path
from configs import resolve
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, label_from_camera
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer

NATIVE, STOCK, LATE, FEW = "native", "stock PyTorch", "late", "few images"
START_NIMG, LATE_NIMG = 300_000, 10_000_000  # Behind the blur and the density noise of the beginning.
PHASES = {"_generator": "G main", "_density": "G density", "_critic": "D main", "_r1": "R1"}
REST, DATA = "optimizers, EMA", "data"


class Stopwatch:
    """Milliseconds by name, by the clock of the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.marks: list[tuple[str, object, object]] = []

    def timed(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def way(*arguments: object) -> object:
            begin = self._now()
            result = call(*arguments)
            self.marks.append((name, begin, self._now()))
            return result

        return way

    def read(self) -> dict[str, float]:
        """The sums since the last reading."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        sums: dict[str, float] = {}
        for name, begin, end in self.marks:
            ms = begin.elapsed_time(end) if self.device.type == "cuda" else (end - begin) * 1e3
            sums[name] = sums.get(name, 0.0) + ms
        self.marks.clear()
        return sums

    def _now(self) -> object:
        if self.device.type == "cpu":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


class Bench:
    """One run, of which single steps are timed."""

    def __init__(self, config: RunConfig, folder: Path, device: torch.device) -> None:
        self.config = config
        self.watch = Stopwatch(device)
        self.trainer = Trainer(config, RunFolder(folder), device)
        self.step = self.trainer.step
        for method, phase in PHASES.items():
            setattr(self.step, method, self.watch.timed(phase, getattr(self.step, method)))

    def take(self, batches: Iterator, nimg: int) -> dict[str, float]:
        """Milliseconds of each phase of the first step from `nimg` on that has all of them."""
        all_due = self.config.loop.batch * self.config.loss.r1_every * self.config.loss.density_every
        self.step_of(batches, -(-nimg // all_due) * all_due)
        phases = self.watch.read()
        phases[REST] = phases.pop("step") - sum(phases[phase] for phase in PHASES.values() if phase in phases)
        return phases

    def step_of(self, batches: Iterator, nimg: int) -> None:
        """The step that begins with image `nimg`, with the phases that are due there."""
        values = step_values(self.config.schedule, self.config.generator.renderer.resolution, nimg)
        data = self.watch.timed(DATA, next)(batches).to(self.watch.device, non_blocking=True)
        self.watch.timed("step", self.step)(data, nimg, values)

    def images_per_second(self, phases: dict[str, float]) -> float:
        loss = self.config.loss
        every = {"R1": loss.r1_every, "G density": loss.density_every}
        return self.config.loop.batch * 1e3 / sum(ms / every.get(phase, 1) for phase, ms in phases.items())


def plainly(bench: Bench, batches: Iterator) -> dict[str, float]:
    with plain_path():
        return bench.take(batches, START_NIMG)


def outside_kernels(bench: Bench, batches: Iterator) -> float:
    """Share of a native step in which no operator computes: Python, on a GPU also the time it waits for work."""
    cuda = bench.watch.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activity.CPU, *([activity.CUDA] if cuda else [])]) as profile:
        start_s = time.perf_counter()
        bench.take(batches, START_NIMG)
        wall_s = time.perf_counter() - start_s
    events = profile.key_averages()
    busy_us = sum(event.self_device_time_total if cuda else event.self_cpu_time_total for event in events)
    return max(1 - busy_us * 1e-6 / wall_s, 0.0)


def peak_bytes(device: torch.device) -> int:
    """So far: of the process, or of the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def write_data(folder: Path, count: int, resolution: int) -> tuple[str, str]:
    """Pictures of noise with cameras from all around, the slowest to decode, and round masks."""
    rng = np.random.default_rng(0)
    yaw = torch.from_numpy(rng.uniform(-np.pi, np.pi, count))
    labels = label_from_camera(camera_on_sphere(*hv_from_angles(yaw, torch.zeros_like(yaw)))).tolist()
    axis = np.linspace(-1, 1, resolution)
    mask = Image.fromarray(((axis**2 + axis[:, None] ** 2 < 0.6) * 255).astype(np.uint8))
    images, masks = folder / "images", folder / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    for i in range(count):
        noise = rng.integers(0, 256, (resolution, resolution, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{i:06}.png")
        mask.save(masks / f"{i:06}.png")
    rows = [[f"{i:06}.png", label] for i, label in enumerate(labels)]
    (images / "dataset.json").write_text(json.dumps({"labels": rows}))
    return str(images), str(masks)


def measure(config: RunConfig, device: torch.device, rounds: int, items: int, folder: Path) -> dict[str, object]:
    def bench(name: str, count: int) -> Bench:
        img, seg = write_data(folder / name, count, config.generator.resolution)
        data = config.data.model_copy(update={"img_data": img, "seg_data": seg})
        return Bench(config.model_copy(update={"data": data}), folder / f"run-{name}", device)

    many, few = bench("many", items), bench("few", 12)
    taken: dict[str, list[dict[str, float]]] = {NATIVE: [], STOCK: [], LATE: [], FEW: []}
    with ExitStack() as stack:
        batches, few_batches = (stack.enter_context(b.trainer.loader(0)) for b in (many, few))
        ways = {
            NATIVE: lambda: many.take(batches, START_NIMG),
            LATE: lambda: many.take(batches, LATE_NIMG),
            FEW: lambda: few.take(few_batches, START_NIMG),
            STOCK: lambda: plainly(many, batches),
        }
        memory: dict[str, int] = {}
        ways[FEW]()  # All ways once without timing: operators are built, workers start, memory is fetched.
        for name in (NATIVE, STOCK):
            ways[name]()
            memory[name] = peak_bytes(device)
        for _ in range(rounds):
            for name, take in ways.items():
                take()  # Caches and memory are then as this way leaves them, and not as another did.
                taken[name].append(take())
        share = outside_kernels(many, batches)
    speeds = {name: harness.median([many.images_per_second(phases) for phases in rows]) for name, rows in taken.items()}
    return {
        "config": config.name,
        "batch": config.loop.batch,
        "part": config.loop.part,
        "images_per_second": {name: round(speed, 3) for name, speed in speeds.items()},
        "ratio": round(speeds[NATIVE] / speeds[STOCK], 3),
        "milliseconds": {
            name: {phase: round(harness.median([row[phase] for row in rows]), 2) for phase in rows[0]}
            for name, rows in taken.items()
        },
        "peak_bytes": memory,
        "share_outside_kernels": round(share, 4),
    }


def table(result: dict) -> str:
    ms = result["milliseconds"]
    phases = [phase for phase in (*PHASES.values(), REST, DATA) if phase in ms[NATIVE]]
    lines = [
        f"| milliseconds per step of {result['batch']} | {' | '.join(phases)} | images/s |",
        "|---|" + "---|" * (len(phases) + 1),
    ]
    for name, speed in result["images_per_second"].items():
        lines.append(f"| {name} | {' | '.join(f'{ms[name][phase]:.1f}' for phase in phases)} | **{speed:.2f}** |")
    memory = ", ".join(f"{name} {size / 2**30:.2f} GiB" for name, size in result["peak_bytes"].items())
    lines.append(
        f"\n`{result['config']}`, parts of {result['part'] or result['batch']}: native is **{result['ratio']:.2f} x** "
        f"stock PyTorch. Peak memory, the first before the second: {memory}. "
        f"Outside kernels: {result['share_outside_kernels']:.1%} of a native step."
    )
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--cfg", default="panohead_small", show_default=True, help="Configuration by name or file.")
@click.option("--set", "assignments", multiple=True, metavar="A.B=C", help="Change a field of it.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Rounds that the medians are of.")
@click.option("--items", type=click.IntRange(4), default=2000, show_default=True, help="Images of the data set.")
@click.option("--write", is_flag=True, help="Save the result as JSON and put the table into docs/ops.md.")
def main(device: str, cfg: str, assignments: tuple[str, ...], rounds: int, items: int, write: bool) -> None:
    """Time training steps, native operators against stock PyTorch."""
    harness.take_device(device)
    config = resolve(cfg, assignments)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(config, torch.device(device), rounds, items, Path(folder))
    click.echo(table(result))
    if write:
        click.echo(f"Saved {harness.save('train_step', device, [result])}", err=True)
        title = harness.place(harness.environment(device))
        page = harness.ROOT / "docs" / "ops.md"
        harness.put_between_markers(page, f"train-step-{device}", f"{title}\n\n{table(result)}")


if __name__ == "__main__":
    main()
