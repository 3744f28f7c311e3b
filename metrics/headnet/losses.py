# SPDX-License-Identifier: Apache-2.0
"""What HeadNet is trained by: one named term per head."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from metrics.headnet.headset import HeadSet
from metrics.headnet.network import Reading

# Of similar size once training is under way.
WEIGHTS = {"direction": 4.0, "identity": 0.3, "numbers": 0.5, "kinds": 0.2, "mask": 1.0}
_SCALE, _MARGIN = 16.0, 0.2


def terms(
    reading: Reading,
    heads: HeadSet,
    yaw_rad: Float[Tensor, " n"],
    mask: Float[Tensor, "n 1 64 64"],
    numbers: Float[Tensor, "n numbers"],
    prototypes: Float[Tensor, "identities 128"],
) -> dict[str, Float[Tensor, ""]]:
    """Unweighted. Yaw and mask are those of the augmented pictures, and `numbers` have mean 0 and deviation 1."""
    target = torch.stack([yaw_rad.cos(), yaw_rad.sin()], dim=1)
    kinds = [F.cross_entropy(logits, heads.kinds[:, i]) for i, logits in enumerate(reading.kinds.values())]
    return {
        "direction": F.mse_loss(reading.direction, target),
        "identity": cosine_classification(reading.identity, prototypes, heads.identity),
        "numbers": F.mse_loss(reading.numbers, numbers),
        "kinds": torch.stack(kinds).mean(),
        "mask": F.binary_cross_entropy_with_logits(reading.mask_logits, mask),
    }


def cosine_classification(
    embedding: Float[Tensor, "n dim"], prototypes: Float[Tensor, "identities dim"], identity: Int64[Tensor, " n"]
) -> Float[Tensor, ""]:
    """Each picture belongs to the nearest prototype, by a margin: Wang et al., "CosFace" (CVPR 2018), equation 4."""
    cosine = embedding @ F.normalize(prototypes, dim=1).T
    margin = _MARGIN * F.one_hot(identity, len(prototypes))
    return F.cross_entropy(_SCALE * (cosine - margin), identity)


def total(parts: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
