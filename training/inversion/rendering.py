# SPDX-License-Identifier: Apache-2.0
"""Pictures of heads under the cameras of their views, and how far they are from the targets, by parts.

What lies inside the mask is the head's affair, what lies outside the background's: each part of the loss goes to the
styles and weights of its own part (`backward`). Without masks all of the picture is the head's.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from training.generator import Generator
from training.inversion.likeness import Likeness
from training.inversion.targets import Targets
from training.portraits.latents import Latent
from training.types import Rendering


def render(G: Generator, latent: Latent, heads: Sequence[int], labels: Float[Tensor, "views 25"]) -> Rendering:
    """A picture of head heads[i] under labels[i]. What views of a head share is computed once."""
    shown = sorted(set(heads))
    rows = [shown.index(head) for head in heads]
    planes = G.planes(latent.ws[shown], "const")
    ws_background = latent.ws if latent.ws_background is None else latent.ws_background
    backdrop = G.backdrop(ws_background[shown], "const")
    if rows != list(range(len(shown))):  # Or large tensors and their gradients would be copied for nothing.
        planes, backdrop = planes[rows], None if backdrop is None else backdrop[rows]
    return G.synthesis(latent.ws[list(heads)], labels, None, "const", planes=planes, backdrop=backdrop)


class Unlikeness(NamedTuple):
    """What is to become small."""

    head: Float[Tensor, ""]
    background: Float[Tensor, ""] | None


def unlikeness(pictures: Rendering, targets: Targets, likeness: Likeness) -> Unlikeness:
    """Of all pictures, in the mean."""
    image = pictures["image"]
    if targets.masks is None:
        return Unlikeness(likeness(image, targets.images).mean(), None)
    opacity = pictures["image_mask"]
    wanted = interpolate(targets.masks, size=opacity.shape[-2:], mode="area")
    silhouette = (opacity - wanted).square().mean()
    head = likeness(image, targets.images, targets.masks).mean() + silhouette
    return Unlikeness(head, likeness(image, targets.images, 1 - targets.masks).mean())


def backward(loss: Unlikeness, head: Sequence[Tensor], background: Sequence[Tensor]) -> None:
    """Gradients of each part to what belongs to it. Without masks both belong to the head."""
    if loss.background is None:
        loss.head.backward(inputs=[*head, *background])
        return
    loss.head.backward(inputs=head, retain_graph=bool(background))
    if background:
        loss.background.backward(inputs=background)


@torch.no_grad()
def pictures_of(
    G: Generator, latent: Latent, targets: Targets, together: int = 4
) -> Float[Tensor, "views 3 size size"]:
    """What the heads look like under the cameras of the targets."""
    parts = [range(start, min(start + together, len(targets))) for start in range(0, len(targets), together)]
    views = [targets.only(list(part)) for part in parts]
    return torch.cat([render(G, latent, some.heads, some.labels)["image"] for some in views])
