# SPDX-License-Identifier: Apache-2.0
"""Bands add up to the picture, hold their octave, keep the expected power, and mean the same at both resolutions."""

import math

import pytest
import torch
from torch.nn.functional import avg_pool2d

from tests.training.augment.augmenting import augmented, draws_of, only
from training.augment.bands import NUM_BANDS, amplify, draw_gains, split_filters

ALL = only(bands=1)


@pytest.mark.parametrize("num_bands", [1, 2, 3, 4])
def test_bands_add_up_to_the_picture(num_bands):
    filters = split_filters(num_bands)
    total = filters.sum(dim=0)
    assert total.argmax() == len(total) // 2
    torch.testing.assert_close(total.abs().sum(), total.max())
    torch.testing.assert_close(total.max().item(), 1.0)
    torch.testing.assert_close(filters, filters.flip(1))


def test_every_octave_belongs_to_its_band():
    filters = split_filters(NUM_BANDS)
    places = torch.arange(filters.shape[1]) - filters.shape[1] // 2
    for band, middle in enumerate([0.03, 0.18, 0.36, 0.8]):  # In units of pi; the edges are at 1/8, 1/4, 1/2.
        shares = (filters * torch.cos(math.pi * middle * places)).sum(dim=1)
        assert shares.argmax() == band
        assert shares[band] > 0.7
        assert shares.min() > -1e-6


@pytest.mark.parametrize(("frequency", "gain"), [(0.0, 2.0), (1.0, 5.0)])  # Where a band is alone.
def test_a_wave_is_amplified_by_the_gains_of_its_frequencies(frequency, gain):
    gains = torch.tensor([[2.0, 7.0, 0.5, 5.0]], dtype=torch.float64)
    wave = torch.cos(math.pi * frequency * torch.arange(64, dtype=torch.float64) + 0.4).expand(1, 3, 64, 64)
    for turned in (wave, wave.mT):
        result = amplify(turned, gains, split_filters(NUM_BANDS))[..., 24:-24, 24:-24]
        torch.testing.assert_close(result, 2.0 * gain * turned[..., 24:-24, 24:-24])


def test_one_gain_keeps_the_power_of_a_natural_picture():
    power = torch.tensor([10, 1, 1, 1], dtype=torch.float64) / 13
    draws = draws_of(3000, torch.tensor(0.1))
    gains = draw_gains(draws, ALL)
    num_fired = sum(draws.fires(f"band_{i}", 1.0).int() for i in range(NUM_BANDS))
    assert (num_fired == 1).sum() > 500
    kept = (gains[num_fired == 1].square() * power).sum(dim=1)
    torch.testing.assert_close(kept, torch.ones_like(kept))
    assert (gains[num_fired == 0] == 1).all()
    assert (gains[num_fired > 0] != 1).all()


def test_gains_have_the_promised_spread():
    fired = draws_of(20_000, torch.tensor(1.0))
    ratio = [draw_gains(fired, only(bands=1))[:, i].log2() for i in range(NUM_BANDS)]
    # Between two bands what the power takes from both cancels.
    assert (ratio[2] - ratio[1]).std() == pytest.approx(math.sqrt(2), rel=0.03)


@pytest.mark.parametrize("raw_size", [32, 16, 8, 4])
def test_a_flat_picture_is_amplified_alike_at_every_resolution(raw_size):
    level = torch.rand(6, 3, 1, 1, dtype=torch.float64)
    given = {"image": level.repeat(1, 1, 32, 32), "image_raw": level.repeat(1, 1, raw_size, raw_size)}
    lowest = draw_gains(draws_of(6), ALL)[:, 0, None, None, None]
    for name, x in augmented(ALL, given).items():
        torch.testing.assert_close(x, lowest.square() * given[name])


@pytest.mark.parametrize("frequency", [0.1, 0.15, 0.2])
def test_a_wave_is_amplified_alike_in_image_and_raw_picture(frequency):
    wave = torch.cos(math.pi * frequency * (torch.arange(64, dtype=torch.float64) + 0.5)).expand(12, 3, 64, 64)
    given = {"image": wave, "image_raw": avg_pool2d(wave, 2)}
    result = augmented(ALL, given)
    smaller = avg_pool2d(result["image"], 2)
    error = (result["image_raw"] - smaller).abs().max()
    # What four bands of its own would make of the raw picture.
    unrelated = amplify(given["image_raw"], draw_gains(draws_of(12), ALL), split_filters(NUM_BANDS))
    assert error < 0.05 * smaller.abs().max()
    assert error < 0.1 * (unrelated - smaller).abs().max()
