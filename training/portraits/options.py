# SPDX-License-Identifier: Apache-2.0
"""Options that the scripts which use a generator share: which one and where it computes, and which heads are shown.

@click.command()
@network_options
@head_options("0-3")
@clean_errors
def main(network: str, delta: str | None, device: str, precision: str | None, **heads: Any) -> None:
    G = open_generator(network, device, precision, delta)
"""

import math
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
DEFAULT_TRUNC = 0.7

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
    return _decorated(
        command,
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
    )


def head_options(default_seeds: str) -> Callable[[Command], Command]:
    """`--seeds --latent --mix --mix-layers`, and how styles are drawn: `--trunc --trunc-cutoff --pose-cond`.

    Which are not given is None, or an empty tuple of latents; `default_seeds` is what the help then promises.
    """

    def decorate(command: Command) -> Command:
        return _decorated(
            command,
            click.option("--seeds", type=IntList(), help=f"Heads, such as 0-3,7.  [default: {default_seeds}]"),
            click.option(
                "--latent", multiple=True, metavar="FILE.npz", help="Heads of an inversion instead; may be repeated."
            ),
            click.option(
                "--mix",
                type=IntList(),
                metavar="A,B",
                help="Heads with the coarse styles of seed A, the fine ones of B.",
            ),
            click.option(
                "--mix-layers",
                type=IntList(),
                help="Styles of B begin here, a head for each.  [default: 0,2,3,4,6,8,all]",
            ),
            click.option(
                "--trunc",
                type=float,
                help=f"Truncation: 1 for all variety, less for better heads.  [default: {DEFAULT_TRUNC}]",
            ),
            click.option(
                "--trunc-cutoff", type=click.IntRange(0), help="How many styles are truncated.  [default: all]"
            ),
            click.option(
                "--pose-cond",
                type=float,
                default=90,
                callback=_finite,
                help="Conditioning camera, degrees; 90 is in front.",
            ),
        )

    return decorate


def _finite(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no angle: write degrees, 90 in front", ctx, param)
    return value


def _decorated(command: Command, *options: Callable[[Command], Command]) -> Command:
    """In the order that --help lists them."""
    for option in reversed(options):
        command = option(command)
    return command


def open_generator(network: str, device: str, precision: str | None, delta: str | None = None) -> Generator:
    """The generator that these options mean, in eval mode."""
    place = find_device(device)
    G = load_generator(network, place, precision=precision, delta=delta)
    what = network if delta is None else f"{network} with {delta}"
    log.info(f"{what}: {G.img_resolution} x {G.img_resolution} pictures on {place.type}")
    return G
