# SPDX-License-Identifier: Apache-2.0
"""The numbers of an ablation as a Markdown table: rows are measures, columns variants, cells mean ± deviation of seeds.

A record is {"budget": {...}, "commits": [...], "milliseconds": {variant: ms},
"networks": {variant: {seed: {part: {name: value}}}}, "curves": {variant: {seed: [[nimg, value], ...]}}};
the curves are drawn, and not in the table.
"""

import statistics
from typing import Any, NamedTuple

from benchmarks.ablations.variants import VARIANTS

Record = dict[str, Any]
_NONE = "–"


class Row(NamedTuple):
    """A measure, and where its value is."""

    title: str
    part: str
    name: str
    digits: int = 1
    scale: float = 1.0


def rows(record: Record) -> list[Row]:
    budget = record["budget"]
    distances = [
        Row(f"{what}, {mode} ↓", part, name, digits)
        for what, name, digits in (
            (f"fd{budget['pictures']}_headnet", "fd_headnet", 1),
            (f"fd{budget['pictures']}_thumbs", "fd_thumbs", 2),
            (f"kd{budget['pictures']}_headnet", "kd_headnet", 2),
        )
        for mode, part in (
            ("all", "all"),
            ("front", "front"),
            ("back", "back"),
            ("random", "random"),
            ("back, to the truth", "back-true"),
            ("random, to the truth", "random-true"),
        )
    ]
    scores = [
        Row(f"is{budget['pictures']}_headnethair, {mode} ↑", mode, "is_headnethair", 2)
        for mode in ("all", "front", "back", "random")
    ]
    seen = [
        Row("ID ↑", "random", "id", 3),
        Row("ID of strangers", "random", "id/strangers", 3),
        Row("mask MSE x 1000 ↓", "random", "maskmse", 1, 1000.0),
        Row("mirror score ↓", "random", "mirror", 3),
        Row("what depth does not explain of a turn ↓", "random", "depth", 3),
        Row("raw picture against final one x 1000 ↓", "random", "raw", 1, 1000.0),
        Row("yaw error, degrees ↓", "random", "yaw", 1),
    ]
    inverted = [
        Row(f"inverted: {title}, {side} {arrow}", "inverted", f"{name} {side}", digits, scale)
        for title, name, arrow, digits, scale in (
            ("mask IoU", "mask_iou", "↑", 3, 1.0),
            ("depth error x 1000", "depth", "↓", 1, 1000.0),
            ("relief error x 1000", "relief", "↓", 1, 1000.0),
            ("normals, degrees", "normal_deg", "↓", 1, 1.0),
        )
        for side in ("front", "side", "back")
    ]
    drift = [
        row
        for title, name in (("a search for cameras", "camera"), ("self-adaptation", "shift"))
        for row in (
            Row(f"drift undone by {title}, share ↑", "drift", f"{name} recovered", 2),
            Row("... correlation ↑", "drift", f"{name} correlation", 2),
            Row("... what is left x 1000 ↓", "drift", f"{name} left", 1, 1000.0),
        )
    ]
    wanted = round(wanted_shift(budget["drift"]) * 1000)
    shift = [
        Row(f"learned shift of back views x 1000 ({wanted} were injected)", "random", "shift/back", 1, 1000.0),
        Row("learned shift of front views x 1000 (none was injected)", "random", "shift/front", 1, 1000.0),
    ]
    return [*distances, *scores, *seen, *inverted, *drift, *shift]


def wanted_shift(drift: float) -> float:
    """Root mean square of vectors spread evenly over a ball of that radius."""
    return drift * (3 / 5) ** 0.5


def table(record: Record) -> str:
    """Without rows that were not measured. With those of which there was nothing to see: that is a result."""
    keys = [key for key in VARIANTS if record["networks"].get(key)]
    lines = [f"| | {' | '.join(VARIANTS[key].title for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    seeds = max(map(len, record["networks"].values()), default=0)
    for row in rows(record):
        if not any(row.name in part for key in keys for part in _parts(record, key, row)):
            continue
        cells = [cell(values_of(record, key, row), row, seeds) for key in keys]
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    if times := record.get("milliseconds"):
        first = times[keys[0]]
        cells = [f"{times[key] / first:.1f}" for key in keys]
        lines.append(f"| time of a picture, to that of the first | {' | '.join(cells)} |")
    return "\n".join(lines)


def values_of(record: Record, key: str, row: Row) -> list[float]:
    """Of all seeds that have one."""
    return [value for part in _parts(record, key, row) if (value := part.get(row.name)) is not None]


def _parts(record: Record, key: str, row: Row) -> list[dict[str, float | None]]:
    return [seed.get(row.part, {}) for seed in record["networks"][key].values()]


def cell(values: list[float], row: Row, seeds: int) -> str:
    """Mean and sample deviation, which a single value has not; and of how many seeds, if that is not all of them."""
    if not values:
        return _NONE
    few = "" if len(values) == seeds else f" ({len(values)} of {seeds} seeds)"
    values = [value * row.scale for value in values]
    mean = f"{statistics.fmean(values):.{row.digits}f}"
    return (f"{mean} ± {statistics.stdev(values):.{row.digits}f}" if len(values) > 1 else mean) + few
