# SPDX-License-Identifier: Apache-2.0
"""Videos of heads: around them, between them, in grids; of seeds, of inverted portraits, of mixed styles."""

from typing import Any

import click

from dnnlib.clean_errors import clean_errors
from dnnlib.console import get_logger
from dnnlib.text import parse_bytes
from training.portraits.backdrops import BackdropType
from training.portraits.filming import record
from training.portraits.finer import with_samples
from training.portraits.kinds import KINDS, Kinds
from training.portraits.options import CONTEXT, Size, head_options, network_options, open_generator, without_effect
from training.portraits.trajectories import MOTIONS
from training.portraits.video_request import FORMATS, VideoRequest, check_request, films, pictures

log = get_logger(__name__)

IMAGE_MODES = {"image": "image", "image_depth": "depth", "image_raw": "raw"}


class Bitrate(click.ParamType):
    """Bits per second, such as 30M."""

    name = "bitrate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not isinstance(value, str):
            return value
        try:
            return parse_bytes(value)
        except ValueError:
            self.fail(f"{value!r} is no bitrate: write bits per second, such as 30M or 800k", param, ctx)


@click.command(context_settings=CONTEXT)
@network_options
@head_options("0")
@click.option("--grid", type=Size(), metavar="WxH", help="Cells side by side.  [default: 1x1]")
@click.option("--num-keyframes", type=click.IntRange(1), help="Heads per cell, one after the other.  [default: all]")
@click.option("--w-frames", type=click.IntRange(1), help="Frames from one head to the next.  [default: 240]")
@click.option("--shuffle-seed", type=click.IntRange(0, 2**32 - 1), help="Deal heads out in a random order.")
@click.option("--interpolate", type=bool, default=True, metavar="BOOL", help="false: a video for each head.")
@click.option("--cfg", type=click.Choice(list(MOTIONS), case_sensitive=False), default="Head",
              help="The way of the camera: Head once around, FFHQ and Cats to and fro before the face.")  # fmt: skip
@click.option("--cameras", metavar="FILE", help="The way of the camera: .npy [frames, 25], or labels as dataset.json.")
@click.option("--what", type=Kinds(), metavar="LIST", help=f"Side by side: {', '.join(KINDS)}.  [default: image]")
@click.option("--image-mode", type=click.Choice(list(IMAGE_MODES)), help="The same in PanoHead's words.")
@click.option("--background", type=BackdropType(), metavar="seed:N|#rrggbb|FILE", help="What stands behind the heads.")
@click.option("--nrr", type=click.IntRange(1, 1024), help="Rays along a side.  [default: as trained]")
@click.option("--sample-mult", type=float, default=1, help="Multiple of samples along rays; 2 against flicker.")
@click.option("--outdir", metavar="DIR", help="Folder of the video.  [default: out, or that of --output]")
@click.option("--output", metavar="FILE", help="The video: .mp4, .webm, .gif, or without an ending a folder of PNG.")
@click.option(
    "--format", type=click.Choice(list(FORMATS)), default="mp4", help="Of videos that --output does not name."
)
@click.option("--fps", type=float, help="Frames per second.  [default: 60, of a gif 30]")
@click.option("--bitrate", type=Bitrate(), help="Bits per second, such as 30M.")
@click.option("--quality", type=int, help="Instead: 0 (best) to 51, of webm 63.  [default: 17, of webm 24]")
@without_effect("--shapes", "`gen_samples.py --shapes=true` makes the shapes of the same heads")
@without_effect("--reload-modules", "networks are always run by this program's own code")
@clean_errors
def main(
    network: str,
    delta: str | None,
    device: str,
    precision: str | None,
    sample_mult: float,
    what: tuple[str, ...] | None,
    image_mode: str | None,
    outdir: str | None,
    **flags: Any,
) -> None:
    """Makes videos of heads.

    \b
    python gen_videos.py --seeds 0-3 --grid 2x2                  four heads, once around
    python gen_videos.py --seeds 0-3 --what image,depth          one turns into the next
    python gen_videos.py --mix 521,329                           the styles of two heads mixed
    python gen_videos.py --latent out/projected_w.npz --output out/me.mp4
    """  # noqa: D301 - \b is for click
    if what and image_mode:
        raise ValueError("--what and --image-mode say the same: give one of them.")
    request = VideoRequest(
        what=what or (IMAGE_MODES[image_mode or "image"],),
        outdir=outdir or ("" if flags["output"] else "out"),
        **flags,
    )
    check_request(request, network)
    G = with_samples(open_generator(network, device, precision, delta), sample_mult)
    for film in films(G, request, network):
        record(film.file, film.video, pictures(G, request, film), film.path.num_frames)
        log.info(f"saved {film.file}")


if __name__ == "__main__":
    main()
