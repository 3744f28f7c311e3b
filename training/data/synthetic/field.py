# SPDX-License-Identifier: Apache-2.0
"""A head asked at points instead of along rays: distance, density and colour, as a neural field would answer.

What is rendered from it, or extracted from it, can be compared with the exact geometry of the same head.
"""

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from torch_utils.ops.distance_field import distance
from training.data.synthetic.anatomy import Anatomy, anatomy
from training.data.synthetic.head import head
from training.data.synthetic.identity import Identity
from training.data.synthetic.paint import paint
from training.data.synthetic.shading import encode


class HeadField:
    """The solid of one person with one smile. Points are in world coordinates, [points, 3] in float32."""

    def __init__(self, who: Identity, smile: float = 0.25) -> None:
        self.who, self.smile = who, smile

    @cached_property
    def table(self) -> Float[Tensor, "rows columns"]:
        """The solid as the distance operator takes it."""
        return head(self.who, self.smile).whole

    @cached_property
    def _places(self) -> Anatomy:
        return anatomy(self.who, self.smile)

    def distance(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, " points"]:
        """Signed, negative inside; a lower bound outside, see solid.py."""
        return distance(points, self.table)[0]

    def layer(self, points: Float[Tensor, "points 3"]) -> Int[Tensor, " points"]:
        """The material that is nearest, as a place in head.LAYERS."""
        return distance(points, self.table)[1]

    def density(self, points: Float[Tensor, "points 3"], width: float = 2e-3) -> Float[Tensor, " points"]:
        """Volume density per world unit that is 0 outside and 1 / width inside, softly over about `width`.

        The distribution function of Laplace over the distance, as in VolSDF (Yariv et al. 2021). On the surface it is
        half of what it is deep inside.
        """
        away = self.distance(points) / width
        tail = 0.5 * torch.exp(-away.abs())
        return torch.where(away > 0, tail, 1 - tail) / width

    def colour(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        """The paint of what is nearest, without light, in sRGB of [0, 1]."""
        return encode(paint(self.who, self._places, points, self.layer(points)).albedo)
