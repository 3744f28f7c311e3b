# SPDX-License-Identifier: Apache-2.0
"""A generator with more or fewer samples along its rays."""

from dnnlib.config_paths import replace
from training.builder import build_generator
from training.generator import Generator


def with_samples(G: Generator, multiple: float) -> Generator:
    """The same generator, its numbers of samples multiplied. Flicker and jagged edges go away with more of them."""
    if multiple == 1:
        return G
    if not 0.1 <= multiple <= 32:
        raise ValueError(f"The multiple of samples is 0.1 to 32, not {multiple:g}; 2 is usual.")
    marcher = G.config.renderer
    numbers = {
        "renderer.num_coarse": max(4, round(marcher.num_coarse * multiple)),
        "renderer.num_fine": round(marcher.num_fine * multiple),
    }
    other = build_generator(replace(G.config, **numbers), G.c_dim)
    other.load_state_dict(G.state_dict())
    return other.to(next(G.parameters()).device).train(G.training)
