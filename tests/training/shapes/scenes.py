# SPDX-License-Identifier: Apache-2.0
"""Generators of scenes that are known exactly: any field before a white wall, seen by the real renderer."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tests.training.small import CONFIG, small_generator
from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.data.synthetic.field import HeadField
from training.data.synthetic.items import person
from training.fields.base import AbstractField, FieldSamples
from training.generator import Generator
from training.networks.noise import AbstractNoise
from training.portraits.sitter import Sitter, seat
from training.post import AbstractPost
from training.rendering.marching import ImportanceMarcher
from training.types import Camera, Codes
from training.warps.base import IdentityWarp

Density = Callable[[Tensor], Tensor]  # [points, 3] to raw densities.
Colour = Callable[[Tensor], Tensor]  # [points, 3] to sRGB of [0, 1].

SURFACE = 10.0  # Raw density where the distance of a head is 0.


class KnownField(AbstractField):
    """A field without weights; whoever sits, it is the same."""

    def __init__(self, density: Density, colour: Colour, crop: float | None, box_size: float) -> None:
        super().__init__()
        self.density, self.colour, self.crop, self.box_size = density, colour, crop, box_size
        self.num_channels, self.state_shape = 3, (1,)

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        return torch.zeros(len(codes["ws"]), 1)

    def query(
        self, state: Tensor, points: Float[Tensor, "batch points 3"], seen: Bool[Tensor, "batch points"] | None = None
    ) -> FieldSamples:
        flat = points.flatten(0, 1)
        density, colour = self.density(flat), self.colour(flat) * 2 - 1
        density, colour = density.view(points.shape[:2]), colour.view(points.shape)
        if seen is not None:
            density, colour = torch.where(seen, density, HIDDEN_DENSITY), torch.where(seen[..., None], colour, 0.0)
        return FieldSamples(density, colour)

    def visible(self, points: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"] | None:
        return None if self.crop is None else points[..., [0, 2]].abs().amax(-1) <= self.crop


class PlainPost(AbstractPost):
    """The features are the picture, before white."""

    def backdrop(self, codes: Codes, noise: AbstractNoise) -> None:
        return None

    def forward(
        self, features: Tensor, opacity: Tensor, backdrop: Tensor | None, codes: Codes, noise: AbstractNoise
    ) -> tuple[Tensor, Tensor]:
        picture = features + (1 - opacity)
        return picture, picture


def position_colour(points: Tensor) -> Tensor:
    """A colour for each place."""
    return (points + 0.5).clamp(0, 1)


def scene(
    density: Density,
    colour: Colour = position_colour,
    *,
    crop: float | None = None,
    box_size: float = 1.0,
    size: int = 64,
) -> tuple[Generator, Sitter]:
    """A generator of this one scene, and who sits in it."""
    other = small_generator()
    config = CONFIG.model_copy(update={"renderer": CONFIG.renderer.model_copy(update={"resolution": size})})
    G = Generator(
        config,
        conditions={"camera": 25},
        mapping_network=other.mapping_network,
        field=KnownField(density, colour, crop, box_size),
        num_ws=other.num_ws,
        warp=IdentityWarp(),
        renderer=ImportanceMarcher(
            near=2.25,
            far=3.3,
            num_coarse=48,
            num_fine=48,
            bins="exact",
            spacing="depth",
            empty=0.0,
            memory_budget=1 << 28,
        ),
        post=PlainPost(),
        adaptation=None,
    )
    return G.eval(), seat(G, torch.zeros(1, other.num_ws, other.w_dim))


def head_scene(
    number: int, steepness: float = 20000.0, size: int = 128, colour: Colour | None = None
) -> tuple[Generator, Sitter, HeadField]:
    """A procedural head, as a trained generator would have it: raw densities from -10 to 300.

    Its own paint takes long; any `colour` does where only the shape matters.
    """
    head = HeadField(person(5, number))

    def density(points: Tensor) -> Tensor:
        return (SURFACE - steepness * head.distance(points)).clamp(-10, 300)

    G, sitter = scene(density, colour or head.colour, crop=0.4, size=size)
    return G, sitter, head


def level_cameras(num: int = 8) -> Camera:
    """Views from around at the height of the head, in float64."""
    azimuth_rad = torch.arange(num, dtype=torch.float64) * (2 * math.pi / num)
    return camera_on_sphere(math.pi / 2 + azimuth_rad, torch.full_like(azimuth_rad, math.pi / 2))


def labels(cameras: Camera) -> Tensor:
    return label_from_camera(cameras).float()
