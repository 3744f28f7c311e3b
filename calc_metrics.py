# SPDX-License-Identifier: Apache-2.0
"""Measures a generator. `python calc_metrics.py --help` says how; docs/metrics.md says what the numbers mean."""

import sys
from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from dnnlib.console import setup_logging
from metrics.command import Request, run
from metrics.detectors.options import parse_detector
from metrics.names import parse_list
from metrics.pictures import MODES
from torch_utils import distributed
from torch_utils.devices import find_device
from torch_utils.launch import launch
from training.portraits.options import DEFAULT_NETWORK


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--network", default=DEFAULT_NETWORK, show_default=True, metavar="FILE|RUN|URL|NAME",
              help="a file of networks, the folder of a run, or the name of a shipped model")  # fmt: skip
@click.option("--metrics", "names", default="fid50k_full", show_default=True, metavar="LIST",
              help="what to measure; `python -m metrics list` has the kinds")  # fmt: skip
@click.option("--img_data", "--img-data", metavar="FILE", help="images with cameras; as in training if not given")
@click.option("--seg_data", "--seg-data", metavar="FILE", help="their masks; no metric needs them")
@click.option("--mirror", type=bool, metavar="BOOL", help="also the mirrored images; as in training if not given")
@click.option("--mode", type=click.Choice(MODES), default="all", show_default=True,
              help="which cameras are rendered, and what the styles know of them")  # fmt: skip
@click.option("--detector", "detectors", multiple=True, metavar="NAME=FILE[#sha256=..]",
              help="a network that looks at pictures: ONNX, or TorchScript of people you trust")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="of latents and cameras")
@click.option("--outdir", type=click.Path(path_type=Path), metavar="DIR",
              help="where records are appended; RUN/metrics if the network is in a run")  # fmt: skip
@click.option("--gpus", type=click.IntRange(1, 1024), default=1, metavar="N", help="processes on this machine")
@click.option(
    "--batch", type=click.IntRange(1, 64), default=16, show_default=True, help="pictures at once, each process"
)
@click.option("--delta", metavar="FILE", help="what an inversion changed of the networks")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="of convolutions; as saved if not given")
@click.option("--verbose", type=bool, default=True, metavar="BOOL", help="say what is done, and how far it is")
@clean_errors
def main(
    network: str, names: str, mode: str, detectors: tuple[str, ...], gpus: int, device: str, verbose: bool, **rest
) -> None:
    """Measures how good a generator is, and appends a record of each number to metric-NAME.jsonl.

    \b
    python calc_metrics.py --network=runs/heads --metrics=fd500_thumbs,kd500_thumbs,depth,mirror
    python calc_metrics.py --network=MODEL.pkl --img_data=IMG.zip --seg_data=SEG.zip --gpus 8 --mirror True \\
        --metrics fid50k_full,is50k --mode back --detector=inception=FILE --detector=classes=FILE
    python -m metrics compare RUN_A RUN_B
    """  # noqa: D301, click takes the backspace as "keep these lines"
    request = Request(
        network=network,
        wanted=tuple(parse_list(names)),
        mode=mode,
        detectors=tuple(parse_detector(text) for text in detectors),
        **rest,
    )
    place = find_device(device)
    if gpus > 1 and distributed.world_size() == 1:
        sys.exit(launch(gpus, [sys.executable, __file__, *sys.argv[1:]]))
    setup_logging(rank=distributed.rank(), level="INFO" if verbose else "WARNING")
    with distributed.session(place) as own:
        run(request, own)


if __name__ == "__main__":
    main()
