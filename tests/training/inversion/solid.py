# SPDX-License-Identifier: Apache-2.0
"""A small generator whose pictures vary with the code and with the camera: coloured lumps in space, and black."""

import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.generator import Generator
from training.inversion.mean_styles import front_label
from training.inversion.rendering import render
from training.inversion.targets import Targets
from training.portraits.latents import Latent
from training.portraits.views import PUBLISHED_FOV_DEG, View, label_of_views

SOLID = replace(CONFIG, **{"background": False, "renderer.resolution": 16, "renderer.num_coarse": 12})


@torch.no_grad()
def solid_generator(num_fine: int = 5, *, background: bool = False) -> Generator:
    """A third of the box is dense, in lumps; the rest is empty."""
    G = small_generator(replace(SOLID, **{"renderer.num_fine": num_fine, "background": background}))
    points = torch.rand(1, 4096, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    density = G.sample(points, None, codes(1), labels(0.0))["sigma"]
    threshold, scale = density.quantile(0.7), 40 / density.std()
    out = G.field.decoder.out
    out.weight[0] *= scale
    out.bias[0] = scale * (out.bias[0] - threshold)
    return G


def view(G: Generator, yaw_deg: float, pitch_deg: float = 0.0) -> torch.Tensor:
    return label_of_views(G, [View(yaw_deg, pitch_deg)], PUBLISHED_FOV_DEG)


@torch.no_grad()
def head(G: Generator, seed: int = 1) -> Latent:
    return Latent(G.mapping(codes(1, seed=seed), front_label(G)))


@torch.no_grad()
def target(G: Generator, latent: Latent, *yaws_deg: float) -> Targets:
    """Pictures of a head, and the cameras that they were taken with."""
    c = torch.cat([view(G, yaw) for yaw in yaws_deg])
    heads = (0,) * len(c)
    names = tuple(f"{yaw:g}" for yaw in yaws_deg)
    return Targets(names, heads, render(G, latent, heads, c)["image"], None, c)
