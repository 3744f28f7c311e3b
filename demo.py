# SPDX-License-Identifier: Apache-2.0
"""Shows on this machine what there is, and leaves a page of it. See tour/."""

import sys
from pathlib import Path

import click

from dnnlib.atomic import atomic_write_text
from dnnlib.clean_errors import INTERRUPTED, clean_errors
from dnnlib.console import get_logger
from dnnlib.stop import stop_requests
from dnnlib.text import format_duration
from tour.checks import machine, run_checks
from tour.doing import StoppedError, Tour
from tour.page import page
from tour.parts import parts
from tour.sizes import FULL, QUICK
from training.portraits.folders import results_folder
from training.portraits.options import DEFAULT_NETWORK

log = get_logger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True})
@click.option("--outdir", type=click.Path(path_type=Path), default="demo", metavar="DIR", help="Where everything goes.")
@click.option(
    "--network",
    default=DEFAULT_NETWORK,
    metavar="FILE|RUN|URL|NAME",
    help="The model that is shown. The training is of a small one.",
)
@click.option("--quick", is_flag=True, show_default=False, help="As little of everything as shows that it works.")
@click.option("--force", is_flag=True, show_default=False, help="Repeat parts that are finished.")
@clean_errors
def main(outdir: Path, network: str, quick: bool, force: bool) -> None:
    """Checks this machine, then shows what there is, in less than ten minutes on two cores: heads of the shipped model,
    a data set, a training, an inversion, metrics; and a page of it all, DIR/index.html.

    Stopped, the same command goes on. A part that fails is told, the others are shown, and the exit status is 1.
    """
    folder, where = results_folder(outdir), machine()
    sizes = (QUICK if quick else FULL).of_model(network)
    tour = Tour(folder, parts(folder, sizes, network), network)
    tour.claim_folder()
    log.info(where)
    checked = run_checks(folder / "checks")
    for each in checked:
        click.echo(f"{'ok    ' if each.holds else 'FAILED'} {each.name:<15} {each.line} ({each.seconds:.1f} s)")

    def show() -> None:
        atomic_write_text(folder / "index.html", page(tour, checked, where))

    with stop_requests() as asked:
        try:
            tour.do(asked, force=force, show=show)
        except StoppedError:
            log.warning("stopped; the same command goes on")
            raise click.exceptions.Exit(INTERRUPTED) from None
    click.echo(f"The parts took {format_duration(tour.seconds)}. Look at {folder / 'index.html'}")
    if tour.has_failed or not all(each.holds for each in checked):
        sys.exit(1)


if __name__ == "__main__":
    main()
