# SPDX-License-Identifier: Apache-2.0
"""What an inversion leaves for people: how close it came, in numbers and as a sheet of pictures."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dnnlib.drawing import RGBPicture, contact_sheet, joined
from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, hv_from_angles, label_from_camera, view_angles
from training.generator import Generator
from training.inversion.inverting import Inversion
from training.inversion.likeness import psnr_db
from training.inversion.rendering import pictures_of
from training.inversion.targets import Targets
from training.portraits.latents import Latent
from training.portraits.sitter import Sitter, photograph, seat
from training.watch.pictures import colours

AZIMUTHS_DEG = (0, 45, 90, 135, 180, -135, -90, -45)
MEAN, FOUND, TUNED = "mean head", "search", "tuning"
_CELL = 192


def stages_of(inversion: Inversion) -> dict[str, tuple[Generator, Latent]]:
    """Generator and latent, by what they are called: before, between and after the stages."""
    latent, base = inversion.latent, inversion.base
    mean = Latent(inversion.mean.w.expand_as(latent.ws), latent.labels)
    stages = {MEAN: (base, mean), FOUND: (base, latent)}
    return stages if inversion.tuned is base else stages | {TUNED: (inversion.tuned, latent)}


class Report:
    """Pictures at the targets' cameras are rendered once."""

    def __init__(self, inversion: Inversion, targets: Targets) -> None:
        self._inversion = inversion
        self._targets = targets.to(inversion.latent.ws.device).seen_by(inversion.latent.labels)
        self._views = {name: pictures_of(*stage, self._targets) for name, stage in stages_of(inversion).items()}

    @property
    def final(self) -> Float[Tensor, "views 3 size size"]:
        """What the heads look like in the end, from where the targets were taken."""
        return list(self._views.values())[-1].cpu()

    def numbers(self) -> dict[str, Any]:
        """As JSON. PSNR has a peak of 2; within the masks too, where there are any."""
        targets, course = self._targets, self._inversion.course
        angles = view_angles(camera_from_label(targets.labels.cpu()))
        psnr = {name: psnr_db(found, targets.images).tolist() for name, found in self._views.items()}
        report: dict[str, Any] = {
            "targets": list(targets.names),
            "heads": list(targets.heads),
            "azimuth_deg": angles.azimuth_rad.rad2deg().tolist(),
            "elevation_deg": angles.elevation_rad.rad2deg().tolist(),
            "roll_deg": angles.roll_rad.rad2deg().tolist(),
            "psnr_db": psnr,
        }
        if targets.masks is not None:
            found = self._views.items()
            report["psnr_inside_db"] = {n: psnr_db(x, targets.images, targets.masks).tolist() for n, x in found}
        return report | {"steps": {n: len(x) for n, x in course.losses.items()}, "losses": course.losses}

    def sheet(self) -> RGBPicture:
        """Above the targets and what came of them, below the heads from all sides."""
        shown = [self._targets.images, *self._views.values()]
        numbers = self.numbers()["psnr_db"]
        cells, labels = [], []
        for view in range(len(self._targets)):
            cells += [colours(pictures[view].cpu()) for pictures in shown]
            labels += ["target", *(f"{name}, {values[view]:.1f} dB" for name, values in numbers.items())]
        panels = [contact_sheet(cells, len(shown), labels, _CELL, "targets, and what came of them")]
        for name, (G, latent) in stages_of(self._inversion).items():
            if name != MEAN:
                panels += [self._turn(G, latent, head, name) for head in range(len(latent.ws))]
        return joined(panels, vertical=True)

    def _turn(self, G: Generator, latent: Latent, head: int, name: str) -> RGBPicture:
        labels = around(latent.labels[self._targets.heads.index(head)])
        pictures = torch.cat([seen["image"].cpu() for seen in photograph(G, sitter_of(G, latent, head), labels)])
        angles = [f"{degrees}°" for degrees in AZIMUTHS_DEG]
        which = f" of head {head}" if len(latent.ws) > 1 else ""
        return contact_sheet(
            list(np.asarray(colours(pictures))), len(angles), angles, _CELL, f"after the {name}{which}"
        )


def around(label: Float[Tensor, "25"]) -> Float[Tensor, "sides 25"]:
    """Level cameras like this one from all sides."""
    camera = camera_from_label(label.cpu())
    azimuth = torch.tensor(AZIMUTHS_DEG).deg2rad()
    h, v = hv_from_angles(azimuth, torch.zeros_like(azimuth))
    radius, focal = float(camera.position.norm()), float(camera.intrinsics[0, 0])
    return label_from_camera(camera_on_sphere(h, v, radius=radius, focal=focal))


@torch.no_grad()
def sitter_of(G: Generator, latent: Latent, head: int) -> Sitter:
    """A head of the latent before its own background."""
    sitter = seat(G, latent.ws[head : head + 1])
    if latent.ws_background is None:
        return sitter
    return sitter.behind(G.backdrop(latent.ws_background[head : head + 1], "const"))
