# SPDX-License-Identifier: Apache-2.0
"""Pictures of heads: seeds x views, whole, cut out, before other backgrounds, as depth or mask."""

from typing import Any

import click

from dnnlib.clean_errors import clean_errors
from dnnlib.console import get_logger
from training.portraits.backdrops import BackdropType
from training.portraits.folders import results_folder
from training.portraits.kinds import KINDS, Kinds
from training.portraits.options import (
    CONTEXT,
    DEFAULT_TRUNC,
    Size,
    head_options,
    network_options,
    open_generator,
    without_effect,
)
from training.portraits.samples import SampleRequest, check_request, make
from training.portraits.views import PUBLISHED_FOV_DEG, STRIP_PITCH_DEG, STRIP_YAWS_DEG, Degrees
from training.shapes.export import DEFAULT_RESOLUTION, SHAPE_FORMATS

log = get_logger(__name__)

SEEDS = (0, 1, 2, 3)


class Shapes(click.ParamType):
    """true, false, or formats such as ply,glb."""

    name = "shapes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...] | bool:
        if not isinstance(value, str):
            return value
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        kinds = tuple(dict.fromkeys(word.strip().lower() for word in value.split(",")))
        wrong = [kind for kind in kinds if kind not in SHAPE_FORMATS]
        if wrong:
            self.fail(f"{wrong[0]!r} is no format of shapes: write true, false or some of {','.join(SHAPE_FORMATS)}")
        return kinds


@click.command(context_settings=CONTEXT)
@network_options
@click.option("--outdir", metavar="DIR", default="out", help="Folder for seed0000.png and so on, and samples.json.")
@head_options("0-3")
@click.option("--yaws", type=Degrees(), metavar="DEGREES", default=STRIP_YAWS_DEG, show_default="0,-45,-90,-135,-180",
              help="Views from 0 (front) over 90 (the subject's left) to 180 (back).")  # fmt: skip
@click.option("--pitches", type=Degrees(), metavar="DEGREES", default=(STRIP_PITCH_DEG,), show_default="7.315",
              help="Views from above, or below if negative; a row for each.")  # fmt: skip
@click.option("--fov-deg", type=float, default=PUBLISHED_FOV_DEG, help="Field of view along the diagonal, degrees.")
@click.option("--grid", type=Size(), metavar="WxH", help="Heads on one sheet, instead of a file for each.")
@click.option("--separate", is_flag=True, show_default=False, help="A file for every view.")
@click.option("--what", type=Kinds(), metavar="LIST", default="image", help=f"Some of {','.join(KINDS)}.")
@click.option("--background", type=BackdropType(), metavar="seed:N|#rrggbb|FILE", help="What stands behind the heads.")
@click.option("--nrr", type=int, help="Rays along a side.  [default: as trained]")
@click.option("--shapes", type=Shapes(), metavar="true|false|LIST", default="false",
              help=f"Shapes too: true for ChimeraX's mrc, or some of {','.join(SHAPE_FORMATS)}.")  # fmt: skip
@click.option(
    "--shape-format",
    type=click.Choice([f".{kind}" for kind in SHAPE_FORMATS]),
    default=".mrc",
    help="What --shapes=true makes.",
)
@click.option("--shape-res", type=int, default=DEFAULT_RESOLUTION, help="Voxels along a side.")
@without_effect("--class", "no published head model has classes")
@without_effect("--reload-modules", "networks are always run by this program's own code")
@clean_errors
def main(
    network: str,
    delta: str | None,
    device: str,
    precision: str | None,
    outdir: str,
    seeds: list[int] | None,
    latent: tuple[str, ...],
    mix: list[int] | None,
    mix_layers: list[int] | None,
    trunc: float | None,
    shapes: tuple[str, ...] | bool,
    shape_format: str,
    **flags: Any,
) -> None:
    """Makes pictures of heads.

    \b
    python gen_samples.py --seeds 0-7                            from the front to the back
    python gen_samples.py --seeds 0-7 --yaws 0 --grid 4x2        eight faces on a sheet
    python gen_samples.py --what foreground --separate           cut out, RGBA
    python gen_samples.py --background '#ffffff'                 before white; also seed:9 or sea.jpg
    python gen_samples.py --shapes glb                           the shapes, coloured

    The same command makes the same pictures. samples.json beside them has seeds, cameras, network and settings.
    """  # noqa: D301, click takes the backspace as "keep these lines"
    if not seeds and not latent and not mix:
        seeds = list(SEEDS)
    request = SampleRequest(
        seeds=tuple(seeds or ()),
        latent=latent,
        mix=tuple(mix or ()),
        mix_layers=None if mix_layers is None else tuple(mix_layers),
        trunc=DEFAULT_TRUNC if trunc is None else trunc,
        shapes=(shape_format[1:],) if shapes is True else shapes or (),
        **flags,
    )
    check_request(request)
    if latent and trunc is not None:
        log.info("styles of --latent are taken as they are: --trunc does nothing")
    folder = results_folder(outdir)
    G = open_generator(network, device, precision, delta)
    made = make(G, request, folder, network, delta)
    log.info(f"saved {len(made)} files and samples.json in {folder}")


if __name__ == "__main__":
    main()
