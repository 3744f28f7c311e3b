# SPDX-License-Identifier: Apache-2.0
"""Where the time of a picture goes: its stages, each against a floor of its own.

The floor of a stage is what its multiplications take at the rate of the fastest convolution of this machine, or what
the bytes that it must read and write take at the rate of a copy, whichever is longer.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import floor, harness
from benchmarks.train_step import Stopwatch
from benchmarks.workloads.pictures import generator
from training import numerics
from training.generator import Generator
from training.numerics_config import NumericsConfig
from training.portraits.seeds import z_of_seeds
from training.portraits.trajectories import moving

_FLOAT = 4
_CORNERS = 8  # Of the cell of a tri-grid in which a point lies.


class Rates(NamedTuple):
    """Of this machine."""

    gflop_per_s: float
    gbyte_per_s: float


class Load(NamedTuple):
    """What a stage cannot do without."""

    gflop: float
    gbyte: float

    def floor_ms(self, rates: Rates) -> float:
        return 1e3 * max(self.gflop / rates.gflop_per_s, self.gbyte / rates.gbyte_per_s)


def rates(device: str) -> Rates:
    """The best of several convolutions and copies."""
    x = torch.randn(1, 256, 128, 128, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device).contiguous(memory_format=torch.channels_last)
    conv = floor.Convolution(torch.nn.functional.conv2d, x, weight, {"padding": 1})
    pages = torch.randn(64_000_000, device=device)
    other = torch.empty_like(pages)
    times = harness.time_in_turn(
        {"conv": lambda _: floor.run([conv]), "copy": lambda _: other.copy_(pages)}, device, rounds=9
    )
    conv_ms, copy_ms = (min(times[name]) for name in ("conv", "copy"))
    return Rates(conv.gflop / conv_ms * 1e3, 2 * _FLOAT * pages.numel() * 1e-6 / copy_ms)


def stages(G: Generator) -> dict[str, tuple[object, str]]:
    """The owner and the name of what does each of them."""
    return {
        "styles": (G.mapping_network, "forward"),
        "planes": (G.field, "prepare"),
        "rays": (G.renderer, "render"),
        "background": (G.post, "backdrop"),
        "super-resolution": (G.post, "forward"),
    }


def loads(G: Generator, rays: int) -> dict[str, Load]:
    """Of one picture."""
    convolutions: dict[str, list[floor.Convolution]] = {}

    def watch(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def way(*arguments: object) -> object:
            kept: list[object] = []
            convolutions[name] = floor.convolutions_of(lambda: kept.append(call(*arguments)))
            return kept[0]

        return way

    _through(G, rays, watch)
    made = {name: _convolved(convolutions.get(name, [])) for name in stages(G)}
    marcher, field = G.config.renderer, G.config.field
    samples = rays**2 * (marcher.num_coarse + marcher.num_fine)
    hidden = field.channels * field.decoder_width + field.decoder_width * (1 + G.field.num_channels)
    taps = 3 * field.channels * (_CORNERS if field.depth > 1 else _CORNERS // 2)
    planes = 3 * field.depth * field.channels * field.resolution**2
    out = rays**2 * (G.field.num_channels + 2)
    made["rays"] = Load(2e-9 * samples * (hidden + taps), 1e-9 * _FLOAT * (planes + out))
    mapping = sum(p.numel() for p in G.mapping_network.parameters())
    made["styles"] = Load(2e-9 * mapping, 1e-9 * _FLOAT * mapping)
    return made


def _convolved(convolutions: list[floor.Convolution]) -> Load:
    """Each convolution reads its input and its weight; what it writes the next one reads."""
    moved = sum(conv.x.numel() + conv.weight.numel() for conv in convolutions)
    return Load(sum(conv.gflop for conv in convolutions), 1e-9 * _FLOAT * moved)


@torch.no_grad()
def _through(G: Generator, rays: int, watch: Callable, number: int = 0) -> None:
    """One picture, with `watch(name, call)` around each stage."""
    place = next(G.parameters()).device
    z, c = z_of_seeds([number], G.z_dim).to(place), moving(G, "Head", 16)[number % 16][None].to(place)
    for name, (owner, method) in stages(G).items():
        setattr(owner, method, watch(name, getattr(owner, method)))
    try:
        G(z, c, neural_rendering_resolution=rays)
    finally:
        for owner, method in stages(G).values():
            delattr(owner, method)  # What the class has is there again.


def measure(G: Generator, rays: int, device: str, rounds: int) -> list[dict[str, object]]:
    watch = Stopwatch(torch.device(device))
    rows: list[dict[str, float]] = []
    for number in range(rounds + 1):
        start_s = time.perf_counter()
        _through(G, rays, watch.timed, number)
        row = watch.read()
        rows.append({**row, "the rest": (time.perf_counter() - start_s) * 1e3 - sum(row.values())})
    speed, needs = rates(device), loads(G, rays)
    return [
        {
            "stage": name,
            "milliseconds": round(harness.median([row[name] for row in rows[1:]]), 2),
            "gflop": round(needs[name].gflop, 3) if name in needs else 0.0,
            "gbyte": round(needs[name].gbyte, 4) if name in needs else 0.0,
            "floor_ms": round(needs[name].floor_ms(speed), 2) if name in needs else 0.0,
        }
        for name in rows[0]
    ] + [{"gflop_per_s": round(speed.gflop_per_s), "gbyte_per_s": round(speed.gbyte_per_s, 1)}]


def table(records: list[dict]) -> str:
    *rows, speed = records
    whole = sum(row["milliseconds"] for row in rows)
    lines = ["| stage | ms | share | GFLOP | MB | floor, ms | of its floor |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ms, least = row["milliseconds"], row["floor_ms"]
        lines.append(
            f"| {row['stage']} | {ms:.1f} | {ms / whole:.0%} | {row['gflop']:.1f} | {row['gbyte'] * 1e3:.0f} "
            f"| {least:.1f} | {f'{ms / least:.2f}' if least > 0.5 else ''} |"
        )
    lines.append(f"| **all** | {whole:.0f} | | {sum(row['gflop'] for row in rows):.0f} | | | |")
    rate, copied = speed["gflop_per_s"], speed["gbyte_per_s"]
    lines.append(f"\nFloors are at {rate} GFLOP/s, the fastest convolution here, and {copied} GB/s, a copy.")
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--cfg", default="panohead", show_default=True, help="Configuration by name or file.")
@click.option("--rays", type=click.IntRange(8), default=64, show_default=True, help="Along a side of the picture.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--write", is_flag=True, help="Save as JSON, and put the table into docs/results.md.")
def main(device: str, cfg: str, rays: int, rounds: int, write: bool) -> None:
    """Time the stages of a picture, each against its own floor."""
    harness.take_device(device)
    with numerics.applied(NumericsConfig(tf32=True)):
        records = measure(generator(cfg, device), rays, device, rounds)
    click.echo(table(records))
    if write:
        click.echo(f"Saved {harness.save('stages', device, records)}", err=True)
        page = harness.ROOT / "docs" / "results.md"
        harness.put_between_markers(page, f"stages-{device}", table(records))


if __name__ == "__main__":
    main()
