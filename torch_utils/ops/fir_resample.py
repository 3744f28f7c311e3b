# SPDX-License-Identifier: Apache-2.0
"""Separable FIR resampling of images: insert zeros, pad or crop, filter, keep every down-th sample.

Vocabulary: `taps` is the 1-D filter used along both axes; the filtering is a true convolution (the taps are flipped).
`pad` is (left, right, top, bottom) in samples of the zero-stuffed image, as in torch's pad; negative values crop.
`gain` scales the result; zero-stuffing by `up` loses a factor up^2, so upsampling wants gain = up^2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native

Pad = tuple[int, int, int, int]


def filter_taps(weights: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """Taps that sum to one: the same filter as the outer product of `weights` divided by its sum."""
    taps = torch.tensor(weights, dtype=torch.float32)
    return taps / taps.sum()


def upsample(x: Tensor, taps: Tensor, up: int = 2) -> Tensor:
    """[N, C, H, W] -> [N, C, H * up, W * up], centred, brightness kept."""
    return fir_resample(x, taps, up=up, pad=upsample_pad(len(taps), up), gain=up**2)


def downsample(x: Tensor, taps: Tensor, down: int = 2) -> Tensor:
    """[N, C, H, W] -> [N, C, H / down, W / down], centred."""
    return fir_resample(x, taps, down=down, pad=downsample_pad(len(taps), down))


def smooth(x: Tensor, taps: Tensor) -> Tensor:
    """Plain filtering; the size stays. Centred for an odd number of taps, half a sample early for an even one."""
    k = len(taps)
    return fir_resample(x, taps, pad=_square(k // 2, (k - 1) // 2))


def upsample_pad(num_taps: int, up: int) -> Pad:
    """Padding that makes up * H of H samples, the filter centred on them."""
    return _square((num_taps + up - 1) // 2, (num_taps - up) // 2)


def downsample_pad(num_taps: int, down: int) -> Pad:
    """Padding that makes H / down of H samples, the filter centred between the ones it merges."""
    return _square((num_taps - down + 1) // 2, (num_taps - down) // 2)


def fir_resample(
    x: Tensor,  # [N, C, H, W]
    taps: Tensor,  # [k], a constant
    up: int = 1,
    down: int = 1,
    pad: Pad = (0, 0, 0, 0),
    gain: float = 1.0,
) -> Tensor:
    """The general form. Gradients of every order with respect to x are exact: each is another resampling."""
    check_resampling(x, taps, up, down, pad)
    if not native.serves("fir_resample", x):
        return reference(x, taps, up, down, pad, gain)
    return torch.ops.fullhead.fir_resample(x, _as_operand(taps, x), up, down, list(pad), gain)


def reference(x: Tensor, taps: Tensor, up: int, down: int, pad: Pad, gain: float) -> Tensor:
    """The definition, in plain PyTorch."""
    n, c, h, w = x.shape
    x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    x = F.pad(x, [max(p, 0) for p in pad])
    x = F.pad(x, [min(p, 0) for p in pad])  # apart, because a crop may reach into the padding of the other side
    kernel = taps.to(x).flip(0)
    columns, rows = (kernel * gain).reshape(1, 1, -1, 1), kernel.reshape(1, 1, 1, -1)
    with native.without_autocast(x):
        x = F.conv2d(x, columns.expand(c, -1, -1, -1), stride=(down, 1), groups=c)
        return F.conv2d(x, rows.expand(c, -1, -1, -1), stride=(1, down), groups=c)


def output_size(size: tuple[int, int], num_taps: int, up: int, down: int, pad: Pad) -> tuple[int, int]:
    """(height, width) of the result."""
    (height, width), (left, right, top, bottom) = size, pad
    return (
        (height * up + top + bottom - num_taps) // down + 1,
        (width * up + left + right - num_taps) // down + 1,
    )


def check_resampling(x: Tensor, taps: Tensor, up: int, down: int, pad: Pad) -> None:
    """Refuses what has no meaning, before any path is chosen."""
    if x.ndim != 4:
        raise ValueError(f"fir_resample: x must be [N, C, H, W], got {list(x.shape)}.")
    if not x.is_floating_point():
        raise ValueError(f"fir_resample: x must be floating point, got {x.dtype}; convert it first.")
    if taps.ndim != 1 or len(taps) == 0:
        raise ValueError(f"fir_resample: taps must be one-dimensional, got {list(taps.shape)}; see filter_taps().")
    if taps.requires_grad:
        raise ValueError("fir_resample: the taps are a constant; detach them.")
    if len(pad) != 4:
        raise ValueError(f"fir_resample: pad must be (left, right, top, bottom), got {tuple(pad)}.")
    if up < 1 or down < 1:
        raise ValueError(f"fir_resample: up and down must be at least 1, got {up} and {down}.")
    height, width = output_size((x.shape[2], x.shape[3]), len(taps), up, down, pad)
    if height < 1 or width < 1:
        raise ValueError(
            f"fir_resample: {x.shape[2]} x {x.shape[3]} samples with up={up}, pad={pad} are fewer than the {len(taps)} "
            "taps; pad more."
        )


def transposed_pad(size: tuple[int, int], num_taps: int, up: int, down: int, pad: Pad) -> Pad:
    """The padding of the adjoint, which resamples by (up=down, down=up) with flipped taps.

    Output o reads input i through tap k where i * up = o * down + k - before. Read the other way, o * down = i * up +
    k' - before' with k' = num_taps - 1 - k, so before' = num_taps - 1 - before; `after` makes the result `size` long.
    """
    out = output_size(size, num_taps, up, down, pad)
    pads = []
    for length, out_length, before in ((size[1], out[1], pad[0]), (size[0], out[0], pad[2])):
        before_t = num_taps - 1 - before
        pads += [before_t, (length - 1) * up + num_taps - out_length * down - before_t]
    return tuple(pads)


def _square(before: int, after: int) -> Pad:
    return (before, after, before, after)


def _as_operand(taps: Tensor, x: Tensor) -> Tensor:
    return taps.to(device=x.device, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32)


# --- Registered operator ----------------------------------------------------------------------------------------------

torch.library.define(
    "fullhead::fir_resample", "(Tensor x, Tensor taps, int up, int down, int[] pad, float gain) -> Tensor"
)


@torch.library.register_fake("fullhead::fir_resample")
def _(x, taps, up, down, pad, gain):
    size = output_size((x.shape[2], x.shape[3]), taps.shape[0], up, down, pad)
    return torch.empty((*x.shape[:2], *size), dtype=x.dtype, device=x.device, memory_format=native.dense_format(x))


def _keep_forward(ctx, inputs, output):
    x, taps, ctx.up, ctx.down, ctx.pad, ctx.gain = inputs
    ctx.size = (x.shape[2], x.shape[3])
    ctx.save_for_backward(taps)


def _backward(ctx, grad_y):
    (taps,) = ctx.saved_tensors
    pad = transposed_pad(ctx.size, taps.shape[0], ctx.up, ctx.down, ctx.pad)
    grad_x = torch.ops.fullhead.fir_resample(grad_y, taps.flip(0), ctx.down, ctx.up, list(pad), ctx.gain)
    return grad_x, None, None, None, None, None


torch.library.register_autograd("fullhead::fir_resample", _backward, setup_context=_keep_forward)
