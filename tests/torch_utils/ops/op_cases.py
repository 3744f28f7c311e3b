# SPDX-License-Identifier: Apache-2.0
"""Calls of the operators, and what must hold for each of them on any device.

Vocabulary: a `Case` is a call on tensors that are given in float64 on the CPU. `place` rounds and moves them; the
`outcome` of a case is its values, then its gradients, then (order 2) the gradients of the squared gradients, which is
what R1 needs. The truth is the outcome of the reference in float64 on the very numbers that the tested path gets.
Cotangents are zero near kinks, where rounding decides which side a value falls on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from torch_utils import ops
from torch_utils.ops import native

ACTIVATIONS = get_args(ops.Activation)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Largest error of a value, of a gradient and of a second gradient, relative to the largest true value.
TOLERANCES = {
    torch.float64: (1e-12, 1e-11, 1e-11),
    torch.float32: (2e-6, 1e-5, 2e-5),
    torch.bfloat16: (1.2e-2, 2e-2, 5e-2),
    torch.float16: (1.5e-3, 3e-3, 1e-2),
}
_KINK_MARGIN = 0.05
LAYOUTS = ("contiguous", "channels_last", "sliced", "sliced_channels_last", "transposed", "expanded", "unaligned")


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


# --- The cases --------------------------------------------------------------------------------------------------------


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


def trigrid_cases() -> list[Case]:
    def case(name: str, depth: int, features: int, size: tuple[int, int] = (6, 5), **options) -> Case:
        planes, points = normal(14, 2, 3, depth, features, *size), normal(15, 2, 37, 3) * 0.8  # some lie outside
        return Case(
            name, lambda planes, points: ops.trigrid_sample(planes, points, 1.6, **options), (planes, points), 1, (1,)
        )

    return [
        *(case(f"depth{d}", d, 5) for d in (1, 2, 3, 4, 5)),
        *(case(f"features{f}", 3, f) for f in (1, 16, 32, 33)),
        case("planar", 1, 32, planar=True),
        case("planar-eg3d-axes", 1, 5, axes="xy_xz_zx", planar=True),
        case("eg3d-axes", 3, 4, axes="xy_xz_zx"),
        case("one-texel", 1, 3, (1, 1)),
        case("row", 2, 3, (1, 7)),
    ]


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


# --- Placing tensors --------------------------------------------------------------------------------------------------


def place(x: Tensor, dtype: torch.dtype, device: str, layout: str = "contiguous") -> Tensor:
    """x rounded to `dtype` and laid out; what lies around it in memory is NaN, so that a stray read is seen."""
    x = x.to(device=device, dtype=dtype)
    if layout == "contiguous":
        return x.contiguous()
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return x.mT.contiguous().mT
    if layout == "expanded":
        return x[:1].expand_as(x)
    if layout == "unaligned":
        return torch.full([x.numel() + 1], torch.nan, device=device, dtype=dtype)[1:].view(x.shape).copy_(x)
    around = torch.full([size + 2 for size in x.shape], torch.nan, device=device, dtype=dtype)
    if layout == "sliced_channels_last":
        around = around.contiguous(memory_format=torch.channels_last)
    return around[tuple(slice(1, -1) for _ in x.shape)].copy_(x)


def layouts_for(case: Case) -> tuple[str, ...]:
    is_image = case.tensors[0].ndim == 4
    return tuple(layout for layout in LAYOUTS if is_image or "channels_last" not in layout)


def arguments(case: Case, dtype: torch.dtype, device: str = "cpu", layout: str = "contiguous") -> list[Tensor]:
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return [
        place(x, wide if i in case.precise else dtype, device, layout if i == 0 else "contiguous")
        for i, x in enumerate(case.tensors)
    ]


# --- What must hold ---------------------------------------------------------------------------------------------------


def check_against_float64(
    case: Case, dtype: torch.dtype, device: str = "cpu", layout: str = "contiguous", path: native.Mode = "native"
) -> None:
    """`path` in `dtype` has the values and gradients of the reference in float64, and its shapes and types."""
    inputs = arguments(case, dtype, device, layout)
    exact_inputs = [x.double() for x in inputs]
    with ops.forced("reference"), one_thread():
        plain = as_tuple(case.call(*inputs))
        exact = as_tuple(case.call(*exact_inputs))
    with ops.forced(path):
        fast = as_tuple(case.call(*inputs))
    assert [(y.shape, y.dtype, y.device) for y in fast] == [(y.shape, y.dtype, y.device) for y in plain]
    exact_cotangents, cotangents = [], []
    for i, (y, rounded) in enumerate(zip(exact, fast, strict=True)):
        if not y.is_floating_point():
            assert torch.equal(rounded, y)
            continue
        cotangent = normal(100 + i, *y.shape).to(y.device)
        for kink in case.kinks:
            cotangent = cotangent * ((y.abs() - kink).abs() > _KINK_MARGIN)
        cotangents.append(cotangent.to(rounded.dtype))
        exact_cotangents.append(cotangents[-1].double())
    with ops.forced("reference"), one_thread():
        truth = outcome(case, exact_inputs, exact_cotangents)
    with ops.forced(path):
        result = outcome(case, inputs, cotangents)
    for order, (ours, theirs) in enumerate(zip(result, truth, strict=True)):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_close(a, b, TOLERANCES[dtype][order], f"{case}, tensor {i} of order {order}")


@contextmanager
def one_thread() -> Iterator[None]:
    """Tiny work is slower on many threads, by far where other programs compete for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def outcome(case: Case, inputs: list[Tensor], cotangents: list[Tensor]) -> list[tuple[Tensor, ...]]:
    """(values, gradients, gradients of the squared gradients), as far as the case can be differentiated."""
    inputs = [x.detach().requires_grad_(case.order > 0) for x in inputs]
    values = tuple(y for y in as_tuple(case.call(*inputs)) if y.is_floating_point())
    results = [tuple(y.detach() for y in values)]
    if case.order == 0:
        return results
    cotangents = [c.detach().requires_grad_() for c in cotangents]
    second = case.order > 1
    gradients = torch.autograd.grad(values, inputs, cotangents, create_graph=second, materialize_grads=True)
    results.append(tuple(g.detach() for g in gradients))
    if second:
        wide = torch.promote_types(torch.float32, values[0].dtype)
        penalty = sum(g.to(wide).square().sum() for g in gradients)
        both = torch.autograd.grad(penalty, [*inputs, *cotangents], materialize_grads=True)
        smooth = [g * (c != 0) for g, c in zip(both[len(inputs) :], cotangents, strict=True)]
        results.append((*both[: len(inputs)], *smooth))
    return results


def check_deterministic(case: Case, device: str = "cpu") -> None:
    """Two runs give the same bits, values and gradients alike."""
    inputs = arguments(case, torch.float32, device)
    with ops.forced("native"):
        cotangents = [torch.ones_like(y) for y in as_tuple(case.call(*inputs)) if y.is_floating_point()]
        first, second = (outcome(case, inputs, cotangents) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), f"{case} differs between runs"


def check_gradients_numerically(case: Case, path: native.Mode) -> None:
    """gradcheck, and gradgradcheck where the operator promises the second order."""
    inputs = [x.clone().requires_grad_() for x in case.tensors]
    with ops.forced(path):
        assert torch.autograd.gradcheck(case.call, inputs, fast_mode=True)
        if case.order > 1:
            assert torch.autograd.gradgradcheck(case.call, inputs, fast_mode=True)


def check_compiles(case: Case, path: native.Mode, device: str = "cpu", dynamic: bool = False) -> None:
    """One graph, whose values and gradients are those of eager mode."""
    torch.compiler.reset()
    with ops.forced(path):
        inputs = arguments(case, torch.float32, device)
        once = Case(case.name, case.call, case.tensors, min(case.order, 1), case.precise)
        compiled = Case(
            case.name,
            torch.compile(case.call, fullgraph=True, backend="aot_eager", dynamic=dynamic),
            case.tensors,
            once.order,
        )
        cotangents = [normal(7, *y.shape).to(y) for y in as_tuple(case.call(*inputs)) if y.is_floating_point()]
        for ours, theirs in zip(outcome(compiled, inputs, cotangents), outcome(once, inputs, cotangents), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert_close(a, b, 1e-6, f"{case}, compiled")


def assert_close(actual: Tensor, expected: Tensor, tolerance: float, what: str = "result") -> None:
    """Every difference is at most `tolerance` of the largest expected value. NaN is never close."""
    assert actual.shape == expected.shape, f"{what}: shape {list(actual.shape)} is not {list(expected.shape)}"
    if expected.numel() == 0:
        return
    scale = expected.double().abs().max().item() or 1.0
    error = (actual.double() - expected.double()).abs().max().item() / scale
    assert error <= tolerance, f"{what}: error {error:.2e} is above {tolerance:.0e}"


def as_tuple(values: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (values,) if isinstance(values, Tensor) else tuple(values)
