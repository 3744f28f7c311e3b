# SPDX-License-Identifier: Apache-2.0
"""Networks from one kind of file to another, and the proof that they still give the same."""

from pathlib import Path

import torch
from torch import Tensor, nn

from torch_utils.checkpoint import CheckpointError
from training.camera_paths import camera_on_sphere
from training.cameras import LABEL_DIM, label_from_camera
from training.discriminator import Discriminator
from training.generator import Generator
from training.pretrained import network_file, state_dict_file
from training.pretrained.load import load_networks

_TOLERANCE = 1e-5  # Of the largest absolute value. On one machine the same weights give the same bits.


def convert(source: str | Path, destination: str | Path) -> list[str]:
    """Writes the networks of `source` to `destination`; one line for each says what was compared."""
    destination = Path(destination)
    if destination.suffix not in (".safetensors", ".pt"):
        raise CheckpointError(
            f"{destination}: name a .safetensors file for this project, or a .pt file with the published tensor names"
        )
    networks = load_networks(source)
    if destination.suffix == ".safetensors":
        network_file.save_networks(destination, networks, {"converted_from": Path(source).name})
    else:
        state_dict_file.save_networks(destination, networks)
    again = load_networks(destination)
    try:
        return [f"{name}: {_compare(network, again[name], name)}" for name, network in networks.items()]
    except CheckpointError:
        destination.unlink()  # What does not do what the source did is not left for anybody to use.
        raise


def _compare(network: nn.Module, again: nn.Module, name: str) -> str:
    worst = 0.0
    others = _outputs(again)
    for key, picture in _outputs(network).items():
        other = others[key]
        error = (picture - other).abs().max().item() / max(picture.abs().max().item(), 1e-12)
        worst = max(worst, error)
        if not error <= _TOLERANCE:  # Also where it is not a number.
            raise CheckpointError(
                f"network {name} gives another {key} after conversion: off by {error:.1e} of its range"
            )
    return f"its outputs agree to {worst:.0e} of their range"


@torch.no_grad()
def _outputs(network: nn.Module) -> dict[str, Tensor]:
    """Of one fixed input."""
    random = torch.Generator().manual_seed(0)
    angles = torch.tensor([torch.pi / 2 - 0.5])
    label = label_from_camera(camera_on_sphere(angles, torch.full_like(angles, torch.pi / 2))).float()
    if isinstance(network, Generator):
        c = torch.nn.functional.pad(label, (0, network.c_dim - LABEL_DIM))
        return dict(network(torch.randn(1, network.z_dim, generator=random), c))
    assert isinstance(network, Discriminator)
    size, channels = network.img_resolution, network.img_channels
    shown = {
        "image": torch.randn(1, channels, size, size, generator=random),
        "image_raw": torch.randn(1, channels, 64, 64, generator=random),
        "image_mask": torch.rand(1, 1, 64, 64, generator=random),
    }
    return {"score": network(shown, torch.nn.functional.pad(label, (0, network.c_dim - LABEL_DIM)))}
