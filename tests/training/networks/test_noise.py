# SPDX-License-Identifier: Apache-2.0
"""Noise that is kept, left out, or drawn for an image."""

import itertools

import torch

from training.networks.noise import ConstantNoise, FreshNoise, NoNoise

KEPT = torch.randn(8, 8)


def test_constant_noise_is_what_the_layer_keeps() -> None:
    assert torch.equal(ConstantNoise()("layer", KEPT), KEPT[None, None])
    assert NoNoise()("layer", KEPT) is None


def test_fresh_noise_follows_from_the_index_of_an_image_alone() -> None:
    batch = FreshNoise(1, "main", torch.tensor([4, 9, 2**40]))("layer", KEPT)
    assert batch.shape == (3, 1, 8, 8)
    assert torch.equal(batch[2:], FreshNoise(1, "main", torch.tensor([2**40]))("layer", KEPT))
    assert torch.equal(batch, FreshNoise(1, "main", torch.tensor([4, 9, 2**40]))("layer", torch.zeros(8, 8)))


def test_no_two_images_layers_purposes_or_seeds_share_noise() -> None:
    indices = torch.tensor([4, 9])
    drawn = [
        *FreshNoise(1, "main", indices)("planes/8/conv0", KEPT),
        *FreshNoise(1, "main", indices)("planes/8/conv1", KEPT),
        *FreshNoise(1, "r1", indices)("planes/8/conv0", KEPT),
        *FreshNoise(2, "main", indices)("planes/8/conv0", KEPT),
    ]
    for a, b in itertools.combinations(drawn, 2):
        assert (a - b).abs().max() > 1


def test_fresh_noise_is_standard_normal_and_of_the_type_of_the_layer() -> None:
    noise = FreshNoise(1, "main", torch.arange(16))("layer", torch.zeros(64, 64, dtype=torch.float64))
    assert noise.dtype == torch.float64
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
