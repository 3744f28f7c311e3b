# SPDX-License-Identifier: Apache-2.0
"""The yardstick: networks computed as the published method is released, with stock PyTorch calls.

Pictures in NCHW; convolutions with one set of weights per picture as grouped convolutions (while training, styles
scale the input instead); filter, noise, bias and activation as steps of their own; planes sampled by grid_sample one
after another; all samples of all rays held at once, sorted and gathered. Random numbers are ours, at what they cost us:
released code has PyTorch draw them, which is no dearer.

    with plain_path():
        G.synthesis(ws, c)  # the same picture
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import stock_ops
from torch_utils import rng
from torch_utils.ops import native
from torch_utils.ops.biased_act import biased_act, default_gain
from torch_utils.ops.fir_resample import downsample_pad, upsample_pad
from torch_utils.ops.importance_depths import importance_depths
from torch_utils.ops.philox_words import philox_words
from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY
from training.fields.base import FieldSamples
from training.fields.trigrid import TriGridField
from training.networks.layers import Conv
from training.networks.modulated import StyledConv, ToImage
from training.networks.synthesis import Block
from training.rendering.base import Rays, Scene, Seen
from training.rendering.marching import ImportanceMarcher, _look

_AXES = {"xy_xz_yz": ((0, 1, 2), (0, 2, 1), (1, 2, 0)), "xy_xz_zx": ((0, 1, 2), (0, 2, 1), (2, 0, 1))}


@contextmanager
def plain_path() -> Iterator[None]:
    """All networks compute the plain way."""
    ways = (
        (StyledConv, "forward", _styled_conv),
        (ToImage, "forward", _to_image),
        (Block, "forward", _block),
        (Conv, "forward", _conv),
        (TriGridField, "prepare", _prepare),
        (TriGridField, "query", _query),
        (ImportanceMarcher, "_rays_in_budget", lambda self, scene, batch: 2**40),
        (ImportanceMarcher, "_render", _render),
        (rng, "philox_words", _words),
    )
    with ExitStack() as stack:
        stack.enter_context(native.forced("reference"))
        for owner, name, way in ways:
            stack.enter_context(mock.patch.object(owner, name, way))
        yield


def _words(indices: Tensor, key: int, count: int) -> Tensor:
    is_native = native.why_not("philox_words", indices.device.type) is None
    with native.forced("native" if is_native else "reference"):
        return philox_words(indices, key, count)


# ----------------------------------------------------------------------------------------------------------------------
# Convolutions.


def _modulated(x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool, up: int) -> Tensor:
    x = x.contiguous()
    per_picture = weight[None] * styles[:, None, :, None, None]  # [N, O, I, k, k]
    scale = (per_picture.square().sum((2, 3, 4)) + 1e-8).rsqrt() if demodulate else None
    if torch.is_grad_enabled():
        y = _one_conv(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), up, 1)
        return y if scale is None else y * scale.to(x.dtype)[:, :, None, None]
    if scale is not None:
        per_picture = per_picture * scale[:, :, None, None, None]
    n = len(x)
    y = _one_conv(x.reshape(1, -1, *x.shape[2:]), per_picture.to(x.dtype).flatten(0, 1), up, n)
    return y.reshape(n, -1, *y.shape[2:])


def _one_conv(x: Tensor, weight: Tensor, up: int, groups: int) -> Tensor:
    if up == 1:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
    weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)  # [groups * I, O, k, k]
    return F.conv_transpose2d(x, weight, stride=up, groups=groups)


def _activated(x: Tensor, bias: Tensor | None, act: str, gain: float, clamp: float | None) -> Tensor:
    if bias is not None:
        x = x + bias.to(x.dtype)[:, None, None]
    if act == "lrelu":
        x = F.leaky_relu(x, 0.2)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def _styled_conv(self: StyledConv, x: Tensor, w: Tensor, noise) -> Tensor:
    x = _modulated(x, self.weight, self.affine(w), True, self.up)
    if self.up == 2:
        x = stock_ops.fir(x, self.taps.to(x.dtype), 1, 1, (1, 1, 1, 1), 4.0)
    drawn = noise(self.name, self.noise_const)
    if drawn is not None:
        x = x + (drawn * self.noise_strength).to(x.dtype)
    return _activated(x, self.bias, "lrelu", default_gain("lrelu"), self.clamp)


def _to_image(self: ToImage, x: Tensor, w: Tensor) -> Tensor:
    y = _modulated(x, self.weight, self.affine(w) * self.style_gain, False, 1)
    return _activated(y, self.bias, "linear", 1.0, self.clamp).to(torch.promote_types(x.dtype, torch.float32))


def _block(self: Block, x: Tensor | None, image: Tensor | None, ws: Tensor, noise) -> tuple[Tensor, Tensor]:
    if self.conv0 is None:
        x = self.const.to(self.dtype or self.const.dtype)[None].repeat(len(ws), 1, 1, 1)
    else:
        x = self.conv0(x.to(self.dtype or x.dtype), ws[:, 0], noise)
    x = self.conv1(x, ws[:, -2], noise)
    y = self.to_image(x, ws[:, -1])
    if image is not None:
        if self.up == 2:
            image = stock_ops.fir(image, self.taps.to(image.dtype), 2, 1, upsample_pad(len(self.taps), 2), 4.0)
        y = image + y
    return x, y


def _conv(self: Conv, x: Tensor, gain: float = 1.0) -> Tensor:
    x, weight, taps = x.contiguous(), (self.weight * self.weight_gain).to(x.dtype), self.taps.to(x.dtype)
    padding = self.weight.shape[-1] // 2
    if self.down == 1:
        x = F.conv2d(x, weight, padding=padding)
    elif padding == 0:
        x = F.conv2d(stock_ops.fir(x, taps, 1, 2, downsample_pad(len(taps), 2), 1.0), weight)
    else:
        before, after = (side + padding for side in downsample_pad(len(taps), 2)[:2])
        x = F.conv2d(stock_ops.fir(x, taps, 1, 1, (before, after, before, after), 1.0), weight, stride=2)
    clamp = None if self.clamp is None else self.clamp * gain
    if self.act not in ("linear", "lrelu"):
        return biased_act(x, self.bias, self.act, default_gain(self.act) * gain, clamp)
    return _activated(x, self.bias, self.act, default_gain(self.act) * gain, clamp)


# ----------------------------------------------------------------------------------------------------------------------
# The volume.


def _prepare(self: TriGridField, codes, noise) -> Tensor:
    return self.synthesis(codes["ws"], noise).unflatten(1, (3, self.depth, -1))


def _query(self: TriGridField, state: Tensor, points: Tensor, seen: Tensor | None = None) -> FieldSamples:
    """All points are asked, and hidden afterwards."""
    n, m = points.shape[:2]
    q = points * (2 / self.box_size)
    sampled = []
    for plane, axes in enumerate(_AXES[self.axes]):
        grid = q[..., list(axes)].to(state.dtype)
        if self.planar:
            values = F.grid_sample(state[:, plane, 0], grid[:, :, None, :2], align_corners=False)
        else:
            values = F.grid_sample(state[:, plane].transpose(1, 2), grid[:, :, None, None], align_corners=False)
        sampled.append(values.reshape(n, -1, m).transpose(1, 2))
    decoder = self.decoder
    y = decoder.out(F.softplus(decoder.hidden(torch.stack(sampled, 1).mean(1))))
    density = y[..., 0] if seen is None else torch.where(seen, y[..., 0], HIDDEN_DENSITY)
    return FieldSamples(density, decoder.activated(y[..., 1:]))


def _render(self: ImportanceMarcher, scene: Scene, rays: Rays, draws, density_noise: float, start: int) -> Seen:
    stop = start + rays.origins.shape[1]
    near, far, meets = self._limits(scene, rays)

    def look(depths: Tensor, what: str) -> FieldSamples:
        samples = _look(scene, rays, depths, meets)
        if density_noise == 0:
            return samples
        noise = draws.normal(f"density/{what}", start, stop, depths.shape[-1], depths)
        return FieldSamples(samples.density + density_noise * noise, samples.features)

    depths = self._strata(near, far, draws.strata(start, stop, self.num_coarse, rays.origins))
    samples = look(depths, "coarse")
    if self.num_fine:
        with torch.no_grad():
            weights = stock_ops.composite(samples.features, samples.density, depths)[2]
            u = draws.importance(start, stop, self.num_fine, depths)
            fine_depths = importance_depths(depths, weights, u, "shifted" if self.bins == "published" else "exact")
        fine = look(fine_depths, "fine")
        depths, order = stock_ops.merge_depths(depths, fine_depths)
        density = torch.cat([samples.density, fine.density], -1).gather(-1, order)
        features = torch.cat([samples.features, fine.features], -2)
        features = features.gather(-2, order[..., None].expand(*order.shape, features.shape[-1]))
    else:
        density, features = samples
    features, depth, weights = stock_ops.composite(features, density, depths)
    opacity = weights.sum(-1)
    if self.empty != 0:
        features = features + self.empty * (1 - opacity[..., None])
    return Seen(features, depth, opacity)
