# SPDX-License-Identifier: Apache-2.0
"""VGG16 with weights of chance: its distance is that of the definition, and files that are not VGG16 are told."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from training.inversion.perceptual import load_perceptual
from training.inversion.vgg_distance import DEPTHS, WIDTHS, VggDistance

CPU = torch.device("cpu")


def weights(*, with_channels: bool) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    tensors, width = {}, 3
    for depth, layers in enumerate(DEPTHS):
        for layer in layers:
            shape = (WIDTHS[depth], width, 3, 3)
            tensors[f"features.{layer}.weight"] = torch.randn(shape, generator=draws) * (2 / (9 * width)) ** 0.5
            tensors[f"features.{layer}.bias"] = torch.randn(WIDTHS[depth], generator=draws) * 0.1
            width = WIDTHS[depth]
        if with_channels:
            tensors[f"lin{depth}.weight"] = torch.rand((1, WIDTHS[depth], 1, 1), generator=draws)
    return tensors


def of_the_definition(tensors: dict[str, Tensor], a: Tensor, b: Tensor) -> Tensor:
    """By layers in a row, as VGG16 is usually written, and sums over places one by one."""
    row: list[nn.Module] = []
    for i, depth in enumerate(DEPTHS):
        if i:
            row.append(nn.MaxPool2d(2))
        for layer in depth:
            assert len(row) == layer
            weight = tensors[f"features.{layer}.weight"]
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            conv.load_state_dict({"weight": weight, "bias": tensors[f"features.{layer}.bias"]})
            row += [conv, nn.ReLU()]
    colours = ((a + 1) / 2, (b + 1) / 2)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x, y = ((c - mean[:, None, None]) / std[:, None, None] for c in colours)
    total = torch.zeros(len(a))
    for place, layer in enumerate(row):
        x, y = layer(x), layer(y)
        for depth, layers in enumerate(DEPTHS):
            if place == layers[-1] + 1:
                unit = nn.functional.normalize(x, dim=1) - nn.functional.normalize(y, dim=1)
                weight = tensors.get(f"lin{depth}.weight", torch.ones(1, WIDTHS[depth], 1, 1))
                total += torch.einsum("nchw,c->nhw", unit.square(), weight.flatten()).mean((1, 2))
    return total


@pytest.mark.parametrize("with_channels", [True, False])
def test_the_distance_is_that_of_the_definition(tmp_path: Path, with_channels: bool) -> None:
    tensors = weights(with_channels=with_channels)
    safetensors.torch.save_file(tensors, tmp_path / "vgg.safetensors")
    a, b = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    likeness = load_perceptual(tmp_path / "vgg.safetensors", CPU)
    with torch.no_grad():
        assert torch.allclose(likeness.perceptual(a, b), of_the_definition(tensors, a, b), rtol=1e-4)
        assert likeness.perceptual(a, a).abs().max() == 0


def test_pictures_are_led_to_the_target(tmp_path: Path) -> None:
    safetensors.torch.save_file(weights(with_channels=True), tmp_path / "vgg.safetensors")
    distance = VggDistance(tmp_path / "vgg.safetensors", CPU)
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    picture = torch.zeros_like(target, requires_grad=True)
    before = distance(picture, target)
    (slope,) = torch.autograd.grad(before.sum(), picture)
    assert distance(picture - 0.02 * slope / slope.abs().amax(), target) < before


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ValueError, match="is no safetensors file"):
        load_perceptual(tmp_path / "text.safetensors", CPU)
    tensors = weights(with_channels=True)
    del tensors["features.28.bias"]
    safetensors.torch.save_file(tensors, tmp_path / "short.safetensors")
    with pytest.raises(ValueError, match=r"features.28.bias should be \[512\] and is not there"):
        load_perceptual(tmp_path / "short.safetensors", CPU)
    tensors = weights(with_channels=True)
    tensors["lin4.weight"] = torch.ones(3)
    safetensors.torch.save_file(tensors, tmp_path / "lin.safetensors")
    with pytest.raises(ValueError, match=r"lin4.weight should be \[1, 512, 1, 1\] and is \[3\]"):
        load_perceptual(tmp_path / "lin.safetensors", CPU)
