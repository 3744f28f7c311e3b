# SPDX-License-Identifier: Apache-2.0
"""Cameras in the words of a command line: degrees, a field of view, the labels of these.

*Yaw* and *pitch* are azimuth and elevation: yaw 0 is the front and +90 the subject's left side, pitch grows upwards.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import torch
from jaxtyping import Float
from torch import Tensor

from training.camera_paths import camera_on_sphere
from training.cameras import HEAD_FOCAL, focal_from_fov, hv_from_angles, label_from_camera
from training.generator import Generator

# PanoHead's five views, from the front to the back.
STRIP_YAWS_DEG = (0.0, -45.0, -90.0, -135.0, -180.0)
STRIP_PITCH_DEG = math.degrees(math.asin(0.4 / math.pi))  # v = pi / 2 - 0.2.
PUBLISHED_FOV_DEG = 18.837  # How published commands call the focal length of the labels, 4.2647.

Target = tuple[float, float, float]  # What a camera looks at, in the world.


class View(NamedTuple):
    """From where a head is seen."""

    yaw_deg: float
    pitch_deg: float


class Degrees(click.ParamType):
    """Angles such as 0,-45,22.5."""

    name = "degrees"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if not isinstance(value, str):
            return tuple(value)
        try:
            angles = tuple(float(word) for word in value.split(","))
        except ValueError:
            self.fail(f"{value!r} are no angles: write degrees separated by commas, such as 0,-45,22.5", param, ctx)
        if not all(map(math.isfinite, angles)):
            self.fail(f"{value!r} has an angle that is not finite", param, ctx)
        return angles


def views_of(yaws_deg: Sequence[float], pitches_deg: Sequence[float]) -> list[View]:
    """Every pitch from every yaw: a row of views for each pitch."""
    high = [pitch for pitch in pitches_deg if not -90 <= pitch <= 90]
    if high:
        raise ValueError(f"A pitch lies between -90 (from below) and 90 (from above), not {high[0]:g} degrees.")
    return [View(yaw, pitch) for pitch in pitches_deg for yaw in yaws_deg]


def label_of_views(G: Generator, views: Sequence[View], fov_deg: float) -> Float[Tensor, "views 25"]:
    """Cameras as far away as those that the generator was trained with, and aimed as they were."""
    yaw_deg, pitch_deg = torch.tensor(views, dtype=torch.float64).unbind(1)
    h_rad, v_rad = hv_from_angles(yaw_deg.deg2rad(), pitch_deg.deg2rad())
    return label_of_hv(G, h_rad, v_rad, G.config.camera_pivot, focal_of(fov_deg))


def conditioning_label(G: Generator, h_deg: float, target: Target | None = None) -> Float[Tensor, "1 25"]:
    """The camera that styles are drawn for: level, at the horizontal angle h, which is 90 in front."""
    h_rad = torch.tensor([math.radians(h_deg)], dtype=torch.float64)
    return label_of_hv(G, h_rad, torch.full_like(h_rad, math.pi / 2), target or G.config.camera_pivot)


def focal_of(fov_deg: float) -> float:
    """Focal length in picture widths."""
    return HEAD_FOCAL if fov_deg == PUBLISHED_FOV_DEG else focal_from_fov(fov_deg)


def label_of_hv(
    G: Generator,
    h_rad: Float[Tensor, " views"],
    v_rad: Float[Tensor, " views"],
    target: Target,
    focal: float = HEAD_FOCAL,
) -> Float[Tensor, "views 25"]:
    """Cameras at (h, v), as far away as those that the generator was trained with."""
    camera = camera_on_sphere(h_rad, v_rad, radius=G.config.camera_radius, focal=focal, target=target)
    return label_from_camera(camera).float()
