# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py pack`: pictures, masks and cameras become the form that is trained on."""

from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from dnnlib.text import parse_size
from training.data.commands.options import force_option, img_dest_option, seg_dest_option, workers_option
from training.data.commands.problem_list import list_problems
from training.data.commands.reports import write_report
from training.data.making.packing import PackSource, pack

_PATH = click.Path(path_type=Path)


class _Resolution(click.ParamType):
    """`512` or `512x512`."""

    name = "resolution"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        try:
            width, height = parse_size(text if not text.isdecimal() else f"{text}x{text}")
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if width != height or width & (width - 1):
            self.fail(f"{text} is not a square whose side is a power of two; write 256 or 512x512", param, ctx)
        return width


@click.command(short_help="make the training form from pictures, masks and cameras")
@click.option(
    "--img_data",
    "--img_source",
    "--img-data",
    "--img-source",
    "img_data",
    type=_PATH,
    multiple=True,
    required=True,
    metavar="PATH",
    help="Folder or zip archive of pictures, with dataset.json if they have cameras. May be repeated.",
)
@click.option(
    "--seg_data",
    "--seg_source",
    "--seg-data",
    "--seg-source",
    "seg_data",
    type=_PATH,
    multiple=True,
    metavar="PATH",
    help="Their masks, named like the pictures; one for each --img_data, in that order. Without it transparency is the "
    "mask.",
)
@click.option(
    "--weight",
    "weights",
    type=click.FloatRange(0, 1e9),
    multiple=True,
    metavar="SHARE",
    help="Share of the training that a source gets; one for each --img_data.  [default: as much as it has pictures]",
)
@img_dest_option()
@seg_dest_option()
@click.option(
    "--resolution",
    type=_Resolution(),
    metavar="N|NxN",
    help="Side of the new pictures, a power of two.  [default: the largest that does not enlarge]",
)
@click.option(
    "--transform",
    type=click.Choice(["center-crop", "center-crop-wide"]),
    help="How pictures become square: by their central square, or by full width with black above and below.",
)
@click.option(
    "--max-images", "--max_images", type=click.IntRange(1), metavar="N", help="At most so many of each source."
)
@click.option(
    "--use_basename",
    "--use-basename",
    type=bool,
    default=False,
    metavar="BOOL",
    help="Find masks and labels by file name alone, whatever the folders.",
)
@click.option(
    "--ext", type=click.Choice(["png", "jpg"]), default="png", show_default=True, help="Of images. Masks are PNG."
)
@click.option("--report", type=_PATH, metavar="FILE.json", help="Also write what was left out to this file.")
@workers_option
@force_option
@clean_errors
def command(
    img_data: tuple[Path, ...],
    seg_data: tuple[Path, ...],
    weights: tuple[float, ...],
    img_dest: Path,
    seg_dest: Path | None,
    resolution: int | None,
    transform: str | None,
    max_images: int | None,
    use_basename: bool,
    ext: str,
    report: Path | None,
    workers: int,
    force: bool,
) -> None:
    """Makes the form that is trained on: square pictures of one size, soft masks beside them, cameras that fit.

    Takes pictures of any size and kind. What lacks a mask or a label that the others have, or cannot be read, is left
    out and told. Cameras follow a crop. Several sources become one set, with weights. The same command goes on where it
    was stopped.

    \b
    Examples:
      python dataset_tool.py pack --img_source DIR_IMG --seg_source DIR_SEG --img_dest IMG.zip --seg_dest SEG.zip \\
          --resolution 512x512
      python dataset_tool.py pack --img_data photos --img_dest img.zip --transform center-crop --resolution 256
      python dataset_tool.py pack --img_data faces.zip --seg_data faces_seg.zip --weight 0.5 \\
          --img_data backs.zip --seg_data backs_seg.zip --weight 0.5 --img_dest img.zip --seg_dest seg.zip
    """  # noqa: D301 (\b keeps the lines of the examples)
    if len(seg_data) not in (0, len(img_data)):
        raise ValueError(f"there are {len(img_data)} --img_data and {len(seg_data)} --seg_data; give one for each")
    if len(weights) not in (0, len(img_data)):
        raise ValueError(f"there are {len(img_data)} --img_data and {len(weights)} --weight; give one for each")
    if weights and not any(weights):
        raise ValueError("every --weight is 0, so nothing would be trained on; give one source a share")
    sources = [
        PackSource(image, seg_data[i] if seg_data else None, weights[i] if weights else None)
        for i, image in enumerate(img_data)
    ]
    summary = pack(
        sources,
        img_dest=img_dest,
        seg_dest=seg_dest,
        transform=transform,
        resolution=resolution,
        max_images=max_images,
        use_basename=use_basename,
        ext=ext,
        workers=workers,
        force=force,
    )
    list_problems("pictures were left out", summary.skipped)
    if report:
        write_report(report, [("left out", problem) for problem in summary.skipped])
    click.echo(f"{summary.num_made} pictures packed, {len(summary.skipped)} left out")
    click.echo(f"images: {img_dest}")
    if seg_dest:
        click.echo(f"masks:  {seg_dest}")
