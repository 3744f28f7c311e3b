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

from dnnlib.console import get_logger, setup_logging
from dnnlib.text import parse_int_list, parse_size
from torch_utils.devices import find_device
from training.generator import Generator
from training.pretrained import load_generator

log = get_logger(__name__)
Command = Callable[..., Any]

DEFAULT_NETWORK = "heads"  # Shipped.

# Published commands write some flags with underscores, some with hyphens; either is understood.
CONTEXT = {
    "help_option_names": ["-h", "--help"],
    "show_default": True,
    "max_content_width": 110,
    "token_normalize_func": lambda token: token.replace("_", "-"),
}


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


class Size(click.ParamType):
    """Width and height such as 4x2."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if not isinstance(value, str):
            return value
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def without_effect(flag: str, reason: str) -> Callable[[Command], Command]:
    """A flag of published commands that means nothing here: it is accepted, and a warning says so."""

    def tell(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            setup_logging()  # Options are read before the command runs.
            log.warning(f"{flag} does nothing here: {reason}")

    return click.option(flag, metavar="VALUE", hidden=True, expose_value=False, callback=tell)


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
