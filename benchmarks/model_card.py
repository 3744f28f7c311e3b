# SPDX-License-Identifier: Apache-2.0
"""Ships the model of a run: weights, record, uncurated pictures, film and card, in one command."""

import sys
import tempfile
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.shipping.card import card
from benchmarks.shipping.measuring import Amounts, measure
from benchmarks.shipping.pictures import curve, film, samples
from benchmarks.shipping.record import (
    model_files,
    read_record,
    replace_all,
    ship_weights,
    training_facts,
    write_record,
)
from dnnlib.atomic import atomic_write_text
from dnnlib.clean_errors import clean_errors
from dnnlib.console import get_logger
from metrics.headnet.weights import load_headnet
from torch_utils.devices import find_device
from training.portraits.folders import results_folder
from training.pretrained.sources import MODELS
from training.run_config import load_config

log = get_logger(__name__)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True})
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", default="heads", metavar="NAME", help="what the model will be called")
@click.option(
    "--weights", "stored", type=click.Choice(["fp16", "bf16", "fp32"]), default="fp16", help="how to store it"
)
@click.option("--pictures", type=click.IntRange(4), default=Amounts().pictures, help="that distances are measured by")
@click.option("--heads", type=click.IntRange(4), default=Amounts().heads, help="that are measured one by one")
@click.option("--fault", "faults", multiple=True, metavar="TEXT",
              help="a known fault, in a sentence; may be repeated  [default: those of the last card]")  # fmt: skip
@click.option("--trained-on", metavar="TEXT", help="the machine of the training  [default: this one]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--models", type=click.Path(path_type=Path), default=MODELS, show_default="models", metavar="DIR")
@clean_errors
def main(
    run: Path,
    name: str,
    stored: str,
    pictures: int,
    heads: int,
    faults: tuple[str, ...],
    trained_on: str | None,
    device: str,
    models: Path,
) -> None:
    """Ships the newest networks of RUN, a folder of train.py, as models/NAME, with a card that says what they are.

    Numbers are measured against the training set, which must still be there. If the weights have not changed since the
    last card, they are not measured again: so `--fault` can be added once the pictures have been looked at.

    \b
    python benchmarks/model_card.py runs/heads
    python benchmarks/model_card.py runs/heads --fault "Ears of some seeds are missing."
    """
    amounts = Amounts(pictures, heads)
    files, data = model_files(results_folder(models), name), load_config(run).data
    before, training = read_record(files), training_facts(run, name, trained_on)
    if not training["curves"]:
        log.warning(
            f"{run}: has measured no metric, so the card has no curve; trainings do with --metrics=fd500_thumbs"
        )
    with tempfile.TemporaryDirectory(dir=models, prefix=f".{name}-") as folder:
        made = model_files(Path(folder), name)
        weights = ship_weights(run, made, stored)
        log.info(f"{files.weights}: {weights['bytes'] / 1e6:.1f} MB, alike to {weights['alike_db']:.0f} dB")
        samples(made.weights, made.pictures, device)
        film(made.weights, made.film, device)
        for metric, points in list(training["curves"].items())[:1]:
            curve(metric, points, made.curve)
        with_ = {
            **amounts._asdict(),
            "data": {**training["data"], "mirrored": data.mirror},
            "headnet": load_headnet().digest,
        }
        if before.get("weights", {}).get("digest") == weights["digest"] and before["measured_with"] == with_:
            log.info("The weights are those of the last card: its numbers stay.")
            measured = before["measured"]
        else:
            measured = measure(made.weights, data.img_data, data.mirror, amounts, find_device(device))
        record = {
            "weights": weights,
            "training": training,
            "measured_with": with_,
            "measured": measured,
            "faults": list(faults) or before.get("faults", []),
        }
        write_record(made, record)
        atomic_write_text(made.card, card(name, record))
        replace_all(files, made)
    log.info(f"look at {files.card} and {files.pictures}")


if __name__ == "__main__":
    main()
