# SPDX-License-Identifier: Apache-2.0
"""Bias, activation, gain and clamp in one pass: y = clamp(act(x + b) * gain, -clamp, clamp).

Vocabulary: `slope` is dy/dz at z = x + b, `curve` its derivative. Where the clamp holds, both are zero. For the
piecewise linear kinds the slope can be told from y alone, so y is kept for the backward pass and x is free to go.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native

Activation = Literal["linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish"]


class _Kind(NamedTuple):
    function: Callable[[Tensor], Tensor]
    gain: float  # keeps the variance of a unit normal input roughly at one
    piecewise: bool  # linear on either side of zero


_SQRT2 = 2.0**0.5
_LRELU_SLOPE = 0.2
_KINDS: dict[str, _Kind] = {
    "linear": _Kind(lambda z: z, 1.0, True),
    "relu": _Kind(torch.relu, _SQRT2, True),
    "lrelu": _Kind(lambda z: F.leaky_relu(z, _LRELU_SLOPE), _SQRT2, True),
    "tanh": _Kind(torch.tanh, 1.0, False),
    "sigmoid": _Kind(torch.sigmoid, 1.0, False),
    "elu": _Kind(F.elu, 1.0, False),
    "selu": _Kind(F.selu, 1.0, False),
    "softplus": _Kind(F.softplus, 1.0, False),
    "swish": _Kind(F.silu, _SQRT2, False),
}
assert tuple(_KINDS) == get_args(Activation)


def default_gain(act: Activation) -> float:
    """The gain a layer uses when it asks for none."""
    return _kind(act).gain


def biased_act(
    x: Tensor,  # [batch, channels, ...]
    bias: Tensor | None = None,  # [channels], added along axis 1
    act: Activation = "linear",
    gain: float | None = None,  # None: default_gain(act)
    clamp: float | None = None,  # None: no limit
    *,
    reuse: bool = False,  # x is nobody else's: where no gradient is kept, its memory may become the result's
) -> Tensor:
    """clamp(act(x + bias) * gain). Gradients of first and second order with respect to x and bias are exact."""
    kind = _kind(act)
    gain = kind.gain if gain is None else float(gain)
    if not x.is_floating_point():
        raise ValueError(f"biased_act: x must be floating point, got {x.dtype}; convert it first.")
    if not gain > 0:
        raise ValueError(f"biased_act: gain must be positive, got {gain}.")
    if bias is not None and (x.ndim < 2 or bias.shape != (x.shape[1],)):
        raise ValueError(f"biased_act: bias of shape {list(bias.shape)} does not fit axis 1 of x {list(x.shape)}.")
    if clamp is not None and not clamp > 0:
        raise ValueError(f"biased_act: clamp must be positive or None, got {clamp}.")
    if not native.serves("biased_act", x):
        return reference(x, bias, act, gain, clamp)
    limit = float("inf") if clamp is None else float(clamp)
    bias = None if bias is None else bias.to(x.dtype)
    if kind.piecewise:
        if reuse and _may_overwrite(x, bias):
            torch.ops.fullhead.biased_act_(x, bias, act, gain, limit)
            return x
        return torch.ops.fullhead.biased_act(x, bias, act, gain, limit)
    # The smooth kinds keep z for their backward pass, so z is made first; they sit in no hot path.
    z = x if bias is None else x + bias.reshape([-1] + [1] * (x.ndim - 2))
    return torch.ops.fullhead.biased_act(z, None, act, gain, limit)


def reference(x: Tensor, bias: Tensor | None, act: Activation, gain: float, clamp: float | None) -> Tensor:
    """The definition, in plain PyTorch."""
    if bias is not None:
        x = x + bias.to(x.dtype).reshape([-1] + [1] * (x.ndim - 2))
    with native.without_autocast(x):
        y = _KINDS[act].function(x)
    if gain != 1:
        y = y * gain
    return y if clamp is None else y.clamp(-clamp, clamp)


def _may_overwrite(x: Tensor, bias: Tensor | None) -> bool:
    if torch.compiler.is_compiling() or not x.is_contiguous(memory_format=native.dense_format(x)):
        return False
    return not (torch.is_grad_enabled() and (x.requires_grad or (bias is not None and bias.requires_grad)))


def is_piecewise_linear(act: Activation) -> bool:
    """Whether the slope of `act` can be told from its output."""
    return _kind(act).piecewise


def _kind(act: str) -> _Kind:
    if act not in _KINDS:
        raise ValueError(f"biased_act: unknown activation '{act}'; choose one of {', '.join(_KINDS)}.")
    return _KINDS[act]


# --- Registered operators -------------------------------------------------------------------------------------------
# `kept` is y for the piecewise linear kinds and z for the others.

torch.library.define("fullhead::biased_act", "(Tensor x, Tensor? bias, str act, float gain, float clamp) -> Tensor")
torch.library.define("fullhead::act_slope", "(Tensor g, Tensor kept, str act, float gain, float clamp) -> Tensor")
torch.library.define("fullhead::biased_act_", "(Tensor(a!) x, Tensor? bias, str act, float gain, float clamp) -> ()")
torch.library.define(
    "fullhead::act_curve", "(Tensor g, Tensor h, Tensor kept, str act, float gain, float clamp) -> Tensor"
)


@torch.library.register_fake("fullhead::biased_act")
def _(x, bias, act, gain, clamp):
    return torch.empty_like(x, memory_format=native.dense_format(x))


@torch.library.register_fake("fullhead::biased_act_")
def _(x, bias, act, gain, clamp):
    return None


@torch.library.register_fake("fullhead::act_slope")
def _(g, kept, act, gain, clamp):
    return torch.empty_like(kept, memory_format=native.dense_format(kept))


@torch.library.register_fake("fullhead::act_curve")
def _(g, h, kept, act, gain, clamp):
    return torch.empty_like(kept, memory_format=native.dense_format(kept))


def _keep_forward(ctx, inputs, output):
    x, bias, ctx.act, ctx.gain, ctx.clamp = inputs
    ctx.save_for_backward(output if _KINDS[ctx.act].piecewise else x)
    ctx.has_bias = bias is not None


def _backward(ctx, grad_y):
    (kept,) = ctx.saved_tensors
    grad_x = torch.ops.fullhead.act_slope(grad_y, kept, ctx.act, ctx.gain, ctx.clamp)
    grad_bias = sum_to_channels(grad_x) if ctx.has_bias and ctx.needs_input_grad[1] else None
    return grad_x, grad_bias, None, None, None


def _keep_slope(ctx, inputs, output):
    g, kept, ctx.act, ctx.gain, ctx.clamp = inputs
    ctx.save_for_backward(g, kept)


def _slope_backward(ctx, grad_out):
    g, kept = ctx.saved_tensors
    grad_g = torch.ops.fullhead.act_slope(grad_out, kept, ctx.act, ctx.gain, ctx.clamp)
    grad_kept = None
    if not _KINDS[ctx.act].piecewise and ctx.needs_input_grad[1]:
        grad_kept = torch.ops.fullhead.act_curve(grad_out, g, kept, ctx.act, ctx.gain, ctx.clamp)
    return grad_g, grad_kept, None, None, None


torch.library.register_autograd("fullhead::biased_act", _backward, setup_context=_keep_forward)
torch.library.register_autograd("fullhead::act_slope", _slope_backward, setup_context=_keep_slope)
native.forbid_backward("fullhead::act_curve", "derivatives of biased_act beyond the second")


def sum_to_channels(x: Tensor) -> Tensor:
    """Sums over every axis but the second: [batch, channels, ...] -> [channels]."""
    return x.sum([0, *range(2, x.ndim)])
