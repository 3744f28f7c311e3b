# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py check`: lists everything that is wrong with a set; --fix writes a clean copy."""

from collections import Counter
from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from training.data.commands.options import (
    force_option,
    img_data_option,
    img_dest_option,
    seg_data_option,
    seg_dest_option,
    workers_option,
)
from training.data.commands.problem_list import list_problems
from training.data.commands.reports import write_report
from training.data.making.checking import Checked, check
from training.data.making.mending import mend


@click.command(short_help="list everything that is wrong with a set; --fix writes a clean copy")
@img_data_option()
@seg_data_option()
@click.option("--fix", is_flag=True, help="Write a clean copy to --img_dest and --seg_dest.")
@img_dest_option(required=False)
@seg_dest_option()
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.json", help="Also write all findings to this file."
)
@workers_option
@force_option
@clean_errors
def command(
    img_data: Path,
    seg_data: Path | None,
    fix: bool,
    img_dest: Path | None,
    seg_dest: Path | None,
    report: Path | None,
    workers: int,
    force: bool,
) -> None:
    """Reads all of a set and lists everything that is wrong, each with its file and a remedy.

    Ends with exit code 1 if anything is, so that a script can stop there. With --fix a copy is written in which what
    can be mended is mended (kinds of pixels, EXIF rotation, sizes of masks) and everything else that is listed with a
    file is left out; the exit code then tells whether the copy can be trained on. The set itself is never changed.

    \b
    Examples:
      python dataset_tool.py check --img_data img.zip --seg_data seg.zip
      python dataset_tool.py check --img_data img.zip --seg_data seg.zip --report problems.json
      python dataset_tool.py check --img_data photos --seg_data masks --fix --img_dest img.zip --seg_dest seg.zip
    """  # noqa: D301 (\b keeps the lines of the examples)
    if fix and img_dest is None:
        raise ValueError("--fix writes a copy and needs to know where; add --img_dest, and --seg_dest for the masks")
    if not fix and (img_dest or seg_dest):
        raise ValueError("--img_dest and --seg_dest are for a copy, which --fix writes; add --fix, or leave them out")
    checked = check(img_data, seg_data, workers)
    for each in checked.findings:
        click.echo(f"{each.kind}: {each.problem}")
    if report:
        write_report(report, [(each.kind, each.problem) for each in checked.findings])
    _summarise(checked)
    is_fine = not checked.findings
    if fix and img_dest is not None:
        is_fine = _write_copy(checked, img_dest, seg_dest, workers, force)
    if not is_fine:
        raise click.exceptions.Exit(1)


def _summarise(checked: Checked) -> None:
    """How much was looked at, and a table of what was found."""
    counts = Counter(each.kind for each in checked.findings)
    masks = "and their masks" if checked.has_masks else "without masks (none are named, and the first has no alpha)"
    click.echo(f"{len(checked.raw.names)} images {masks}: {sum(counts.values()) or 'no'} problems")
    for kind, count in counts.most_common():
        click.echo(f"{count:>8}  {kind}")


def _write_copy(checked: Checked, img_dest: Path, seg_dest: Path | None, workers: int, force: bool) -> bool:
    """Writes the copy. Returns whether nothing wrong with the whole set is left."""
    summary = mend(checked, img_dest=img_dest, seg_dest=seg_dest, workers=workers, force=force)
    list_problems("more images were left out", summary.skipped)
    num_left_out = len(checked.raw.names) - summary.num_made
    click.echo(f"clean copy of {summary.num_made} images, {num_left_out} left out")
    click.echo(f"images: {img_dest}")
    if seg_dest:
        click.echo(f"masks:  {seg_dest}")
    left = [each for each in checked.findings if not each.items and not each.is_mended]
    for each in left:
        click.echo(f"still: {each.problem}")
    return not left
