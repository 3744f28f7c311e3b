# SPDX-License-Identifier: Apache-2.0
"""Finds the head in a picture: the portrait that a generator can show from all sides. docs/inversion.md says more."""

from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from training.portraits.options import IntList, network_options


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@network_options
@click.option(
    "--target",
    "--target_img",
    "--target-img",
    "target",
    required=True,
    metavar="PICTURE|FOLDER|ZIP",
    type=click.Path(path_type=Path),
    help="A portrait, or a set of them with dataset.json.",
)
@click.option(
    "--target_seg",
    "--target-seg",
    "masks",
    metavar="PICTURE|FOLDER|ZIP",
    type=click.Path(path_type=Path),
    help="Masks: white where the head is. Transparent pictures need none.",
)
@click.option(
    "--idx",
    type=IntList(),
    default="0",
    show_default=True,
    help="Which entries of a set; several are views of one person.",
)
@click.option("--separate", is_flag=True, help="The entries show different people, inverted together.")
@click.option(
    "--yaw",
    type=float,
    multiple=True,
    help="Degrees from the front that the camera stands at, + where the "
    "left ear is; in place of a label. Once, or for every picture.",
)
@click.option("--pitch", type=float, multiple=True, help="Degrees that the camera stands above the head.")
@click.option(
    "--refine-camera/--keep-camera",
    default=None,
    help="Correct the camera while searching. By default where no camera is known.",
)
@click.option("--outdir", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where results go.")
@click.option(
    "--space",
    type=click.Choice(["z", "w", "w+"]),
    default="w+",
    show_default=True,
    help="Where the head is sought: from the narrowest, in which every head is likely, to the widest.",
)
@click.option(
    "--num-steps", "--num_steps", type=click.IntRange(0), default=500, show_default=True, help="Of the search."
)
@click.option(
    "--num-steps-pti",
    "--num_steps_pti",
    type=click.IntRange(0),
    default=350,
    show_default=True,
    help="Of tuning the generator; 0 leaves it alone.",
)
@click.option(
    "--keep",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="How firmly sides that no picture shows stay as the untuned generator has them; 0: not at all.",
)
@click.option(
    "--perceptual",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A TorchScript module of perceptual features; without one edges are compared.",
)
@click.option(
    "--latent",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="projected_w.npz of an earlier inversion: only the generator is tuned.",
)
@click.option("--seed", type=click.IntRange(0), default=303, show_default=True, help="Of all random numbers.")
@clean_errors
def main(network: str, delta: str | None, device: str, precision: str | None, **options) -> None:
    """Finds the head in a portrait, and tunes the generator until it shows this very portrait.

    \b
    python projector.py --target=portrait.png --outdir=out
    python projector.py --target_img=FOLDER --target_seg=MASKS --idx=0 --outdir=out --network=MODEL.pkl
    python projector.py --target_img=FOLDER --idx=3,4,5 --outdir=out        three pictures of one person

    Writes projected_w.npz (styles), delta.safetensors (changes to the generator, for --delta), proj.png, target.png,
    sheet.png (from all sides, before and after tuning), and inversion.json. Stopped, the same command goes on.
    """  # noqa: D301, click takes the backspace as "keep these lines"
