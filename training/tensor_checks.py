# SPDX-License-Identifier: Apache-2.0
"""Whether a tensor that a caller passes is one that a network can take; if not, why, in a sentence.

What is right comes back in the type of the weights: scripts draw codes with NumPy, in float64. Values are looked at in
eval mode only, and not where `values_trusted`: a look makes the device wait. Fake tensors have none.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor


def floats(
    network: nn.Module,
    x: Any,
    name: str,
    shape: tuple[int | None, ...],  # None: any size.
    what: str,  # For those who passed something else.
) -> Tensor:
    """`x` as the network takes it."""
    check_floats(network, x, name, shape, what)
    return x.to(next(network.parameters()).dtype)


def check_floats(network: nn.Module, x: Any, name: str, shape: tuple[int | None, ...], what: str) -> None:
    """The same for those who take any floating point type."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a tensor ({what}), not a {type(x).__name__}: torch.as_tensor makes one.")
    if len(x.shape) != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must be [{wanted}] ({what}), not {list(x.shape)}.")
    if len(x) == 0:
        raise ValueError(f"{name} has no rows: there is no picture to make.")
    parameter = next(network.parameters())
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floating point like the weights ({parameter.dtype}), not {x.dtype}: {what}.")
    if x.device != parameter.device:
        raise ValueError(f"{name} is on {x.device}, the weights are on {parameter.device}: move one with .to(...).")
    if has_values(network, x) and not _is_finite(x):
        raise ValueError(f"{name} has numbers that are not finite (NaN or infinity).")


def _is_finite(x: Tensor) -> bool:
    # A finite sum has finite terms, and takes one pass over planes that are as large as several pictures.
    return bool(x.detach().sum().isfinite()) or bool(x.isfinite().all())


def has_values(network: nn.Module, x: Tensor) -> bool:
    """Whether the values of `x` can be looked at without harm."""
    return not (network.training or _TRUSTED.get() or isinstance(x, FakeTensor))


_TRUSTED = contextvars.ContextVar("values are trusted", default=False)


@contextlib.contextmanager
def values_trusted() -> Iterator[None]:
    """For loops of many calls in eval mode, whose inputs follow from checked ones."""
    token = _TRUSTED.set(True)
    try:
        yield
    finally:
        _TRUSTED.reset(token)
