# SPDX-License-Identifier: Apache-2.0
"""Calls of the operators that tests on any device make: each kind of argument, shape and degenerate size once.

Vocabulary: a `Case` is a call on tensors that are given in float64 on the CPU; op_checks.py rounds and moves them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from tests.torch_utils.ops.solids import random_solid
from torch_utils import ops
from torch_utils.ops.distance_field import distance

ACTIVATIONS = get_args(ops.Activation)


@dataclass(frozen=True)
class Case:
    name: str
    call: Callable[..., Tensor | tuple[Tensor, ...]]
    tensors: tuple[Tensor, ...]  # float64, CPU; the first one is laid out in many ways
    order: int = 2  # how many times the operator can be differentiated
    precise: tuple[int, ...] = ()  # tensors that stay in float32 at least: coordinates, densities, depths
    kinks: tuple[float, ...] = ()  # absolute values at which the result has a corner

    def __str__(self) -> str:
        return self.name


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sines(*shape: int, start: float) -> Tensor:
    """sin(0.37 i + start) at flat index i: the inputs of the published golden numbers."""
    return torch.sin(0.37 * torch.arange(torch.Size(shape).numel(), dtype=torch.float64) + start).reshape(shape)


def biased_act_cases() -> list[Case]:
    x, bias = normal(0, 2, 33, 6, 5), normal(1, 33)
    cases = [Case(act, lambda x, b, a=act: ops.biased_act(x, b, a), (x, bias)) for act in ACTIVATIONS]
    cases += [
        Case(f"{act}-clamped", lambda x, b, a=act: ops.biased_act(x, b, a, 1.7, 0.6), (x, bias), kinks=(0.6,))
        for act in ACTIVATIONS
    ]
    shapes = {
        "flat": (5, 33),
        "sequence": (2, 7, 9),
        "volume": (2, 3, 4, 2, 3),
        "pixel": (1, 1, 1, 1),
        "wide": (3, 64, 1, 4),
    }
    cases += [
        Case(f"lrelu-{name}", lambda x, b: ops.biased_act(x, b, "lrelu"), (normal(2, *shape), normal(3, shape[1])))
        for name, shape in shapes.items()
    ]
    return [*cases, Case("without-bias", lambda x: ops.biased_act(x, None, "lrelu", clamp=0.6), (x,), kinks=(0.6,))]


_BINOMIAL = ops.filter_taps()
_ASYMMETRIC = torch.tensor([0.5, -0.25, 1.0, 0.125, 0.75])
_LONG = torch.linspace(-0.5, 1.0, 13)  # beyond the eight taps that a GPU takes in one pass


def fir_cases() -> list[Case]:
    x = normal(4, 2, 5, 8, 6)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "upsample": lambda x: ops.upsample(x, _BINOMIAL),
        "downsample": lambda x: ops.downsample(x, _BINOMIAL),
        "smooth": lambda x: ops.smooth(x, _ASYMMETRIC),
        "after-up-convolution": lambda x: ops.fir_resample(x, _BINOMIAL, pad=(1, 1, 1, 1), gain=4.0),
        "up3-down2": lambda x: ops.fir_resample(x, _ASYMMETRIC, up=3, down=2, pad=(3, 1, 0, 4), gain=1.5),
        "down3": lambda x: ops.fir_resample(x, _ASYMMETRIC, down=3, pad=(2, 3, 4, 1)),
        "up2-down2": lambda x: ops.fir_resample(x, _ASYMMETRIC, up=2, down=2, pad=(2, 2, 1, 3)),
        "crop": lambda x: ops.fir_resample(x, _ASYMMETRIC, up=2, pad=(-3, 2, 1, -4)),
        "one-tap-up3": lambda x: ops.fir_resample(x, torch.tensor([2.0]), up=3, pad=(1, 2, 2, 0)),
        "long": lambda x: ops.fir_resample(x, _LONG, pad=(6, 6, 7, 5)),
        "long-up2": lambda x: ops.upsample(x, _LONG),
        "long-down2": lambda x: ops.downsample(x, _LONG),
    }
    cases = [Case(name, call, (x,)) for name, call in calls.items()]
    shapes = {"pixel": (1, 1, 1, 1), "odd": (1, 3, 5, 7), "channels16": (1, 16, 4, 3), "channels33": (2, 33, 3, 4)}
    return cases + [Case(f"upsample-{name}", calls["upsample"], (normal(5, *s),)) for name, s in shapes.items()]


def fir_act_cases() -> list[Case]:
    x, bias = normal(6, 2, 5, 9, 7), normal(7, 5)
    one_noise, noise = normal(8, 1, 1, 8, 6), normal(9, 2, 1, 8, 6)
    pad = (1, 1, 1, 1)

    def layer(act: ops.Activation, clamp: float | None = None):
        return lambda x, n, b: ops.fir_act(x, _BINOMIAL, n, b, act, pad, 4.0, None, clamp)

    corners = {"elu": (0.0,), "selu": (0.0,)}  # these go in steps, which round before the corner at zero
    return [
        *(Case(act, layer(act), (x, one_noise, bias), kinks=corners.get(act, ())) for act in ACTIVATIONS),
        Case("clamped", layer("lrelu", 0.8), (x, one_noise, bias), kinks=(0.8,)),
        Case("noise-per-image", layer("lrelu"), (x, noise, bias)),
        Case("relu-noise-per-image", layer("relu"), (x, noise, bias)),
        Case("only-filter", lambda x: ops.fir_act(x, _ASYMMETRIC, None, None, "linear", (2, 2, 3, 1), 0.5), (x,)),
        Case("no-noise", lambda x, b: ops.fir_act(x, _BINOMIAL, None, b, "lrelu", pad, 4.0), (x, bias)),
        Case("no-bias", lambda x, n: ops.fir_act(x, _BINOMIAL, n, None, "lrelu", pad, 4.0), (x, noise)),
        Case("one-tap", lambda x, b: ops.fir_act(x, torch.ones(1), None, b, "lrelu"), (x, bias)),
        Case("long", lambda x, b: ops.fir_act(x, _LONG, None, b, "lrelu", (6, 6, 6, 6), gain=0.7), (x, bias)),
        Case("crop", lambda x, b: ops.fir_act(x, _ASYMMETRIC, None, b, "relu", (-1, 3, 2, -2)), (x, bias)),
        Case("channels33", layer("lrelu"), (normal(10, 2, 33, 9, 7), noise, normal(11, 33))),
        Case("one-channel", layer("lrelu"), (normal(12, 2, 1, 9, 7), noise, normal(13, 1))),
    ]


def layers_of(inputs: int, hidden: int, outputs: int) -> tuple[Tensor, ...]:
    return normal(30, hidden, inputs), normal(31, hidden), normal(32, outputs, hidden), normal(33, outputs)


def pass_through(features: int) -> tuple[Tensor, ...]:
    """Layers that leave features as they are: softplus is linear so far from zero. Density is nothing."""
    one = torch.eye(features, dtype=torch.float64)
    far = torch.full((1 + features,), 40.0, dtype=torch.float64)
    return one, far[1:], torch.cat([torch.zeros_like(one[:1]), one]), -far


def decode_cases() -> list[Case]:
    def case(
        name: str,
        depth: int = 3,
        features: int = 5,
        size: tuple[int, int] = (6, 5),
        points: int = 37,
        layers: tuple[int, int] = (7, 4),
        scale: float = 1.0,
        seen: float | None = None,
        **options,
    ) -> Case:
        tensors = (
            scale * normal(14, 2, 3, depth, features, *size),
            normal(15, 2, points, 3) * 0.8,  # some lie outside
            *layers_of(features, *layers),
        )
        mask = None if seen is None else uniform(16, 2, points) < seen

        def call(planes: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
            is_seen = None if mask is None else mask.to(planes.device)
            return ops.trigrid_decode(planes, *others, 1.6, **options, seen=is_seen)

        return Case(name, call, tensors, 1, (1, 2, 3, 4, 5))

    return [
        *(case(f"depth{d}", d) for d in (1, 2, 3, 4, 5)),
        *(case(f"features{f}", features=f) for f in (1, 16, 32, 33)),
        case("planar", 1, 32, planar=True),
        case("planar-eg3d-axes", 1, 5, axes="xy_xz_zx", planar=True),
        case("eg3d-axes", 3, 4, axes="xy_xz_zx"),
        case("one-texel", 1, 3, (1, 1)),
        case("row", 2, 3, (1, 7)),
        case("small-decoder", 1, 16, points=70, layers=(32, 17)),
        case("large-decoder", 1, 32, points=45, layers=(64, 33)),
        case("density-alone", layers=(9, 1)),
        case("one-of-each", 1, 1, points=1, layers=(1, 1)),
        case("steep", layers=(8, 5), scale=100.0),
        case("seen", features=32, points=70, layers=(16, 17), seen=0.6),
        case("seen-one", seen=0.04, points=23),
        case("seen-none", seen=0.0),
        case("seen-all", seen=1.0),
    ]


def decode_of_many_points() -> Case:
    """More than the backward pass takes at a time, on a CPU and on a GPU. For float64: the sums are long."""
    planes, points = normal(35, 1, 3, 1, 3, 4, 4), normal(36, 1, 270_100, 3)
    mask = uniform(37, 1, 270_100) < 0.7

    def call(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return ops.trigrid_decode(*tensors, 2.0, seen=mask.to(tensors[0].device))

    return Case("many-points", call, (planes, points, *layers_of(3, 4, 2)), 1)


def wide_decode() -> Case:
    """Layers too wide for a GPU's kernels."""
    planes, points, mask = normal(50, 2, 3, 2, 64, 4, 4) / 8, normal(51, 2, 90, 3) / 2, uniform(52, 2, 90) < 0.7
    layers = [normal(53 + i, *s) / 8 for i, s in enumerate(((300, 64), (300,), (90, 300), (90,)))]

    def call(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return ops.trigrid_decode(*tensors, 2.0, seen=mask.to(tensors[0].device))

    return Case("wide", call, (planes, points, *layers), 1, (1, 2, 3, 4, 5))


def composite_cases() -> list[Case]:
    def case(
        name: str, samples: int, channels: int, density_scale: float = 3.0, rays: tuple[int, ...] = (2, 11)
    ) -> Case:
        depths = uniform(16, *rays, samples).sort(-1).values + 2
        tensors = (normal(17, *rays, samples, channels), density_scale * normal(18, *rays, samples), depths)
        return Case(name, ops.composite, tensors, 1, (1, 2))

    return [
        *(case(f"channels{c}", 12, c) for c in (1, 5, 16, 32, 33)),
        *(case(f"samples{s}", s, 3) for s in (1, 2, 3, 96)),
        case("dense", 9, 4, 300.0),
        case("one-ray", 7, 3, rays=()),
        case("many-rays", 4, 2, rays=(131,)),
    ]


def composite_passes_cases() -> list[Case]:
    def case(name: str, first: int, second: int, channels: int, rays: tuple[int, ...] = (2, 11)) -> Case:
        # Depths are constants of the call; rounded, so that every type sees the same order.
        a, b = ((uniform(24 + i, *rays, n).sort(-1).values + 2).float() for i, n in enumerate((first, second)))
        if name == "equal-depths":
            a, b = (x.mul(4).floor() for x in (a, b))

        def call(features_a: Tensor, densities_a: Tensor, features_b: Tensor, densities_b: Tensor) -> tuple:
            return ops.composite_passes(
                features_a, densities_a, a.to(densities_a), features_b, densities_b, b.to(densities_b)
            )

        tensors = [
            x
            for i, n in enumerate((first, second))
            for x in (normal(26 + i, *rays, n, channels), 3 * normal(28 + i, *rays, n))
        ]
        return Case(name, call, tuple(tensors), 1, (1, 3))

    return [
        *(case(f"channels{c}", 7, 5, c) for c in (1, 5, 16, 32)),
        case("one-and-one", 1, 1, 3),
        case("one-and-many", 1, 40, 3),
        case("equal-depths", 9, 8, 4),
        case("one-ray", 4, 6, 3, rays=()),
        case("many-rays", 3, 2, 2, rays=(131,)),
    ]


def importance_cases() -> list[Case]:
    depths = uniform(19, 2, 40, 12).sort(-1).values + 2
    weights = uniform(20, 2, 40, 11) ** 4
    finer = uniform(21, 2, 40, 9).sort(-1).values + 2
    u = uniform(22, 2, 40, 10)
    everything = (0, 1, 2)
    return [
        Case("exact", ops.importance_depths, (depths, weights, u), 0, everything),
        Case("shifted", lambda t, w, u: ops.importance_depths(t, w, u, "shifted"), (depths, weights, u), 0, everything),
        Case("shared-u", ops.importance_depths, (depths, weights, ops.mid_cell(7, dtype=torch.float64)), 0, everything),
        Case("merge", ops.merge_depths, (depths, finer), 0, everything),
    ]


def philox_cases() -> list[Case]:
    def case(name: str, items: int, count: int, key: int) -> Case:
        # Words as float64, which holds all of them: comparisons are of floating-point numbers.
        return Case(
            name,
            lambda i: ops.philox_words(i[:, 0].long(), key, count).double(),
            (torch.arange(items, dtype=torch.float64)[:, None] - 3,),
            0,
            (0,),
        )

    return [
        case("pairs", 7, 6, 2**64 - 1),
        case("cut-short", 5, 37, 2**63),
        case("one-word", 131, 1, 0),
        case("many-words", 2, 3000, 12345),
    ]


def distance_cases() -> list[Case]:
    tables = {f"solid{seed}": random_solid(seed).table().double() for seed in range(4)}
    return [Case(name, distance, (normal(23, 70, 3) / 5, table), 0, (0, 1)) for name, table in tables.items()]
