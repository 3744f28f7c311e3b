# SPDX-License-Identifier: Apache-2.0
"""The operators out of stock PyTorch calls: grid_sample, conv2d with a dense kernel, one call for every pointwise step.

This is what the published method costs as it is commonly written, and the yardstick of benchmarks/ops.py.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

AXES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


def fir(x: Tensor, taps: Tensor, up: int, down: int, pad: tuple[int, int, int, int], gain: float) -> Tensor:
    """Zero-stuffing, padding and a dense depthwise convolution."""
    n, c, h, w = x.shape
    if up > 1:
        x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    kernel = (torch.outer(taps, taps) * gain).flip(0, 1).expand(c, 1, -1, -1)
    return F.conv2d(F.pad(x, pad), kernel, stride=down, groups=c)


def biased_act(x: Tensor, bias: Tensor, gain: float, clamp: float) -> Tensor:
    return (F.leaky_relu(x + bias.reshape(1, -1, 1, 1), 0.2) * gain).clamp(-clamp, clamp)


def fir_act(
    x: Tensor, taps: Tensor, noise: Tensor, bias: Tensor, pad: tuple, fir_gain: float, gain: float, clamp: float
):
    return biased_act(fir(x, taps, 1, 1, pad, fir_gain) + noise, bias, gain, clamp)


def trigrid_sample(planes: Tensor, points: Tensor, box_size: float) -> Tensor:
    """Planes [N, 3, F, D, H, W], one grid_sample for each."""
    n, _, features = planes.shape[:3]
    q = points * (2 / box_size)
    sampled = [
        F.grid_sample(planes[:, p], q[:, :, None, None, list(axes)], align_corners=False).reshape(n, features, -1)
        for p, axes in enumerate(AXES)
    ]
    return torch.stack(sampled).mean(0).transpose(1, 2)


def trigrid_decode(
    planes: Tensor, points: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, box_size: float
) -> tuple[Tensor, Tensor]:
    y = F.linear(F.softplus(F.linear(trigrid_sample(planes, points, box_size), w1, b1)), w2, b2)
    return y[..., 0], y[..., 1:]


def composite(features: Tensor, densities: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    delta = depths[..., 1:] - depths[..., :-1]
    colour = (features[..., 1:, :] + features[..., :-1, :]) / 2
    density = (densities[..., 1:] + densities[..., :-1]) / 2
    mid = (depths[..., 1:] + depths[..., :-1]) / 2
    alpha = 1 - torch.exp(-F.softplus(density - 1) * delta)
    front = torch.cumprod(torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha + 1e-10], -1), -1)[..., :-1]
    weights = alpha * front
    seen = (weights[..., None] * colour).sum(-2)
    depth = (weights * mid).sum(-1) / weights.sum(-1)
    return seen, depth.nan_to_num(torch.inf).clamp(depths.min(), depths.max()), weights


def composite_passes(
    features_a: Tensor, densities_a: Tensor, depths_a: Tensor, features_b: Tensor, densities_b: Tensor, depths_b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Both passes sorted into one first."""
    depths, order = torch.sort(torch.cat([depths_a, depths_b], -1), -1)
    features = torch.cat([features_a, features_b], -2)
    features = features.gather(-2, order[..., None].expand(-1, -1, -1, features.shape[-1]))
    return composite(features, torch.cat([densities_a, densities_b], -1).gather(-1, order), depths)


def importance_depths(depths: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    rays = weights.reshape(-1, 1, weights.shape[-1])
    smooth = F.avg_pool1d(F.max_pool1d(rays, 2, 1, padding=1), 2, 1).reshape(weights.shape) + 0.01 + 1e-5
    cdf = F.pad(torch.cumsum(smooth / smooth.sum(-1, keepdim=True), -1), (1, 0))
    u = u.expand(*cdf.shape[:-1], -1).contiguous()
    above = torch.searchsorted(cdf, u, right=True)
    low, high = (above - 1).clamp(min=0), above.clamp(max=cdf.shape[-1] - 1)
    cdf_low, cdf_high = cdf.gather(-1, low), cdf.gather(-1, high)
    t_low, t_high = depths.gather(-1, low), depths.gather(-1, high)
    width = torch.where(cdf_high - cdf_low < 1e-5, 1.0, cdf_high - cdf_low)
    return t_low + (u - cdf_low) / width * (t_high - t_low)


def merge_depths(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sort(torch.cat([first, second], -1), -1)
