# SPDX-License-Identifier: Apache-2.0
"""`python -m metrics.headnet.train`: HeadNet from a set of procedural heads."""

import dataclasses
from pathlib import Path

import click
import torch

from dnnlib.atomic import atomic_write_text
from dnnlib.clean_errors import clean_errors
from dnnlib.console import setup_logging
from dnnlib.text import format_duration
from metrics.headnet import losses
from metrics.headnet.headset import open_heads
from metrics.headnet.record import RECORD, WEIGHTS, to_json
from metrics.headnet.training import Plan, calibrate, train
from metrics.headnet.weights import load_headnet, save_headnet, stored

_PLAN = Plan()
_FILE = click.Path(exists=True, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--img_data", type=_FILE, required=True, help="Images of `dataset_tool.py synth`, several views a head.")
@click.option("--seg_data", type=_FILE, required=True, help="Their masks.")
@click.option("--truth_data", type=_FILE, required=True, help="Their truth.")
@click.option("--outdir", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where results go.")
@click.option("--steps", type=click.IntRange(1), default=_PLAN.steps, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=_PLAN.batch, show_default=True, help="Pictures per step.")
@click.option("--seed", type=click.IntRange(0), default=_PLAN.seed, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Of the CPU.  [default: PyTorch's choice]")
@clean_errors
def main(
    img_data: Path,
    seg_data: Path,
    truth_data: Path,
    outdir: Path,
    steps: int,
    batch: int,
    seed: int,
    threads: int | None,
) -> None:
    """Trains HeadNet on the CPU; the same command goes on after a stop.

    Writes headnet.safetensors (the weights), headnet.json (how they were made) and state.safetensors (to go on from).
    How well it does is measured by `python -m metrics.headnet.evaluate`. docs/headnet.md has the commands that made
    what is shipped.
    """
    setup_logging()
    outdir.mkdir(parents=True, exist_ok=True)
    if threads is not None:
        torch.set_num_threads(threads)
    heads, settings = open_heads(img_data, seg_data, truth_data)
    plan = Plan(steps=steps, batch=batch, seed=seed)
    trained = train(heads, plan, outdir / "state.safetensors", settings)
    if trained is None:
        click.echo("Stopped; the same command goes on.")
        return
    net, done = trained
    # Calibrated as it will be loaded, with rounded weights.
    net.load_state_dict(stored(net))
    calibrate(net, heads)
    record = {
        "data": settings,
        "plan": dataclasses.asdict(plan),
        "loss_weights": losses.WEIGHTS,
        "losses": {name: round(value, 5) for name, value in done.losses.items()},
        "minutes": round(done.seconds / 60, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    save_headnet(net, outdir / WEIGHTS, record)
    digest = load_headnet(path=outdir / WEIGHTS).digest
    atomic_write_text(outdir / RECORD, to_json({"digest": digest, "training": record}))
    click.echo(f"{outdir / WEIGHTS} after {steps} steps in {format_duration(done.seconds)}")


if __name__ == "__main__":
    main()
