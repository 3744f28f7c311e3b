# SPDX-License-Identifier: Apache-2.0
"""The head without its background: straight colours and alpha."""

import torch
from jaxtyping import Float
from torch import Tensor

from training.generator import Exposure, Generator
from training.networks.noise import ConstantNoise
from training.portraits.sitter import Sitter

_THINNEST = 1 / 16  # Less alpha than this says nothing of the colour before it.


@torch.no_grad()
def backdrop_alone(G: Generator, sitter: Sitter, raw_resolution: int | None = None) -> Float[Tensor, "1 3 size size"]:
    """The picture of the sitter's background, the head removed: every ray meets nothing. The same from everywhere."""
    size = raw_resolution or G.neural_rendering_resolution
    nothing = sitter.ws.new_zeros(1, 1, size, size)
    features = nothing.expand(-1, G.field.num_channels, -1, -1) + G.renderer.empty
    exposure = Exposure(features, nothing, nothing, {"ws": sitter.ws}, ConstantNoise())
    return G.develop(exposure, backdrop=sitter.backdrop)["image"]


def cut_out(
    image: Float[Tensor, "views 3 size size"],
    behind: Float[Tensor, "#views 3 size size"],
    alpha: Float[Tensor, "views 1 size size"],
) -> tuple[Float[Tensor, "views 3 size size"], Float[Tensor, "views 1 size size"]]:
    """Colours of the head alone: what alpha mixed with the known background is taken out of the mixture again."""
    colour = (image - (1 - alpha) * behind) / alpha.clamp(min=_THINNEST)
    return colour.clamp(-1, 1), alpha
