# SPDX-License-Identifier: Apache-2.0
"""What was changed of a generator, as a small file: `base` is the generator that was, `tuned` what became of it.

Of every changed tensor the file holds the difference, in 16 bits; unchanged ones are left out. A difference is small,
so its rounding (1 part in 256) is nothing beside the tensor. The header has the digest of the base's weights: they may
come from any kind of file, in any precision of convolutions, but on others the difference would mean nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError, weights_digest
from training.generator import Generator

FORMAT = "fullhead delta"
SCHEMA_VERSION = 1
_STORED = torch.bfloat16  # Has the range of float32: no difference is too small or too large for it.


def differences(base: Generator, tuned: Generator) -> dict[str, Tensor]:
    """By name, of the tensors that differ."""
    before = base.state_dict()
    pairs = {name: (before[name], after) for name, after in tuned.state_dict().items()}
    return {name: (after - was).to(_STORED) for name, (was, after) in pairs.items() if not torch.equal(was, after)}


@torch.no_grad()
def round_as_stored(base: Generator, tuned: Generator) -> None:
    """Makes the tuned generator what base and file will give, in place. Doing it again changes nothing to speak of."""
    changes, before = differences(base, tuned), base.state_dict()
    for name, tensor in tuned.state_dict().items():
        if name in changes:
            tensor.copy_(before[name] + changes[name].to(tensor))


@torch.no_grad()
def add_differences(G: Generator, changes: Mapping[str, Tensor]) -> None:
    """Makes the tuned generator of the base, in place."""
    own = G.state_dict()
    for name, change in changes.items():
        own[name] += change.to(own[name])


def save_delta(
    path: str | Path, base: Generator, tuned: Generator, base_name: str, provenance: Mapping[str, Any]
) -> None:
    """`base_name` tells people which generator to use it with; `provenance` how it was made."""
    header = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "base": {"name": base_name, "digest": weights_digest(base)},
        "provenance": dict(provenance),
    }
    checkpoint.write(path, differences(base, tuned), header)


def apply_delta(G: Generator, path: str | Path) -> None:
    """Tunes the base in place, and refuses another generator."""
    changes, header = checkpoint.read(path)
    base = _base(path, header)
    if weights_digest(G) != base["digest"]:
        raise CheckpointError(
            f"{path}: changes another generator than this one: give the one it was made with as --network "
            f"(its file was called {base['name']!r})"
        )
    shapes = {name: tensor.shape for name, tensor in G.state_dict().items()}
    wrong = [name for name, change in changes.items() if shapes.get(name) != change.shape]
    if wrong:
        raise CheckpointError(f"{path}: changes {wrong[0]!r}, which the generator does not have in this shape")
    add_differences(G, changes)


def _base(path: str | Path, header: Mapping[str, Any]) -> Mapping[str, Any]:
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: holds no changes of a generator, but {header.get('format', 'something unknown')!r}; give "
            "networks as --network, and as --delta what projector.py wrote"
        )
    version, base = header.get("schema_version"), header.get("base")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path}: is of schema {version}, newer than this code reads ({SCHEMA_VERSION}); update FullHead"
        )
    if not isinstance(base, dict) or not {"name", "digest"} <= set(base):
        raise CheckpointError(f"{path}: does not say which generator it changes, so nobody wrote it whole")
    return base
