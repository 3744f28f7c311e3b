# SPDX-License-Identifier: Apache-2.0
"""Options that the scripts which use a generator share: which one, where it computes, and how precisely.

@click.command()
@network_options
@clean_errors
def main(network: str, delta: str | None, device: str, precision: str | None) -> None:
    G = open_generator(network, device, precision, delta)
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from dnnlib.console import get_logger
from dnnlib.text import parse_int_list
from torch_utils.devices import find_device
from training.generator import Generator
from training.pretrained import load_generator

log = get_logger(__name__)
Command = Callable[..., Any]

DEFAULT_NETWORK = "heads"  # Shipped.


class IntList(click.ParamType):
    """Numbers and ranges such as 0,3,10-12."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return list(value)
        try:
            return parse_int_list(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def network_options(command: Command) -> Command:
    """`--network --delta --device --precision`, as texts."""
    decorators = [
        click.option(
            "--network",
            metavar="FILE|RUN|URL|NAME",
            default=DEFAULT_NETWORK,
            show_default=True,
            help="Networks: a .safetensors or .pkl file, the folder of a run, a URL, or the name of a shipped model.",
        ),
        click.option(
            "--delta",
            metavar="FILE",
            help="Changes to this very network, as projector.py writes them for one portrait.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to compute; auto is a GPU where there is one.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "bf16", "fp16"]),
            help="Of convolutions; as saved if not given. bf16 is faster where the machine has it.",
        ),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def open_generator(network: str, device: str, precision: str | None, delta: str | None = None) -> Generator:
    """The generator that these options mean, in eval mode."""
    place = find_device(device)
    G = load_generator(network, place, precision=precision, delta=delta)
    what = network if delta is None else f"{network} with {delta}"
    log.info(f"{what}: {G.img_resolution} x {G.img_resolution} pictures on {place.type}")
    return G
