# SPDX-License-Identifier: Apache-2.0
"""How much of an injected drift a trained generator can undo, for back views it has not seen, with wrong labels.

By its heads: styles and a correction of the camera are sought together, which every variant can do. One whose backs
are where the labels say finds the camera that took the picture.

By its adaptation: codes are sought that give the picture by way of the learned shift, so the shift is the generator's own
account of where the camera stood. Drift does not follow from the label, so before a code is known there is nothing to
compare; how large shifts are in general is the metric `shift`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.ablations.folder import Values
from benchmarks.ablations.heldout import drifted_backs
from benchmarks.ablations.truth import found
from dnnlib.progress import progress
from metrics.geometry.truth import camera_errors, recovered_share
from training.cameras import camera_from_label
from training.generator import Generator
from training.inversion.likeness import edges
from training.inversion.mean_styles import mean_styles
from training.inversion.schedule import rate
from training.inversion.settings import Settings
from training.inversion.targets import Targets

_CODE_RATE = 0.1


def drift_recovered(G: Generator, count: int, steps: int, drift: float) -> Values:
    """`camera` is what the search corrects, `shift` what the adaptation says."""
    backs = drifted_backs(count, G.img_resolution, drift)
    G.eval().requires_grad_(False)
    latent = found(G, backs.targets, steps, refine_camera=True)
    told, sought, true = (
        camera_from_label(labels.cpu()) for labels in (backs.targets.labels, latent.labels, backs.cameras)
    )
    wrong = camera_errors(sought, true)
    values: Values = {
        "drift": backs.drift_world.square().sum(1).mean().sqrt().item(),
        "camera": wrong.position.mean().item(),
        "camera turn_deg": wrong.direction_deg.mean().item(),
        **_agreement("camera", sought.position - told.position, backs.drift_world),
    }
    if G.adaptation is not None:
        shift = sought_shift(G, backs.targets, steps)
        values["shift"] = (shift - backs.drift_world).norm(dim=1).mean().item()
        values |= _agreement("shift", shift, backs.drift_world)
    return values


def sought_shift(G: Generator, targets: Targets, steps: int) -> Float[Tensor, "n 3"]:
    """The learned shifts of the codes that give these pictures under these labels. A code has no length that counts."""
    assert G.adaptation is not None
    targets = targets.to(next(G.parameters()).device)
    z = mean_styles(G).z.repeat(len(targets), 1).requires_grad_()
    optimizer, likeness = torch.optim.Adam([z], betas=(0.9, 0.999)), edges()
    for step in progress(range(steps), "codes", unit="step"):
        optimizer.param_groups[0]["lr"] = _CODE_RATE * rate(step / steps)
        optimizer.zero_grad()
        for some in torch.arange(len(z), device=z.device).split(Settings().views_per_step):
            likeness(G(z[some], targets.labels[some])["image"], targets.images[some]).sum().backward()
        optimizer.step()
    with torch.no_grad():
        return G.adaptation(z, targets.labels)[1].cpu()


def _agreement(name: str, shift: Float[Tensor, "n 3"], drift: Float[Tensor, "n 3"]) -> Values:
    """The share of the drift that is undone, and the correlation of all coordinates; none of a shift that is constant."""
    pairs = torch.stack([shift.flatten(), drift.flatten()]).double()
    correlation = torch.corrcoef(pairs)[0, 1].item() if shift.std() > 0 else None
    return {f"{name} recovered": recovered_share(shift, drift), f"{name} correlation": correlation}
