# SPDX-License-Identifier: Apache-2.0
"""The table of flags as options of a click command, with a help page in the groups of the table."""

from collections.abc import Callable
from typing import Any

import click

from configs.flag import Flag
from configs.flags import ALL, FLAGS

_COMMON = ("img_data", "seg_data", "batch", "batch-gpu", "kimg", "tick", "snap", "metrics", "seed", "workers", "device",
           "resume")  # fmt: skip


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for all flags; the command gets their texts by the names of the table, None where one is not given."""
    for flag in reversed(ALL):
        # Not click's own types: the fields of the configuration know theirs.
        command = click.option(*flag.spellings, flag.key, metavar="VALUE", help=flag.meaning)(command)
    return command


class GroupedCommand(click.Command):
    """A command whose help page has its own options first, then those of the table, group by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        of_table = {flag.key for flag in ALL}
        own = [record for p in self.get_params(ctx) if p.name not in of_table and (record := p.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(own)
        shown = {flag.name: flag for flag in ALL}
        _write(formatter, "Most used flags, each a shorthand for --set", [shown[name] for name in _COMMON])
        for title, flags in FLAGS.items():
            _write(formatter, title, [flag for flag in flags if flag.name not in _COMMON])


def _write(formatter: click.HelpFormatter, title: str, flags: list[Flag]) -> None:
    if not flags:
        return
    with formatter.section(title):
        formatter.write_dl([(f"--{flag.name}", flag.ignored or flag.meaning) for flag in flags])
