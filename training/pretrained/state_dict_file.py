# SPDX-License-Identifier: Apache-2.0
"""Plain state dicts with the published tensor names, for other programs.

The file is {"G_ema": {name: tensor}, "D": ..., "networks": JSON}, and `torch.load(path, weights_only=True)` reads it.
Other programs have no use for "networks": it describes the networks, so that this project can read the file as well.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnnlib.atomic import atomic_write
from torch_utils import legacy_pickle
from torch_utils.checkpoint import CheckpointError
from torch_utils.legacy_pickle import LegacyPickleError
from training.pretrained.construction import construct
from training.pretrained.network_file import describe, described
from training.pretrained.official_names import from_official, official_constants, to_official

_DESCRIPTION = "networks"


def save_networks(path: str | Path, networks: Mapping[str, nn.Module]) -> None:
    """Writes the state dicts and the description."""
    content: dict[str, object] = {name: to_official(net) | official_constants(net) for name, net in networks.items()}
    content[_DESCRIPTION] = json.dumps({name: describe(network) for name, network in networks.items()})
    with atomic_write(path) as file:
        torch.save(content, file)


def load_networks(path: str | Path) -> dict[str, nn.Module]:
    """All networks of the file, in eval mode."""
    try:
        content = legacy_pickle.read_plain(path)
    except LegacyPickleError as error:
        raise CheckpointError(str(error)) from None
    networks = {}
    for name, description in _descriptions(path, content).items():
        source = f"{path}, network {name}"
        tensors = content.get(name)
        if not isinstance(tensors, dict) or not all(isinstance(x, Tensor) for x in tensors.values()):
            raise CheckpointError(f"{source}: has no state dict")
        for key, x in tensors.items():
            if x.nbytes > x.untyped_storage().nbytes():
                raise CheckpointError(f"{source}: {key} repeats its numbers, and would take more memory than its size")
        given = {str(key): x for key, x in tensors.items()}
        networks[name] = construct(
            described(description, source), lambda network, given=given: from_official(network, given), source
        )
    return networks


def _descriptions(path: str | Path, content: Any) -> dict[str, Any]:
    if isinstance(content, dict) and isinstance(content.get(_DESCRIPTION), str):
        with contextlib.suppress(ValueError, RecursionError):
            descriptions = json.loads(content[_DESCRIPTION])
            if isinstance(descriptions, dict):
                return descriptions
    raise CheckpointError(
        f"{path}: has no description of its networks, so this project did not write it; convert the .pkl instead"
    )
