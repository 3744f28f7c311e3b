# SPDX-License-Identifier: Apache-2.0
"""fir_act: against a dense convolution followed by plain operations, native against reference, gradients, penalties."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
TAPS = ops.filter_taps()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
@pytest.mark.parametrize("noise_batch", [1, 2])
def test_values_are_those_of_the_steps_one_by_one(act, noise_batch, path):
    x, bias = op_cases.normal(0, 2, 3, 9, 7), op_cases.normal(1, 3)
    noise = op_cases.normal(2, noise_batch, 1, 8, 6)
    kernel = torch.outer(TAPS, TAPS).double().expand(3, 1, 4, 4)
    z = 4 * F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel, groups=3) + noise + bias[:, None, None]
    functions = {"lrelu": lambda z: F.leaky_relu(z, 0.2), "linear": lambda z: z, "swish": F.silu}
    expected = (functions.get(act) or getattr(F, act))(z) * 1.3
    with ops.forced(path):
        y = ops.fir_act(x, TAPS, noise, bias, act, (1, 1, 1, 1), 4.0, gain=1.3, clamp=2.0)
    torch.testing.assert_close(y, expected.clamp(-2, 2))


@pytest.mark.parametrize("path", PATHS)
def test_the_default_gain_is_that_of_the_activation(path):
    x = op_cases.normal(3, 1, 2, 4, 4)
    with ops.forced(path):
        torch.testing.assert_close(ops.fir_act(x, torch.ones(1)), F.leaky_relu(x, 0.2) * math.sqrt(2))


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.fir_act_cases(), ids=str)
def test_native_equals_the_reference_in_float64_to_second_order(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", op_cases.fir_act_cases(), ids=str)
def test_first_and_second_gradients_are_those_of_finite_differences(case, path):
    op_checks.check_gradients_numerically(case, path)


@settings(max_examples=60)
@given(
    batch=st.integers(0, 3),
    channels=st.integers(1, 20),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    num_taps=st.integers(1, 10),
    extra=st.tuples(*[st.integers(-1, 3)] * 4),
    act=st.sampled_from(["linear", "relu", "lrelu"]),
    clamp=st.none() | st.floats(0.3, 2),
    noise_per_image=st.none() | st.booleans(),
    with_bias=st.booleans(),
    channels_last=st.booleans(),
)
def test_any_shape_gives_what_the_reference_gives(
    batch, channels, size, num_taps, extra, act, clamp, noise_per_image, with_bias, channels_last
):
    pad = tuple(num_taps // 2 + 1 + e for e in extra)
    x = op_cases.normal(4, batch, channels, *size).float()
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    out = (size[0] + pad[2] + pad[3] - num_taps + 1, size[1] + pad[0] + pad[1] - num_taps + 1)
    noise = None if noise_per_image is None else op_cases.normal(5, batch if noise_per_image else 1, 1, *out).float()
    bias = op_cases.normal(6, channels).float() if with_bias else None
    taps = op_cases.normal(7, num_taps).float()
    with ops.forced("native"):
        fast = ops.fir_act(x, taps, noise, bias, act, pad, 0.9, clamp=clamp)
    with ops.forced("reference"):
        plain = ops.fir_act(x, taps, noise, bias, act, pad, 0.9, clamp=clamp)
    op_checks.assert_close(fast, plain, 5e-6)


@pytest.mark.parametrize("act", op_cases.ACTIVATIONS)
def test_a_gradient_penalty_is_the_same_on_both_paths(act):
    """R1 through two layers: what the weights are told by the squared gradient with respect to the picture."""
    results = []
    for path in PATHS:
        picture, w1, w2, bias, noise = (
            op_cases.normal(10 + i, *shape).requires_grad_()
            for i, shape in enumerate([(2, 2, 8, 8), (4, 2, 3, 3), (3, 4, 3, 3), (4,), (2, 1, 8, 8)])
        )
        with ops.forced(path):
            h = F.conv2d(picture, w1, padding=1)
            h = ops.fir_act(h, TAPS, noise, bias, act, (2, 1, 2, 1), 1.2, clamp=2.0)
            h = F.conv2d(ops.downsample(h, TAPS), w2)
            scores = ops.biased_act(h, None, act).square().sum()
            (gradient,) = torch.autograd.grad(scores, picture, create_graph=True)
            penalty = gradient.square().sum()
            results.append([penalty.detach(), *torch.autograd.grad(penalty, [w1, w2, bias, noise])])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-8, atol=1e-10)
    assert results[0][1].abs().max() > 0


@pytest.mark.parametrize("path", PATHS)
def test_only_the_gradients_that_are_asked_for_are_needed(path):
    x, noise, bias = torch.randn(2, 3, 4, 4), torch.randn(1, 1, 3, 3), torch.randn(3)
    for wanted in (x, noise, bias):
        wanted.requires_grad_()
        with ops.forced(path):
            y = ops.fir_act(x, TAPS, noise, bias, pad=(1, 1, 1, 1))
        (gradient,) = torch.autograd.grad(y.sum(), wanted)
        assert gradient.shape == wanted.shape
        assert gradient.abs().max() > 0
        wanted.requires_grad_(False)


@pytest.mark.parametrize("path", PATHS)
def test_noise_and_bias_keep_their_own_type(path):
    """Parameters stay in float32 while the activations are in half precision."""
    x = torch.randn(2, 3, 4, 4, dtype=torch.bfloat16)
    noise, bias = torch.randn(1, 1, 3, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    with ops.forced(path):
        y = ops.fir_act(x, TAPS, noise, bias, pad=(1, 1, 1, 1))
        y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert noise.grad.dtype == bias.grad.dtype == torch.float32


def test_undefined_numbers_come_through():
    x = torch.zeros(1, 2, 5, 5)
    x[0, 1, 2, 2] = math.nan
    with ops.forced("native"):
        for act in ("linear", "relu", "lrelu"):
            for layout in (torch.contiguous_format, torch.channels_last):
                y = ops.fir_act(x.contiguous(memory_format=layout), TAPS, act=act, pad=(2, 1, 2, 1), clamp=1.0)
                assert y[0, 1].isnan().sum() == 16, act
                assert not y[0, 0].isnan().any(), act


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"x": torch.zeros(3, 4)}, r"x must be \[N, C, H, W\], got \[3, 4\]"),
        ({"taps": torch.ones(7)}, "are fewer than the 7 taps; pad more"),
        ({"taps": torch.ones(4, requires_grad=True)}, "constant; detach"),
        ({"noise": torch.zeros(3, 1, 3, 3)}, r"noise \[3, 1, 3, 3\] does not fit; it must be \[1 or 2, 1, 3, 3\]"),
        ({"noise": torch.zeros(1, 1, 4, 4)}, r"noise \[1, 1, 4, 4\] does not fit"),
        ({"noise": torch.zeros(3, 3)}, r"noise \[3, 3\] does not fit"),
        ({"bias": torch.zeros(4)}, r"bias of shape \[4\] does not fit 3 channels"),
        ({"act": "gelu"}, "unknown activation 'gelu'; choose one of"),
        ({"gain": -1.0}, "gain .*must be positive, got -1"),
        ({"clamp": 0.0}, r"clamp must be positive.*, got .*0\.0"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_mistakes_are_named(arguments, complaint, path):
    defaults = {"x": torch.zeros(2, 3, 6, 6), "taps": TAPS}
    with ops.forced(path), pytest.raises(ValueError, match=complaint):
        ops.fir_act(**{**defaults, **arguments})
