# SPDX-License-Identifier: Apache-2.0
"""The published way in a process of its own: memory goes back to the system there, as where nobody sees to it.

Ours keeps what it has freed (torch_utils/heap.py), and in one process the other way would find it.
"""

import multiprocessing
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch

from benchmarks import harness
from benchmarks.workload import PLAIN, Part, Workload


class Neighbour:
    """Works when it is asked to, and is waited for. A context."""

    def __init__(self, name: str, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, device))

    def __enter__(self) -> "Neighbour":
        self._process.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join()

    def ask(self, what: str, *arguments: Any) -> Any:
        self._pipe.send((what, arguments))
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process of the published way has ended; its message stands above") from None
        if isinstance(answer, torch.OutOfMemoryError):
            raise answer
        return answer

    def instead(self, workload: Workload) -> Workload:
        """The same work, of which the published way is done by this process."""
        parts = {
            name: Part(
                lambda number, name=name: self.ask("work", name, number),
                part.times,
                lambda name=name: self.ask("peak", name),
            )
            for name, part in workload.ways[PLAIN].items()
        }
        pictures = {**workload.pictures, PLAIN: lambda number: self.ask("picture", number)} if workload.pictures else {}
        return replace(workload, ways={**workload.ways, PLAIN: parts}, pictures=pictures)


def _serve(pipe: Any, name: str, device: str) -> None:
    from benchmarks.compare import ENTRIES  # noqa: PLC0415 - it is what starts this process

    with ENTRIES[name].make(device, False) as workload:
        while (asked := pipe.recv()) is not None:
            try:
                pipe.send(_answer(workload, device, *asked))
            except torch.OutOfMemoryError as error:
                pipe.send(torch.OutOfMemoryError(str(error)))


def _answer(workload: Workload, device: str, what: str, arguments: tuple[Any, ...]) -> Any:
    parts = workload.ways[PLAIN]
    if what == "work":
        parts[arguments[0]].work(arguments[1])
        return harness.wait(device)
    if what == "peak":
        return harness.peak_bytes(lambda: parts[arguments[0]].work(0), device)
    return workload.pictures[PLAIN](*arguments).float().cpu()
