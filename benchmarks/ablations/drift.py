# SPDX-License-Identifier: Apache-2.0
"""How much of an injected drift a trained generator can undo, for back views it has not seen, with wrong labels.

    camera  styles and a shift of the camera are sought together, which every variant can do: one whose backs are
            where the labels say finds the camera that took the picture
    shift   codes are sought that give the picture by way of the learned shift, which is then the generator's own
            account of where the camera stood

Drift does not follow from the label, so before a code is known there is nothing to compare; how large learned shifts
are in general is the metric `shift`. Compared is what lies across the view: along it a picture hardly tells.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from benchmarks.ablations.folder import Values
from benchmarks.ablations.heldout import drifted_backs
from dnnlib.progress import progress
from metrics.geometry.truth import recovered_share
from training.cameras import camera_from_label, label_from_camera, translate
from training.generator import Generator
from training.inversion.likeness import edges
from training.inversion.mean_styles import mean_styles
from training.inversion.schedule import rate
from training.inversion.settings import Settings
from training.inversion.targets import Targets

# As in an inversion: see training/inversion/searching.py. Without the pull, what a generator cannot show of a head is
# explained by shifts twice as large as the true ones; with it, pictures without contrast give too small ones.
_STYLE_RATE, _SHIFT_RATE = 0.1, 0.01
_STYLE_PULL, _SHIFT_PULL = 0.1, 3.0

Rows = Int64[Tensor, " rows"]


def drift_recovered(G: Generator, count: int, steps: int, drift: float) -> Values:
    """Of each way the share that is undone, the correlation, and the root mean square of what is left."""
    backs = drifted_backs(count, G.img_resolution, drift)
    G.eval().requires_grad_(False)
    targets = backs.targets.to(next(G.parameters()).device)
    R_world_cam = camera_from_label(backs.targets.labels).R_world_cam
    shifts = {"camera": sought_camera(G, targets, steps)}
    if G.adaptation is not None:
        shifts["shift"] = sought_shift(G, targets, steps)
    true = across(backs.drift_world, R_world_cam)
    values: Values = {"drift": _size(true)}
    for name, shift_world in shifts.items():
        shift = across(shift_world.cpu(), R_world_cam)
        values[f"{name} recovered"] = recovered_share(shift, true)
        values[f"{name} correlation"] = correlation(shift, true)
        values[f"{name} left"] = _size(shift - true)
    return values


def sought_camera(G: Generator, targets: Targets, steps: int) -> Float[Tensor, "n 3"]:
    """The shifts of the cameras, in the world, under which heads are found that look like the pictures."""
    count, mean, cameras = len(targets), mean_styles(G).w, camera_from_label(targets.labels)
    w = mean.repeat(count, 1).requires_grad_()
    shift_world = torch.zeros(count, 3, device=w.device, requires_grad=True)

    def picture(rows: Rows) -> Tensor:
        labels = label_from_camera(translate(cameras, shift_world))[rows]
        return G.synthesis(w[rows, None].expand(-1, G.num_ws, -1), labels)["image"]

    def pull(rows: Rows) -> Tensor:
        strange = (w[rows] - mean).square().mean(1)
        return _STYLE_PULL * strange + _SHIFT_PULL * shift_world[rows].square().sum(1)

    _seek({w: _STYLE_RATE, shift_world: _SHIFT_RATE}, picture, pull, targets, steps)
    return shift_world.detach()


def sought_shift(G: Generator, targets: Targets, steps: int) -> Float[Tensor, "n 3"]:
    """The learned shifts, in the world, of codes that give these pictures under these labels."""
    assert G.adaptation is not None
    z = mean_styles(G).z.repeat(len(targets), 1).requires_grad_()
    # The length of a code does not count, so nothing has to keep it.
    _seek({z: _STYLE_RATE}, lambda rows: G(z[rows], targets.labels[rows])["image"], lambda _: 0.0, targets, steps)
    with torch.no_grad():
        return G.adaptation(z, targets.labels)[1]


def across(vectors_world: Float[Tensor, "n 3"], R_world_cam: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 2"]:
    """Their parts to the right of each view, and down."""
    return (vectors_world[:, None] @ R_world_cam)[:, 0, :2]


def correlation(a: Float[Tensor, "n 2"], b: Float[Tensor, "n 2"]) -> float | None:
    """Of all coordinates. None where one side is always the same."""
    pairs = torch.stack([a.flatten(), b.flatten()]).double()
    return torch.corrcoef(pairs)[0, 1].item() if bool((pairs.std(dim=1) > 0).all()) else None


def _seek(
    rates: dict[Tensor, float],
    picture: Callable[[Rows], Tensor],
    pull: Callable[[Rows], Tensor | float],
    targets: Targets,
    steps: int,
) -> None:
    """Changes the parameters until the pictures are like the targets. Memory is that of a few views."""
    optimizer = torch.optim.Adam([{"params": [x], "full_rate": full} for x, full in rates.items()])
    likeness = edges()
    all_rows = torch.arange(len(targets), device=targets.images.device)
    for step in progress(range(steps), "drift", unit="step"):
        for group in optimizer.param_groups:
            group["lr"] = group["full_rate"] * rate(step / steps)
        optimizer.zero_grad()
        for rows in all_rows.split(Settings().views_per_step):
            (likeness(picture(rows), targets.images[rows]) + pull(rows)).sum().backward()
        optimizer.step()


def _size(vectors: Float[Tensor, "n 2"]) -> float:
    return vectors.square().sum(1).mean().sqrt().item()
