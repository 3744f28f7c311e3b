# SPDX-License-Identifier: Apache-2.0
"""Two small layers at very many points: y = W2 softplus(W1 x + b1) + b2, whose first number comes apart.

The layers of a radiance field's decoder have a few dozen units, and pictures ask them about millions of points. As
separate calls they are bound by the memory that the hidden layer takes; together it stays in the cache.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native


def softplus_mlp(
    x: Tensor,  # [..., I]
    w1: Tensor,  # [H, I]
    b1: Tensor,  # [H]
    w2: Tensor,  # [O, H]
    b2: Tensor,  # [O]
) -> tuple[Tensor, Tensor]:  # the first output [...], the others [..., O - 1]
    """First-order gradients with respect to all inputs are exact."""
    shapes = [tuple(t.shape) for t in (x, w1, b1, w2, b2)]
    hidden, outputs = len(b1) if b1.ndim else 0, len(b2) if b2.ndim else 0
    inputs = x.shape[-1] if x.ndim else 0
    if 0 in (inputs, hidden, outputs) or shapes[1:] != [(hidden, inputs), (hidden,), (outputs, hidden), (outputs,)]:
        raise ValueError(
            "softplus_mlp: shapes must be x [..., I], w1 [H, I], b1 [H], w2 [O, H], b2 [O], none of them empty; got "
            f"{', '.join(str(list(shape)) for shape in shapes)}."
        )
    types = {t.dtype for t in (x, w1, b1, w2, b2)}
    if len(types) > 1 or not x.is_floating_point():
        raise ValueError(
            f"softplus_mlp: all inputs must be floating point of one type, got {', '.join(sorted(map(str, types)))}."
        )
    if x.dtype not in (torch.float32, torch.float64) or not native.serves("softplus_mlp", x):
        return reference(x, w1, b1, w2, b2)
    return torch.ops.fullhead.softplus_mlp(x, w1, b1, w2, b2)


def reference(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, in plain PyTorch."""
    with native.without_autocast(x):
        # PyTorch's softplus is linear from 20 on unless told otherwise, which float64 would show.
        y = F.linear(F.softplus(F.linear(x, w1, b1), threshold=40), w2, b2)
    return y[..., 0], y[..., 1:]


# --- Registered operators -------------------------------------------------------------------------------------------

_INPUTS = "Tensor x, Tensor w1, Tensor b1, Tensor w2, Tensor b2"
torch.library.define("fullhead::softplus_mlp", f"({_INPUTS}) -> (Tensor, Tensor)")
torch.library.define(
    "fullhead::softplus_mlp_grad",
    f"(Tensor g_first, Tensor g_rest, {_INPUTS}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)


@torch.library.register_fake("fullhead::softplus_mlp")
def _(x, w1, b1, w2, b2):
    return x.new_empty(x.shape[:-1]), x.new_empty((*x.shape[:-1], w2.shape[0] - 1))


@torch.library.register_fake("fullhead::softplus_mlp_grad")
def _(g_first, g_rest, x, w1, b1, w2, b2):
    return tuple(torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, w1, b1, w2, b2))


def _keep_forward(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, g_first, g_rest):
    return torch.ops.fullhead.softplus_mlp_grad(g_first, g_rest, *ctx.saved_tensors)


torch.library.register_autograd("fullhead::softplus_mlp", _backward, setup_context=_keep_forward)
native.forbid_backward("fullhead::softplus_mlp_grad", "second derivatives of softplus_mlp")
