# SPDX-License-Identifier: Apache-2.0
"""Bands cover every row once, stay within their limit, and change no picture."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.networks import superresolution, synthesis
from training.networks.bands import bands
from training.networks.noise import ConstantNoise, NoNoise
from training.networks.superresolution import SuperResolution
from training.networks.synthesis import Block


@given(height=st.integers(1, 300), num_bytes=st.integers(1, 10**6), limit=st.integers(1, 10**6))
def test_bands_cover_every_row_once_and_are_as_few_as_the_limit_allows(height, num_bytes, limit):
    with torch.no_grad():
        parts = bands(height, num_bytes, limit)
    assert [row for first, end in parts for row in range(first, end)] == list(range(height))
    assert all(end > first for first, end in parts)
    heights = [end - first for first, end in parts]
    assert max(heights) - min(heights) <= 1
    assert len(parts) == min(-(-num_bytes // limit), height)


def test_there_is_one_band_where_gradients_are_kept():
    assert bands(8, 1000, 10) == [(0, 8)]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("batch", [1, 2])
@torch.no_grad()
def test_super_resolution_in_bands_makes_the_same_picture(monkeypatch, count, batch):
    torch.manual_seed(0)
    net = SuperResolution(8, 32, in_channels=5, widths=(6, 4), image_channels=3, w_dim=7).double()
    given = (torch.randn(batch, 3, 8, 8), torch.randn(batch, 5, 8, 8), torch.randn(batch, 7))
    given = tuple(x.double() for x in given)
    whole = net(*given, NoNoise())
    # The feature map of the last block is 4 x 32 x 32.
    monkeypatch.setattr(superresolution, "_BAND_BYTES", -(-4 * 32 * 32 * 8 // count))
    calls = []
    net.block1.register_forward_hook(lambda *_: calls.append(1))
    for bandwise, wanted in zip(net(*given, NoNoise()), whole, strict=True):
        torch.testing.assert_close(bandwise, wanted, rtol=1e-12, atol=1e-12)
    assert len(calls) == count


@torch.no_grad()
def test_super_resolution_with_noise_of_whole_pictures_is_not_cut(monkeypatch):
    net = SuperResolution(8, 32, in_channels=5, widths=(6, 4), image_channels=3, w_dim=7)
    monkeypatch.setattr(superresolution, "_BAND_BYTES", 1)
    calls = []
    net.block1.register_forward_hook(lambda *_: calls.append(1))
    net(torch.randn(1, 3, 8, 8), torch.randn(1, 5, 8, 8), torch.randn(1, 7), ConstantNoise())
    assert len(calls) == 1


@torch.no_grad()
def test_a_block_adds_to_its_picture_band_by_band(monkeypatch):
    torch.manual_seed(0)
    block = Block(6, 5, 3, name="block", w_dim=4, resolution=16).double()
    given = (torch.randn(1, 6, 8, 8).double(), torch.randn(1, 3, 8, 8).double(), torch.randn(1, 3, 4).double())
    whole = block(*given, NoNoise())
    monkeypatch.setattr(synthesis, "_BAND_BYTES", 3 * 16 * 16 * 8 // 3 + 1)
    calls = []
    block.to_image.register_forward_hook(lambda *_: calls.append(1))
    for bandwise, wanted in zip(block(*given, NoNoise()), whole, strict=True):
        torch.testing.assert_close(bandwise, wanted, rtol=1e-12, atol=1e-12)
    assert len(calls) == 3
