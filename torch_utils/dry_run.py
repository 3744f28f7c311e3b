# SPDX-License-Identifier: Apache-2.0
"""What a computation costs, without computing it: operations and peak memory from shapes alone.

The computation runs on fake tensors, which have shapes and no data. Operations are those of convolutions and matrix
products, two for a multiplication with its addition. Memory is of all tensors that live at once, those of gradients
included; what libraries use as scratch space is not seen.
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, final

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import torch_utils.ops.trigrid_decode  # noqa: F401  Registers the operators that are counted below.

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)


class Cost(NamedTuple):
    """Of one call."""

    flops_by_module: dict[str, int]  # By path, of modules of which something was called.
    peak_bytes: int  # Beyond what was there before.


def _decode_flops(
    planes: torch.Size, points: torch.Size, w1: torch.Size, b1: torch.Size, w2: torch.Size, *_: Any, **__: Any
) -> int:
    """Of the layers, as if all points were seen."""
    return 2 * points[0] * points[1] * (w1.numel() + w2.numel())


def _decode_grad_flops(
    g: torch.Size, g_rest: torch.Size, planes: torch.Size, points: torch.Size, w1: torch.Size, *others: Any, **_: Any
) -> int:
    """The hidden layer once more, its gradient, and what else is wanted: that of its inputs, and of the weights."""
    to_planes, to_points, to_layers = others[-3:]
    forward = _decode_flops(planes, points, w1, *others)
    to_inputs = 2 * g.numel() * w1.numel() * (to_planes or to_points)
    return forward + to_inputs + forward * to_layers


# Of the operators here that hold matrix products, by shapes.
FLOPS = {
    torch.ops.fullhead.trigrid_decode: _decode_flops,
    torch.ops.fullhead.trigrid_decode_grad: _decode_grad_flops,
}


def cost_of(make: Callable[[], tuple[ModuleT, Callable[[], Any]]]) -> tuple[ModuleT, Cost]:
    """`make` builds a module and a call of it; both happen without data. The module is returned, of fake tensors."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.random.fork_rng(devices=[]):
        module, call = make()
        # Autograd, if wanted, is a part of the call: the modes see the operators below it.
        counter, memory = FlopCounterMode(display=False, custom_mapping=FLOPS), _PeakMemory()
        by_module = _count_by_module(module, counter)
        with counter, memory:
            call()
    return module, Cost(by_module, memory.peak_bytes)


def _count_by_module(module: torch.nn.Module, counter: FlopCounterMode) -> dict[str, int]:
    """Filled while the modules are called. What happens in a backward pass is nobody's.

    A module has what its calls compute, and what its parts do that are called while it is not.
    """
    flops: dict[str, int] = {}
    before: dict[str, int] = {}  # Of modules that are being called.

    def enter(name: str) -> None:
        before[name] = counter.get_total_flops()

    def leave(name: str) -> None:
        gained = counter.get_total_flops() - before.pop(name)
        while name not in before:
            flops[name] = flops.get(name, 0) + gained
            if not name:
                break
            name = name.rpartition(".")[0]

    for name, part in module.named_modules():
        part.register_forward_pre_hook(lambda *_, name=name: enter(name))
        part.register_forward_hook(lambda *_, name=name: leave(name))
    return flops


@final
class _PeakMemory(TorchDispatchMode):
    """Adds a storage when an operator makes it, and takes it away when the last tensor that shares it is gone.

    What an operator is given without any operator having made it was there before, and so were views of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._live_bytes = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._track((args, kwargs), is_new=False)
        result = func(*args, **(kwargs or {}))
        self._track(result, is_new=True)
        return result

    def _track(self, values: Any, is_new: bool) -> None:
        for value in tree_leaves(values):
            if isinstance(value, torch.Tensor):
                self._track_storage(value.untyped_storage(), is_new)

    def _track_storage(self, storage: torch.UntypedStorage, is_new: bool) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes() if is_new else 0
        self._live_bytes += self._sizes[key]
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self._live_bytes -= self._sizes.pop(key)
