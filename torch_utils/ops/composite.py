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
from torch_utils.ops.importance_depths import merge_depths

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


def composite_passes(
    features_a: Tensor,  # [..., S, F]
    densities_a: Tensor,  # [..., S]
    depths_a: Tensor,  # [..., S], ascending
    features_b: Tensor,  # [..., K, F]
    densities_b: Tensor,  # [..., K]
    depths_b: Tensor,  # [..., K], ascending
) -> tuple[Tensor, Tensor, Tensor]:  # features [..., F], depth [...], weights [..., S + K - 1]
    """Composites what two passes along the same rays saw, without first moving the features into one order.

    First-order gradients with respect to features and densities are exact; depths are constants here.
    """
    depths_a, depths_b = depths_a.detach(), depths_b.detach()
    if features_a.dtype != features_b.dtype or features_a.shape[-1:] != features_b.shape[-1:]:
        raise ValueError(
            "composite_passes: both passes need features of one type and number, got "
            f"{features_a.dtype} {list(features_a.shape)} and {features_b.dtype} {list(features_b.shape)}."
        )
    if depths_a.shape[:-1] != depths_b.shape[:-1] or not all(
        f.shape[:-1] == s.shape == t.shape and t.ndim and t.shape[-1]
        for f, s, t in ((features_a, densities_a, depths_a), (features_b, densities_b, depths_b))
    ):
        raise ValueError(
            "composite_passes: shapes must be features [..., S, F], densities [..., S], depths [..., S] of each pass, "
            "of the same rays and with one sample at least; got "
            f"{[list(x.shape) for x in (features_a, densities_a, depths_a, features_b, densities_b, depths_b)]}."
        )
    if not features_a.is_floating_point() or not native.serves("composite", features_a):
        return composite(*merged(features_a, densities_a, depths_a, features_b, densities_b, depths_b))
    precise = torch.float64 if features_a.dtype == torch.float64 else torch.float32
    a, b = ((s.to(precise), t.to(precise)) for s, t in ((densities_a, depths_a), (densities_b, depths_b)))
    return torch.ops.fullhead.composite_passes(features_a, *a, features_b, *b)


def merged(
    features_a: Tensor, densities_a: Tensor, depths_a: Tensor, features_b: Tensor, densities_b: Tensor, depths_b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Two passes as one, in the order of their depths: what `composite_passes` does without."""
    depths, order = merge_depths(depths_a, depths_b)
    features = torch.cat([features_a, features_b], dim=-2)
    features = features.gather(-2, order[..., None].expand(*order.shape, features.shape[-1]))
    return features, torch.cat([densities_a, densities_b], dim=-1).gather(-1, order), depths


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

_PASSES = ", ".join(f"Tensor {what}_{which}" for which in "ab" for what in ("features", "densities", "depths"))
torch.library.define("fullhead::composite_passes", f"({_PASSES}) -> (Tensor, Tensor, Tensor)")
torch.library.define(
    "fullhead::composite_passes_grad",
    f"(Tensor g_features, Tensor g_depth, Tensor g_weights, {_PASSES}) -> (Tensor, Tensor, Tensor, Tensor)",
)


@torch.library.register_fake("fullhead::composite")
def _(features, densities, depths):
    *rays, samples, channels = features.shape
    return features.new_empty((*rays, channels)), depths.new_empty(rays), depths.new_empty((*rays, samples - 1))


@torch.library.register_fake("fullhead::composite_grad")
def _(g_features, g_depth, g_weights, features, densities, depths):
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (features, densities, depths))


@torch.library.register_fake("fullhead::composite_passes")
def _(features_a, densities_a, depths_a, features_b, densities_b, depths_b):
    *rays, samples, channels = features_a.shape
    weights = depths_a.new_empty((*rays, samples + features_b.shape[-2] - 1))
    return features_a.new_empty((*rays, channels)), depths_a.new_empty(rays), weights


@torch.library.register_fake("fullhead::composite_passes_grad")
def _(g_features, g_depth, g_weights, features_a, densities_a, depths_a, features_b, densities_b, depths_b):
    samples = (features_a, densities_a, features_b, densities_b)
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in samples)


def _keep_forward(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_features, g_depth, g_weights):
    return torch.ops.fullhead.composite_grad(g_features, g_depth, g_weights, *ctx.saved_tensors)


torch.library.register_autograd("fullhead::composite", _backward, setup_context=_keep_forward)


def _passes_backward(ctx, g_features, g_depth, g_weights):
    saved = ctx.saved_tensors
    features_a, densities_a, features_b, densities_b = torch.ops.fullhead.composite_passes_grad(
        g_features, g_depth, g_weights, *saved
    )
    return features_a, densities_a, None, features_b, densities_b, None


torch.library.register_autograd("fullhead::composite_passes", _passes_backward, setup_context=_keep_forward)
for _op in ("composite_grad", "composite_passes_grad"):
    native.forbid_backward(f"fullhead::{_op}", "second derivatives of composite")
