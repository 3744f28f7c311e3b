# SPDX-License-Identifier: Apache-2.0
"""Trains a generator. `python train.py --help` says how."""

# What takes time is imported after the signals are taken care of.
from dnnlib.stop import exit_cleanly_on_stop

if __name__ == "__main__":
    exit_cleanly_on_stop()

import sys
from collections.abc import Callable
from typing import Any

import click

from configs import find
from configs.assemble import assemble
from configs.flags import FLAGS
from dnnlib.config import to_json
from torch_utils import distributed
from torch_utils.launch import launch
from training.run_config import RunConfig
from training.run_folder import RunFolder


def with_flags_of_the_table(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag in reversed(FLAGS):
        option = click.option(*flag.spellings, flag.name.replace("-", "_"), metavar="VALUE", help=flag.meaning)
        command = option(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cfg", metavar="NAME|FILE|RUN", help="What to train: a name, a file, or a run's folder.")
@click.option("--outdir", metavar="DIR", help="Make a new numbered run in this folder.")
@click.option("--run", metavar="DIR", help="The folder of this run; if it has begun, it goes on.")
@click.option("--desc", metavar="TEXT", help="What to call a numbered run.")
@click.option("--gpus", type=click.IntRange(1, 1024), default=1, help="Processes on this machine.")
@click.option("--set", "assignments", metavar="PATH=VALUE", multiple=True, help="Change one field; may be repeated.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@with_flags_of_the_table
def main(
    cfg: str | None,
    outdir: str | None,
    run: str | None,
    desc: str | None,
    gpus: int,
    assignments: tuple[str, ...],
    dry_run: bool,
    **flags: str | None,
) -> None:
    """Trains a generator."""
    try:
        config = configuration(cfg or run, flags, assignments)
        if dry_run:
            click.echo(to_json(config), nl=False)
            return
        if (outdir is None) == (run is None):
            raise ValueError("give --outdir=DIR for a new numbered run, or --run=DIR for one that can go on")
        sys.exit(start(config, outdir, run, desc or config.name, gpus))
    except (ValueError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def configuration(cfg: str | None, flags: dict[str, str | None], assignments: tuple[str, ...]) -> RunConfig:
    if cfg is None:
        raise ValueError("say what to train: --cfg=panohead, --cfg=FILE.json, or --run=DIR of a run that has begun")
    given = {flag.name: flags[flag.name.replace("-", "_")] for flag in FLAGS}
    return assemble(find(cfg), {name: text for name, text in given.items() if text is not None}, assignments)


def start(config: RunConfig, outdir: str | None, run: str | None, desc: str, gpus: int) -> int:
    """In this process, or in `gpus` new ones."""
    if gpus == 1 or distributed.world_size() > 1:
        from training.start import train  # noqa: PLC0415

        train(config, lambda: RunFolder(run) if run is not None else RunFolder.new_numbered(outdir, desc))
        return 0
    return launch(gpus, [sys.executable, *sys.argv])


if __name__ == "__main__":
    main()
