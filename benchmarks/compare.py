# SPDX-License-Identifier: Apache-2.0
"""Everything people wait for, ours against the published way: pictures, orbits, shapes, inversions, training.

Both ways compute the same networks in turn, each in its own process; the pictures are compared too. The floor is the
bare convolutions of the same shapes, and nothing else. `plain_path.py` is the published way, `floor.py` the floor.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from benchmarks.charts import speed_chart
from benchmarks.neighbour import Neighbour
from benchmarks.workload import FAST, FAST_BF16, FLOOR, PLAIN, PLAIN_FLOOR, Workload, measure
from benchmarks.workloads.inversions import inversion
from benchmarks.workloads.iterations import iteration
from benchmarks.workloads.pictures import generator, orbit, picture
from benchmarks.workloads.shapes import shape
from configs import resolve
from dnnlib.config_paths import replace
from dnnlib.drawing import RGBPicture
from training import numerics
from training.numerics_config import NumericsConfig


class Goals(NamedTuple):
    """What is to be reached on a device."""

    times: float | None = None  # As fast as the published way.
    times_bf16: float | None = None
    of_floor: float | None = None  # At most so many times the floor.
    memory: float = 1  # At most so much of the published way's.


class Entry(NamedTuple):
    """A row of the table, made when its turn comes."""

    make: Callable[[str, bool], AbstractContextManager[Workload]]  # (device, whether the device computes in bf16)
    cpu: Goals = Goals()
    cuda: Goals = Goals()

    def goals(self, device: str) -> Goals:
        return self.cuda if device == "cuda" else self.cpu


def _of_generator(cfg: str, make: Callable[..., Workload], *arguments: object, bf16: bool = False) -> Callable:
    def made(device: str, has_bf16: bool) -> AbstractContextManager[Workload]:
        options = {"bf16": has_bf16} if bf16 else {}
        return nullcontext(make(generator(cfg, device), *arguments, **options))

    return made


def _training(cfg: str, batch: int) -> Callable:
    def made(device: str, _: bool) -> AbstractContextManager[Workload]:
        config = replace(resolve(cfg), **{"loop.batch": batch, "loop.part": batch, "critic.group_size": min(4, batch)})
        return iteration(config, device)

    return made


# Training in larger batches on GPUs is in throughput.py.
ENTRIES = {
    "picture": Entry(_of_generator("panohead", picture, 64, bf16=True), Goals(3.2, 6, 1.4), Goals(4)),
    "picture128": Entry(
        _of_generator("panohead", picture, 128, bf16=True), Goals(5, 9, memory=1 / 3), Goals(memory=1 / 3)
    ),
    "orbit": Entry(_of_generator("panohead", orbit, bf16=True), Goals(5.5, 9.5, 1.4), Goals(8)),
    "shape": Entry(_of_generator("panohead", shape, 512), Goals(40)),
    "search": Entry(_of_generator("panohead", inversion, "search"), Goals(2.5)),
    "tuning": Entry(_of_generator("panohead", inversion, "tuning"), Goals(2)),
    "training": Entry(_training("panohead", 2), Goals(2), Goals(3)),
    "small-picture": Entry(_of_generator("panohead_small", picture, 32, bf16=True)),
    "small-orbit": Entry(_of_generator("panohead_small", orbit, bf16=True)),
    "small-training": Entry(_training("panohead_small", 8), Goals(2.5)),
}


def has_bf16(device: str) -> bool:
    """Whether the device multiplies bf16 itself; otherwise it is slower than fp32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def ratio(record: dict, way: str, over: str) -> float | None:
    ms = record["milliseconds"]
    return ms[over] / ms[way] if way in ms and over in ms else None


def table(records: dict[str, dict], device: str) -> str:
    """Rows in the order of ENTRIES."""
    lines = [
        "| | published way | of its floor | ours | times as fast | to reach | of the floor | to reach "
        "| bf16 | to reach | bf16, dB | memory | to reach |",
        "|" + "---|" * 13,
    ]
    for key, entry in ENTRIES.items():
        if key not in records:
            continue
        record, goals = records[key], entry.goals(device)
        if "failed" in record:
            lines.append(f"| {key} | {record['failed']} |{' |' * 11}")
            continue
        ms, peak = record["milliseconds"], record["peak_bytes"]
        floor, bf16 = ratio(record, FLOOR, FAST), ratio(record, FAST_BF16, PLAIN)
        its_floor = ratio(record, PLAIN_FLOOR, PLAIN)
        decibels = record.get("psnr_db", {}).get(FAST_BF16)
        memory = f"**{peak[FAST] / peak[PLAIN]:.2f}**" if peak.get(FAST) and peak.get(PLAIN) else ""
        cells = [
            record["name"],
            _time(ms[PLAIN]),
            "" if its_floor is None else f"{its_floor:.1f}",
            _time(ms[FAST]),
            f"**{ratio(record, FAST, PLAIN):.1f} x**",
            _times(goals.times),
            "" if floor is None else f"**{floor:.2f}**",
            "" if goals.of_floor is None else f"{goals.of_floor:g}",
            "" if bf16 is None else f"**{bf16:.1f} x**",
            _times(goals.times_bf16),
            "" if decibels is None else f"{decibels:g}",
            memory,
            f"{goals.memory:.2g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(goal: float | None) -> str:
    return "" if goal is None else f"{goal:g} x"


def _time(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1e4 else f"{ms / 1e3:.1f} s"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(ENTRIES)))
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--rounds", type=click.IntRange(1), help="Rounds that the medians are of; none: what each is worth.")
@click.option("--kept", is_flag=True, help="Let the published way, too, keep the memory that it frees. Not saved.")
@click.option("--write", is_flag=True, help="Save as JSON, and put table and chart into docs/results.md.")
def main(names: tuple[str, ...], device: str, rounds: int | None, kept: bool, write: bool) -> None:
    """Time NAMES (all, if none is given) against the published way, and against their floor."""
    if kept and write:
        raise click.UsageError("--kept changes what is compared with, so its figures are not saved: leave out --write.")
    harness.take_device(device)
    records = {}
    for name in names or ENTRIES:
        # Memory is counted in a process that has held nothing before.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
            records[name] = process.submit(record_of, name, device, rounds, kept).result()
        click.echo(table({name: records[name]}, device).splitlines()[-1], err=True)
        if write:
            publish({**harness.saved("compare", device), **records}, device)
    click.echo(table(records, device))


def record_of(name: str, device: str, rounds: int | None, kept: bool) -> dict[str, object]:
    """A row, or why there is none."""
    harness.take_device(device)
    # On a GPU the published way, in its own process, computes as PyTorch does unless it is told otherwise.
    numerics.apply(NumericsConfig(tf32=True))
    try:
        with ENTRIES[name].make(device, has_bf16(device)) as workload, Neighbour(name, device, kept) as neighbour:
            record = measure(neighbour.instead(workload), device, rounds)
    except torch.OutOfMemoryError:
        record = {"failed": "does not fit into memory"}
    return {**record, "environment": harness.environment(device)}


def publish(records: dict[str, dict], device: str) -> None:
    """What was measured before and not now stays. Each record says what it was measured with."""
    harness.save("compare", device, records)
    picture = harness.ROOT / "docs" / "images" / f"speed-{device}.png"
    Image.fromarray(chart(records, device)).save(picture, optimize=True)
    rows_of: dict[str, list[str]] = {}
    for key in ENTRIES:
        if key in records:
            rows_of.setdefault(harness.place(records[key]["environment"]), []).append(key)
    places = [f"{place[:-1]}: {', '.join(keys)}." for place, keys in rows_of.items()]
    text = f"{table(records, device)}\n\n![What ours takes of the published way's time](images/{picture.name})\n\n"
    harness.put_between_markers(harness.ROOT / "docs" / "results.md", f"compare-{device}", text + "  \n".join(places))


def chart(records: dict[str, dict], device: str) -> RGBPicture:
    """A row for each record in the order of ENTRIES."""
    rows, floors = [], {}
    for record in (records[key] for key in ENTRIES if "milliseconds" in records.get(key, {})):
        ms = record["milliseconds"]
        ways = {"published way": PLAIN, "ours": FAST, "ours, bf16": FAST_BF16}
        rows.append((record["name"], {label: ms[way] for label, way in ways.items() if way in ms}))
        if FLOOR in ms:
            floors[record["name"]] = ms[FLOOR]
    return speed_chart(rows, title=f"Time, of the published way's ({device})", floors=floors)


if __name__ == "__main__":
    main()
