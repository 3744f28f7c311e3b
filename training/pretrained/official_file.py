# SPDX-License-Identifier: Apache-2.0
"""Published snapshots of PanoHead and EG3D (`.pkl`) to modules. Nothing in such a file is executed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dnnlib.config import ConfigError
from torch_utils import legacy_pickle
from torch_utils.checkpoint import CheckpointError
from torch_utils.legacy_pickle import LegacyPickleError, Record
from training.builder import build_critic, build_generator
from training.model_config import CriticConfig, GeneratorConfig
from training.pretrained.construction import construct
from training.pretrained.official_config import EG3D, PANOHEAD, Family, critic_config, generator_config
from training.pretrained.official_names import from_official

_CROP_WORD = "triplane_crop"  # Stands in the renderer's source text if it leaves out the margin of the box.

# Rows are the axes of a plane: width, height, depth. All models share the first two planes.
_XY, _XZ = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
_PLANE_AXES = {
    "xy_xz_yz": [_XY, _XZ, [[0, 1, 0], [0, 0, 1], [1, 0, 0]]],
    "xy_xz_zx": [_XY, _XZ, [[0, 0, 1], [1, 0, 0], [0, 1, 0]]],
}


def load_networks(path: str | Path) -> dict[str, nn.Module]:
    """G_ema, G and D, as far as the file has them, in eval mode."""
    try:
        snapshot = legacy_pickle.read(path, look_for=(_CROP_WORD,))
        if not isinstance(snapshot, dict):
            raise CheckpointError(f"{path}: is a pickle, but not of a snapshot: it holds no G, D or G_ema")
        generators = {name: snapshot[name] for name in ("G_ema", "G") if isinstance(snapshot.get(name), Record)}
        networks: dict[str, nn.Module] = {
            name: _generator(record, f"{path}, network {name}") for name, record in generators.items()
        }
        if isinstance(snapshot.get("D"), Record):
            networks["D"] = _critic(snapshot["D"], f"{path}, network D")
    except (LegacyPickleError, ConfigError) as error:
        raise CheckpointError(str(error)) from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from None
    if not networks:
        raise CheckpointError(f"{path}: its G, D and G_ema are all absent or empty")
    return networks


def _generator(record: Record, source: str) -> nn.Module:
    init = record.init_kwargs
    rendering = record.attributes.get("rendering_kwargs", init.get("rendering_kwargs"))
    try:
        raw_resolution = record.attributes["neural_rendering_resolution"]
        config = generator_config(init, rendering, _family(record, rendering, source), raw_resolution)
        c_dim = init["c_dim"]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{source}: its settings are not those of a PanoHead or an EG3D ({error!r})") from None
    return _with_weights(build_generator, config, record, source, c_dim=c_dim)


def _critic(record: Record, source: str) -> nn.Module:
    init = record.init_kwargs
    try:
        size = {"resolution": init["img_resolution"], "image_channels": init["img_channels"], "c_dim": init["c_dim"]}
        config = critic_config(record.class_name, init)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{source}: its settings are not those of a published critic ({error!r})") from None
    return _with_weights(build_critic, config, record, source, **size)


def _with_weights(
    build: Any, config: GeneratorConfig | CriticConfig, record: Record, source: str, **size: int
) -> nn.Module:
    tensors = legacy_pickle.tensors(record)
    return construct(lambda: build(config, **size), lambda network: from_official(network, tensors), source)


def _family(record: Record, rendering: Mapping[str, Any], source: str) -> Family:
    """By what the file has: PanoHead's settings or EG3D's, and the planes that its renderer spans."""
    family = PANOHEAD if "triplane_depth" in rendering else EG3D
    renderer = record.modules.get("renderer")
    if renderer is not None and renderer.class_name.startswith("Importance") and family.crop:
        # Some published PanoHeads were made before pictures left out the margin of the box.
        family = family._replace(crop=_CROP_WORD in renderer.words)
    axes = None if renderer is None else renderer.attributes.get("plane_axes")
    if not isinstance(axes, torch.Tensor):
        return family
    for name, rows in _PLANE_AXES.items():
        if torch.equal(axes.to(torch.float32), torch.tensor(rows, dtype=torch.float32)):
            return family._replace(axes=name)
    raise CheckpointError(f"{source}: its planes span axes that no published model has: {axes.tolist()}")
