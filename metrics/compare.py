# SPDX-License-Identifier: Apache-2.0
"""Two records side by side, where they can be: what makes a difference that is not the network's is refused."""

import dataclasses
import math
from pathlib import Path

from dnnlib.text import nearest
from metrics.names import KINDS, parse
from metrics.record import SAME, Record, lookup, read


class UnlikeError(ValueError):
    """Records that cannot be compared. Says why."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A and B, and how far apart they are in units of their spreads; None where a spread is not known."""

    a: Record
    b: Record
    difference: float
    deviations: float | None
    better: str  # "A", "B", or "neither".
    notes: tuple[str, ...]


def compare(a: Record, b: Record) -> Comparison:
    """An UnlikeError has every reason why not."""
    reasons = [reason for path, what in SAME.items() if (reason := _difference(a, b, path, what))]
    reasons += [f"{which} has no value" for which, row in (("A", a), ("B", b)) if row["value"] is None]
    if reasons:
        raise UnlikeError("these records cannot be compared:\n" + "\n".join(f"- {reason}" for reason in reasons))
    difference = b["value"] - a["value"]
    spreads = [row.get("spread") for row in (a, b)]
    spread = None if None in spreads else math.hypot(*spreads)
    deviations = abs(difference) / spread if spread else None
    better = "neither"
    is_lower_better = KINDS[parse(a["metric"]).kind].lower_is_better
    if difference and is_lower_better is not None and (deviations is None or deviations > 1):
        better = "B" if (difference < 0) == is_lower_better else "A"
    return Comparison(a, b, difference, deviations, better, tuple(_notes(a, b)))


def newest(path: Path) -> dict[str, Record]:
    """The last record of each metric and mode, in a file or in all files of a folder."""
    if path.is_dir():
        files = sorted([*path.glob("metric-*.jsonl"), *path.glob("metrics/metric-*.jsonl")])
        if not files:
            raise ValueError(f"{path}: has no metric-NAME.jsonl; calc_metrics.py writes them")
    elif path.is_file():
        files = [path]
    else:
        siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        raise ValueError(f"{path}: there is no such file or folder" + (f"; did you mean {close}?" if close else ""))
    found = {}
    for file in files:
        for row in read(file):
            found[f"{row['metric']} ({lookup(row, 'render.mode') or 'in training'})"] = row
    if not found:
        raise ValueError(f"{path}: has no records; calc_metrics.py appends them")
    return found


def _difference(a: Record, b: Record, path: str, what: str) -> str | None:
    x, y = lookup(a, path), lookup(b, path)
    if path == "version" and None in (x, y):
        which = "A" if x is None else "B"
        return f"{which} was measured during training and says too little of itself; measure it with calc_metrics.py"
    if x == y:
        return None
    if isinstance(x, dict) and isinstance(y, dict):
        keys = [key for key in {**x, **y} if x.get(key) != y.get(key)]
        return f"{what}: " + ", ".join(f"{key} {_short(x.get(key))} and {_short(y.get(key))}" for key in keys[:3])
    return f"{what}: {_short(x)} and {_short(y)}"


def _notes(a: Record, b: Record) -> list[str]:
    notes = []
    if lookup(a, "network.digest") == lookup(b, "network.digest"):
        notes.append("both are of the same network")
    else:
        notes.append(f"{_network(a)} and {_network(b)}")
    if a.get("seed") != b.get("seed"):
        notes.append(f"seeds {a.get('seed')} and {b.get('seed')}: other latents and cameras")
    for path in ("machine.device", "machine.torch", "code.commit"):
        if lookup(a, path) != lookup(b, path):
            notes.append(f"{path.partition('.')[2]} {_short(lookup(a, path))} and {_short(lookup(b, path))}")
    return notes


def _network(row: Record) -> str:
    delta = lookup(row, "network.delta")
    return f"{lookup(row, 'network.source')}{f' with {delta}' if delta else ''}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
