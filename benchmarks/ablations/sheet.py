# SPDX-License-Identifier: Apache-2.0
"""The same latents in all variants, from the front, the side and the back; above them heads of the data. Uncurated."""

import torch

from benchmarks.ablations.heldout import level_label, views_at
from benchmarks.ablations.truth import SIDES_DEG
from dnnlib.drawing import RGBPicture, contact_sheet, joined
from training.generator import Generator
from training.portraits.seeds import z_of_seeds
from training.portraits.sitter import photograph, seat_each
from training.watch.pictures import colours

LATENTS = (0, 1, 2, 3)
_CELL = 96


def sheet(rows: dict[str, list[RGBPicture]]) -> RGBPicture:
    """A titled row for each."""
    count = len(LATENTS) * len(SIDES_DEG)
    labels = [f"{side}" for _ in LATENTS for side in SIDES_DEG]
    return joined(
        [contact_sheet(row, columns=count, labels=labels, cell=_CELL, title=title) for title, row in rows.items()],
        vertical=True,
        gap=2,
    )


@torch.no_grad()
def generated(G: Generator) -> list[RGBPicture]:
    """Every latent from all sides, styles mapped under the front camera, not truncated."""
    device = next(G.parameters()).device
    labels = torch.stack([level_label(azimuth) for azimuth in SIDES_DEG.values()])
    front = level_label(0.0).to(device).expand(len(LATENTS), -1)
    ws = G.mapping(z_of_seeds(LATENTS, G.z_dim).to(device), front)
    seen = [picture for sitter in seat_each(G, ws) for picture in photograph(G, sitter, labels)]
    return [colours(image.cpu()) for picture in seen for image in picture["image"]]


def real(resolution: int) -> list[RGBPicture]:
    """Held-out heads from where their labels say."""
    by_side = [views_at([azimuth] * len(LATENTS), resolution).images for azimuth in SIDES_DEG.values()]
    return [colours(images[i]) for i in range(len(LATENTS)) for images in by_side]
