# SPDX-License-Identifier: Apache-2.0
"""Weights as data: a safetensors file with a JSON header of ours, written whole or not at all, verified when read.

The header says what the tensors are (configuration, provenance). It has a digest of itself and of the names, types,
shapes and bytes of the tensors, so that no damaged byte goes unseen. Nothing in a file is ever executed.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
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
    plain = _apart(tensors)
    tree = json.loads(json.dumps(header, allow_nan=False))
    text = json.dumps(tree | {_DIGEST: _digest(tree, plain)})
    atomic_write_bytes(path, safetensors.torch.save(plain, metadata={_KEY: text}))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, none sharing memory with another, which safetensors refuses. What has its own is not copied."""
    apart: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage()
        if storage.nbytes() != plain.nbytes or storage.data_ptr() in taken:
            plain = plain.clone()
        taken.add(plain.untyped_storage().data_ptr())
        apart[name] = plain
    return apart


def read(path: str | Path) -> Checkpoint:
    """The file's tensors, on the CPU, and its header."""
    with _opened(path) as file:
        header = _header(path, file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
    digest = header.pop(_DIGEST, None)
    if digest != _digest(header, tensors):
        raise CheckpointError(f"{path}: does not match its digest, so it is damaged; copy or download it again")
    return Checkpoint(tensors, header)


def read_header(path: str | Path) -> dict[str, Any]:
    """The header alone, with the digest, without reading any tensor; so it is not verified."""
    with _opened(path) as file:
        return _header(path, file.metadata())


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            yield file
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file ({error}); copy or download it again") from None


def _header(path: str | Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if _KEY not in (metadata or {}):
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
    check_weights(module, tensors, source)
    module.load_state_dict(dict(tensors))


def check_weights(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Whether these are the weights of the module, by names and shapes; so it may also be one without data ("meta")."""
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


def weights_digest(module: torch.nn.Module) -> str:
    """Tells weights apart, by names, types, shapes and bytes, whatever file they came from."""
    return _digest({}, {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()})


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(json.dumps(header, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
