# SPDX-License-Identifier: Apache-2.0
"""Records and comparisons as text for people."""

from collections.abc import Sequence

from metrics.compare import Comparison
from metrics.record import Record, lookup


def table(rows: Sequence[Record]) -> str:
    """A line for each record, its parts below."""
    lines = [("metric", "value", "spread", "mode", "of", "detector")]
    for row in rows:
        counts = " / ".join(str(n) for name, n in row["counts"].items() if "yaw" not in name)
        spread = "" if row["spread"] is None else _number(row["spread"], ".2g")
        detector = lookup(row, "detector.name") or ""
        lines.append((row["metric"], _number(row["value"]), spread, row["render"]["mode"], counts, detector))
        lines += [(f"  {name}", _number(value), "", "", "", "") for name, value in row["parts"].items()]
    return _aligned(lines)


def comparison_table(compared: Sequence[Comparison]) -> str:
    """A line for each pair, notes below."""
    lines = [("metric", "mode", "A", "B", "B - A", "deviations", "better")]
    notes: list[str] = []
    for each in compared:
        deviations = "" if each.deviations is None else f"{each.deviations:.1f}"
        numbers = f"{each.a['value']:.5g}", f"{each.b['value']:.5g}", f"{each.difference:+.3g}"
        lines.append((each.a["metric"], lookup(each.a, "render.mode"), *numbers, deviations, each.better))
        notes += [note for note in each.notes if note not in notes]
    return _aligned(lines) + "".join(f"\nnote: {note}" for note in notes)


def _number(value: float | None, digits: str = ".5g") -> str:
    return "none" if value is None else format(value, digits)


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
