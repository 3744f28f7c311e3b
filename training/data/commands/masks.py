# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py masks`: soft masks from a segmentation network in a file."""

from pathlib import Path

import click
from PIL import Image

from dnnlib.clean_errors import clean_errors
from dnnlib.drawing import contact_sheet
from training.data.commands.options import (
    beside,
    force_option,
    seg_dest_option,
    workers_option,
)
from training.data.commands.problem_list import list_problems
from training.data.making.masking import make_masks
from training.data.making.network_files import Device, open_network
from training.data.making.segmentation import Activation, InputRange
from training.data.making.segmenter import DEFAULT_SIZE, Mask, MaskOptions, Picture, Segmenter


class _Indices(click.ParamType):
    name = "indices"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(word) for word in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of class numbers; write 15, or 15,16 where several are the head", param)


@click.command(short_help="soft masks from a segmentation network in a file")
@click.option(
    "--img_data",
    "--img-data",
    "img_data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="Folder or zip archive of pictures.",
)
@seg_dest_option(required=True)
@click.option(
    "--network",
    type=click.Path(path_type=Path),
    required=True,
    help="An ONNX file (.onnx), or a TorchScript file (.pt), which is a program: run only those of people you trust.",
)
@click.option(
    "--class_index",
    type=_Indices(),
    default=None,
    show_default="the only one",
    metavar="N[,N]",
    help="Which of the network's classes are the head; several are added up.",
)
@click.option(
    "--input_size",
    type=click.IntRange(8, 8192),
    metavar="N",
    show_default=f"the file's, or {DEFAULT_SIZE}",
    help="Side of the square that pictures are resized to for the network.",
)
@click.option(
    "--input_range",
    type=click.Choice(["0..1", "-1..1", "imagenet"]),
    default="imagenet",
    show_default=True,
    help="Values of the network's input; imagenet is 0..1 less the mean of ImageNet, over its deviation.",
)
@click.option(
    "--activation",
    type=click.Choice(["auto", "softmax", "sigmoid", "none"]),
    default="auto",
    show_default=True,
    help="What turns the output into probabilities; auto sees whether it has happened already.",
)
@click.option(
    "--batch", type=click.IntRange(1, 1024), default=8, show_default=True, metavar="N", help="Pictures at once."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@workers_option
@force_option
@clean_errors
def command(
    img_data: Path,
    seg_dest: Path,
    network: Path,
    class_index: tuple[int, ...] | None,
    input_size: int | None,
    input_range: InputRange,
    activation: Activation,
    batch: int,
    device: Device,
    workers: int,
    force: bool,
) -> None:
    """Makes the masks of pictures: 8-bit PNG of the pictures' names and sizes, 0 background, 255 head, soft between.

    The pictures stay as they are. A command that was stopped goes on when it is given again.

    \b
    Examples:
      # torchvision's DeepLabV3, exported to ONNX; class 15 is a person.
      python dataset_tool.py masks --img_data heads_img.zip --seg_dest heads_seg.zip --network deeplab.onnx \\
          --class_index 15
      # A matting network with one output, fed with 1024 x 1024 pixels from -1 to 1.
      python dataset_tool.py masks --img_data photos --seg_dest mattes --network matting.pt --input_size 1024 \\
          --input_range=-1..1
    """  # noqa: D301 (the \b is click's)
    options = MaskOptions(input_size, input_range, class_index or (), activation, batch)
    segmenter = Segmenter(open_network(network, device), options)
    cells: list[tuple[str, Picture]] = []

    def show(name: str, picture: Picture, mask: Mask) -> None:
        cells.append((name, _over_grey(picture, mask)))

    report = make_masks(img_data, seg_dest, segmenter, workers=workers, force=force, show=show)
    list_problems("pictures have no mask, since they cannot be read", report.skipped)
    list_problems("masks can hardly be those of heads", report.flawed)
    click.echo(f"The network's output was read as {report.reading}.")
    click.echo(f"{report.num_masks} masks are in {seg_dest}")
    if cells:
        sheet = beside(seg_dest, "-sheet.png")
        labels, pictures = zip(*cells, strict=True)
        Image.fromarray(contact_sheet(pictures, labels=labels)).save(sheet)
        click.echo(f"Some of them, cut out: {sheet}")


def _over_grey(picture: Picture, mask: Mask) -> Picture:
    """The head on a ground that no photo has, so that a wrong edge is seen."""
    alpha = mask[..., None] / 255
    return (alpha * picture + (1 - alpha) * (40, 200, 120)).round().astype("uint8")
