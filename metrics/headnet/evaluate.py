# SPDX-License-Identifier: Apache-2.0
"""`python -m metrics.headnet.evaluate`: the figures of HeadNet on heads that it has not seen."""

from pathlib import Path

import click

from dnnlib.atomic import atomic_write_bytes, atomic_write_text
from dnnlib.clean_errors import clean_errors
from dnnlib.console import setup_logging
from metrics.headnet import sheets
from metrics.headnet.evaluation import evaluate
from metrics.headnet.headset import open_heads
from metrics.headnet.record import RECORD, WEIGHTS, read_record, to_json
from metrics.headnet.weights import SHIPPED, load_headnet
from training.data.images import encode_png

_FILE = click.Path(exists=True, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--img_data", type=_FILE, required=True, help="Images of `dataset_tool.py synth`, of another seed.")
@click.option("--seg_data", type=_FILE, required=True, help="Their masks.")
@click.option("--truth_data", type=_FILE, required=True, help="Their truth.")
@click.option("--net", "folder", type=_FILE, default=SHIPPED.parent, help="Of weights and record.  [default: shipped]")
@click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Folder for sheets and the chart.")
@clean_errors
def main(img_data: Path, seg_data: Path, truth_data: Path, folder: Path, pictures: Path | None) -> None:
    """Measures HeadNet on procedural heads, writes the figures into its record, and draws them."""
    setup_logging()
    heads, settings = open_heads(img_data, seg_data, truth_data)
    record = read_record(folder / RECORD)
    if settings["seed"] == record["training"]["data"]["seed"]:
        raise ValueError(f"{img_data}: has the seed of the training set, so its heads were seen; make a set of another")
    net = load_headnet(path=folder / WEIGHTS)
    figures = {"data": settings, **evaluate(net, heads)}
    atomic_write_text(folder / RECORD, to_json({**record, "held_out": figures}))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        drawn = {
            "headnet-readings.png": sheets.readings(net, heads),
            "headnet-neighbours.png": sheets.neighbours(net, heads),
            "headnet-response.png": sheets.response(figures),
        }
        for name, picture in drawn.items():
            atomic_write_bytes(pictures / name, encode_png(picture, compress_level=9))
    click.echo(to_json({name: figures[name] for name in ("yaw", "identity", "mask_iou", "faults")}))


if __name__ == "__main__":
    main()
