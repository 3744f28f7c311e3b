# SPDX-License-Identifier: Apache-2.0
"""Our file of networks: one safetensors file with weights, configurations and provenance.

It holds any of `G_ema` (the averaged generator, which makes the pictures), `G` and `D`. Tensors are stored as
`G_ema.field.decoder.hidden.weight`, and so on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dnnlib.config import from_tree, to_tree
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.builder import build_critic, build_generator
from training.discriminator import Discriminator
from training.generator import Generator
from training.model_config import CriticConfig, GeneratorConfig

SCHEMA_VERSION = 1
_FORMAT = "fullhead networks"


def save_networks(path: str | Path, networks: Mapping[str, nn.Module], provenance: Mapping[str, Any]) -> None:
    """`provenance` is what a user of the file may want to know: code version, data, images seen, licence."""
    tensors = {f"{name}.{key}": x for name, module in networks.items() for key, x in module.state_dict().items()}
    header = {
        "format": _FORMAT,
        "schema_version": SCHEMA_VERSION,
        "networks": {name: describe(module) for name, module in networks.items()},
        "provenance": dict(provenance),
    }
    checkpoint.write(path, tensors, header)


def load_networks(path: str | Path) -> dict[str, nn.Module]:
    """All networks of the file, in eval mode."""
    tensors, header = checkpoint.read(path)
    check_header(path, header)
    networks = {}
    for name, description in header["networks"].items():
        module = build_described(description, f"{path}, network {name}")
        own = {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        checkpoint.load_weights(module, own, f"{path}, network {name}")
        networks[name] = module.eval()
    return networks


def load_state_dicts(path: str | Path) -> dict[str, dict[str, torch.Tensor]]:
    """The weights of all networks of the file by name, for networks that are there already."""
    tensors, header = checkpoint.read(path)
    check_header(path, header)
    return {
        name: {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        for name in header["networks"]
    }


def check_header(path: str | Path, header: Mapping[str, Any]) -> None:
    if header.get("format") != _FORMAT or not isinstance(header.get("networks"), dict):
        raise CheckpointError(f"{path}: holds no networks, but {header.get('format', 'something unknown')!r}")
    version = header.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path}: is of schema {version}, newer than this code reads ({SCHEMA_VERSION}); update FullHead"
        )


def describe(module: nn.Module) -> dict[str, Any]:
    """All that is needed to build another one, as JSON."""
    if isinstance(module, Generator):
        return {"kind": "generator", "c_dim": module.c_dim, "config": to_tree(module.config)}
    assert isinstance(module, Discriminator)
    size = {"resolution": module.img_resolution, "image_channels": module.img_channels}
    return {"kind": "critic", "c_dim": module.c_dim, **size, "config": to_tree(module.config)}


def build_described(description: Any, source: str) -> nn.Module:
    """One with fresh weights. `source` names it in errors."""
    try:
        kind, c_dim, tree = (description[key] for key in ("kind", "c_dim", "config"))
        with torch.random.fork_rng(devices=[]):  # The first weights are drawn, and replaced at once.
            if kind == "generator":
                module = build_generator(from_tree(GeneratorConfig, tree, source), c_dim)
            elif kind == "critic":
                size = {key: description[key] for key in ("resolution", "image_channels")}
                module = build_critic(from_tree(CriticConfig, tree, source), c_dim=c_dim, **size)
            else:
                raise CheckpointError(f"{source}: is a {kind!r}, which this code does not know; update FullHead")
    except CheckpointError:
        raise
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{source}: its description is incomplete ({error!r})") from None
    except ValueError as error:  # Also of a configuration, which names the source already.
        raise CheckpointError(f"{source}: cannot be built: {str(error).removeprefix(f'{source}: ')}") from None
    return module
