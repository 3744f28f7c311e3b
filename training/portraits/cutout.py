# SPDX-License-Identifier: Apache-2.0
"""The head without its background: colours of its own, and alpha.

Alpha is the opacity that the rays met. Where it is partial, a picture has the background's colours in it, which would
show as a rim before any other background. So the head is photographed before an even backdrop, the mean of its own, and
that one's known colour is taken out again. Difference matting, from two or six pictures before different backdrops, is
no closer to what the generator itself paints before a further one, and costs those pictures; a backdrop of no features
is none that super-resolution knows, and leaves rims. What is nearly clear has no colour to speak of and takes that of
what it is next to, so that the cut-out can be resized.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from training.generator import Exposure, Generator
from training.networks.noise import ConstantNoise
from training.networks.superresolution import resize
from training.portraits.fill import filled
from training.portraits.sitter import Sitter, develop

_HAZE = 1 / 64  # Opacity so close to 0 or 1 is meant to be that.
_THINNEST = 1 / 16  # Less alpha than this says nothing of the colour before it, ...
_SURE = 1 / 2  # ... and from here on all.


class Studio(NamedTuple):
    """A sitter before an even backdrop, and the picture of that backdrop."""

    sitter: Sitter
    behind: Float[Tensor, "1 3 size size"]


def studio(G: Generator, sitter: Sitter, raw_resolution: int | None = None) -> Studio:
    """To be made once for all views of a sitter."""
    assert sitter.backdrop is not None, "a head without a background has nothing to be cut out of"
    even = sitter.behind(sitter.backdrop.mean((2, 3), keepdim=True).expand_as(sitter.backdrop))
    return Studio(even, backdrop_alone(G, even, raw_resolution))


def cut_out(
    G: Generator, place: Studio, exposure: Exposure
) -> tuple[Float[Tensor, "views 3 size size"], Float[Tensor, "views 1 size size"]]:
    """Colours in [-1, 1], not multiplied by alpha, and alpha."""
    mixed = develop(G, place.sitter, exposure)["image"]
    alpha = resize(exposure.opacity.sub(_HAZE).div(1 - 2 * _HAZE).clamp(0, 1), mixed.shape[-1])
    colour = (mixed - (1 - alpha) * place.behind) / alpha.clamp(min=_THINNEST)
    return filled(colour.clamp(-1, 1), (alpha / _SURE).clamp(max=1)), alpha


@torch.no_grad()
def backdrop_alone(G: Generator, sitter: Sitter, raw_resolution: int | None = None) -> Float[Tensor, "1 3 size size"]:
    """The picture of the sitter's background, the head removed: every ray meets nothing. The same from everywhere."""
    size = raw_resolution or G.neural_rendering_resolution
    nothing = sitter.ws.new_zeros(1, 1, size, size)
    features = nothing.expand(-1, G.field.num_channels, -1, -1) + G.renderer.empty
    exposure = Exposure(features, nothing, nothing, {"ws": sitter.ws}, ConstantNoise())
    return G.develop(exposure, backdrop=sitter.backdrop)["image"]
