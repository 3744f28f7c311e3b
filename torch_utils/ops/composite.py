# SPDX-License-Identifier: Apache-2.0
"""Alpha compositing of samples along rays by the midpoint rule.

Vocabulary: a ray has S samples at depths t_1 <= ... <= t_S and S - 1 intervals of length delta; an interval takes the
mean of its two ends for features, raw density and depth. alpha = 1 - exp(-softplus(density - 1) * delta); the weight of
an interval is its alpha times the transmittance T in front of it, T = prod (1 - alpha + 1e-10).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native

_DENSITY_SHIFT = 1.0  # raw densities start near zero; the shift makes an untrained field faint
_MIN_TRANSMITTANCE = 1e-10


def composite(
    features: Tensor,  # [..., S, F]
    densities: Tensor,  # [..., S], raw: before the softplus
    depths: Tensor,  # [..., S], ascending
) -> tuple[Tensor, Tensor, Tensor]:  # features [..., F], depth [...], weights [..., S - 1]
    """Composites a ray: what is seen, how far away it is (the last sample's depth where nothing is), and the weights.

    First-order gradients with respect to all three inputs are exact.
    """
    if features.ndim < 2 or features.shape[:-1] != densities.shape or densities.shape != depths.shape:
        raise ValueError(
            "composite: shapes must be features [..., S, F], densities [..., S], depths [..., S]; got "
            f"{list(features.shape)}, {list(densities.shape)}, {list(depths.shape)}."
        )
    if not features.is_floating_point():
        raise ValueError(f"composite: features must be floating point, got {features.dtype}; convert them first.")
    if depths.shape[-1] < 1:
        raise ValueError("composite: a ray needs at least one sample.")
    if not native.serves("composite", features):
        return reference(features, densities, depths)
    precise = torch.float64 if features.dtype == torch.float64 else torch.float32
    return torch.ops.fullhead.composite(features, densities.to(precise), depths.to(precise))


def reference(features: Tensor, densities: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, in plain PyTorch. Weights and sums are in float32 at least."""
    precise = torch.float64 if features.dtype == torch.float64 else torch.float32
    densities, depths = densities.to(precise), depths.to(precise)
    delta = depths[..., 1:] - depths[..., :-1]
    mid_depths, mid_densities, mid_features = (
        _midpoints(x, axis) for x, axis in ((depths, -1), (densities, -1), (features.to(precise), -2))
    )
    alpha = 1 - torch.exp(-F.softplus(mid_densities - _DENSITY_SHIFT) * delta)
    through = torch.cumprod(1 - alpha + _MIN_TRANSMITTANCE, dim=-1)
    weights = alpha * torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], dim=-1)[..., : alpha.shape[-1]]
    total = weights.sum(-1)
    is_empty = total == 0
    mean_depth = (weights * mid_depths).sum(-1) / torch.where(is_empty, torch.ones_like(total), total)
    depth = torch.where(is_empty, depths[..., -1], mean_depth)
    return (weights[..., None] * mid_features).sum(-2).to(features.dtype), depth, weights


def _midpoints(x: Tensor, axis: int) -> Tensor:
    n = x.shape[axis] - 1
    return (x.narrow(axis, 0, n) + x.narrow(axis, 1, n)) / 2


# --- Registered operators -------------------------------------------------------------------------------------------

torch.library.define(
    "fullhead::composite", "(Tensor features, Tensor densities, Tensor depths) -> (Tensor, Tensor, Tensor)"
)
torch.library.define(
    "fullhead::composite_grad",
    "(Tensor g_features, Tensor g_depth, Tensor g_weights, Tensor features, Tensor densities, Tensor depths) "
    "-> (Tensor, Tensor, Tensor)",
)


@torch.library.register_fake("fullhead::composite")
def _(features, densities, depths):
    *rays, samples, channels = features.shape
    return features.new_empty((*rays, channels)), depths.new_empty(rays), depths.new_empty((*rays, samples - 1))


@torch.library.register_fake("fullhead::composite_grad")
def _(g_features, g_depth, g_weights, features, densities, depths):
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (features, densities, depths))


def _keep_forward(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_features, g_depth, g_weights):
    return torch.ops.fullhead.composite_grad(g_features, g_depth, g_weights, *ctx.saved_tensors)


torch.library.register_autograd("fullhead::composite", _backward, setup_context=_keep_forward)
native.forbid_backward("fullhead::composite_grad", "second derivatives of composite")
