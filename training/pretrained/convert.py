# SPDX-License-Identifier: Apache-2.0
"""Networks from one kind of file to another, and the proof that they still give the same.

To *ship* a model is to keep of it what makes pictures: the averaged generator, its numbers rounded to 16 bits. Its
pictures are then not the same to the bit, but so alike that nobody sees it.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dnnlib.atomic import atomic_path
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.camera_paths import camera_on_sphere
from training.cameras import LABEL_DIM, hv_from_angles, label_from_camera
from training.discriminator import Discriminator
from training.generator import Generator
from training.pretrained import network_file, state_dict_file
from training.pretrained.load import load_generator, load_networks
from training.pretrained.sources import find

Stored = Literal["fp32", "bf16", "fp16"]
_TYPES: dict[Stored, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

LEAST_DB = 45.0  # Between pictures of a shipped generator and those of the one it was made from; peak 2.
_VIEWS = 8

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
        network_file.save_networks(destination, networks, _provenance(source))
    else:
        state_dict_file.save_networks(destination, networks)
    again = load_networks(destination)
    try:
        return [f"{name}: {_compare(network, again[name], name)}" for name, network in networks.items()]
    except CheckpointError:
        destination.unlink()  # What does not do what the source did is not left for anybody to use.
        raise


def ship(source: str | Path, destination: Path, stored: Stored) -> float:
    """Writes the averaged generator alone. Returns how alike pictures are, in dB, of that view where they are least."""
    if destination.suffix != ".safetensors":
        raise CheckpointError(f"{destination}: rounded weights go into a .safetensors file; name one")
    G = load_generator(source)
    provenance = _provenance(source) | {"stored": stored}
    with atomic_path(destination) as unproven:  # What was there before stays if this one is not good enough.
        network_file.save_networks(unproven, {"G_ema": G}, provenance, _TYPES[stored])
        again = network_file.load_networks(unproven)["G_ema"]
        assert isinstance(again, Generator)
        alike_db = _least_alike_db(G, again)
        if not alike_db >= LEAST_DB:  # Also where it is not a number.
            other = "bf16" if stored == "fp16" else "fp16"
            raise CheckpointError(
                f"rounded to {stored}, the generator's pictures are alike to {alike_db:.1f} dB only, and at least "
                f"{LEAST_DB:g} are wanted; try --weights {other}, or fp32"
            )
    return alike_db


@torch.no_grad()
def _least_alike_db(G: Generator, other: Generator) -> float:
    """Of heads all around, each seen from another side, without truncation."""
    z = torch.randn(_VIEWS, G.z_dim, generator=torch.Generator().manual_seed(0))
    azimuth_rad = torch.linspace(-torch.pi, torch.pi, _VIEWS + 1, dtype=torch.float64)[1:]
    label = label_from_camera(camera_on_sphere(*hv_from_angles(azimuth_rad, torch.zeros_like(azimuth_rad)))).float()
    errors = []
    for i in range(_VIEWS):  # One at a time, so that a large model fits too.
        c = torch.nn.functional.pad(label[i : i + 1], (0, G.c_dim - LABEL_DIM))
        errors.append((G(z[i : i + 1], c)["image"] - other(z[i : i + 1], c)["image"]).square().mean())
    return (10 * torch.log10(4 / torch.stack(errors).max())).item()  # NaN if any is.


def _provenance(source: str | Path) -> dict[str, Any]:
    """What the file that was converted says of itself, but for where things were on somebody's machine."""
    path = find(source)
    told = checkpoint.read_header(path).get("provenance", {}) if path.suffix == ".safetensors" else {}
    data = {key: value for key, value in told.get("data", {}).items() if key != "source"}
    told = told | ({"data": data} if data else {}) | {"converted_from": path.name}
    if (began_from := told.get("began_from")) is not None:
        told["began_from"] = {key: value for key, value in began_from.items() if key != "source"}
    return told


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
