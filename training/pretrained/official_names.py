# SPDX-License-Identifier: Apache-2.0
"""Tensor names of the published checkpoints of PanoHead and EG3D, to and from ours.

One table serves both directions: it gives the published name of each of our tensors. Two things differ besides names.
The planes of a tri-grid are ordered (plane, feature, depth) there and (plane, depth, feature) here, as sampling reads
them fastest. And the published files hold a copy of the resampling filter per layer, which is a constant here.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from torch_utils.ops.fir_resample import filter_taps
from training.discriminator import Discriminator
from training.networks.critic import ResidualBlock
from training.networks.layers import Conv
from training.networks.modulated import StyledConv
from training.networks.synthesis import Block

# Ours (a pattern) -> theirs. {size} is the resolution of block number `block` of its network.
_TABLE = [
    (r"mapping_network\.layers\.(?P<i>\d+)\.", "backbone.mapping.fc{i}."),
    (r"mapping_network\.", "backbone.mapping."),
    (r"field\.synthesis\.blocks\.(?P<block>\d+)\.", "backbone.synthesis.b{size}."),
    (r"field\.decoder\.hidden\.", "decoder.net.0."),
    (r"field\.decoder\.out\.", "decoder.net.2."),
    (r"post\.background\.blocks\.(?P<block>\d+)\.", "bcg_synthesis.b{size}."),
    (r"post\.superresolution\.block(?P<i>\d)\.", "superresolution.block{i}."),
    (r"post\.to_raw\.", "torgb."),
    (r"adaptation\.mapping\.layers\.(?P<i>\d+)\.", "t_mapping.fc{i}."),
    (r"adaptation\.mapping\.", "t_mapping."),
    (r"mask_tower\.blocks\.(?P<block>\d+)\.", "sb{size}."),
    (r"tower\.blocks\.(?P<block>\d+)\.", "b{size}."),
    (r"head\.mapping\.layers\.(?P<i>\d+)\.", "mapping.fc{i}."),
    (r"head\.mapping\.", "mapping."),
    (r"head\.", "b4."),
]
_LAYERS = {"to_image.": "torgb.", "from_image.": "fromrgb."}
_PLANES = re.compile(r"field\.synthesis\.blocks\.\d+\.to_image\.(weight|bias)")


def official_names(module: nn.Module) -> dict[str, str]:
    """Published name -> ours, of every tensor of a generator or a critic."""
    return {_official_name(name, module): name for name in module.state_dict()}


def to_official(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a generator or a critic as the published files name and order them, without constants."""
    state = module.state_dict()
    return {theirs: _reordered(module, ours, state[ours], back=True) for theirs, ours in official_names(module).items()}


def official_constants(module: nn.Module) -> dict[str, Tensor]:
    """The copies of the resampling filter that a published state dict has besides."""
    taps = filter_taps()
    keeps_filter = (Block, StyledConv, ResidualBlock, Conv)
    paths = [path for path, part in module.named_modules() if isinstance(part, keeps_filter)]
    prefixes = [_official_name(f"{path}.", module) for path in paths]
    if isinstance(module, Discriminator):
        prefixes.append("")
    elif module.config.superresolution.widths != (256, 128):  # All published forms but the first keep one more.
        prefixes.append("superresolution.")
    return {f"{prefix}resample_filter": torch.outer(taps, taps) for prefix in prefixes}


def from_official(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors as ours, for `module.load_state_dict`. What is constant here is left out."""
    names = official_names(module)
    return {
        names.get(theirs, theirs): _reordered(module, names.get(theirs, theirs), value, back=False)
        for theirs, value in tensors.items()
        if not is_constant(theirs)
    }


def is_constant(official_name: str) -> bool:
    """Whether a published tensor is a constant here: the resampling filter, and the spread of the labels."""
    return official_name.rpartition(".")[2] in ("resample_filter", "dataset_label_std")


def _official_name(ours: str, module: nn.Module) -> str:
    for pattern, theirs in _TABLE:
        match = re.match(pattern, ours)
        if match:
            parts = match.groupdict()
            if "block" in parts:
                parts["size"] = _block_size(module, match.group(0), int(parts["block"]))
            rest = ours[match.end() :]
            for mine, published in _LAYERS.items():
                rest = published + rest.removeprefix(mine) if rest.startswith(mine) else rest
            return theirs.format(**parts) + rest
    raise KeyError(f"{ours} has no published name: the published systems have no such part")


def _block_size(module: nn.Module, path: str, block: int) -> int:
    """Synthesis counts its blocks up from 4 x 4, a tower counts them down to 8 x 8."""
    if "tower" in path:
        return module.get_submodule(path.split(".", maxsplit=1)[0]).resolutions[block]
    return 4 << block


def _reordered(module: nn.Module, ours: str, value: Tensor, back: bool) -> Tensor:
    if not _PLANES.fullmatch(ours) or module.field.depth == 1:
        return value
    depth, channels = module.field.depth, module.field.num_channels
    inner = (depth, channels) if back else (channels, depth)
    if value.shape[0] != 3 * depth * channels:
        return value  # Of another model; loading it will say so.
    return value.unflatten(0, (3, *inner)).transpose(1, 2).flatten(0, 2).contiguous()
