# SPDX-License-Identifier: Apache-2.0
"""`python -m training.pretrained`: what a file of networks holds, and its conversion."""

import json
from pathlib import Path

import click

from dnnlib.config import to_json
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.discriminator import Discriminator
from training.generator import Generator
from training.pretrained.convert import Stored, convert, ship
from training.pretrained.load import load_networks
from training.pretrained.sources import find
from training.summary import network_summary


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Looks into files of networks, and converts them.

    A SOURCE is a .safetensors file, a .pkl of PanoHead or EG3D (nothing in it is executed), the folder of a run, a URL
    with checksum (https://host/file.pkl#sha256=...), or the name of a shipped model.
    """


@main.command()
@click.argument("source")
@click.option("--config", "wants_config", is_flag=True, help="Print the configurations as JSON as well.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="Pictures, for the memory.")
def info(source: str, wants_config: bool, batch: int) -> None:
    """Says what SOURCE holds: networks, parameters, operations, memory, where it comes from.

    \b
    python -m training.pretrained info network.pkl
    python -m training.pretrained info runs/00003 --config
    """  # noqa: D301, click takes the backspace as "keep these lines"
    try:
        path = find(source)
        networks = load_networks(path)
        header = checkpoint.read_header(path) if path.suffix == ".safetensors" else {}
        click.echo(f"{path} ({path.stat().st_size / 2**20:.1f} MiB)")
        for key, value in header.get("provenance", {}).items():
            click.echo(f"  {key}: {value if isinstance(value, str) else json.dumps(value)}")
        for name, network in networks.items():
            assert isinstance(network, Generator | Discriminator)
            click.echo(f"\n{name}")
            click.echo(network_summary(network, batch), nl=False)
            if wants_config:
                click.echo(to_json(network.config), nl=False)
    except CheckpointError as error:
        raise click.ClickException(str(error)) from None


@main.command("convert")
@click.argument("source")
@click.argument("destination", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--weights", type=click.Choice(["fp32", "bf16", "fp16"]),
              help="The averaged generator alone, its numbers stored so: what is needed to make pictures.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace DESTINATION if it exists.")
def convert_command(source: str, destination: Path, weights: Stored | None, force: bool) -> None:
    """Writes the networks of SOURCE to DESTINATION, and compares their outputs before it reports success.

    DESTINATION.safetensors is for this project. DESTINATION.pt is for others: plain state dicts with the published
    names, {"G_ema": {...}, "D": {...}}, to be read with torch.load(path, weights_only=True).

    \b
    python -m training.pretrained convert network.pkl network.safetensors
    python -m training.pretrained convert runs/00003 network.pt
    python -m training.pretrained convert runs/00003 small.safetensors --weights fp16
    """  # noqa: D301
    if destination.exists() and not force:
        raise click.ClickException(f"{destination}: exists already; choose another name, or give --force to replace it")
    try:
        if weights is None:
            for line in convert(source, destination):
                click.echo(line)
        else:
            alike_db = ship(source, destination, weights)
            size_mib = destination.stat().st_size / 2**20
            click.echo(f"G_ema in {weights}: {size_mib:.1f} MiB, its pictures are alike to {alike_db:.0f} dB or more")
    except CheckpointError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Written: {destination}")


if __name__ == "__main__":
    main(prog_name="python -m training.pretrained")
