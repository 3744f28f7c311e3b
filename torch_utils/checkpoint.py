# SPDX-License-Identifier: Apache-2.0
"""Weights as data: a safetensors file with a JSON header of ours, written whole or not at all, verified when read.

The header says what the tensors are (configuration, provenance) and has a digest of their names, types, shapes and
bytes. Nothing in a file is ever executed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dnnlib.atomic import atomic_write_bytes

_KEY = "fullhead"  # Where in the metadata of the file our header stands.
_DIGEST = "digest"


class CheckpointError(ValueError):
    """A file that is no checkpoint, or not a whole one, or not one of this model. Says which and what to do."""


class Checkpoint(NamedTuple):
    """What a file holds."""

    tensors: dict[str, Tensor]
    header: dict[str, Any]


def write(path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Makes the file; at every moment `path` is the old one or the new one."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps({**header, _DIGEST: _digest(plain)}, allow_nan=False)
    atomic_write_bytes(path, safetensors.torch.save(plain, metadata={_KEY: text}))


def read(path: str | Path) -> Checkpoint:
    """The file's tensors, on the CPU, and its header."""
    header = read_header(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); copy or download it again") from None
    if _digest(tensors) != header.pop(_DIGEST, None):
        raise CheckpointError(
            f"{path}: its tensors do not match its digest, so it is damaged; copy or download it again"
        )
    return Checkpoint(tensors, header)


def read_header(path: str | Path) -> dict[str, Any]:
    """The header alone, with the digest, without reading any tensor."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file ({error})") from None
    if _KEY not in metadata:
        raise CheckpointError(
            f"{path}: is a safetensors file, but not one of this project: its metadata lacks {_KEY!r}"
        )
    try:
        header = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: its header is not a JSON object")
    return header


def load_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Like load_state_dict, but an error names the first tensors that differ."""
    wanted = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: list(tensor.shape) for name, tensor in tensors.items()}
    lines = [f"{name}: missing, {shape} wanted" for name, shape in wanted.items() if name not in given]
    lines += [f"{name}: not part of the model, {shape} given" for name, shape in given.items() if name not in wanted]
    lines += [
        f"{name}: {given[name]} given, {shape} wanted"
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    ]
    if lines:
        more = f"\n  ... and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise CheckpointError(
            f"{source}: the weights are of another model; what differs first:\n  " + "\n  ".join(lines[:5]) + more
        )
    module.load_state_dict(dict(tensors))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
