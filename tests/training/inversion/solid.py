# SPDX-License-Identifier: Apache-2.0
"""A small generator whose pictures vary with the code and with the camera: coloured lumps in space, and black."""

import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.generator import Generator

SOLID = replace(CONFIG, **{"background": False, "renderer.resolution": 16, "renderer.num_coarse": 16})


@torch.no_grad()
def solid_generator() -> Generator:
    """A third of the box is dense, in lumps; the rest is empty."""
    G = small_generator(SOLID)
    points = torch.rand(1, 4096, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    density = G.sample(points, None, codes(1), labels(0.0))["sigma"]
    threshold, scale = density.quantile(0.7), 40 / density.std()
    out = G.field.decoder.out
    out.weight[0] *= scale
    out.bias[0] = scale * (out.bias[0] - threshold)
    return G
