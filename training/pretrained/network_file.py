# SPDX-License-Identifier: Apache-2.0
"""Our file of networks: one safetensors file with weights, configurations and provenance.

It holds any of `G_ema` (the averaged generator, which makes the pictures), `G` and `D`. Tensors are stored as
`G_ema.field.decoder.hidden.weight`, and so on.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dnnlib.config import ConfigError, from_tree, to_tree
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.builder import build_critic, build_generator
from training.discriminator import Discriminator
from training.generator import Generator
from training.model_config import CriticConfig, GeneratorConfig
from training.pretrained import delta
from training.pretrained.construction import construct

SCHEMA_VERSION = 1
_FORMAT = "fullhead networks"


def save_networks(
    path: str | Path,
    networks: Mapping[str, nn.Module],
    provenance: Mapping[str, Any],
    stored: torch.dtype | None = None,
) -> None:
    """`provenance` is what a user of the file may want to know: code version, data, images seen, licence.

    Fractions are rounded to `stored` for a smaller file. Whoever reads it computes in float32 all the same.
    """
    tensors = {f"{name}.{key}": x for name, module in networks.items() for key, x in module.state_dict().items()}
    if stored is not None:
        tensors = {key: x.to(stored) if x.is_floating_point() else x for key, x in tensors.items()}
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
        source = f"{path}, network {name}"
        own = {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        networks[name] = construct(described(description, source), lambda _, own=own: own, source)
    return networks


def check_header(path: str | Path, header: Mapping[str, Any]) -> None:
    if header.get("format") != _FORMAT or not isinstance(header.get("networks"), dict):
        hint = "; give it as --delta, and its base as --network" if header.get("format") == delta.FORMAT else ""
        raise CheckpointError(f"{path}: holds no networks, but {header.get('format', 'something unknown')!r}{hint}")
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


def described(description: Any, source: str) -> Callable[[], nn.Module]:
    """What builds a network with fresh weights, as it is described. `source` names it in errors."""
    try:
        kind, c_dim, tree = (description[key] for key in ("kind", "c_dim", "config"))
        if kind == "generator":
            sizes = {"c_dim": c_dim}
            build, config = build_generator, from_tree(GeneratorConfig, tree, source)
        elif kind == "critic":
            sizes = {"c_dim": c_dim, **{key: description[key] for key in ("resolution", "image_channels")}}
            build, config = build_critic, from_tree(CriticConfig, tree, source)
        else:
            raise CheckpointError(f"{source}: is a {kind!r}, which this code does not know; update FullHead")
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{source}: its description is incomplete ({error!r})") from None
    except ConfigError as error:  # Names the source already.
        raise CheckpointError(str(error)) from None
    wrong = [f"{key} {size!r}" for key, size in sizes.items() if type(size) is not int or size < 0]
    if wrong:
        raise CheckpointError(f"{source}: is described by sizes that are none: {', '.join(wrong)}")
    return functools.partial(build, config, **sizes)
