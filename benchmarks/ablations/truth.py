# SPDX-License-Identifier: Apache-2.0
"""How near a generator's space comes to heads it has not seen: their shape, told from one view of the face.

A generator has no truth of its own heads. So held-out procedural heads are inverted (the search alone, in w, from one
picture near the front and its camera; no masks, so that all variants are told the same), and what was found is
compared with the truth from the front, the side and the back. That measures generator and search together.
"""

import torch

from benchmarks.ablations.folder import Values
from benchmarks.ablations.heldout import Views, views_at
from dnnlib.progress import progress
from metrics.geometry.truth import errors
from training.cameras import camera_from_label
from training.generator import Generator
from training.inversion.likeness import edges
from training.inversion.mean_styles import mean_styles
from training.inversion.rendering import render
from training.inversion.searching import Search
from training.inversion.settings import Settings
from training.inversion.targets import Targets
from training.portraits.latents import Latent

SHOWN_DEG = (-20.0, 20.0)  # Azimuths of the pictures, in turn.
SIDES_DEG = {"front": 0.0, "side": 90.0, "back": 180.0}


def inverted_heads(G: Generator, count: int, steps: int, *, has_mask: bool) -> Values:
    """`mask_iou back` and the like, means over the heads."""
    shown = views_at([SHOWN_DEG[i % len(SHOWN_DEG)] for i in range(count)], G.img_resolution)
    latent = found(G, shown.as_targets(), steps)
    values: Values = {}
    for side, azimuth_deg in SIDES_DEG.items():
        truth = views_at([azimuth_deg] * count, G.neural_rendering_resolution)
        for name, each in compared(G, latent, truth).items():
            if has_mask or name != "mask_iou":
                values[f"{name} {side}"] = each
    return values


@torch.no_grad()
def compared(G: Generator, latent: Latent, truth: Views) -> Values:
    """Head i against the truth's head i. Of what shows nothing of the head there is no error, and it is left out."""
    device = latent.ws.device
    per_head = []
    for i in range(len(truth.labels)):
        label = truth.labels[i : i + 1].to(device)
        seen = render(G, latent, [i], label)
        mask, depth = (x[i : i + 1].to(device) for x in (truth.masks, truth.depth))
        per_head.append(torch.stack(errors(seen, camera_from_label(label), mask, depth)))
    means = torch.cat(per_head, dim=1).nanmean(dim=1).tolist()
    names = ("mask_iou", "depth", "relief", "normal_deg")
    return {name: value if value == value else None for name, value in zip(names, means, strict=True)}  # noqa: PLR0124


def found(G: Generator, targets: Targets, steps: int) -> Latent:
    """What the search of an inversion comes to."""
    targets = targets.to(next(G.parameters()).device)
    settings = Settings(num_steps=steps_of_all(steps, len(targets)))
    G.eval().requires_grad_(False)
    search = Search(G, targets, mean_styles(G), settings, edges())
    for step in progress(range(settings.num_steps), "search", unit="step"):
        search.step(step)
    return search.found()


def steps_of_all(steps: int, num_views: int) -> int:
    """So that every view takes part in `steps` of them."""
    return -(-steps * num_views // min(num_views, Settings().views_per_step))
