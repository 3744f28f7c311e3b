# SPDX-License-Identifier: Apache-2.0
"""A piece of work that can be done in several ways, and what each of them costs.

    way     fast, plain, floor, ...: parts, each with how often one unit of the work needs it
    unit    a picture, a frame, a step: what milliseconds are told for

A part is called with the number of the round, which makes its latents: fresh in every round, the same in all ways.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import harness
from benchmarks.plain_path import plain_path

FAST, FAST_BF16, FLOOR, FLOOR_BF16 = "fast", "fast, bf16", "floor", "floor, bf16"
PLAIN, PLAIN_FLOOR = "plain", "floor of plain"  # The same convolutions, in the memory that the published way has.
PHOTOGRAPH_STD = 0.5  # In pictures from -1 to 1.
Work = Callable[[int], object]


class Part(NamedTuple):
    work: Work
    times: float = 1.0  # In one unit.
    peak_bytes: Callable[[], int | None] | None = None  # Where it is done elsewhere.


Way = dict[str, Part]


def whole(work: Work) -> Way:
    """A way of a single part."""
    return {"": Part(work)}


def plainly(work: Work) -> Work:
    """The same in the published way."""

    def way(number: int) -> object:
        with plain_path():
            return work(number)

    return way


@dataclass(frozen=True)
class Workload:
    name: str
    unit: str
    ways: dict[str, Way]
    rounds: int = 3
    # What ways are compared by: their pictures are nearly the same.
    pictures: dict[str, Callable[[int], Tensor]] = field(default_factory=dict)


def measure(workload: Workload, device: str, rounds: int | None = None) -> dict[str, object]:
    """All ways in turn. Milliseconds are per unit, bytes what a way takes beside what was there before it."""
    rounds = rounds or workload.rounds
    calls = {(way, name): part.work for way, parts in workload.ways.items() for name, part in parts.items()}
    peaks: dict[str, int | None] = {}
    for (way, name), work in calls.items():  # First without timing: operators are built, memory is fetched.
        elsewhere = workload.ways[way][name].peak_bytes
        work(0)
        peak = elsewhere() if elsewhere else harness.peak_bytes(lambda work=work: work(0), device)
        peaks[way] = peak if way not in peaks or peak is None else max(peak, peaks[way])
    harness.take_device(device)  # Of glibc, memory that was given back to be counted has lost its huge pages.
    times = harness.time_in_turn(calls, device, rounds)
    milliseconds = {
        way: {name: harness.median(times[way, name]) * part.times for name, part in parts.items()}
        for way, parts in workload.ways.items()
    }
    return {
        "name": workload.name,
        "unit": workload.unit,
        "rounds": rounds,
        "milliseconds": {way: round(sum(parts.values()), 2) for way, parts in milliseconds.items()},
        "parts": {way: {name: round(ms, 2) for name, ms in parts.items()} for way, parts in milliseconds.items()},
        "spread": {
            way: round(max(max(times[way, name]) / min(times[way, name]) for name in parts), 3)
            for way, parts in workload.ways.items()
        },
        "peak_bytes": peaks,
        **_differences(workload),
    }


@torch.no_grad()
def _differences(workload: Workload) -> dict[str, object]:
    """At the contrast of a photograph: networks with random weights make pictures of six times as much, or none."""
    if not workload.pictures:
        return {}
    made = {way: picture(0).float().cpu() for way, picture in workload.pictures.items()}
    contrast = made[PLAIN].std().item() / PHOTOGRAPH_STD
    made = {way: picture / contrast for way, picture in made.items()}
    plain = made.pop(PLAIN)
    error = {way: (picture - plain).abs().max().item() for way, picture in made.items()}
    psnr = {way: 10 * (4 / (picture - plain).square().mean()).log10().item() for way, picture in made.items()}
    return {
        "contrast": round(contrast, 3),
        "largest_difference": {way: float(f"{value:.2e}") for way, value in error.items()},
        "psnr_db": {way: round(value, 1) for way, value in psnr.items()},
    }
