# SPDX-License-Identifier: Apache-2.0
"""Functions that a GPU carries out by itself, once it was shown how: CUDA graphs.

Small pictures keep a GPU for less time than Python takes to ask for them. A *recording* is all the work of one call of
a function; to *replay* it, the new inputs are copied over those that it was made with, and one command repeats it all.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, ParamSpec, TypeVar, final

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_map_only, tree_unflatten

from dnnlib.console import get_logger

P = ParamSpec("P")
Result = TypeVar("Result")

log = get_logger(__name__)


@final
class Recorded(Generic[P, Result]):
    """A function whose second call with inputs of one kind is recorded, and whose further ones are replayed.

    Calls are of one kind where their tensors have the same shapes and types, all else is equal, and so are autocast and
    inference mode. Others are computed as ever, and so is everything on a CPU, where gradients are wanted, or where the
    device refuses the recording.

    The function must follow from its inputs, ask for no value of a tensor, and change none of its inputs. What belongs
    to it, such as weights, may be changed in place, but not be replaced. What a call gives belongs to the caller.
    """

    def __init__(
        self,
        function: Callable[P, Result],
        while_recording: Callable[[], AbstractContextManager[Any]] = nullcontext,  # Around the calls that record.
    ) -> None:
        self.function = function
        self._while_recording = while_recording
        self._kind: _Kind | None = None  # Of the last call, then of the recording.
        self._recording: _Recording | None = None
        self._is_refused = False

    @property
    def is_recorded(self) -> bool:
        return self._recording is not None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        tensors, kind = _taken_apart((args, kwargs))
        if self._is_refused or not can_record(tensors):
            return self.function(*args, **kwargs)
        if self._recording is None:
            if kind != self._kind:  # The first call shows what is coming, and looks at values if it must.
                self._kind = kind
                return self.function(*args, **kwargs)
            self._record(tensors, kind)
        if self._recording is None or kind != self._kind:
            return self.function(*args, **kwargs)
        return self._recording.replay(tensors)

    def _record(self, tensors: list[Tensor], kind: "_Kind") -> None:
        random_state = torch.get_rng_state()
        try:
            with self._while_recording():
                recording = _Recording(self.function, tensors, kind)
            if not torch.equal(random_state, torch.get_rng_state()):
                raise RuntimeError("the host draws random numbers, and a replay would repeat them")
            self._recording = recording
        except RuntimeError as error:  # Also for want of memory.
            torch.set_rng_state(random_state)
            self._is_refused = True
            log.warning("No CUDA graph, so that small pictures take longer: %s", str(error).split("\n", 1)[0])


def can_record(tensors: list[Tensor]) -> bool:
    """Whether work on these is a GPU's alone and nobody wants gradients of it."""
    places = {tensor.device for tensor in tensors}
    return (
        len(places) == 1
        and places.pop().type == "cuda"
        and not torch.is_grad_enabled()
        and not torch.cuda.is_current_stream_capturing()
    )


class _Kind:
    """What calls have in common that one recording serves."""

    def __init__(self, leaves: list[Any], structure: TreeSpec) -> None:
        self.structure = structure
        self.leaves = [
            (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else (leaf,) for leaf in leaves
        ]
        self.types = [type(leaf) for leaf in leaves]  # 1 equals True and 1.0, and is something else.
        self.modes = (
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda"),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and all(vars(self)[name] == value for name, value in vars(other).items())

    __hash__ = None  # type: ignore[assignment]

    def put_together(self, tensors: list[Tensor]) -> Any:
        rest = iter(tensors)
        return tree_unflatten([next(rest) if len(leaf) > 1 else leaf[0] for leaf in self.leaves], self.structure)


def _taken_apart(inputs: Any) -> tuple[list[Tensor], _Kind]:
    leaves, structure = tree_flatten(inputs)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)], _Kind(leaves, structure)


class _Recording:
    def __init__(self, function: Callable[..., Any], tensors: list[Tensor], kind: _Kind) -> None:
        self._inputs = [tensor.clone() for tensor in tensors]
        args, kwargs = kind.put_together(self._inputs)
        with torch.cuda.device(tensors[0].device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            # This block also leaves the stream again if the recording fails; the inner one then would not.
            with torch.cuda.stream(stream):
                function(*args, **kwargs)  # Libraries fetch their workspaces for this stream.
                self._graph = torch.cuda.CUDAGraph()
                # Other threads, that load or write files, may go on.
                with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                    self._result = function(*args, **kwargs)
            torch.cuda.current_stream().wait_stream(stream)

    def replay(self, tensors: list[Tensor]) -> Any:
        torch._foreach_copy_(self._inputs, tensors)
        self._graph.replay()
        return tree_map_only(Tensor, Tensor.clone, self._result)  # The next replay writes to the same memory.
