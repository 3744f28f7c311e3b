# SPDX-License-Identifier: Apache-2.0
"""softplus_mlp: against a sum written out, against the reference in float64, and its gradients."""

import math

import pytest
import torch

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")


@pytest.mark.parametrize("path", PATHS)
def test_values_are_those_of_sums_written_out(path):
    x, w1, b1, w2, b2 = next(case for case in op_cases.softplus_mlp_cases() if case.name == "odd").tensors
    with ops.forced(path):
        first, rest = ops.softplus_mlp(x, w1, b1, w2, b2)
    for row, y0, y in zip(x.tolist(), first.tolist(), rest.tolist(), strict=True):
        z = [
            sum(w * v for w, v in zip(ws, row, strict=True)) + b for ws, b in zip(w1.tolist(), b1.tolist(), strict=True)
        ]
        a = [math.log1p(math.exp(v)) for v in z]
        expected = [
            sum(w * v for w, v in zip(ws, a, strict=True)) + b for ws, b in zip(w2.tolist(), b2.tolist(), strict=True)
        ]
        assert [y0, *y] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.softplus_mlp_cases(), ids=str)
def test_native_equals_the_reference_in_float64(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("output", [0, 1])
def test_each_output_alone_has_its_gradient(output, path):
    inputs = [x.clone().requires_grad_() for x in op_cases.softplus_mlp_cases()[2].tensors]
    with ops.forced(path):
        assert torch.autograd.gradcheck(lambda *x: ops.softplus_mlp(*x)[output], inputs)


def test_second_derivatives_of_native_are_refused():
    inputs = [x.clone().requires_grad_() for x in op_cases.softplus_mlp_cases()[2].tensors]
    with ops.forced("native"):
        (gradient,) = torch.autograd.grad(ops.softplus_mlp(*inputs)[0].sum(), inputs[0], create_graph=True)
        with pytest.raises(NotImplementedError, match="second derivatives of softplus_mlp are not implemented"):
            gradient.square().sum().backward()


@pytest.mark.parametrize("path", PATHS)
def test_points_do_not_know_each_other(path):
    x, *layers = op_cases.softplus_mlp_cases()[0].tensors
    with ops.forced(path):
        whole = ops.softplus_mlp(x, *layers)
        pieces = [ops.softplus_mlp(piece, *layers) for piece in x.split(13, dim=1)]
    for together, *apart in zip(whole, *pieces, strict=True):
        torch.testing.assert_close(together, torch.cat(apart, dim=1), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("path", PATHS)
def test_an_undefined_point_stays_undefined_and_alone(path):
    x, *layers = (tensor.float() for tensor in op_cases.softplus_mlp_cases()[0].tensors)
    x[1, 40, 3] = math.nan
    with ops.forced(path):
        first, rest = ops.softplus_mlp(x, *layers)
    assert first.isnan().nonzero().tolist() == [[1, 40]]
    assert rest.isnan().all(-1).nonzero().tolist() == [[1, 40]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"w1": torch.zeros(4, 2)}, r"got \[7, 3\], \[4, 2\], \[4\], \[2, 4\], \[2\]"),
        ({"b2": torch.zeros(0), "w2": torch.zeros(0, 4)}, "none of them empty"),
        ({"x": torch.zeros(7, 3, dtype=torch.float64)}, "of one type, got torch.float32, torch.float64"),
    ],
)
def test_mistakes_are_named(arguments, complaint):
    defaults = {
        "x": torch.zeros(7, 3),
        "w1": torch.zeros(4, 3),
        "b1": torch.zeros(4),
        "w2": torch.zeros(2, 4),
        "b2": torch.zeros(2),
    }
    with pytest.raises(ValueError, match=complaint):
        ops.softplus_mlp(**{**defaults, **arguments})
