# SPDX-License-Identifier: Apache-2.0
"""A new run that begins with trained weights: fine-tuning, or a further stage.

Only weights are taken; the optimizers begin anew. What shields fresh networks is left out: the blur is gone, the
swapping of conditions is at its final probability, the average has its full half-life from the first step, and adaptive
augmentation moves faster.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from dnnlib.config import Config
from dnnlib.config_paths import differences, replace
from dnnlib.config_types import text_of
from dnnlib.console import get_logger
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.pretrained import load_networks, sources
from training.run_config import RunConfig
from training.step import Players

log = get_logger(__name__)

FAST_AUGMENT_RAMP_NIMG = 100_000
_LISTED = 8


def without_ramps(config: RunConfig) -> RunConfig:
    """The configuration as it is carried out: a run from trained weights skips what only fresh ones need."""
    if config.resume.source is None:
        return config
    ramp_nimg = min(config.augment.ramp_nimg, FAST_AUGMENT_RAMP_NIMG)
    config = replace(config, **{"ema.rampup": None, "augment.ramp_nimg": ramp_nimg})
    if config.resume.keep_ramps:
        return config
    return replace(config, **{"schedule.blur_nimg": 0, "schedule.swap_nimg": 0})


def load_weights(players: Players, source: str) -> dict[str, Any]:
    """Takes the tensors of the same names and shapes. Says where they come from, for the provenance of what follows.

    A tensor that the source lacks keeps its first value, with a warning. One of another shape is a mistake.
    """
    path = sources.find(source)
    given = load_networks(path)
    G = given.get("G", given.get("G_ema"))
    average = given.get("G_ema", G)
    if G is None:
        raise CheckpointError(f"{source}: holds no generator to begin with, only {', '.join(given)}")
    _take(players.generator, G, f"{source}, generator")
    _take(players.average, average, f"{source}, averaged generator")
    pairs = [(players.generator, G)]
    if "D" in given:
        _take(players.critic, given["D"], f"{source}, critic")
        pairs.append((players.critic, given["D"]))
    else:
        log.warning(f"{source}: holds no critic; it begins with fresh weights, and the generator may suffer at first.")
    settings = [line for own, theirs in pairs for line in _settings(own, theirs)]
    _warn(f"{source}: was made with other settings, which its weights may need:", settings)
    digest = checkpoint.read_header(path).get("digest") if path.suffix == ".safetensors" else None
    log.info(f"Beginning with the weights of {path}.")
    return {"source": source, "file": path.name, "digest": digest}


def _take(module: nn.Module, given: nn.Module, source: str) -> None:
    own, theirs = module.state_dict(), given.state_dict()
    wrong = [
        f"{name}: {list(theirs[name].shape)} given, {list(x.shape)} wanted"
        for name, x in own.items()
        if name in theirs and theirs[name].shape != x.shape
    ]
    if wrong:
        raise CheckpointError(
            f"{source}: is of another size:{_listed(wrong)}\nChange the configuration to match: what the weights were "
            "made with stands in their file"
        )
    _warn(f"{source}: lacks these, which keep their first values:", [name for name in own if name not in theirs])
    _warn(f"{source}: these have no place in this run:", [name for name in theirs if name not in own])
    module.load_state_dict(_common(own, theirs), strict=False)


def _common(own: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: x for name, x in theirs.items() if name in own}


def _settings(module: nn.Module, given: nn.Module) -> list[str]:
    ours, theirs = getattr(module, "config", None), getattr(given, "config", None)
    if not (isinstance(ours, Config) and isinstance(theirs, Config)):
        return []
    return [f"{path}: {text_of(old)}, now {text_of(new)}" for path, old, new in differences(theirs, ours)]


def _warn(text: str, lines: list[str]) -> None:
    if lines:
        log.warning(text + _listed(lines))


def _listed(lines: list[str]) -> str:
    more = f"\n  ... and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return "".join(f"\n  {line}" for line in lines[:_LISTED]) + more
