# SPDX-License-Identifier: Apache-2.0
"""By what eye an inversion compares pictures: HeadNet, which is shipped; edges, which need no network; or a file."""

import torch

from metrics.headnet.weights import load_headnet
from training.inversion.likeness import Likeness, edges
from training.inversion.perceptual import load_perceptual

HEADNET, EDGES = "headnet", "edges"
_PIXEL_WEIGHT = 1.0  # HeadNet's distance of unrelated pictures is about 2, their squared error about 0.5.


def find_likeness(name_or_file: str, device: torch.device) -> Likeness:
    """Raises ValueError for what is neither a name nor a file that serves."""
    if name_or_file == EDGES:
        return edges()
    if name_or_file == HEADNET:
        net = load_headnet(device).requires_grad_(False)
        return Likeness("HeadNet", _PIXEL_WEIGHT, net.perceptual)
    return load_perceptual(name_or_file, device)
