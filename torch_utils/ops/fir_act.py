# SPDX-License-Identifier: Apache-2.0
"""What follows a convolution of a synthesis layer, in one pass: FIR filter, noise, bias, activation, gain, clamp.

y = biased_act(fir(x) + noise, bias): see fir_resample.py and biased_act.py for the words. One tap of 1 leaves the
filter out.
"""

import torch
from torch import Tensor

from torch_utils.ops import native
from torch_utils.ops.biased_act import Activation, biased_act, default_gain, is_piecewise_linear, sum_to_channels
from torch_utils.ops.fir_resample import Pad, check_resampling, fir_resample, output_size, transposed_pad


def fir_act(
    x: Tensor,  # [N, C, H, W]
    taps: Tensor,  # [k], a constant
    noise: Tensor | None = None,  # [1 or N, 1, H', W'], already scaled
    bias: Tensor | None = None,  # [C]
    act: Activation = "lrelu",
    pad: Pad = (0, 0, 0, 0),
    fir_gain: float = 1.0,
    gain: float | None = None,  # None: default_gain(act)
    clamp: float | None = None,  # None: no limit
) -> Tensor:
    """Gradients of first and second order with respect to x, noise and bias are exact."""
    check_resampling(x, taps, 1, 1, pad)
    size = output_size((x.shape[2], x.shape[3]), len(taps), 1, 1, pad)
    if noise is not None and (noise.ndim != 4 or noise.shape[0] not in (1, len(x)) or noise.shape[1:] != (1, *size)):
        raise ValueError(
            f"fir_act: noise {list(noise.shape)} does not fit; it must be [1 or {len(x)}, 1, {size[0]}, {size[1]}]."
        )
    if bias is not None and bias.shape != (x.shape[1],):
        raise ValueError(f"fir_act: bias of shape {list(bias.shape)} does not fit {x.shape[1]} channels.")
    gain = default_gain(act) if gain is None else float(gain)
    if not is_piecewise_linear(act) or not native.serves("fir_act", x):
        return _in_steps(x, taps, noise, bias, act, pad, fir_gain, gain, clamp)
    if not gain > 0 or (clamp is not None and not clamp > 0):
        raise ValueError(f"fir_act: gain and clamp must be positive, got {gain} and {clamp}.")
    limit = float("inf") if clamp is None else float(clamp)
    taps = taps.to(device=x.device, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)
    noise = None if noise is None else noise.to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    return torch.ops.fullhead.fir_act(x, taps, noise, bias, list(pad), fir_gain, act, gain, limit)


def _in_steps(x, taps, noise, bias, act, pad, fir_gain, gain, clamp) -> Tensor:
    """The definition: the two operators that this one joins, each on the path that is in force."""
    x = fir_resample(x, taps, pad=pad, gain=fir_gain)
    if noise is not None:
        x = x + noise.to(x.dtype)
    return biased_act(x, bias, act, gain, clamp)


# --- Registered operator ----------------------------------------------------------------------------------------------

torch.library.define(
    "fullhead::fir_act",
    "(Tensor x, Tensor taps, Tensor? noise, Tensor? bias, int[] pad, float fir_gain, str act, float gain, float clamp)"
    " -> Tensor",
)


@torch.library.register_fake("fullhead::fir_act")
def _(x, taps, noise, bias, pad, fir_gain, act, gain, clamp):
    size = output_size((x.shape[2], x.shape[3]), taps.shape[0], 1, 1, pad)
    return torch.empty((*x.shape[:2], *size), dtype=x.dtype, device=x.device, memory_format=native.dense_format(x))


def _keep_forward(ctx, inputs, output):
    x, taps, noise, _, ctx.pad, ctx.fir_gain, ctx.act, ctx.gain, ctx.clamp = inputs
    ctx.size = (x.shape[2], x.shape[3])
    ctx.noise_batch = 0 if noise is None else noise.shape[0]
    ctx.save_for_backward(taps, output)


def _backward(ctx, grad_y):
    """Composed of registered operators, so the second order follows."""
    taps, y = ctx.saved_tensors
    grad_z = torch.ops.fullhead.act_slope(grad_y, y, ctx.act, ctx.gain, ctx.clamp)
    grad_x = grad_noise = grad_bias = None
    if ctx.needs_input_grad[0]:
        pad = transposed_pad(ctx.size, taps.shape[0], 1, 1, ctx.pad)
        grad_x = torch.ops.fullhead.fir_resample(grad_z, taps.flip(0), 1, 1, list(pad), ctx.fir_gain)
    if ctx.needs_input_grad[2]:
        grad_noise = grad_z.sum([0, 1] if ctx.noise_batch == 1 else [1], keepdim=True)
    if ctx.needs_input_grad[3]:
        grad_bias = sum_to_channels(grad_z)
    return grad_x, None, grad_noise, grad_bias, None, None, None, None, None


torch.library.register_autograd("fullhead::fir_act", _backward, setup_context=_keep_forward)
