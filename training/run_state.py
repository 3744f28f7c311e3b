# SPDX-License-Identifier: Apache-2.0
"""A run's save: what is written of it, and how it goes on from there exactly.

Random numbers, schedules and the order of the data follow from the seed and the image count, so they need no state of
their own: the weights, the optimizers, the augmentation and the statistics since the last tick are all there is.

The main rank alone reads and writes. It decides which save is the newest whole one and sends it to the others, who need
not see its files.
"""

import dataclasses
import errno
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnnlib.console import get_logger
from torch_utils import checkpoint, distributed
from torch_utils.checkpoint import CheckpointError
from torch_utils.replicas import check_consistency
from torch_utils.stats import Collector
from training.augment.probability import Probability
from training.optimizer import load_state_tensors, state_tensors
from training.pretrained import network_file
from training.run_folder import RunFolder
from training.save_header import FORMAT, SCHEMA_VERSION, ResumeError, SaveHeader, header_of
from training.step import Players

log = get_logger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class RunState:
    """Everything that changes while a run goes on, besides the image count."""

    players: Players
    augmentation: Probability
    stats: Collector


@dataclasses.dataclass(frozen=True)
class _Save:
    header: SaveHeader
    tensors: dict[str, Tensor]


def save(state: RunState, folder: RunFolder, nimg: int, told: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """Every rank must call it. `told` is what the caller wants back: `progress`, `data` and `made_by` of the header.

    Gives the reason where it could not be written, and "" where it was. What was there before is then as it was.
    """
    header = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "nimg": nimg,
        "augmentation": state.augmentation.state_dict(),
        "stats": state.stats.state_dict(),
        **told,
    }
    problem = _write(state, folder, nimg, header, provenance) if distributed.is_main() else ""
    return distributed.gather_json(problem)[0]


def _write(state: RunState, folder: RunFolder, nimg: int, header: dict[str, Any], provenance: Mapping[str, Any]) -> str:
    try:
        network_file.save_networks(folder.networks(nimg), _networks(state.players), {**provenance, "nimg": nimg})
        header["networks_digest"] = checkpoint.read_header(folder.networks(nimg))["digest"]
        checkpoint.write(folder.state(nimg), _optimizer_tensors(state.players), header)
    except OSError as error:
        folder.remove(nimg)  # Half a save would only take room.
        reason = "the disk is full" if error.errno in _NO_ROOM else error.strerror or str(error)
        return f"{folder.path}: {reason}"
    return ""


def load_newest(state: RunState, folder: RunFolder, data: Mapping[str, Any]) -> SaveHeader | None:
    """Goes on from the newest save that is whole. None where there is none. Every rank must call it.

    `data` describes the images of this run; a save of a run on others is refused.
    """
    found = _newest(state, folder, data) if distributed.is_main() else None
    told = None if found is None else [found.header.model_dump(), _outline(found.tensors)]
    told = distributed.gather_json(told)[0]
    if told is None:
        return None
    tensors = _room_for(told[1]) if found is None else found.tensors
    distributed.broadcast_(list(tensors.values()))
    header = SaveHeader.model_validate_json(json.dumps(told[0]))
    _apply(state, header, tensors, str(folder.state(header.nimg)))
    for network in _networks(state.players).values():
        check_consistency(network)
    return header


def _newest(state: RunState, folder: RunFolder, data: Mapping[str, Any]) -> _Save | None:
    damaged: list[tuple[int, str]] = []
    found = None
    for nimg in folder.saves():
        try:
            found = _read(folder, nimg)
            break
        except CheckpointError as error:
            damaged.append((nimg, str(error)))
    if found is None:
        _refuse_to_start_over(folder, damaged)
        return None
    _check(state, folder, found, data)
    for nimg, reason in damaged:
        folder.set_aside(nimg, reason)
    return found


def _read(folder: RunFolder, nimg: int) -> _Save:
    tensors, tree = checkpoint.read(folder.state(nimg))
    header = header_of(tree, folder.state(nimg))
    networks = checkpoint.read(folder.networks(nimg))
    network_file.check_header(folder.networks(nimg), networks.header)
    if checkpoint.read_header(folder.networks(nimg)).get("digest") != header.networks_digest:
        raise CheckpointError(f"{folder.networks(nimg)}: are not the networks of {folder.state(nimg).name}")
    return _Save(header, {**tensors, **networks.tensors})


def _check(state: RunState, folder: RunFolder, found: _Save, data: Mapping[str, Any]) -> None:
    """Before anything is changed."""
    path = folder.networks(found.header.nimg)
    try:
        for name, network in _networks(state.players).items():
            checkpoint.check_weights(network, _under(f"{name}.", found.tensors), f"{path}, network {name}")
    except CheckpointError as error:
        raise ResumeError(f"{error}\nThe run was made by another version of the code: go on with that one.") from None
    if dict(data) != found.header.data:
        raise ResumeError(
            f"{folder.path}: the run has seen other data: {found.header.data['items']} items, now {data['items']}; "
            "names, cameras, weights or sizes differ. Give the data it began with, or begin a new run from its weights "
            f"with --resume={folder.path}"
        )


def _refuse_to_start_over(folder: RunFolder, damaged: list[tuple[int, str]]) -> None:
    remedy = (
        f"Nothing was changed. Put a whole copy of a save there, begin a new run from weights with --resume, or empty "
        f"{folder.path} to start over."
    )
    if damaged:
        reasons = "\n  ".join(reason for _, reason in damaged)
        raise ResumeError(f"{folder.path}: none of its saves can be used:\n  {reasons}\n{remedy}")
    # One file of networks may be what is left of a first save that was cut short. More were saves of a long run.
    if len(lost := folder.networks_without_state()) > 1:
        raise ResumeError(
            f"{folder.path}: has networks of {len(lost)} saves, up to {lost[-1]} images, but no state-*.safetensors to "
            f"go on from. {remedy}"
        )


def _apply(state: RunState, header: SaveHeader, tensors: Mapping[str, Tensor], source: str) -> None:
    for name, network in _networks(state.players).items():
        network.load_state_dict(_under(f"{name}.", tensors))
    for prefix, module, optimizer in _optimizers(state.players):
        load_state_tensors(optimizer, module, _under(prefix, tensors), source)
    state.augmentation.load_state_dict({"p": header.augmentation.p, "signs": list(header.augmentation.signs)})
    state.stats.load_state_dict(header.stats)


def _networks(players: Players) -> dict[str, nn.Module]:
    return {"G_ema": players.average, "G": players.generator, "D": players.critic}


def _optimizers(players: Players) -> list[tuple[str, nn.Module, torch.optim.Optimizer]]:
    return [
        ("G/", players.generator, players.generator_optimizer),
        ("D/", players.critic, players.critic_optimizer),
    ]


def _optimizer_tensors(players: Players) -> dict[str, Tensor]:
    return {
        f"{prefix}{key}": value
        for prefix, module, optimizer in _optimizers(players)
        for key, value in state_tensors(optimizer, module).items()
    }


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}


def _outline(tensors: Mapping[str, Tensor]) -> list[list[Any]]:
    return [[name, str(x.dtype).removeprefix("torch."), list(x.shape)] for name, x in tensors.items()]


def _room_for(outline: list[list[Any]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, dtype=getattr(torch, dtype)) for name, dtype, shape in outline}
