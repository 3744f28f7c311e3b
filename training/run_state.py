# SPDX-License-Identifier: Apache-2.0
"""A run's save: what is written of it, and how it goes on from there exactly.

Random numbers, schedules and the order of the data follow from the seed and the image count, so they need no state of
their own: the weights, the optimizers, the augmentation and the statistics since the last tick are all there is.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from torch_utils import checkpoint, distributed
from torch_utils.checkpoint import CheckpointError
from torch_utils.stats import Collector
from training.augment.probability import Probability
from training.optimizer import load_state_tensors, state_tensors
from training.pretrained import network_file
from training.run_folder import RunFolder
from training.step import Players

_FORMAT = "fullhead run state"
_SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class RunState:
    """Everything that changes while a run goes on, besides the image count."""

    players: Players
    augmentation: Probability
    stats: Collector


def save(
    state: RunState, folder: RunFolder, nimg: int, progress: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """Every rank must call it; the main one writes. `progress` is what the caller wants back, as JSON."""
    header = {
        "format": _FORMAT,
        "schema_version": _SCHEMA_VERSION,
        "nimg": nimg,
        "progress": dict(progress),
        "augmentation": state.augmentation.state_dict(),
        "stats": state.stats.state_dict(),
    }
    if not distributed.is_main():
        return
    players = state.players
    networks = {"G_ema": players.average, "G": players.generator, "D": players.critic}
    network_file.save_networks(folder.networks(nimg), networks, {**provenance, "nimg": nimg})
    header["networks_digest"] = checkpoint.read_header(folder.networks(nimg))["digest"]
    checkpoint.write(folder.state(nimg), _optimizer_tensors(players), header)


def load_newest(state: RunState, folder: RunFolder) -> tuple[int, dict[str, Any]] | None:
    """Goes on from the newest save that is whole: its image count and `progress`. None where there is none."""
    for nimg in folder.saves():
        try:
            return nimg, _load(state, folder, nimg)
        except CheckpointError as error:
            if distributed.is_main():
                folder.set_aside(nimg, str(error))
    return None


def _load(state: RunState, folder: RunFolder, nimg: int) -> dict[str, Any]:
    path = folder.state(nimg)
    tensors, header = checkpoint.read(path)
    if header.get("format") != _FORMAT or header.get("schema_version") != _SCHEMA_VERSION:
        raise CheckpointError(f"{path}: is no run state of this version")
    if checkpoint.read_header(folder.networks(nimg)).get("digest") != header["networks_digest"]:
        raise CheckpointError(f"{folder.networks(nimg)}: are not the networks that were saved with {path.name}")
    players = state.players
    weights = network_file.load_state_dicts(folder.networks(nimg))
    own = {"G_ema": players.average, "G": players.generator, "D": players.critic}
    for name, network in own.items():
        checkpoint.load_weights(network, weights[name], f"{folder.networks(nimg)}, network {name}")
    for prefix, module, optimizer in _optimizers(players):
        mine = {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
        load_state_tensors(optimizer, module, mine, str(path))
    state.augmentation.load_state_dict(header["augmentation"])
    state.stats.load_state_dict(header["stats"])
    return header["progress"]


def _optimizer_tensors(players: Players) -> dict[str, Tensor]:
    return {
        f"{prefix}{key}": value
        for prefix, module, optimizer in _optimizers(players)
        for key, value in state_tensors(optimizer, module).items()
    }


def _optimizers(players: Players) -> list[tuple[str, Any, Any]]:
    return [
        ("G/", players.generator, players.generator_optimizer),
        ("D/", players.critic, players.critic_optimizer),
    ]
