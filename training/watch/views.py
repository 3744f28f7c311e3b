# SPDX-License-Identifier: Apache-2.0
"""The same heads, seen from the same sides, at every snapshot of a run.

Rows are latents, which follow from the seed; columns are azimuths. Styles are mapped under the front camera in every
column, so a head that changes with the side changes because of the volume. Nothing of the generator is changed, and no
random number is drawn that anybody else draws.
"""

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor

from torch_utils import rng
from training.camera_paths import camera_on_sphere
from training.cameras import HEAD_FOCAL, camera_from_label, hv_from_angles, label_from_camera
from training.generator import Generator

NUM_LATENTS = 6
AZIMUTHS_DEG = (-135, -90, -45, 0, 45, 90, 135, 180)  # The front and the back are among them.
FRONT, BACK = AZIMUTHS_DEG.index(0), AZIMUTHS_DEG.index(180)
_TOGETHER = 4  # Pictures rendered at once, so that a snapshot needs less memory than a step.
_MAX_LABELS = 10_000


@dataclasses.dataclass(frozen=True)
class Views:
    """Pictures by latent and azimuth, on the host, in float32. Colours are in [-1, 1], masks in [0, 1]."""

    image: Float[Tensor, "latents views channels size size"]
    raw: Float[Tensor, "latents views channels raw_size raw_size"]
    depth: Float[Tensor, "latents views 1 raw_size raw_size"]
    mask: Float[Tensor, "latents views 1 raw_size raw_size"]
    extent: float  # World units that a picture is wide, at the distance of the subject.


@dataclasses.dataclass(frozen=True)
class Rig:
    """Level cameras all around: how far off, and how long their lenses."""

    radius: float
    focal: float
    target: tuple[float, float, float]

    @property
    def extent(self) -> float:
        return self.radius / self.focal

    def labels(self, azimuths_deg: tuple[int, ...]) -> Float[Tensor, "views 25"]:
        azimuth_rad = torch.tensor([math.radians(degrees) for degrees in azimuths_deg], dtype=torch.float64)
        h_rad, v_rad = hv_from_angles(azimuth_rad, torch.zeros_like(azimuth_rad))
        camera = camera_on_sphere(h_rad, v_rad, radius=self.radius, focal=self.focal, target=self.target)
        return label_from_camera(camera).float()


def rig_of(generator: Generator, labels: Float[Tensor, "items 25"]) -> Rig:
    """Cameras at the distance of the model's own, with the usual focal length of the data set."""
    some = labels[:: max(1, len(labels) // _MAX_LABELS)]
    known = some[some.isfinite().all(dim=1)]
    focal = float(camera_from_label(known).intrinsics[:, 0, 0].median()) if len(known) else HEAD_FOCAL
    config = generator.config
    return Rig(config.camera_radius, focal, config.camera_pivot)


@torch.no_grad()
def render_views(
    generator: Generator, rig: Rig, *, seed: int, raw_resolution: int, num_latents: int = NUM_LATENTS
) -> Views:
    """Every latent from every side. The generator is in eval mode, where its pictures are a function of the codes."""
    assert not generator.training, "pictures are taken of the averaged generator, in eval mode"
    device = next(generator.parameters()).device
    dtype = next(generator.parameters()).dtype
    front = rig.labels((0,)).to(device, dtype)
    around = rig.labels(AZIMUTHS_DEG).to(device, dtype)
    kinds: dict[str, list[Tensor]] = {"image": [], "image_raw": [], "image_depth": [], "image_mask": []}
    for i in range(num_latents):
        z = rng.normal(seed, "watched latents", torch.tensor([i]), (generator.z_dim,)).to(device, dtype)
        ws = generator.mapping(z, front)
        planes = generator.planes(ws)
        for c in around.split(_TOGETHER):
            shape = (len(c), *planes.shape[1:])
            pictures = generator.synthesis(ws.expand(len(c), -1, -1), c, raw_resolution, planes=planes.expand(shape))
            for kind, parts in kinds.items():
                parts.append(pictures[kind].float().cpu())
    image, raw, depth, mask = (torch.cat(parts).unflatten(0, (num_latents, -1)) for parts in kinds.values())
    return Views(image, raw, depth, mask.clamp(0, 1), rig.extent)
