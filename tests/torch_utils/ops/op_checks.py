# SPDX-License-Identifier: Apache-2.0
"""What must hold for every case of op_cases.py, on any device.

Vocabulary: `place` rounds and moves a tensor and lays it out in memory; the `outcome` of a case is its values, then its
gradients, then (order 2) the gradients of the squared gradients, which is what R1 needs. The truth is the outcome of
the reference in float64 on the very numbers that the tested path gets. In half precision, cotangents are zero near
kinks, where rounding decides which side a value falls on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from tests.torch_utils.ops.op_cases import Case, normal
from torch_utils import ops
from torch_utils.ops import native

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Largest error of a value, of a gradient and of a second gradient, relative to the largest true value.
TOLERANCES = {
    torch.float64: (1e-12, 1e-11, 1e-11),
    torch.float32: (2e-6, 1e-5, 2e-5),
    torch.bfloat16: (1.2e-2, 2e-2, 5e-2),
    torch.float16: (1.5e-3, 3e-3, 1e-2),
}
LAYOUTS = ("contiguous", "channels_last", "sliced", "sliced_channels_last", "transposed", "expanded", "unaligned")
_KINK_MARGIN = 0.05


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
    shape = [size + 2 for size in x.shape[:-1]] + [2 * x.shape[-1] + 2]
    around = torch.full(shape, torch.nan, device=device, dtype=dtype)
    if layout == "sliced_channels_last":
        around = around.contiguous(memory_format=torch.channels_last)
    return around[(*(slice(1, -1) for _ in shape[1:]), slice(1, -1, 2))].copy_(x)


def layouts_for(case: Case) -> tuple[str, ...]:
    is_image = case.tensors[0].ndim == 4
    return tuple(layout for layout in LAYOUTS if is_image or "channels_last" not in layout)


def arguments(case: Case, dtype: torch.dtype, device: str = "cpu", layout: str = "contiguous") -> list[Tensor]:
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    others = "sliced" if layout == "sliced" else "contiguous"
    return [
        place(x, wide if i in case.precise else dtype, device, layout if i == 0 else others)
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
        if dtype.itemsize == 2:
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
    with ops.forced(path), one_thread():
        assert torch.autograd.gradcheck(case.call, inputs, fast_mode=True)
        if case.order > 1:
            assert torch.autograd.gradgradcheck(case.call, inputs, fast_mode=True)


def check_compiles(case: Case, path: native.Mode, device: str = "cpu", dynamic: bool = False) -> None:
    """One graph, whose values and gradients are those of eager mode."""
    torch.compiler.reset()
    with ops.forced(path):
        inputs = arguments(case, torch.float32, device)
        once = replace(case, order=min(case.order, 1))
        compiled = replace(once, call=torch.compile(case.call, fullgraph=True, backend="aot_eager", dynamic=dynamic))
        cotangents = [normal(7, *y.shape).to(y) for y in as_tuple(case.call(*inputs)) if y.is_floating_point()]
        for ours, theirs in zip(outcome(compiled, inputs, cotangents), outcome(once, inputs, cotangents), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert_close(a, b, 1e-6, f"{case}, compiled")


def assert_close(
    actual: Tensor, expected: Tensor, tolerance: float, what: str = "result", least_scale: float = 0.0
) -> None:
    """Every difference is at most `tolerance` of the largest expected value, or `least_scale`. NaN is never close."""
    assert actual.shape == expected.shape, f"{what}: shape {list(actual.shape)} is not {list(expected.shape)}"
    if expected.numel() == 0:
        return
    scale = max(expected.double().abs().max().item(), least_scale) or 1.0
    error = (actual.double() - expected.double()).abs().max().item() / scale
    assert error <= tolerance, f"{what}: error {error:.2e} is above {tolerance:.0e}"


def as_tuple(values: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (values,) if isinstance(values, Tensor) else tuple(values)
