# SPDX-License-Identifier: Apache-2.0
"""HeadNet as the eye of an inversion: pictures are alike where its maps are."""

import torch

from metrics.headnet.weights import load_headnet
from training.inversion.likeness import Likeness

PIXEL_WEIGHT = 1.0  # HeadNet's distance of unrelated pictures is about 2, the squared error of theirs about 0.5.


def headnet_likeness(device: torch.device | str) -> Likeness:
    """By the network that is shipped."""
    net = load_headnet(device).requires_grad_(False)
    return Likeness("HeadNet", PIXEL_WEIGHT, net.perceptual)
