# SPDX-License-Identifier: Apache-2.0
"""Trains a generator. `python train.py --help` says how; docs/training.md says more."""

import math
import os
import sys
from pathlib import Path

import click

from configs import find, preset_of
from configs.assemble import assemble
from configs.command import GroupedCommand, table_options
from dnnlib.config import ConfigError, to_json
from dnnlib.console import get_logger, setup_logging
from dnnlib.stop import exit_cleanly_on_stop
from training.run_config import RunConfig

log = get_logger(__name__)


@click.command(cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--cfg", metavar="NAME|FILE|RUN", help="what to train; `python -m configs` lists the names")
@click.option("--outdir", metavar="DIR", help="make a new numbered run in this folder, 00000-NAME and so on")
@click.option("--run", metavar="DIR", help="the folder of this run: the same command starts it and goes on with it")
@click.option("--desc", metavar="TEXT", help="what to call a numbered run")
@click.option("--gpus", type=click.IntRange(1, 1024), default=1, metavar="N", help="processes on this machine")
@click.option(
    "--minutes",
    type=float,
    default=math.inf,
    metavar="M",
    help="train for so long at most, then save and show what there is; the same command goes on",
)
@click.option("--set", "assignments", metavar="PATH=VALUE", multiple=True, help="change any field; may be repeated")
@click.option(
    "-n", "--dry-run", "--dry_run", is_flag=True, help="check everything, print the configuration, write nothing"
)
@click.option("--into", metavar="DIR", hidden=True)  # Given by a first process, which has checked and made the folder.
@table_options
def main(
    cfg: str | None,
    outdir: str | None,
    run: str | None,
    desc: str | None,
    gpus: int,
    minutes: float,
    assignments: tuple[str, ...],
    dry_run: bool,
    into: str | None,
    **flags: str | None,
) -> None:
    """Trains a generator of heads that can be seen from all around.

    \b
    python train.py --cfg=panohead_small --run=runs/first --img_data=heads_img.zip --seg_data=heads_seg.zip
    python train.py --run=runs/first                     go on with it
    python train.py --cfg=ffhq --outdir=runs --gpus=8 --batch=32 --img_data=IMG.zip --seg_data=SEG.zip
    python train.py --cfg=panohead --img_data=IMG.zip --seg_data=SEG.zip --dry-run
    """  # noqa: D301, click takes the backspace as "keep these lines"
    exit_cleanly_on_stop()
    setup_logging(rank=int(os.environ.get("RANK", "0")))
    try:
        if not dry_run and (outdir is None) == (run is None):
            raise ConfigError("give --outdir=DIR for a new numbered run, or --run=DIR for one that can go on")
        if not minutes > 0:  # Which catches NaN, too.
            raise ConfigError(f"--minutes={minutes:g}: give more than 0, or nothing for a training to its last image")
        source = cfg or run
        if source is None:
            raise ConfigError("say what to train: --cfg=NAME, --cfg=FILE.json, or --run=DIR of a run that has begun")
        if cfg is None and not Path(source).exists():
            raise ConfigError(f"{source}: there is no run yet; say what to train in it, such as --cfg=panohead")
        config = assemble(source, {name: text for name, text in flags.items() if text is not None}, assignments)
        if dry_run:
            from training.plan import dry_run as explain  # noqa: PLC0415 - help and mistakes need no torch

            click.echo(to_json(config), nl=False)
            explain(config, find(source), source, Path(run or outdir or "."), gpus, is_run=run is not None)
        else:
            place = run or into
            sys.exit(start(config, outdir, place, desc or config.name, gpus, 60 * minutes, is_checked=into is not None))
    except (ValueError, OSError) as error:
        log.error(str(error))
        sys.exit(2)


def start(
    config: RunConfig, outdir: str | None, run: str | None, desc: str, gpus: int, limit_s: float, *, is_checked: bool
) -> int:
    """In this process, or in `gpus` new ones."""
    from metrics.registry import find as find_metric  # noqa: PLC0415
    from torch_utils import distributed  # noqa: PLC0415
    from torch_utils.launch import launch  # noqa: PLC0415
    from torch_utils.liveness import RankLostError  # noqa: PLC0415
    from training.data.loader import LoaderError  # noqa: PLC0415
    from training.run_folder import RunFolder  # noqa: PLC0415
    from training.start import check, device_of, train  # noqa: PLC0415
    from training.watch.divergence import DivergedError  # noqa: PLC0415

    place = Path(run or outdir)
    if run is None and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0:
        raise ConfigError("a numbered run (--outdir) would begin anew after every restart: name its folder with --run")

    def choose_folder() -> RunFolder:
        return RunFolder(run) if run is not None else RunFolder.new_numbered(outdir, desc)

    if gpus == 1 or distributed.world_size() > 1:
        try:
            train(config, choose_folder, place, find_metric, preset_of(config), is_checked=is_checked, limit_s=limit_s)
        except (DivergedError, LoaderError, RankLostError) as error:
            log.error(str(error))
            return 1
        return 0
    check(config, place, device_of(config, gpus), gpus)
    return launch(gpus, [sys.executable, __file__, *sys.argv[1:], f"--into={choose_folder().path}"])


if __name__ == "__main__":
    main()
