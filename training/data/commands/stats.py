# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py stats`: a set in numbers, and in one picture."""

from pathlib import Path

import click

from dnnlib.atomic import atomic_write_bytes
from dnnlib.clean_errors import clean_errors
from dnnlib.drawing import RGBPicture
from training.data.commands.options import img_data_option, seg_data_option, workers_option
from training.data.images import encode_png
from training.data.making.statistics import survey, text_report
from training.data.making.statistics_picture import picture_of

_MAX_COMPLAINTS = 5


@click.command(short_help="counts, pose histogram, contact sheet and camera frusta of a set")
@img_data_option()
@seg_data_option()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Where the picture goes.  [default: beside the set, as NAME-stats.png]",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    metavar="N",
    help="How many pictures are read. Labels are always read all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the sample.")
@workers_option
@clean_errors
def command(img_data: Path, seg_data: Path | None, out: Path | None, sample: int, seed: int, workers: int) -> None:
    """Counts, sizes, masks, views and cameras of a set, as text and as one picture.

    The picture shows the cameras around a head, with the nose at +z: the pictures beside them have to fit. It is drawn
    for sets with wrong labels too, which is where it is needed; then the message stands in it.

    \b
    Examples:
      python dataset_tool.py stats --img_data heads_img.zip --seg_data heads_seg.zip
      python dataset_tool.py stats --img_data photos/ --out look.png --sample 2000
    """  # noqa: D301 (\b keeps the lines of the examples)
    out = out or img_data.absolute().with_name(f"{_name(img_data)}-stats.png")
    if out.suffix.lower() != ".png":
        raise ValueError(f"{out}: the picture is a PNG; let its name end in .png")
    found = survey(img_data, seg_data, sample=sample, seed=seed, workers=workers)
    click.echo(text_report(found))
    for complaint in found.complaints[:_MAX_COMPLAINTS]:
        click.secho(f"\n{complaint}", fg="red", err=True)
    if len(found.complaints) > _MAX_COMPLAINTS:
        click.secho(f"\nand {len(found.complaints) - _MAX_COMPLAINTS} more; see `dataset_tool.py check`", err=True)
    _write(picture_of(found, seed), out)
    click.echo(f"\nThe picture lies in {out}")


def _name(img_data: Path) -> str:
    """The set's name: of a folder its own, of an archive without the suffix."""
    path = img_data.absolute()
    return path.name if path.is_dir() else path.stem


def _write(picture: RGBPicture, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(out, encode_png(picture, compress_level=6))
