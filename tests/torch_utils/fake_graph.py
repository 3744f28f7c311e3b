# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs without a GPU: what is captured is noted operator by operator, and a replay computes it in its place.

As on a GPU, a replay reads and writes the memory of the capture, and what needs a value on the host cannot be captured.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from torch_utils import cuda_graph

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item"}


class FakeGraph(TorchDispatchMode):
    """Stands for torch.cuda.CUDAGraph."""

    made: ClassVar[list["FakeGraph"]] = []

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.num_replays = 0
        self.made.append(self)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.partition("::")[2] in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        self.num_replays += 1
        for func, args, kwargs, result in self.calls:
            for old, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                # What shares its memory with an input is there already.
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


@contextmanager
def _capture(graph: FakeGraph, **_: Any) -> Iterator[None]:
    with graph:
        yield


class _Stream:
    def wait_stream(self, other: "_Stream") -> None: ...


def install(monkeypatch: pytest.MonkeyPatch) -> list[FakeGraph]:
    """From now on, tensors of the CPU are recorded as those of a GPU would be; gives the graphs that are made."""
    monkeypatch.setattr(FakeGraph, "made", [])
    monkeypatch.setattr(cuda_graph, "can_record", lambda tensors: bool(tensors) and not torch.is_grad_enabled())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", _capture)
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", _Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    return FakeGraph.made
