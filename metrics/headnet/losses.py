# SPDX-License-Identifier: Apache-2.0
"""What HeadNet is trained by: one named term per head."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from metrics.headnet.headset import HeadSet
from metrics.headnet.network import Reading

# Of similar size once training is under way.
WEIGHTS = {"direction": 4.0, "identity": 0.5, "numbers": 0.5, "kinds": 0.2, "mask": 1.0}
_TEMPERATURE = 0.1


def terms(
    reading: Reading,
    heads: HeadSet,
    yaw_rad: Float[Tensor, " n"],
    mask: Float[Tensor, "n 1 64 64"],
    numbers: Float[Tensor, "n numbers"],
) -> dict[str, Float[Tensor, ""]]:
    """Unweighted. Yaw and mask are those of the augmented pictures, and `numbers` have mean 0 and deviation 1."""
    target = torch.stack([yaw_rad.cos(), yaw_rad.sin()], dim=1)
    kinds = [F.cross_entropy(logits, heads.kinds[:, i]) for i, logits in enumerate(reading.kinds.values())]
    return {
        "direction": F.mse_loss(reading.direction, target),
        "identity": contrast(reading.identity, heads.identity),
        "numbers": F.mse_loss(reading.numbers, numbers),
        "kinds": torch.stack(kinds).mean(),
        "mask": F.binary_cross_entropy_with_logits(reading.mask_logits, mask),
    }


def contrast(embedding: Float[Tensor, "n dim"], identity: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """Views of one identity are to be nearer than all others of the batch: Khosla et al. (2020), equation 2."""
    logits = embedding @ embedding.T / _TEMPERATURE
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    log_share = F.log_softmax(logits.masked_fill(itself, -torch.inf), dim=1)
    is_same = (identity[:, None] == identity) & ~itself
    of_same = torch.where(is_same, log_share, 0).sum(dim=1) / is_same.sum(dim=1).clamp(min=1)
    return -of_same.mean()


def total(parts: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
