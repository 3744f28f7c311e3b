# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from PIL import Image

from metrics.detectors.resize import resized, resized_floats

PICTURES = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [13, 20, 64, 96])
def test_it_is_the_filter_of_pillow_in_floats(size: int) -> None:
    found = resized(PICTURES, size)
    for picture, small in zip(PICTURES, found, strict=True):
        for channel, result in zip(picture, small, strict=True):
            floats = Image.fromarray(channel.float().numpy()).resize((size, size), Image.Resampling.BICUBIC)
            expected = np.asarray(floats).round().clip(0, 255)
            assert np.abs(expected - result.numpy()).max() <= 1
            assert (expected != result.numpy()).mean() < 0.005


def test_what_has_the_size_stays_as_it_is() -> None:
    assert resized(PICTURES, 40) is resized(PICTURES, None) is PICTURES
    floats = PICTURES.float()
    assert resized_floats(floats, None) is floats


def test_fine_stripes_become_grey_and_no_broad_ones() -> None:
    stripes = (torch.arange(64) % 2 * 255).byte().expand(1, 3, 64, 64)
    assert (resized(stripes, 20).float() - 127.5)[..., 2:-2].abs().max() < 4
