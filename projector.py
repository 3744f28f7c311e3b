# SPDX-License-Identifier: Apache-2.0
"""Finds the head in a picture, so that a generator shows this very portrait from all sides. See docs/inversion.md."""

from pathlib import Path
from typing import Any

import click

from dnnlib.clean_errors import INTERRUPTED, clean_errors
from dnnlib.console import get_logger
from dnnlib.stop import stop_requests
from torch_utils.devices import find_device
from training.inversion.settings import Settings
from training.portraits.options import CONTEXT, IntList, network_options, open_generator, without_effect
from training.portraits.views import Degrees

log = get_logger(__name__)
PATH = click.Path(path_type=Path)


@click.command(context_settings=CONTEXT)
@network_options
@click.option("--target", "--target-img", "target", required=True, metavar="PICTURE|FOLDER|ZIP", type=PATH,
              help="A portrait, or a set of them with dataset.json.")  # fmt: skip
@click.option("--target-seg", metavar="PICTURE|FOLDER|ZIP", type=PATH,
              help="Masks, white where the head is; pictures with transparency need none.")  # fmt: skip
@click.option("--idx", type=IntList(), default="0", help="Entries of a set; several are views of one person.")
@click.option("--separate", is_flag=True, help="Each entry shows another person; they share a tuned generator.")
@click.option("--yaw", type=Degrees(), metavar="DEGREES",
              help="Where cameras stand, in place of labels: 0 in front, 90 at the subject's left. One, or one for "
              "each picture.")  # fmt: skip
@click.option("--pitch", type=Degrees(), metavar="DEGREES", help="And how far above the head, negative below.")
@click.option("--refine-camera/--keep-camera", default=None,
              help="Correct the camera during the search.  [default: where no camera is known]")  # fmt: skip
@click.option("--outdir", metavar="DIR", type=PATH, default="out", help="Folder for the results, one per inversion.")
@click.option("--space", type=click.Choice(["z", "w", "w+"]), default=Settings.space,
              help="Where the search goes, from few heads that are all likely to many: z, w, w+.")  # fmt: skip
@click.option("--num-steps", type=click.IntRange(0), default=Settings.num_steps, help="Of the search.")
@click.option("--num-steps-pti", type=click.IntRange(0), default=Settings.num_tuning_steps,
              help="Of tuning the generator; 0 leaves it alone.")  # fmt: skip
@click.option("--keep", type=click.FloatRange(0), default=Settings.keep,
              help="How firmly tuning keeps the sides that no picture shows; 0: not at all.")  # fmt: skip
@click.option("--perceptual", metavar="headnet|edges|FILE", default="headnet",
              help="By what pictures are compared beside pixels: the network of the metrics, edges, VGG16 in "
              "safetensors, or a TorchScript module of features.")  # fmt: skip
@click.option("--latent", metavar="FILE.npz", type=PATH, help="Styles found before: no search, tuning only.")
@click.option("--seed", type=click.IntRange(0), default=Settings.seed, help="Of all random numbers.")
@click.option("--save-video", type=bool, metavar="BOOL", help="How it went, as proj.mp4.  [default: where PyAV is]")
@click.option("--fps", type=float, default=30, help="Of the video.")
@click.option("--shapes", type=bool, metavar="BOOL", default=False, help="Shapes too: geometry.mrc, geometry.glb.")
@click.option("--shape-res", type=int, default=512, help="Voxels along a side.")
@without_effect("--reload-modules", "networks are always run by this program's own code")
@clean_errors
def main(network: str, delta: str | None, device: str, precision: str | None, perceptual: str, **flags: Any) -> None:
    """Finds the head in a portrait, then tunes the generator until it shows this very portrait.

    \b
    python projector.py --target portrait.png --outdir out/me
    python projector.py --target_img FOLDER --target_seg MASKS --idx 0 --network MODEL.pkl --outdir out/first
    python projector.py --target_img FOLDER --idx 3,4,5 --outdir out/three          three pictures of one person
    python gen_videos.py --latent out/me/projected_w.npz --delta out/me/delta.safetensors

    Stopped, the same command goes on.
    """  # noqa: D301 - \b is for click
    from metrics.likeness import find_likeness  # noqa: PLC0415 - help needs no networks
    from training.inversion.command import Request, project  # noqa: PLC0415

    if delta is not None:
        raise ValueError(
            "The delta of an inversion is to the network itself, so it begins from that: leave out --delta."
        )
    request = Request(**flags)
    request.check()
    likeness = find_likeness(perceptual, find_device(device))
    G = open_generator(network, device, precision)
    with stop_requests() as stop:
        if not project(G, Path(network).name, request, likeness, stop):
            log.warning("stopped; the same command goes on")
            raise click.exceptions.Exit(INTERRUPTED)


if __name__ == "__main__":
    main()
