# SPDX-License-Identifier: Apache-2.0
"""biased_act: against scalars from the math module, native against reference, gradients, and the awkward numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops
from torch_utils.ops.biased_act import default_gain, is_piecewise_linear

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
SCALARS = {
    "linear": lambda z: z,
    "relu": lambda z: max(z, 0.0),
    "lrelu": lambda z: z if z > 0 else 0.2 * z,
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * (math.exp(z) - 1)),
    "softplus": lambda z: math.log(1 + math.exp(z)),
    "swish": lambda z: z / (1 + math.exp(-z)),
}
GAINS = {"relu": math.sqrt(2), "lrelu": math.sqrt(2), "swish": math.sqrt(2)}


def scalar_loop(x, bias, act, gain, clamp):
    y = torch.empty_like(x)
    for index in torch.cartesian_prod(*(torch.arange(size) for size in x.shape)).tolist():
        value = gain * SCALARS[act](x[tuple(index)].item() + bias[index[1]].item())
        y[tuple(index)] = min(max(value, -clamp), clamp)
    return y


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_values_are_those_of_the_formula(act, path):
    x, bias = 3 * op_cases.normal(0, 2, 4, 3), op_cases.normal(1, 4)
    gain = GAINS.get(act, 1.0)
    with ops.forced(path):
        torch.testing.assert_close(ops.biased_act(x, bias, act), scalar_loop(x, bias, act, gain, math.inf))
        torch.testing.assert_close(
            ops.biased_act(x, bias, act, gain=0.7, clamp=0.9), scalar_loop(x, bias, act, 0.7, 0.9)
        )


def test_default_gains_are_the_published_ones():
    assert {act: default_gain(act) for act in op_cases.ACTIVATIONS} == {act: GAINS.get(act, 1.0) for act in SCALARS}


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.biased_act_cases(), ids=str)
def test_native_equals_the_reference_in_float64_to_second_order(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", op_cases.biased_act_cases(), ids=str)
def test_first_and_second_gradients_are_those_of_finite_differences(case, path):
    op_checks.check_gradients_numerically(case, path)


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_the_clamp_of_the_gradient_cases_holds_for_some_elements_and_not_for_others(act):
    """Or the tests above would show nothing about it."""
    case = next(case for case in op_cases.biased_act_cases() if case.name == f"{act}-clamped")
    held = case.call(*case.tensors).abs() == 0.6
    assert 0.02 < held.double().mean() < 0.98


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(0, 7), min_size=1, max_size=5),
    act=st.sampled_from(op_cases.ACTIVATIONS),
    gain=st.floats(0.1, 4),
    clamp=st.none() | st.floats(0.5, 3),
    with_bias=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_any_shape_and_any_strides_give_what_the_reference_gives(shape, act, gain, clamp, with_bias, order):
    axes = list(range(len(shape)))
    order.shuffle(axes)
    x = op_cases.normal(2, *(shape[a] for a in axes)).float().permute(*(axes.index(i) for i in range(len(axes))))
    assert list(x.shape) == shape
    bias = op_cases.normal(3, shape[1]).float() if with_bias and len(shape) > 1 else None
    with ops.forced("native"):
        fast = ops.biased_act(x, bias, act, gain, clamp)
    with ops.forced("reference"):
        plain = ops.biased_act(x, bias, act, gain, clamp)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_huge_infinite_and_undefined_numbers_come_out_as_in_pytorch(act, dtype):
    special = [0.0, -0.0, 1e4, 3e37, math.inf, math.nan, 1e-40, 1e-30, 80.0, 90.0, 110.0]
    x = torch.tensor(special + [-v for v in special], dtype=dtype).repeat(3)  # long enough for vector instructions
    with ops.forced("native"):
        fast = ops.biased_act(x, None, act)
    with ops.forced("reference"):
        plain = ops.biased_act(x, None, act)
    torch.testing.assert_close(fast, plain, rtol=1e-6, atol=1e-30, equal_nan=True)


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_gradients_at_infinite_and_undefined_numbers_vanish_only_where_they_do_in_pytorch(act):
    """A run that diverges must be seen in its gradients."""
    special = [1.0, -1.0, 1e4, -1e4, math.inf, -math.inf, math.nan]
    x = torch.tensor(special).repeat(5).requires_grad_()
    gradients = []
    for path in PATHS:
        with ops.forced(path):
            y = ops.biased_act(x, None, act)
            gradients.append(torch.autograd.grad(y, x, torch.full_like(y, 3.0))[0])
    fast, plain = gradients
    assert torch.equal(fast == 0, plain == 0)
    defined = ~(fast.isnan() | plain.isnan())
    torch.testing.assert_close(fast[defined], plain[defined])


@pytest.mark.parametrize("act", ["linear", "relu", "lrelu"])
def test_gradients_at_infinite_and_undefined_numbers_follow_pytorch(act):
    """Overflow in half precision must reach the loss scaler, which a gradient of zero would hide from it."""
    gradients = []
    for path in PATHS:
        x = torch.tensor([math.inf, -math.inf, math.nan, 6e4, -6e4] * 5, dtype=torch.float16, requires_grad=True)
        with ops.forced(path):
            gradients += torch.autograd.grad(ops.biased_act(x, None, act, gain=2.0).sum(), x)
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=0, equal_nan=True)


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_gradients_at_zero_follow_pytorch(act):
    """Weights that start at zero put every activation there."""
    outcomes = []
    for path in PATHS:
        x = torch.zeros(20, dtype=torch.float64, requires_grad=True)
        with ops.forced(path):
            (slope,) = torch.autograd.grad(ops.biased_act(x, None, act).sum(), x, create_graph=True)
            (curve,) = torch.autograd.grad(slope.sum() + 0 * x.sum(), x)
        outcomes.append(torch.stack([slope, curve]).detach())
    torch.testing.assert_close(*outcomes)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("clamp", [0.6, 0.7, 0.8, 1.0, 256.0])
def test_a_held_clamp_passes_no_gradient(clamp, dtype, path):
    """However the type rounds the limit."""
    x = (torch.tensor([-9.0, -0.5, 0.5, 9.0], dtype=dtype) * clamp).requires_grad_()
    with ops.forced(path):
        for call in (lambda x: ops.biased_act(x, None, "linear", clamp=clamp),
                     lambda x: ops.fir_act(x[None, None, None], torch.ones(1), act="linear", clamp=clamp)):  # fmt: skip
            y = call(x)
            (gradient,) = torch.autograd.grad(y.sum(), x)
            torch.testing.assert_close(y.flatten(), x.clamp(-clamp, clamp))
            if path == "native" or dtype in (torch.float32, torch.float64):
                assert gradient.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_a_gradient_penalty_is_the_same_on_both_paths(act):
    """R1: the derivative, with respect to weights, of the squared gradient with respect to the input."""
    results = []
    for path in PATHS:
        x, w, b = (op_cases.normal(i, *s).requires_grad_() for i, s in enumerate([(3, 4), (6, 4), (6,)]))
        with ops.forced(path):
            scores = ops.biased_act(x @ w.T, b, act, clamp=1.5).tanh().sum(1)
            (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
            penalty = gradient.square().sum()
            results.append([penalty.detach(), *torch.autograd.grad(penalty, [w, b])])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)
    assert results[0][0] > 0


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_third_derivatives_of_native_are_right_or_refused(act):
    x = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    with ops.forced("native"):
        (first,) = torch.autograd.grad(ops.biased_act(x, None, act).square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        if is_piecewise_linear(act):
            (third,) = torch.autograd.grad(second.sum() + 0 * x.sum(), x)
            assert third.tolist() == [0, 0]
        else:
            with pytest.raises(NotImplementedError, match="beyond the second"):
                torch.autograd.grad(second.sum(), x)


@pytest.mark.parametrize("path", PATHS)
def test_the_bias_keeps_its_own_type_and_gets_its_gradient_in_it(path):
    x, bias = torch.randn(2, 3, 4, dtype=torch.bfloat16), torch.randn(3, requires_grad=True)
    with ops.forced(path):
        y = ops.biased_act(x, bias, "lrelu")
        y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert bias.grad.dtype == torch.float32
    assert bias.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"act": "gelu"}, "unknown activation 'gelu'; choose one of linear, relu, "),
        ({"gain": 0.0}, "gain must be positive, got 0"),
        ({"gain": math.nan}, "gain must be positive, got nan"),
        ({"clamp": -1.0}, "clamp must be positive or None, got -1"),
        ({"bias": torch.zeros(5)}, r"bias of shape \[5\] does not fit axis 1 of x \[2, 3, 4\]"),
        ({"bias": torch.zeros(3, 1)}, r"bias of shape \[3, 1\] does not fit"),
        ({"x": torch.zeros(3), "bias": torch.zeros(3)}, r"does not fit axis 1 of x \[3\]"),
        ({"x": torch.zeros(2, 3, dtype=torch.uint8)}, r"x must be floating point, got torch.uint8"),
    ],
)
def test_mistakes_are_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        ops.biased_act(**{"x": torch.zeros(2, 3, 4), **arguments})


def test_an_unknown_activation_has_no_default_gain():
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        default_gain("gelu")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_reuse_writes_into_its_input_and_gives_the_same(layout, dtype):
    x = op_cases.normal(0, 2, 5, 4, 3).to(dtype).contiguous(memory_format=layout)
    bias = op_cases.normal(1, 5).to(dtype)
    wanted = ops.biased_act(x, bias, "lrelu", clamp=0.6)
    y = ops.biased_act(x, bias, "lrelu", clamp=0.6, reuse=True)
    assert y.data_ptr() == x.data_ptr()
    assert torch.equal(y, wanted)


@pytest.mark.parametrize("path", PATHS)
def test_reuse_leaves_the_input_where_it_is_not_safe(path):
    bias = op_cases.normal(1, 5)
    trained = op_cases.normal(0, 2, 5, 4, 3).requires_grad_()
    strided = op_cases.normal(0, 2, 5, 4, 6)[..., ::2]
    smooth = op_cases.normal(0, 2, 5, 4, 3)
    with ops.forced(path):
        for x, act in ((trained, "lrelu"), (strided, "lrelu"), (smooth, "swish")):
            before = x.detach().clone()
            y = ops.biased_act(x, bias, act, reuse=True)
            assert torch.equal(x, before)
            torch.testing.assert_close(y, ops.biased_act(x, bias, act))
        # A bias that is trained needs the slope at what came in.
        y = ops.biased_act(smooth, bias.clone().requires_grad_(), "lrelu", reuse=True)
        assert y.data_ptr() != smooth.data_ptr()
