# SPDX-License-Identifier: Apache-2.0
"""Options that commands share."""

import click
from click.testing import CliRunner

from training.data.commands.options import workers_option


def test_as_many_workers_as_cores_by_default() -> None:
    @click.command
    @workers_option
    def command(workers: int) -> None:
        click.echo(workers)

    assert int(CliRunner().invoke(command).output) >= 1
    assert CliRunner().invoke(command, ["--workers", "0"]).exit_code == 2
