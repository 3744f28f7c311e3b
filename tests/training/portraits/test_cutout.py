# SPDX-License-Identifier: Apache-2.0
"""Cut-outs have the colours of the head alone, up to its soft edge, and its opacity as alpha."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tests.training.small import codes, labels, small_generator
from training.generator import Exposure, Generator
from training.networks.noise import ConstantNoise
from training.portraits.cutout import backdrop_alone, cut_out, studio
from training.portraits.sitter import Sitter, seat


@pytest.fixture(scope="module", name="G")
def linear() -> Generator:
    """Its super-resolution does nothing but enlarge, so that what is behind and before adds up as light does."""
    G = small_generator()
    for block in (G.post.superresolution.block0, G.post.superresolution.block1):
        block.to_image.weight.data.zero_()
        block.to_image.bias.data.zero_()
    G.post.to_raw.weight.data *= 0.1  # Colours that need no clamp.
    G.post.to_raw.bias.data.zero_()
    return G


@pytest.fixture(scope="module", name="sitter")
def someone(G: Generator) -> Sitter:
    return seat(G, G.mapping(codes(1), labels(0.0)).detach())


def exposed(G: Generator, sitter: Sitter, size: int = 8) -> Exposure:
    """A disc of one colour with a soft edge."""
    x = (torch.arange(size) + 0.5) / size * 2 - 1
    opacity = ((0.8 - torch.hypot(x[:, None], x[None, :])) * 3).clamp(0, 1)[None, None]
    paint = torch.randn(1, G.field.num_channels, 1, 1, generator=torch.Generator().manual_seed(5))
    return Exposure(opacity * paint, torch.full_like(opacity, 2.7), opacity, {"ws": sitter.ws}, ConstantNoise())


def colour_of(G: Generator, exposure: Exposure) -> Float[Tensor, "1 3 1 1"]:
    """Of the head in its middle, where it hides everything."""
    return G.develop(exposure)["image"][..., 16:17, 16:17]


@torch.no_grad()
def test_a_head_of_one_colour_has_it_to_the_edge_whatever_it_stood_before(G: Generator, sitter: Sitter) -> None:
    exposure = exposed(G, sitter)
    others = [G.backdrop(G.mapping(codes(1, seed=seed), labels(0.0))) for seed in (8, 9)]
    for backdrop in (sitter.backdrop, *others):
        colour, alpha = cut_out(G, studio(G, sitter.behind(backdrop)), exposure)
        assert (alpha.min(), alpha.max()) == (0, 1)
        away = (colour - colour_of(G, exposure)).abs().amax(dim=1, keepdim=True)
        # Opacity a little below 1 counts as 1, and above 0 as 0; so there is some of the backdrop left.
        assert away[alpha > 0.1].max() < 0.05
        assert (away * alpha).mean() < 0.01
        mixed = G.develop(exposure, backdrop=backdrop)["image"]
        assert (mixed - colour_of(G, exposure)).abs().amax(dim=1, keepdim=True)[alpha > 0.1].max() > 0.2


@torch.no_grad()
def test_over_another_background_it_is_what_the_generator_shows_before_it(G: Generator, sitter: Sitter) -> None:
    exposure = exposed(G, sitter)
    other = sitter.behind(G.backdrop(G.mapping(codes(1, seed=8), labels(0.0))))
    colour, alpha = cut_out(G, studio(G, sitter), exposure)
    wanted, behind = G.develop(exposure, backdrop=other.backdrop)["image"], backdrop_alone(G, other)
    naive = G.develop(exposure, backdrop=sitter.backdrop)["image"]
    errors = [(x * alpha + (1 - alpha) * behind - wanted).square().mean() for x in (colour, naive)]
    assert errors[0] < 0.2 * errors[1]


@torch.no_grad()
def test_what_is_clear_takes_the_colour_that_it_is_next_to(G: Generator, sitter: Sitter) -> None:
    exposure = exposed(G, sitter)
    colour, alpha = cut_out(G, studio(G, sitter), exposure)
    away = (colour - colour_of(G, exposure)).abs().amax(dim=1, keepdim=True)
    assert away[alpha == 0].max() < 0.2
