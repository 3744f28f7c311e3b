# SPDX-License-Identifier: Apache-2.0
"""Light on painted points: a warm key with a soft shadow, a cool fill, a rim light, and the sky in all crevices.

The lamps belong to the identity and are fixed in the world: the key stands before the subject to one side, the rim
light behind to the other, so no two sides of a head look the same. All light is linear; `display` brings it to a
screen.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from training.data.synthetic.identity import Identity
from training.data.synthetic.paint import Surface
from training.data.synthetic.palettes import RGB, mixed

SHOULDER = 0.62  # below it light is shown as it is


@dataclass(frozen=True)
class Lamp:
    """Light from one direction, as strong as a white sheet held towards it looks."""

    to_lamp: Float[Tensor, "3"]
    rgb: Float[Tensor, "3"]


@dataclass(frozen=True)
class Lights:
    """The lamps of one identity, and what comes from everywhere."""

    key: Lamp
    fill: Lamp
    rim: Lamp
    sky_rgb: RGB = (0.36, 0.41, 0.50)
    ground_rgb: RGB = (0.27, 0.21, 0.18)


def lights(who: Identity) -> Lights:
    """The lamps as this person's studio has them."""
    azimuth_rad = who.key_azimuth_rad
    side = 1.0 if azimuth_rad > 0 else -1.0
    key_rgb = mixed((1.0, 0.97, 0.93), (1.0, 0.86, 0.68), who.key_warmth)
    return Lights(
        key=_lamp(azimuth_rad, who.key_elevation_rad, key_rgb, 0.96),
        fill=_lamp(azimuth_rad - side * 1.5, 0.15, (0.72, 0.86, 1.0), 0.20),
        rim=_lamp(azimuth_rad - side * 2.70, 0.50, (0.92, 0.96, 1.0), 0.52),
    )


def _lamp(azimuth_rad: float, elevation_rad: float, rgb: RGB, strength: float) -> Lamp:
    level = math.cos(elevation_rad)
    direction = (level * math.sin(azimuth_rad), math.sin(elevation_rad), level * math.cos(azimuth_rad))
    return Lamp(torch.tensor(direction), strength * torch.tensor(rgb))


def shade(
    surface: Surface,
    normals: Float[Tensor, "points 3"],
    to_eye: Float[Tensor, "points 3"],
    openness: Float[Tensor, " points"],
    key_share: Float[Tensor, " points"],
    studio: Lights,
) -> Float[Tensor, "points 3"]:
    """Light towards the eye. `openness` is what ambient occlusion leaves, `key_share` what the key's shadow leaves."""
    relief = surface.relief
    normals = _unit(normals + relief - (relief * normals).sum(-1, keepdim=True) * normals)
    albedo = surface.albedo
    # What light a crevice loses, its own bright walls give back.
    open_rgb = openness[:, None] / (1 - 0.8 * albedo * (1 - openness[:, None]))
    # Light that passes the edge of a shadow through skin is red.
    share = key_share[:, None] * (1 + surface.wrap * (1 - key_share[:, None]))

    up = (0.5 + 0.5 * normals[:, 1:2]).clamp(0, 1)
    sky, ground = torch.tensor(studio.sky_rgb), torch.tensor(studio.ground_rgb)
    light = (ground + (sky - ground) * up) * open_rgb
    gloss = torch.zeros_like(albedo)
    toward = (normals * to_eye).sum(-1).clamp(0.02, 1)
    for lamp, passing in ((studio.key, share), (studio.fill, open_rgb), (studio.rim, open_rgb)):
        facing = normals @ lamp.to_lamp
        wrapped = ((facing[:, None] + surface.wrap) / (1 + surface.wrap)).clamp(min=0)
        light = light + lamp.rgb * (wrapped * passing)
        gloss = gloss + lamp.rgb * passing * _gloss(surface, normals, to_eye, toward, facing, lamp.to_lamp)
    # A thin bright edge, as vinyl and peach fuzz have, where the sky behind is mirrored at grazing angles.
    edge = (1 - toward).square().square() * openness
    gloss = gloss + 0.22 * edge[:, None] * sky * (0.3 + 0.7 * up)
    return albedo * light + gloss + surface.glow[:, None]


def _gloss(
    surface: Surface, normals: Tensor, to_eye: Tensor, toward: Tensor, facing: Tensor, to_lamp: Tensor
) -> Float[Tensor, "points 3"]:
    """Reflection of a lamp: the distribution of Trowbridge and Reitz, the edge of Schlick."""
    half = _unit(to_eye + to_lamp)
    square = surface.roughness.square().square()
    spread = (normals * half).sum(-1).clamp(min=0).square() * (square - 1) + 1
    lobe = square / (4 * spread * spread)
    grazing = 1 - (to_eye * half).sum(-1).clamp(0, 1)
    grazing = grazing * grazing.square().square()
    fresnel = surface.specular + (1 - surface.specular) * grazing[:, None]
    lit = facing.clamp(min=0) / (facing.clamp(min=0) * toward + 0.35 * (facing.clamp(min=0) + toward) + 0.05)
    return fresnel * (lobe * lit).clamp(max=12.0)[:, None]


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-9)


def display(light: Tensor) -> Tensor:
    """Light as a screen can show it, in linear [0, 1]: as it is below the shoulder, and gently towards white above."""
    room = 1 - SHOULDER
    return torch.where(light < SHOULDER, light, 1 - room * torch.exp((SHOULDER - light) / room))


def encode(linear: Tensor) -> Tensor:
    """Linear [0, 1] to sRGB [0, 1]."""
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6).pow(1 / 2.4) - 0.055)
