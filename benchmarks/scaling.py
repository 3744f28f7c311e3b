# SPDX-License-Identifier: Apache-2.0
"""Cost against size: rays, samples, planes, batches, frames, shapes, ranks, data sets, each measured on this machine.

Nothing may grow faster than its size, and what sizes share must not grow at all. sweep.py says what is measured,
sweeps/ has what is swept.
"""

import sys
from itertools import chain
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from benchmarks.scale_chart import Line, Panel, charts
from benchmarks.sweep import Sweep, judged, measure
from benchmarks.sweeps import pictures, sets, shapes, training
from dnnlib.text import format_count
from training.watch.album import write_picture

SWEEPS: dict[str, Sweep] = dict(chain(*(each.SWEEPS.items() for each in (pictures, shapes, training, sets))))
PAGE = harness.ROOT / "docs" / "scaling.md"
CHART = harness.ROOT / "docs" / "images" / "scaling.png"


def size_text(side: int, power: int) -> str:
    """Such as 64^2 of 64 x 64 rays."""
    return f"{side}^{power}" if power > 1 else format_count(side)


def milliseconds_text(ms: float) -> str:
    return f"{ms:.3g} ms" if ms < 1e3 else f"{ms / 1e3:.3g} s"


def table(records: list[dict]) -> str:
    lines = ["| what grows | from | to | what is timed | at first | at last | slope | at most |", "|" + "---|" * 8]
    for record in records:
        low, high = (size_text(record["sides"][i], record["power"]) for i in (0, -1))
        for name, curve in record["curves"].items():
            first, last = (milliseconds_text(curve["milliseconds"][i]) for i in (0, -1))
            verdict = f"**{curve['slope']:.2f}**" + ("" if curve["holds"] else " (steeper)")
            cells = [record["title"], low, high, name, first, last, verdict, f"{curve['limit']:g}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def panels(records: list[dict]) -> list[Panel]:
    made = []
    for record in records:
        power = record["power"]
        lines = [
            Line(name, curve["milliseconds"], curve["limit"] * power, curve["holds"])
            for name, curve in record["curves"].items()
        ]
        unit = f"^{power}" if power > 1 else ""
        made.append(Panel(f"{record['title']}, ms", record["unit"], record["sides"], lines, unit))
    return made


def write(new: dict[str, dict]) -> None:
    """JSON, picture and page. What was measured before and not now stays."""
    every = {**harness.saved("scaling", "cpu"), **new}
    path = harness.save("scaling", "cpu", every)
    records = [every[name] for name in SWEEPS if name in every]
    write_picture(CHART, charts(panels(records)))
    places = "  \n".join(sorted({harness.place(record["environment"]) for record in records}))
    picture = f"![Milliseconds against size]({CHART.relative_to(PAGE.parent)})"
    harness.put_between_markers(PAGE, "scaling", f"{table(records)}\n\n{picture}\n\n{places}")
    click.echo(f"Saved {path}", err=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(list(SWEEPS)), help="May be repeated; else all.")
@click.option("--quick", is_flag=True, help="Two small sizes of each, once: to see that it works.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds that the medians are of; none: what each is worth.")
@click.option("--write", "is_written", is_flag=True, help="Save as JSON; table and charts go into docs/scaling.md.")
def main(only: tuple[str, ...], quick: bool, rounds: int | None, is_written: bool) -> None:
    """Measure what grows with what."""
    harness.take_device("cpu")
    if is_written and quick:
        raise click.UsageError("--write is for full sizes: leave out --quick.")
    records = {}
    for name in only or SWEEPS:
        sweep = SWEEPS[name]
        sides = sweep.quick if quick else sweep.sides
        curves = measure(sweep, sides, rounds or (1 if quick else sweep.rounds))
        records[name] = {**judged(sweep, sides, curves), "environment": harness.environment("cpu")}
        for row in table([records[name]]).splitlines()[2:]:
            click.echo(row, err=True)
        if is_written:
            write(records)
    click.echo(table(list(records.values())))


if __name__ == "__main__":
    main()
