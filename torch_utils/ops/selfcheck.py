# SPDX-License-Identifier: Apache-2.0
"""Small examples of every operator, and the comparison of both paths on them, values and gradients."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_utils import ops
from torch_utils.ops import native
from torch_utils.ops.distance_field import Join, Kind, Row, distance

TOLERANCE = 2e-5  # relative to the largest absolute value, float32


@dataclass(frozen=True)
class Example:
    """A call of an operator on tensors; floating-point tensors get gradients where the operator has them."""

    op: str
    call: Callable[..., Tensor | tuple[Tensor, ...]]
    tensors: tuple[Tensor, ...]
    has_gradient: bool = True


def examples(device: str = "cpu") -> list[Example]:
    """One or two calls of every operator, on random tensors."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    def layers(inputs: int, hidden: int, outputs: int) -> tuple[Tensor, ...]:
        return normal(hidden, inputs), normal(hidden), normal(outputs, hidden), normal(outputs)

    taps = ops.filter_taps().to(device)
    seen = (torch.rand(2, 64, generator=generator) < 0.7).to(device)
    image = normal(2, 8, 16, 16).to(memory_format=torch.channels_last)
    depths = torch.rand(2, 6, 12, generator=generator).sort(-1).values.to(device) + 2
    weights = torch.rand(2, 6, 11, generator=generator).to(device)
    indices = torch.tensor([0, -3, 2**40 + 1])
    return [
        Example("biased_act", lambda x, b: ops.biased_act(x, b, "lrelu", clamp=1.0), (image, normal(8))),
        Example("biased_act", lambda x, b: ops.biased_act(x, b, "swish"), (image.contiguous(), normal(8))),
        Example("fir_resample", lambda x: ops.upsample(x, taps), (image,)),
        Example("fir_resample", lambda x: ops.downsample(x, taps), (image.contiguous(),)),
        Example(
            "fir_act",
            lambda x, noise, b: ops.fir_act(x, taps, noise, b, "lrelu", (1, 1, 1, 1), 4.0),
            (image, normal(1, 1, 15, 15), normal(8)),
        ),
        Example(
            "trigrid_decode",
            lambda *tensors: ops.trigrid_decode(*tensors, box_size=2.0),
            (normal(2, 3, 3, 32, 8, 8), normal(2, 64, 3) / 2, *layers(32, 64, 33)),
        ),
        Example(
            "trigrid_decode",
            lambda *tensors: ops.trigrid_decode(*tensors, 2.0, "xy_xz_zx", planar=True, seen=seen),
            (normal(2, 3, 1, 5, 8, 8), normal(2, 64, 3) / 2, *layers(5, 7, 4)),
        ),
        Example("composite", ops.composite, (normal(2, 6, 12, 32), 4 * normal(2, 6, 12), depths)),
        Example(
            "composite",
            lambda fa, sa, fb, sb: ops.composite_passes(fa, sa, depths, fb, sb, depths[..., ::2] + 0.01),
            (normal(2, 6, 12, 16), 4 * normal(2, 6, 12), normal(2, 6, 6, 16), 4 * normal(2, 6, 6)),
        ),
        Example(
            "importance_depths",
            lambda t, w: ops.importance_depths(t, w, ops.mid_cell(9, device)),
            (depths, weights),
            False,
        ),
        Example("importance_depths", ops.merge_depths, (depths, depths[..., ::2] + 0.01), False),
        Example("philox_words", lambda i: ops.philox_words(i, 2**64 - 1, 7), (indices.to(device),), False),
        Example("distance_field", distance, (normal(500, 3), _solid().to(device)), False),
    ]


def _solid() -> Tensor:
    """A table with every kind of row."""
    rows = [
        Row(Kind.LAYER, 0, parameters=(1.0,)),
        Row(Kind.ELLIPSOID, 0, Join.ADD, slope=1.6, centre=(0.1, 0.2, 0.0), parameters=(1.0, 0.7, 0.5)),
        Row(Kind.BOX, 0, Join.ADD, 0.3, mirrored=1, centre=(0.9, 0.0, 0.4), parameters=(0.4, 0.3, 0.2, 0.1)),
        Row(Kind.TORUS_ARC, 0, Join.CUT, 0.1, centre=(0.0, 0.5, 0.5), parameters=(0.5, 0.2, 0.8, 0.6)),
        Row(Kind.LAYER, 1, parameters=(1.0,)),
        Row(Kind.VALUE, 1, parameters=(0.0, 0.1)),
        Row(Kind.HALF_SPACE, 1, Join.KEEP, 0.2, centre=(0.0, -0.2, 0.0)),
        Row(Kind.SHELL, 1, parameters=(0.05,)),
        Row(Kind.ROUND_CONE, 1, Join.ADD, 0.2, parameters=(1.5, 0.3, 0.3, 0.0, 1.0)),
        Row(Kind.DISC, 1, Join.ADD, centre=(0.0, 1.5, 0.0), parameters=(0.6, 0.2, 0.05)),
        Row(Kind.WAVES, 1, slope=0.2, parameters=(0.02, 10.0, 7.0, 5.0, 0.1, 0.2, 0.3)),
        Row(Kind.INFLATE, 1, parameters=(0.03,)),
    ]
    return torch.tensor([row.numbers() for row in rows])


def largest_error(example: Example) -> float:
    """Largest difference between native and reference, of values and gradients, relative to the largest value."""
    with native.forced("native"):
        fast = _values_and_gradients(example)
    with native.forced("reference"):
        plain = _values_and_gradients(example)
    errors = [_error(a, b) for a, b in zip(fast, plain, strict=True)]
    return torch.stack(errors).max().item()  # NaN if one of them is, which is within no tolerance


def _error(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape or a.dtype != b.dtype:
        return torch.tensor(torch.inf, dtype=torch.float64)
    a, b = a.cpu().double(), b.cpu().double()
    return (a - b).abs().max() / b.abs().max().clamp(min=1e-12)


def _values_and_gradients(example: Example) -> list[Tensor]:
    tensors = [x.detach().requires_grad_(example.has_gradient) for x in example.tensors]
    values = example.call(*tensors)
    values = list(values) if isinstance(values, tuple) else [values]
    if not example.has_gradient:
        return values
    generator = torch.Generator().manual_seed(1)
    cotangents = [torch.randn(v.shape, generator=generator).to(v) for v in values]
    return [v.detach() for v in values] + list(torch.autograd.grad(values, tensors, cotangents))
