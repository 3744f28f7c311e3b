# SPDX-License-Identifier: Apache-2.0
"""Configurations that make no sense are refused before anything is built; fresh weights follow from a seed."""

from typing import Any

import pytest
import torch
from torch import nn

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels
from training.builder import build_critic, build_generator
from training.model_config import CriticConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"field.planar": True}, "field.depth to 1 instead of 3"),
        ({"field.crop_margin": 0.5}, "leaves nothing of a box of side 1"),
        ({"field.channels": 4, "channels": 5, "raw": "features"}, "4 features cannot be 5 colours"),
        ({"renderer.near": 0.0, "renderer.spacing": "disparity"}, "near > 0"),
        ({"renderer.near": None}, "both near and far, or neither"),
        ({"superresolution.in_resolution": 12}, "in_resolution must be a power of two, not 12: choose 8 or 16"),
        ({"superresolution.in_resolution": 4}, "4 -> 32 was asked. Choose an input of 16 or 8"),
        ({"resolution": 17}, "generator.resolution must be a power of two, not 17: choose 16 or 32"),
        ({"field.resolution": 5}, "generator.field.resolution must be a power of two, not 5: choose 4 or 8"),
    ],
)
def test_a_generator_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_generator(replace(CONFIG, **changes))


@pytest.mark.parametrize("c_dim", [0, 24])
def test_conditions_without_a_camera_are_refused(c_dim: int) -> None:
    with pytest.raises(ValueError, match=f"25 numbers of a camera; {c_dim} are too few"):
        build_generator(CONFIG, c_dim)


@pytest.mark.parametrize(
    ("changes", "resolution", "message"),
    [
        ({}, 48, "power of two, not 48: choose 32 or 64"),
        ({}, 0, "power of two, not 0"),
        ({}, -8, "power of two, not -8"),
        ({}, 4, "8, 16, 32"),
        ({"inputs": ()}, 32, r"each once, not \[\]"),
        ({"inputs": ("image", "image")}, 32, "each once"),
        ({"inputs": ("image", "raw"), "mask_tower": True}, 32, "inputs must name the mask"),
        ({"inputs": ("mask",), "mask_tower": True}, 32, "and something else"),
        ({"mask_tower": True, "mask_tower_resolution": 24}, 32, "not 24"),
    ],
)
def test_a_critic_that_cannot_be_is_refused(changes: dict[str, Any], resolution: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_critic(CriticConfig(channel_base=64, channel_max=8, **changes), resolution=resolution)


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_fresh_weights_follow_from_the_seed() -> None:
    def seeded(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return build_generator(CONFIG)

    assert same_weights(seeded(0), seeded(0))
    assert not same_weights(seeded(0), seeded(1))


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {"background": False, "raw": "features", "shift": None, "field.decoder_act": "sigmoid"},
        {"field.depth": 1, "field.planar": True, "field.axes": "xy_xz_zx", "field.crop_margin": None},
        {"renderer.near": None, "renderer.far": None, "renderer.bins": "published", "renderer.spacing": "disparity"},
        {"renderer.num_coarse": 4, "renderer.num_fine": 0, "renderer.resolution": 1, "renderer.empty": "white"},
        {"renderer.num_coarse": 4, "renderer.num_fine": 1, "renderer.bins": "published"},
        {"mapping.num_layers": 1, "mapping.camera_scale": 0.0, "channels": 1, "superresolution.noise": True},
        {"field.resolution": 4, "superresolution.in_resolution": 8, "superresolution.antialias": False},
    ],
)
@pytest.mark.parametrize("c_dim", [25, 31])
def test_every_choice_makes_finite_pictures(changes: dict[str, Any], c_dim: int) -> None:
    torch.manual_seed(0)
    G = build_generator(replace(CONFIG, **changes), c_dim).eval()
    out = G(codes(2), nn.functional.pad(labels(0.0, 3.0), (0, c_dim - 25)))
    assert out["image"].shape == (2, changes.get("channels", 3), 32, 32)
    for key, picture in out.items():
        assert torch.isfinite(picture).all(), key


def test_a_critic_computes_its_largest_sizes_in_the_precision_that_is_wanted() -> None:
    D = build_critic(
        CriticConfig(channel_base=64, channel_max=8, num_half_precision=2, precision="bf16"), resolution=32
    )
    assert [block.dtype for block in D.tower.blocks] == [torch.bfloat16, torch.bfloat16, None]


@pytest.mark.parametrize(
    ("changes", "planes", "superresolution"),
    [
        ({}, None, None),
        ({"precision": "bf16"}, torch.bfloat16, torch.bfloat16),
        ({"precision": "bf16", "superresolution.precision": "fp32"}, torch.bfloat16, None),
        ({"superresolution.precision": "fp16"}, None, torch.float16),
    ],
)
def test_one_value_sets_the_precision_of_a_generator(
    changes: dict[str, Any], planes: torch.dtype | None, superresolution: torch.dtype | None
) -> None:
    G = build_generator(replace(CONFIG, **changes))
    synthesis = [*G.field.synthesis.blocks, *G.post.background.blocks]
    assert {block.dtype for block in synthesis} == {planes}
    assert G.post.superresolution.block0.dtype == G.post.superresolution.block1.dtype == superresolution
    assert {parameter.dtype for parameter in G.parameters()} == {torch.float32}


def test_planes_of_depth_one_are_planar_unless_said_otherwise() -> None:
    changes = {"field.depth": 1, "field.planar": None}
    assert build_generator(replace(CONFIG, **changes)).field.planar
    assert not build_generator(replace(CONFIG, **{**changes, "field.planar": False})).field.planar
    assert not build_generator(CONFIG).field.planar


def test_scripts_find_where_training_cameras_looked() -> None:
    kwargs = build_generator(replace(CONFIG, camera_radius=1.7, camera_pivot=(0.0, 0.0, 0.2))).rendering_kwargs
    assert (kwargs["avg_camera_radius"], kwargs["avg_camera_pivot"]) == (1.7, [0.0, 0.0, 0.2])
