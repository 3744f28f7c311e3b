# SPDX-License-Identifier: Apache-2.0
"""Bilinear resizing, and the published forms of super-resolution."""

import math

import pytest
import torch
from torch import Tensor

from tests.training.golden import INIT, RENDERING
from torch_utils.ops.fir_resample import filter_taps, upsample
from training.builder import build_generator
from training.networks.noise import ConstantNoise, NoNoise
from training.networks.superresolution import SuperResolution, resize
from training.pretrained.official_config import PANOHEAD, generator_config


def wave(size: int) -> Tensor:
    index = torch.arange(size * size, dtype=torch.float64)
    return torch.sin(0.37 * index + 0.2).float().view(1, 1, size, size)


def small(in_resolution: int = 8, out_resolution: int = 16, **changes: object) -> SuperResolution:
    torch.manual_seed(0)
    settings = {"in_channels": 5, "widths": (6, 4), "image_channels": 3, "w_dim": 7}
    return SuperResolution(in_resolution, out_resolution, **(settings | changes))


def inputs(size: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(batch, 3, size, size), torch.randn(batch, 5, size, size), torch.randn(batch, 7)


@pytest.mark.parametrize(
    ("antialias", "row"),
    [
        (True, [-0.293131, -0.327898, -0.276659, -0.154436]),
        (False, [-0.594901, -0.602917, -0.430363, -0.127391]),
    ],
)
def test_shrinking_gives_the_published_numbers(antialias: bool, row: list[float]) -> None:
    assert torch.allclose(resize(wave(6), 4, antialias)[0, 0, 1], torch.tensor(row), atol=2e-6)


def test_resizing_to_the_same_size_is_the_picture_itself() -> None:
    x = wave(6)
    assert resize(x, 6) is x


@pytest.mark.parametrize("size", [3, 4, 9, 12])
@pytest.mark.parametrize("antialias", [True, False])
def test_resizing_keeps_constants_and_ramps_in_their_place(size: int, antialias: bool) -> None:
    assert torch.allclose(resize(torch.full((1, 1, 6, 6), 0.3), size, antialias), torch.tensor(0.3))
    centres = ((torch.arange(6) + 0.5) / 6).expand(1, 1, 6, 6)
    inner = resize(centres, size, antialias)[0, 0, 0, 1:-1]
    assert torch.allclose(inner, ((torch.arange(size) + 0.5) / size)[1:-1], atol=0.03)


def test_antialiasing_averages_what_no_small_picture_can_show() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(1, 1, 32, 32)
    assert resize(stripes, 8)[..., 1:-1].abs().max() < 1e-6
    grid = torch.zeros(1, 1, 32, 32)
    grid[..., 1::4] = grid[..., 2::4] = 1.0
    assert resize(grid, 8, antialias=False).std() < 1e-6
    assert resize(grid, 8, antialias=False).mean() == 1.0


@pytest.mark.parametrize(
    ("name", "out", "enters_at", "sizes", "widths", "antialias"),
    [
        ("SuperresolutionHybrid8XDC", 512, 128, (256, 512), (256, 128), True),
        ("SuperresolutionHybrid8X", 512, 128, (256, 512), (128, 64), True),
        ("SuperresolutionHybrid4X", 256, 128, (128, 256), (128, 64), True),
        ("SuperresolutionHybrid2X", 128, 64, (64, 128), (128, 64), True),
        ("SuperresolutionHybridDeepfp32", 256, 128, (128, 256), (128, 64), False),
    ],
)
def test_published_forms(
    name: str, out: int, enters_at: int, sizes: tuple[int, int], widths: tuple[int, int], antialias: bool
) -> None:
    rendering = RENDERING | {"superresolution_module": f"training.superresolution.{name}", "triplane_size": 8}
    init = INIT | {"img_resolution": out, "channel_base": 64}
    module = build_generator(generator_config(init, rendering, PANOHEAD, 64)).post.superresolution
    assert (module.in_resolution, module.antialias) == (enters_at, antialias)
    for block, inputs_, width, size in zip((module.block0, module.block1), (32, widths[0]), widths, sizes, strict=True):
        assert block.conv0.weight.shape == (width, inputs_, 3, 3)
        assert block.conv1.weight.shape == (width, width, 3, 3)
        assert block.to_image.weight.shape == (3, width, 1, 1)
        assert block.conv0.noise_const.shape == block.conv1.noise_const.shape == (size, size)
        assert block.conv0.affine.weight.shape == (inputs_, 512)
        assert {block.conv0.clamp, block.conv1.clamp, block.to_image.clamp} == {256.0}
    assert (module.block0.up, module.block1.up) == (sizes[0] // enters_at, 2)


@torch.no_grad()
@pytest.mark.parametrize(("enters_at", "leaves_at"), [(8, 16), (8, 32)])
@pytest.mark.parametrize("size", [4, 8, 12])
def test_pictures_of_any_size_enter(size: int, enters_at: int, leaves_at: int) -> None:
    module = small(enters_at, leaves_at)
    raw, features, w = inputs(size)
    image, first = module(raw, features, w, NoNoise())
    assert image.shape == (2, 3, leaves_at, leaves_at)
    assert first.shape == (2, 3, leaves_at // 2, leaves_at // 2)
    brought = (resize(raw, enters_at), resize(features, enters_at))
    assert torch.allclose(module(*brought, w, NoNoise())[0], image, atol=1e-6)


@torch.no_grad()
def test_without_any_layers_it_enlarges_the_raw_picture() -> None:
    for leaves_at in (16, 32):
        module = small(8, leaves_at)
        for block in (module.block0, module.block1):
            block.to_image.weight.zero_()
        raw, features, w = inputs(8)
        wanted = raw
        for _ in range(int(math.log2(leaves_at // 8))):
            wanted = upsample(wanted, filter_taps())
        assert torch.allclose(module(raw, features, w, NoNoise())[0], wanted, atol=1e-6)


@torch.no_grad()
def test_the_raw_picture_of_the_caller_is_left_alone() -> None:
    raw, features, w = inputs(8)
    kept = raw.clone(), features.clone()
    small()(raw, features, w, NoNoise())
    assert torch.equal(raw, kept[0])
    assert torch.equal(features, kept[1])


@torch.no_grad()
def test_all_layers_read_the_same_style() -> None:
    module = small()
    seen: list[Tensor] = []
    for name, part in module.named_modules():
        if name.endswith("affine"):
            part.register_forward_hook(lambda _module, given, _y: seen.append(given[0]))
    raw, features, w = inputs(8)
    module(raw, features, w, ConstantNoise())
    assert len(seen) == 6
    assert all(torch.equal(one, w) for one in seen)


@pytest.mark.parametrize(("enters_at", "leaves_at"), [(8, 8), (8, 64), (12, 32), (16, 8)])
def test_other_factors_than_two_and_four_are_refused(enters_at: int, leaves_at: int) -> None:
    with pytest.raises(ValueError, match=f"{enters_at} -> {leaves_at}.*{leaves_at // 2} or {leaves_at // 4}"):
        small(enters_at, leaves_at)
