# SPDX-License-Identifier: Apache-2.0
"""What was left out, on the console: how many, why, and what to do, without a screen full of it."""

from collections.abc import Sequence

import click

from training.data.problems import Problem

LISTED = 10


def list_problems(what: str, problems: Sequence[Problem]) -> None:
    """Shows the first of them, as in "3 pictures were left out:"; nothing where there are none."""
    if not problems:
        return
    click.echo(f"{len(problems)} {what}:", err=True)
    for problem in problems[:LISTED]:
        click.echo(f"  {problem}", err=True)
    if len(problems) > LISTED:
        click.echo(f"  and {len(problems) - LISTED} more", err=True)
