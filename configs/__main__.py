# SPDX-License-Identifier: Apache-2.0
"""`python -m configs`: lists the configurations, prints one as JSON, compares two, or says what its networks cost."""

import inspect
import logging

import click
from rich.console import Console
from rich.table import Table

from configs import ALIASES, CONFIGS, find, resolve
from dnnlib.config import to_json
from dnnlib.config_paths import differences
from dnnlib.config_types import text_of
from training.cameras import LABEL_DIM
from training.summary import summary


@click.command(epilog="A configuration is a NAME from the list, a FILE.json, or the folder of a run.")
@click.argument("config", required=False)
@click.option("--set", "assignments", metavar="PATH=VALUE", multiple=True, help="Change one field; may be repeated.")
@click.option("--diff", "other", metavar="CONFIG", help="Print the fields in which the other configuration differs.")
@click.option("--summary", "wants_summary", is_flag=True, help="Print modules, parameters, operations and memory.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="Pictures, for --summary.")
def main(config: str | None, assignments: tuple[str, ...], other: str | None, wants_summary: bool, batch: int) -> None:
    """Lists the configurations, or prints CONFIG as JSON.

    \b
    python -m configs                                        the list
    python -m configs debug                                  one of them as JSON
    python -m configs debug --set loop.batch=8 > mine.json   a file for --cfg
    python -m configs mine.json --diff debug                 what differs
    python -m configs panohead --summary                     what its networks consist of and cost
    """  # noqa: D301, click takes the backspace as "keep these lines"
    logging.basicConfig(format="%(message)s")
    if config is None and (assignments or other or wants_summary):
        raise click.UsageError(
            "--set, --diff and --summary need a CONFIG to work on, such as: python -m configs debug --set seed=1"
        )
    try:
        if config is None:
            list_configs()
        elif wants_summary:
            resolved = resolve(config, assignments)
            click.echo(summary(resolved.generator, resolved.critic, LABEL_DIM, batch), nl=False)
        elif other is None:
            click.echo(to_json(resolve(config, assignments)), nl=False)
        else:
            for path, mine, theirs in differences(resolve(config, assignments), find(other)):
                click.echo(f"{path}: {text_of(mine)} -> {text_of(theirs)}")
    except ValueError as error:  # A configuration that is none, or whose networks cannot be built.
        raise click.ClickException(str(error)) from None


def list_configs() -> None:
    rows = [(", ".join([name, *aliases_of(name)]), first_line(name)) for name in CONFIGS]
    console = Console()
    if not console.is_terminal:
        for names, line in rows:
            click.echo(f"{names}: {line}")
        return
    table = Table("configuration", "what it is", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def aliases_of(name: str) -> list[str]:
    return [alias for alias, target in ALIASES.items() if target == name]


def first_line(name: str) -> str:
    return inspect.getdoc(CONFIGS[name]).splitlines()[0]


if __name__ == "__main__":
    main(prog_name="python -m configs")
