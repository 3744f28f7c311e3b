# SPDX-License-Identifier: Apache-2.0
"""Files of networks to modules, whoever wrote the file."""

from pathlib import Path

import torch
from torch import nn

from dnnlib.config_paths import replace
from torch_utils.checkpoint import CheckpointError
from training.builder import build_generator
from training.discriminator import Discriminator
from training.generator import Generator
from training.model_config import Precision
from training.pretrained import network_file, official_file, state_dict_file
from training.pretrained.delta import apply_delta
from training.pretrained.sources import find

FP16_CLAMP = 256.0  # As published.


def load_generator(
    source: str | Path,
    device: torch.device | str = "cpu",
    *,
    precision: Precision | None = None,
    delta: str | Path | None = None,
) -> Generator:
    """The averaged generator (G_ema) of a source, or the plain one where there is no other, in eval mode.

    `precision` is that of its convolutions; None leaves it as it was saved. `delta` is a file of changes to this very
    generator, such as an inversion writes.
    """
    G = _pick(source, ("G_ema", "G"), Generator, "generator")
    if delta is not None:
        apply_delta(G, delta)
    if precision is not None:
        G = in_precision(G, precision)
    return G.to(device)


def in_precision(G: Generator, precision: Precision) -> Generator:
    """The same generator, where it is, with convolutions that compute in `precision`."""
    changes = {"precision": precision, "superresolution.precision": None}
    if precision == "fp16":  # Its numbers end at 65504.
        changes |= {
            "clamp": G.config.clamp or FP16_CLAMP,
            "superresolution.clamp": G.config.superresolution.clamp or FP16_CLAMP,
        }
    other = build_generator(replace(G.config, **changes), G.c_dim)
    other.load_state_dict(G.state_dict())
    return other.train(G.training).to(next(G.parameters()).device)


def load_discriminator(source: str | Path, device: torch.device | str = "cpu") -> Discriminator:
    """The critic of a source, in eval mode."""
    return _pick(source, ("D",), Discriminator, "discriminator").to(device)


def load_networks(source: str | Path) -> dict[str, nn.Module]:
    """All networks of a source by name: G_ema, G, D."""
    path = find(source)
    readers = {
        ".safetensors": network_file.load_networks,
        ".pkl": official_file.load_networks,
        ".pt": state_dict_file.load_networks,
    }
    if path.suffix.lower() not in readers:
        raise CheckpointError(
            f"{path}: networks are read from {', '.join(readers)} files, not from {path.suffix or 'such a one'}"
        )
    return readers[path.suffix.lower()](path)


def _pick(source: str | Path, names: tuple[str, ...], kind: type, what: str) -> nn.Module:
    networks = load_networks(source)
    for name in names:
        if isinstance(networks.get(name), kind):
            return networks[name]
    raise CheckpointError(f"{source}: holds no {what}, only {', '.join(networks) or 'nothing'}")
