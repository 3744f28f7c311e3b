# SPDX-License-Identifier: Apache-2.0
"""What pictures of several heads from several sides say of a generator, each as one number.

A number is None where the pictures hold nothing that it could be read from: a head of one colour looks from behind
like its mirror image, and an empty picture has no depth. Colours are in [-1, 1]; *foreground* is where a mask is above
one half.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from training.watch.views import BACK, FRONT, Views

_MIN_CONTRAST = 0.1  # Below this standard deviation, pictures show nothing yet.
_MIN_PIXELS = 0.02  # Share of a picture that a foreground must have.

Measures = dict[str, float]


def measure(views: Views) -> Measures:
    """All of them by name, those that can be told."""
    front, back = views.raw[:, FRONT], views.raw[:, BACK]
    front_mask, back_mask = views.mask[:, FRONT], views.mask[:, BACK]
    found = {
        "contrast": contrast(views.raw),
        "diversity": diversity(front),
        "opacity": views.mask.mean().item(),
        "relief": relief(views.depth[:, FRONT], front_mask, views.extent),
        "mirrored_face": mirrored_face(front, back, front_mask, back_mask),
    }
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def contrast(pictures: Float[Tensor, "*batch channels height width"]) -> float:
    """Standard deviation of the colours."""
    return pictures.std().item()


def diversity(pictures: Float[Tensor, "latents channels height width"]) -> float | None:
    """Share of the pictures' variance that lies between latents: 0 where all are one picture, near 1 for pure noise.

    The variance of one pixel over the latents, against the variance of all pixels of all latents about the mean colour.
    """
    total = pictures.var(dim=(0, 2, 3), unbiased=False).mean()
    if total.sqrt() < _MIN_CONTRAST:
        return None
    return (pictures.var(dim=0, unbiased=False).mean() / total).item()


def relief(
    depth: Float[Tensor, "latents 1 height width"], mask: Float[Tensor, "latents 1 height width"], extent: float
) -> float | None:
    """Standard deviation of the foreground's depth in picture widths; the median over latents. A card has almost 0."""
    deviations = [
        depth[i][mask[i] > 0.5].std(unbiased=False) / extent
        for i in range(len(depth))
        if (mask[i] > 0.5).float().mean() > _MIN_PIXELS
    ]
    return torch.stack(deviations).median().item() if deviations else None


def mirrored_face(
    front: Float[Tensor, "latents channels height width"],
    back: Float[Tensor, "latents channels height width"],
    front_mask: Float[Tensor, "latents 1 height width"],
    back_mask: Float[Tensor, "latents 1 height width"],
) -> float | None:
    """How much the back is the front seen in a mirror: 1 where they are equal, 0 where they are unrelated.

    A volume that is the same before and behind shows from behind its mirrored front. Colours are compared where both
    views show the head, against what two random pixels of it differ by. The median over latents.
    """
    scores = []
    for i in range(len(front)):
        both = ((front_mask[i].flip(-1) > 0.5) & (back_mask[i] > 0.5))[0]
        if both.float().mean() < _MIN_PIXELS:
            continue
        a, b = front[i].flip(-1)[:, both], back[i][:, both]
        spread = _mean_difference(torch.cat([a, b], dim=1))
        if torch.cat([a, b], dim=1).std() < _MIN_CONTRAST:
            continue
        scores.append(1 - (a - b).abs().mean() / spread)
    return torch.stack(scores).median().item() if scores else None


def _mean_difference(values: Float[Tensor, "channels n"]) -> Tensor:
    """Mean |x - y| over all pairs of a channel's values (Gini's), by sorting."""
    n = values.shape[1]
    rank = torch.arange(1, n + 1, dtype=values.dtype, device=values.device)
    return (values.sort(dim=1).values * (2 * rank - n - 1)).sum(dim=1).mean() * 2 / n**2
