# SPDX-License-Identifier: Apache-2.0
"""`python -m metrics`: what there is to measure, and records compared."""

from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from metrics.compare import UnlikeError, compare, newest
from metrics.names import KINDS
from metrics.table import comparison_table


@click.group()
def main() -> None:
    """Names of metrics, and records that calc_metrics.py wrote."""


@main.command("list")
def list_kinds() -> None:
    """What can be measured."""
    width = max(map(len, KINDS))
    for name, kind in KINDS.items():
        looks = f" ({kind.detector})" if kind.detector else ""
        better = {True: "lower", False: "higher", None: "neither"}[kind.lower_is_better]
        click.echo(f"{name.ljust(width)}  {kind.says}{looks}; {better} is better")


@main.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@clean_errors
def compare_records(a: Path, b: Path) -> None:
    """Compares the newest records of A and B: files metric-NAME.jsonl, or folders of them, such as those of runs.

    Refuses records that differ in more than the network, and says in what.
    """
    of_a, of_b = newest(a), newest(b)
    shared = [name for name in of_a if name in of_b]
    if not shared:
        if len(of_a) == len(of_b) == 1:
            compare(*of_a.values(), *of_b.values())  # Says in what they differ.
        raise UnlikeError(f"nothing was measured in both: {a} has {', '.join(of_a)}; {b} has {', '.join(of_b)}")
    compared, refused = [], []
    for name in shared:
        try:
            compared.append(compare(of_a[name], of_b[name]))
        except UnlikeError as error:
            refused.append(f"{name}: {error}")
    if compared:
        click.echo(comparison_table(compared))
    if refused:
        raise UnlikeError("\n".join(refused))


if __name__ == "__main__":
    main(prog_name="python -m metrics")
