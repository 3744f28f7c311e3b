# SPDX-License-Identifier: Apache-2.0
"""HeadNet's weights as a file: half precision, with a digest that is verified when they are read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metrics.headnet.network import HeadNet
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError

SHIPPED = Path(__file__).with_name("headnet.safetensors")
_FORMAT = "fullhead-headnet-1"


def load_headnet(device: torch.device | str = "cpu", path: str | Path = SHIPPED) -> HeadNet:
    """Ready for use: in eval mode, and its weights want no gradients."""
    tensors, header = checkpoint.read(path)
    if header.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: holds no HeadNet; give a file that `python -m metrics.headnet.train` has made")
    net = HeadNet(checkpoint.read_header(path)["digest"])
    wide = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    checkpoint.load_weights(net, wide, str(path))
    return net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def save_headnet(net: HeadNet, path: str | Path, record: Mapping[str, Any]) -> None:
    """Writes the file; `record` says how the weights were made."""
    checkpoint.write(path, stored(net), {"format": _FORMAT, "record": dict(record)})


def stored(net: HeadNet) -> dict[str, Tensor]:
    """Parameters in half precision; what was measured of data, in full."""
    parameters = {name for name, _ in net.named_parameters()}
    return {name: tensor.half() if name in parameters else tensor for name, tensor in net.state_dict().items()}
