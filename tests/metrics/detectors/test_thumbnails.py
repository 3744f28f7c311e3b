# SPDX-License-Identifier: Apache-2.0
import torch

from metrics.detectors.thumbnails import Thumbnails


def test_thumbnails_are_means_of_cells() -> None:
    image = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    expected = image.float().view(2, 3, 8, 4, 8, 4).mean(dim=(3, 5)) / 255
    assert torch.allclose(Thumbnails().features(image), expected.flatten(1))
    assert Thumbnails().facts["resize"] is None
