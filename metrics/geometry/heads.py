# SPDX-License-Identifier: Apache-2.0
"""Heads of a generator, as a viewer in front would get them, and what pictures from several sides tell of each.

Head i has styles mapped from a latent of (seed, i) under the front camera. What is told of it is a row of numbers; NaN
stands for what a picture does not hold. Colours are compared in [0, 1]. Lengths are in world units.
"""

import math
from typing import final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from metrics.detectors.base import Detector, HeadDetector
from metrics.geometry.warp import View, mean_where, warp
from metrics.pictures import YAW_DEG, Mode, to_8_bits
from torch_utils import rng
from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, hv_from_angles, label_from_camera
from training.generator import Generator
from training.types import Rendering
from training.watch.measures import mirrored_face
from training.watch.views import rig_of

TURN_DEG = 20.0  # Between the two views of `depth`.
ELEVATION_DEG = 10.0  # The largest, up or down.
TOLERANCE = 0.05  # Share of the picture's width by which depths of one point may differ.
FACE_YAW_DEG = 45.0
FACE_PITCH_RAD = 0.2
MASK_PSI = 0.7
PATH_STEP = 1e-4


@final
class Heads:
    """All heads of a generator, by number."""

    def __init__(
        self, generator: Generator, labels: Float32[Tensor, "items 25"], mode: Mode, seed: int, device: torch.device
    ) -> None:
        self.generator = generator
        self.seed = seed
        self.device = device
        self.rig = rig_of(generator, labels)
        self._yaw_deg = YAW_DEG[mode]

    def azimuth_deg(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, " n"]:
        """From where heads are seen if a metric does not say it: evenly over what the mode shows."""
        low, high = self._yaw_deg
        u = 2 * rng.uniform(self.seed, "metric azimuth", indices) - 1
        return torch.where(u < 0, -1.0, 1.0) * (low + (high - low) * u.abs())

    def face_angles_deg(
        self, indices: Int64[Tensor, " n"]
    ) -> list[tuple[Float32[Tensor, " n"], Float32[Tensor, " n"]]]:
        """Azimuth and elevation of two views of each face."""
        a, b, c, d = (2 * rng.uniform(self.seed, "metric face views", indices, (4,)) - 1).unbind(dim=1)
        pitch_deg = math.degrees(FACE_PITCH_RAD)
        return [(FACE_YAW_DEG * a, pitch_deg * b), (FACE_YAW_DEG * c, pitch_deg * d)]

    def depth(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 4"]:
        """Of one view warped to another: error of the final picture, of the raw one, of both unmoved; share seen."""
        first = self.azimuth_deg(indices)
        side = torch.where(rng.uniform(self.seed, "metric side", indices) < 0.5, -1.0, 1.0)
        elevation = self._elevation(indices)
        sources, targets = (self._labels(azimuth, elevation) for azimuth in (first, first + side * TURN_DEG))
        ws = self._styles(indices)
        views = [self._view(self._render(ws, labels), labels) for labels in (sources, targets)]
        moved = warp(*views, tolerance=TOLERANCE * self.rig.extent)
        errors = (moved.colour - views[0].colour).abs()
        unmoved = (views[1].colour - views[0].colour).abs()
        head = (views[0].mask > 0.5).flatten(1).sum(dim=1)
        share = moved.is_seen.flatten(1).sum(dim=1) / head
        seen = [mean_where(values, moved.is_seen) for values in (errors[:, :3], errors[:, 3:], unmoved[:, :3])]
        return torch.stack([*seen, share], dim=1)

    def raw(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 2"]:
        """Of the final picture, made as small as the raw one: mean absolute and mean squared difference from it."""
        seen = self._render(self._styles(indices), self._labels(self.azimuth_deg(indices), self._elevation(indices)))
        final_, raw = _shrunk(seen), _unit(seen["image_raw"])
        difference = final_ - raw
        return torch.stack([difference.abs().flatten(1).mean(dim=1), difference.square().flatten(1).mean(dim=1)], dim=1)

    def mirror(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 1"]:
        """Likeness of the back to the mirrored front."""
        ws = self._styles(indices)
        level = torch.zeros(len(indices))
        front, back = (self._render(ws, self._labels(level + azimuth, level)) for azimuth in (0.0, 180.0))
        scores = []
        for i in range(len(indices)):
            row = slice(i, i + 1)
            score = mirrored_face(
                front["image_raw"][row], back["image_raw"][row], front["image_mask"][row], back["image_mask"][row]
            )
            scores.append(math.nan if score is None else score)
        return torch.tensor(scores)[:, None]

    def face_pairs(self, indices: Int64[Tensor, " n"], detector: Detector) -> Float32[Tensor, "n 2 embedding"]:
        """What a detector of faces says of two views of each face."""
        ws = self._styles(indices)
        views = [self._labels(*angles_deg) for angles_deg in self.face_angles_deg(indices)]
        return torch.stack([detector.features(to_8_bits(self._render(ws, c)["image"])) for c in views], dim=1)

    def masks(self, indices: Int64[Tensor, " n"], detector: HeadDetector) -> Float32[Tensor, "n 2"]:
        """Squared error of the generator's own mask, and squared difference of the masks of two backgrounds."""
        level = torch.zeros(len(indices))
        front = self._labels(level, level)
        ws = self._styles(indices, MASK_PSI)
        other = self._styles(indices, MASK_PSI, "metric backgrounds")
        seen, elsewhere = self._render(ws, front), self._render(ws, front, behind=other)
        found, again = (detector.masks(to_8_bits(x["image"])).to(self.device) for x in (seen, elsewhere))
        size = found.shape[-1]
        own = nn.functional.interpolate(seen["image_mask"].clamp(0, 1), size=(size, size), mode="bilinear")
        errors = [(a - b).square().flatten(1).mean(dim=1) for a, b in ((own, found), (found, again))]
        return torch.stack(errors, dim=1)

    def shifts(self, indices: Int64[Tensor, " n"], labels: Float32[Tensor, "n 25"]) -> Float32[Tensor, "n 3"]:
        """By how much the generator moves cameras for latents of its own."""
        adaptation = self.generator.adaptation
        if adaptation is None:
            return torch.zeros(len(indices), 3)
        z, c = self._latents(indices), labels.to(self.device)
        moved, _ = adaptation(z, c)
        return camera_from_label(moved[:, :25]).position - camera_from_label(c[:, :25]).position

    def path_lengths(self, indices: Int64[Tensor, " n"], detector: Detector) -> Float32[Tensor, "n 1"]:
        """Squared speed of the features where styles begin to move towards others, under one camera and condition."""
        labels = self._labels(self.azimuth_deg(indices), self._elevation(indices)).to(self.device)
        start, end = (self._styles(indices, 1.0, purpose) for purpose in ("metric latents", "metric path ends"))
        near = start.lerp(end, PATH_STEP)
        a, b = (
            detector.features_of_floats((self._render(ws, labels)["image"].clamp(-1, 1) + 1) * 127.5)
            for ws in (start, near)
        )
        return ((a - b).double().square().sum(dim=1) / PATH_STEP**2).float()[:, None]

    # ------------------------------------------------------------------------------------------------------------------

    def _latents(self, indices: Int64[Tensor, " n"], purpose: str = "metric latents") -> Tensor:
        return rng.normal(self.seed, purpose, indices, (self.generator.z_dim,)).to(self.device)

    def _styles(self, indices: Int64[Tensor, " n"], psi: float = 1.0, purpose: str = "metric latents") -> Tensor:
        front = self.rig.labels((0,)).to(self.device).expand(len(indices), -1)
        return self.generator.mapping(self._latents(indices, purpose), front, psi)

    def _elevation(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, " n"]:
        return ELEVATION_DEG * (2 * rng.uniform(self.seed, "metric elevation", indices) - 1)

    def _labels(
        self, azimuth_deg: Float32[Tensor, " n"], elevation_deg: Float32[Tensor, " n"]
    ) -> Float32[Tensor, "n 25"]:
        h_rad, v_rad = hv_from_angles(torch.deg2rad(azimuth_deg.double()), torch.deg2rad(elevation_deg.double()))
        rig = self.rig
        camera = camera_on_sphere(h_rad, v_rad, radius=rig.radius, focal=rig.focal, target=rig.target)
        return label_from_camera(camera).float().to(self.device)

    def _render(self, ws: Tensor, labels: Tensor, behind: Tensor | None = None) -> Rendering:
        return self.generator.synthesis(ws, labels, ws_bcg=behind)

    @staticmethod
    def _view(seen: Rendering, labels: Tensor) -> View:
        colour = torch.cat([_shrunk(seen), _unit(seen["image_raw"])], dim=1)
        return View(camera_from_label(labels), colour, seen["image_depth"].float(), seen["image_mask"].float())


def _unit(image: Tensor) -> Tensor:
    """Colours in [-1, 1], and a little beyond, as [0, 1]."""
    return ((image.float() + 1) / 2).clamp(0, 1)


def _shrunk(seen: Rendering) -> Tensor:
    """The final picture in [0, 1] as small as the raw one."""
    return nn.functional.interpolate(_unit(seen["image"]), size=seen["image_raw"].shape[-2:], mode="area")
