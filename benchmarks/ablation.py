# SPDX-License-Identifier: Apache-2.0
"""The paper's ablation in small: what each of PanoHead's three ideas is worth, on heads with exact truth."""

import dataclasses
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.ablations.ablating import Ablation, do
from benchmarks.ablations.budgets import BUDGETS, SEEDS
from benchmarks.ablations.folder import AblationFolder
from benchmarks.ablations.page import check, publish
from benchmarks.ablations.runs import StoppedError
from benchmarks.ablations.table import table
from dnnlib.clean_errors import INTERRUPTED, clean_errors
from torch_utils.devices import find_device


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--budget", "name", type=click.Choice(list(BUDGETS)), default="minutes", show_default=True,
              help="minutes: it works, and no more; hours: a night on a few cores; days: on a GPU")  # fmt: skip
@click.option("--kimg", type=click.FloatRange(0.001), help="thousands of images for each run, in place of the budget's")
@click.option("--seeds", type=click.IntRange(1, 100), help="runs of each variant, in place of the budget's")
@click.option("--cfg", metavar="NAME|FILE", help="the preset that is ablated, in place of the budget's")
@click.option("--workdir", type=click.Path(path_type=Path), metavar="DIR",
              help="where the work is, to go on with  [default: training-runs/ablation-BUDGET]")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--gpus", type=click.IntRange(1, 1024), default=1, show_default=True, help="processes for each training")
@click.option("--write", is_flag=True, help="Save as JSON, and put table and pictures into docs/results.md.")
@clean_errors
def main(
    name: str,
    kimg: float | None,
    seeds: int | None,
    cfg: str | None,
    workdir: Path | None,
    device: str,
    gpus: int,
    write: bool,
) -> None:
    """Trains and measures four variants of PanoHead on the same procedural heads: front views as in FFHQ, and back
    views with wrong labels. Whatever stops it, the same command goes on; finished parts are not repeated.

    \b
    python benchmarks/ablation.py --budget minutes --write
    python benchmarks/ablation.py --budget days --gpus 8 --write
    python benchmarks/ablation.py --kimg 25 --seeds 3 --workdir training-runs/longer
    """
    changes = {key: value for key, value in {"kimg": kimg, "cfg": cfg}.items() if value is not None}
    budget = dataclasses.replace(BUDGETS[name], **changes)
    place = find_device(device)
    if write:
        check(place.type)
    folder = AblationFolder(workdir or Path("training-runs") / f"ablation-{name}")
    ablation = Ablation(folder, budget, seeds or SEEDS[name], place, gpus)
    folder.claim(budget, ablation.base)
    try:
        do(list(ablation.parts()))
    except StoppedError:
        click.echo("Stopped. The same command goes on from here.", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    record = ablation.record()
    click.echo(table(record))
    if write:
        publish(record, ablation.sheet(), place.type)


if __name__ == "__main__":
    main()
