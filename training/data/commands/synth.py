# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py synth`: procedural heads with exact cameras, masks and depth."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import torch

from dnnlib.atomic import atomic_write_bytes
from dnnlib.clean_errors import clean_errors
from dnnlib.config import from_tree, to_tree
from dnnlib.text import format_duration
from torch_utils.ops import native
from training.data.commands.options import (
    beside,
    force_option,
    img_dest_option,
    seg_dest_option,
    workers_option,
)
from training.data.images import encode_png
from training.data.making.building import build
from training.data.synthetic.items import MakeHead, parameter_names
from training.data.synthetic.settings import FrontHeavy, Resolution, Smile, SyntheticSettings
from training.data.synthetic.sheet import sheet

_DEFAULTS = SyntheticSettings()
_RESOLUTIONS = [str(resolution) for resolution in get_args(Resolution)]


@click.command(short_help="procedural heads with exact cameras, masks and depth")
@img_dest_option()
@seg_dest_option()
@click.option(
    "--truth_dest",
    "--truth-dest",
    "truth_dest",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the truth goes: truth.npz and the depth maps.  [default: beside the images, as NAME_truth.zip]",
)
@click.option("--num", type=click.IntRange(1), required=True, metavar="N", help="How many pictures.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    default=0,
    show_default=True,
    help="Every random number follows from it.",
)
@click.option(
    "--resolution", type=click.Choice(_RESOLUTIONS), default="64", show_default=True, help="Width and height."
)
@click.option(
    "--views-per-identity",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="So many pictures in a row show one head.",
)
@click.option("--identities", type=click.IntRange(1), metavar="N", help="Only so many heads, again and again.")
@click.option("--identity", type=click.IntRange(0, 2**62 - 1), metavar="K", help="Only this head.")
@click.option(
    "--cameras",
    type=click.Choice(["uniform", "front-heavy"]),
    default="uniform",
    show_default=True,
    help="All around, or most from the front as in FFHQ.",
)
@click.option(
    "--back-share",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help=f"Share of back views with --cameras front-heavy.  [default: {FrontHeavy().back_share}]",
)
@click.option(
    "--elevation-std",
    type=click.FloatRange(0, 30),
    default=_DEFAULTS.elevation_std_deg,
    show_default=True,
    metavar="DEGREES",
    help="Spread of the elevation around level.",
)
@click.option(
    "--drift",
    type=click.FloatRange(0, 0.2),
    default=_DEFAULTS.drift,
    show_default=True,
    metavar="SIZE",
    help="Label noise: back views are taken from up to so far beside the label's camera. World units; the picture is "
    "0.633 wide.",
)
@click.option(
    "--jitter",
    type=click.FloatRange(0, 0.2),
    default=_DEFAULTS.jitter,
    show_default=True,
    metavar="SHARE",
    help="Crops of all views are shifted by up to this share of their width, and scaled by up to 1 + this.",
)
@click.option(
    "--smile",
    type=click.Choice(get_args(Smile)),
    default=_DEFAULTS.smile,
    show_default=True,
    help="Who smiles; with front whoever is seen from the front, and only there.",
)
@click.option("--background/--no-background", default=True, show_default=True, help="Coloured sheets behind the heads.")
@click.option("--depth/--no-depth", default=True, show_default=True, help="Depth maps in the truth.")
@workers_option
@force_option
@clean_errors
def command(
    img_dest: Path,
    seg_dest: Path | None,
    truth_dest: Path | None,
    num: int,
    seed: int,
    resolution: str,
    views_per_identity: int,
    identities: int | None,
    identity: int | None,
    cameras: str,
    back_share: float | None,
    elevation_std: float,
    drift: float,
    jitter: float,
    smile: str,
    background: bool,
    depth: bool,
    workers: int,
    force: bool,
) -> None:
    """Makes heads that exist nowhere, seen from all around, with everything about them known.

    Item i depends on the options and on i alone: a larger --num begins with the same pictures. Without --seg_dest the
    masks become the alpha of the pictures. An interrupted command goes on when it is given again.

    \b
    Examples:
      python dataset_tool.py synth --num 2000 --img_dest heads_img.zip --seg_dest heads_seg.zip
      python dataset_tool.py synth --num 1000 --resolution 128 --views-per-identity 8 --img_dest views.zip
      python dataset_tool.py synth --num 5000 --cameras front-heavy --back-share 0.2 --drift 0.05 --smile front \\
          --img_dest wild_img.zip --seg_dest wild_seg.zip
    """  # noqa: D301 (\b keeps the lines of the examples)
    if identities is not None and identity is not None:
        raise ValueError("--identity is one head and --identities several; give one of the two.")
    if back_share is not None and cameras == "uniform":
        raise ValueError("--back-share needs --cameras front-heavy; of uniform cameras, half are behind the head.")
    views = {"kind": cameras} if back_share is None else {"kind": cameras, "back_share": back_share}
    knobs = {
        "seed": seed,
        "resolution": int(resolution),
        "views_per_identity": views_per_identity,
        "num_identities": identities if identity is None else 1,
        "first_identity": identity or 0,
        "cameras": views,
        "elevation_std_deg": elevation_std,
        "drift": drift,
        "jitter": jitter,
        "smile": smile,
        "background": background,
        "depth": depth,
    }
    settings = from_tree(SyntheticSettings, knobs, source="The options")
    truth_dest = truth_dest or beside(img_dest, "_truth.zip")
    native.why_not("distance_field", "cpu")  # Built here, once, and not by every worker.
    start_s = time.perf_counter()
    with _one_thread():
        build(
            MakeHead(settings, is_mask_apart=seg_dest is not None),
            num,
            img_dest=img_dest,
            seg_dest=seg_dest,
            truth_dest=truth_dest,
            settings={"synthetic": to_tree(settings), "synthetic_parameters": parameter_names()},
            workers=workers,
            force=force,
            description="heads",
        )
    taken_s = time.perf_counter() - start_s
    sheet_path = beside(img_dest, "-sheet.png")
    atomic_write_bytes(sheet_path, encode_png(sheet(img_dest, settings), compress_level=6))
    click.echo(f"{num} heads in {format_duration(taken_s)}")
    places = {
        "images": img_dest,
        "masks": seg_dest or "the alpha of the images",
        "truth": truth_dest,
        "look at": sheet_path,
    }
    for what, where in places.items():
        click.echo(f"{what:>8}  {where}")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """For a single worker, which is this process; others have one thread anyway. The work is too fine to be shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
